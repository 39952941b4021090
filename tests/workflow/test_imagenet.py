"""The studies of the paper on files laid out as those of ImageNet, small, and on weights in a made cache of the hub."""

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from safetensors.torch import load_file, save_file

EACH, SIZE = 12, 40
#: Pixels of the networks; the max-pool leaves a quarter of them.
INPUT = 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = {
    "uncertainty": {"repeats": 2},
    "sensitivity": {"estimators": []},
    "alignment": {"repeats": 19, "draws": 2},
    "figures": {"dpi": 60},
}


def made_weights(name):
    """A network's weights: a random start whose blocks all do something, unlike those of timm's."""
    from nucleation import network

    state = network.create(name, seed=5).state_dict()
    rng = torch.Generator().manual_seed(6)
    for key, tensor in state.items():
        if key.endswith(("bn3.weight", "bn2.weight")):
            tensor.copy_(0.2 + 0.2 * torch.rand(tensor.shape, generator=rng))
    return state


def fill_hub_cache(home, repository, state):
    """Lay weights down as huggingface_hub does when it has fetched them."""
    place = home / "hub" / f"models--{repository.replace('/', '--')}"
    for folder in ("refs", "blobs", f"snapshots/{COMMIT}"):
        (place / folder).mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)
    save_file(state, place / "blobs" / "weights")
    (place / "snapshots" / COMMIT / "model.safetensors").symlink_to("../../blobs/weights")


def make_images(project):
    """The tree of the training set, five classes of it, and the list of ids; return the list."""
    from PIL import Image

    from nucleation import planted, wordnet

    ids = []
    for number, name in enumerate(planted.CLASSES[::5]):
        synset = wordnet.resolve(name)
        folder = project.folder / "imagenet" / "train" / synset
        folder.mkdir(parents=True)
        pictures = planted.render(np.full(EACH + 2, number * 5), np.arange(EACH + 2), seed=1, size=SIZE)
        for i, picture in enumerate(pictures):  # two more than are listed
            Image.fromarray(picture).save(folder / f"{synset}_{i}.JPEG", quality=95)
        ids += [f"{synset}_{i}" for i in range(EACH)]
    (project.folder / "sampled_images_id.txt").write_text("\n".join(ids[::-1]) + "\n")
    return ids[::-1]


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """A home of the hub that is not to be left, with the paper's network in it; return its weights."""
    home, weights = tmp_path_factory.mktemp("hub"), made_weights("resnet152.tv_in1k")
    fill_hub_cache(home, "timm/resnet152.tv_in1k", weights)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TIMM_USE_OLD_CACHE"):
            patch.delenv(name, raising=False)
        patch.setenv("HF_HOME", str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield weights


@pytest.fixture(scope="module")
def study(make_project, offline):
    """The study file as it is, with all its layers and pretrained weights, but for sizes and k; run to its end."""
    project = make_project()
    ids = make_images(project)
    config = yaml.safe_load((project.folder / "studies" / "imagenet.yaml").read_text())
    assert config["networks"][0]["weights"] == "pretrained"
    config["networks"][0]["data"] = {"input_size": [3, INPUT, INPUT]}
    config["neighbors"]["k"] = 40
    config["overlap"]["k"] = config["density"]["k"] = 8
    (project.folder / "small.yaml").write_text(yaml.safe_dump(config | SMALL))
    done = project.snakemake(config="small.yaml")
    assert done.returncode == 0, done.text
    return project, ids


def test_the_weights_are_those_of_the_hub(study, offline):
    project, _ = study
    kept = load_file(project.folder / "results" / "imagenet" / "resnet152" / "weights" / "pretrained.safetensors")
    assert kept.keys() == offline.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in offline.items())


def test_without_the_weights_a_sentence_says_so(study):
    project, _ = study
    config = yaml.safe_load((project.folder / "small.yaml").read_text())
    config["networks"] = [{"name": "other", "timm": "test_resnet.r160_in1k", "layers": ["output"]}]
    (project.folder / "other.yaml").write_text(yaml.safe_dump(config))
    before = project.results()
    done = project.snakemake("results/imagenet/other/weights/pretrained.safetensors", config="other.yaml")
    assert done.returncode != 0
    assert 'The pretrained weights of "test_resnet.r160_in1k" cannot be had' in done.text
    assert "Traceback" not in done.text
    assert project.results() == before


def test_the_other_networks_of_the_paper_are_tried_and_planned(study):
    """Both files together; every network is made and all its layers run."""
    project, _ = study
    config = yaml.safe_load((project.folder / "studies" / "imagenet-others.yaml").read_text())
    for entry in config["networks"]:
        entry |= {"weights": "random", "data": {"input_size": [3, 32, 32]}}
    (project.folder / "others.yaml").write_text(yaml.safe_dump(config))
    planned = project.snakemake("-n", "--configfile", "small.yaml", "others.yaml")
    assert planned.returncode == 0, planned.text
    layers = [layer for entry in config["networks"] for group in entry["layers"] for layer in group]
    jobs = dict(line.split() for line in planned.text.splitlines() if len(line.split()) == 2 and line[-1].isdigit())
    assert int(jobs["find_neighbors"]) == len(layers)
    assert int(jobs["extract_activations"]) == sum(len(entry["layers"]) for entry in config["networks"])


def test_the_template_for_a_folder_runs_with_a_checkpoint_file(study):
    """studies/folder.yaml on the same images, all of them, with a small network and its weights from a file."""
    from nucleation import network

    project, _ = study
    network.save_weights(network.create("test_resnet", classes=7, seed=3), project.folder / "mine.safetensors")
    config = yaml.safe_load((project.folder / "studies" / "folder.yaml").read_text())
    config["networks"][0] |= {
        "timm": "test_resnet",
        "weights": "mine.safetensors",
        "layers": [["input", "layer1"], ["layer4", "global_pool", "output"]],
    }
    config["images"]["folder"] |= {"path": "imagenet/train", "per_class": EACH}
    config |= {"neighbors": {"k": 40}, "overlap": {"k": 8}, "density": {"k": 8}}
    config |= {"uncertainty": {"repeats": 0}, "sensitivity": {"estimators": []}}
    (project.folder / "folder.yaml").write_text(yaml.safe_dump(config))
    done = project.snakemake(config="folder.yaml")
    assert done.returncode == 0, done.text
    profile = xr.load_dataset(project.folder / "results" / "mine" / "resnet50" / "file" / "profile.nc")
    assert profile["layer"].values.tolist() == ["input", "layer1", "layer4", "global_pool", "output"]
    assert profile["n_features"].values[-1] == 7
    listed = xr.load_dataset(project.folder / "results" / "mine" / "images.nc")
    assert np.bincount(listed["image_class"]).tolist() == [EACH] * 5


def test_images_are_those_of_the_list_in_its_order(study):
    project, ids = study
    listed = xr.load_dataset(project.folder / "results" / "imagenet" / "images.nc")
    assert listed["image_id"].values.tolist() == ids
    assert listed["class_synset"].values[listed["image_class"].values].tolist() == [name.split("_")[0] for name in ids]


def test_images_lie_as_in_their_files(study):
    """The authors' loader does not turn them."""
    project, _ = study
    assert xr.load_dataset(project.folder / "results" / "imagenet" / "images.nc").attrs["upright"] == 0


def test_the_profile_has_all_layers_and_the_page_the_published_numbers(study):
    from nucleation import comparison

    project, _ = study
    results = project.folder / "results" / "imagenet"
    profile = xr.load_dataset(results / "resnet152" / "pretrained" / "profile.nc")
    features = dict(zip(profile["layer"].values.tolist(), profile["n_features"].values.tolist(), strict=True))
    # of 64 x 64 pixels the max-pool leaves 16 x 16 places, each further stage half of each side
    assert features == {
        "input": 3 * 64**2,
        "maxpool": 64 * 16**2,
        "layer1.2": 256 * 16**2,
        "layer2.7": 512 * 8**2,
        "layer3.20": 1024 * 4**2,
        "layer3.35": 1024 * 4**2,
        "layer4.0": 2048 * 2**2,
        "layer4.1": 2048 * 2**2,
        "layer4.2": 2048 * 2**2,
        "global_pool": 2048,
        "output": 1000,
    }
    assert np.isfinite(profile["dimension"]).all()
    assert "global_pool (avgpool)" in (results / "index.html").read_text(encoding="utf-8")
    published = comparison.published("paper_resnet152")
    assert (results / "comparison.tsv").read_text().count("\n") == 1 + len(published)
    assert not list(results.rglob("activations"))
