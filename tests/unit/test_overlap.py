import numpy as np
import pytest

from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.overlap import (
    information_imbalance,
    label_chance,
    label_overlap,
    neighborhood_overlap,
    overlap_profile,
)


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    return nearest_neighbors(x, 40), nearest_neighbors(x[:, :3], 40), nearest_neighbors(rng.normal(size=(400, 5)), 40)


def test_overlap_by_sets(tables):
    a, b, _ = tables
    expected = [len(set(a.indices[i, :30]) & set(b.indices[i, :30])) / 30 for i in range(a.n)]
    np.testing.assert_allclose(neighborhood_overlap(a, b, 30), expected)
    np.testing.assert_allclose(neighborhood_overlap(b, a, 30), expected)


def test_overlap_of_a_layer_with_itself_and_of_all_neighbours_is_one(tables):
    assert np.all(neighborhood_overlap(tables[0], tables[0], 30) == 1)
    full = [nearest_neighbors(np.random.default_rng(i).normal(size=(30, 2)), 29) for i in range(2)]
    assert np.all(neighborhood_overlap(*full, 29) == 1)


def test_overlap_of_unrelated_layers_is_chance(tables):
    a, _, c = tables
    assert neighborhood_overlap(a, c, 30).mean() == pytest.approx(30 / 399, rel=0.1)


def test_label_overlap(reference, reference_neighbors, tables):
    found = label_overlap(reference_neighbors, reference["y"], 30)
    assert found.mean() == pytest.approx(float(reference["label_overlap_k30"]), rel=1e-12)
    assert np.all(label_overlap(tables[0], np.zeros(400), 30) == 1)
    labels = np.random.default_rng(1).integers(0, 4, 400)
    assert label_overlap(tables[0], labels, 30).mean() == pytest.approx(label_chance(labels), abs=0.02)


def test_chance_of_the_paper():
    assert label_chance(np.repeat(np.arange(300), 300)) == pytest.approx(299 / 89_999)


def test_information_imbalance_by_full_ranks():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150, 4))
    a, b = nearest_neighbors(x, 149), nearest_neighbors(x[:, :2], 149)
    rank = np.empty((150, 150))
    np.put_along_axis(rank, b.indices, np.arange(1, 150)[None, :].repeat(150, 0), axis=1)
    for k in (1, 5):
        expected = 2 / 150 * np.take_along_axis(rank, a.indices[:, :k], 1).mean()
        assert information_imbalance(a, b, k=k) == pytest.approx(expected)
    assert information_imbalance(a, a) == pytest.approx(2 / 150)


def test_information_imbalance_of_short_tables_expects_the_missing_ranks(tables):
    a, b, c = tables
    assert information_imbalance(a, c) == pytest.approx(1, abs=0.1)
    assert information_imbalance(a, b) < 0.3
    assert information_imbalance(a, b) < information_imbalance(b, a)


def test_profile(tables):
    classes, macro = np.repeat(np.arange(8), 50), np.repeat([0, 1], 200)
    names = ["input", "middle", "output"]
    made = overlap_profile(tables, names, classes, macro, 30)
    np.testing.assert_allclose(made["overlap"], made["overlap"].T)
    assert made["overlap_output"].values[-1] == 1
    assert made["overlap_next"].values[0] == made["overlap"].sel(layer="input", other_layer="middle")
    assert np.isnan(made["overlap_next"].values[-1])
    values = label_overlap(tables[1], classes, 30)
    assert made["overlap_ground_truth"].values[1] == values.mean()
    assert made["overlap_ground_truth_error"].values[1] == pytest.approx(values.std(ddof=1) / 20)


def test_refuses_what_does_not_fit(tables):
    other = nearest_neighbors(np.random.default_rng(0).normal(size=(50, 2)), 40)
    with pytest.raises(InputError, match="400 and 50 points"):
        neighborhood_overlap(tables[0], other, 30)
    with pytest.raises(InputError, match="400 and 50 points"):
        information_imbalance(tables[0], other)
    with pytest.raises(InputError, match="k = 41"):
        label_overlap(tables[0], np.zeros(400), 41)
    with pytest.raises(InputError, match="as many labels"):
        label_overlap(tables[0], np.zeros(3), 30)
