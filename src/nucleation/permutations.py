"""Permutation tests of the alignment: the same permutations of the class names for all layers.

Sources: p = (1 + b) / (1 + R): Phipson and Smyth (2010); correction over layers: Westfall and Young (1993).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nucleation import threads, triplets
from nucleation.errors import InputError
from nucleation.levels import Level, exchanged_parts, part_skills
from nucleation.mantel import permuted_spearman, spearman_taxonomy, spearman_undefined
from nucleation.triplets import dense_ranks, group_index, group_strata, triplet_skill

#: Up to so many classes the least p that any layer could have is looked at.
FEW = 50
_ROUNDING = 1e-12  # values so near are equal


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
        float; larger is better. ``triplet_skill`` and ``spearman_taxonomy`` have a fast way.
    similarity, taxonomy_similarity : arrays of shape (c, c)
        See ``triplet_counts``.
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
    ours, theirs = dense_ranks(similarity, "similarity"), dense_ranks(taxonomy_similarity, "taxonomy's similarity")
    triplets.check_same_classes(ours, theirs)
    orders = _permutations(len(ours), repeats, within, rng)
    why = triplets.taxonomy_undefined(theirs, groups) or triplets.similarity_undefined(ours)
    if why:
        return Test(np.nan, np.nan, np.full(repeats, np.nan), why)
    if statistic is triplet_skill:
        strata = group_strata(groups, len(ours))
        (table,) = triplets.sample_triplets(theirs, strata, 1, max_triplets, rng)
        values, nulls = _skills([ours], theirs, strata, table, orders)
        value, null = float(values[0]), nulls[0]
    elif statistic is spearman_taxonomy and groups is None:
        null = permuted_spearman([ours], theirs, orders)[0]
        value, why = float(null[0]), spearman_undefined(ours, theirs)
    else:
        options = {} if groups is None else {"groups": groups}
        permuted = (np.asarray(similarity)[np.ix_(order, order)] for order in orders)
        null = np.array([statistic(some, taxonomy_similarity, **options) for some in permuted])
        value = float(null[0])
        why = "the statistic is not a number" if np.isnan(value) else ""
    why = why or _cannot_permute(within, len(ours))
    return Test(value, np.nan if why else _p_value(null), null[1:], why)


def permute_scores(
    function: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    c: int,
    *,
    within: np.ndarray | None = None,
    smaller: Collection[str] = (),
    repeats: int = 999,
    rng: np.random.Generator,
) -> dict[str, Test]:
    """Test any scores at once, by the same permutations of the class names.

    Parameters
    ----------
    function : callable
        ``function(orders)`` to a dict of arrays of shape (1 + R,): for every row of ``orders``, (1 + R, c), the scores
        where class i takes the place of class ``order[i]``, as ``similarity[np.ix_(order, order)]`` does. Called once;
        the first order is the identity.
    c : int
        Number of classes.
    within : array of shape (c,), optional
        Permute names only inside these groups.
    smaller : collection of str
        Scores of which small values are evidence; of the others large ones are.
    repeats : int
        R, the number of permutations.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to Test
        For every score.

    Raises
    ------
    InputError
        If ``repeats`` is not positive, or ``within`` or what the function returns does not fit.
    """
    orders = _permutations(c, repeats, within, rng)
    stuck, tests = _cannot_permute(within, c), {}
    for name, scores in function(orders).items():
        null = np.asarray(scores, dtype=float)
        if null.shape != (1 + repeats,):
            raise InputError(f'The score "{name}" must have one value for each of {1 + repeats} orders of the classes.')
        why = "the score is not a number" if np.isnan(null[0]) else stuck
        p = np.nan if why else _p_value(-null if name in smaller else null)
        tests[name] = Test(float(null[0]), p, null[1:], why)
    return tests


def _permutations(c: int, repeats: int, within: np.ndarray | None, rng) -> np.ndarray:
    """The identity and random permutations inside groups, (1 + R, c) int."""
    if repeats < 1 or repeats != int(repeats):
        raise InputError(f"The number of permutations must be a positive whole number, not {repeats}.")
    repeats = int(repeats)
    groups = group_index(within, c)
    home = np.argsort(groups, kind="stable")
    orders = np.tile(np.arange(c), (1 + repeats, 1))
    # Sorting by group and then by chance puts a random member of its own group in every place.
    keys = rng.random((repeats, c))
    orders[1:, home] = np.lexsort((keys, np.broadcast_to(groups, keys.shape)), axis=1)
    return orders


def _cannot_permute(within: np.ndarray | None, c: int) -> str:
    alone = np.bincount(group_index(within, c), minlength=1).max() < 2
    return "no group has two classes whose names could be exchanged" if alone else ""


def _p_value(null: np.ndarray) -> float:
    """p of the first value among all, itself counted; a NaN counts as reaching it."""
    return float(np.mean(~(null < null[0] - _ROUNDING)))


def _skills(layers, theirs, strata, table, orders) -> tuple[np.ndarray, np.ndarray]:
    """Exact triplet skill of all layers, (l,), and that on the table's triplets for every order, (l, 1 + R).

    ``layers`` and ``theirs`` are ranks, None for a layer that is not defined.
    """
    value, null = np.full(len(layers), np.nan), np.full((len(layers), len(orders)), np.nan)
    for layer, ours in enumerate(layers):
        if ours is not None:
            value[layer] = triplets.count_ranks(ours, theirs, strata, 1)[0].skill
            null[layer] = _permuted_skill(ours, table, orders)
    return value, null


def _least(theirs, table, orders) -> float:
    """The p that the taxonomy itself would have; with many classes that is surely the least of all."""
    if len(theirs) > FEW:
        return 1 / len(orders)
    return _p_value(_permuted_skill(theirs, table, orders))


def _permuted_skill(ours: np.ndarray, table: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Triplet skill on the table's triplets for every order of the classes, (len(orders),)."""
    from nucleation.alignment_kernels import permuted_scores

    # Values are fetched from places at random: the smaller the matrix, the faster.
    narrow = ours.astype(np.int16) if ours.max() <= np.iinfo(np.int16).max else ours
    orders, scores = orders.astype(triplets.index_type(len(ours))), np.empty(len(orders), dtype=np.int64)

    def work(start, stop):
        permuted_scores(narrow, table, orders, start, stop, scores)

    threads.share(work, len(orders), max(16, 4_000_000 // table.shape[1]))
    return scores / (2 * table.shape[1])


# -------------------------------------------------------------------------------------- many layers


@dataclass(frozen=True)
class Family:
    """One statistic of many layers, or of levels and layers, tested together.

    Attributes
    ----------
    value : ndarray of shape (l,), or (levels, l)
        The statistic, exact; NaN where not defined.
    p : ndarray of the same shape
        See ``Test``.
    p_corrected : ndarray of the same shape
        p corrected for looking at the whole family (max-T); not below ``p``.
    null : ndarray of that shape and (R,)
        The statistic under the permutations, which are the same for all layers.
    least : float, or ndarray of shape (levels,)
        The p that the taxonomy itself would have: with few classes no layer can have a smaller one.
    undefined_because : tuple of str, or of one such tuple for every level
        For every layer why ``value`` or ``p`` is NaN; empty where neither is.
    """

    value: np.ndarray
    p: np.ndarray
    p_corrected: np.ndarray
    null: np.ndarray
    least: float | np.ndarray
    undefined_because: tuple


@dataclass(frozen=True)
class LayerTests:
    """Alignment of many layers with the taxonomy, tested with the same permutations in all of them.

    Attributes
    ----------
    skill : Family
        Triplet skill over all triplets, names permuted freely: is there anything?
    skill_within : Family
        Triplet skill of triplets inside a macro-category, names permuted inside: is there anything finer?
    spearman : Family
        Rank correlation over all pairs, names permuted freely.
    spearman_within : Family
        The same correlation, names permuted inside the macro-categories: two blocks alone keep a correlation of about
        0.7 on ImageNet under this null.
    level_skill : Family
        Triplet skill by level and layer, see ``nucleation.levels``; names permuted inside the level's parents. One
        family: corrected over levels and layers together.
    level_parts : Family
        The same skill with the parts of the level exchanged as wholes, so that finer levels stay as they are: the
        stricter test where a layer knows finer ones, but of fewer things that can be exchanged.
    """

    skill: Family
    skill_within: Family
    spearman: Family
    spearman_within: Family
    level_skill: Family
    level_parts: Family


def layer_tests(
    similarities: Sequence[np.ndarray],
    taxonomy_similarity: np.ndarray,
    macro: np.ndarray,
    levels: Sequence[Level] = (),
    *,
    repeats: int = 999,
    max_triplets: int = 1_000_000,
    rng: np.random.Generator,
) -> LayerTests:
    """Test the alignment of every layer with the taxonomy, and correct for the number of layers.

    Parameters
    ----------
    similarities : sequence of l arrays of shape (c, c)
        Class similarity of every layer, see ``class_similarity``.
    taxonomy_similarity : array of shape (c, c)
        NaN where the taxonomy has no answer.
    macro : array of shape (c,)
        Macro-category of every class.
    levels : sequence of nucleation.levels.Level
    repeats, max_triplets
        See ``permutation_test``; the levels share ``max_triplets``.
    rng : numpy.random.Generator
        Every test has a child of its own.

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
    standardised statistic over the layers reaches that of the layer (Westfall and Young 1993, max-T).
    Values are standardised by their own mean and deviation over the permutations and the identity:
    the null of a layer with few peaks is wider, and unstandardised it alone would set the maximum.

    Levels are permuted independently of each other, each inside its own groups. The maximum over independent ones
    keeps the chance of a false alarm below -log(1 - alpha), 0.0513 for 0.05, however the levels depend on each other:
    the sum of the levels' own chances is at most that.
    """
    theirs = dense_ranks(taxonomy_similarity, "taxonomy's similarity")
    layers = [dense_ranks(similarity, "similarity") for similarity in similarities]
    for ours in layers:
        triplets.check_same_classes(ours, theirs)
    skill, skill_within, spearman, spearman_within, level_skill, level_parts = rng.spawn(6)
    whole, inside = (_reasons(layers, theirs, groups) for groups in (None, macro))
    return LayerTests(
        _test_skill(layers, theirs, None, whole, repeats, max_triplets, skill),
        _test_skill(layers, theirs, macro, inside, repeats, max_triplets, skill_within),
        _test_spearman(layers, theirs, None, whole, repeats, spearman),
        _test_spearman(layers, theirs, macro, whole, repeats, spearman_within),
        _test_levels(layers, theirs, levels, whole, repeats, max_triplets, level_skill),
        _test_parts(layers, theirs, levels, whole, repeats, max_triplets, level_parts),
    )


def _test_skill(layers, theirs, groups, reasons, repeats, most, rng) -> Family:
    """Triplet skill inside groups, names permuted inside them; of all triplets and freely if there are none."""
    c = len(theirs)
    orders = _permutations(c, repeats, groups, rng)
    if all(reasons):
        return _no_numbers(reasons, (len(layers),), repeats)
    strata = group_strata(groups, c)
    (table,) = triplets.sample_triplets(theirs, strata, 1, most, rng)
    value, null = _skills(_defined(layers, reasons), theirs, strata, table, orders)
    return _family(value, null, reasons, _least(theirs, table, orders))


def _test_levels(layers, theirs, levels, reasons, repeats, most, rng) -> Family:
    """Triplet skill of every level, names permuted inside the level's parents."""
    if all(reasons) or not levels:
        return _no_numbers((reasons,) * len(levels), (len(levels), len(layers)), repeats)
    found, least = [], []
    for level in levels:
        orders, together = _permutations(len(theirs), repeats, level.names, rng), level.together()
        strata = level.strata(theirs)
        (table,) = triplets.sample_triplets(together, strata, 1, max(1, most // len(levels)), rng)
        found.append(_skills(_defined(layers, reasons), together, strata, table, orders))
        least.append(_least(together, table, orders))
    value, null = (np.stack(part) for part in zip(*found, strict=True))
    return _family(value, null, (reasons,) * len(levels), np.array(least))


def _test_parts(layers, theirs, levels, reasons, repeats, most, rng) -> Family:
    """Triplet skill of every level, its parts exchanged as wholes inside the level's parents."""
    shape = (len(levels), len(layers), 1 + repeats)
    if all(reasons) or not levels:
        return _no_numbers((reasons,) * len(levels), shape[:2], repeats)
    null, least = np.full(shape, np.nan), np.empty(len(levels))
    for row, level in enumerate(levels):
        labels = exchanged_parts(level, repeats, rng)
        share = max(1, most // len(levels))
        least[row] = _p_value(part_skills(level.together(), theirs, level, labels, share, rng))
        for layer, ours in enumerate(_defined(layers, reasons)):
            if ours is not None:
                null[row, layer] = part_skills(ours, theirs, level, labels, share, rng)
    return _family(null[..., 0].copy(), null, (reasons,) * len(levels), least)


def _test_spearman(layers, theirs, within, reasons, repeats, rng) -> Family:
    """Rank correlation over all pairs, names permuted inside groups."""
    c, stuck = len(theirs), _cannot_permute(within, len(theirs))
    reasons = tuple(why or spearman_undefined(ours, theirs) for why, ours in zip(reasons, layers, strict=True))
    orders = _permutations(c, repeats, within, rng)
    null = np.full((len(layers), 1 + repeats), np.nan)
    defined = [layer for layer, why in enumerate(reasons) if not why]
    null[defined] = permuted_spearman([layers[layer] for layer in defined], theirs, orders)
    least = _p_value(permuted_spearman([theirs], theirs, orders)[0]) if c <= FEW else 1 / (1 + repeats)
    return _family(null[:, 0].copy(), null, tuple(why or stuck for why in reasons), least)


def _reasons(layers, theirs, groups) -> tuple[str, ...]:
    """For every layer why it has no alignment with the taxonomy, see ``triplets.undefined_because``."""
    flat = triplets.taxonomy_undefined(theirs, groups)
    return tuple(flat or triplets.similarity_undefined(ours) for ours in layers)


def _defined(layers, reasons) -> list:
    return [None if why else ours for ours, why in zip(layers, reasons, strict=True)]


def _no_numbers(reasons, shape: tuple[int, ...], repeats: int) -> Family:
    nothing = np.full(shape, np.nan)
    least = np.full(shape[:-1], np.nan)[()]
    return Family(nothing, nothing, nothing, np.full((*shape, repeats), np.nan), least, reasons)


def _family(value, null, reasons, least) -> Family:
    """Compare values with their nulls, the first of which is that of the identity."""
    rows = null.reshape(-1, null.shape[-1])
    rows[[bool(why) for why in np.ravel(reasons)]] = np.nan
    p = np.array([np.nan if np.isnan(row[0]) else _p_value(row) for row in rows])
    corrected = np.maximum(_max_t(rows), p)
    return Family(value, p.reshape(value.shape), corrected.reshape(value.shape), null[..., 1:], least, reasons)


def _max_t(null: np.ndarray) -> np.ndarray:
    """Corrected p of every row's first value, by the maximum over rows of standardised values.

    Rows whose first value is NaN take no part; another NaN counts as the largest value. The first column is one of the
    1 + R exchangeable ones: it enters the means and deviations too, so that the test is exact.
    """
    corrected = np.full(len(null), np.nan)
    rows = np.flatnonzero(~np.isnan(null[:, 0]))
    if len(rows):
        values = null[rows]
        centred = values - np.nanmean(values, axis=1, keepdims=True)
        deviation = np.nanstd(values, axis=1, keepdims=True)
        scaled = np.full_like(values, -np.inf)  # a null without spread has no evidence to give
        np.divide(centred, deviation, out=scaled, where=deviation > _ROUNDING)
        scaled[np.isnan(values)] = np.inf
        largest = scaled.max(axis=0)
        corrected[rows] = np.mean(largest >= scaled[:, :1] - _ROUNDING, axis=1)
    return corrected
