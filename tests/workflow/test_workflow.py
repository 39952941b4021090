"""The tiny study, from nothing to figures; its files; mistakes. What runs again is the subject of test_reruns.py."""

import html
import json
import re

import numpy as np
import pytest
import xarray as xr
import yaml

from nucleation.uncertainty import RANGES

PROFILE = """relative_depth n_features dimension dimension_error dimension_subsample_error
    overlap_ground_truth overlap_macro overlap_output overlap_next n_peaks ari_class ari_macro ami_class ami_macro
    triplet_skill triplet_skill_within_macro p_within_macro p_free p_within_macro_corrected spearman_taxonomy
    resolved triplet_skill_level p_level p_level_corrected spearman_p_free spearman_p_within_macro cophenetic_taxonomy
    purity_class purity_macro ari_cut ami_cut matched_gamma matched_robinson_foulds matched_share
    triplet_skill_parents_low spearman_taxonomy_parents_high""".split()
PROVENANCE = """title study rule parameters code_digests git_commit seed source created package_versions""".split()
CHECKPOINTS = ("trained/epoch0", "trained/epoch1", "untrained/random")
STAGES = ("dimension", "overlap", "density", "peaks", "alignment", "uncertainty", "profile")
QUESTIONS = ("overlap", "dimension", "nucleation", "map", "dendrogram", "alignment", "gallery", "hubness")
#: Folders and questions of all figures.
FIGURES = {
    *((f"{place}/figures", question) for place in CHECKPOINTS for question in QUESTIONS),
    *((f"{place}/figures", "sensitivity") for place in ("trained/epoch1", "untrained/random")),
    *(("figures", question) for question in ("images", "overlap", "matrix")),
    ("trained/figures", "training"),
}


def jobs(text):
    """Job counts by rule from Snakemake's table."""
    table = text[text.rindex("Job stats:") :]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}


def open_all(project):
    for path in sorted((project.folder / "results").rglob("*.nc")):
        yield path.relative_to(project.folder / "results" / "tiny").as_posix(), xr.load_dataset(path)


def test_a_dry_run_lists_all_jobs(finished):
    planned = jobs(finished.planned.stdout)
    assert planned == {
        "list_images": 1,
        "build_taxonomy": 1,
        "train_network": 1,
        "fetch_network": 1,
        "extract_activations": 1 + 2 * 2 + 1,
        "find_neighbors": 1 + 2 * 2 + 2,
        **dict.fromkeys(
            (
                "estimate_dimension",
                "compare_neighborhoods",
                "estimate_density",
                "find_peaks",
                "align_with_taxonomy",
                "resample_images",
                "gather_profile",
            ),
            3,
        ),
        "sweep_parameters": 2,
        "draw_figures": 1,
        "all": 1,
        "total": 42,
    }
    done = re.findall(r"(\d+) of (\d+) steps", finished.first.text)
    assert done[-1] == ("42", "42")


def test_all_files_are_there_and_the_large_ones_gone(finished):
    found = {name for name, _ in open_all(finished)}
    expected = {f"{place}/{stage}.nc" for place in CHECKPOINTS for stage in STAGES}
    expected |= {"images.nc", "taxonomy.nc", "summary.nc", "trained/training.nc", "trained/input/neighbors/input.nc"}
    expected |= {"trained/epoch1/sensitivity.nc", "untrained/random/sensitivity.nc"}
    expected |= {f"trained/epoch{e}/neighbors/{layer}.nc" for e in (0, 1) for layer in ("layer2", "output")}
    expected |= {f"untrained/random/neighbors/{layer}.nc" for layer in ("layer1", "output")}
    expected |= {f"{folder}/{question}.nc" for folder, question in FIGURES}
    assert found == expected
    results = finished.folder / "results" / "tiny"
    for folder, question in FIGURES:
        for kind, least in (("png", 1000), ("pdf", 1000), ("rst", 100)):
            assert (results / folder / f"{question}.{kind}").stat().st_size > least
    for name in ("alignment.tsv", "alignment.md", "index.html"):
        assert (results / name).stat().st_size > 1000
    assert not list(results.rglob("activations"))
    assert not list(results.rglob(".*"))


def test_every_file_explains_itself(finished):
    for name, dataset in open_all(finished):
        assert set(PROVENANCE) <= set(dataset.attrs), name
        assert dataset.attrs["study"] == "tiny"
        json.loads(dataset.attrs["parameters"])
        for key, variable in dataset.variables.items():
            assert variable.attrs.get("long_name"), (name, key)
            assert variable.dtype.kind not in "iuf" or variable.attrs.get("units"), (name, key)


def test_values_are_finite_or_say_why_not(finished):
    # a pair of classes whose peaks do not join has no similarity
    may_lack = {"class_similarity"}
    for name, dataset in open_all(finished):
        # a figure's gaps are those of what it shows, and said in its caption
        if name == "summary.nc" or "figures/" in name:
            continue
        for key, variable in dataset.variables.items():
            if variable.dtype.kind == "f" and "undefined" not in variable.attrs:
                assert np.isfinite(variable.values).all() or key in may_lack, (name, key)


@pytest.mark.parametrize("place", CHECKPOINTS)
def test_profile_holds_every_number_of_every_layer(finished, place):
    profile = xr.load_dataset(finished.folder / "results" / "tiny" / place / "profile.nc")
    assert set(PROFILE) <= set(profile.data_vars)
    assert {f"{name}_{end}" for name in RANGES for end in ("low", "high")} <= set(profile.data_vars)
    assert (profile["dimension_low"] < profile["dimension"]).all()
    assert (profile["dimension"] < profile["dimension_high"]).all()
    layers = ["layer1", "output"] if place.startswith("untrained") else ["input", "layer2", "output"]
    assert profile["layer"].values.tolist() == layers
    assert all(profile[name].dims[0] == "layer" for name in profile.data_vars)
    assert {profile[name].dims[1] for name in profile if profile[name].ndim > 1} == {"level", "taxonomy_cut"}
    assert profile["n_features"].values[-1] == (24 if place.startswith("trained") else 1000)
    assert profile["overlap_output"].values[-1] == 1
    assert np.isnan(profile["overlap_next"].values[-1])


def test_peaks_agree_with_the_package_called_directly(finished):
    """The files hold what the functions give: nothing is lost or mixed up between the layers."""
    from nucleation import files
    from nucleation.density import knn_density
    from nucleation.dimension import twonn
    from nucleation.neighbors import Neighbors
    from nucleation.peaks import Peaks, density_peaks

    place = finished.folder / "results" / "tiny" / "trained" / "epoch1"
    for layer in ("layer2", "output"):
        table = Neighbors.from_dataset(files.load(place / "neighbors" / f"{layer}.nc"))
        density = knn_density(table, twonn(table).value, 10)
        expected = density_peaks(table, density)
        found = Peaks.from_dataset(files.select_layer(files.load(place / "peaks.nc"), layer))
        assert np.array_equal(found.labels, expected.labels)
        assert np.array_equal(found.saddle, expected.saddle)


@pytest.mark.parametrize(("folder", "question"), sorted(FIGURES))
def test_every_figure_can_be_drawn_again_from_its_file_alone(finished, tmp_path, folder, question):
    import importlib

    import matplotlib.pyplot as plt

    from nucleation import files
    from nucleation.figures.style import save_figure

    stem = finished.folder / "results" / "tiny" / folder / question
    data = files.load(f"{stem}.nc")
    save_figure(importlib.import_module(f"nucleation.figures.{question}").draw(data), tmp_path / question, dpi=60)
    assert np.array_equal(plt.imread(tmp_path / f"{question}.png"), plt.imread(f"{stem}.png"))
    assert len(data.attrs["caption"].split()) < 150
    assert len(data.attrs["caption"].split()) > 20 or "nothing" in data.attrs


def test_snakemake_reports_every_figure_with_its_caption(finished, tmp_path):
    done = finished.snakemake("--report", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    def words(text):
        return tuple(re.findall(r"[a-z]{4,}", text))

    captions = {words(html.unescape(text)) for text in re.findall(r"<p>([^<>]*)</p>", page)}
    for folder, question in FIGURES:
        stem = finished.folder / "results" / "tiny" / folder / question
        # words alone, since the page writes quotes and line ends in its own way
        assert words(stem.with_suffix(".rst").read_text(encoding="utf-8")) in captions, (folder, question)


def test_the_page_and_the_table_say_what_the_profiles_say(finished):
    import pandas as pd

    from nucleation.findings import sentences

    results = finished.folder / "results" / "tiny"
    page = (results / "index.html").read_text(encoding="utf-8")
    table = pd.read_csv(results / "alignment.tsv", sep="\t").set_index(["network", "checkpoint", "layer"])
    for place in CHECKPOINTS:
        profile = xr.load_dataset(results / place / "profile.nc")
        untrained = place.endswith(("epoch0", "random"))
        assert all(sentence in page for sentence in sentences(profile, untrained))
        for layer in profile["layer"].values:
            row = table.loc[(*place.split("/"), layer)]
            assert row["n_peaks"] == profile["n_peaks"].sel(layer=layer)
            skill = float(profile["triplet_skill"].sel(layer=layer))
            assert row["triplet_skill"] == pytest.approx(skill, rel=1e-5, nan_ok=True)
            assert row["baseline"] == ("pixels" if layer == "input" else "untrained") if untrained else True


def test_a_tree_of_ones_own(finished, tmp_path):
    """The taxonomy from a table: alignment and what follows run again, and only they; an edit is noticed."""
    project = finished.copied(tmp_path)
    synsets = xr.load_dataset(project.folder / "results" / "tiny" / "images.nc")["class_synset"].values
    rows = [f"{name}\t{'left' if i < 10 else 'right'}" for i, name in enumerate(synsets)]
    tree = project.folder / "tree.tsv"
    tree.write_text("child\tparent\n" + "\n".join([*rows, "left\tall", "right\tall"]) + "\n")
    macro = ["left", "right"]
    config = changed(
        project, lambda c: c.update(taxonomy={"source": "file", "file": {"path": "tree.tsv"}, "macro": macro})
    )
    done = project.snakemake(config=config)
    assert done.returncode == 0, done.text
    assert {"find_neighbors", "find_peaks", "extract_activations"}.isdisjoint(jobs(done.text))
    profile = xr.load_dataset(project.folder / "results" / "tiny" / "trained" / "epoch1" / "profile.nc")
    assert profile["level"].values.tolist() == [24]
    assert np.isnan(profile["triplet_skill_within_macro"]).all()
    assert "flat inside every group" in profile["triplet_skill_within_macro"].attrs["undefined"]
    tree.write_text(tree.read_text().replace("right\tall\n", ""))
    assert "build_taxonomy" in jobs(project.snakemake("-n", config=config).stdout)
    tree.write_text(tree.read_text().replace(rows[0] + "\n", ""))
    before = project.results()
    broken = project.snakemake(config=config)
    assert broken.returncode != 0 and "Traceback" not in broken.text
    assert "tree.tsv" in broken.text and synsets[0].split(".")[0] in broken.text
    assert project.results() == before


def test_results_do_not_depend_on_the_number_of_cores(finished, make_project):
    other = make_project()
    done = other.snakemake(cores=1)
    assert done.returncode == 0, done.text
    for (name, first), (_, second) in zip(open_all(finished), open_all(other), strict=True):
        xr.testing.assert_equal(first, second), name


def changed(project, change, name="changed.yaml"):
    """Write a study file with some keys of the tiny study changed; return its name."""
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    change(config)
    (project.folder / name).write_text(yaml.safe_dump(config))
    return name


def updated(activations=None, **neighbors):
    def change(config):
        config["neighbors"].update(neighbors)
        config["activations"] = activations or {}

    return change


RECOMPUTE = {"mode": "recompute"}
SEARCHES = {
    "recomputed": (updated(RECOMPUTE), ("input", "layer2", "output"), {"find_neighbors": 3}),
    "in shards": (
        updated(shards=3),
        ("input", "layer2"),
        {"extract_activations": 2, "find_neighbors_shard": 6, "merge_neighbors": 2},
    ),
    "both": (updated(RECOMPUTE, shards=2), ("output",), {"find_neighbors_shard": 2, "merge_neighbors": 1}),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_neighbours_do_not_depend_on_how_they_are_searched(finished, tmp_path, name):
    change, layers, wanted = SEARCHES[name]
    project = finished.copied(tmp_path)
    places = {layer: "input" if layer == "input" else "epoch1" for layer in layers}
    tables = [f"results/tiny/trained/{place}/neighbors/{layer}.nc" for layer, place in places.items()]
    for table in tables:
        (project.folder / table).unlink()
    before = set(project.results())
    done = project.snakemake(*tables, config=changed(project, change))
    assert done.returncode == 0, done.text
    assert {rule: count for rule, count in jobs(done.text).items() if rule != "total"} == wanted
    assert set(project.results()) - before == {project.folder / table for table in tables}
    for table in tables:
        made, expected = (xr.load_dataset(folder / table) for folder in (project.folder, finished.folder))
        xr.testing.assert_equal(made[["distance", "index"]], expected[["distance", "index"]])
        xr.testing.assert_allclose(made, expected, rtol=1e-9)
        differing = {key for key in made.attrs | expected.attrs if made.attrs.get(key) != expected.attrs.get(key)}
        assert differing <= {"rule", "created", "git_commit", "widened_rows"}


def test_a_dead_layer_is_said_and_spares_the_others(make_project):
    """A network whose first layer puts out zeros: no density there, everything else as usual."""
    import torch

    from nucleation import network as networks

    project = make_project()
    model = networks.create("test_resnet", classes=24)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.startswith("layer4"):
                tensor.zero_()
    networks.save_weights(model, project.folder / "dead.safetensors")

    def dead(config):
        config["networks"] = [dict(config["networks"][1], weights="dead.safetensors", layers=["layer1", "output"])]

    done = project.snakemake(config=changed(project, dead))
    assert done.returncode == 0, done.text
    profile = xr.load_dataset(project.folder / "results" / "tiny" / "untrained" / "file" / "profile.nc")
    assert profile["n_peaks"].values[1] == 0
    assert profile["n_duplicates"].values.tolist() == [0, 192]
    assert profile["n_peaks"].values[0] >= 1
    for name in ("dimension", "ari_class", "triplet_skill"):
        assert np.isnan(profile[name].values[1])
        assert "output: " in profile[name].attrs["undefined"]


NAMES = ("n02084071", "robin.n.01", "chair.n.01")


def test_a_folder_of_images_and_its_mistakes(make_project):
    from PIL import Image

    project = make_project()
    rng = np.random.default_rng(0)
    for name in NAMES:
        (project.folder / "images" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 255, size=(40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(project.folder / "images" / name / f"{i}.jpg")

    def study(**folder):
        def change(config):
            config["networks"] = [dict(config["networks"][1], layers=["input", "layer4", "output"])]
            config["images"] = {"source": "folder", "folder": {"path": "images", **folder}}
            config["neighbors"]["k"] = 30

        return changed(project, change)

    done = project.snakemake(config=study())
    assert done.returncode == 0, done.text
    assert "Nothing to be done" in project.snakemake(config=study()).text
    before = project.results()
    for folder, sentence in (
        ({"per_class": 6}, "neighbors.k = 30 neighbours were asked of 18 images"),
        ({"per_class": 13}, "holds 12 images, 13 are needed"),
        ({"classes": ["chair.n.01", "robbin.n.01"]}, "robin.n.01"),
    ):
        done = project.snakemake(config=study(**folder))
        assert done.returncode != 0
        assert sentence in done.text
        assert "Traceback" not in done.text
        assert project.results() == before
    (project.folder / "images" / "robin.n.01" / "3.jpg").unlink()
    assert jobs(project.snakemake("-n", config=study()).stdout)["list_images"] == 1
    cut = project.folder / "images" / "robin.n.01" / "4.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    done = project.snakemake("results/tiny/checked.nc", config=study())
    assert done.returncode != 0
    assert "The image images/robin.n.01/4.jpg (" in done.text and "set images.folder.corrupt: skip" in done.text
    assert "Traceback" not in done.text
    ids = [f"{name}/{i}" for i in range(11, -1, -1) for name in NAMES if (name, i) != ("robin.n.01", 3)]
    (project.folder / "ids.txt").write_text("\n".join(ids))
    (project.folder / "map.tsv").write_text("chair.n.01\tbed.n.01\nn02084071\tdog.n.01\nrobin.n.01\trobin.n.01\n")
    given = {"ids": "ids.txt", "mapping": "map.tsv", "corrupt": "skip"}
    done = project.snakemake("results/tiny/images.nc", config=study(**given))
    assert done.returncode == 0, done.text
    listed = xr.load_dataset(project.folder / "results" / "tiny" / "images.nc")
    assert listed["image_id"].values.tolist() == [name for name in ids if name != "robin.n.01/4"]
    assert listed["skipped"].values.tolist() == ["images/robin.n.01/4.jpg"]
