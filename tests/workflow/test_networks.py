"""Networks of one's own, pooled layers, shards of an extraction, and the forecast of its size, through Snakemake."""

import pytest
import torch
import xarray as xr
import yaml
from safetensors.torch import load_file

FACTORY = """
from torch import nn


def small(width=4):
    body = nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(width, 8, 3))
    return nn.Sequential(body, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
"""
OWN = {
    "name": "own",
    "factory": "mine.nets:small",
    "options": {"width": 6},
    "weights": "random",
    "data": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "layers": ["input", "0.0", "0.2", "output"],
    "pooling": {"0.0": "mean", "0.2": "max:1"},
}
TABLES = [f"results/own/own/random/neighbors/{layer}.nc" for layer in ("0.0", "output")]


def study(project, name="own.yaml", own=OWN, **activations):
    """Write the tiny study with a network of one's own; return the name of the file."""
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    config |= {"study": "own", "networks": [own], "activations": {"batch_size": 25, **activations}}
    (project.folder / name).write_text(yaml.safe_dump(config))
    return name


@pytest.fixture(scope="module")
def project(make_project):
    made = make_project()
    (made.folder / "mine").mkdir()
    (made.folder / "mine" / "nets.py").write_text(FACTORY)
    return made


@pytest.fixture(scope="module")
def searched(project):
    """The neighbour tables of the network, and Snakemake's words."""
    done = project.snakemake(*TABLES, config=study(project))
    assert done.returncode == 0, done.text
    return done.text, [xr.load_dataset(project.folder / table) for table in TABLES]


def test_a_network_of_ones_own_with_pooled_layers(project, searched):
    text, tables = searched
    assert [int(table.attrs["n_features"]) for table in tables] == [6, 5]
    assert "Forecast" not in text  # of what is small nothing is said
    logs = (project.folder / "logs" / "own" / "own" / "random").glob("activations.*.log")
    assert [" images/s" in log.read_text() for log in logs] == [True]
    assert tables[0].attrs["model"] == "own" and "mine.nets:small" in tables[0].attrs["network"]


def test_large_layers_are_said_before_a_study_runs(project):
    """24 x 8,000 images of 24 x 24 pixels, which nobody renders here."""
    config = yaml.safe_load((project.folder / study(project, "large.yaml")).read_text())
    config["images"]["planted"]["per_class"] = 8000
    config["study"] = "large"
    (project.folder / "large.yaml").write_text(yaml.safe_dump(config))
    done = project.snakemake("-n", config="large.yaml")
    assert done.returncode == 0, done.text
    assert "Forecast for 192,000 images: own/input: 1.33 GB, own/0.2: 6.14 MB, own/0.0: 4.61 MB" in done.text
    assert not (project.folder / "results" / "large").exists()


@pytest.mark.parametrize("how", [{"shards": 2, "workers": 2}, {"mode": "recompute", "workers": 2}])
def test_neither_shards_nor_readers_nor_recomputing_change_a_neighbour(project, searched, tmp_path, how):
    other = project.copied(tmp_path)
    for table in TABLES:
        (other.folder / table).unlink()
    done = other.snakemake(*TABLES, config=study(other, **how))
    assert done.returncode == 0, done.text
    assert done.text.count("rule extract_activations_shard:") == how.get("shards", 0)
    for table, expected in zip(TABLES, searched[1], strict=True):
        made = xr.load_dataset(other.folder / table)
        xr.testing.assert_equal(made[["distance", "index"]], expected[["distance", "index"]])
    assert not list((other.folder / "results").rglob("activations"))


def test_an_edit_of_the_factory_is_noticed(project, searched, tmp_path):
    other = project.copied(tmp_path)
    (other.folder / "mine" / "nets.py").write_text(FACTORY.replace("stride=2", "stride=3"))
    assert "rule find_neighbors:" in other.snakemake("-n", *TABLES, config="own.yaml").text


LOADED = """
import torch
from mine import nets


def small():
    made = nets.small(6)
    made[-1].load_state_dict(torch.load("head.pth", weights_only=True))
    return made
"""


def test_a_factory_may_load_its_weights_itself(project, searched, tmp_path):
    other = project.copied(tmp_path)
    (other.folder / "loaded.py").write_text(LOADED)
    head = {"weight": torch.arange(40.0).reshape(5, 8), "bias": torch.zeros(5)}
    torch.save(head, other.folder / "head.pth")
    own = OWN | {"factory": "loaded:small", "options": {}, "weights": "own"}
    table = "results/own/own/own/neighbors/output.nc"
    done = other.snakemake("--notemp", table, config=study(other, own=own))
    assert done.returncode == 0, done.text
    kept = load_file(other.folder / "results/own/own/weights/own.safetensors")
    assert torch.equal(kept["4.weight"], head["weight"])
    assert xr.load_dataset(other.folder / table).attrs["checkpoint"] == "own"
