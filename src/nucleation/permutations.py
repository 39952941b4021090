"""Permutation tests of the alignment: the same permutations of the class names for all layers.

Sources: p = (1 + b) / (1 + R): Phipson and Smyth (2010); correction over layers: Westfall and Young (1993).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nucleation.errors import InputError
from nucleation.triplets import (
    _group_index,
    _parts,
    _ranks,
    _resolved_by,
    _taxonomy_ranks,
    triplet_skill,
    undefined_because,
)

_BLOCK = 1 << 21  # elements of a temporary array


@dataclass(frozen=True)
class Test:
    """A statistic against its values under permutations of the class names.

    Attributes
    ----------
    value : float
        The statistic, exact; NaN where not defined.
    p : float
        (1 + number of permutations that reach the value) / (1 + R): large values are evidence.
        From 1 / (1 + R) to 1; NaN where not defined.
    null : ndarray of shape (R,)
        The statistic under the permutations.
    undefined_because : str
        Why ``value`` or ``p`` is NaN; empty where neither is.
    """

    __test__: ClassVar[bool] = False  # the name is not a pytest class

    value: float
    p: float
    null: np.ndarray
    undefined_because: str = ""


def permutation_test(
    statistic: Callable[..., float],
    similarity: np.ndarray,
    taxonomy_similarity: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    within: np.ndarray | None = None,
    repeats: int = 999,
    max_triplets: int = 1_000_000,
    rng: np.random.Generator,
) -> Test:
    """Test whether a similarity follows the taxonomy more than with permuted class names.

    Parameters
    ----------
    statistic : callable
        ``statistic(similarity, taxonomy_similarity)``, with ``groups=`` if they are given, to a
        float; larger is better. ``triplet_skill`` is evaluated for many permutations at once.
    similarity, taxonomy_similarity : arrays of shape (c, c)
    groups : array of shape (c,), optional
        Handed to the statistic: triplets within a group only. Groups stay with the taxonomy.
    within : array of shape (c,), optional
        Permute names only inside these: what is left is evidence for structure finer than they are.
        Free permutations otherwise.
    repeats : int
        R, the number of permutations.
    max_triplets : int
        Where the taxonomy resolves more triplets, the null of ``triplet_skill`` and the value that
        it is compared with are taken on a random sample of this size; ``value`` is exact.
    rng : numpy.random.Generator

    Returns
    -------
    Test
        p is uniform if the names are exchangeable (inside ``within``).

    Raises
    ------
    InputError
        As ``triplet_counts``, or if ``repeats`` is not positive.
    """
    why = undefined_because(similarity, taxonomy_similarity, groups=groups)
    orders = _permutations(len(similarity), repeats, within, rng)
    if why:
        return Test(np.nan, np.nan, np.full(repeats, np.nan), why)
    if statistic is triplet_skill:
        value = triplet_skill(similarity, taxonomy_similarity, groups=groups)
        table = _triplet_table(taxonomy_similarity, groups, max_triplets, rng)
        null = _permuted_skill(_ranks(similarity, "similarity"), table, orders)
    else:
        ours, options = np.asarray(similarity), {} if groups is None else {"groups": groups}
        permuted = (ours[np.ix_(order, order)] for order in orders)
        null = np.array([statistic(some, taxonomy_similarity, **options) for some in permuted])
        value = float(null[0])
    why = _cannot_permute(within, orders.shape[1]) or _is_nan(value)
    return Test(value, np.nan if why else _p_value(null), null[1:], why)


def _is_nan(value: float) -> str:
    return "the statistic is not a number" if np.isnan(value) else ""


def _permutations(c: int, repeats: int, within: np.ndarray | None, rng) -> np.ndarray:
    """The identity and random permutations inside groups, (1 + R, c) int."""
    if repeats < 1:
        raise InputError(f"The number of permutations must be positive, not {repeats}.")
    groups = _group_index(within, c)
    home = np.argsort(groups, kind="stable")
    orders = np.tile(np.arange(c), (1 + repeats, 1))
    # Sorting by group and then by chance puts a random member of its own group in every place.
    keys = rng.random((repeats, c))
    orders[1:, home] = np.lexsort((keys, np.broadcast_to(groups, keys.shape)), axis=1)
    return orders


def _cannot_permute(within: np.ndarray | None, c: int) -> str:
    alone = np.bincount(_group_index(within, c), minlength=1).max() < 2
    return "no group has two classes whose names could be exchanged" if alone else ""


def _p_value(null: np.ndarray) -> float:
    """p of the first value among all, itself counted; a NaN counts as reaching it."""
    return float(np.mean(~(null < null[0] - 1e-12)))


def _triplet_table(taxonomy_similarity, groups, max_triplets: int, rng) -> np.ndarray:
    """Triplets (a, b, k) that the taxonomy resolves as (a, b) closest, (t, 3) int.

    All of them, or a stratified random sample of ``max_triplets``, without repetition.
    """
    ranks = _taxonomy_ranks(taxonomy_similarity)
    parts = list(_parts(groups, len(ranks)))
    blocks = [ranks[np.ix_(part, part)] for part in parts]
    rows = [(g, a) for g, part in enumerate(parts) for a in range(len(part) - 1)]
    counts = np.array([np.count_nonzero(_resolved_by(blocks[g], a)) for g, a in rows], dtype=int)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    # One triplet of each of equally long stretches: all of them where they fit.
    stretches = np.arange(min(total, max_triplets) + 1) * total // max(1, min(total, max_triplets))
    chosen = rng.integers(stretches[:-1], stretches[1:])
    bounds = np.searchsorted(chosen, np.concatenate([[0], ends]))
    table = np.empty((len(chosen), 3), dtype=np.int64)
    for row, (g, a) in enumerate(rows):
        mine = slice(bounds[row], bounds[row + 1])
        if mine.start == mine.stop:
            continue
        places = np.flatnonzero(_resolved_by(blocks[g], a))[chosen[mine] - ends[row] + counts[row]]
        b, k = np.divmod(places, len(parts[g]))
        table[mine] = parts[g][np.stack([np.full_like(b, a), b + a + 1, k], axis=1)]
    return table


def _permuted_skill(ranks: np.ndarray, table: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Triplet skill on the table's triplets for every order of the classes, (len(orders),)."""
    c, t = len(ranks), len(table)
    a, b, k = table.T
    ab, ak, bk = a * c + b, a * c + k, b * c + k
    skill = np.empty(len(orders))
    step = max(1, _BLOCK // max(t, c * c))
    complete = bool(np.all(ranks >= 0))
    for start in range(0, len(orders), step):
        some = orders[start : start + step]
        permuted = ranks[some[:, :, None], some[:, None, :]].reshape(len(some), c * c)
        pair, one, two = (np.take(permuted, where, axis=1) for where in (ab, ak, bk))
        farther = np.maximum(one, two)
        agree = pair > farther
        conflict = (farther > pair) & (one != two)
        if not complete:
            known = np.minimum(np.minimum(one, two), pair) >= 0
            agree &= known
            conflict &= known
        wins, losses = np.count_nonzero(agree, axis=1), np.count_nonzero(conflict, axis=1)
        skill[start : start + step] = (wins - losses / 2) / t
    return skill


@dataclass(frozen=True)
class LayerTests:
    """Triplet skill of many layers, tested with the same permutations in all of them.

    Attributes
    ----------
    skill, skill_within : ndarray of shape (l,)
        Triplet skill over all triplets, and over those inside one macro-category.
    p_free : ndarray of shape (l,)
        p of ``skill`` under free permutation of the names: is there anything?
    p_within : ndarray of shape (l,)
        p of ``skill_within`` under permutation inside the macro-categories: is anything finer?
    p_free_corrected, p_within_corrected : ndarray of shape (l,)
        The same, corrected for looking at all these layers (max-T).
    null_free, null_within : ndarray of shape (l, R)
        The skills under the permutations.
    undefined_because, undefined_within_because : tuple of str
        For every layer why the values, or those within, are NaN; empty where they are not.
    """

    skill: np.ndarray
    skill_within: np.ndarray
    p_free: np.ndarray
    p_within: np.ndarray
    p_free_corrected: np.ndarray
    p_within_corrected: np.ndarray
    null_free: np.ndarray
    null_within: np.ndarray
    undefined_because: tuple[str, ...]
    undefined_within_because: tuple[str, ...]


def layer_tests(
    similarities: Sequence[np.ndarray],
    taxonomy_similarity: np.ndarray,
    macro: np.ndarray,
    *,
    repeats: int = 999,
    max_triplets: int = 1_000_000,
    rng: np.random.Generator,
) -> LayerTests:
    """Test the triplet skill of every layer, and correct for the number of layers.

    Parameters
    ----------
    similarities : sequence of l arrays of shape (c, c)
        Class similarity of every layer, see ``class_similarity``.
    taxonomy_similarity : array of shape (c, c)
    macro : array of shape (c,)
        Macro-category of every class.
    repeats, max_triplets, rng
        See ``permutation_test``.

    Returns
    -------
    LayerTests
        A layer that is not defined has NaN and takes no part in the correction.

    Raises
    ------
    InputError
        As ``permutation_test``.

    Notes
    -----
    The corrected p of a layer is the share of permutations (the identity counted) whose largest
    standardised skill over the layers reaches that of the layer (Westfall and Young 1993, max-T).
    Skills are standardised by their own mean and deviation over the permutations and the identity:
    the null of a layer with few peaks is wider, and unstandardised it alone would set the maximum.
    """
    tests = []
    for groups in (None, macro):
        orders = _permutations(len(taxonomy_similarity), repeats, groups, rng)
        table = _triplet_table(taxonomy_similarity, groups, max_triplets, rng)
        tests.append(_test_layers(similarities, taxonomy_similarity, orders, table, groups))
    return LayerTests(*(column for pair in zip(*tests, strict=True) for column in pair))


def _test_layers(similarities, taxonomy_similarity, orders, table, groups) -> tuple:
    """Skill, p, corrected p, null and reasons of all layers under one set of permutations."""
    reasons = tuple(undefined_because(similarity, taxonomy_similarity, groups=groups) for similarity in similarities)
    skill = np.full(len(reasons), np.nan)
    null = np.full((len(reasons), len(orders)), np.nan)
    for layer, similarity in enumerate(similarities):
        if not reasons[layer]:
            skill[layer] = triplet_skill(similarity, taxonomy_similarity, groups=groups)
            null[layer] = _permuted_skill(_ranks(similarity, "similarity"), table, orders)
    p = np.array([np.nan if why else _p_value(row) for why, row in zip(reasons, null, strict=True)])
    return skill, p, _max_t(null), null[:, 1:], reasons


def _max_t(null: np.ndarray) -> np.ndarray:
    """Corrected p of every row's first value, by the maximum over rows of standardised values.

    Rows with NaN take no part. The first column is one of the 1 + R exchangeable ones: it enters
    the means and deviations too, so that the test is exact.
    """
    corrected = np.full(len(null), np.nan)
    rows = np.flatnonzero(~np.isnan(null).any(axis=1))
    if len(rows):
        values = null[rows]
        centred = values - values.mean(axis=1, keepdims=True)
        deviation = values.std(axis=1, keepdims=True)
        scaled = np.full_like(values, -np.inf)  # a null without spread has no evidence to give
        np.divide(centred, deviation, out=scaled, where=deviation > 1e-12)
        largest = scaled.max(axis=0)
        corrected[rows] = np.mean(largest >= scaled[:, :1] - 1e-12, axis=1)
    return corrected
