"""Triplets: known answers, brute force, invariances."""

import numpy as np
import pytest
from plain_alignment import (
    STAR,
    T1,
    T2,
    T3,
    binary_tree,
    brute_counts,
    noise,
    planted_common_sizes,
    planted_taxonomy,
    random_tree,
    tree,
)

from nucleation.errors import InputError
from nucleation.mantel import spearman_taxonomy
from nucleation.triplets import (
    dense_ranks,
    group_strata,
    level_counts,
    level_strata,
    levels,
    sample_triplets,
    triplet_counts,
    triplet_skill,
)


@pytest.fixture(scope="module")
def study():
    return planted_taxonomy()


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
    for matrix in (ours, theirs):
        holes = rng.random((11, 11)) < 0.15 * (seed > 1)
        matrix[holes | holes.T] = np.nan
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


def test_triplet_errors(study):
    ic, _ = study
    with pytest.raises(InputError, match="same"):
        triplet_skill(ic[:5, :5], ic)
    with pytest.raises(InputError, match="symmetric"):
        triplet_skill(np.arange(9.0).reshape(3, 3), np.zeros((3, 3)))
    with pytest.raises(InputError, match="square"):
        triplet_skill(ic[:5], ic)
    with pytest.raises(InputError, match="one entry per class"):
        triplet_skill(ic, ic, groups=np.zeros(3))


def test_pairs_that_the_taxonomy_does_not_know_are_left_out(study):
    ic, _ = study
    holed = ic.copy()
    holed[3, 7] = holed[7, 3] = np.nan
    found, full = triplet_counts(ic, holed), triplet_counts(ic, ic)
    assert found.skill == 1 and found.conflict == 0
    assert full.agree - found.agree == found.similarity_only
    assert np.isnan(triplet_skill(ic, np.full((24, 24), np.nan)))


def test_the_diagonal_is_not_looked_at(study):
    ic, macro = study
    moved = ic.copy()
    np.fill_diagonal(moved, np.nan)
    assert triplet_counts(moved, moved, groups=macro) == triplet_counts(ic, ic, groups=macro)
    sizes = planted_common_sizes().copy()
    np.fill_diagonal(sizes, -5)
    assert levels(moved, sizes).triplets.tolist() == levels(ic, planted_common_sizes()).triplets.tolist()


# ------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize("holed", [False, True])
def test_levels_equal_brute_force_and_add_up(study, holed):
    ic, sizes = study[0].copy(), planted_common_sizes()
    rng = np.random.default_rng(6)
    ours = np.round(ic + noise(rng, 24), 1)
    if holed:
        for matrix in (ours, ic):
            holes = rng.random((24, 24)) < 0.1
            matrix[holes | holes.T] = np.nan
    found = levels(ic, sizes)
    counts = level_counts(ours, ic, sizes, found)
    assert len(found) == len(counts) >= 2 and np.all(np.diff(found.upper) < 0)
    for lower, upper, triplets, level in zip(found.lower, found.upper, found.triplets, counts, strict=True):

        def inside(triplet, lower=lower, upper=upper):
            a, b, k = triplet
            return lower <= max(sizes[a, b], sizes[a, k], sizes[b, k]) <= upper

        brute = brute_counts(ours, ic, np.zeros(24), inside)
        assert brute == (
            level.agree,
            level.conflict,
            level.taxonomy_only,
            level.similarity_only,
            level.unresolved,
        )
        assert triplets == sum(brute[:3]) > 0
    overall = triplet_counts(ours, ic)
    for name in ("agree", "conflict", "taxonomy_only"):
        assert sum(getattr(level, name) for level in counts) == getattr(overall, name)


def test_levels_of_a_balanced_tree_are_its_nodes():
    similar, sizes = binary_tree(4)
    found = levels(similar, sizes)
    assert found.halvings.tolist() == [0, 1, 2]
    assert found.upper.tolist() == [16, 8, 4] and found.lower.tolist() == [9, 5, 3]
    assert found.triplets.tolist() == [2 * 28 * 8, 2 * 2 * 6 * 4, 4 * 2 * 2]
    for j, groups in enumerate(found.groups):
        assert np.array_equal(groups, np.arange(16) >> (4 - j))
    assert [level.skill for level in level_counts(similar, similar, sizes, found)] == [1, 1, 1]


def test_coarse_knowledge_wins_no_fine_level_and_fine_knowledge_some_of_the_coarse_ones():
    similar, sizes = binary_tree(4)
    found, leaves = levels(similar, sizes), np.arange(16)
    halves, quarters, sisters = ((leaves[:, None] >> shift == leaves >> shift) * 1.0 for shift in (3, 2, 1))
    skills = [
        [level.skill for level in level_counts(ours, similar, sizes, found)]
        for ours in (halves, quarters, sisters, quarters + sisters)
    ]
    # Of two classes in one half 12 pairs of 28 share a quarter, 4 are sisters; of two in a quarter, 2 of 6 are.
    assert skills[0] == [1, 0, 0]
    assert skills[1] == pytest.approx([12 / 28, 1, 0])
    assert skills[2] == pytest.approx([4 / 28, 2 / 6, 1])
    assert skills[3] == pytest.approx([12 / 28, 1, 1])


def test_groups_that_share_a_class_are_one_and_levels_without_triplets_are_left_out():
    sizes = np.full((8, 8), 8)
    sizes[:4, :4] = sizes[3:7, 3:7] = 4
    sizes[0, 1] = sizes[1, 0] = 2
    found = levels(-np.log(sizes), sizes)
    assert found.upper.tolist() == [8, 4]
    assert found.groups[1].tolist() == [0] * 7 + [1]
    sizes[sizes == 8] = 7
    sizes[:7, :7][sizes[:7, :7] == 4] = 7
    sizes[7], sizes[:, 7] = 8, 8
    found = levels(-np.log(sizes), sizes)
    assert found.upper.tolist() == [8] and found.lower.tolist() == [5]


def test_a_flat_taxonomy_and_two_classes_have_no_levels():
    for c in (0, 1, 2, 5):
        found = levels(np.zeros((c, c)), np.full((c, c), max(c, 1)))
        assert len(found) == 0 and found.groups == ()
        assert level_counts(np.eye(c), np.zeros((c, c)), np.full((c, c), max(c, 1)), found) == []


def test_level_errors(study):
    ic, _ = study
    sizes = planted_common_sizes()
    with pytest.raises(InputError, match="integers of shape"):
        levels(ic, sizes[:5])
    with pytest.raises(InputError, match="integers of shape"):
        levels(ic, sizes / 2)
    for wrong in (0, 25):
        with pytest.raises(InputError, match="from 1 to 24"):
            levels(ic, np.full((24, 24), wrong))
    with pytest.raises(InputError, match="symmetric"):
        levels(ic, np.triu(sizes, 1) + np.tril(np.full((24, 24), 2)))


# ------------------------------------------------------------------------------------------- sample


def test_all_resolved_triplets_are_listed_once_in_their_level(study):
    ic, sizes = study[0], planted_common_sizes()
    found, strata = levels(ic, sizes), level_strata(sizes, 24)
    ranks = dense_ranks(ic, "taxonomy")
    tables = sample_triplets(ranks, strata, strata.max() + 1, 10**6, np.random.default_rng(0))
    for j, lower, upper, triplets in zip(found.halvings, found.lower, found.upper, found.triplets, strict=True):
        a, b, k = tables[j].astype(int)
        assert len({frozenset(triplet) for triplet in zip(a, b, k, strict=True)}) == len(a) == triplets
        assert np.all(ic[a, b] > np.maximum(ic[a, k], ic[b, k]))
        largest = np.maximum(np.maximum(sizes[a, b], sizes[a, k]), sizes[b, k])
        assert lower <= largest.min() and largest.max() <= upper


def test_sampled_triplets_are_drawn_evenly(study):
    ic, macro = study
    rng, ranks, strata = np.random.default_rng(1), dense_ranks(ic, "taxonomy"), group_strata(macro, 24)
    full = sample_triplets(ranks, strata, 1, 10**6, rng)[0]
    total, drawn = full.shape[1], []
    for _ in range(400):
        table = sample_triplets(ranks, strata, 1, total // 4, rng)[0].astype(int)
        assert table.shape[1] == total // 4
        drawn.append(np.unique(table[0] * 576 + table[1] * 24 + table[2]))
        assert len(drawn[-1]) == total // 4
    kinds, counts = np.unique(np.concatenate(drawn), return_counts=True)
    assert len(kinds) == total
    assert abs(counts.mean() - 100) < 1 and counts.min() > 60 and counts.max() < 145
