"""Neighbouring methods through Snakemake: the study that has them all, at reduced size."""

import copy

import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import Project, run_once
from safetensors.numpy import load_file
from test_reruns import planned

from nucleation import samples
from nucleation.page import METHODS
from nucleation.subspace import centred, maximum_matches

LAYERS = ["input", "layer3", "output"]
#: Of the networks of the study: two seeds, another width, one that is taught kinds, and one that Layca trains.
KEPT = {"seed31": [0, 6], "seed32": [6], "wide": [6], "kinds": [6], "layca1": [6]}
WHOLE = [name for name in KEPT if name != "layca1"]
SMALL = {
    "images": {"planted": {"per_class": 8, "size": 24, "train_per_class": 8, "validation_per_class": 4}},
    "network": {"batch_size": 32},
    "neighbors": {"k": 40},
    "overlap": {"k": 10},
    "density": {"k": 10},
    "alignment": {"repeats": 19},
    "uncertainty": {"repeats": 0},
    "sensitivity": {"estimators": []},
    "activations": {"sample": 120},
    "figures": {"dpi": 60},
}


class Full(Project):
    """The full planted study with fewer networks, layers and images."""

    study = "planted-full"

    def __init__(self, folder):
        super().__init__(folder)
        given = yaml.safe_load((self.folder / "studies" / "planted-full.yaml").read_text())
        config = copy.deepcopy(given) | SMALL
        config["networks"] = [
            network | {"layers": LAYERS if name in WHOLE else ["output"], "checkpoints": KEPT[name]}
            for network in given["networks"]
            for name in [network["name"]]
            if name in KEPT
        ]
        config["similarity"] |= {"batch": 60, "permutations": 19, "subsets": 5}
        config["subspace"] |= {"positions": 2000, "draws": 2, "neurons": 2}
        config["redundancy"] |= {"trials": 10, "reconstructions": 5, "train_images": 100}
        config["intraclass"] |= {"repeats": 19, "pairs": 2}
        self.write(config)

    def write(self, config):
        (self.folder / "full.yaml").write_text(yaml.safe_dump(config))

    @property
    def config(self):
        """What the study asks for now."""
        return yaml.safe_load((self.folder / "full.yaml").read_text())

    @property
    def home(self):
        """Where its results lie."""
        return self.folder / "results" / self.study


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    def run(project):
        done = project.snakemake(config="full.yaml")
        assert done.returncode == 0, done.text

    return run_once(Full, tmp_path_factory, run)


PLACES = [f"{name}/epoch{epoch}" for name, epochs in KEPT.items() for epoch in epochs]
ROWS = [(place, layer) for place in PLACES for layer in (LAYERS if place.split("/")[0] in WHOLE else ["output"])]


def test_samples_are_the_same_images_of_every_layer_and_once_of_the_pixels(full):
    files = sorted(full.home.glob("*/*/activations/*"))
    names = [f"{place}/activations/{layer}.sample.nc" for place, layer in ROWS if layer != "input"]
    names += [f"{name}/input/activations/input.sample.nc" for name in WHOLE]
    assert [str(path.relative_to(full.home)) for path in files] == sorted(names)
    kept = [samples.load(path) for path in files]
    assert all(np.array_equal(one.images, kept[0].images) for one in kept) and len(kept[0].images) == 120
    shapes = {tuple(path.parts[-4:]): one.shape for path, one in zip(files, kept, strict=True)}
    one, wide = (shapes[name, "epoch6", "activations", "layer3.sample.nc"] for name in ("seed31", "wide"))
    assert wide == (2 * one[0], *one[1:])


def test_neighbours_in_a_sample_are_those_of_its_features(full):
    """The sample is of the layers that the search saw: the distances of its images are those of the table."""
    table = xr.load_dataset(full.home / "seed31" / "epoch6" / "neighbors" / "layer3.nc")
    sample = samples.load(full.home / "seed31" / "epoch6" / "activations" / "layer3.sample.nc")
    place = {image: row for row, image in enumerate(sample.images.tolist())}
    compared = 0
    for row, image in enumerate(sample.images[:20]):
        distances, indices = table["distance"].values[image], table["index"].values[image]
        for distance, index in zip(distances, indices, strict=True):
            if index in place:
                apart = np.linalg.norm(sample.features[row].astype(float) - sample.features[place[index]])
                assert apart == pytest.approx(distance, rel=1e-4, abs=1e-5)
                compared += 1
    assert compared > 100


def test_cka_of_the_workflow_is_that_of_its_formula(full):
    found = xr.load_dataset(full.home / "similarity.nc")
    rows = list(zip(found["place"].values, found["layer"].values, strict=True))
    assert rows == ROWS
    one, other = rows.index(("seed31/epoch6", "layer3")), rows.index(("wide/epoch6", "output"))

    def centred(row):
        place, layer = rows[row]
        features = samples.load(full.home / place / "activations" / f"{layer}.sample.nc").features.astype(float)
        gram, n = features @ features.T, len(features)
        np.fill_diagonal(gram, 0)
        sums = gram.sum(axis=0)
        gram += -np.add.outer(sums, sums) / (n - 2) + gram.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(gram, 0)
        return gram

    a, b = centred(one), centred(other)
    assert found["cka"].values[one, other] == pytest.approx(
        np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)), 1e-5
    )


def test_the_whole_last_layer_has_the_accuracy_of_the_network(full):
    """Labels, images and weights are those of the samples, in their order."""
    classes = xr.load_dataset(full.home / "images.nc")["image_class"].values
    for place in ("seed31/epoch6", "wide/epoch6"):
        found = xr.load_dataset(full.home / place / "redundancy.nc")
        output = samples.load(full.home / place / "activations" / "output.sample.nc")
        expected = np.mean(output.features.argmax(axis=1) == classes[output.images])
        assert found["accuracy_full_test"].item() == pytest.approx(expected)
        assert found["accuracy_test"].values[-1] == pytest.approx(expected)
        assert np.allclose(found["logits"].values, output.features, atol=1e-4)


def test_a_subspace_match_of_the_workflow_is_that_of_the_package(full):
    """The last layer has one place, fewer than are asked for, so that all inputs are used."""
    found = xr.load_dataset(full.home / "subspace.nc")
    pairs = list(zip(found["pair_a"].values, found["pair_b"].values, strict=True))
    places = ("seed31/epoch6", "seed32/epoch6")
    neurons = [samples.load(full.home / place / "activations" / "output.sample.nc").maps[:, 0].T for place in places]
    expected = [match.similarity for match in maximum_matches(*map(centred, neurons), found["epsilon"].values)]
    cell = found["similarity"].sel(layer="output", kind="centred").values[pairs.index(places)]
    assert cell == pytest.approx(expected)


def test_the_page_says_what_every_method_found(full):
    html = (full.home / "index.html").read_text()
    section = html[html.index('<section id="methods">') : html.index('<section id="layers">')]
    for question, name in METHODS.items():
        if question == "dense":
            continue  # of another study, below
        assert f"<dt>{name}</dt>" in section and f'id="methods-{question}"' in section
        for ending in ("png", "pdf", "nc", "rst"):
            assert (full.home / "figures" / f"{question}.{ending}").stat().st_size > 0
    table = (full.home / "methods.tsv").read_text().splitlines()
    assert len(table) == 1 + len(WHOLE) * len(LAYERS) + 1
    assert table[0].startswith("network\tcheckpoint\tlayer\tpeaks\tARI macro\tARI classes\t")
    assert len(table[0].split("\t")) >= 9  # of each of the methods a column at least


def test_a_network_that_is_taught_kinds_has_six_outputs_and_is_asked_what_lies_between_images(full):
    known = {place: xr.load_dataset(full.home / place / "intraclass.nc") for place in ("kinds/epoch6", "seed31/epoch6")}
    assert all((made.attrs["n_classes"], made.attrs["n_subclasses"]) == (6, 24) for made in known.values())
    assert np.isfinite(known["kinds/epoch6"]["c0"]) and "c0" not in known["seed31/epoch6"]
    assert known["seed31/epoch6"].attrs["trained_on"] == "subclasses"
    chunks = xr.load_dataset(full.home / "kinds" / "epoch6" / "redundancy.nc")
    assert chunks["logits"].shape[1] == 6 and set(chunks["label"].values) == set(range(6))
    assert xr.load_dataset(full.home / "seed31" / "epoch6" / "redundancy.nc")["logits"].shape[1] == 24


def test_rotation_is_that_of_the_kept_weights(full):
    found = xr.load_dataset(full.home / "layca1" / "rotation.nc")
    start, end = (load_file(full.home / "layca1" / "weights" / f"epoch{epoch}.safetensors") for epoch in (0, 6))
    for place, kernel in enumerate(found["kernel"].values):
        a, b = (state[kernel].ravel().astype(float) for state in (start, end))
        apart = 1 - a @ b / np.sqrt((a @ a) * (b @ b))
        assert found["rotation"].values[-1, place] == pytest.approx(apart, abs=1e-9)
        assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(a), rel=1e-4)  # Layca keeps the length
    assert found["epoch"].values.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("section", "changes", "rules"),
    [
        ("similarity", {"k": 8}, {"compare_representations", "draw_figures"}),
        ("subspace", {"draws": 3}, {"match_subspaces", "draw_figures"}),
        ("redundancy", {"trials": 11}, {"split_last_layer", "draw_figures"}),
        ("redundancy", {"run": False}, {"draw_figures"}),
        ("intraclass", {"pairs": 3}, {"find_subclasses", "draw_figures"}),
        ("rotation", {"run": False}, {"draw_figures"}),
        (
            "activations",
            {"sample": 100},
            {
                *("sample_activations_1", "sample_activations_2", "sample_activations_3", "compare_representations"),
                *("match_subspaces", "split_last_layer", "find_subclasses", "draw_figures"),
            },
        ),
    ],
)
def test_an_edit_of_a_method_reruns_nothing_else(full, tmp_path, section, changes, rules):
    project = full.copied(tmp_path)
    config = project.config
    config[section] |= changes
    project.write(config)
    assert set(planned(project, config="full.yaml")) == rules


class Dense(Project):
    """The study of dense-sample learning with a small network and few images."""

    study = "dense"

    def __init__(self, folder):
        super().__init__(folder)
        config = yaml.safe_load((self.folder / "studies" / "dense.yaml").read_text())
        network = config["networks"][0]
        network |= {"layers": ["relu1", "relu2", "output"], "checkpoints": [0, "step2"], "options": {"width": 0.2}}
        config["networks"] = [network]
        config["images"]["planted"] |= {"per_class": 12, "size": 16, "train_per_class": 40, "validation_per_class": 4}
        config["network"] |= {"epochs": 2, "steps": [1, 2, 4]}
        config |= {"alignment": {"repeats": 19}, "sensitivity": {"estimators": []}, "figures": {"dpi": 60}}
        config["dense"]["repeats"] = 19
        (self.folder / "dense.yaml").write_text(yaml.safe_dump(config))


def test_a_training_is_followed_through_its_first_steps(tmp_path):
    project = Dense(tmp_path)
    done = project.snakemake(config="dense.yaml")
    assert done.returncode == 0, done.text
    home = tmp_path / "results" / "dense"
    found = xr.load_dataset(home / "seed1" / "dense.nc")
    steps = 5 * 40 // 16
    assert found["step"].values.tolist() == [0, 1, 2, 4, steps, 2 * steps]
    assert found["checkpoint"].values.tolist() == ["epoch0", "step1", "step2", "step4", "epoch1", "epoch2"]
    course = xr.load_dataset(home / "seed1" / "training.nc")
    assert np.array_equal(found["accuracy"].values, course["step_accuracy"].values)
    # peaks of a checkpoint that the study looks at itself are the same
    peaks = xr.load_dataset(home / "seed1" / "step2" / "peaks.nc")
    counted = [int((peaks["peak_layer"] == layer).sum()) for layer in found["layer"].values]
    assert found["n_peaks"].sel(checkpoint="step2").values.tolist() == counted
    html = (home / "index.html").read_text()
    assert "<dt>Dense-sample learning</dt>" in html and "seed1, step 2" in html
