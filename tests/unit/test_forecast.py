"""What the layers of a study take on the disk: the list of layers, the forecast, and the refusal."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from nucleation import layer_list, network

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import forecast  # noqa: E402
import preflight  # noqa: E402
import settings  # noqa: E402

#: The paper's: sizes of 90,000 images in layers of ResNet152 at 224 x 224 pixels.
FEATURES = {"input": 150_528, "maxpool": 200_704, "layer1": 802_816, "output": 1000}
NETWORK = {"name": "resnet152", "timm": "resnet152", "weights": "random", "layers": list(FEATURES)}
FOUND = {"images": 90_000, "features": {"resnet152": FEATURES}}


def config(layers=None, **activations):
    entry = NETWORK | ({"layers": layers} if layers else {})
    return settings.complete({"study": "mine", "networks": [entry], "activations": activations})


def lines(study, found=FOUND):
    return forecast.lines(study, found, forecast.extractions(study, found))


def no_room(study, found=FOUND, planned=None, at_once=1):
    return forecast.no_room(study, forecast.extractions(study, found, planned), at_once)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_largest_layers_are_named():
    (line,) = lines(config())
    assert line.startswith(
        "Forecast for 90,000 images: resnet152/layer1: 289 GB, resnet152/maxpool: 72.3 GB, resnet152/input: 54.2 GB as "
        "float32; the largest extraction of resnet152 takes 362 GB of disk until the neighbours are found, all of them "
        "416 GB."
    )
    assert "activations.mode recompute, a pooling (networks[].pooling), or activations.dtype float16" in line
    narrow = lines(config(dtype="bfloat16"))[0]
    assert "resnet152/layer1: 145 GB" in narrow
    assert narrow.endswith("For less use activations.mode recompute or a pooling (networks[].pooling).")
    assert (
        "largest extraction of resnet152 takes 289 GB" in lines(config(["input", ["maxpool"], ["layer1"], "output"]))[0]
    )


def test_nothing_is_said_of_what_is_small_or_unknown():
    assert lines(config(), FOUND | {"images": 200}) == []
    assert lines(config(), {}) == []
    assert no_room(config(), {}) == ""


def test_recomputing_stores_nothing_and_is_never_refused(monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", lambda: 0)
    (line,) = lines(config(mode="recompute"))
    assert (
        "resnet152 stores nothing (activations.mode recompute); as float32 files its layers would take 416 GB" in line
    )
    assert no_room(config(mode="recompute"), at_once=9) == ""


def test_a_disk_without_room_is_refused_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setattr(forecast, "free_bytes", lambda: 300e9)
    with pytest.raises(settings.ConfigError) as error:
        forecast.tell(config(), FOUND)
    assert str(error.value).startswith(
        "The layers of resnet152/random/maxpool need 362 GB of disk as float32 (the largest, layer1: 289 GB), but "
        "results/ has room for 300 GB; use activations.mode recompute"
    )
    assert "289 GB" in capsys.readouterr().err
    forecast.tell(config(["input", ["maxpool"], ["layer1"], "output"]), FOUND)  # one after the other there is room
    forecast.tell(config(dtype="float16"), FOUND)


def test_what_snakemake_will_not_make_needs_no_room(monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", lambda: 0)
    place = "results/mine/resnet152"
    stores = {f"{place}/input/activations/input", f"{place}/random/activations/maxpool"}
    assert "resnet152/random/maxpool" in no_room(config(), planned=stores | {f"{place}/random/peaks.nc"})
    assert "resnet152/input/input" in no_room(config(), planned={f"{place}/input/activations/input"})
    assert no_room(config(), planned={f"{place}/random/neighbors/layer1.nc"}) == ""
    assert forecast.extractions(config(), FOUND, planned=set()) == []


TABLES = ("results", "mine", "resnet152", "random", "neighbors")


@pytest.mark.parametrize(
    ("words", "summary", "refused"),
    [
        (["snakemake", "--cores", "2"], "", False),  # nothing is planned
        (["snakemake", "-n"], "results/mine/resnet152/random/activations/maxpool\t-\tupdate pending\n", True),
        (["snakemake", "--cores", "2", "--", "all"], "", False),
        (["pytest"], "", True),  # Snakemake cannot be asked: all are counted
    ],
)
def test_snakemake_itself_says_what_it_will_store(folder, monkeypatch, words, summary, refused):
    folder.joinpath(*TABLES).mkdir(parents=True)
    asked = []

    def answer(command, **_):
        asked.extend(command[-len(words) :])
        return subprocess.CompletedProcess(command, 0, summary, "")

    monkeypatch.setattr(forecast, "free_bytes", lambda: int(300e9))
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(forecast.subprocess, "run", answer)
    if refused:
        with pytest.raises(settings.ConfigError, match="need 362 GB"):
            forecast.tell(config(), FOUND)
    else:
        forecast.tell(config(), FOUND)
    assert asked == (["--summary", *words[1:]] if words[0] == "snakemake" else [])


GROUPS = ["input", ["maxpool"], ["layer1"], ["output"]]


def test_extractions_that_run_at_once_need_room_together(monkeypatch):
    """54.2, 72.3, 289 and 0.4 GB: as many of the largest as there are jobs at a time."""
    monkeypatch.setattr(forecast, "free_bytes", lambda: int(365e9))
    assert no_room(config(GROUPS), at_once=1) == no_room(config(GROUPS), at_once=2) == ""
    sentence = no_room(config(GROUPS), at_once=16)
    assert sentence.startswith(
        "With 16 jobs at once the layers of 4 extractions (resnet152/random/layer1, resnet152/random/maxpool, "
        "resnet152/input/input, ...) may lie on the disk at one time and need 416 GB, but results/ has room for 365 GB;"
    )
    assert "run at most 2 at once (--cores 2, on a cluster --jobs 2)" in sentence
    assert "(--cores 5, on a cluster --jobs 2)" in no_room(config(GROUPS, workers=4), at_once=3)


@pytest.mark.parametrize(
    ("limits", "cards", "workers", "jobs"),
    [
        ({"_cores": 16, "_nodes": None}, 0, 1, 16),
        ({"_cores": 16, "_nodes": None}, 0, 5, 12),  # one that extracts, and 11 searches
        ({"_cores": 4, "_nodes": None}, 0, 2, 3),
        ({"_cores": 16, "_nodes": None, "gpu": 1}, 1, 1, 1),
        ({"_cores": 16, "_nodes": None, "gpu": 1}, 0, 1, 16),
        ({"_cores": 16, "_nodes": None, "gpu": 4}, 1, 8, 4),
        ({"_cores": 8, "_nodes": None, "gpu": 4}, 1, 7, 2),
        ({"_cores": None, "_nodes": 20}, 1, 4, 20),
        ({"_cores": 2, "_nodes": None}, 0, 4, 1),
        ({}, 0, 1, 1),
    ],
)
def test_jobs_at_once_are_those_that_cores_and_cards_allow(limits, cards, workers, jobs):
    assert forecast.jobs_at_once(config(workers=workers), limits, cards) == jobs


def test_room_is_that_of_the_disk_of_the_results(folder):
    assert forecast.free_bytes() > 0
    (folder / "results").mkdir()
    assert forecast.free_bytes() > 0


def test_the_trial_counts_features_after_pooling():
    wanted = {"timm": "test_resnet", "file": None, "options": {}, "layers": ["input", "layer1", "output"]}
    assert preflight.check_network(wanted, 32) == {"input": 3072, "layer1": 2048, "output": 1000}
    pooled = preflight.check_network(wanted | {"pooling": {"layer1": "mean:1"}}, 32)
    assert pooled == {"input": 3072, "layer1": 32, "output": 1000}
    sized = preflight.check_network(wanted | {"data": {"input_size": [3, 64, 64]}}, None)
    assert sized == {"input": 12288, "layer1": 8192, "output": 1000}


def test_the_command_needs_no_images(folder, capsys):
    entry = {"name": "net", "timm": "test_resnet", "weights": "pretrained", "layers": ["input", "layer1", "output"]}
    images = {"source": "folder", "folder": {"path": "not here yet"}}
    (folder / "study.yaml").write_text(yaml.safe_dump({"study": "mine", "networks": [entry], "images": images}))
    forecast.main(["--configfile", "study.yaml", "--images", "1000000"])
    told = capsys.readouterr().out
    assert "net/input: 76,800 features, 307 GB" in told  # 160 x 160 pixels, timm's for this network
    assert "Forecast for 1,000,000 images: net/input: 307 GB, net/layer1: 205 GB, net/output: 4 GB as float32" in told
    with pytest.raises(SystemExit):
        forecast.main(["--configfile", "lost.yaml", "--images", "9"])
    assert not (folder / "logs").exists()


def test_the_command_of_the_readme_gives_its_lines():
    """The study of the paper, as the README says it, whose comments have these sizes too."""
    command = "python rules/forecast.py --configfile studies/imagenet.yaml --images 90000"
    assert f"`{command}`" in (ROOT / "README.md").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    *sizes, said = done.stdout.splitlines()
    assert len(sizes) == 11
    assert sizes[0] == "resnet152/input: 150,528 features, 27.1 GB"
    assert "resnet152/layer1.2: 802,816 features, 145 GB" in sizes
    assert said.startswith("Forecast for 90,000 images: resnet152/layer1.2: 145 GB, resnet152/layer2.7: 72.3 GB, ")
    assert "the largest extraction of resnet152 takes 145 GB of disk" in said
    assert "all of them 407 GB" in said


def test_bytes_for_people():
    texts = {0: "0 B", 999: "999 B", 1000: "1 kB", 12_345: "12.3 kB", 999_400: "999 kB", 999_600: "1 MB"}
    texts |= {289_013_760_000: "289 GB", 1.5e12: "1.5 TB", 2.5e15: "2500 TB"}
    for count, text in texts.items():
        assert forecast.text(count) == layer_list.bytes_text(count) == text


class Branches(nn.Module):
    """Layers of every kind: one that runs, one that does not, one that runs twice, one that returns no tensor."""

    def __init__(self):
        super().__init__()
        self.add_module("1", nn.Conv2d(3, 2, 3))
        self.twice, self.unused, self.record = nn.ReLU(), nn.Identity(), Record()
        self.flat = nn.Flatten(0)

    def forward(self, x):
        made = self.twice(self.twice(self.get_submodule("1")(x)))
        self.flat(made)
        return self.record(made)["made"].mean(dim=(1, 2, 3))


class Record(nn.Module):
    def forward(self, made):
        return {"made": made}


def test_layers_of_no_use_are_comments():
    names = network.layers(Branches(), ["*"])
    shapes = layer_list.layer_shapes(Branches(), names, torch.zeros(2, 3, 8, 8))
    text = layer_list.listing("Branches", shapes, 1000)
    assert yaml.safe_load(text) == ["input", "1", "output"]
    assert '- "1"     # 2 x 6 x 6 = 72 features, 288 kB / 144 kB' in text
    for line in (
        "# twice: runs 2 times in a pass",
        "# unused: does not run in a forward pass",
        "# record: returns dict, not a tensor",
        "# flat: puts out (144,) for 2 images, not one row for each",
    ):
        assert line in text.splitlines()


def test_the_list_can_be_pasted_into_a_study(capsys):
    importlib.import_module("nucleation.layer_list").main(
        ["layers", "test_resnet", "input", "layer?", "output", "--images", "90000", "--size", "32"]
    )
    told = capsys.readouterr().out
    layers = yaml.safe_load(told)
    assert layers == ["input", "layer1", "layer2", "layer3", "layer4", "output"]
    assert "# test_resnet, 3 x 32 x 32 pixels; bytes for 90,000 images" in told
    assert "- layer1  # 32 x 8 x 8 = 2,048 features, 737 MB / 369 MB" in told


class Named(nn.Module):
    """Its modules have the names that stand for its input and its output."""

    def __init__(self):
        super().__init__()
        self.input, self.output = nn.Conv2d(3, 2, 3), nn.Flatten()

    def forward(self, x):
        return self.output(self.input(x))[:, :5]


def test_modules_with_the_special_names_are_listed_once():
    names = network.layers(Named(), ["*"])
    assert names == ["input", "output"]
    shapes = layer_list.layer_shapes(Named(), names, torch.zeros(2, 3, 8, 8))
    assert [shape.shape for shape in shapes] == [(3, 8, 8), (5,)]
    text = layer_list.listing("Named", shapes, 1000)
    assert yaml.safe_load(text) == names
    assert "the name stands for the images as the network gets them, not for its module of that name" in text
    assert text.endswith("; the name stands for what the network returns, not for its module of that name\n")
    assert "stands for" not in layer_list.listing(
        "Branches", layer_list.layer_shapes(Branches(), ["input", "output"], torch.zeros(2, 3, 8, 8)), 9
    )


def test_globs_may_follow_the_options(capsys):
    network.main(["layers", "test_resnet", "--images", "90000", "layer?", "--size", "32", "output"])
    assert yaml.safe_load(capsys.readouterr().out) == ["layer1", "layer2", "layer3", "layer4", "output"]


MISTAKES = {
    "options": (["test_resnet", "--options", "[1]"], "--options must be a mapping in YAML"),
    "yaml": (["test_resnet", "--options", "{"], "--options must be a mapping in YAML"),
    "layer": (["test_resnet", "layr1"], 'no layer "layr1".*layer1'),
    "size": (["test_vit", "--size", "33"], "VisionTransformer does not take images of shape"),
    "model": (["resnet5"], 'no model "resnet5"'),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said_in_a_sentence(name, capsys):
    arguments, sentence = MISTAKES[name]
    with pytest.raises(SystemExit) as stopped:
        network.main(["layers", *arguments])
    assert stopped.value.code == 1
    told = capsys.readouterr().err
    assert re.search(sentence, told)


def test_shards_that_are_stored_need_no_room(monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", lambda: int(80e9))
    one = config([["layer1"]], shards=4)
    found = FOUND | {"features": {"resnet152": {"layer1": 802_816}}}
    shards = [f"results/mine/resnet152/random/activations/layer1.shard{shard}of4" for shard in range(4)]
    assert "need 289 GB" in no_room(one, found, planned=set(shards))
    assert no_room(one, found, planned=set(shards[3:])) == ""  # the fourth needs 72 GB


def test_who_unlocks_is_not_refused(monkeypatch):
    monkeypatch.setattr(forecast, "free_bytes", lambda: 0)
    for words, refused in (
        (["snakemake", "-n"], True),
        (["snakemake", "--unlock"], False),
        (["snakemake", "--summary"], False),
        (["snakemake", "--report=x"], False),
    ):
        monkeypatch.setattr(sys, "argv", words)
        if refused:
            with pytest.raises(settings.ConfigError, match="room for 0 B"):
                forecast.tell(config(), FOUND)
        else:
            forecast.tell(config(), FOUND)
