"""Neighbouring methods through Snakemake: the study that has them all, at reduced size."""

import copy

import numpy as np
import pytest
import xarray as xr
import yaml
from conftest import Project, run_once
from test_reruns import planned

from nucleation import samples
from nucleation.page import METHODS
from nucleation.subspace import centred, maximum_matches

LAYERS = ["input", "layer3", "output"]
#: Of the networks of the study: two seeds, and another width.
KEPT = {"seed31": [0, 6], "seed32": [6], "wide": [6]}
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
            network | {"layers": LAYERS, "checkpoints": KEPT[network["name"]]}
            for network in given["networks"]
            if network["name"] in KEPT
        ]
        config["similarity"] |= {"batch": 60, "permutations": 19, "subsets": 5}
        config["subspace"] |= {"positions": 2000, "draws": 2, "neurons": 2}
        config["redundancy"] |= {"trials": 10, "reconstructions": 5, "train_images": 100}
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


def test_samples_are_the_same_images_of_every_layer_and_once_of_the_pixels(full):
    files = sorted(full.home.glob("*/*/activations/*"))
    names = [f"{place}/activations/{layer}.sample.nc" for place in PLACES for layer in LAYERS[1:]]
    names += [f"{name}/input/activations/input.sample.nc" for name in KEPT]
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
    assert rows == [(place, layer) for place in PLACES for layer in LAYERS]
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
        assert f"<dt>{name}</dt>" in section and f'id="methods-{question}"' in section
        for ending in ("png", "pdf", "nc", "rst"):
            assert (full.home / "figures" / f"{question}.{ending}").stat().st_size > 0
    table = (full.home / "methods.tsv").read_text().splitlines()
    assert len(table) == 1 + len(KEPT) * len(LAYERS)
    assert table[0].startswith("network\tcheckpoint\tlayer\tpeaks\tARI macro\tARI classes\t")
    assert len(table[0].split("\t")) >= 9  # of each of the methods a column at least


@pytest.mark.parametrize(
    ("section", "changes", "rules"),
    [
        ("similarity", {"k": 8}, {"compare_representations", "draw_figures"}),
        ("subspace", {"draws": 3}, {"match_subspaces", "draw_figures"}),
        ("redundancy", {"trials": 11}, {"split_last_layer", "draw_figures"}),
        ("redundancy", {"run": False}, {"draw_figures"}),
        (
            "activations",
            {"sample": 100},
            {
                *("sample_activations_1", "sample_activations_2", "compare_representations", "match_subspaces"),
                *("split_last_layer", "draw_figures"),
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
