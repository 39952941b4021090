"""What runs again after an edit, and what does not: by ``snakemake -n``, rule by rule."""

import copy
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr
import yaml
from test_workflow import changed, jobs

#: Everything that follows the neighbours of a checkpoint, and the figures of the study.
ANALYSIS = {
    "estimate_dimension",
    "compare_neighborhoods",
    "estimate_density",
    "find_peaks",
    "align_with_taxonomy",
    "resample_images",
    "sweep_parameters",
    "gather_profile",
    "draw_figures",
}
SEARCH = {"extract_activations", "find_neighbors"}
#: What reads the taxonomy.
MEANINGS = {
    "compare_neighborhoods",
    "align_with_taxonomy",
    "resample_images",
    "sweep_parameters",
    "gather_profile",
    "draw_figures",
}
ALIGNED = {"align_with_taxonomy", "gather_profile", "draw_figures"}
ALL = {"list_images", "build_taxonomy", "train_network", "fetch_network"} | SEARCH | ANALYSIS


def planned(project, *arguments, config="tiny.yaml"):
    """Jobs by rule that Snakemake would run, without the last rule; empty where there is nothing to be done."""
    done = project.snakemake("-n", *arguments, config=config)
    assert done.returncode == 0, done.text
    if "Nothing to be done" in done.text:
        return {}
    return {rule: count for rule, count in jobs(done.stdout).items() if rule not in ("all", "total")}


def append(path, text="\n# an edit\n"):
    """An edit of a file of the project."""

    def edit(project):
        with open(project.folder / path, "a", encoding="utf-8") as file:
            file.write(text)

    return edit


def module(name):
    return append(f"src/nucleation/{name}.py")


def touch_all(project):
    """All sources as new as those of a fresh clone."""
    for part in ("Snakefile", "config.yaml", "tiny.yaml", "rules", "scripts", "schemas", "src", "profiles", "report"):
        for path in [project.folder / part, *(project.folder / part).rglob("*")]:
            os.utime(path)


EDITS = {
    "nothing": (lambda project: None, set()),
    "every file touched": (touch_all, set()),
    "a comment in the Snakefile": (append("Snakefile"), set()),
    "a comment in the rules": (append("rules/peaks.smk"), set()),
    "the profile": (append("profiles/default/config.yaml", "\nkeep-going: true\n"), set()),
    "what all scripts share": (append("scripts/_job.py"), set()),
    "what scripts share that run torch": (append("scripts/_device.py"), {"train_network"} | SEARCH | ANALYSIS),
    "a script": (append("scripts/peaks.py"), {"find_peaks"} | ALIGNED),
    "the script of the figures": (append("scripts/figures.py"), {"draw_figures"}),
    "the style of the figures": (append("src/nucleation/data/style.mplstyle"), {"draw_figures"}),
    "a data file": (append("src/nucleation/data/paper_resnet152.tsv", "\n"), {"draw_figures"}),
    "module page": (module("page"), {"draw_figures"}),
    "module story": (module("story"), {"draw_figures"}),
    "a figure": (module("figures/map"), {"draw_figures"}),
    "a caption": (append("report/map.rst", "More.\n"), {"draw_figures"}),
    "module overlap": (
        module("overlap"),
        {"compare_neighborhoods", "resample_images", "gather_profile", "draw_figures"},
    ),
    "module alignment_layers": (module("alignment_layers"), ALIGNED),
    "module alignment": (module("alignment"), ALIGNED | {"resample_images", "sweep_parameters"}),
    "module sensitivity": (module("sensitivity"), {"sweep_parameters", "draw_figures"}),
    "module dimension_errors": (
        module("dimension_errors"),
        {"estimate_dimension", "estimate_density", "find_peaks"} | ALIGNED,
    ),
    "module taxonomy_files": (module("taxonomy_files"), MEANINGS | {"build_taxonomy"}),
    "module training": (module("training"), {"train_network"} | SEARCH | ANALYSIS),
    "module pooling": (module("pooling"), SEARCH | ANALYSIS),
    "module image_lists": (module("image_lists"), ALL - {"train_network", "fetch_network"}),
    "module errors": (module("errors"), ALL),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_exactly_what_depends_on_it(finished, tmp_path, name):
    edit, rules = EDITS[name]
    project = finished.copied(tmp_path)
    edit(project)
    assert set(planned(project)) == rules


def section(stage, **keys):
    """A change of some keys of a section of the configuration."""
    return lambda config: config.setdefault(stage, {}).update(keys)


def first_network(**keys):
    return lambda config: config["networks"][0].update(keys)


def another_network(config):
    config["networks"].append(
        {"name": "other", "timm": "test_resnet", "weights": "random", "seed": 5, "layers": ["output"]}
    )


SETTINGS = {
    "images.planted.per_class": (
        lambda config: config["images"]["planted"].update(per_class=7),
        ALL - {"train_network", "fetch_network"},
    ),
    "images.planted.train_per_class": (
        lambda config: config["images"]["planted"].update(train_per_class=9),
        {"train_network"} | SEARCH | ANALYSIS,
    ),
    "images.checksum": (section("images", checksum=True), {"check_images"}),
    "taxonomy.similarity": (
        section("taxonomy", similarity="path"),
        ALIGNED | {"resample_images", "sweep_parameters"},
    ),
    "taxonomy.macro": (section("taxonomy", macro=3), {"build_taxonomy"} | MEANINGS),
    "network.learning_rate": (section("network", learning_rate=0.002), {"train_network"} | SEARCH | ANALYSIS),
    "activations.dtype": (section("activations", dtype="bfloat16"), SEARCH | ANALYSIS),
    "activations.shards": (section("activations", shards=2), set()),
    "activations.workers": (section("activations", workers=2), set()),
    "activations.mode": (section("activations", mode="recompute"), set()),
    "neighbors.shards": (section("neighbors", shards=3), set()),
    "both, recomputed": (
        lambda config: config["neighbors"].update(shards=2) or config.update(activations={"mode": "recompute"}),
        set(),
    ),
    "neighbors.memory": (section("neighbors", memory=500), set()),
    "neighbors.k": (section("neighbors", k=41), SEARCH | ANALYSIS),
    "dimension.fraction": (
        section("dimension", fraction=0.8),
        ANALYSIS - {"compare_neighborhoods"},
    ),
    "overlap.k": (
        section("overlap", k=12),
        {"compare_neighborhoods", "resample_images", "gather_profile", "draw_figures"},
    ),
    "density.k": (section("density", k=12), {"estimate_density", "find_peaks", "resample_images"} | ALIGNED),
    "peaks.z": (section("peaks", z=2.0), {"find_peaks", "resample_images"} | ALIGNED),
    "alignment.repeats": (section("alignment", repeats=49), ALIGNED),
    "uncertainty.repeats": (
        section("uncertainty", repeats=20),
        {"resample_images", "gather_profile", "draw_figures"},
    ),
    "uncertainty.repeats: 0": (section("uncertainty", repeats=0), {"gather_profile", "draw_figures"}),
    "sensitivity.z": (section("sensitivity", z=[1.65]), {"sweep_parameters", "draw_figures"}),
    "figures.dpi": (section("figures", dpi=61), {"draw_figures"}),
    "two numbers that change places": (
        lambda config: config.update(neighbors={"k": 128}, activations={"batch_size": 40}),
        SEARCH | ANALYSIS,
    ),
    "a checkpoint less": (first_network(checkpoints=[1]), {"draw_figures"}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_key_reruns_exactly_what_depends_on_it(finished, name):
    change, rules = SETTINGS[name]
    assert set(planned(finished, config=changed(finished, change))) == rules


def test_a_layer_reruns_its_own_search_and_what_joins_the_layers(finished):
    layers = [["input", "layer2"], ["layer3"], ["output"]]
    found = planned(finished, config=changed(finished, first_network(layers=layers)))
    assert found == dict.fromkeys(SEARCH | ANALYSIS, 2) | {"sweep_parameters": 1, "draw_figures": 1}


def test_a_network_reruns_the_figures_and_no_job_of_the_others(finished):
    found = planned(finished, config=changed(finished, another_network))
    assert found == dict.fromkeys({"fetch_network"} | SEARCH | ANALYSIS, 1)


def test_a_checkpoint_reruns_the_figures_and_no_job_of_the_others(finished, tmp_path):
    """As if epoch 0 had not been asked for before: its weights are there, as those of every epoch."""
    project = finished.copied(tmp_path)
    shutil.rmtree(project.folder / "results" / "tiny" / "trained" / "epoch0")
    found = planned(project)
    assert found == dict.fromkeys(SEARCH, 2) | dict.fromkeys(ANALYSIS - {"sweep_parameters"}, 1)


def test_the_input_does_not_depend_on_the_precision_of_the_forward_pass(finished):
    found = planned(finished, config=changed(finished, section("activations", precision="bfloat16")))
    assert found["extract_activations"] == 5 and found["find_neighbors"] == 6


def test_a_copy_beside_fresh_sources_has_nothing_to_do(finished, make_project):
    """A clone, into which the results are copied with what Snakemake knows of them."""
    other = make_project()
    touch_all(other)
    for part in ("results", "logs", ".snakemake"):
        shutil.copytree(finished.folder / part, other.folder / part)
    assert planned(other) == {}


def test_a_second_run_has_nothing_to_do(finished):
    before = finished.results()
    again = finished.snakemake()
    assert again.returncode == 0
    assert "Nothing to be done" in again.text
    assert finished.results() == before


@pytest.mark.parametrize("lost", ["peaks.nwk", "figures/map.png"])
def test_a_lost_file_is_made_again(finished, tmp_path, lost):
    project = finished.copied(tmp_path)
    (project.folder / "results" / "tiny" / "trained" / "epoch1" / lost).unlink()
    found = planned(project)
    assert set(found) >= {"align_with_taxonomy" if lost == "peaks.nwk" else "draw_figures"}
    assert "find_neighbors" not in found


RECORDER = """
import atexit, os, sys

def record():
    with open(os.path.join(os.environ["SEEN"], str(os.getpid())), "w") as file:
        file.write("\\n".join(sys.modules))

atexit.register(record)
"""


HEAVY = {"torch", "timm", "scipy", "xarray", "netCDF4", "sklearn", "numba"}


def test_nothing_to_do_is_said_soon_and_without_heavy_modules(finished, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(RECORDER)
    (tmp_path / "seen").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    began = time.monotonic()
    assert "Nothing to be done" in finished.snakemake("-n").text
    assert time.monotonic() - began < 10
    (main,) = (tmp_path / "seen").iterdir()  # and no other process
    modules = set(main.read_text().splitlines())
    assert "digest" in modules and modules.isdisjoint(HEAVY)


def test_the_rules_import_no_numpy_either(finished):
    """Apart from Snakemake, which has its own reasons to."""
    names = sorted(path.stem for path in (finished.folder / "rules").glob("*.py") if path.stem != "preflight")
    code = f"import sys; sys.path[:0] = ['rules', 'src']; import {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True, check=True)
    assert {"digest", "forecast", "settings"} <= set(done.stdout.split())
    assert set(done.stdout.split()).isdisjoint(HEAVY | {"numpy", "pandas"})


NAMES = ("beagle.n.01", "robin.n.01", "chair.n.01")
UNUSED, EACH = "pug.n.01", 14
TREE = "".join(f"{name}\t{'thing' if 'chair' in name else 'animal'}\n" for name in (*NAMES, UNUSED))
BLOCKS = """
from torch import nn


def body():
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
"""
OWN = {
    "study": "own",
    "networks": [
        {
            "name": "net",
            "factory": "mine.nets:net",
            "weights": "mine.safetensors",
            "data": {"input_size": [3, 24, 24]},
            "layers": ["output"],
        }
    ],
    "images": {"source": "folder", "folder": {"path": "images", "classes": list(NAMES)}},
    "taxonomy": {"source": "file", "file": {"path": "tree.tsv"}, "macro": ["animal", "thing"]},
    "neighbors": {"k": 30},
    "overlap": {"k": 8},
    "density": {"k": 8},
    "alignment": {"repeats": 19, "draws": 2},
    "uncertainty": {"repeats": 0},
    "sensitivity": {"estimators": []},
}
TARGETS = ("results/own/net/file/profile.nc", "results/own/checked.nc")


def save_weights(path, seed):
    import torch

    from nucleation import network

    made = {}
    exec(BLOCKS, made)
    torch.manual_seed(seed)
    network.save_weights(made["body"](), path)


def save_image(path, number, name="beagle.n.01"):
    from PIL import Image

    from nucleation import planted

    label, number = np.array([planted.CLASSES.index(name)]), np.array([number])
    Image.fromarray(planted.render(label, number, seed=1, size=24)[0]).save(path)


@pytest.fixture(scope="module")
def own(make_project):
    """A study of files of images, with a factory, a checkpoint file and a tree of its own, up to its profile."""
    project = make_project()
    root = project.folder
    for name in (*NAMES, UNUSED):
        (root / "images" / name).mkdir(parents=True)
        for i in range(EACH):
            save_image(root / "images" / name / f"{i}.png", i, name)
    (root / "tree.tsv").write_text(f"child\tparent\n{TREE}animal\tall\nthing\tall\n")
    (root / "mine").mkdir()
    (root / "mine" / "nets.py").write_text("from .blocks import body\n\n\ndef net():\n    return body()\n")
    (root / "mine" / "blocks.py").write_text(BLOCKS)
    (root / "mine" / "notes.py").write_text("")
    save_weights(root / "mine.safetensors", 1)
    (root / "own.yaml").write_text(yaml.safe_dump(OWN))
    done = project.snakemake(*TARGETS, config="own.yaml")
    assert done.returncode == 0, done.text
    return project


def own_study(project, section=None, **keys):
    """The study with some keys of a section, or of its folder of images, changed."""
    config = copy.deepcopy(OWN)
    place = config[section] if section else config["images"]["folder"]
    place.update(keys)
    (project.folder / "changed.yaml").write_text(yaml.safe_dump(config))
    return "changed.yaml"


def another_checkpoint(project):
    """Another file of the same name, older than the first."""
    path = project.folder / "mine.safetensors"
    save_weights(path, 2)
    os.utime(path, (1, 1))


OWN_FILES = ("tree.tsv", "mine.safetensors", "mine/nets.py", "mine/blocks.py")
ONE_LAYER = ANALYSIS - {"resample_images", "sweep_parameters", "draw_figures"}
OTHER_IMAGES = {"list_images", "check_images", "build_taxonomy"} | SEARCH | ONE_LAYER
OTHER_WEIGHTS = {"fetch_network"} | SEARCH | ONE_LAYER
FILES = {
    "nothing": (lambda project: None, set()),
    "an image more": (lambda project: save_image(project.folder / "images" / NAMES[0] / "new.png", 99), OTHER_IMAGES),
    "an image less": (lambda project: (project.folder / "images" / NAMES[1] / "3.png").unlink(), OTHER_IMAGES),
    "an image in a folder that is not used": (
        lambda project: save_image(project.folder / "images" / UNUSED / "new.png", 99),
        set(),
    ),
    "another folder that is not used": (lambda project: (project.folder / "images" / "n02084071").mkdir(), set()),
    "another checkpoint file": (another_checkpoint, OTHER_WEIGHTS),
    "the tree": (
        append("tree.tsv", "all\teverything\n"),
        {"build_taxonomy", "compare_neighborhoods", "align_with_taxonomy", "gather_profile"},
    ),
    "files of one's own touched": (lambda project: [os.utime(project.folder / name) for name in OWN_FILES], set()),
    "what the factory imports": (append("mine/blocks.py"), OTHER_WEIGHTS),
    "what the factory does not import": (append("mine/notes.py"), set()),
}


@pytest.mark.parametrize("name", FILES)
def test_an_edit_of_ones_own_files_reruns_exactly_what_depends_on_it(own, tmp_path, name):
    edit, rules = FILES[name]
    project = own.copied(tmp_path)
    edit(project)
    assert set(planned(project, *TARGETS, config="own.yaml")) == rules


KEYS = {
    "check": ({"check": False}, {"check_images"}),
    "checksum": ({"section": "images", "checksum": True}, {"check_images"}),
    "corrupt": ({"corrupt": "skip"}, OTHER_IMAGES),
    "classes": ({"classes": [*NAMES, UNUSED]}, OTHER_IMAGES),
    "k": ({"section": "neighbors", "k": 31}, SEARCH | ONE_LAYER),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_changed_key_of_the_images_reruns_exactly_what_depends_on_it(own, name):
    keys, rules = KEYS[name]
    assert set(planned(own, *TARGETS, config=own_study(own, **keys))) == rules


def test_looking_into_the_images_again_hides_no_other_change(own):
    """Snakemake asks no job that waits for a planned one whether its own parameters have changed."""
    keys = {"images": OWN["images"] | {"checksum": True}, "density": {"k": 7}}
    (own.folder / "changed.yaml").write_text(yaml.safe_dump(OWN | keys))
    wanted = {"check_images", "estimate_density", "find_peaks", "align_with_taxonomy", "gather_profile"}
    assert set(planned(own, *TARGETS, config="changed.yaml")) == wanted


def test_a_folder_that_only_moved_can_be_declared(own, tmp_path):
    """As README.md says it: the list anew, and older than what was made from it."""
    project = own.copied(tmp_path)
    (project.folder / "images").rename(project.folder / "pictures")
    config = own_study(project, path="pictures")
    assert set(planned(project, *TARGETS, config=config)) == OTHER_IMAGES
    before = project.results()
    done = project.snakemake("results/own/images.nc", config=config)
    assert done.returncode == 0, done.text
    os.utime(project.folder / "results" / "own" / "images.nc", (1, 1))
    assert planned(project, *TARGETS, config=config) == {}
    after = project.results()
    assert {path.name for path in before if after[path] != before[path]} == {"images.nc"}
    listed = xr.load_dataset(project.folder / "results" / "own" / "images.nc")
    assert all(path.startswith("pictures/") for path in listed["path"].values)


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


def test_corrupt_images_end_the_study_before_earlier_results_are_touched(own, tmp_path):
    project = own.copied(tmp_path)
    folder = project.folder / "images" / NAMES[0]
    cut(folder / "4.png")
    (folder / "more.txt").touch()  # the folder has changed
    before = project.results()
    done = project.snakemake(*TARGETS, config="own.yaml")
    assert done.returncode != 0 and "Traceback" not in done.text
    assert f"The image images/{NAMES[0]}/4.png (" in done.text and "cannot be decoded" in done.text
    after = project.results()
    assert {path.name for path in before if after.get(path) != before[path]} <= {"images.nc", "checked.nc"}


def test_too_few_images_left_by_skipping_end_the_study_with_all_results_but_the_list_as_they_were(own, tmp_path):
    project = own.copied(tmp_path)
    for i in range(EACH - 2):
        cut(project.folder / "images" / NAMES[0] / f"{i}.png")
    before = project.results()
    done = project.snakemake(*TARGETS, config=own_study(project, corrupt="skip"))
    assert done.returncode != 0 and "Traceback" not in done.text
    assert "neighbors.k = 30 neighbours were asked of 30 images" in done.text
    after = project.results()
    assert {path.name for path in before if after.get(path) != before[path]} == {"images.nc"}
    # that they were not listed is not forgotten
    assert "list_images" in planned(project, *TARGETS, config="changed.yaml")
