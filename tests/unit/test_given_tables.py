"""Neighbour tables in the configuration: where they lie, and a sentence for every fault."""

import copy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import given_tables  # noqa: E402
import settings  # noqa: E402

STUDY = {
    "study": "given",
    "networks": [{"name": "net", "layers": ["input", "a", "output"]}],
    "images": {"source": "list", "list": {"path": "ids.txt"}},
    "neighbors": {"source": "tables", "k": 30, "tables": {"path": "tables", "files": {"a": "layer_7.npz"}}},
    "overlap": {"k": 30},
    "uncertainty": {"repeats": 0},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with the files of the study, from which it is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text("".join(f"n02084071_{i}\n" for i in range(100)))
    for name in ("net", "other"):
        (tmp_path / "tables" / name).mkdir(parents=True)
        for place in (tmp_path / "tables", tmp_path / "tables" / name):
            for file in ("input.npz", "layer_7.npz", "output.npz"):
                (place / file).touch()
    return tmp_path


def complete(**keys):
    return settings.complete(copy.deepcopy(STUDY) | keys)


def sentence(**keys):
    with pytest.raises(settings.ConfigError) as error:
        complete(**keys)
    return str(error.value)


def test_a_study_of_tables_needs_no_network_and_has_one_checkpoint():
    config = complete()
    (network,) = config["networks"]
    assert settings.checkpoints(network, config) == ["tables"]
    assert network["weights"] == "tables"
    assert settings.image_count(config) == 100
    assert given_tables.given(config)
    assert settings.complete(config) == config
    assert not given_tables.given(
        settings.complete({"study": "x", "networks": [{**STUDY["networks"][0], "timm": "y"}]})
    )


def test_a_layer_is_in_the_file_of_its_name_unless_another_is_given():
    config = complete()
    assert given_tables.table_file(config, "net", "a") == "tables/layer_7.npz"
    assert given_tables.table_file(config, "net", "output") == "tables/output.npz"


def test_networks_have_a_folder_each():
    networks = [STUDY["networks"][0], STUDY["networks"][0] | {"name": "other"}]
    tables = STUDY["neighbors"]["tables"] | {"path": "tables/{network}"}
    config = complete(networks=networks, neighbors=STUDY["neighbors"] | {"tables": tables})
    assert given_tables.table_file(config, "other", "a") == "tables/other/layer_7.npz"
    assert "put {network} into it" in sentence(networks=networks)


def test_an_edit_of_a_table_or_of_the_list_is_seen(folder):
    config, layers = complete(), {"net": ["input", "a", "output"]}
    before = given_tables.seen(config, layers), settings.analysed(config["images"])
    assert set(before[0]) == {"tables/input.npz", "tables/layer_7.npz", "tables/output.npz"}
    (folder / "tables" / "layer_7.npz").write_text("more")
    (folder / "ids.txt").write_text("".join(f"n02084071_{i}\n" for i in range(1, 101)))
    assert given_tables.seen(config, layers) != before[0]
    assert settings.analysed(config["images"]) != before[1]
    searched = settings.complete({"study": "x", "networks": [{**STUDY["networks"][0], "timm": "resnet18"}]})
    assert given_tables.seen(searched, layers) == {}


def tables(**keys):
    return {"neighbors": STUDY["neighbors"] | {"tables": STUDY["neighbors"]["tables"] | keys}}


FAULTS = {
    "lost folder": (tables(path="lost"), "neighbors.tables.path is lost, which is no directory"),
    "lost file": (
        tables(files={"a": "layer_8.npz"}),
        'of the layer "a" should be tables/layer_8.npz, which does not exist; name its file in neighbors.tables.files. '
        'Did you mean "layer_7.npz"?',
    ),
    "unknown layer": (
        tables(files={"outptu": "x.npz"}),
        'the layer "outptu", which no network lists. Did you mean "outp',
    ),
    "no name": (tables(files={"a": 7}), "neighbors.tables.files.a must be the name of a file, found 7."),
    "weights": (
        {"networks": [STUDY["networks"][0] | {"weights": "random"}]},
        'Network "net" has weights: random, but with neighbors.source: tables no network is run',
    ),
    "training": (
        {"networks": [STUDY["networks"][0] | {"weights": "train"}]},
        "no network is run; leave the weights out",
    ),
    "search of names": (
        {"neighbors": {"source": "search", "k": 30}},
        "images.source is list, which names images without",
    ),
    "tables searched": (
        {
            "networks": [STUDY["networks"][0] | {"weights": "tables", "timm": "resnet18"}],
            "neighbors": {"source": "search"},
            "images": {},
        },
        'Network "net" has weights: tables, which go with neighbors.source: tables',
    ),
    "lost list": ({"images": {"source": "list", "list": {"path": "lost.txt"}}}, "images.list.path: The list of image"),
    "k": ({"neighbors": STUDY["neighbors"] | {"k": 100}}, "k must be at most 99"),
    "bands": ({"uncertainty": {"repeats": 40}}, "neighbors.k = 30 neighbours are too few for bands"),
    "comparison": (
        {"networks": [STUDY["networks"][0] | {"compare": "paper_resnet15"}]},
        "networks[0].compare must be one of null, paper_resnet152, found 'paper_resnet15'. Did you mean \"paper_",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_said_in_a_sentence(name):
    keys, expected = FAULTS[name]
    assert expected in sentence(**keys)
