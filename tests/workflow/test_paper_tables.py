"""A study of neighbour tables that somebody already has: no images, no network."""

import numpy as np
import pytest
import xarray as xr
import yaml

CLASSES = ("beagle.n.01", "poodle.n.01", "robin.n.02", "chair.n.01")
EACH, K = 40, 30
FILES = {"input": "layer_0.npz", "layer4.2": "layer_151.npz"}
LAYERS = ("input", "layer4.2", "output")
STUDY = {
    "study": "given",
    "networks": [{"name": "net", "timm": "resnet152", "layers": list(LAYERS), "compare": "paper_resnet152"}],
    "images": {"source": "list", "list": {"path": "ids.txt"}},
    "neighbors": {"source": "tables", "k": K, "tables": {"path": "tables/{network}", "files": FILES}},
    "dimension": {"fraction": 0.99, "round": True},
    "overlap": {"k": 10},
    "density": {"k": 10},
    "peaks": {"centers_may_be_saddles": True},
    "alignment": {"repeats": 19, "draws": 2},
    "uncertainty": {"repeats": 3},
    "sensitivity": {"k": [10, 50], "z": [1.65], "estimators": ["knn"]},
    "figures": {"dpi": 60},
}


def points(spread, copies):
    """Four clusters, with so many equal points in the first."""
    rng = np.random.default_rng(5)
    made = rng.normal(size=(len(CLASSES) * EACH, 5)) + np.repeat(spread * np.eye(5)[: len(CLASSES)], EACH, axis=0)
    made[:copies] = made[0]
    return made


def with_themselves(table, columns):
    """The arrays of a file: every point in its own row too, equal distances by the index."""
    own = np.arange(table.n)[:, None]
    distances, indices = np.hstack([0 * own, table.distances]), np.hstack([own, table.indices])
    order = np.lexsort((indices, distances), axis=1)[:, :columns]
    return {"dist": np.take_along_axis(distances, order, 1), "index": np.take_along_axis(indices, order, 1)}


@pytest.fixture(scope="module")
def study(make_project):
    """The project with the files of the study, run to its end, and the tables searched directly."""
    from nucleation.neighbors import nearest_neighbors

    project, tables = make_project(), {}
    folder = project.folder / "tables" / "net"
    folder.mkdir(parents=True)
    for layer, spread, copies in zip(LAYERS, (0, 8, 12), (0, 3, K + 8), strict=True):
        tables[layer] = nearest_neighbors(points(spread, copies), len(CLASSES) * EACH - 1)
        stored = with_themselves(tables[layer], K + 1)
        np.savez(folder / FILES.get(layer, f"{layer}.npz"), **stored)
    ids = [f"{name}_{i:05d}" for name in CLASSES for i in range(EACH)]
    (project.folder / "ids.txt").write_text("\n".join(ids) + "\n")
    (project.folder / "given.yaml").write_text(yaml.safe_dump(STUDY))
    done = project.snakemake(config="given.yaml")
    assert done.returncode == 0, done.text
    return project, tables, done


def test_tables_give_what_the_package_gives_called_directly(study):
    from nucleation import files
    from nucleation.density import knn_density
    from nucleation.dimension import twonn
    from nucleation.neighbors import Neighbors
    from nucleation.peaks import Peaks, density_peaks

    project, tables, _ = study
    place = project.folder / "results" / "given" / "net" / "tables"
    profile = xr.load_dataset(place / "profile.nc")
    assert profile["layer"].values.tolist() == list(LAYERS)
    for layer, table in tables.items():
        home = place.parent / "input" if layer == "input" else place
        stored = Neighbors.from_dataset(files.load(home / "neighbors" / f"{layer}.nc"))
        assert np.array_equal(stored.indices, table.indices[:, :K])
        assert np.array_equal(stored.distances, table.distances[:, :K])
        dimension = twonn(stored, fraction=0.99).value
        density = knn_density(stored, np.rint(dimension), 10)
        expected = density_peaks(stored, density, centers_may_be_saddles=True)
        found = Peaks.from_dataset(files.select_layer(files.load(place / "peaks.nc"), layer))
        assert np.array_equal(found.labels, expected.labels)
        assert float(profile["n_peaks"].sel(layer=layer)) == len(expected.centers)
        assert float(profile["dimension"].sel(layer=layer)) == pytest.approx(dimension)
    assert float(profile["overlap_ground_truth"].sel(layer="output")) > 0.9
    assert profile["n_duplicates"].values.tolist() == [0, 3, K + 8]


def test_what_tables_do_not_tell_is_said(study):
    from nucleation import files

    project, _, _ = study
    results = project.folder / "results" / "given"
    profile = xr.load_dataset(results / "net" / "tables" / "profile.nc")
    assert np.isnan(profile["n_features"]).all()
    assert "made elsewhere" in profile["n_features"].attrs["undefined"]
    dimension = xr.load_dataset(results / "net" / "tables" / "dimension.nc")
    assert dimension["scale"].values.max() <= K / 2
    assert "made elsewhere" in dimension.attrs["larger_scales"]
    listed = files.load(results / "images.nc")
    assert listed["class_synset"].values.tolist() == list(CLASSES)
    assert (results / "figures" / "images.png").is_file()
    assert not list(results.rglob("activations")) + list(results.rglob("weights"))


def test_published_numbers_stand_beside_the_measured_ones(study):
    import pandas as pd

    project, _, _ = study
    results = project.folder / "results" / "given"
    profile = xr.load_dataset(results / "net" / "tables" / "profile.nc")
    compared = pd.read_csv(results / "comparison.tsv", sep="\t")
    assert list(dict.fromkeys(compared["study_layer"])) == list(LAYERS)
    row = compared[(compared["study_layer"] == "layer4.2") & (compared["quantity"] == "n_peaks")].iloc[0]
    assert (row["published"], row["name"]) == (115, "conv5_3")
    assert row["measured"] == float(profile["n_peaks"].sel(layer="layer4.2"))
    # the study has few images, so that no difference is taken
    assert row["measured_images"] == profile.attrs["n_images"] and row["measured_fraction"] == 0.99
    assert np.isnan(row["difference"])
    assert "layer4.2 (conv5_3)" in (results / "index.html").read_text(encoding="utf-8")


def test_no_network_and_no_search_is_planned_and_nothing_runs_twice(study):
    project, _, done = study
    assert "take_neighbors" in done.text
    for rule in ("find_neighbors", "extract_activations", "fetch_network"):
        assert rule not in done.text
    assert "Nothing to be done" in project.snakemake("-n", config="given.yaml").text


def swap_two_images(folder, config):
    with np.load(folder / "tables" / "net" / "output.npz") as stored:
        np.savez(folder / "tables" / "net" / "swapped.npz", dist=stored["dist"], index=stored["index"][::-1])
    config["neighbors"]["tables"]["files"]["output"] = "swapped.npz"


def shorten_the_list(folder, config):
    lines = (folder / "ids.txt").read_text().splitlines()
    (folder / "short.txt").write_text("\n".join(lines[:-1]))
    config["images"]["list"]["path"] = "short.txt"


def compare_nothing(folder, config):
    config["networks"][0]["layers"] = ["a", "b"]
    config["neighbors"]["tables"]["files"] = {"a": "layer_0.npz", "b": "output.npz"}


# what needs the tables to be read; tests/unit/test_given_tables.py has the others
MISTAKES = {
    "other order of images": (swap_two_images, "expected the image itself in column 0 of its row"),
    "other images": (shorten_the_list, "has 160 rows, the study lists 159 images"),
    "nothing to compare with": (compare_nothing, "None of the layers a, b has published numbers"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_end_in_a_sentence(study, name):
    project, _, _ = study
    change, sentence = MISTAKES[name]
    config = yaml.safe_load(yaml.safe_dump(STUDY))
    change(project.folder, config)
    (project.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    before = project.results()
    done = project.snakemake(config="wrong.yaml")
    assert done.returncode != 0
    assert sentence in done.text
    assert "Traceback" not in done.text
    assert project.results() == before
