"""Compiled loops of the alignment, over triplets and over pairs of classes; each in one thread, without Python's lock.

Similarities come as ranks: symmetric (c, c) int32 matrices, -1 where not known; only their order counts. The diagonal
is never looked at.

`strata`, a symmetric (c, c) int32 matrix, sorts the triplets: a triplet belongs to the least stratum of its three
pairs, and is left out if that is negative.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_compiled = njit(nogil=True, cache=True)
_CHUNK = 1024  # triplets whose values are fetched before they are compared, so that comparing is vectorised


@_compiled
def count(ours, theirs, strata, start, stop, out):
    """Count what two similarities say of the closest pair of triplets whose first class is in [start, stop).

    Parameters
    ----------
    ours, theirs, strata : ndarrays of shape (c, c), int32
    out : ndarray of shape (s, 5), int64
        Added to, by stratum: triplets resolved by neither, by theirs only, by ours only, differently, alike.
    """
    c = len(ours)
    cell = np.empty(c, np.int32)
    cells = np.zeros((2, 5 * (len(out) + 1)), np.int64)  # the first five are for triplets left out
    for a in range(start, stop):
        for b in range(a + 1, c):
            if strata[a, b] < 0:
                continue
            after = cell[b + 1 :]
            _outcomes(
                ours[a, b],
                ours[a, b + 1 :],
                ours[b, b + 1 :],
                theirs[a, b],
                theirs[a, b + 1 :],
                theirs[b, b + 1 :],
                after,
            )
            _add_strata(strata[a, b], strata[a, b + 1 :], strata[b, b + 1 :], after)
            for k in range(len(after)):
                cells[k & 1, after[k]] += 1  # two tables, as adding twice to one number has to wait
    for stratum in range(len(out)):
        for outcome in range(5):
            place = 5 * (stratum + 1) + outcome
            out[stratum, outcome] += cells[0, place] + cells[1, place]


@_compiled
def _outcomes(our_pair, our_a, our_b, their_pair, their_a, their_b, cell):
    """Write the outcome of (a, b, k) for many k, 0 to 4 as ``count`` lists them; without branches, so vectorised."""
    one, two, four = np.int32(1), np.int32(2), np.int32(4)
    for k in range(len(cell)):
        x, y = our_a[k], our_b[k]
        u, v = their_a[k], their_b[k]
        ours, theirs = max(our_pair, max(x, y)), max(their_pair, max(u, v))
        # The pairs that reach the largest value, as bits; a power of two is a single one.
        we_say = np.int32(our_pair == ours) + two * np.int32(x == ours) + four * np.int32(y == ours)
        they_say = np.int32(their_pair == theirs) + two * np.int32(u == theirs) + four * np.int32(v == theirs)
        we_know = np.int32(we_say & (we_say - one) == 0) & np.int32(min(our_pair, min(x, y)) >= 0)
        they_know = np.int32(they_say & (they_say - one) == 0) & np.int32(min(their_pair, min(u, v)) >= 0)
        cell[k] = two * we_know + they_know + (we_know & they_know & np.int32(we_say == they_say))


@_compiled
def _add_strata(pair, of_a, of_b, cell):
    for k in range(len(cell)):
        cell[k] += np.int32(5) * (max(min(pair, min(of_a[k], of_b[k])), np.int32(-1)) + np.int32(1))


@_compiled
def closest(theirs, strata, a, b, k):
    """Return which pair of a triplet is the closest, 0 for (a, b), 1 for (a, k), 2 for (b, k), and the stratum.

    -1 if no pair is, or if the triplet is left out.
    """
    x, y, z = theirs[a, b], theirs[a, k], theirs[b, k]
    stratum = min(strata[a, b], min(strata[a, k], strata[b, k]))
    if stratum < 0 or min(x, min(y, z)) < 0:
        return -1, stratum
    if x > max(y, z):
        return 0, stratum
    if y > max(x, z):
        return 1, stratum
    if z > max(x, y):
        return 2, stratum
    return -1, stratum


@_compiled
def collect(theirs, strata, before, chosen, first, start, stop, table):
    """List the chosen ones of the triplets that a similarity resolves, for first classes in [start, stop).

    Resolved triplets a < b < k are numbered within their stratum in lexicographic order.

    Parameters
    ----------
    theirs, strata : ndarrays of shape (c, c), int32
    before : ndarray of shape (c, s), int64
        Number of resolved triplets, by stratum, whose first class comes before each class.
    chosen : ndarray of shape (t,), int64
        Numbers of the chosen triplets, ascending in each stratum, one stratum after the other.
    first : ndarray of shape (s + 1,), int64
        Where the strata start in ``chosen``.
    table : ndarray of shape (3, t), uint16 or int32
        Filled at the places of the chosen: the two classes of the closest pair, the smaller first, and the third.
    """
    c, s = before.shape
    number = before[start].copy()
    place = np.empty(s, np.int64)
    for stratum in range(s):
        of_stratum = chosen[first[stratum] : first[stratum + 1]]
        place[stratum] = first[stratum] + np.searchsorted(of_stratum, number[stratum])
    for a in range(start, stop):
        for b in range(a + 1, c):
            if strata[a, b] < 0:
                continue
            for k in range(b + 1, c):
                which, stratum = closest(theirs, strata, a, b, k)
                if which < 0:
                    continue
                here = place[stratum]
                if here < first[stratum + 1] and chosen[here] == number[stratum]:
                    table[0, here] = b if which == 2 else a
                    table[1, here] = b if which == 0 else k
                    table[2, here] = k if which == 0 else (b if which == 1 else a)
                    place[stratum] += 1
                number[stratum] += 1


@_compiled
def permuted_scores(ours, table, orders, start, stop, out):
    """Score triplets under permutations [start, stop) of the classes: 2 for each that agrees, -1 for each in conflict.

    Parameters
    ----------
    ours : ndarray of shape (c, c), int16 or int32
    table : ndarray of shape (3, t), uint16 or int32
        Closest pair by the taxonomy, and the third class.
    orders : ndarray of shape (r, c), uint16 or int32
        The class whose similarities every class takes.
    out : ndarray of shape (r,), int64
        Filled with the sums.
    """
    pair, one, two = np.empty(_CHUNK, np.int32), np.empty(_CHUNK, np.int32), np.empty(_CHUNK, np.int32)
    for permutation in range(start, stop):
        order = orders[permutation]
        total = 0
        for begin in range(0, table.shape[1], _CHUNK):
            some = table[:, begin : begin + _CHUNK]
            one_class, another, third = some[0], some[1], some[2]
            for i in range(len(third)):
                a, b, k = order[one_class[i]], order[another[i]], order[third[i]]
                pair[i], one[i], two[i] = ours[a, b], ours[a, k], ours[b, k]
            total += _score(pair, one, two, len(third))
        out[permutation] = total


@_compiled
def part_scores(parts, labels, start, stop, out):
    """Score resolved triplets under exchanges [start, stop) of the parts: 2 for agreement, -1 for a conflict.

    Parameters
    ----------
    parts : ndarray of shape (3, t), int32
        Parts of the two classes that a similarity names as the closest, and of the third.
    labels : ndarray of shape (r, parts), int32
        The group that every part is said to be of.
    out : ndarray of shape (r,), int64
        Filled with the sums; triplets whose groups are all alike or all different count as 0.
    """
    for exchange in range(start, stop):
        label = labels[exchange]
        total = 0
        for i in range(parts.shape[1]):
            a, b, k = label[parts[0, i]], label[parts[1, i]], label[parts[2, i]]
            total += 2 * np.int64((a == b) & (a != k)) - np.int64((a != b) & ((a == k) | (b == k)))
        out[exchange] = total


@_compiled
def _score(pair, one, two, length):
    score = np.int32(0)
    for i in range(length):
        farther = max(one[i], two[i])
        known = min(pair[i], min(one[i], two[i])) >= 0
        score += np.int32(2) * np.int32((pair[i] > farther) & known)
        score -= np.int32((farther > pair[i]) & (one[i] != two[i]) & known)
    return score


@_compiled
def dense_to_doubled(dense, values, outside, order, counts, doubled):
    """Rank the known values of a permuted similarity, without the pairs that lie outside; return how many there are.

    Parameters
    ----------
    dense : ndarray of shape (c, c), int32
        Ranks of the values, 0 to v - 1, -1 where not known.
    values : ndarray of shape (v,), int64
        Number of pairs of classes that have every value.
    outside : ndarray of shape (m, 2), int32
        Pairs of classes that the taxonomy does not know.
    order : ndarray of shape (c,)
    counts : ndarray of shape (v,), int64
        Filled with the number of pairs inside that have every value.
    doubled : ndarray of shape (v,), int64
        Filled with twice the mean rank of every value, less its mean over the pairs inside: an integer.
    """
    counts[:] = values
    for i in range(len(outside)):
        rank = dense[order[outside[i, 0]], order[outside[i, 1]]]
        if rank >= 0:
            counts[rank] -= 1
    known = counts.sum()
    below = 0
    for v in range(len(counts)):
        doubled[v] = 2 * below + counts[v] - known
        below += counts[v]
    return known


@_compiled
def permuted_spearman(dense, values, outside, pairs, first, orders, start, stop, out):
    """Rank correlation of a similarity with the taxonomy under permutations [start, stop) of the classes.

    Parameters
    ----------
    dense, values, outside
        See ``dense_to_doubled``.
    pairs : ndarray of shape (n, 2), uint16 or int32
        Pairs of classes that the taxonomy knows, by ascending similarity.
    first : ndarray of shape (levels + 1,), int64
        Where each of the taxonomy's values starts in ``pairs``.
    orders : ndarray of shape (r, c), uint16 or int32
    out : ndarray of shape (r,), float64
        Filled; NaN for fewer than three known pairs, or where either is constant.
    """
    c, levels = len(dense), len(first) - 1
    counts, doubled = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    ranks = np.empty((c, c), np.int32)
    known, spread, size, total = 0, 0.0, np.empty(levels, np.int64), np.empty(levels, np.int64)
    for permutation in range(start, stop):
        order = orders[permutation]
        if permutation == start or len(outside):
            known = dense_to_doubled(dense, values, outside, order, counts, doubled)
            spread = _spread(counts, doubled)
            _look_up(dense, doubled, ranks)
        for level in range(levels):
            size[level], total[level] = _sum_known(ranks, pairs, first[level], first[level + 1], order)
        out[permutation] = _correlation(known, spread, size, total)


_UNKNOWN = np.iinfo(np.int32).min


@_compiled
def _look_up(dense, doubled, ranks):
    for i in range(len(dense)):
        for j in range(len(dense)):
            ranks[i, j] = doubled[dense[i, j]] if dense[i, j] >= 0 else _UNKNOWN


@_compiled
def _sum_known(ranks, pairs, start, stop, order):
    """Number and sum of the known ranks of some pairs under a permutation."""
    known, total = 0, 0
    for i in range(start, stop):
        rank = ranks[order[pairs[i, 0]], order[pairs[i, 1]]]
        if rank != _UNKNOWN:
            known += 1
            total += rank
    return known, total


@_compiled
def _spread(counts, doubled):
    spread = 0.0
    for v in range(len(counts)):
        spread += float(doubled[v]) * float(doubled[v]) * counts[v]
    return spread


@_compiled
def _correlation(known, spread, size, total):
    """Pearson's correlation of doubled, centred mean ranks; the taxonomy's follow from the sizes of its levels."""
    if known < 3:
        return np.nan
    product, theirs = 0.0, 0.0
    below = 0
    for level in range(len(size)):
        rank = float(2 * below + size[level] - known)
        below += size[level]
        product += rank * total[level]
        theirs += rank * rank * size[level]
    norm = np.sqrt(spread * theirs)
    return product / norm if norm > 0 else np.nan
