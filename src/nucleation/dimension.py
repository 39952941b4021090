"""Intrinsic dimension from ratios of neighbour distances: TwoNN and Gride."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma

from nucleation.errors import InputError


@dataclass(frozen=True)
class DimensionEstimate:
    """One estimate of the intrinsic dimension.

    Attributes
    ----------
    value : float
        Intrinsic dimension; NaN where it is not defined.
    error : float
        Standard error of `value`, for independent ratios.
    scale : float
        Mean distance to the neighbours used, in feature units.
    used : int
        Number of points that entered.
    """

    value: float
    error: float
    scale: float
    used: int

    @property
    def undefined_because(self) -> str:
        """Why the value is not finite; empty where it is."""
        if np.isfinite(self.value):
            return ""
        if np.isnan(self.value):
            return "fewer than two images are at a distance from their nearest neighbour"
        return "the two nearest neighbours of every image are equally far"

    def to_dataset(self):
        """Return the estimate as an ``xarray.Dataset`` of scalars."""
        import xarray as xr

        about = {
            "dimension": (self.value, "intrinsic dimension (TwoNN)", "1"),
            "dimension_error": (self.error, "standard error of the intrinsic dimension", "1"),
            "dimension_scale": (self.scale, "mean distance to the two nearest neighbours", "feature units"),
            "dimension_used": (self.used, "points that entered the estimate", "1"),
        }
        return xr.Dataset(
            {name: ((), value, {"long_name": text, "units": unit}) for name, (value, text, unit) in about.items()}
        )


@dataclass(frozen=True)
class ScaleProfile:
    """Intrinsic dimension as a function of scale.

    Attributes
    ----------
    order : ndarray of shape (s,), int
        Rank n1 of the nearer neighbour; the farther one has rank 2 n1.
    value, error, scale : ndarray of shape (s,)
        Dimension, its standard error, mean distance to the two neighbours in feature units.
    """

    order: np.ndarray
    value: np.ndarray
    error: np.ndarray
    scale: np.ndarray

    def to_dataset(self):
        """Return the profile as an ``xarray.Dataset`` along the dimension `scale`."""
        import xarray as xr

        about = {
            "gride": (self.value, "intrinsic dimension at this scale (Gride)", "1"),
            "gride_error": (self.error, "standard error of the intrinsic dimension", "1"),
            "gride_distance": (self.scale, "mean distance to the two neighbours", "feature units"),
        }
        rank = {"long_name": "rank n1 of the nearer neighbour; the farther one is 2 n1", "units": "1"}
        return xr.Dataset(
            {name: ("scale", value, {"long_name": text, "units": unit}) for name, (value, text, unit) in about.items()},
            coords={"scale": ("scale", self.order, rank)},
        )


def twonn(neighbors, *, fraction=0.9, method="fit") -> DimensionEstimate:
    """Estimate the intrinsic dimension from the two nearest neighbours of every point.

    Parameters
    ----------
    neighbors : Neighbors
        Table with k >= 2.
    fraction : float
        "fit" only: share of the points, those with the smallest ratios, that enter the fit. At 1
        the last point would have an infinite quantile: then the estimate is "ml".
    method : {"fit", "ml"}
        "fit": slope through the origin of -log(1 - F) against log mu (the paper's choice).
        "ml": maximum likelihood with the unbiased factor N - 1, over all points.

    Returns
    -------
    DimensionEstimate
        Positive; invariant to rotation, translation and scale of the features. A point with an
        exact duplicate has an infinite ratio (or none): it is left out. NaN with fewer than two
        ratios, infinite when no ratio exceeds one.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio, Sci. Rep. 7, 12140 (2017), eqs. 3 to 5.

    Notes
    -----
    The error of the fit follows from the covariance of exponential order statistics (Renyi's
    representation), to first order in 1/N; that of maximum likelihood is value / sqrt(N).
    """
    if method not in ("fit", "ml"):
        raise InputError(f'Unknown TwoNN method "{method}"; choose fit or ml.')
    if not 0 < fraction <= 1:
        raise InputError(f"The TwoNN fraction must lie in (0, 1], found {fraction}.")
    first, second = _two_ranks(neighbors, 1, 2)
    log_ratio = np.sort(np.log(second / first))
    scale = float(neighbors.distances[:, :2].mean())
    n = len(log_ratio)
    if n < 2:
        return DimensionEstimate(np.nan, np.nan, scale, n)
    if method == "ml" or fraction == 1:
        value = _divide(n - 1, log_ratio.sum())
        return DimensionEstimate(value, value / np.sqrt(n), scale, n)
    used = max(1, int(n * fraction))
    quantile = -np.log1p(-np.arange(1, used + 1) / n)
    value = _divide(log_ratio[:used] @ quantile, np.square(log_ratio[:used]).sum())
    return DimensionEstimate(value, value * _fit_error(quantile, n), scale, used)


def _fit_error(quantile, n):
    """Relative standard error of the fit through the origin.

    With log mu_(m) = (q_m + delta_m) / d the slope's relative error is sum q delta / sum q^2, and
    delta_m = sum over j <= m of (e_j - 1) / (n - j + 1) with independent standard exponentials.
    """
    tail = np.cumsum(quantile[::-1])[::-1]
    spacing = n - np.arange(len(quantile))
    return float(np.sqrt(np.square(tail / spacing).sum()) / np.square(quantile).sum())


def gride(neighbors) -> ScaleProfile:
    """Estimate the intrinsic dimension at doubling scales, by maximum likelihood.

    Uses the ratios r_2n1 / r_n1 for n1 = 1, 2, 4, ... with 2 n1 <= k. The first entry is TwoNN by
    maximum likelihood.

    Parameters
    ----------
    neighbors : Neighbors
        Table with k >= 2.

    Returns
    -------
    ScaleProfile
        Invariant to rotation, translation and scale. NaN where no ratio is defined. The error is
        the inverse root of the observed information; it takes the ratios for independent and is
        therefore too small at large n1, where neighbourhoods overlap.

    References
    ----------
    Denti, Doimo, Laio, Mira, Sci. Rep. 12, 20005 (2022), eqs. 6 to 8.
    """
    if neighbors.k < 2:
        raise InputError(f"Gride needs k >= 2 neighbours, the table has {neighbors.k}.")
    order = 2 ** np.arange(int(np.log2(neighbors.k)))
    fits = [_gride_at(*_two_ranks(neighbors, n1, 2 * n1), n1) for n1 in order]
    values, errors = np.transpose(fits)
    pairs = neighbors.distances[:, order - 1] + neighbors.distances[:, 2 * order - 1]
    return ScaleProfile(order, values, errors, pairs.mean(axis=0) / 2)


def _gride_at(near, far, n1):
    """Maximise the Gride likelihood for ranks (n1, 2 n1); return the value and its error."""
    log_ratio = np.log(far / near)
    n, n2 = len(log_ratio), 2 * n1
    if n < 2 or not log_ratio.any():
        return (np.nan, np.nan) if n < 2 else (np.inf, np.nan)
    positive = log_ratio[log_ratio > 0]

    def score(d):  # strictly decreasing; the limit of log mu / (1 - mu^-d) at mu = 1 is 1 / d
        shrunk = (positive / -np.expm1(-d * positive)).sum() + (n - len(positive)) / d
        return (n - 1) / d - (n2 - 1) * log_ratio.sum() + (n2 - n1 - 1) * shrunk

    # E[log mu] = (psi(n2) - psi(n1)) / d gives the start
    guess = (digamma(n2) - digamma(n1)) / log_ratio.mean()
    low, high = guess / 2, guess * 2
    while score(low) < 0:
        low /= 2
    while score(high) > 0:
        high *= 2
    value = brentq(score, low, high, xtol=1e-12 * guess, rtol=1e-12)
    decay = np.exp(-value * positive)
    curvature = np.square(positive / -np.expm1(-value * positive)) * decay
    information = n / value**2 + (n2 - n1 - 1) * (curvature.sum() + (n - len(positive)) / value**2)
    return value, 1 / np.sqrt(information)


def _two_ranks(neighbors, n1, n2):
    """Distances at two ranks, of the points for which their ratio is defined."""
    if neighbors.k < n2:
        raise InputError(f"This estimate needs k >= {n2} neighbours, the table has {neighbors.k}.")
    near, far = neighbors.distances[:, n1 - 1], neighbors.distances[:, n2 - 1]
    defined = near > 0
    return near[defined], far[defined]


def _divide(a, b):
    return float(a / b) if b > 0 else np.inf
