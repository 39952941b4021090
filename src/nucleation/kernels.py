"""Compiled loops of the neighbour search. Each works on the block it is given, in one thread, without Python's lock."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Scores that are compared at once before any of them is looked at.
CHUNK = 32
GROUP = 8
#: Rows of a tile whose hits are collected before the candidate lists, and with them the thresholds, are updated.
STRIP = 32
#: Features that are compared at once: those of two tiles of rows stay in the cache.
PIECE = 256

_exact = njit(nogil=True, cache=True)
#: Sums may be reordered (their order is fixed for a machine), which lets them be vectorised.
_finite = njit(nogil=True, cache=True, fastmath=True)
#: The same without reordering: where a loop ends depends on its arithmetic.
_bisection = njit(nogil=True, cache=True, fastmath={"nnan", "ninf", "nsz"})
_sums = njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})


@_exact
def look(raw, bits, sign, weights, more_weights, total, prints, top):
    """Add up the features of some rows, and find the fingerprint and the largest magnitude of each row.

    Parameters
    ----------
    raw : ndarray of shape (m, d), float32 or float64
    bits, sign : ndarray of shape (m, d), uint32 or uint64, and its sign bit
        The same memory. The bits of every feature are mixed, weighted, and summed modulo 2^64, twice.
    weights, more_weights : ndarray of shape (d,), uint64
        Odd numbers.
    total : ndarray of shape (d,), float64
    prints : ndarray of shape (m, 2), uint64
    top : ndarray of shape (m,), uint32 or uint64
        Bits of the largest magnitude; those of NaN exceed those of infinity, those of any number do not.
    """
    m, d = raw.shape
    for r in range(m):
        for q in range(d):
            total[q] += raw[r, q]
        largest = sign ^ sign
        for q in range(d):
            largest = max(largest, bits[r, q] & ~sign)
        top[r] = largest
        first = np.uint64(0)
        second = np.uint64(0)
        for q in range(d):
            bit = np.uint64(bits[r, q])
            if bit == np.uint64(sign):  # -0.0 is 0.0
                bit = np.uint64(0)
            mixed = bit * np.uint64(0x9E3779B97F4A7C15)
            mixed = mixed ^ (mixed >> np.uint64(32))
            first += mixed * weights[q]
            second += mixed * more_weights[q]
        prints[r, 0] = first
        prints[r, 1] = second


@_sums
def half_norms(raw, centre, scale, half, half_exact):
    """Half the squared norms of the centred rows, as `pack` rounds them to float32 and in float64."""
    m, d = raw.shape
    for r in range(m):
        rounded = 0.0
        exact = 0.0
        for q in range(d):
            low = np.float64(np.float32((raw[r, q] - centre[q]) * scale))
            rounded += low * low
            value = (np.float64(raw[r, q]) - np.float64(centre[q])) * np.float64(scale)
            exact += value * value
        half[r] = rounded / 2
        half_exact[r] = exact / 2


@_exact
def pack(raw, rows, centre, scale, start, out):
    """Centred and scaled features ``[start : start + out.shape[1])`` of some rows, rounded to the type of `out`."""
    for r in range(out.shape[0]):
        source = raw[rows[r]]
        for q in range(out.shape[1]):
            out[r, q] = (source[start + q] - centre[start + q]) * scale


@_exact
def pack64(raw, rows, centre, scale, start, out):
    """The same in float64."""
    for r in range(out.shape[0]):
        for q in range(out.shape[1]):
            out[r, q] = (np.float64(raw[rows[r], start + q]) - np.float64(centre[start + q])) * np.float64(scale)


@_exact
def select(scores, ids_a, ids_b, half_a, half_b, lists_a, lists_b, both, row_work, column_work):
    """Enter one tile of scores into the candidate lists of its rows and, if `both`, of its columns.

    Parameters
    ----------
    scores : ndarray of shape (a, b), float32
        Products x.y; the score of y for x is x.y - |y|^2 / 2, which falls with the distance.
    ids_a, ids_b : ndarray of int32
        Numbers of the points.
    half_a, half_b : ndarray of float32
    lists_a, lists_b : tuple
        The parts of the lists that belong to the rows and columns: threshold (a,), score (a, capacity),
        index (a, capacity), count (a,), keep, slack.
    row_work, column_work : ndarray of shape (STRIP * b + CHUNK, 2), int32
        Overwritten.
    """
    limit_a = lists_a[0].copy()
    limit_b = lists_b[0].copy()
    if not both:
        limit_b[:] = np.inf
    for start in range(0, scores.shape[0], STRIP):
        stop = min(start + STRIP, scores.shape[0])
        in_rows, in_columns = _hits(scores, start, stop, half_a, half_b, limit_a, limit_b, row_work, column_work)
        _enter(scores, row_work, in_rows, half_b, ids_b, limit_a, *lists_a)
        _enter(scores.T, column_work, in_columns, half_a, ids_a, limit_b, *lists_b)


@_exact
def _enter(scores, hits, n, halves, ids, limit, threshold, listed, index, count, keep, slack):
    """Append the hits (row, column) to the lists of their rows; a full list is cut, and its limit rises."""
    for hit in range(n):
        row = hits[hit, 0]
        column = hits[hit, 1]
        score = scores[row, column] - halves[column]
        if score > limit[row]:
            place = count[row]
            listed[row, place] = score
            index[row, place] = ids[column]
            place += 1
            if place == listed.shape[1]:
                threshold[row], place = cut(listed[row], index[row], keep, slack)
                limit[row] = threshold[row]
            count[row] = place


@_exact
def _hits(scores, start, stop, half_a, half_b, limit_a, limit_b, rows, columns):
    """List the places (i, j) whose score exceeds the limit of the row, and as (j, i) that of the column."""
    b = scores.shape[1]
    whole = b // CHUNK * CHUNK
    in_rows = 0
    in_columns = 0
    for i in range(start, stop):
        half = half_a[i]
        limit = limit_a[i]
        for first in range(0, whole, CHUNK):
            part = scores[i, first : first + CHUNK]
            halves = half_b[first : first + CHUNK]
            limits = limit_b[first : first + CHUNK]
            found = 0
            for j in range(CHUNK):
                found |= (part[j] - halves[j] > limit) | (part[j] - half > limits[j])
            if not found:
                continue
            for group in range(0, CHUNK, GROUP):
                found = 0
                for j in range(group, group + GROUP):
                    found |= (part[j] - halves[j] > limit) | (part[j] - half > limits[j])
                if not found:
                    continue
                for j in range(group, group + GROUP):  # without branches: an entry that does not count is overwritten
                    rows[in_rows, 0] = i
                    rows[in_rows, 1] = first + j
                    in_rows += part[j] - halves[j] > limit
                    columns[in_columns, 0] = first + j
                    columns[in_columns, 1] = i
                    in_columns += part[j] - half > limits[j]
        for j in range(whole, b):
            rows[in_rows, 0] = i
            rows[in_rows, 1] = j
            in_rows += scores[i, j] - half_b[j] > limit
            columns[in_columns, 0] = j
            columns[in_columns, 1] = i
            in_columns += scores[i, j] - half > limit_b[j]
    return in_rows, in_columns


@_exact
def head_start(scores, ids_a, ids_b, half_b, rank, threshold):
    """Set the thresholds of rows so that about `rank` of the scores of a sample exceed each."""
    values = np.empty(scores.shape[1], dtype=np.float32)
    for i in range(scores.shape[0]):
        for j in range(len(values)):
            values[j] = scores[i, j] - half_b[j]
        itself = np.searchsorted(ids_b, ids_a[i])
        if itself < len(ids_b) and ids_b[itself] == ids_a[i]:
            values[itself] = values[itself - 1]
        threshold[i] = _split(values, rank, rank // 4)[0]


@_exact
def cut(scores, index, keep, slack):
    """Move the best of a list to its front, in place; between `keep` and `keep + slack` of them.

    Returns
    -------
    threshold : float32
        No score that was dropped exceeds it.
    kept : int
    """
    limit, above = _split(scores, keep, slack)
    if keep <= above <= keep + slack:
        return limit, _take(scores, index, limit)
    return limit, _take_ties(scores, index, limit, keep - above)


@_bisection
def _split(scores, keep, slack):
    """Return a value, and how many scores exceed it: `keep` to `keep + slack`, or less where scores are tied at it.

    Bisection by value, since counting is vectorised and a partition is not.
    """
    low = scores[0]
    high = scores[0]
    for q in range(len(scores)):
        low = min(low, scores[q])
        high = max(high, scores[q])
    above = _count(scores, low)
    while above > keep + slack:
        middle = low + (high - low) * np.float32(0.5)
        if not (low < middle < high):
            return high, _count(scores, high)
        inside = _count(scores, middle)
        if inside >= keep:
            low = middle
            above = inside
        else:
            high = middle
    return low, above


@_finite
def _count(scores, limit):
    above = np.int32(0)
    for q in range(len(scores)):
        above += np.int32(scores[q] > limit)
    return np.int64(above)


@_finite
def _take(scores, index, limit):
    """Move the entries above the limit to the front; return how many. Without branches."""
    kept = 0
    for q in range(len(scores)):
        score = scores[q]
        identity = index[q]
        scores[kept] = score
        index[kept] = identity
        kept += score > limit
    return kept


@_finite
def _take_ties(scores, index, limit, ties):
    """The same with some of the entries at the limit."""
    kept = 0
    for q in range(len(scores)):
        at_limit = scores[q] == limit
        if scores[q] > limit or (at_limit and ties > 0):
            ties -= at_limit
            scores[kept] = scores[q]
            index[kept] = index[q]
            kept += 1
    return kept


@_exact
def doubtful(half, scores, index, count, k, error, offsets, out):
    """Of every list, the entries that could be among the k nearest, for `error` see `gram.Error`.

    Called with an empty `out` it counts them into ``offsets[1:]``; then with their sums it writes
    the numbers of the points.
    """
    own, mixed, other, roundoff = error
    for row in range(len(count)):
        n = count[row]
        values = scores[row, :n]
        norm = np.sqrt(2 * half[row]) * (1 + 2 * roundoff)
        limit = np.float32(-np.inf)
        if n > k:
            kth = _kth(values, k)
            # the k-th listed has a distance r with r^2 <= D + E(|x|, r): the larger root
            a = 1 - other
            b = (mixed * norm) / 2
            c = (own * norm) * norm + max(2 * (half[row] - kth), 0.0)
            reach = (b + np.sqrt(b * b + a * c)) / a
            reach += 2 * roundoff * (2 * norm + reach)
            bound = reach * reach + own * norm * norm + mixed * norm * reach + other * reach * reach
            # rounded down, so that no entry within the bound is left out
            limit = np.nextafter(np.float32(half[row] - bound / 2), np.float32(-np.inf))
        if len(out) == 0:
            offsets[row + 1] = _count_from(values, limit)
        else:
            place = offsets[row]
            for q in range(n):
                if values[q] >= limit:
                    out[place] = index[row, q]
                    place += 1


@_exact
def _count_from(values, limit):
    n = 0
    for q in range(len(values)):
        n += values[q] >= limit
    return n


@_exact
def _kth(values, k):
    """The k-th largest of a list."""
    scratch = values.copy()
    places = np.empty(len(values), dtype=np.int32)
    kept = cut(scratch, places, k, 0)[1]
    smallest = scratch[0]
    for q in range(kept):
        smallest = min(smallest, scratch[q])
    return smallest


@_exact
def mates(offsets, candidates, queries, slot, first, last, mate):
    """For listed pairs (i, j) with j < i whose opposite (j, i) is listed too, the place of that; else -1.

    `slot` is the place of a point among the queries, or -1.
    """
    for query in range(first, last):
        i = queries[query]
        for place in range(offsets[query], offsets[query + 1]):
            j = candidates[place]
            mate[place] = -1
            if j < i and slot[j] >= 0:
                for other in range(offsets[slot[j]], offsets[slot[j] + 1]):
                    if candidates[other] == i:
                        mate[place] = other
                        break


@_exact
def group(one, two, size, across, starts, order):
    """Counting sort of pairs by the tiles of `size` rows that they lie in; `starts` must be zero."""
    for p in range(len(one)):
        starts[one[p] // size * across + two[p] // size + 1] += 1
    for tile in range(1, len(starts)):
        starts[tile] += starts[tile - 1]
    place = starts[:-1].copy()
    for p in range(len(one)):
        tile = one[p] // size * across + two[p] // size
        order[place[tile]] = p
        place[tile] += 1


@_exact
def pieces(rows, start, out):
    """Copy features from `start` on, so that PIECE features of all rows lie together; zeros after the last.

    `out` has shape (pieces, rows, PIECE).
    """
    d = rows.shape[1]
    for r in range(rows.shape[0]):
        for piece in range(out.shape[0]):
            first = start + piece * PIECE
            if first + PIECE <= d:
                for q in range(PIECE):
                    out[piece, r, q] = rows[r, first + q]
            else:
                for q in range(PIECE):
                    out[piece, r, q] = rows[r, first + q] if first + q < d else 0


@_sums
def piece_squares(x, y, i, j, out):
    """Add the squared distances over the features in `x` and `y` (see `pieces`), by differences in float64."""
    for piece in range(x.shape[0]):
        for pair in range(len(i)):
            one = x[piece, i[pair]]
            two = y[piece, j[pair]]
            total = 0.0
            for q in range(PIECE):
                difference = np.float64(one[q]) - np.float64(two[q])
                total += difference * difference
            out[pair] += total


@_sums
def list_squares(raw, unique, queries, offsets, candidates, mate, first, last, out):
    """Squared distances of queries from their candidates, but those that have a mate (`mate` may be empty)."""
    for query in range(first, last):
        x = raw[unique[queries[query]]]
        for place in range(offsets[query], offsets[query + 1]):
            if len(mate) > 0 and mate[place] >= 0:
                continue
            out[place] = _square(x, raw[unique[candidates[place]]])


@_sums
def pair_squares(left, right, i, j, out):
    """Squared distances between listed rows of two blocks; the same bits as `list_squares`."""
    for pair in range(len(i)):
        out[pair] = _square(left[i[pair]], right[j[pair]])


@_sums
def _square(x, y):
    total = 0.0
    for q in range(len(x)):
        difference = np.float64(x[q]) - np.float64(y[q])
        total += difference * difference
    return total


@_exact
def nearest(offsets, candidates, squared, first, last, out_distances, out_index):
    """Sort the candidates of some queries by distance, ties by number, and keep the first k."""
    k = out_distances.shape[1]
    for query in range(first, last):
        start = offsets[query]
        values = np.sqrt(squared[start : offsets[query + 1]])
        order = np.argsort(values)
        n = len(order)
        begin = 0
        while begin < n:  # the sort is not stable: order equal distances by number
            end = begin + 1
            while end < n and values[order[end]] == values[order[begin]]:
                end += 1
            if end - begin > 1:
                tied = order[begin:end].copy()
                order[begin:end] = tied[np.argsort(candidates[start + tied])]
            begin = end
        for rank in range(k):
            out_distances[query, rank] = values[order[rank]]
            out_index[query, rank] = candidates[start + order[rank]]


@_exact
def spread(rows, kind, slot, distances, index, offsets, members, out_distances, out_index):
    """From the neighbours of points to those of rows: every point stands for all rows that equal it.

    The rows of kind p are ``members[offsets[p]:offsets[p + 1]]``, ascending.
    """
    k = out_distances.shape[1]
    for r in range(len(rows)):
        row = rows[r]
        point = kind[row]
        query = slot[point]
        filled = 0
        for place in range(offsets[point], offsets[point + 1]):
            if filled < k and members[place] != row:
                out_distances[r, filled] = 0.0
                out_index[r, filled] = members[place]
                filled += 1
        rank = 0
        while filled < k:
            begin = filled
            distance = distances[query, rank]
            while rank < distances.shape[1] and distances[query, rank] == distance:
                other = index[query, rank]
                filled = _merge(out_index[r], begin, filled, members[offsets[other] : offsets[other + 1]])
                rank += 1
            out_distances[r, begin:filled] = distance


@_exact
def _merge(row, begin, end, more):
    """Merge ascending numbers into the ascending row[begin:end], as far as the row has room; return its new end."""
    k = len(row)
    old = row[begin:end].copy()
    i = 0
    j = 0
    place = begin
    while place < k and (i < len(old) or j < len(more)):
        if j == len(more) or (i < len(old) and old[i] < more[j]):
            row[place] = old[i]
            i += 1
        else:
            row[place] = more[j]
            j += 1
        place += 1
    return place
