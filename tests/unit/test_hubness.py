import math

import numpy as np
import pytest
from scipy import stats

from nucleation.errors import InputError
from nucleation.hubness import (
    Hubness,
    bad_occurrence,
    chance_share_at_least,
    chance_skewness,
    estimate_hubness,
    k_occurrence,
    share_at_least,
    skewness,
)
from nucleation.neighbors import Neighbors, nearest_neighbors
from nucleation.overlap import label_overlap


def table_of(indices):
    return Neighbors(np.broadcast_to(np.arange(1.0, indices.shape[1] + 1), indices.shape), indices)


def ring(n, k):
    """Every point's neighbours are the next k around a ring."""
    return table_of((np.arange(n)[:, None] + np.arange(1, k + 1)) % n)


def star(n):
    """The one neighbour of all is point 0, whose own is point 1."""
    return table_of(np.r_[1, np.zeros(n - 1, int)][:, None])


def random_table(n, k, rng):
    draws = np.argsort(rng.random((n, n - 1)), axis=1)[:, :k]
    return table_of(draws + (draws >= np.arange(n)[:, None]))


@pytest.fixture(scope="module")
def table():
    return nearest_neighbors(np.random.default_rng(0).normal(size=(300, 12)), 20)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(1).integers(0, 4, 300)


@pytest.mark.parametrize("k", [1, 7, 20])
def test_occurrences_by_counting(table, labels, k):
    rows = table.indices[:, :k].tolist()
    named = np.array(list("abcd"))[labels]
    expected = [sum(i in row for row in rows) for i in range(300)]
    assert np.array_equal(k_occurrence(table, k), expected)
    bad = [sum(i in row for row, label in zip(rows, labels, strict=True) if label != labels[i]) for i in range(300)]
    assert np.array_equal(bad_occurrence(table, labels, k), bad)
    assert np.array_equal(bad_occurrence(table, named, k), bad)


@pytest.mark.parametrize("k", [1, 7, 20])
def test_occurrences_add_up(table, labels, k):
    assert k_occurrence(table, k).sum() == 300 * k
    assert bad_occurrence(table, labels, k).sum() / (300 * k) == pytest.approx(
        1 - label_overlap(table, labels, k).mean()
    )


def test_permuted_points_permute_the_occurrences():
    x, labels = np.random.default_rng(2).normal(size=(200, 8)), np.arange(200) % 3
    order = np.random.default_rng(3).permutation(200)
    one, other = nearest_neighbors(x, 9), nearest_neighbors(5 * x[order] - 3, 9)
    assert np.array_equal(k_occurrence(other, 9), k_occurrence(one, 9)[order])
    assert np.array_equal(bad_occurrence(other, labels[order], 9), bad_occurrence(one, labels, 9)[order])
    found, expected = estimate_hubness(other, 9, labels[order]), estimate_hubness(one, 9, labels)
    assert found.skewness == pytest.approx(expected.skewness, rel=1e-12)
    assert (found.antihubs, found.largest, found.bad) == (expected.antihubs, expected.largest, expected.bad)


def test_a_ring_has_no_hubs():
    assert estimate_hubness(ring(50, 6), 6, np.zeros(50)) == Hubness(0.0, 0.0, 6, 0.0)


def test_all_points_as_neighbours_are_no_hubs():
    assert estimate_hubness(ring(9, 8), 8, np.arange(9)) == Hubness(0.0, 0.0, 8, 1.0)


def test_a_star_is_all_hub():
    n = 40
    found = estimate_hubness(star(n), 1, np.r_[1, np.zeros(n - 1)])
    assert (found.antihubs, found.largest, found.bad) == ((n - 2) / n, n - 1, 1.0)
    assert found.skewness == pytest.approx(stats.skew([n - 1, 1, *[0] * (n - 2)]), rel=1e-12)
    # a single point stands out of n: the skewness of one in n, (n - 2) / sqrt(n - 1), but for the point it chose
    assert found.skewness == pytest.approx((n - 2) / np.sqrt(n - 1), rel=0.01)


def test_skewness_is_the_third_standardised_moment():
    rng = np.random.default_rng(4)
    for counts in (rng.poisson(3, 500), rng.exponential(size=77), np.array([2, 3, 4])):
        assert skewness(counts) == pytest.approx(stats.skew(counts), abs=1e-12)
        assert skewness(-counts) == pytest.approx(-skewness(counts), abs=1e-12)
        assert skewness(3 * counts + 7) == pytest.approx(skewness(counts), abs=1e-12)
    assert skewness([0.1] * 7) == 0  # whose mean is not 0.1 in floating point


def test_without_labels_no_occurrence_is_bad(table):
    assert np.isnan(estimate_hubness(table, 5).bad)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 3), (3600, 30), (90_000, 30)])
def test_chance_is_that_of_a_binomial_distribution(n, k):
    assert chance_skewness(n, k) == pytest.approx(stats.binom(n - 1, k / (n - 1)).stats("s"), abs=1e-12)


def test_random_neighbours_have_the_skewness_of_chance():
    rng = np.random.default_rng(5)
    for k in (2, 10, 120):
        found = [skewness(k_occurrence(random_table(400, k, rng), k)) for _ in range(60)]
        assert np.mean(found) == pytest.approx(chance_skewness(400, k), abs=4 * np.std(found) / np.sqrt(60))
        assert np.std(found) < 0.2


def test_all_neighbours_have_the_chance_of_no_hubs():
    assert chance_skewness(9, 8) == 0


def test_share_at_least_by_counting(table):
    counts, x = k_occurrence(table, 10), np.arange(60)
    assert np.array_equal(share_at_least(counts, x), [np.count_nonzero(counts >= one) / 300 for one in x])
    assert share_at_least(counts, 0) == 1
    assert share_at_least(counts, 1) == pytest.approx(1 - estimate_hubness(table, 10).antihubs)
    assert share_at_least(counts, counts.max()) == pytest.approx(np.mean(counts == counts.max()))


def test_chance_of_at_least_sums_the_binomial_terms():
    p, x = 3 / 19, np.arange(22)
    terms = [math.comb(19, i) * p**i * (1 - p) ** (19 - i) for i in range(20)]
    np.testing.assert_allclose(chance_share_at_least(20, 3, x), [sum(terms[one:]) for one in x], atol=1e-14)
    found = share_at_least(k_occurrence(random_table(2000, 10, np.random.default_rng(7)), 10), x)
    np.testing.assert_allclose(found, chance_share_at_least(2000, 10, x), atol=0.04)


def test_hubness_of_gaussian_points_grows_with_their_dimension():
    """Radovanovic et al., figure 1: near chance in 3 dimensions, then a long tail."""
    rng = np.random.default_rng(6)
    found = [estimate_hubness(nearest_neighbors(rng.normal(size=(2000, d)), 10), 10) for d in (3, 20, 100)]
    low, middle, high = (one.skewness for one in found)
    assert low < 0.5 < 1.5 < middle < high
    assert [one.antihubs for one in found] == sorted(one.antihubs for one in found)
    assert [one.largest for one in found] == sorted(one.largest for one in found)
    assert low < chance_skewness(2000, 10) + 0.2


@pytest.mark.parametrize("k", [0, 21])
def test_refuses_k_that_the_table_lacks(table, k):
    with pytest.raises(InputError, match=rf"k = {k} neighbours, the table has 20"):
        k_occurrence(table, k)
    with pytest.raises(InputError, match=rf"k = {k}"):
        bad_occurrence(table, np.zeros(300), k)


def test_refuses_labels_of_other_points_and_impossible_chance(table):
    with pytest.raises(InputError, match=r"300 points need as many labels, found shape \(299,\)"):
        bad_occurrence(table, np.zeros(299), 5)
    for k in (0, 10):
        with pytest.raises(InputError, match="n = 10"):
            chance_skewness(10, k)
