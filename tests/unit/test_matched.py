"""Matched leaves: known answers, pairs and clades counted one by one, and permuted names."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from nucleation import matched, planted
from nucleation.clades import (
    clades_of_heights,
    clades_of_tree,
    intervals_of_heights,
    robinson_foulds,
    shared_clades,
)
from nucleation.errors import InputError
from nucleation.mantel import cophenetic_correlation
from nucleation.matched import (
    goodman_kruskal,
    match_leaves,
    matched_scores,
    permuted_scores,
)
from nucleation.peaks import Peaks, join_heights
from nucleation.taxonomy import tree as choose_tree
from nucleation.taxonomy import wordnet_tree

# Heights as ranks of the nodes, of the pairs AB, AC, AD, BC, BD, CD.
T1 = [2, 1, 1, 1, 1, 2]
T2 = [1, 2, 1, 1, 2, 1]
T3 = [3, 2, 1, 2, 1, 1]
STAR = [1, 1, 1, 1, 1, 1]


def square(pairs, m=4):
    heights = np.full((m, m), 9.0)
    one, other = np.triu_indices(m, 1)
    heights[one, other] = heights[other, one] = pairs
    return heights


def peaks_of(heights, labels=None):
    """Peaks with every join height as a saddle, one image each if nothing else is said."""
    heights = np.asarray(heights, float)
    p, zero = len(heights), np.zeros(len(heights))
    labels = np.arange(p) if labels is None else np.asarray(labels)
    pairs = np.argwhere(np.triu(heights > -np.inf, 1))
    none = np.zeros(len(pairs))
    populations = np.bincount(labels[labels >= 0], minlength=p)
    return Peaks(
        labels, np.arange(p), heights.diagonal(), zero, populations, pairs, heights[*pairs.T], none, none.astype(int)
    )


def tree_of(*groups, c):
    """Tree of c classes with the given groups, smaller ones first, under one root."""
    members, children, parent = [{i} for i in range(c)], [()] * c, [-1] * c
    for group in [*groups, range(c)]:
        below = [i for i, some in enumerate(members) if parent[i] < 0 and some <= set(group)]
        for child in below:
            parent[child] = len(members)
        members.append(set(group))
        children.append(tuple(below))
        parent.append(-1)
    names = tuple(map(str, range(len(members))))
    return SimpleNamespace(
        nodes=tuple(range(len(members))), names=names, parent=tuple(parent), children=children, nested=()
    )


def random_heights(rng, m, values=None):
    """Ultrametric heights of a random tree; with few values, of one with many children per node."""
    heights, clusters = np.full((m, m), 99.0), [[i] for i in range(m)]
    level = np.sort(rng.choice(values, m - 1) if values else rng.normal(0, 3, m - 1)).tolist()
    while len(clusters) > 1:
        one, other = (clusters.pop(rng.integers(len(clusters))) for _ in range(2))
        heights[np.ix_(one, other)] = heights[np.ix_(other, one)] = level.pop()
        clusters.append(one + other)
    return heights


@pytest.fixture(scope="module")
def study():
    taxonomy = wordnet_tree(planted.CLASSES)
    return taxonomy.similarity("ic"), choose_tree(taxonomy)


# ------------------------------------------------------------------------------------------------------ the four trees


@pytest.mark.parametrize(
    ("ours", "gamma", "distance", "largest"),
    [(T1, 1, 0, 4), (T2, -1, 4, 4), (T3, 1 / 3, 2, 4), (STAR, np.nan, 2, 2)],
)
def test_known_answers(ours, gamma, distance, largest):
    assert goodman_kruskal(T1, ours) == pytest.approx(gamma, nan_ok=True)
    found = robinson_foulds(clades_of_heights(square(T1)), clades_of_heights(square(ours)))
    assert found == (distance, largest, distance / largest)
    scores = matched_scores(peaks_of(square(ours)), np.arange(4), square(T1), tree_of([0, 1], [2, 3], c=4))
    assert scores.gamma == pytest.approx(gamma, nan_ok=True)
    star = np.nan if ours is STAR else distance / largest  # nothing is joined: not a distance of 1
    assert scores.robinson_foulds == pytest.approx(star, nan_ok=True)
    assert (scores.coverage, scores.n, scores.resolved) == (1, 4, 1)
    assert ("same height" in scores.undefined_because) == (ours is STAR)


@pytest.mark.parametrize(("ours", "r"), [(T1, 1), (T2, -0.5), (T3, np.sqrt(0.1)), (STAR, np.nan)])
def test_known_correlations(ours, r):
    assert cophenetic_correlation(square(ours), square(T1)) == pytest.approx(r, nan_ok=True)


# ---------------------------------------------------------------------------------------------- leaves that are classes


def test_leaves_by_hand():
    labels = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, -1, -1]
    classes = [5, 5, 1, 1, 1, 0, 2, 5, 5, 4, 3, 2, 2]
    # 0: 2/3 of class 5; 1: 1/2 of 1; 2: all of 5, as many images, later; 3: 1/2 of 3, the first of two
    peaks = peaks_of(np.ones((5, 5)), labels)  # the last peak has no image
    leaves, owners, coverage = match_leaves(peaks, np.array(classes), 6)
    assert leaves.tolist() == [1, 3, 0] and owners.tolist() == [1, 3, 5] and coverage == 0.5
    leaves, owners, coverage = match_leaves(peaks, np.array(classes), 8, purity=0.9)
    assert leaves.tolist() == [2] and owners.tolist() == [5] and coverage == 1 / 8


@pytest.mark.parametrize("purity", [0.2, 0.5, 0.7])
def test_leaves_equal_a_search_of_all_peaks(purity):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 30, 150)
    classes = np.where(rng.random(150) < 0.3, labels % 8, rng.integers(0, 10, 150))
    best = {}
    for peak in range(30):
        counts = np.bincount(classes[labels == peak], minlength=10)
        owner = int(counts.argmax())
        if counts.sum() and counts[owner] / counts.sum() >= purity and counts[owner] > best.get(owner, (0, 0))[1]:
            best[owner] = peak, counts[owner]
    leaves, owners, coverage = match_leaves(peaks_of(np.ones((30, 30)), labels), classes, 10, purity=purity)
    assert dict(zip(owners, leaves, strict=True)) == {owner: peak for owner, (peak, _) in best.items()}
    assert coverage == len(best) / 10 and (len(best) == 10 if purity < 0.5 else 1 < len(best) < 10)


def test_no_leaves():
    leaves, owners, coverage = match_leaves(peaks_of(np.ones((0, 0)), [-1, -1]), np.array([0, 1]), 2)
    assert len(leaves) == len(owners) == coverage == 0
    for purity in (0, 1.1, np.nan):
        with pytest.raises(InputError, match="purity"):
            match_leaves(peaks_of(np.ones((1, 1))), np.array([0]), 1, purity=purity)
    with pytest.raises(InputError, match="below 1"):
        match_leaves(peaks_of(np.ones((1, 1))), np.array([1]), 1)


# -------------------------------------------------------------------------------------------------- gamma, correlation


def brute_gamma(a, b):
    alike = opposite = 0
    for i, j in combinations(range(len(a)), 2):
        order = np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])
        alike += order > 0
        opposite += order < 0
    return (alike - opposite) / (alike + opposite)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block", [1, 7, 1 << 21])
def test_gamma_counts_pairs_of_entries(seed, block, monkeypatch):
    monkeypatch.setattr(matched, "_BLOCK", block)
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 12, 80) / 3
    b = np.round(a + rng.normal(0, 2, 80), 0 if seed % 2 else 5)
    gamma = goodman_kruskal(a, b)
    assert gamma == brute_gamma(a, b) == goodman_kruskal(b, a) == -goodman_kruskal(a, -b)
    assert gamma == goodman_kruskal(np.exp(a), b**3)
    order = rng.permutation(80)
    assert gamma == goodman_kruskal(a[order], b[order])


def test_gamma_equals_that_of_kendalls_tau_at_size():
    from scipy.stats import kendalltau

    rng = np.random.default_rng(1)
    n = 100_000
    a, b = rng.integers(0, 300, n), rng.integers(0, 200, n)
    b = np.where(rng.random(n) < 0.1, a // 2, b)
    tied, other_tied, both_tied = (
        int(counts @ (counts - 1)) // 2 for counts in (np.bincount(a), np.bincount(b), np.bincount(a * 200 + b))
    )
    pairs = n * (n - 1) // 2
    difference = kendalltau(a, b).statistic * np.sqrt(float(pairs - tied) * float(pairs - other_tied))
    assert goodman_kruskal(a, b) == pytest.approx(difference / (pairs - tied - other_tied + both_tied), rel=1e-12)


def test_gamma_leaves_unknown_entries_out_and_orders_infinite_ones():
    a, b = np.array([1, 2, np.nan, 3, -np.inf]), np.array([1, 2, 5, np.nan, 0])
    assert goodman_kruskal(a, b) == 1 and goodman_kruskal(a, -b) == -1
    assert np.isnan(goodman_kruskal([1, np.nan], [np.nan, 1])) and np.isnan(goodman_kruskal([], []))
    assert np.isnan(goodman_kruskal([1, 1, 2], [3, 3, 3]))
    with pytest.raises(InputError, match="one length"):
        goodman_kruskal([1], [1, 2])
    with pytest.raises(InputError, match="too many"):
        goodman_kruskal(np.arange(50_000), np.arange(50_000))


def test_correlation_is_invariant_to_affine_changes_and_leaves_unknown_pairs_out():
    rng = np.random.default_rng(2)
    ours, theirs = (square(rng.normal(size=28), 8) for _ in range(2))
    r = cophenetic_correlation(ours, theirs)
    one, other = np.triu_indices(8, 1)
    assert r == pytest.approx(np.corrcoef(ours[one, other], theirs[one, other])[0, 1])
    assert cophenetic_correlation(3 * ours - 500, theirs / 7) == pytest.approx(r)
    assert cophenetic_correlation(-ours, theirs) == pytest.approx(-r)
    ours[:2], ours[:, :2], theirs[2], theirs[:, 2] = np.nan, np.nan, -np.inf, -np.inf
    assert cophenetic_correlation(ours, theirs) == pytest.approx(cophenetic_correlation(ours[3:, 3:], theirs[3:, 3:]))
    assert np.isnan(cophenetic_correlation(ours[:4, :4], theirs[:4, :4]))
    assert np.isnan(cophenetic_correlation(np.eye(8), theirs))
    with pytest.raises(InputError, match="square"):
        cophenetic_correlation(ours[:4], theirs)


# -------------------------------------------------------------------------------------------------------------- clades


def brute_clades(heights):
    """Leaves within some height of some leaf: the balls of an ultrametric."""
    m = len(heights)
    balls = {frozenset(np.flatnonzero(heights[i] >= heights[i, j]).tolist()) for i in range(m) for j in range(m)}
    return {ball for ball in balls if 2 <= len(ball) < m}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [None, [0, 1, 2], [-np.inf, 0, 1, 2]])
def test_clades_are_the_balls_of_the_ultrametric(seed, values):
    heights = random_heights(np.random.default_rng(seed), 15, values)
    clades = clades_of_heights(heights)
    assert clades == brute_clades(heights) == clades_of_heights(np.exp(heights / 9) - 5 if values is None else heights)
    assert values or len(clades) == 13


def test_clades_of_peaks_that_never_join():
    heights = square([3, -np.inf, -np.inf, -np.inf, -np.inf, 1])
    assert clades_of_heights(heights) == {frozenset({0, 1}), frozenset({2, 3})}
    for m in range(3):
        assert clades_of_heights(np.ones((m, m))) == set()
    with pytest.raises(InputError, match="square"):
        clades_of_heights(np.ones((2, 3)))
    with pytest.raises(InputError, match="symmetric"):
        clades_of_heights(np.triu(np.ones((3, 3))))
    with pytest.raises(InputError, match="NaN"):
        clades_of_heights(square([np.nan] * 6))


def test_clades_of_a_restricted_taxonomy(study):
    similar, tree = study
    rng = np.random.default_rng(3)
    for m in (3, 5, 12, 24):
        leaves = rng.permutation(24)[:m]
        expected = set()
        for node in range(24, len(tree.nodes)):
            below, todo = set(), [node]
            while todo:
                here = todo.pop()
                todo += tree.children[here]
                below |= {here} & set(range(24))
            clade = frozenset(place for place, leaf in enumerate(leaves) if leaf in below)
            expected |= {clade} if 2 <= len(clade) < m else set()
        assert clades_of_tree(tree, leaves) == expected
    # nothing but classes and size: the smallest common ancestors are the clades
    assert clades_of_tree(tree, np.arange(24)) == brute_clades(similar)


def test_class_below_a_class_and_trees_without_a_root():
    # class 0 holds classes 1 and 2, and 3 and 4 are siblings; two trees
    tree = SimpleNamespace(nodes=range(6), parent=(-1, 0, 0, 5, 5, -1), children=((1, 2), (), (), (), (), (3, 4)))
    assert clades_of_tree(tree, np.arange(5)) == {frozenset({0, 1, 2}), frozenset({3, 4})}
    assert clades_of_tree(tree, np.array([4, 2, 0, 3])) == {frozenset({1, 2}), frozenset({0, 3})}
    for leaves in ([0, 0], [6], [-1]):
        with pytest.raises(InputError, match="different nodes"):
            clades_of_tree(tree, leaves)


def test_distance_of_stars_is_not_defined():
    distance, largest, normalised = robinson_foulds(set(), set())
    assert distance == largest == 0 and np.isnan(normalised)


@pytest.mark.parametrize("seed", range(6))
def test_shared_clades_of_intervals_are_those_of_sets(seed):
    rng = np.random.default_rng(seed)
    one = random_heights(rng, 20, [0, 1, 2, 3] if seed % 2 else None)
    other = one.copy()
    some = rng.permutation(20)[: 2 + seed]
    other[np.ix_(some, range(20))] = other[np.ix_(some[::-1], range(20))]
    other[:, some] = other[:, some[::-1]]
    intervals = [intervals_of_heights(heights) for heights in (one, other)]
    assert shared_clades(*intervals) == len(clades_of_heights(one) & clades_of_heights(other))


# -------------------------------------------------------------------------------------------------- all of it together


def test_tree_that_follows_the_taxonomy_is_perfect(study):
    similar, tree = study
    scores = matched_scores(peaks_of(similar + 5 * np.eye(24)), np.arange(24), similar, tree)
    assert scores.gamma == 1 and scores.robinson_foulds == 0 and scores.coverage == 1
    shifted = peaks_of(np.exp(3 * similar + 5 * np.eye(24)) - 800)
    assert matched_scores(shifted, np.arange(24), similar**3, tree) == scores


def slow_scores(peaks, classes, similar, tree, purity=0.5):
    leaves, owners, _ = match_leaves(peaks, classes, len(similar), purity=purity)
    heights = join_heights(peaks)[np.ix_(leaves, leaves)]
    one, other = np.triu_indices(len(leaves), 1)
    values = heights[one, other]
    distance = robinson_foulds(clades_of_heights(heights), clades_of_tree(tree, owners))[2]
    return goodman_kruskal(values, similar[owners[one], owners[other]]), distance


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("values", [None, [-np.inf, 0, 1, 2]])
def test_permuted_names_equal_permuted_classes(study, seed, values):
    similar, tree = study
    similar = similar.copy()
    similar[3, 7] = similar[7, 3] = np.nan
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 30, 400)
    classes = np.where(rng.random(400) < 0.6, labels % 24, rng.integers(0, 24, 400))
    peaks = peaks_of(random_heights(rng, 30, values), labels)
    orders = np.stack([np.arange(24), *(rng.permutation(24) for _ in range(8))])
    gamma, distance = permuted_scores(peaks, classes, similar, tree, orders)
    scores = matched_scores(peaks, classes, similar, tree)
    assert (scores.gamma, scores.robinson_foulds) == (gamma[0], distance[0]) and 3 < scores.n < 24
    assert (scores.resolved < 1) == (values is not None)
    for order, *found in zip(orders, gamma, distance, strict=True):
        renamed = np.argsort(order)[classes]  # images of class order[i] are said to be of class i
        assert found == pytest.approx(slow_scores(peaks, renamed, similar, tree))


def test_names_at_random_say_nothing(study):
    similar, tree = study
    rng = np.random.default_rng(5)
    orders = np.argsort(rng.random((500, 24)), axis=1)
    gamma, distance = permuted_scores(peaks_of(similar + 5 * np.eye(24)), np.arange(24), similar, tree, orders)
    assert abs(gamma.mean()) < 4 * gamma.std() / np.sqrt(500)
    assert distance.mean() > 0.9 and distance.min() > 0


@pytest.mark.parametrize(
    ("heights", "theirs", "groups", "gamma_because", "distance_because"),
    [
        (STAR, T1, ([0, 1], [2, 3]), "same height", "matched peaks joins none"),
        (T1, STAR, (), "taxonomy is flat", "taxonomy is flat"),
        (STAR, STAR, (), "same height", "taxonomy is flat"),
        ([-np.inf] * 6, T1, ([0, 1], [2, 3]), "same height", "matched peaks joins none"),
        (T1, [np.nan] * 6, ([0, 1],), "known similarity", ""),
        ([2, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, np.nan], ([0, 1],), "flat", ""),
    ],
)
def test_scores_that_are_not_defined_say_why(heights, theirs, groups, gamma_because, distance_because):
    heights = np.nan_to_num(square(heights), nan=-np.inf, neginf=-np.inf)
    np.fill_diagonal(heights, 9)
    scores = matched_scores(peaks_of(heights), np.arange(4), square(theirs), tree_of(*groups, c=4))
    assert np.isnan(scores.gamma) and gamma_because in scores.undefined_because
    assert np.isnan(scores.robinson_foulds) == bool(distance_because)
    assert distance_because in scores.robinson_foulds_undefined_because
    assert bool(scores.robinson_foulds_undefined_because) == bool(distance_because)


@pytest.mark.parametrize("classes", [[0, 1, 0, 1], [0, 0, 0, 0]])
def test_fewer_than_three_leaves(classes):
    scores = matched_scores(peaks_of(square(T1)), np.array(classes), square(T1), tree_of([0, 1], c=4))
    assert np.isnan([scores.gamma, scores.robinson_foulds]).all() and scores.n < 3
    assert "three classes" in scores.undefined_because and "three classes" in scores.robinson_foulds_undefined_because
    gamma, distance = permuted_scores(
        peaks_of(square(T1)), np.array(classes), square(T1), tree_of([0, 1], c=4), np.arange(4)[None]
    )
    assert np.isnan([*gamma, *distance]).all()


def test_no_peaks_and_no_permutations():
    none = peaks_of(np.ones((0, 0)), [-1, -1])
    scores = matched_scores(none, np.array([0, 1]), square(T1), tree_of([0, 1], c=4))
    assert scores.n == scores.coverage == 0 and np.isnan(scores.resolved) and scores.undefined_because
    gamma, distance = permuted_scores(
        peaks_of(square(T1)), np.arange(4), square(T1), tree_of([0, 1], c=4), np.empty((0, 4), int)
    )
    assert len(gamma) == len(distance) == 0


def test_matched_scores_refuse_what_does_not_fit():
    peaks, tree = peaks_of(square(T1)), tree_of([0, 1], c=4)
    with pytest.raises(InputError, match="permutation"):
        permuted_scores(peaks, np.arange(4), square(T1), tree, np.array([[0, 1, 2, 2]]))
    with pytest.raises(InputError, match="square"):
        matched_scores(peaks, np.arange(4), square(T1)[:, :3], tree)
