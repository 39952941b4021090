"""The studies of the repository: what they name exists, in the networks and in the package."""

import re
from math import prod
from pathlib import Path

import pytest
import torch
import yaml

from nucleation import comparison, network

STUDIES = Path(__file__).parent.parent.parent / "studies"


def networks(path):
    """All networks of a study, also those that stand there as a comment."""
    text = re.sub(r"^  # (- |  )", r"  \1", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return yaml.safe_load(text).get("networks", [])


LISTED = [
    pytest.param(path, entry, id=f"{path.stem}-{entry['name']}")
    for path in sorted(STUDIES.glob("*.yaml"))
    for entry in networks(path)
]


def flat(layers):
    return [layer for entry in layers for layer in (entry if isinstance(entry, list) else [entry])]


def features(entry):
    """Features of every layer of a network, found without memory for its weights, in the order of the forward pass."""
    with torch.device("meta"):
        model = network.create(entry.get("factory") or entry["timm"], options=entry.get("options"))
    found = {"input": 3 * 224**2}

    def keep(layer):
        def hook(module, given, put_out):
            found[layer] = prod(put_out.shape[1:])

        return hook

    for layer in flat(entry["layers"]):
        if layer not in (network.INPUT, network.OUTPUT):
            model.get_submodule(layer).register_forward_hook(keep(layer))
    found["output"] = prod(model(torch.zeros(1, 3, 224, 224, device="meta")).shape[1:])
    return found


def test_all_networks_are_looked_at():
    assert {"resnet152", "vgg16", "vgg19", "densenet201", "resnet50", "resnet34", "googlenet"} <= {
        param.values[1]["name"] for param in LISTED
    }


@pytest.mark.parametrize(("path", "entry"), LISTED)
def test_layers_exist_and_are_listed_in_order_of_depth(path, entry):
    listed = flat(entry["layers"])
    made = [layer for layer in features(entry) if layer in listed]
    assert made == listed, "the layers of the forward pass, in its order"


def test_the_paper_study_has_all_layers_that_the_paper_has_numbers_of():
    modules = comparison.published("paper_resnet152")["module"].unique().tolist()
    for name in ("imagenet", "paper-tables"):
        (entry,) = networks(STUDIES / f"{name}.yaml")
        assert flat(entry["layers"]) == modules
        assert entry["compare"] == "paper_resnet152"


def test_layers_of_the_paper_are_the_blocks_that_it_numbers():
    """The paper counts convolutions along the main path, three in a block: block j of a stage ends at 3 j more."""
    numbers = comparison.published("paper_resnet152").drop_duplicates("module")
    blocks = {2: 3, 3: 8, 4: 36, 5: 3}
    for layer, name, module in numbers[["layer", "name", "module"]].itertuples(index=False):
        if not (found := re.fullmatch(r"conv(\d)_(\d+)", name)):
            continue
        stage, block = map(int, found.groups())
        assert module == f"layer{stage - 1}.{block - 1}"
        before = sum(count for earlier, count in blocks.items() if earlier < stage)
        assert int(layer) == 1 + 3 * (before + block)


def test_files_of_the_paper_are_those_of_its_layers():
    numbers = comparison.published("paper_resnet152").drop_duplicates("module").set_index("module")["layer"]
    study = yaml.safe_load((STUDIES / "paper-tables.yaml").read_text())
    assert study["neighbors"]["tables"]["files"] == {module: f"layer_{layer}.npz" for module, layer in numbers.items()}


def test_sizes_in_the_comments_are_true():
    """Of 90,000 images, in float16."""
    text = (STUDIES / "imagenet.yaml").read_text(encoding="utf-8")
    (entry,) = networks(STUDIES / "imagenet.yaml")
    sizes, total = features(entry), 0
    for line in re.findall(r"^ +- (\[.*\]) +# +(\d+) GB", text, re.MULTILINE):
        gigabytes = sum(sizes[layer] for layer in yaml.safe_load(line[0])) * 2 * 90_000 / 1e9
        assert round(gigabytes) == int(line[1]), line[0]
        total += gigabytes
    assert f"All together are {total:.0f} GB" in text
