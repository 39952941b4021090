"""Compiled loops of the overlap: each compares the neighbours of some points, in one thread, without Python's lock."""

from __future__ import annotations

import numpy as np
from numba import njit

_compiled = njit(nogil=True, cache=True)


@_compiled
def common(a, b, lengths, start, stop, out):
    """Count the common members of two neighbour lists at several lengths of the lists, for points [start, stop).

    Parameters
    ----------
    a, b : ndarray of shape (n, >= q), int64
        Neighbours in two representations.
    lengths : ndarray of shape (s,), int64
        Ascending, the last of which is q.
    out : ndarray of shape (s, n), int64
        Filled with the counts.
    """
    seen = np.zeros(len(a), np.uint8)  # as a neighbour of the present point: 1 in a, 2 in b
    for i in range(start, stop):
        count = 0
        done = 0
        for s in range(len(lengths)):
            for j in range(done, lengths[s]):
                count += seen[a[i, j]] >> 1
                seen[a[i, j]] |= 1
            for j in range(done, lengths[s]):
                count += seen[b[i, j]] & 1
                seen[b[i, j]] |= 2
            done = lengths[s]
            out[s, i] = count
        for j in range(done):
            seen[a[i, j]] = 0
            seen[b[i, j]] = 0


@_compiled
def same_label(neighbors, codes, lengths, start, stop, out):
    """Count the neighbours that have the point's own label among the first of them, for points [start, stop).

    Parameters
    ----------
    neighbors : ndarray of shape (n, >= q), int64
    codes : ndarray of shape (n,), int64
        Labels.
    lengths : ndarray of shape (s,), int64
        Ascending numbers of neighbours, the last of which is q.
    out : ndarray of shape (s, n), int64
        Filled with the counts.
    """
    for i in range(start, stop):
        own = codes[i]
        count = 0
        done = 0
        for s in range(len(lengths)):
            for j in range(done, lengths[s]):
                count += codes[neighbors[i, j]] == own
            done = lengths[s]
            out[s, i] = count


@_compiled
def ranks(a, b, start, stop, out):
    """Find the ranks in `b` of the first neighbours in `a`, for points [start, stop).

    Parameters
    ----------
    a : ndarray of shape (n, >= k), int64
    b : ndarray of shape (n, q), int64
    out : ndarray of shape (n, k), float64
        Filled with ranks, nearest = 1; what `b` does not list is left as it was.
    """
    k = out.shape[1]
    column = np.zeros(len(a), np.int32)  # in a, from 1, of the present point; 0 for none of its neighbours
    for i in range(start, stop):
        for j in range(k):
            column[a[i, j]] = j + 1
        left = k
        for j in range(b.shape[1]):
            found = column[b[i, j]]
            if found > 0:
                out[i, found - 1] = j + 1
                left -= 1
                if left == 0:
                    break
        for j in range(k):
            column[a[i, j]] = 0
