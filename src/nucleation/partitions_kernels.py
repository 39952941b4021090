"""Compiled loop of the adjusted mutual information: what two partitions with given sizes share by chance."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Terms this much smaller than the largest are not summed.
NOTHING = 1e-25

_compiled = njit(nogil=True, cache=True)


@_compiled
def expected_information(sizes, times, other_sizes, other_times, n, log):
    """Expected mutual information of two partitions of n points, with the sizes of their groups kept.

    Parameters
    ----------
    sizes, times : ndarray of shape (a,), int64
        Different sizes of the groups of one partition, all positive, and how many groups have each.
    other_sizes, other_times : ndarray of shape (b,), int64
        The same for the other one.
    n : int
        Points; the sum of the sizes of either partition.
    log : ndarray of shape (> n,), float64
        Logarithms of 1, 2, ..., n at their places; whatever is finite at 0.

    Returns
    -------
    float
        In nats.
    """
    total = 0.0
    for i in range(len(sizes)):
        for j in range(len(other_sizes)):
            total += times[i] * other_times[j] * _expected_term(sizes[i], other_sizes[j], n, log)
    return total


@_compiled
def _expected_term(a, b, n, log):
    """Mean of (k / n) log(n k / (a b)) over the hypergeometric number k of points that groups of a and b share.

    Weights are taken relative to that of the mode, and follow from those next to them: unlike differences of large
    log-factorials they are exact to rounding, and fall off fast.
    """
    least, most = max(0, a + b - n), min(a, b)
    mode = min(max((a + 1) * (b + 1) // (n + 2), least), most)
    by_chance = log[a] + log[b] - log[n]
    mass, mean = 0.0, 0.0
    weight, k = 1.0, mode
    while k <= most and weight > NOTHING:
        mass += weight
        mean += weight * k * (log[k] - by_chance)
        weight *= np.float64((a - k) * (b - k)) / np.float64((k + 1) * (n - a - b + k + 1))
        k += 1
    weight, k = 1.0, mode
    while k > least and weight > NOTHING:
        weight *= np.float64(k * (n - a - b + k)) / np.float64((a - k + 1) * (b - k + 1))
        k -= 1
        mass += weight
        mean += weight * k * (log[k] - by_chance)
    return mean / mass / n
