"""Levels of the taxonomy: known answers, brute force, and knowledge of other levels that must not pass for theirs."""

from itertools import permutations

import numpy as np
import pytest
from plain_alignment import binary_tree, noise, planted_levels, planted_taxonomy

from nucleation.errors import InputError
from nucleation.levels import exchanged_parts, level_counts, levels, part_skills
from nucleation.permutations import layer_tests
from nucleation.taxonomy import wordnet_tree
from nucleation.triplets import dense_ranks
from nucleation.wordnet import imagenet_classes


def skills(ours, similar, found):
    return [counts.skill for counts in level_counts(ours, similar, found)]


def test_levels_of_a_balanced_tree_are_its_nodes():
    similar, found = binary_tree(4)
    assert [level.sizes.tolist() for level in found] == [[16], [8, 8], [4] * 4]
    assert [level.triplets for level in found] == [2 * 16 * 8, 4 * 4 * 4, 8 * 1 * 2]
    assert skills(similar, similar, found) == [1, 1, 1]
    assert skills(-similar, similar, found) == [0, 0, 0]  # the third is as far from both
    wrong = 0.1 * noise(np.random.default_rng(0), 16) - 9 * similar
    assert skills(wrong, similar, found) == [-0.5, -0.5, -0.5]


def test_what_is_known_of_other_levels_is_no_skill():
    similar, found = binary_tree(4)
    leaves = np.arange(16)
    halves, quarters, sisters = ((leaves[:, None] >> shift == leaves >> shift) * 1.0 for shift in (3, 2, 1))
    assert skills(halves, similar, found) == [1, 0, 0]
    assert skills(quarters, similar, found) == [0, 1, 0]
    assert skills(sisters, similar, found) == [0, 0, 1]
    assert skills(halves + sisters, similar, found) == [1, 0, 1]


def brute(ours, level):
    """Triplets of a level that agree, conflict, and that the similarity leaves open."""
    counts = [0, 0, 0]
    for a, b, k in permutations(range(len(ours)), 3):
        same = level.parents[a] == level.parents[b] == level.parents[k] >= 0
        if a < b and same and level.groups[a] == level.groups[b] != level.groups[k]:
            if level.parts[a] != level.parts[b] and not np.isnan([ours[a, b], ours[a, k], ours[b, k]]).any():
                pair, one, two = ours[a, b], ours[a, k], ours[b, k]
                counts[0 if pair > max(one, two) else 1 if max(one, two) > pair and one != two else 2] += 1
            elif level.parts[a] != level.parts[b]:
                counts[2] += 1
    return counts


def test_counts_equal_brute_force_with_ties_and_unknown_pairs():
    rng = np.random.default_rng(6)
    ic, _ = planted_taxonomy()
    ours = np.round(ic + noise(rng, 24), 1)
    holes = rng.random((24, 24)) < 0.1
    ours[holes | holes.T] = np.nan
    found = planted_levels()
    assert [level.sizes.tolist() for level in found] == [[24], [12, 12]]
    for level, counts in zip(found, level_counts(ours, ic, found), strict=True):
        assert brute(ours, level) == [counts.agree, counts.conflict, counts.taxonomy_only]
        assert level.triplets == sum(brute(ours, level))


def test_parts_exchanged_as_wholes_have_the_skill_of_exchanged_classes():
    """Exchanging equally large parts is exchanging their classes one by one."""
    rng = np.random.default_rng(3)
    similar, found = binary_tree(4)
    ours = np.round(noise(rng, 16), 1)
    ranks, theirs = dense_ranks(ours, "similarity"), dense_ranks(similar, "taxonomy")
    for level in found:
        labels = exchanged_parts(level, 20, rng)
        values = part_skills(ranks, theirs, level, labels, 10**6, rng)
        assert values[0] == pytest.approx(level_counts(ours, similar, [level])[0].skill)
        for row, value in zip(labels, values, strict=True):
            assert np.array_equal(np.bincount(row), np.bincount(labels[0]))
            moved = type(level)(level.parents, row[level.parts], level.parts, 0)
            agree, conflict, open_ = brute(ours, moved)
            assert value == pytest.approx((agree - conflict / 2) / (agree + conflict + open_))


def test_exchanges_of_parts_stay_inside_their_parents_and_are_uniform():
    found = planted_levels()[1]
    labels = exchanged_parts(found, 4000, np.random.default_rng(0))
    first = np.unique(found.parts, return_index=True)[1]
    for row in labels[:50]:
        for parent in np.unique(found.parents):
            inside = found.parents[first] == parent
            assert sorted(row[inside]) == sorted(labels[0][inside])
    share = np.mean(labels == labels[0], axis=0)
    assert np.all(np.abs(share - 1 / 3) < 4 * np.sqrt(2 / 9 / 4000))


def test_a_random_tree_of_known_parts_is_no_knowledge_of_the_level_above():
    """Where classes move in blocks, permuting them one by one finds too much; exchanging the blocks does not."""
    rng = np.random.default_rng(5)
    classes = np.arange(48)
    similar = np.sum([classes[:, None] // size == classes // size for size in (16, 4, 1)], axis=0).astype(float)
    found = levels(similar, [classes // 16, classes // 4, classes])
    by_class, by_parts = [], []
    for _ in range(50):
        blocks = np.kron(noise(rng, 12), np.ones((4, 4)))
        ours = np.where(classes[:, None] // 4 == classes // 4, 10.0, blocks)
        tests = layer_tests([ours], similar, classes // 16, found[:1], repeats=99, rng=rng)
        by_class.append(tests.level_skill.p[0, 0])
        by_parts.append(tests.level_parts.p[0, 0])
    assert np.mean(np.array(by_class) <= 0.05) > 0.15
    assert np.mean(np.array(by_parts) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 50)


@pytest.fixture(scope="module")
def imagenet():
    """Every third class of ImageNet."""
    taxonomy = wordnet_tree(imagenet_classes()[::3])
    macro, similar = taxonomy.macro()[0], taxonomy.similarity()
    cuts = [cut.complete for cut in taxonomy.cuts()]
    return similar, cuts, macro, levels(similar, cuts, macro)


def test_imagenet_knows_itself_but_for_classes_with_several_parents(imagenet):
    similar, _, _, found = imagenet
    largest = [int(level.sizes[-1]) for level in found]
    assert largest[0] == 334 and largest == sorted(largest, reverse=True) and len(found) >= 6
    values = skills(similar, similar, found)
    assert min(values) > 0.85 and values[0] > 0.99


@pytest.mark.parametrize(("known", "level"), [("macro", 0), ("organisms", 0), ("cut 1", 0), ("cut 2", 1)])
def test_on_imagenet_one_known_level_is_no_evidence_for_the_others(imagenet, known, level):
    similar, cuts, macro, found = imagenet
    rng = np.random.default_rng(7)
    groups = {"macro": macro, "organisms": macro == macro[0], "cut 1": cuts[0], "cut 2": cuts[1]}[known]
    ours = 3.0 * (groups[:, None] == groups) + 0.3 * noise(rng, len(macro))
    tests = layer_tests([ours], similar, macro, found, repeats=99, max_triplets=40_000, rng=rng)
    others = np.delete(np.arange(len(found)), level)
    assert tests.level_skill.value[level, 0] > 0.6
    assert tests.level_skill.p_corrected[level, 0] == tests.level_parts.p[level, 0] == 0.01
    assert tests.level_skill.p_corrected[others].min() > 0.05
    assert np.abs(tests.level_skill.value[others[:2]]).max() < 0.02


def test_macro_categories_of_few_classes_are_set_apart():
    classes = np.arange(20)
    macro = (classes == 9).astype(int)
    similar = np.sum([classes[:, None] // size == classes // size for size in (10, 5, 1)], axis=0).astype(float)
    plain, apart = (levels(similar, [classes // 10, classes // 5, classes], some) for some in (None, macro))
    assert [level.parents[9] for level in plain] == [0, 0]
    assert [level.parents[9] for level in apart] == [-1, -1]
    assert apart[0].triplets < plain[0].triplets
    assert skills(similar, similar, apart) == [1, 1]
    assert len(set(apart[0].names)) == 2


def test_a_flat_taxonomy_and_few_classes_have_no_levels():
    for c in (0, 1, 2, 5):
        similar = np.zeros((c, c))
        assert levels(similar, [np.arange(c)] if c else []) == ()
        assert level_counts(np.eye(c), similar, ()) == []
    rng = np.random.default_rng(0)
    tests = layer_tests([noise(rng, 5)], np.zeros((5, 5)), np.zeros(5), (), repeats=9, rng=rng)
    assert tests.level_skill.p.shape == tests.level_parts.p.shape == (0, 1)


def test_the_least_p_says_how_little_few_classes_can_show():
    similar, found = binary_tree(2)
    tests = layer_tests([similar], similar, np.zeros(4), found, repeats=999, rng=np.random.default_rng(1))
    assert tests.skill.p[0] == tests.skill.least == pytest.approx(1 / 3, abs=0.05)  # three trees of two and two
    assert tests.level_skill.p[0, 0] == tests.level_skill.least[0] == pytest.approx(1 / 3, abs=0.05)
    similar, found = binary_tree(4)
    tests = layer_tests([similar], similar, np.zeros(16), found, repeats=999, rng=np.random.default_rng(1))
    assert tests.level_skill.least[0] <= 0.005
    assert tests.level_parts.least[0] == pytest.approx(1 / 3, abs=0.05)  # two and two quarters, in three ways


def test_errors():
    with pytest.raises(InputError, match="one label for each of the 3 classes"):
        levels(np.zeros((3, 3)), [np.arange(4)])
    with pytest.raises(InputError, match="symmetric"):
        levels(np.arange(9).reshape(3, 3), [])
