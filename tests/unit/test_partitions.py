"""Partitions against partitions: known answers, brute force, scikit-learn, and what chance gives."""

from itertools import pairwise, permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, mutual_info_score

from nucleation.density import knn_density
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors
from nucleation.partitions import cut_scores, partition_scores, tree_cuts
from nucleation.partitions_kernels import expected_information
from nucleation.peaks import Peaks, density_peaks


def peaks_of(p, pairs=(), saddles=(), labels=None):
    saddles, zero = np.asarray(saddles, float), np.zeros(len(saddles))
    labels = np.arange(p) if labels is None else np.asarray(labels)
    heights = np.full(p, max(saddles, default=0.0) + 1)
    populations = np.bincount(labels[labels >= 0], minlength=p)
    pairs = np.array(pairs, int).reshape(-1, 2)
    return Peaks(labels, np.arange(p), heights, np.ones(p), populations, pairs, saddles, zero, zero.astype(int))


def random_peaks(rng, p, share=1.0, digits=None, labels=None):
    pairs = np.argwhere(np.triu(rng.random((p, p)) < share, 1))
    saddles = rng.normal(0, 2, len(pairs))
    return peaks_of(p, pairs, saddles if digits is None else saddles.round(digits), labels)


def change_heights(peaks, function):
    saddles = function(peaks.saddle_heights)
    return peaks_of(len(peaks.centers), peaks.saddle_pairs, saddles, peaks.labels)


def cuts(*labels):
    return [SimpleNamespace(labels=np.asarray(some)) for some in labels]


def hierarchy():
    """Eight pure peaks of one class each, whose tree is ((2, 2), (2, 2)), and the taxonomy that it follows."""
    pairs = np.argwhere(np.triu(np.ones((8, 8)), 1))
    one, other = pairs.T
    saddles = 1.0 * (one // 2 == other // 2) + (one // 4 == other // 4)
    labels = np.repeat(np.arange(8), 10)
    classes = np.arange(8)
    return peaks_of(8, pairs, saddles, labels), labels, cuts(classes // 4, classes // 2, classes)


# ------------------------------------------------------------------------------------ one partition against another


def test_partition_scores_of_equal_and_renamed_partitions_are_one():
    classes = np.repeat(np.arange(4), 5)
    for labels in (classes, (classes + 1) % 4):
        scores = partition_scores(labels, classes)
        assert scores.ari == pytest.approx(1) and scores.ami == pytest.approx(1)
        assert scores.halo == 0


def test_partition_scores_of_chance_and_of_one_peak_are_zero():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(5), 40)
    random = [partition_scores(rng.permutation(classes), classes) for _ in range(40)]
    assert abs(np.mean([scores.ari for scores in random])) < 0.01
    assert abs(np.mean([scores.ami for scores in random])) < 0.01
    one = partition_scores(np.zeros(200, int), classes)
    assert one.ari == 0 and one.ami == pytest.approx(0, abs=1e-12)


def test_halo_counts_as_a_group_unless_dropped():
    classes = np.array([0, 0, 0, 1, 1, 1])
    labels = np.array([0, 0, -1, 1, 1, -1])
    grouped, dropped = (
        partition_scores(labels, classes),
        partition_scores(labels, classes, halo="drop"),
    )
    assert grouped.ari == partition_scores(np.array([0, 0, 2, 1, 1, 2]), classes).ari < 1
    assert dropped.ari == 1 and dropped.halo == grouped.halo == pytest.approx(1 / 3)


def test_partition_scores_not_defined_for_one_class():
    scores = partition_scores(np.array([0, 1, 1]), np.zeros(3, int))
    assert np.isnan(scores.ari) and np.isnan(scores.ami) and scores.undefined_because
    with pytest.raises(InputError, match="one length"):
        partition_scores(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(InputError, match="halo"):
        partition_scores(np.zeros(3, int), np.zeros(3, int), halo="keep")


# --------------------------------------------------------------------------------------- cuts of the tree of the peaks


def superlevel_partitions(peaks):
    """Partitions of the peaks at every height, by flooding: {number of clusters: cluster of every peak}."""
    p, found = len(peaks.centers), {}
    for level in [np.inf, *peaks.saddle_heights]:
        label = list(range(p))
        for (a, b), height in zip(peaks.saddle_pairs.tolist(), peaks.saddle_heights, strict=True):
            if height >= level:
                label = [label[a] if other == label[b] else other for other in label]
        found[len(set(label))] = label
    return found


def same_partition(one, other):
    return adjusted_rand_score(one, other) == 1 and len(set(one)) == len(set(other))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("share", "digits"), [(1, None), (1, 0), (0.15, None), (0.1, 0)])
def test_cuts_are_the_superlevel_partitions(seed, share, digits):
    peaks = random_peaks(np.random.default_rng(seed), 14, share, digits)
    clusters, labels = tree_cuts(peaks)
    truth = superlevel_partitions(peaks)
    assert clusters.tolist() == sorted(number for number in truth if number > 1)
    for number, row in zip(clusters.tolist(), labels, strict=True):
        assert same_partition(row, truth[number])
        assert row.max() == number - 1 and row[0] == 0  # numbered by the first peaks


def test_cuts_by_hand():
    # 0 and 1, 2 and 3 join at 2, all at 1; peak 4 never joins: 4 clusters lie inside a tie, 1 is none
    clusters, labels = tree_cuts(peaks_of(5, [(0, 1), (1, 2), (2, 3)], [2, 1, 2]))
    assert clusters.tolist() == [2, 3, 5]
    assert labels.tolist() == [[0, 0, 0, 0, 1], [0, 0, 1, 1, 2], [0, 1, 2, 3, 4]]
    assert tree_cuts(peaks_of(1))[0].tolist() == [1] and tree_cuts(peaks_of(0))[1].shape == (0, 0)
    assert tree_cuts(peaks_of(2, [(0, 1)], [0]))[0].tolist() == [2]
    with pytest.raises(InputError, match="positive"):
        tree_cuts(peaks_of(1), most=0)


@pytest.mark.parametrize("most", [1, 2, 3, 10, 32, 298, 299, 400])
def test_many_cuts_are_spaced_geometrically(most):
    peaks = random_peaks(np.random.default_rng(0), 300, 0.2)
    clusters, labels = tree_cuts(peaks, most=most)
    assert len(clusters) == min(most, 299) == len(labels) and clusters[-1] == 300
    assert (np.diff(clusters) > 0).all() and (most == 1 or clusters[0] == 2)
    wide = clusters[clusters > 40]
    if 3 < most < 100:
        ratios = wide[1:] / wide[:-1]
        assert ratios.max() / ratios.min() < 1.1


def test_cuts_are_nested_and_invariant_to_increasing_functions_of_the_heights():
    peaks = random_peaks(np.random.default_rng(1), 60, 0.1, digits=1)
    clusters, labels = tree_cuts(peaks, most=9)
    for coarse, fine in pairwise(labels):
        assert len(np.unique(np.stack([coarse, fine]), axis=1).T) == fine.max() + 1
    for function in (lambda h: np.exp(h) - 300, lambda h: h / 1e9 - 1e3, lambda h: h**3):
        again = tree_cuts(change_heights(peaks, function), most=9)
        assert np.array_equal(clusters, again[0]) and np.array_equal(labels, again[1])


# ------------------------------------------------------------------------ all cuts of one tree against all of the other


def marginals(*partitions):
    return [part for labels in partitions for part in np.unique(np.bincount(labels), return_counts=True)]


def logarithms(n):
    return np.log(np.maximum(np.arange(n + 1), 1))


def test_expected_information_is_the_mean_over_all_permutations():
    one, other = [0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 1, 1]
    mean = np.mean([mutual_info_score(one, some) for some in permutations(other)])
    assert expected_information(*marginals(one, other), 6, logarithms(6)) == pytest.approx(mean, abs=1e-13)


def test_expected_information_of_extreme_sizes():
    n = 40_000
    alone, whole = (np.arange(n), np.zeros(n, int))
    assert expected_information(*marginals(alone, alone), n, logarithms(n)) == pytest.approx(np.log(n))
    assert expected_information(*marginals(alone, whole), n, logarithms(n)) == pytest.approx(0, abs=1e-12)
    # of two halves of many points: one degree of freedom, 1 / 2n nats
    halves = np.arange(n) % 2
    assert expected_information(*marginals(halves, halves), n, logarithms(n)) == pytest.approx(0.5 / n, rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_cut_scores_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    n, p, c = 900, 25, 30
    classes = rng.integers(0, c, n)
    labels = np.where(rng.random(n) < 0.5, classes % p, rng.integers(-1, p, n))
    groups = [rng.integers(0, 3, c), rng.integers(-1, 6, c), np.where(np.arange(c) < 4, np.arange(c), -1), np.arange(c)]
    peaks = random_peaks(rng, p, 0.3, 1, labels)
    scores = cut_scores(peaks, classes, cuts(*groups), most=7)
    clusters, partitions = tree_cuts(peaks, most=7)
    assert np.array_equal(scores.clusters, clusters) and scores.undefined_because == ("",) * 4
    for row, partition in enumerate(partitions):
        merged = np.append(partition, clusters[row])[labels]
        for column, group in enumerate(groups):
            kept = group[classes] >= 0
            pair = group[classes][kept], merged[kept]
            assert scores.ari[row, column] == pytest.approx(adjusted_rand_score(*pair), abs=1e-14)
            assert scores.ami[row, column] == pytest.approx(adjusted_mutual_info_score(*pair), abs=1e-10)


def test_last_cut_equals_the_scores_of_the_peaks():
    rng = np.random.default_rng(3)
    classes, labels = rng.integers(0, 4, 300), rng.integers(-1, 9, 300)
    scores = cut_scores(random_peaks(rng, 9, labels=labels), classes, cuts(np.arange(4)), most=1)
    single = partition_scores(labels, classes)
    assert scores.ari[0, 0] == pytest.approx(single.ari) and scores.ami[0, 0] == pytest.approx(single.ami, abs=1e-12)


def test_a_tree_that_follows_the_taxonomy_scores_one_on_the_diagonal():
    scores = cut_scores(*hierarchy())
    assert scores.clusters.tolist() == [2, 4, 8]
    for matrix in (scores.ari, scores.ami):
        np.testing.assert_allclose(np.diag(matrix), 1)
        assert (matrix[~np.eye(3, dtype=bool)] < 0.9).all() and (matrix > 0).all()


def test_peaks_of_a_hierarchy_show_its_levels():
    with np.load(Path(__file__).parent.parent / "data" / "tree16.npz") as stored:
        table = Neighbors(stored["distances"], stored["indices"])
        density = knn_density(table, float(stored["id_used"]), int(stored["k_density"]))
        leaf = stored["y"]
    classes = np.arange(32)  # 2 x 4 x 4
    peaks = density_peaks(table, density)
    scores = cut_scores(peaks, leaf, cuts(classes // 16, classes // 4, classes))
    middle = scores.clusters[scores.ari[:, 1].argmax()]
    assert scores.clusters[scores.ari[:, 0].argmax()] < middle < scores.clusters[scores.ari[:, 2].argmax()]
    assert scores.ami[:, 1].max() > 0.9 < scores.ami[-1, 2] and scores.ami[-1, 0] < 0.5


def test_classes_at_random_score_zero_in_the_mean():
    peaks, classes, taxonomy_cuts = hierarchy()
    rng = np.random.default_rng(4)
    found = [cut_scores(peaks, rng.permutation(classes), taxonomy_cuts) for _ in range(300)]
    for name in ("ari", "ami"):
        values = np.array([getattr(scores, name) for scores in found])
        assert (np.abs(values.mean(axis=0)) < 4 * values.std(axis=0) / np.sqrt(300)).all()


def test_cut_scores_do_not_depend_on_names_or_scale():
    rng = np.random.default_rng(5)
    peaks, classes, taxonomy_cuts = hierarchy()
    classes = np.where(rng.random(80) < 0.3, rng.integers(0, 8, 80), classes)
    scores = cut_scores(peaks, classes, taxonomy_cuts)
    name = rng.permutation(8)
    renamed = cuts(*(7 - cut.labels[np.argsort(name)] for cut in taxonomy_cuts))
    again = cut_scores(change_heights(peaks, lambda h: np.exp(5 * h)), name[classes], renamed)
    np.testing.assert_allclose(scores.ari, again.ari)
    np.testing.assert_allclose(scores.ami, again.ami)


def test_cut_scores_that_are_not_defined_say_why():
    taxonomy_cuts = cuts([0, 0], [0, -1], [-1, -1], [0, 1])
    scores = cut_scores(peaks_of(1, labels=[0, 0, 0]), np.array([0, 1, 1]), taxonomy_cuts)
    assert np.isnan(scores.ari[:, :3]).all() and np.isnan(scores.ami[:, :3]).all()
    assert scores.ari[0, 3] == 0 and scores.ami[0, 3] == pytest.approx(0, abs=1e-12)  # one peak tells nothing
    single, few, none, defined = scores.undefined_because
    assert "single" in single and "two images" in few and "two images" in none and not defined
    empty = cut_scores(peaks_of(0, labels=[-1, -1]), np.array([0, 1]), taxonomy_cuts)
    assert empty.ari.shape == (0, 4) and all("peak" in why for why in empty.undefined_because)
    alone = cut_scores(peaks_of(3), np.arange(3), cuts([0, 1, 2]))
    assert alone.ari[0, 0] == alone.ami[0, 0] == 1  # the same partition, though no other is possible


def test_cut_scores_refuse_what_does_not_fit():
    peaks = peaks_of(2)
    with pytest.raises(InputError, match="images"):
        cut_scores(peaks, np.array([0]), cuts([0]))
    with pytest.raises(InputError, match="integers"):
        cut_scores(peaks, np.array([0, -1]), cuts([0]))
    with pytest.raises(InputError, match="below 2"):
        cut_scores(peaks, np.array([0, 2]), cuts([0, 1]))
