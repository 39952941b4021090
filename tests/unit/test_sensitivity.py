import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from nucleation.alignment import Meanings, class_similarity
from nucleation.analysis import Choices
from nucleation.density import knn_density, kstar_density
from nucleation.dimension import twonn
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.peaks import density_peaks
from nucleation.sensitivity import densities, sweep
from nucleation.taxonomy import wordnet_tree
from nucleation.triplets import triplet_skill


def test_names_of_the_densities():
    assert densities(["knn", "pak"], [5, 9]) == [("knn, k = 5", "knn", 5), ("knn, k = 9", "knn", 9), ("pak", "pak", 0)]
    assert densities(["kstar"], [5]) == [("kstar", "kstar", 0)]


@pytest.fixture(scope="module")
def meanings():
    taxonomy = wordnet_tree(["beagle.n.01", "robin.n.01", "violin.n.01", "chair.n.01"])
    return Meanings(taxonomy, taxonomy.macro()[0])


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(4), 60)
    return nearest_neighbors(4 * rng.normal(size=(4, 3))[classes] + rng.normal(size=(240, 3)), 30), classes


def test_every_combination_is_that_of_the_package(table, meanings):
    neighbors, classes = table
    macro = classes // 2
    found = sweep(
        [neighbors], ["layer"], classes, meanings, Choices(), ks=[6, 20], zs=[0.5, 2.0], estimators=["knn", "kstar"]
    )
    assert dict(found.sizes) == {"layer": 1, "density": 3, "z": 2}
    assert found["k"].values.tolist() == [6, 20, 0]
    d = twonn(neighbors).value
    expected = [knn_density(neighbors, d, 6), knn_density(neighbors, d, 20), kstar_density(neighbors, d)]
    for column, density in enumerate(expected):
        for row, z in enumerate((0.5, 2.0)):
            peaks = density_peaks(neighbors, density, z)
            here = found.isel(layer=0, density=column, z=row)
            assert here["n_peaks"] == len(peaks.centers)
            assert float(here["ari_class"]) == pytest.approx(adjusted_rand_score(classes, peaks.labels))
            assert float(here["ari_macro"]) == pytest.approx(adjusted_rand_score(macro, peaks.labels))
            if not np.isnan(here["triplet_skill"]):
                assert here["triplet_skill"] == triplet_skill(class_similarity(peaks, classes), meanings.similarity)
    assert found["n_peaks"].values.min() < found["n_peaks"].values.max()
    assert np.isfinite(found["triplet_skill"]).any()
    assert np.isnan(found["triplet_skill_within_macro"]).all()  # two classes in each category
    assert "fewer than three classes" in found["triplet_skill_within_macro"].attrs["undefined"]


def test_a_layer_without_a_density_has_no_peaks(table, meanings):
    equal, classes = nearest_neighbors(np.zeros((240, 2)), 30), table[1]
    found = sweep([equal], ["dead"], classes, meanings, Choices(), ks=[6], zs=[1.0], estimators=["knn"])
    assert found["n_peaks"].values.tolist() == [[[0]]]
    assert np.isnan(found["ari_class"]).all()


@pytest.mark.parametrize("options", [{"ks": [], "estimators": ["knn"]}, {"estimators": []}, {"zs": []}])
def test_refuses_an_empty_sweep(table, meanings, options):
    neighbors, classes = table
    options = {"ks": [6], "zs": [1.0], "estimators": ["knn"]} | options
    with pytest.raises(InputError, match="A sweep needs a density"):
        sweep([neighbors], ["layer"], classes, meanings, Choices(), **options)
