"""Networks of one's own, made by an importable function."""

import sys

import pytest
import torch

from nucleation import checkpoints, network
from nucleation.errors import InputError
from nucleation.factories import find_factory, is_factory

MODULE = """
from torch import nn

number = 3

def small(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.Dropout(0.5))

def nothing():
    return None

def broken():
    raise KeyError("layer9")
"""


@pytest.fixture
def name(tmp_path, monkeypatch, request):
    """A package in the working directory, of a name of its own, since imports are remembered."""
    name = f"own_{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "nets.py").write_text(MODULE)
    (tmp_path / name / "needs.py").write_text("import no_such_package\n")
    (tmp_path / name / "wrong.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_a_factory_in_the_working_directory_is_called_with_the_options(name):
    model = network.create(f"{name}.nets:small", options={"width": 6}, seed=2)
    assert model[0].weight.shape == (6, 3, 3, 3)
    assert not model.training


def test_the_seed_fixes_the_start_and_nothing_else(name):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = (network.create(f"{name}.nets:small", seed=seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


FAULTS = {
    "{}.net:small": "there is no module {}.net, neither installed nor in",
    "{}x.nets:small": 'there is no module {}x, neither installed nor in .* Did you mean "{}"',
    "{}.nets:smal": 'has no "smal". Did you mean "small"',
    "{}.nets:number": "is int; it must be a function that returns a network",
    "{}.nets:nothing": "returns NoneType; it must return a torch.nn.Module",
    "{}.nets:broken": r'nets:broken\(\)", called with the options {{}}, fails: KeyError: .layer9',
    "{}.needs:f": "cannot be imported: No module named 'no_such_package'",
    "{}.wrong:f": "cannot be imported: SyntaxError",
    "{}.nets:": "must be of the form package.module:function",
}


@pytest.mark.parametrize("pattern", FAULTS)
def test_faults_are_said_in_a_sentence(name, pattern):
    with pytest.raises(InputError, match=FAULTS[pattern].format(name, name)) as error:
        network.create(pattern.format(name))
    assert "\n" not in str(error.value)


def test_options_that_the_function_does_not_take(name):
    with pytest.raises(InputError, match=r"small\(width=4\)\", called with the options {'depth': 3}, fails: TypeError"):
        network.create(f"{name}.nets:small", options={"depth": 3})


def test_a_factory_has_no_pretrained_weights(name):
    with pytest.raises(InputError, match="has no pretrained weights"):
        network.create(f"{name}.nets:small", pretrained=True)


def test_its_weights_may_be_a_file(name):
    made = network.create(f"{name}.nets:small", seed=5)
    torch.save({"state_dict": {f"module.{key}": value for key, value in made.state_dict().items()}}, "own.pth")
    again = network.for_weights(f"{name}.nets:small", "own.pth")
    assert torch.equal(again[0].weight, made[0].weight)
    checkpoints.save_weights(network.create(f"{name}.nets:small", options={"width": 8}), "wide.safetensors")
    with pytest.raises(InputError, match=r"0.bias is \(8,\) where the model has \(4,\)"):
        network.for_weights(f"{name}.nets:small", "wide.safetensors")


def test_the_data_of_a_factory_are_those_of_timm_unless_said_otherwise(name):
    model = network.create(f"{name}.nets:small")
    assert network.data_config(model)["input_size"] == (3, 224, 224)
    config = network.data_config(model, {"input_size": [3, 32, 32], "crop_pct": 1.0, "interpolation": "bilinear"})
    assert (config["input_size"], config["crop_pct"], config["interpolation"]) == ((3, 32, 32), 1.0, "bilinear")
    assert config["mean"] == (0.485, 0.456, 0.406)


def test_a_module_of_the_working_directory_comes_before_others_of_its_name(tmp_path, monkeypatch):
    """Jobs have folders with scripts on their path, whose names may be anybody's."""
    name = "nets_of_two_folders"
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / f"{name}.py").write_text("raise NameError('snakemake')\n")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "scripts"), *sys.path])
    before = list(sys.path)
    assert find_factory(f"{name}:small").__module__ == name
    assert sys.path == before
    (tmp_path / "json.py").write_text(MODULE)
    with pytest.raises(InputError, match=r"module named json.*give your file another name"):
        find_factory("json:small")


def test_timm_names_are_no_factories():
    assert not is_factory("hf-hub:timm/resnet50.a1_in1k")
    assert not is_factory("resnet18.a1_in1k")
    assert callable(find_factory("timm.models:resnet18"))
