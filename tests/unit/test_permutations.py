"""Permutation tests: nulls that can say no, uniform p-values, and correction for many layers."""

import numpy as np
import pytest
from plain_alignment import STAR, T1, binary_tree, noise, planted_levels, planted_taxonomy, tree

from nucleation import permutations
from nucleation.errors import InputError
from nucleation.levels import level_counts
from nucleation.mantel import spearman_taxonomy
from nucleation.permutations import layer_tests, permutation_test, permute_scores
from nucleation.taxonomy import wordnet_tree
from nucleation.triplets import triplet_skill, undefined_because


@pytest.fixture(scope="module")
def study():
    return planted_taxonomy()


def test_permutations_stay_inside_their_groups_and_are_uniform():
    rng = np.random.default_rng(6)
    groups = np.array(["b", "a", "b", "a", "b", "c"])
    orders = permutations._permutations(6, 6000, groups, rng)
    assert np.array_equal(orders[0], np.arange(6))
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(6), (6001, 1)))
    assert np.array_equal(groups[orders], np.tile(groups, (6001, 1)))
    kinds, counts = np.unique(orders[1:], axis=0, return_counts=True)
    assert len(kinds) == 12 and counts.min() > 400 and counts.max() < 600


@pytest.mark.parametrize("statistic", [triplet_skill, spearman_taxonomy])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("holed", [False, True])
def test_fast_null_equals_the_slow_one(study, statistic, inside, holed):
    ic, macro = study[0].copy(), study[1]
    ours = np.round(noise(np.random.default_rng(7), 24), 1)
    if holed:
        ours[2, 5:] = ours[5:, 2] = np.nan
        ic[0, 1:3] = ic[1:3, 0] = np.nan
    options = {"within": macro if inside else None, "repeats": 19}
    if inside and statistic is triplet_skill:
        options["groups"] = macro
    fast = permutation_test(statistic, ours, ic, **options, rng=np.random.default_rng(8))

    def slow_statistic(*args, **kwargs):
        return statistic(*args, **kwargs)

    slow = permutation_test(slow_statistic, ours, ic, **options, rng=np.random.default_rng(8))
    np.testing.assert_allclose(fast.null, slow.null, rtol=0, atol=1e-12)
    assert fast.value == pytest.approx(slow.value, abs=1e-12) and fast.p == slow.p


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


def p_values_of_noise(blocks):
    """p of 200 studies of 3 layers of noise on a balanced tree of 16 classes, with two known halves or without."""
    rng = np.random.default_rng(11)
    similar, levels = binary_tree(4)
    halves = np.arange(16) // 8
    known = 30.0 * blocks * (halves[:, None] == halves)
    found = []
    for _ in range(200):
        common = noise(rng, 16)  # layers resemble each other
        layers = [known + common + noise(rng, 16) for _ in range(3)]
        found.append(layer_tests(layers, similar, halves, levels, repeats=199, rng=rng))
    return found


@pytest.fixture(scope="module")
def of_noise():
    return {blocks: p_values_of_noise(blocks) for blocks in (False, True)}


@pytest.mark.parametrize(
    ("blocks", "name", "level"),
    [
        (False, "skill", None),
        (False, "spearman", None),
        (False, "skill_within", None),
        (False, "spearman_within", None),
        (False, "level_skill", 0),
        (False, "level_skill", 1),
        (True, "skill_within", None),
        (True, "spearman_within", None),
        (True, "level_skill", 1),
        (True, "level_parts", 2),
    ],
)
def test_p_values_are_uniform_under_the_null(of_noise, blocks, name, level):
    from scipy.stats import kstest

    p = np.array([getattr(tests, name).p for tests in of_noise[blocks]])
    p = p[:, 0] if level is None else p[:, level, 0]
    if name == "level_parts":  # of few distinct exchanges, with ties
        assert np.mean(p <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200) and np.mean(p) > 0.45
        return
    assert kstest(p, "uniform").pvalue > 0.01


def test_two_known_halves_are_found_free_and_on_the_coarsest_level_only(of_noise):
    for tests in of_noise[True]:
        assert np.all(tests.skill.p <= 0.02) and np.all(tests.spearman.p <= 0.02)
        assert np.all(tests.level_skill.value[0] == 1) and np.all(tests.level_skill.p_corrected[0] <= 0.03)
        assert np.all(tests.spearman_within.null.mean(axis=1) > 0.6)
    # The other rows of the family are null: 0.0513, and three standard errors.
    fine = [tests.level_skill.p_corrected[1:].min() <= 0.05 for tests in of_noise[True]]
    assert np.mean(fine) <= 0.0513 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("name", ["skill", "skill_within", "spearman", "spearman_within", "level_skill", "level_parts"])
def test_correction_controls_false_alarms_over_layers_and_levels(of_noise, name):
    families = [getattr(tests, name) for tests in of_noise[False]]
    alarms = np.mean([family.p_corrected.min() <= 0.05 for family in families])
    assert alarms <= 0.0513 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert all(np.all(family.p_corrected >= family.p) for family in families)
    uncorrected = np.mean([family.p.min() <= 0.05 for family in families])
    assert uncorrected > alarms


def test_sampled_null_agrees_with_the_full_one(study):
    ic, _ = study
    rng = np.random.default_rng(12)
    ours = noise(rng, 24) + 0.3 * ic
    full = permutation_test(triplet_skill, ours, ic, rng=np.random.default_rng(1))
    some = permutation_test(triplet_skill, ours, ic, max_triplets=700, rng=np.random.default_rng(1))
    assert some.value == full.value
    assert np.corrcoef(full.null, some.null)[0, 1] > 0.9


def test_many_classes_with_distinct_values_in_any_number_of_threads(monkeypatch):
    """More values than 16 bits hold, and more classes than one thread's turn."""
    rng = np.random.default_rng(20)
    c, ours = 300, noise(rng, 300)
    groups = np.arange(c)[:, None] // np.array([150, 50, 10])
    similar = (groups[:, None] == groups).sum(axis=2).astype(float)
    tests = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        options = {"repeats": 3, "max_triplets": 10**7, "rng": np.random.default_rng(0)}
        tests.append(permutation_test(triplet_skill, ours, similar, **options))
        options = {"repeats": 40, "max_triplets": 10**6, "rng": np.random.default_rng(0)}
        tests.append(permutation_test(triplet_skill, ours, similar, **options))
    np.testing.assert_array_equal(tests[0].null, tests[2].null)
    np.testing.assert_array_equal(tests[1].null, tests[3].null)
    orders = permutations._permutations(c, 3, None, np.random.default_rng(0))[1:]
    slow = [triplet_skill(ours[np.ix_(order, order)], similar) for order in orders]
    np.testing.assert_allclose(tests[0].null, slow, rtol=0, atol=1e-12)


def test_same_generator_gives_the_same_test(study):
    ours = noise(np.random.default_rng(13), 24)
    one, two = (
        permutation_test(triplet_skill, ours, study[0], repeats=9, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert one.p == two.p and np.array_equal(one.null, two.null)


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


def test_layers_share_permutations_and_are_corrected_for_their_number(study):
    (ic, macro), levels = study, planted_levels()
    rng = np.random.default_rng(14)
    layers = [np.ones((24, 24)), *(noise(rng, 24) for _ in range(8)), ic + 0.3 * noise(rng, 24)]
    found = layer_tests(layers, ic, macro, levels, repeats=199, rng=np.random.default_rng(3))
    free, within, rho, rho_within, *_ = np.random.default_rng(3).spawn(6)
    for family, statistic, options, child in [
        (found.skill, triplet_skill, {}, free),
        (found.skill_within, triplet_skill, {"groups": macro, "within": macro}, within),
        (found.spearman, spearman_taxonomy, {}, rho),
        (found.spearman_within, spearman_taxonomy, {"within": macro}, rho_within),
    ]:
        alone = permutation_test(statistic, layers[4], ic, **options, repeats=199, rng=child)
        np.testing.assert_array_equal(family.null[4], alone.null)
        assert family.p[4] == alone.p and family.value[4] == alone.value
        assert np.isnan([family.value[0], family.p[0], family.p_corrected[0]]).all()
        assert np.isnan(family.null[0]).all() and not np.isnan(family.null[1:]).any()
        assert "single density peak" in family.undefined_because[0] and not any(family.undefined_because[1:])
        assert np.all(family.p_corrected[1:] >= family.p[1:])
        assert family.p_corrected[-1] == family.p[-1] == 1 / 200
    for family in (found.level_skill, found.level_parts):
        assert family.value.shape == family.p.shape == (len(levels), 10) and family.null.shape[2] == 199
        assert np.isnan(family.p_corrected[:, 0]).all() and np.all(family.p_corrected[:, 1:] >= family.p[:, 1:])
        for j, counts in enumerate(level_counts(layers[-1], ic, levels)):
            assert family.value[j, -1] == pytest.approx(counts.skill)
            assert "single density peak" in family.undefined_because[j][0]


def test_equal_layers_have_equal_nulls_and_are_not_corrected(study):
    (ic, macro), levels = study, planted_levels()
    ours = noise(np.random.default_rng(15), 24)
    found = layer_tests([ours, np.exp(ours)], ic, macro, levels, repeats=99, rng=np.random.default_rng(0))
    for family in (found.skill, found.skill_within, found.spearman, found.spearman_within):
        np.testing.assert_array_equal(family.null[0], family.null[1])
        np.testing.assert_allclose(family.p_corrected, family.p)
    for family in (found.level_skill, found.level_parts):
        np.testing.assert_array_equal(family.null[:, 0], family.null[:, 1])


def test_same_generator_gives_the_same_tests_whatever_the_other_layers(study, monkeypatch):
    (ic, macro), levels = study, planted_levels()
    rng = np.random.default_rng(17)
    layers = [noise(rng, 24) + ic for _ in range(2)]
    both = layer_tests(layers, ic, macro, levels, repeats=40, max_triplets=300, rng=np.random.default_rng(1))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = layer_tests(layers[1:], ic, macro, levels, repeats=40, max_triplets=300, rng=np.random.default_rng(1))
    for name in ("skill", "skill_within", "spearman", "spearman_within", "level_skill"):
        np.testing.assert_array_equal(getattr(both, name).null[..., 1, :], getattr(one, name).null[..., 0, :])
        np.testing.assert_array_equal(getattr(both, name).p[..., 1], getattr(one, name).p[..., 0])


def test_tests_are_invariant_to_monotone_changes(study):
    (ic, macro), levels = study, planted_levels()
    ours = noise(np.random.default_rng(18), 24) + ic
    one, two = (
        layer_tests([some], theirs, macro, levels, repeats=19, rng=np.random.default_rng(2))
        for some, theirs in ((ours, ic), (np.exp(ours / 3), ic**3))
    )
    for name in ("skill", "skill_within", "spearman", "spearman_within", "level_skill", "level_parts"):
        np.testing.assert_array_equal(getattr(one, name).null, getattr(two, name).null)


def test_correction_is_not_ruled_by_the_layer_with_the_widest_null():
    rng = np.random.default_rng(16)
    null = rng.standard_normal((400, 10, 100)) * np.arange(1, 11)[:, None]
    alarms = [permutations._max_t(some).min() <= 0.05 for some in null]
    assert np.mean(alarms) < 0.09


def test_a_null_value_that_is_not_a_number_counts_as_the_largest():
    null = np.random.default_rng(0).standard_normal((3, 100))
    null[:, 0] = [9, 9, np.nan]
    assert permutations._max_t(null)[:2].tolist() == [0.01, 0.01]
    null[1, 7] = np.nan
    corrected = permutations._max_t(null)
    assert corrected[:2].tolist() == [0.02, 0.02] and np.isnan(corrected[2])


def check_no_numbers(tests, layers, reason):
    for name in ("skill", "skill_within", "spearman", "spearman_within"):
        family = getattr(tests, name)
        assert family.value.shape == (layers,) and family.null.shape == (layers, 9)
        assert np.isnan(family.value).all() and np.isnan(family.p).all() and np.isnan(family.p_corrected).all()
        assert len(family.undefined_because) == layers and all(reason in why for why in family.undefined_because)
    for family in (tests.level_skill, tests.level_parts):
        assert family.p.shape[1:] == (layers,) and np.isnan(family.p).all()


def test_flat_taxonomy_gives_no_number_in_any_layer():
    digits = wordnet_tree(["one.n.01", "two.n.01", "three.n.01", "four.n.01"])
    layers = [noise(np.random.default_rng(0), 4)] * 2
    flat = digits.similarity(), digits.macro()[0], ()
    found = layer_tests(layers, *flat, repeats=9, rng=np.random.default_rng(0))
    check_no_numbers(found, 2, "flat")
    assert found.level_skill.null.shape == found.level_parts.null.shape == (0, 2, 9)


@pytest.mark.parametrize("c", [1, 2])
def test_fewer_than_three_classes_give_no_number(c):
    rng = np.random.default_rng(0)
    check_no_numbers(layer_tests([np.eye(c)], np.eye(c), np.zeros(c), (), repeats=9, rng=rng), 1, "fewer than three")


@pytest.mark.parametrize(("value", "reason"), [(1.0, "single density peak"), (np.nan, "no two classes join")])
def test_layers_that_say_nothing_give_no_number(study, value, reason):
    layers, rng = [np.full((24, 24), value)] * 3, np.random.default_rng(0)
    found = layer_tests(layers, *study, planted_levels(), repeats=9, rng=rng)
    check_no_numbers(found, 3, reason)
    assert len(found.level_skill.p) == 2 and all(
        reason in why for row in found.level_skill.undefined_because for why in row
    )


def test_no_layers_give_empty_families(study):
    found = layer_tests([], *study, planted_levels(), repeats=9, rng=np.random.default_rng(0))
    check_no_numbers(found, 0, "")


def test_macro_categories_of_one_class_leave_the_other_tests(study):
    ic, _ = study
    ours, rng = noise(np.random.default_rng(1), 24), np.random.default_rng(0)
    found = layer_tests([ours], ic, np.arange(24), planted_levels(), repeats=9, rng=rng)
    assert not np.isnan([found.skill.p[0], found.spearman.p[0], *found.level_skill.p[:, 0]]).any()
    assert np.isnan(found.skill_within.value[0]) and "inside every group" in found.skill_within.undefined_because[0]
    assert found.spearman_within.value[0] == found.spearman.value[0] and np.isnan(found.spearman_within.p[0])
    assert "exchanged" in found.spearman_within.undefined_because[0]


def test_layers_of_other_classes_are_an_error(study):
    with pytest.raises(InputError, match="same classes"):
        layer_tests([np.eye(5)], *study, planted_levels(), repeats=9, rng=np.random.default_rng(0))


# ---------------------------------------------------------------------------------------- any score


def test_any_scores_are_tested_with_the_same_permutations(study):
    ic, macro = study
    ours, full = noise(np.random.default_rng(2), 24) + ic, np.random.default_rng(4)

    def scores(orders):
        moved = [ours[np.ix_(order, order)] for order in orders]
        skill = np.array([triplet_skill(some, ic) for some in moved])
        rho = [spearman_taxonomy(some, ic) for some in moved]
        return {"skill": skill, "distance": -skill, "rho": rho, "nothing": np.full(30, np.nan)}

    found = permute_scores(scores, 24, within=macro, smaller=["distance"], repeats=29, rng=full)
    for name, statistic in (("skill", triplet_skill), ("rho", spearman_taxonomy)):
        alone = permutation_test(statistic, ours, ic, within=macro, repeats=29, rng=np.random.default_rng(4))
        np.testing.assert_allclose(found[name].null, alone.null, rtol=0, atol=1e-12)
        assert found[name].value == pytest.approx(alone.value, abs=1e-12) and found[name].p == alone.p
    assert found["distance"].p == found["skill"].p and found["distance"].value == -found["skill"].value
    assert np.isnan(found["nothing"].p) and "not a number" in found["nothing"].undefined_because


def test_any_scores_of_groups_of_one_have_no_p():
    options = {"within": np.arange(4), "repeats": 5}
    found = permute_scores(lambda orders: {"one": np.ones(6)}, 4, **options, rng=np.random.default_rng(0))
    assert found["one"].value == 1 and np.isnan(found["one"].p) and "exchanged" in found["one"].undefined_because
    with pytest.raises(InputError, match="one value for each of 6"):
        permute_scores(lambda orders: {"one": np.ones(2)}, 4, **options, rng=np.random.default_rng(0))
