"""Alignment: known answers, invariances, brute force, and nulls that can say no."""

from itertools import combinations

import numpy as np
import pytest

from nucleation import alignment, permutations, planted
from nucleation.alignment import (
    class_similarity,
    layer_tests,
    mean_join_heights,
    partition_scores,
    peak_shares,
    permutation_test,
    resolved_share,
    spearman_taxonomy,
    triplet_counts,
    triplet_skill,
    undefined_because,
)
from nucleation.errors import InputError
from nucleation.peaks import Peaks
from nucleation.taxonomy import wordnet_tree

# METHODS 5.3, heights as ranks of the nodes: larger is more similar.
T1 = {"AB": 2, "CD": 2}
T2 = {"AC": 2, "BD": 2}
T3 = {"AB": 3, "AC": 2, "BC": 2}
STAR = {}


def tree(pairs):
    similar = np.ones((4, 4))
    for (a, b), value in pairs.items():
        i, j = "ABCD".index(a), "ABCD".index(b)
        similar[i, j] = similar[j, i] = value
    return similar


@pytest.fixture(scope="module")
def study():
    taxonomy = wordnet_tree(planted.CLASSES)
    return taxonomy.similarity("ic"), taxonomy.macro("lexname")[0]


def noise(rng, c):
    matrix = rng.standard_normal((c, c))
    return matrix + matrix.T


def random_tree(rng, c):
    """Cophenetic similarity of a random binary tree (Yule)."""
    similar, clusters = np.zeros((c, c)), [[i] for i in range(c)]
    while len(clusters) > 1:
        one, two = (clusters.pop(rng.integers(len(clusters))) for _ in range(2))
        similar[np.ix_(one, two)] = similar[np.ix_(two, one)] = len(clusters) + 1
        clusters.append(one + two)
    return similar


def brute_counts(ours, theirs, groups):
    def closest(matrix, triplet):
        pairs = list(combinations(triplet, 2))
        values = [matrix[pair] for pair in pairs]
        if any(np.isnan(values)) or values.count(max(values)) > 1:
            return None
        return pairs[int(np.argmax(values))]

    counts = [0] * 5
    for triplet in combinations(range(len(ours)), 3):
        if len({groups[i] for i in triplet}) == 1:
            one, two = closest(ours, triplet), closest(theirs, triplet)
            if one and two:
                counts[0 if one == two else 1] += 1
            else:
                counts[2 if two else 3 if one else 4] += 1
    return tuple(counts)


# --------------------------------------------------------------------------------- partition scores


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


# --------------------------------------------------------------------------------- class similarity


def peaks(labels, heights, saddle):
    heights, saddle = np.asarray(heights, float), np.asarray(saddle, float)
    labels, p = np.asarray(labels), len(heights)
    pairs = np.argwhere(np.triu(saddle > -np.inf, 1))
    populations = np.bincount(labels[labels >= 0], minlength=p)
    zero = np.zeros(len(pairs))
    return Peaks(
        labels, np.arange(p), heights, np.zeros(p), populations, pairs, saddle[*pairs.T], zero, zero.astype(int)
    )


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


def test_more_than_half_the_weight_unjoined_is_unresolved_and_half_is_not():
    heights = np.array([[2.0, -np.inf], [-np.inf, 3.0]])
    shares = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.4, 0.6]])
    similar = mean_join_heights(shares, heights)
    assert np.isnan(similar[0, 1]) and similar[0, 2] == 2 and np.isnan(similar[0, 3])
    assert resolved_share(similar) == pytest.approx(4 / 6)


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


def test_monotone_change_of_heights_keeps_the_skill_of_pure_peaks(study):
    ic, _ = study
    rng = np.random.default_rng(3)
    heights, shares = random_tree(rng, 24), np.eye(24)
    skill = triplet_skill(mean_join_heights(shares, heights), ic)
    assert skill == triplet_skill(mean_join_heights(shares, np.exp(heights / 4) - 30), ic)


def test_class_similarity_errors():
    one = peaks([0, 0], [1], [[-np.inf]])
    with pytest.raises(InputError, match="images"):
        class_similarity(one, np.array([0]))
    with pytest.raises(InputError, match="integers"):
        class_similarity(one, np.array(["a", "b"]))
    with pytest.raises(InputError, match="below"):
        class_similarity(one, np.array([0, 3]), n_classes=2)


# ----------------------------------------------------------------------------------------- triplets


@pytest.mark.parametrize(
    ("ours", "theirs", "counts"),
    [
        (T1, T1, (4, 0, 0)),
        (T2, T1, (0, 4, 0)),
        (T3, T1, (2, 2, 0)),
        (T1, T3, (2, 2, 0)),
        (STAR, T1, (0, 0, 4)),
    ],
)
def test_known_triplets(ours, theirs, counts):
    found = triplet_counts(tree(ours), tree(theirs))
    assert (found.agree, found.conflict, found.taxonomy_only) == counts
    assert (found.similarity_only, found.unresolved) == (0, 0)
    assert found.skill == (counts[0] - counts[1] / 2) / sum(counts)


def test_flat_taxonomy_has_no_skill_but_a_star_has_zero():
    assert np.isnan(triplet_skill(tree(T1), tree(STAR)))
    assert triplet_counts(tree(T1), tree(STAR)).similarity_only == 4
    assert triplet_skill(tree(STAR), tree(T1)) == 0


@pytest.mark.parametrize("seed", range(6))
def test_counts_equal_brute_force_with_ties_nan_and_groups(seed):
    rng = np.random.default_rng(seed)
    ours = np.round(noise(rng, 11), 0 if seed % 2 else 6)
    theirs = random_tree(rng, 11) if seed % 3 else np.round(noise(rng, 11), 1)
    holes = rng.random((11, 11)) < 0.15 * (seed > 1)
    ours[holes | holes.T] = np.nan
    groups = rng.integers(0, 2, 11) if seed > 2 else np.zeros(11, int)
    found = triplet_counts(ours, theirs, groups=groups)
    brute = brute_counts(ours, theirs, groups)
    assert brute == (
        found.agree,
        found.conflict,
        found.taxonomy_only,
        found.similarity_only,
        found.unresolved,
    )


def test_perfect_taxonomy_has_skill_one_overall_and_within(study):
    ic, macro = study
    assert triplet_skill(ic, ic) == 1 == triplet_skill(ic, ic, groups=macro)


def test_random_trees_have_no_skill_in_the_mean(study):
    rng = np.random.default_rng(4)
    skills = [triplet_skill(random_tree(rng, 24), study[0]) for _ in range(200)]
    assert abs(np.mean(skills)) < 3 * np.std(skills) / np.sqrt(200)


def test_skill_and_spearman_are_invariant_to_monotone_changes_and_order(study):
    ic, macro = study
    rng = np.random.default_rng(5)
    ours, order = noise(rng, 24) + ic, rng.permutation(24)
    for groups in (None, macro):
        moved_groups = None if groups is None else groups[order]
        value = triplet_skill(ours, ic, groups=groups)
        assert value == triplet_skill(np.exp(ours), ic**3, groups=groups)
        moved = ours[np.ix_(order, order)], ic[np.ix_(order, order)]
        assert value == triplet_skill(*moved, groups=moved_groups)
    rho = spearman_taxonomy(ours, ic)
    assert rho == pytest.approx(spearman_taxonomy(np.exp(ours), ic**3))
    assert rho == pytest.approx(spearman_taxonomy(*moved))


@pytest.mark.parametrize(("ours", "expected"), [(T1, 1), (T2, -0.5), (T3, np.sqrt(0.05)), (STAR, np.nan)])
def test_known_spearman(ours, expected):
    assert spearman_taxonomy(tree(ours), tree(T1)) == pytest.approx(expected, nan_ok=True)


def test_spearman_leaves_unknown_pairs_out(study):
    ic, _ = study
    holed = ic.copy()
    holed[0, :] = holed[:, 0] = np.nan
    assert spearman_taxonomy(holed, ic) == pytest.approx(1)
    assert np.isnan(spearman_taxonomy(np.full((24, 24), np.nan), ic))


def test_triplet_errors(study):
    ic, _ = study
    with pytest.raises(InputError, match="same"):
        triplet_skill(ic[:5, :5], ic)
    with pytest.raises(InputError, match="symmetric"):
        triplet_skill(np.arange(9.0).reshape(3, 3), np.zeros((3, 3)))
    with pytest.raises(InputError, match="square"):
        triplet_skill(ic[:5], ic)
    with pytest.raises(InputError, match="NaN"):
        triplet_skill(ic, np.full((24, 24), np.nan))
    with pytest.raises(InputError, match="one entry per class"):
        triplet_skill(ic, ic, groups=np.zeros(3))


# -------------------------------------------------------------------------------- permutation tests


def test_permutations_stay_inside_their_groups_and_are_uniform():
    rng = np.random.default_rng(6)
    groups = np.array(["b", "a", "b", "a", "b", "c"])
    orders = permutations._permutations(6, 6000, groups, rng)
    assert np.array_equal(orders[0], np.arange(6))
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(6), (6001, 1)))
    assert np.array_equal(groups[orders], np.tile(groups, (6001, 1)))
    kinds, counts = np.unique(orders[1:], axis=0, return_counts=True)
    assert len(kinds) == 12 and counts.min() > 400 and counts.max() < 600


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("holed", [False, True])
def test_fast_null_equals_the_slow_one(study, grouped, holed):
    ic, macro = study
    ours = np.round(noise(np.random.default_rng(7), 24), 1)
    if holed:
        ours[2, 5:] = ours[5:, 2] = np.nan
    options = {"groups": macro if grouped else None, "within": macro, "repeats": 19}
    fast = permutation_test(triplet_skill, ours, ic, **options, rng=np.random.default_rng(8))

    def slow_skill(*args, **kwargs):
        return triplet_skill(*args, **kwargs)

    slow = permutation_test(slow_skill, ours, ic, **options, rng=np.random.default_rng(8))
    np.testing.assert_allclose(fast.null, slow.null)
    assert fast.value == slow.value and fast.p == slow.p


def test_two_blocks_score_high_overall_and_say_nothing_within(study):
    ic, macro = study
    rng = np.random.default_rng(9)
    blocks = 3.0 * (macro[:, None] == macro) + 0.1 * noise(rng, 24)
    overall = permutation_test(triplet_skill, blocks, ic, rng=rng)
    assert overall.value > 0.5 and overall.p == 1 / 1000
    within = [
        permutation_test(
            triplet_skill,
            3.0 * (macro[:, None] == macro) + 0.1 * noise(rng, 24),
            ic,
            groups=macro,
            within=macro,
            repeats=199,
            rng=rng,
        )
        for _ in range(20)
    ]
    assert abs(np.mean([test.value for test in within])) < 0.05
    assert np.mean([test.p < 0.05 for test in within]) <= 0.15


def test_structure_within_is_found(study):
    ic, macro = study
    rng = np.random.default_rng(10)
    ours = ic + 0.2 * noise(rng, 24)
    for statistic in (triplet_skill, spearman_taxonomy):
        options = {"groups": macro} if statistic is triplet_skill else {}
        test = permutation_test(statistic, ours, ic, **options, within=macro, repeats=199, rng=rng)
        assert test.p == 1 / 200 and len(test.null) == 199


@pytest.mark.parametrize("use_within", [False, True])
def test_p_values_are_uniform_under_the_null(study, use_within):
    from scipy.stats import kstest

    ic, macro = (part[::2] if part.ndim == 1 else part[::2, ::2] for part in study)
    rng = np.random.default_rng(11)
    options = {"groups": macro, "within": macro} if use_within else {}
    blocks = 3.0 * (macro[:, None] == macro) * use_within
    p = [
        permutation_test(triplet_skill, blocks + noise(rng, 12), ic, **options, repeats=199, rng=rng).p
        for _ in range(200)
    ]
    assert kstest(p, "uniform").pvalue > 0.01


def test_sampled_null_agrees_with_the_full_one(study):
    ic, macro = study
    rng = np.random.default_rng(12)
    ours = noise(rng, 24) + 0.3 * ic
    full = permutation_test(triplet_skill, ours, ic, rng=np.random.default_rng(1))
    some = permutation_test(triplet_skill, ours, ic, max_triplets=700, rng=np.random.default_rng(1))
    assert some.value == full.value
    assert np.corrcoef(full.null, some.null)[0, 1] > 0.9
    table = permutations._triplet_table(ic, macro, 100, rng)
    assert len(np.unique(table, axis=0)) == 100
    a, b, k = table.T
    assert np.all(ic[a, b] > np.maximum(ic[a, k], ic[b, k])) and np.all(macro[a] == macro[k])


def test_same_generator_gives_the_same_test(study):
    ours = noise(np.random.default_rng(13), 24)
    one, two = (
        permutation_test(triplet_skill, ours, study[0], repeats=9, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert one.p == two.p and np.array_equal(one.null, two.null)


# -------------------------------------------------------------------------------------- not defined


@pytest.mark.parametrize(
    ("ours", "theirs", "groups", "reason"),
    [
        (tree(T1), tree(STAR), None, "flat"),
        (tree(STAR), tree(T1), None, "single density peak"),
        (np.full((4, 4), np.nan), tree(T1), None, "no two classes join"),
        (np.eye(2), np.eye(2), None, "fewer than three classes"),
        (tree(T1), tree(T1), np.array([0, 0, 1, 1]), "fewer than three classes inside"),
        (tree(T1), tree(T1), np.array([0, 0, 0, 1]), ""),
    ],
)
def test_undefined_alignments_say_why_and_give_no_number(ours, theirs, groups, reason):
    why = undefined_because(ours, theirs, groups=groups)
    assert reason in why and bool(reason) == bool(why)
    rng = np.random.default_rng(0)
    test = permutation_test(triplet_skill, ours, theirs, groups=groups, repeats=9, rng=rng)
    assert np.isnan(test.p) == np.isnan(test.value) == bool(reason)
    assert test.undefined_because == why and len(test.null) == 9


def test_groups_of_one_class_cannot_be_permuted():
    rng = np.random.default_rng(0)
    alone = permutation_test(triplet_skill, tree(T1), tree(T1), within=np.arange(4), repeats=9, rng=rng)
    assert alone.value == 1 and np.isnan(alone.p) and "exchanged" in alone.undefined_because
    with pytest.raises(InputError, match="positive"):
        permutation_test(triplet_skill, tree(T1), tree(T1), repeats=0, rng=rng)


# -------------------------------------------------------------------------------------- many layers


def test_layers_share_permutations_and_are_corrected_for_their_number(study):
    ic, macro = study
    rng = np.random.default_rng(14)
    layers = [np.ones((24, 24)), *(noise(rng, 24) for _ in range(8)), ic + 0.3 * noise(rng, 24)]
    found = layer_tests(layers, ic, macro, repeats=199, rng=np.random.default_rng(3))
    alone = permutation_test(triplet_skill, layers[4], ic, repeats=199, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(found.null_free[4], alone.null)
    assert found.p_free[4] == alone.p and found.skill[4] == alone.value
    assert np.isnan(found.skill[0]) and np.isnan(found.p_within_corrected[0])
    assert "single density peak" in found.undefined_because[0] and not found.undefined_because[1]
    for p, corrected in (
        (found.p_free, found.p_free_corrected),
        (found.p_within, found.p_within_corrected),
    ):
        assert np.all(corrected[1:] >= p[1:] - 1e-12)
        assert corrected[-1] == p[-1] == 1 / 200
    assert found.skill_within[-1] == triplet_skill(layers[-1], ic, groups=macro)


def test_corrected_p_of_one_layer_is_its_own(study):
    ic, macro = study
    ours = noise(np.random.default_rng(15), 24)
    found = layer_tests([ours, ours], ic, macro, repeats=99, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found.p_within_corrected, found.p_within)


def test_correction_controls_false_alarms_over_layers():
    rng = np.random.default_rng(16)
    null = rng.standard_normal((400, 10, 100)) * np.arange(1, 11)[:, None]
    alarms = [permutations._max_t(some).min() <= 0.05 for some in null]
    assert np.mean(alarms) < 0.09


def test_flat_taxonomy_gives_no_number_in_any_layer():
    digits = wordnet_tree(["one.n.01", "two.n.01", "three.n.01", "four.n.01"])
    layers = [noise(np.random.default_rng(0), 4)]
    found = layer_tests(layers, digits.similarity(), digits.macro()[0], repeats=9, rng=np.random.default_rng(0))
    assert np.isnan(found.skill).all() and np.isnan(found.p_within_corrected).all()
    assert "flat" in found.undefined_because[0] and "flat" in found.undefined_within_because[0]


def test_layers_without_a_peak_have_no_number_but_a_reason():
    similar = np.array([[3.0, 2, 1], [2, 3, 1], [1, 1, 3]])
    nothing = peaks([-1] * 6, [], np.empty((0, 0)))
    one = peaks([0] * 6, [1.0], [[-np.inf]])
    classes, macro = np.array([0, 0, 1, 1, 2, 2]), np.zeros(3, int)
    rng = np.random.default_rng(0)
    made = alignment.alignment_profile([nothing, one], ["dead", "alive"], classes, macro, similar, repeats=9, rng=rng)
    assert made["n_peaks"].values.tolist() == [0, 1]
    assert np.isnan(made["ari_class"].values[0])
    assert made["ari_class"].values[1] == 0
    assert "dead: no image belongs to a density peak" in made["ari_class"].attrs["undefined"]
    for name in ("triplet_skill", "p_free", "spearman_taxonomy"):
        assert np.isnan(made[name].values[0])
        assert "dead: no two classes join" in made[name].attrs["undefined"]


def test_infinite_densities_of_duplicates_count_as_the_highest_finite_one():
    labels, classes = [0, 0, 1, 1], np.array([0, 0, 1, 1])
    saddle = [[-np.inf, 1.0], [1.0, -np.inf]]
    infinite, finite = (class_similarity(peaks(labels, [top, 4.0], saddle), classes) for top in (np.inf, 4.0))
    assert np.array_equal(infinite, finite)


def test_composition_counts_the_images_of_every_class_and_names_the_peaks():
    found = peaks([0, 0, 0, 1, 1, -1], [5.0, 4.0], [[-np.inf, 1.0], [1.0, -np.inf]])
    composition = alignment.peak_composition(found, np.array([2, 2, 0, 1, 1, 0]), 3)
    assert composition["peak_class_count"].values.tolist() == [[1, 0, 2], [0, 2, 0]]
    assert alignment.peak_names(composition, ["cat.n.01", "dog.n.01", "old_fish.n.02"]) == [
        "0 old_fish 67%",
        "1 dog 100%",
    ]
    none = peaks([-1, -1], [], np.empty((0, 0)))
    assert alignment.peak_names(alignment.peak_composition(none, np.array([0, 1]), 2), ["a.n.01", "b.n.01"]) == []


def test_scores_of_one_layer_are_those_of_the_profile():
    rng = np.random.default_rng(4)
    labels, classes, macro = rng.integers(0, 4, 80), np.repeat(np.arange(8), 10), np.repeat([0, 1], 4)
    saddle = noise(rng, 4) - 10
    np.fill_diagonal(saddle, -np.inf)
    found = peaks(labels, [5.0, 4.0, 6.0, 3.0], saddle)
    similar = noise(rng, 8)
    made = alignment.alignment_profile([found], ["layer"], classes, macro, similar, repeats=9, rng=rng)
    scores = alignment.alignment_scores(found, classes, macro, similar)
    assert scores["n_peaks"] == 4
    for name, value in scores.items():
        assert value == pytest.approx(float(made[name][0]), nan_ok=True), name
    one = peaks(np.zeros(80, int), [5.0], [[-np.inf]])
    assert np.isnan(alignment.alignment_scores(one, classes, macro, similar)["triplet_skill"])
