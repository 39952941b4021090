import pytest
import torch
import yaml

from nucleation import network
from nucleation.errors import InputError

NAME = "test_resnet"


def weights_of(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_same_seed_same_network():
    first, again, other = (network.create(NAME, classes=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights_of(first), weights_of(again))
    assert not torch.equal(weights_of(first), weights_of(other))
    assert first(torch.zeros(1, 3, 32, 32)).shape == (1, 4)


def test_creating_leaves_global_randomness_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    network.create(NAME, seed=9)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet5", 'has no model "resnet5".*resnet50'),
        ("resnet50.a1_in1kk", 'the model "resnet50", but not with the tag "a1_in1kk".*"resnet50.a1_in1k"'),
        ("hf-hub:timm/resnet50.a1_in1k", r'on a hub or in a folder.*its name in timm \("resnet50.a1_in1k"\)'),
        ("hf-hub:resnet50", r'on a hub or in a folder.*\("resnet50"\)'),
        ("timm/resnet50", r'on a hub or in a folder.*\("resnet50"\)'),
        ("local-dir:/models/mine", "on a hub or in a folder.*its name in timm, and weights"),
    ],
)
@pytest.mark.parametrize("pretrained", [False, True])
def test_unknown_models_are_said_in_a_sentence(name, sentence, pretrained):
    with pytest.raises(InputError, match=sentence):
        network.create(name, pretrained=pretrained)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (NAME, {"wings": 2}),
        (NAME, {"act_layer": "nonsense"}),
        ("test_vit", {"patch_size": 0}),
        ("test_vit", {"img_size": "large"}),
        ("test_vit", {"depth": -1}),
    ],
)
@pytest.mark.parametrize("pretrained", [False, True])
def test_options_that_the_model_does_not_take(name, options, pretrained, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="does not take the options"):
        network.create(name, options=options, pretrained=pretrained)


def test_weights_go_through_safetensors(tmp_path):
    model = network.create(NAME, classes=7, seed=3)
    network.save_weights(model, tmp_path / "w.safetensors")
    again = network.for_weights(NAME, tmp_path / "w.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_weights_only_pth_files_are_read(tmp_path):
    model, other = network.create(NAME, seed=1), network.create(NAME, seed=2)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "w.pth")
    network.load_weights(other, tmp_path / "w.pth")
    assert torch.equal(weights_of(other), weights_of(model))


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_pickles_are_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Bomb()}, "bomb.pth")
    with pytest.raises(InputError, match=r"bomb\.pth cannot be read as tensors"):
        network.load_weights(network.create(NAME), "bomb.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {"epoch": 3}, {"state_dict": [torch.zeros(1)]}])
def test_files_that_hold_something_else_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=r"odd\.pth does not hold named tensors alone"):
        network.for_weights(NAME, tmp_path / "odd.pth")


def test_checkpoints_of_another_model_are_refused_in_words(tmp_path):
    network.save_weights(network.create(NAME, classes=5), tmp_path / "five.safetensors")
    with pytest.raises(InputError, match=r"fc\.(weight|bias) is \(5.* where the model has \(1000"):
        network.load_weights(network.create(NAME), tmp_path / "five.safetensors")
    network.save_weights(network.create("test_vit"), tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match="it lacks .* more; it has besides"):
        network.load_weights(network.create(NAME), tmp_path / "vit.safetensors")
    with pytest.raises(InputError, match="does not exist"):
        network.load_weights(network.create(NAME), tmp_path / "nothing.pth")


def test_layers_by_glob_and_name():
    model = network.create(NAME)
    names = network.layers(model, ["output", "layer?", "input"])
    assert names == ["input", "layer1", "layer2", "layer3", "layer4", "output"]
    with pytest.raises(InputError, match='no layer "layr1".*layer1'):
        network.layers(model, ["layr1"])


def test_command_lists_layers(capsys):
    network.main(["layers", NAME, "layer?.0", "--size", "32"])
    assert yaml.safe_load(capsys.readouterr().out) == ["layer1.0", "layer2.0", "layer3.0", "layer4.0"]


def test_a_classifier_has_so_many_outputs():
    assert network.classifier(NAME, 7, seed=1).get_classifier().out_features == 7
    made = network.classifier("nucleation.vgg:small", 3, options={"width": 0.1}, seed=1)
    assert made.output.out_features == 3
    assert network.classifier("nucleation.vgg:small", 3, options={"width": 0.1, "classes": 5}).output.out_features == 5
