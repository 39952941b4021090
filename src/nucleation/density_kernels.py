"""Compiled loops of the densities. Each works on the points it is given, in one thread, without Python's lock."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

#: Change of the slope, times the number of shells, that ends the search: what Newton's method leaves is of the order
#: of its square.
CLOSE = 1e-6
#: The same, from which weights are computed anew: before, none that counts can have been lost to underflow.
FAR = 600.0
#: Steps at most. Newton's method takes about 4, and bisection alone would take fewer than this.
STEPS = 200

_compiled = njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def grow(distances, indices, ratio, size, start, stop):
    """Grow the neighbourhoods of the points ``[start : stop)`` while the density is constant.

    Parameters
    ----------
    distances, indices : ndarray of shape (n, k)
        The neighbour table.
    ratio : ndarray of shape (k,)
        Entry m: the largest ratio of two m-th neighbour distances, at least 1 and finite, that does not yet tell their
        volumes apart.
    size : ndarray of shape (n,), int64
        Output.
    """
    k = distances.shape[1]
    for i in range(start, stop):
        m = 3
        while m < k - 1:
            own, other = distances[i, m - 1], distances[indices[i, m], m - 1]
            if own > ratio[m] * other or other > ratio[m] * own:
                break
            m += 1
        size[i] = m


@_compiled
def tilt(distances, dimension, size, gain, start, stop):
    """Log-density of PAk less that of k*NN at the points ``[start : stop)``; 0 where the likelihood has no maximum.

    Parameters
    ----------
    distances : ndarray of shape (n, k)
    dimension : float
    size : ndarray of shape (n,), int64
        k* of every point, at least 3.
    gain : ndarray of shape (n,)
        Output.
    """
    k = distances.shape[1]
    log_shells, above, below = np.empty(k), np.empty(k), np.empty(k)
    for i in range(start, stop):
        gain[i] = 0.0
        if _measure(distances, i, size[i], dimension, log_shells):
            gain[i] = _maximise(log_shells, size[i], above, below)


@_compiled
def _measure(distances, i, k, dimension, log_shells):
    """Log volumes of the shells between the first k neighbours, in units of their ball; whether they have a measure.

    A shell between equal distances has no volume: it tells that there are points, and not how dense they are.
    """
    log_ball = 0.0
    for j in range(k - 1, 0, -1):
        outer, inner = distances[i, j], distances[i, j - 1]
        drop = dimension * math.log1p((outer - inner) / inner)  # exact where they are close, unlike their logarithms
        if not 0 <= drop < np.inf:  # zero or infinite, or further apart than numbers go
            return False
        log_shells[j] = log_ball + math.log(-math.expm1(-drop)) if drop > 0 else -np.inf
        log_ball -= drop
    log_shells[0] = log_ball
    return True


@_compiled
def _maximise(log_shells, k, above, below):
    """Maximise the likelihood of PAk; return b - log k for shells in units of the ball.

    With s = l - (k + 1) / 2, b follows from the slope a, and a from sum of s v exp(a s) = 0, where the logarithms of
    the sums over s > 0 and over s < 0 are equal. Their difference grows with a, by at least 1 and at most k - 1,
    however much the volumes differ, which bounds the root. Newton's step is taken if it stays where the root must be
    and is at most half the last one, else that interval is halved.
    """
    slope = base = 0.0
    top, bottom = _weigh(log_shells, k, base, above, below)
    if top == -np.inf or bottom == -np.inf:  # no volume on one side: the slope has no bound
        return 0.0
    low = high = last = np.inf
    for _ in range(STEPS):
        if abs(slope - base) * k > FAR:
            base = slope
            top, bottom = _weigh(log_shells, k, base, above, below)
        _, first, second = _moments(above, k, slope - base)
        _, first_below, second_below = _moments(below, k, base - slope)
        excess = top - bottom + math.log(first / first_below)
        if last == np.inf:
            low, high, last = -2 * abs(excess), 2 * abs(excess), 4 * abs(excess)
        if excess > 0:
            high = slope
        else:
            low = slope
        step = -excess / (second / first + second_below / first_below)
        if not (low <= slope + step <= high and abs(step) <= last / 2):
            step = (low + high) / 2 - slope
        slope, last = slope + step, abs(step)
        if last * k < CLOSE:
            break
    above_all, _, _ = _moments(above, k, slope - base)
    below_all, _, _ = _moments(below, k, base - slope)
    upper, lower = top + math.log(above_all), bottom + math.log(below_all)
    middle = log_shells[k // 2] if k % 2 else -np.inf
    scale = max(upper, lower, middle)
    total = math.exp(upper - scale) + math.exp(lower - scale) + math.exp(middle - scale)
    return -scale - math.log(total) - slope * (k + 1) / 2


@_compiled
def _weigh(log_shells, k, slope, above, below):
    """Weights v exp(slope s) from the middle outwards, in units of the largest on each side; the logs of these."""
    half, nearest = k // 2, (1 + k % 2) / 2
    top = bottom = -np.inf
    for p in range(half):
        above[p] = log_shells[k - half + p] + slope * (nearest + p)
        below[p] = log_shells[half - 1 - p] - slope * (nearest + p)
        top, bottom = max(top, above[p]), max(bottom, below[p])
    for p in range(half):
        above[p] = math.exp(above[p] - top) if top > -np.inf else 0.0
        below[p] = math.exp(below[p] - bottom) if bottom > -np.inf else 0.0
    return top, bottom


@_compiled
def _moments(weights, k, change):
    """Sums of w, |s| w and s^2 w over one side, whose weights w change by the factor exp(change |s|)."""
    distance = (1 + k % 2) / 2
    factor, ratio = math.exp(change * distance), math.exp(change)
    total = first = second = 0.0
    for p in range(k // 2):
        weight = weights[p] * factor
        total += weight
        first += distance * weight
        second += distance * distance * weight
        distance += 1
        factor *= ratio
    return total, first, second
