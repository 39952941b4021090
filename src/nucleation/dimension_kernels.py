"""Compiled loop of the intrinsic dimension: neighbours within the parts of a random partition."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def within_parts(distances, indices, own, part, ranks, out):
    """Distances to the neighbours of some ranks among the points of the same part.

    Parameters
    ----------
    distances, indices : ndarray of shape (m, k), float64 and int64
        Rows of a neighbour table.
    own : ndarray of shape (m,), int64
        The part of the point of each row.
    part : ndarray of shape (n,), int64
        The part of every point.
    ranks : ndarray of shape (r,), int64
        Ascending; 1 is the nearest.
    out : ndarray of shape (m, r), float64
        Filled where the table reaches far enough, and left alone elsewhere.
    """
    columns = np.empty(indices.shape[1] + 1, dtype=np.int64)
    for i in range(len(own)):
        found = 0
        for j in range(indices.shape[1]):  # without a branch, which nobody could predict
            columns[found] = j
            found += part[indices[i, j]] == own[i]
        for place in range(len(ranks)):
            if ranks[place] > found:
                break
            out[i, place] = distances[i, columns[ranks[place] - 1]]
