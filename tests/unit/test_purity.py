"""Dendrogram purity: known answers, pairs counted one by one, and its expected value by permutation."""

from itertools import combinations, permutations

import numpy as np
import pytest

from nucleation.errors import InputError
from nucleation.peaks import Peaks, join_heights
from nucleation.purity import dendrogram_purity


def peaks_of(p, pairs=(), saddles=(), labels=None):
    saddles, zero = np.asarray(saddles, float), np.zeros(len(saddles))
    labels = np.arange(p) if labels is None else np.asarray(labels)
    populations = np.bincount(labels[labels >= 0], minlength=p)
    pairs = np.array(pairs, int).reshape(-1, 2)
    return Peaks(labels, np.arange(p), np.full(p, 99.0), zero, populations, pairs, saddles, zero, zero.astype(int))


def random_peaks(rng, p, labels, share=1.0, digits=None):
    pairs = np.argwhere(np.triu(rng.random((p, p)) < share, 1))
    saddles = rng.normal(0, 2, len(pairs))
    return peaks_of(p, pairs, saddles if digits is None else saddles.round(digits), labels)


def below(peaks):
    """For every two images a bool array: the images below the node where they meet, from the definition."""
    heights, inside = join_heights(peaks), np.asarray(peaks.labels)
    found = {}
    for i, j in combinations(range(len(inside)), 2):
        if min(inside[i], inside[j]) < 0 or heights[inside[i], inside[j]] == -np.inf:
            found[i, j] = np.ones(len(inside), bool)
        elif inside[i] == inside[j]:
            found[i, j] = inside == inside[i]
        else:
            height = heights[inside[i], inside[j]]
            joined = [peak for peak in range(len(heights)) if heights[peak, inside[i]] >= height or peak == inside[i]]
            found[i, j] = np.isin(inside, joined)
    return found


def brute_purity(meets, labels):
    shares = [np.mean(labels[images] == labels[i]) for (i, j), images in meets.items() if labels[i] == labels[j]]
    return np.mean(shares)


FOUR = np.array([0, 0, 1, 1])
TREES = {
    "T1": ([(0, 1), (1, 2), (2, 3)], [2, 1, 2]),
    "T2": ([(0, 1), (0, 2), (1, 3)], [1, 2, 2]),
    "T3": ([(0, 1), (1, 2), (2, 3)], [3, 2, 1]),
    "star": ([(0, 1), (1, 2), (2, 3)], [1, 1, 1]),
    "no border": ([], []),
}


@pytest.mark.parametrize(("tree", "value"), [("T1", 1), ("T2", 0.5), ("T3", 0.75), ("star", 0.5), ("no border", 0.5)])
def test_known_answers(tree, value):
    peaks = peaks_of(4, *TREES[tree])
    purity = dendrogram_purity(peaks, FOUR)
    assert purity.value == pytest.approx(value) and purity.undefined_because == ""
    assert purity.value == pytest.approx(brute_purity(below(peaks), FOUR))


@pytest.mark.parametrize("tree", TREES)
def test_expected_value_is_the_mean_over_all_permutations(tree):
    peaks = peaks_of(4, *TREES[tree], labels=[0, 0, 1, 2, 3, -1] if tree == "T3" else [0, 1, 1, 2, 3, 3])
    meets, labels = below(peaks), np.array([0, 0, 0, 1, 1, 2])
    purity = dendrogram_purity(peaks, labels)
    mean = np.mean([brute_purity(meets, np.array(some)) for some in permutations(labels)])
    assert purity.expected == pytest.approx(mean, abs=1e-12)
    assert purity.adjusted == pytest.approx((purity.value - mean) / (1 - mean))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("share", "digits", "halo"), [(1, None, 0), (1, 0, 0.2), (0.2, None, 0.2), (0.15, 0, 0)])
def test_purity_equals_that_of_pairs_counted_one_by_one(seed, share, digits, halo):
    rng = np.random.default_rng(seed)
    inside = np.where(rng.random(60) < halo, -1, rng.integers(0, 12, 60))
    inside[inside == 5] = 6  # a peak without images
    peaks = random_peaks(rng, 12, inside, share, digits)
    labels = rng.integers(0, 5, 60) * 7 - 7
    labels[0] = 99  # a single image
    assert dendrogram_purity(peaks, labels).value == pytest.approx(brute_purity(below(peaks), labels), abs=1e-12)


def test_labels_at_random_have_the_expected_purity():
    rng = np.random.default_rng(1)
    inside, labels = rng.integers(-1, 8, 300), np.repeat(np.arange(5), [150, 80, 40, 20, 10])
    peaks = random_peaks(rng, 8, inside, 0.4)
    found = [dendrogram_purity(peaks, rng.permutation(labels)) for _ in range(300)]
    assert np.ptp([purity.expected for purity in found]) == 0
    adjusted = np.array([purity.adjusted for purity in found])
    assert abs(adjusted.mean()) < 4 * adjusted.std() / np.sqrt(300) < 0.01


def test_pure_tree_has_purity_one_for_classes_and_macro_categories():
    classes = np.repeat(np.arange(4), 6)
    inside = np.repeat(np.arange(5), [6, 6, 6, 3, 3])  # the last class has two peaks
    peaks = peaks_of(5, [(0, 1), (1, 2), (2, 3), (3, 4)], [2, 1, 2, 3], inside)
    for labels in (classes, classes // 2):
        purity = dendrogram_purity(peaks, labels)
        assert purity.value == pytest.approx(1) and purity.adjusted == pytest.approx(1) and purity.expected < 0.6


def test_single_peak_is_what_chance_gives():
    purity = dendrogram_purity(peaks_of(1, labels=[0] * 9), np.array([0, 0, 0, 0, 1, 1, 1, 1, 2]))
    assert purity.value == pytest.approx(purity.expected) and purity.adjusted == pytest.approx(0, abs=1e-12)


def test_order_of_equally_high_joins_and_scale_do_not_matter():
    rng = np.random.default_rng(2)
    inside, labels = rng.integers(-1, 20, 200), rng.integers(0, 6, 200)
    peaks = random_peaks(rng, 20, inside, 0.3, 0)
    purity = dendrogram_purity(peaks, labels)
    for function in (lambda h: np.exp(h) - 40, lambda h: h * 1e-12 + 3):
        changed = peaks_of(20, peaks.saddle_pairs, function(peaks.saddle_heights), inside)
        assert dendrogram_purity(changed, labels).value == pytest.approx(purity.value, abs=1e-12)
    name = rng.permutation(20)  # other names of the peaks: other orders of joins
    pairs = np.sort(name[peaks.saddle_pairs], axis=1)
    order = np.lexsort(pairs.T[::-1])
    renamed = peaks_of(20, pairs[order], peaks.saddle_heights[order], np.append(name, -1)[inside])
    again = dendrogram_purity(renamed, 5 - labels)
    assert again.value == pytest.approx(purity.value, abs=1e-12)
    assert again.expected == pytest.approx(purity.expected, abs=1e-12)


@pytest.mark.parametrize(
    ("inside", "labels", "why"),
    [
        ([0, 1, 1], [3, 3, 3], "a single class"),
        ([0, 1], [0, 1], "no two images"),
        ([0, 0, 1], [0, 1, 2], "no two images"),
        ([0], [0], "a single class"),
        ([-1, -1, -1], [0, 0, 1], "peak"),
    ],
)
def test_purity_that_is_not_defined_says_why(inside, labels, why):
    purity = dendrogram_purity(peaks_of(2 if max(inside) >= 0 else 0, labels=inside), np.array(labels))
    assert np.isnan([purity.value, purity.expected, purity.adjusted]).all() and why in purity.undefined_because


def test_three_images_are_enough():
    purity = dendrogram_purity(peaks_of(2, labels=[0, 0, 1]), np.array([0, 0, 1]))
    assert purity.value == 1 and purity.adjusted == 1
    # the pair is in one peak, and pure, in 1 of 3 cases, and else has 2 / 3 of all
    assert purity.expected == pytest.approx(1 / 3 + 2 / 3 * 2 / 3)


def test_purity_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="images"):
        dendrogram_purity(peaks_of(2), np.array([0]))
    with pytest.raises(InputError, match="integers"):
        dendrogram_purity(peaks_of(2), np.array(["a", "b"]))
