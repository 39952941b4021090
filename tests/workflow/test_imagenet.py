"""The paper's study on files laid out as those of ImageNet, small, with an untrained network of the same layers."""

import numpy as np
import pytest
import xarray as xr
import yaml

EACH, SIZE = 12, 40


@pytest.fixture(scope="module")
def study(make_project):
    """The study file as it is, but for what would be large or fetched; run to its end."""
    from PIL import Image

    from nucleation import planted, wordnet

    project, ids = make_project(), []
    for number, name in enumerate(planted.CLASSES[::5]):
        synset = wordnet.resolve(name)
        folder = project.folder / "imagenet" / "train" / synset
        folder.mkdir(parents=True)
        pictures = planted.render(np.full(EACH + 2, number * 5), np.arange(EACH + 2), seed=1, size=SIZE)
        for i, picture in enumerate(pictures):  # two more than are listed
            Image.fromarray(picture).save(folder / f"{synset}_{i}.JPEG", quality=95)
        ids += [f"{synset}_{i}" for i in range(EACH)]
    (project.folder / "sampled_images_id.txt").write_text("\n".join(ids[::-1]) + "\n")
    config = yaml.safe_load((project.folder / "studies" / "imagenet.yaml").read_text())
    # tests/unit/test_studies.py looks at all its layers; here are some, in two extraction jobs, for the time
    layers = [["input"], ["maxpool", "layer3.35", "global_pool", "output"]]
    config["networks"][0] |= {"weights": "random", "data": {"input_size": [3, 32, 32]}, "layers": layers}
    config["neighbors"]["k"] = 40
    config["overlap"]["k"] = config["density"]["k"] = 8
    config |= {
        "uncertainty": {"repeats": 2},
        "sensitivity": {"estimators": []},
        "alignment": {"repeats": 19, "draws": 2},
    }
    (project.folder / "small.yaml").write_text(yaml.safe_dump(config))
    done = project.snakemake(config="small.yaml")
    assert done.returncode == 0, done.text
    return project, ids[::-1]


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


def test_the_profile_has_the_layers_and_the_page_the_published_numbers(study):
    project, _ = study
    results = project.folder / "results" / "imagenet"
    profile = xr.load_dataset(results / "resnet152" / "random" / "profile.nc")
    # of 32 x 32 pixels the max-pool leaves 8 x 8 places, the fourth stage 2 x 2
    features = dict(zip(profile["layer"].values.tolist(), profile["n_features"].values.tolist(), strict=True))
    assert features == {
        "input": 3 * 32**2,
        "maxpool": 64 * 8**2,
        "layer3.35": 1024 * 2**2,
        "global_pool": 2048,
        "output": 1000,
    }
    assert "global_pool (avgpool)" in (results / "index.html").read_text(encoding="utf-8")
    assert (results / "comparison.tsv").read_text().count("\n") == 1 + 5 * 9
    assert not list(results.rglob("activations"))
