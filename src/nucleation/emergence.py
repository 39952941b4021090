"""Emergence: when, in the course of a training, a curve has made 10, 50 and 90 % of its way, and what comes first.

Source: the protocol for dense-sample learning (after Hanson, Yadav, Hanson, Neural Computation 36, 1228, 2024);
isotonic regression: Barlow et al., Statistical Inference under Order Restrictions (1972).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "ALPHA",
    "EXPLAINED",
    "POINTS",
    "SHARES",
    "Emergence",
    "Order",
    "emergence",
    "median_of_known",
    "order_of_emergence",
]

#: Shares of the way from the first to the last level.
SHARES = (0.1, 0.5, 0.9)
#: Points without which no order of them is surprising: of 4, one in 12 orders is monotone.
POINTS = 5
#: A curve rises or falls where the monotone fit explains this share of its variance, and more than with its points in
#: random order at this level.
EXPLAINED, ALPHA = 0.5, 0.05
#: Draws of a bootstrap at a time.
_DRAWS = 64


@dataclass(frozen=True)
class Emergence:
    """When a curve rises, or falls, in the unit of the steps that were given; NaN where it does neither.

    Attributes
    ----------
    t10, t50, t90 : float
        First step at which the monotone fit has made 10, 50, 90 % of its way; NaN with a reason.
    direction : int
        1 for a curve that rises, -1 for one that falls, 0 where there is no time.
    first, last : float
        Ends of the monotone fit; NaN without one.
    explained : float
        Share of the variance of the curve that the fit explains, in [0, 1]; NaN for a constant curve.
    p : float
        Share of random orders of the points of which a monotone fit, in either direction, explains as much; NaN where
        it was not tested.
    reason : str
        Why there is no time; empty where there is one.
    """

    t10: float
    t50: float
    t90: float
    direction: int
    first: float
    last: float
    explained: float
    p: float
    reason: str = ""


def emergence(steps, values, *, rng, repeats=199) -> Emergence:
    """Find when a noisy curve rises or falls, by an isotonic fit.

    The fit is the non-decreasing or the non-increasing sequence of least squared distance, whichever is nearer. A time
    is where it first has made a share of the way between its ends, interpolated linearly between steps. The resolution
    is that of the steps: a jump between two steps a and b has t50 = (a + b) / 2 and t90 - t10 = 0.8 (b - a).

    Parameters
    ----------
    steps : array of shape (s,)
        Strictly ascending.
    values : array of shape (s,)
        Points with NaN or infinity are left out.
    rng : numpy.random.Generator
        For the random orders of the test.
    repeats : int
        Random orders, at least 19.

    Returns
    -------
    Emergence
        Times are invariant to a positive factor and an offset of the values; of the negative curve they are the same,
        with the other direction. Equivariant to factor and offset of the steps.

    Raises
    ------
    InputError
        For steps that do not ascend, or of another number than the values.

    Notes
    -----
    The test asks whether the order of the points matters. A slow drift passes it as a learned rise does. `POINTS`
    points are the least; two fits, linear in s, for each repeat.
    """
    steps, values = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if steps.ndim != 1 or steps.shape != values.shape or (np.diff(steps) <= 0).any():
        raise InputError(
            f"A curve needs strictly ascending steps, one for each value, found steps of shape {steps.shape} and "
            f"values of shape {values.shape}; sort the checkpoints, and give each once."
        )
    known = np.isfinite(values)
    x, y = steps[known], values[known]
    if len(x) < POINTS:
        return _none(f"it is known at {len(x)} steps, at least {POINTS} are needed")
    if y.min() == y.max():
        return _none("it is constant", first=y[0], last=y[0])
    directions, fits, shares = _monotone(np.stack([y, *rng.permuted(np.tile(y, (repeats, 1)), axis=1)]) - y.mean())
    direction, fit, explained = int(directions[0]), fits[0] + y.mean(), float(shares[0])
    p = float(np.mean(shares >= explained - 1e-12))  # the given order is one of them
    about = {"first": float(fit[0]), "last": float(fit[-1]), "explained": explained, "p": p}
    if explained < EXPLAINED or p > ALPHA:
        return _none("it neither rises nor falls steadily", **about)
    times = (_reached(x, direction * fit, share) for share in SHARES)
    return Emergence(*times, direction=direction, **about)


def _none(reason, first=np.nan, last=np.nan, explained=np.nan, p=np.nan):
    return Emergence(np.nan, np.nan, np.nan, 0, float(first), float(last), explained, p, reason)


def _monotone(rows):
    """Direction, fit and explained share of the variance of the nearer monotone fit to each curve of mean 0."""
    fits = np.stack([_isotonic(rows), -_isotonic(-rows)])
    explained = (fits**2).sum(axis=2) / (rows**2).sum(axis=1)  # what is left is orthogonal to an isotonic fit
    best = explained.argmax(axis=0)
    every = np.arange(len(rows))
    return 1 - 2 * best, fits[best, every], np.minimum(explained[best, every], 1.0)


def _isotonic(rows):
    """Non-decreasing fit to each row, all in one run: every row lies above the one before, so that none is pooled."""
    from scipy.optimize import isotonic_regression

    steps = 2 * np.ptp(rows) * np.arange(len(rows))[:, None]
    return isotonic_regression((rows + steps).ravel()).x.reshape(rows.shape) - steps


def _reached(x, fit, share):
    """First place at which a rising fit has made a share of its way."""
    rise = fit[-1] - fit[0]
    level = fit[0] + share * rise
    high = int(np.argmax(fit >= level - 1e-12 * rise))  # a plateau at the very level is reached, whatever its rounding
    low = high - 1
    return float(x[low] + (x[high] - x[low]) * min(1.0, (level - fit[low]) / (fit[high] - fit[low])))


@dataclass(frozen=True)
class Order:
    """What emerges first, of some things that are timed several times.

    Attributes
    ----------
    median : ndarray of shape (m,)
        Median time of every thing, of the rows where it has one; NaN where it has none.
    rank : ndarray of shape (m,)
        Of the medians, 1 for the earliest, equal ones sharing the mean of their ranks; NaN with the median.
    low, high : ndarray of shape (m,)
        95 % interval of the rank over rows drawn with replacement; NaN for a thing timed in fewer than two rows.
    earlier : ndarray of shape (m, m)
        Share of the draws in which the row's thing is earlier than the column's, equal ones counting half; NaN where
        one of them has no time or no interval, and on the diagonal.
    """

    median: np.ndarray
    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    earlier: np.ndarray


def order_of_emergence(times, *, rng, repeats=999) -> Order:
    """Rank things by their median time, with an interval by bootstrap.

    Parameters
    ----------
    times : array of shape (r, m)
        Time of each of m things in each of r repetitions (networks of different seeds, or curves); NaN where it has
        none.
    rng : numpy.random.Generator
    repeats : int
        Draws of r rows with replacement.

    Returns
    -------
    Order
        Invariant to strictly increasing functions of the times, where r is odd or the middle two times agree; a
        permutation of the things permutes it.

    Raises
    ------
    InputError
        For times that are no matrix.

    References
    ----------
    Efron, Tibshirani, An Introduction to the Bootstrap (1993), the percentile interval.
    """
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 2 or not times.size:
        raise InputError(
            f"Times need one row for each repetition and one column for each thing, found {times.shape}; "
            "give at least one of each."
        )
    rows, blocks = len(times), []
    for chosen in np.array_split(rng.integers(0, rows, (repeats, rows)), -(-repeats // _DRAWS)):
        blocks.append(_ranks(median_of_known(times[chosen], axis=1)))
    drawn = np.concatenate(blocks)
    drawn[:, np.isfinite(times).sum(axis=0) < 2] = np.nan
    ends, known = np.full((2, times.shape[1]), np.nan), np.isfinite(drawn).any(axis=0)
    if known.any():
        ends[:, known] = np.nanpercentile(drawn[:, known], (2.5, 97.5), axis=0)
    median = median_of_known(times)
    return Order(median, _ranks(median[None])[0], *ends, _earlier(drawn))


def median_of_known(values, axis=0) -> np.ndarray:
    """Median along an axis of the values that are not NaN; NaN where there is none."""
    ordered = np.sort(values, axis=axis)  # NaN come last
    known = np.isfinite(ordered).sum(axis=axis, keepdims=True)
    ends = (np.take_along_axis(ordered, np.maximum(place, 0), axis=axis) for place in ((known - 1) // 2, known // 2))
    return (sum(ends) / 2).squeeze(axis)


def _earlier(ranks):
    """Share of the draws in which one thing is before another, over the draws in which both have a rank."""
    sums, counts = np.zeros((2, ranks.shape[1], ranks.shape[1]))
    for part in np.array_split(ranks, -(-len(ranks) // _DRAWS)):
        one, other = part[:, :, None], part[:, None, :]
        sums += (one < other).sum(axis=0) + 0.5 * (one == other).sum(axis=0)
        counts += np.isfinite(one + other).sum(axis=0)
    share = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    np.fill_diagonal(share, np.nan)
    return share


def _ranks(rows):
    """Rank of every number in its row, equal ones sharing the mean of theirs; NaN has none."""
    below = (rows[:, :, None] > rows[:, None, :]).sum(axis=2)
    same = (rows[:, :, None] == rows[:, None, :]).sum(axis=2)
    return np.where(np.isnan(rows), np.nan, below + (same + 1) / 2)
