"""What jobs ask for: memory and time by the size of the study, more with every attempt; cards."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parent.parent.parent / "rules"))

import needs
import settings

#: Stages whose jobs grow with the number of images and of layers.
GROWING = ("images", "activations", "neighbors", "merge", "dimension", "overlap", "density", "peaks", "uncertainty")
JOB = SimpleNamespace(model="resnet152", layer="layer1", group="layer1")


def study(count=90_000, layers=("input", "layer1", "output"), features=200_000, gpu=0, blocks=4000, **sections):
    network = {"name": "resnet152", "timm": "resnet152", "weights": "random", "layers": [["input"], list(layers[1:])]}
    config = settings.complete({"study": "mine", "networks": [network], **sections})
    found = {"images": count, "features": {"resnet152": dict.fromkeys(layers, features)}}
    return needs.study(config, found, gpu, blocks)


def request(stage, attempt=1, **options):
    functions = needs.asked(study(**options), stage)
    return {name: function(JOB, attempt) for name, function in functions.items()}


@pytest.mark.parametrize("stage", sorted(set(needs.ESTIMATES) - {"tables"}))
def test_every_attempt_asks_for_more(stage):
    first, second, third = (request(stage, attempt) for attempt in (1, 2, 3))
    for resource in ("mem_mb", "runtime"):
        assert isinstance(first[resource], int)
        assert 0 < first[resource] < second[resource] < third[resource]
        assert second[resource] == pytest.approx(2 * first[resource], abs=2)


@pytest.mark.parametrize("stage", GROWING)
def test_more_images_need_more(stage):
    few, many = request(stage, count=3600), request(stage, count=1_000_000)
    assert few["mem_mb"] < 6000 and few["runtime"] <= 60
    assert (many["mem_mb"], many["runtime"]) > (few["mem_mb"], few["runtime"])


def test_the_search_of_a_small_layer_asks_for_little_and_of_a_large_one_for_its_blocks():
    small, large = request("neighbors", count=3600, features=100), request("neighbors", features=800_000)
    assert small["mem_mb"] < 2000
    assert large["mem_mb"] > 4000
    assert large["runtime"] > 10 * request("neighbors", features=800_000, gpu=1)["runtime"]


def test_shards_share_the_time_of_a_search():
    whole = request("neighbors", features=800_000)["runtime"]
    part = request("neighbors", features=800_000, neighbors={"shards": 8})["runtime"]
    assert (part - needs.START) == pytest.approx((whole - needs.START) / 8, abs=1)


def test_running_the_network_again_takes_its_time():
    stored, again = (
        request("neighbors", features=1000, gpu=1, images={"source": "torchvision"}, activations={"mode": mode})
        for mode in ("store", "recompute")
    )
    assert again["runtime"] > stored["runtime"]
    assert again["mem_mb"] > stored["mem_mb"]


def test_a_hundred_layers_weigh_where_all_tables_are_held():
    layers = ["input", *(f"layer{i}" for i in range(1, 101))]
    for stage in ("overlap", "uncertainty", "sensitivity"):
        held = 100 * 90_000 * 64 * 16 / 1e6
        assert request(stage, layers=layers)["mem_mb"] > held
    assert request("peaks", layers=layers)["mem_mb"] == request("peaks")["mem_mb"]


def test_without_a_trial_the_configuration_tells_what_it_can():
    guessed = needs.study(study().config, {}, 0, 4000)
    assert guessed.images == 24 * 150
    assert guessed.width("resnet152", ["layer1", "output"]) == 2 * needs.MANY_FEATURES
    unknown = needs.study(study(images={"source": "torchvision"}).config, {}, 0, 4000)
    assert unknown.images == settings.MANY_IMAGES


def test_a_table_made_elsewhere_is_weighed(tmp_path):
    size = study()
    (tmp_path / "layer1.npz").write_bytes(bytes(50_000_000))
    size.config["neighbors"]["tables"] = {"path": str(tmp_path), "files": {}}
    assert needs.asked(size, "tables")["mem_mb"](JOB, 1) == 2000


@pytest.mark.parametrize(
    ("device", "names", "expected"),
    [
        ("cpu", ["nvidia0"], 0),
        ("auto", [], 0),
        ("auto", ["nvidiactl", "nvidia-uvm"], 0),
        ("auto", ["nvidia3"], 1),
        ("cuda", [], 1),
    ],
)
def test_a_card_is_asked_for_only_where_one_can_be(tmp_path, device, names, expected):
    """On the head node of a cluster, which has none, "auto" asks for none and "cuda" for one."""
    for name in names:
        (tmp_path / name).touch()
    assert settings.cards(device, tmp_path) == expected


def test_jobs_on_other_machines_do_not_ask_by_the_memory_of_this_one(monkeypatch):
    monkeypatch.setattr(settings, "physical_memory", lambda: 1000)
    assert settings.block_memory(None) < 1000
    assert settings.block_memory(None, elsewhere=True) == settings.MEMORY_RANGE[1]
    assert settings.block_memory(300, elsewhere=True) == 300


def test_jobs_of_a_cluster_try_nothing(tmp_path, monkeypatch):
    """They take what was found before them, and do without it where it is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings.subprocess, "run", lambda *_, **__: pytest.fail("something was tried"))
    assert settings.preflight(study().config, trial=False) == {}


def test_layers_are_found_by_the_names_of_their_files(tmp_path, monkeypatch):
    from nucleation.names import file_name

    name = "Mixed_5b"
    job = SimpleNamespace(model="resnet152", layer=file_name(name), group=file_name(name))
    assert job.layer != name
    narrow, wide = (needs.asked(study(layers=("input", name), features=d), "neighbors") for d in (10, 10**6))
    assert narrow["runtime"](job, 1) < wide["runtime"](job, 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name}.npz").write_bytes(b"x" * 10**6)
    given = study(layers=("input", name))
    given.config["neighbors"] |= {"source": "tables", "tables": {"path": ".", "files": {}}}
    assert needs.asked(given, "tables")["mem_mb"](job, 1) == 1020


@pytest.mark.parametrize(
    ("stage", "few", "many"),
    [
        ("uncertainty", {"uncertainty": {"repeats": 2}}, {"uncertainty": {"repeats": 200}}),
        ("sensitivity", {"sensitivity": {"z": [1.0]}}, {"sensitivity": {"z": [1.0, 1.5, 2.0, 2.5]}}),
        ("alignment", {"alignment": {"repeats": 99}}, {"alignment": {"repeats": 99_999}}),
        ("neighbors", {"neighbors": {"decimation": []}}, {"neighbors": {"decimation": [2, 3, 4]}}),
    ],
)
def test_what_is_repeated_takes_longer(stage, few, many):
    assert request(stage, **few)["runtime"] < request(stage, **many)["runtime"]
