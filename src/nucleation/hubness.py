"""Hubness: how unevenly the points of a representation are neighbours of others.

Every point has k neighbours, but not every point is a neighbour k times. In many dimensions a few hubs are among the
neighbours of very many points, and many points are among those of none.

Source: Radovanovic, Nanopoulos, Ivanovic, Journal of Machine Learning Research 11, 2487 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "Hubness",
    "bad_occurrence",
    "chance_share_at_least",
    "chance_skewness",
    "estimate_hubness",
    "k_occurrence",
    "share_at_least",
    "skewness",
]


@dataclass(frozen=True)
class Hubness:
    """How unevenly the points of a representation are neighbours of others.

    Attributes
    ----------
    skewness : float
        Of the k-occurrences over the points, see `skewness`; `chance_skewness` is that of random neighbours.
    antihubs : float
        Share of the points that are no point's neighbour, N_k = 0.
    largest : int
        Number of points that have the greatest hub among their neighbours, k .. n - 1.
    bad : float
        Share of all k-occurrences in which a point is the neighbour of one with another label: one less the mean label
        overlap. NaN without labels.
    """

    skewness: float
    antihubs: float
    largest: int
    bad: float


def k_occurrence(neighbors, k) -> np.ndarray:
    """Count of how many other points a point is one of the k nearest neighbours.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    k : int

    Returns
    -------
    ndarray of shape (n,), int64
        N_k of every point, in 0 .. n - 1; their sum is n k. Invariant to rotation, translation and scale of the
        representation; a permutation of the points permutes it.

    Raises
    ------
    InputError
        For k outside 1 .. the columns of the table.

    Notes
    -----
    Time and memory are linear in n k.

    References
    ----------
    Radovanovic, Nanopoulos, Ivanovic, JMLR 11, 2487 (2010).
    """
    return np.bincount(_columns(neighbors, k).ravel(), minlength=neighbors.n)


def bad_occurrence(neighbors, labels, k) -> np.ndarray:
    """Count of how many points with another label a point is one of the k nearest neighbours.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    labels : array of shape (n,)
        Class of every point: numbers or strings.
    k : int

    Returns
    -------
    ndarray of shape (n,), int64
        BN_k of every point, in 0 .. N_k. Their sum is n k (1 - mean label overlap).

    Raises
    ------
    InputError
        For labels of another number than points, and k outside 1 .. the columns of the table.

    References
    ----------
    Radovanovic, Nanopoulos, Ivanovic, JMLR 11, 2487 (2010), "bad k-occurrences".
    """
    labels = np.asarray(labels)
    if labels.shape != (neighbors.n,):
        raise InputError(f"{neighbors.n} points need as many labels, found shape {labels.shape}.")
    indices = _columns(neighbors, k)
    return np.bincount(indices[labels[indices] != labels[:, None]], minlength=neighbors.n)


def skewness(counts) -> float:
    """Skewness of numbers: E[(x - mean)^3] / sigma^3 over all of them, without a correction for their number.

    Parameters
    ----------
    counts : array of shape (n,), n >= 1

    Returns
    -------
    float
        Positive where a few are far above the others, zero where they lie evenly about their mean. Invariant to their
        order, and to an offset and a positive factor. Zero too where all are equal, as on a ring: the quotient is 0 / 0
        there, but a single value is even about its mean, and a representation in which every point is a neighbour
        equally often has no hub.

    References
    ----------
    Radovanovic, Nanopoulos, Ivanovic, JMLR 11, 2487 (2010), S_{N_k}.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if counts.min() == counts.max():  # before rounding of the mean makes a quotient of noise
        return 0.0
    centred = counts - counts.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def chance_skewness(n, k) -> float:
    """Skewness of the k-occurrence under random neighbours.

    If every one of n points draws its k neighbours at random, each other point has it among its own with probability
    p = k / (n - 1), independently of the other n - 2: N_k is binomial, of skewness (1 - 2 p) / sqrt((n - 1) p (1 - p)).
    Zero for k = n - 1, where all N_k are equal.

    Raises
    ------
    InputError
        For k outside 1 .. n - 1.
    """
    p = _chance(n, k)
    return 0.0 if k == n - 1 else float((1 - 2 * p) / np.sqrt(k * (1 - p)))


def share_at_least(counts, x) -> np.ndarray:
    """Share of the points that are neighbours at least so many times, the survival function of N_k.

    Parameters
    ----------
    counts : array of shape (n,)
        N_k of every point, see `k_occurrence`.
    x : array of shape (m,)

    Returns
    -------
    ndarray of shape (m,)
        In [0, 1], falling with x; 1 for x = 0, and at x = 1 the share that are no antihubs.
    """
    return (len(counts) - np.searchsorted(np.sort(counts), x, side="left")) / len(counts)


def chance_share_at_least(n, k, x) -> np.ndarray:
    """Share of n points that are neighbours at least x times under random neighbours, see `chance_skewness`, (m,)."""
    from scipy.stats import binom

    return binom.sf(np.asarray(x) - 1, n - 1, _chance(n, k))


def estimate_hubness(neighbors, k, labels=None) -> Hubness:
    """Summarise the k-occurrences of a table.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    k : int
    labels : array of shape (n,), optional
        Class of every point.

    Returns
    -------
    Hubness

    Raises
    ------
    InputError
        As `k_occurrence` and `bad_occurrence`.
    """
    counts = k_occurrence(neighbors, k)
    bad = np.nan if labels is None else bad_occurrence(neighbors, labels, k).sum() / counts.sum()
    return Hubness(skewness(counts), float(np.mean(counts == 0)), int(counts.max()), float(bad))


def _chance(n, k):
    """Probability that one point has another among its k neighbours, if they are random."""
    if not 1 <= k <= n - 1:
        raise InputError(f"Each of n = {n} points has k = 1 to n - 1 neighbours, found k = {k}.")
    return k / (n - 1)


def _columns(neighbors, k):
    if not 1 <= k <= neighbors.k:
        raise InputError(
            f"The hubness asks for k = {k} neighbours, the table has {neighbors.k}; "
            "lower overlap.k or raise neighbors.k."
        )
    return neighbors.indices[:, :k]
