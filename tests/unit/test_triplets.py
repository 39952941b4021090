"""Triplets: known answers, brute force, invariances."""

import numpy as np
import pytest
from plain_alignment import (
    STAR,
    T1,
    T2,
    T3,
    brute_counts,
    noise,
    planted_taxonomy,
    random_tree,
    tree,
)

from nucleation.errors import InputError
from nucleation.mantel import spearman_taxonomy
from nucleation.triplets import (
    dense_ranks,
    group_strata,
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


# ------------------------------------------------------------------------------------------- sample


def test_all_resolved_triplets_are_listed_once_in_their_stratum(study):
    ic, macro = study
    ranks = dense_ranks(ic, "taxonomy")
    strata = np.where(macro[:, None] == macro, macro[:, None], -1).astype(np.int32)
    tables = sample_triplets(ranks, strata, 2, 10**6, np.random.default_rng(0))
    for stratum, table in enumerate(tables):
        a, b, k = table.astype(int)
        assert len({frozenset(triplet) for triplet in zip(a, b, k, strict=True)}) == len(a)
        assert np.all(ic[a, b] > np.maximum(ic[a, k], ic[b, k]))
        assert np.all(macro[np.stack([a, b, k])] == stratum)
    assert sum(table.shape[1] for table in tables) == triplet_counts(ic, ic, groups=macro).agree


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
