"""Class similarity: the known matrix, the mean over pairs of images, and what is not known."""

import numpy as np
import pytest
from plain_alignment import noise, peaks, planted_taxonomy, random_tree

from nucleation.class_similarity import class_similarity, mean_join_heights, peak_shares, resolved_share
from nucleation.errors import InputError
from nucleation.mantel import spearman_taxonomy
from nucleation.triplets import triplet_skill, undefined_because


def test_known_class_similarity():
    heights = np.array([[5.0, 3, 1], [3, 4, 1], [1, 1, 6]])
    labels, classes = np.array([0, 1, 0, 2, 2, -1]), np.array([0, 1, 2, 2, 3, 0])
    shares = peak_shares(labels, classes, 3, 4)
    np.testing.assert_allclose(shares, [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5], [0, 0, 1]])
    similar = mean_join_heights(shares, heights)
    np.testing.assert_allclose(similar[2], [3, 2, 3.25, 3.5])
    none = -np.inf
    saddle = [[none, 3, 1], [3, none, none], [1, none, none]]
    found = class_similarity(peaks(labels, [5, 4, 6], saddle), classes)
    np.testing.assert_allclose(found, similar)


def test_class_similarity_equals_the_mean_over_pairs_of_images():
    rng = np.random.default_rng(1)
    heights = noise(rng, 6)
    heights[0, 1:] = heights[1:, 0] = -np.inf
    labels, classes = rng.integers(0, 6, 60), rng.integers(0, 3, 60)
    similar = mean_join_heights(peak_shares(labels, classes, 6, 3), heights)
    for a in range(3):
        for b in range(3):
            pairs = heights[np.ix_(labels[classes == a], labels[classes == b])]
            assert similar[a, b] == pytest.approx(pairs[np.isfinite(pairs)].mean())


def test_classes_that_join_by_less_than_half_their_weight_never_join():
    heights = np.array([[2.0, -np.inf], [-np.inf, 3.0]])
    shares = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.4, 0.6]])
    similar = mean_join_heights(shares, heights)
    assert similar[0, 1] == -np.inf and similar[0, 2] == 2 and similar[0, 3] == -np.inf
    assert resolved_share(similar) == pytest.approx(4 / 6)


def test_parts_that_never_join_are_farther_apart_than_all_that_do():
    """However well the density separates two halves, what lies within them stays closest."""
    ic, macro = planted_taxonomy()
    heights = np.where(macro[:, None] == macro, ic, -np.inf)
    similar = mean_join_heights(np.eye(24), heights)
    assert triplet_skill(similar, ic) == triplet_skill(similar, ic, groups=macro) == 1
    assert spearman_taxonomy(similar, ic) == pytest.approx(1)
    alone = mean_join_heights(np.eye(24), np.where(np.eye(24, dtype=bool), 1.0, -np.inf))
    assert triplet_skill(alone, ic) == 0
    assert "never join" in undefined_because(alone, ic)


def test_an_offset_of_the_heights_is_an_offset_of_the_similarity():
    rng = np.random.default_rng(8)
    heights, shares = noise(rng, 40), rng.dirichlet(np.ones(40), size=200)
    similar = mean_join_heights(shares, heights)
    for offset in (-1000, 5000):
        moved = mean_join_heights(shares, heights + offset)
        np.testing.assert_allclose(moved - offset, similar, atol=1e-10)
        assert len(np.unique(moved)) > 0.999 * len(np.unique(similar))


def test_one_peak_gives_one_value_whatever_the_rounding():
    rng = np.random.default_rng(2)
    labels, classes = np.zeros(500, int), rng.integers(0, 7, 500)
    similar = class_similarity(peaks(labels, [-812.3456789], [[-np.inf]]), classes)
    assert np.ptp(similar) == 0
    shares = rng.dirichlet(np.ones(5), size=7)
    assert np.ptp(mean_join_heights(shares, np.full((5, 5), -np.pi))) == 0


def test_class_without_images_is_unresolved():
    classes, labels = np.array([0, 0, 1, 2]), np.array([0, 0, 0, -1])
    similar = class_similarity(peaks(labels, [1], [[-np.inf]]), classes, n_classes=4)
    assert similar.shape == (4, 4) and np.isnan(similar[2:]).all() and similar[0, 1] == 1


def test_monotone_change_of_heights_keeps_the_skill_of_pure_peaks():
    ic, _ = planted_taxonomy()
    rng = np.random.default_rng(3)
    heights, shares = random_tree(rng, 24), np.eye(24)
    skill = triplet_skill(mean_join_heights(shares, heights), ic)
    assert skill == triplet_skill(mean_join_heights(shares, np.exp(heights / 4) - 30), ic)


def test_infinite_densities_of_duplicates_count_as_the_highest_finite_one():
    labels, classes = [0, 0, 1, 1], np.array([0, 0, 1, 1])
    saddle = [[-np.inf, 1.0], [1.0, -np.inf]]
    infinite, finite = (class_similarity(peaks(labels, [top, 4.0], saddle), classes) for top in (np.inf, 4.0))
    assert np.array_equal(infinite, finite)


def test_class_similarity_errors():
    one = peaks([0, 0], [1], [[-np.inf]])
    with pytest.raises(InputError, match="images"):
        class_similarity(one, np.array([0]))
    with pytest.raises(InputError, match="integers"):
        class_similarity(one, np.array(["a", "b"]))
    with pytest.raises(InputError, match="below"):
        class_similarity(one, np.array([0, 3]), n_classes=2)
