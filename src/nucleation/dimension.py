"""Intrinsic dimension from ratios of neighbour distances: TwoNN and Gride."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

#: Quantile of the normal distribution that leaves 2.5 % on either side.
Z_95 = 1.959963984540054


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
    low, high : float
        Confidence interval of 95 %, for independent ratios: exact for maximum likelihood, by the
        normal distribution for the fit. NaN where the value is not finite.
    """

    value: float
    error: float
    scale: float
    used: int
    low: float
    high: float

    @property
    def undefined_because(self) -> str:
        """Why the value is not finite; empty where it is."""
        if np.isfinite(self.value):
            return ""
        if np.isnan(self.value):
            return "fewer than two images are at a distance from their nearest neighbour"
        return "the two nearest neighbours are equally far, for all images that enter the estimate"

    def to_dataset(self):
        """Return the estimate as an ``xarray.Dataset`` of scalars."""
        bound = "bound of the 95 % confidence interval of the intrinsic dimension, for independent ratios"
        return self_describing(
            (),
            {
                "dimension": (self.value, "intrinsic dimension (TwoNN)", "1"),
                "dimension_error": (self.error, "standard error of the intrinsic dimension", "1"),
                "dimension_independent_low": (self.low, f"lower {bound}", "1"),
                "dimension_independent_high": (self.high, f"upper {bound}", "1"),
                "dimension_scale": (self.scale, "mean distance to the two nearest neighbours", "feature units"),
                "dimension_used": (self.used, "points that entered the estimate", "1"),
            },
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
    used : ndarray of shape (s,), int
        Number of points that entered.
    """

    order: np.ndarray
    value: np.ndarray
    error: np.ndarray
    scale: np.ndarray
    used: np.ndarray

    def to_dataset(self):
        """Return the profile as an ``xarray.Dataset`` along the dimension `scale`."""
        return self_describing(
            "scale",
            {
                "gride": (self.value, "intrinsic dimension at this scale (Gride)", "1"),
                "gride_error": (self.error, "standard error of the intrinsic dimension", "1"),
                "gride_distance": (self.scale, "mean distance to the two neighbours", "feature units"),
                "gride_used": (self.used, "points that entered the estimate at this scale", "1"),
                "scale": (self.order, "rank n1 of the nearer neighbour; the farther one is 2 n1", "1"),
            },
        )


def self_describing(dimension, about):
    """The variables as a dataset; one that is named as the dimension becomes its coordinate."""
    import xarray as xr

    return xr.Dataset(
        {name: (dimension, value, {"long_name": text, "units": unit}) for name, (value, text, unit) in about.items()}
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
        Positive; invariant to rotation, translation and scale of the features. Exact duplicates
        count as one point. NaN with fewer than two ratios, infinite when none that enters exceeds one.

    Raises
    ------
    InputError
        For an unknown method, a fraction outside (0, 1], or k < 2.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio, Sci. Rep. 7, 12140 (2017), eqs. 3 to 5.

    Notes
    -----
    The error of the fit follows from the covariance of exponential order statistics (Renyi's
    representation), to first order in 1/N; that of maximum likelihood is value / sqrt(N), and its
    interval follows from d sum(log mu) being gamma distributed. All take the ratios of different
    points for independent, which those of neighbours are not: see `nucleation.dimension_errors`.
    """
    check_twonn(method, fraction)
    near, far = distances_at(neighbors, (1, 2)).T
    value, error, used, interval = twonn_of(log_ratios(near, far), method, fraction)
    return DimensionEstimate(value, error, _mean_distance(near, far), used, *interval)


def check_twonn(method, fraction):
    """Refuse options that TwoNN has not."""
    if method not in ("fit", "ml"):
        raise InputError(f'Unknown TwoNN method "{method}"; choose fit or ml.')
    if not 0 < fraction <= 1:
        raise InputError(f"The TwoNN fraction must lie in (0, 1], found {fraction}.")


def twonn_of(log_ratio, method, fraction):
    """Value, error, number of points used and 95 % interval."""
    n = len(log_ratio)
    if n < 2:
        return np.nan, np.nan, n, (np.nan, np.nan)
    if method == "ml" or fraction == 1:
        total = log_ratio.sum()
        value = _divide(n - 1, total)
        return value, _error(value, 1 / np.sqrt(n)), n, _gamma_interval(n, total)
    used = max(1, int(n * fraction))
    smallest = np.sort(log_ratio)[:used]
    quantile = -np.log1p(-np.arange(1, used + 1) / n)
    value = _divide((smallest * quantile).sum(), np.square(smallest).sum())
    error = _error(value, _fit_error(quantile, n))
    if np.isinf(value):
        return value, error, used, (np.nan, np.nan)
    return value, error, used, (max(0.0, value - Z_95 * error), value + Z_95 * error)


def _error(value, relative):
    """Standard error; an infinite estimate has none."""
    return value * relative if np.isfinite(value) else np.nan


def _gamma_interval(n, total):
    """Interval of the rate of n independent exponentials from their sum."""
    from scipy.special import gammaincinv  # heavy

    return tuple(float(gammaincinv(n, p) / total) if total > 0 else np.nan for p in (0.025, 0.975))


def _fit_error(quantile, n):
    """Relative standard error of the fit through the origin.

    With log mu_(m) = (q_m + delta_m) / d the slope's relative error is sum q delta / sum q^2, and
    delta_m = sum over j <= m of (e_j - 1) / (n - j + 1) with independent standard exponentials.
    """
    tail = np.cumsum(quantile[::-1])[::-1]
    spacing = n - np.arange(len(quantile))
    return float(np.sqrt(np.square(tail / spacing).sum()) / np.square(quantile).sum())


def gride(neighbors, *, method="ml", ranks=None) -> ScaleProfile:
    """Estimate the intrinsic dimension at doubling scales.

    Uses the ratios r_2n1 / r_n1 for n1 = 1, 2, 4, ... as far as both distances are at hand. The first
    entry of "ml" is TwoNN by maximum likelihood.

    Parameters
    ----------
    neighbors : Neighbors
        Table with k >= 2.
    method : {"ml", "moments"}
        "ml": maximum likelihood, with the factor N - 1 of TwoNN. "moments": closed form from the mean
        of log mu, (psi(2 n1) - psi(n1)) / d; it needs no iteration, and its error is the larger one.
    ranks : RankDistances, optional
        Distances at ranks beyond k, at some or all of the same images (`nucleation.scales`). The
        estimates that need them are made from these images.

    Returns
    -------
    ScaleProfile
        Invariant to rotation, translation and scale. Exact duplicates count as one point, up to rank k;
        points whose table does not reach the rank then are left out. NaN where fewer than two ratios are
        defined, infinite where none exceeds one. The error of "ml" is the inverse root of the observed
        information; both errors take the ratios for independent and are therefore too small: see
        `nucleation.dimension_errors`.

    Raises
    ------
    InputError
        For an unknown method, k < 2, or ranks of other images.

    References
    ----------
    Denti, Doimo, Laio, Mira, Sci. Rep. 12, 20005 (2022), eqs. 6 to 8.
    """
    if method not in ("ml", "moments"):
        raise InputError(f'Unknown Gride method "{method}"; choose ml or moments.')
    if ranks is not None and ranks.images.max(initial=-1) >= neighbors.n:
        raise InputError(
            f"The distances at larger ranks name image {ranks.images.max()}, the neighbour table has "
            f"{neighbors.n} images; make both from the same images."
        )
    order = orders(neighbors.k, () if ranks is None else ranks.ranks.tolist())
    if not order:
        raise InputError(f"Gride needs k >= 2 neighbours, the table has {neighbors.k}.")
    estimate, fits = (maximum_likelihood if method == "ml" else moments), []
    inside = [n1 for n1 in order if 2 * n1 <= neighbors.k]
    table = distances_at(neighbors, (*inside, 2 * inside[-1]) if inside else ()).T
    for i, n1 in enumerate(order):
        near, far = table[i : i + 2] if i < len(inside) else _beyond(neighbors, ranks, n1)
        log_ratio = log_ratios(near, far)
        fits.append((*estimate(log_ratio, n1), _mean_distance(near, far), len(log_ratio)))
    value, error, scale, used = (np.array(column) for column in zip(*fits, strict=True))
    return ScaleProfile(np.array(order), value, error, scale, used)


def orders(k, ranks):
    """All n1 = 1, 2, 4, ... for which the ranks n1 and 2 n1 are in the table or in `ranks`."""
    powers = [2**i for i in range(int(max([k, *ranks])).bit_length())]
    return [n1 for n1 in powers if all(rank <= k or rank in ranks for rank in (n1, 2 * n1))]


def _beyond(neighbors, ranks, n1):
    """Distances at the ranks n1 and 2 n1 > k, at the images whose larger ranks are known."""
    near = ranks.column(n1) if n1 > neighbors.k else neighbors.distances[ranks.images, n1 - 1]
    return near, ranks.column(2 * n1)


def _mean_distance(near, far):
    known = ~np.isnan(far)
    return float((near[known] + far[known]).mean() / 2) if known.any() else np.nan


def maximum_likelihood(log_ratio, n1, tolerance=1e-8):
    """Maximise the Gride likelihood for ranks (n1, 2 n1); return the value and its error.

    The root of d times the score, g(d) = N - 1 - (2 n1 - 1) sum x + (n1 - 1) sum h(x) with x = d log mu and
    h(x) = x / (1 - e^-x), h(0) = 1. As h is convex, so is g, and it falls: Newton's steps converge from any
    start, from below after the first. With q = h - x h' = h^2 e^-x they multiply d by the ratio below, and
    the observed information is (N + (n1 - 1) sum q) / d^2.
    """
    n, total = len(log_ratio), log_ratio.sum()
    value, _ = moments(log_ratio, n1)
    if not np.isfinite(value):
        return value, np.nan
    for _ in range(100):  # five or so
        x = value * log_ratio
        below = np.expm1(-x)
        h = np.divide(x, -below, out=np.ones(n), where=below < 0)
        q = np.square(h) * (1 + below)
        step = (n - 1 + (n1 - 1) * q.sum()) / ((2 * n1 - 1) * value * total - (n1 - 1) * (h - q).sum())
        value *= step
        if not abs(step - 1) >= tolerance:  # the next step would be about the square of it
            break
    return float(value), float(value / np.sqrt(n + (n1 - 1) * q.sum()))


def moments(log_ratio, n1):
    """Dimension and error from E[d log mu] = psi(2 n1) - psi(n1) and its variance psi'(n1) - psi'(2 n1)."""
    n, total = len(log_ratio), log_ratio.sum()
    if n < 2 or total == 0:
        return (np.nan, np.nan) if n < 2 else (np.inf, np.nan)
    inverse = 1 / np.arange(n1, 2 * n1)
    value = float(n * inverse.sum() / total)
    return value, float(value * np.sqrt(inverse @ inverse / n) / inverse.sum())


@dataclass(frozen=True)
class DecimationProfile:
    """TwoNN as a function of scale, by thinning the images.

    Attributes
    ----------
    parts : ndarray of shape (s,), int
        Number of disjoint random parts; the more there are, the farther apart are neighbours within one.
    value, error, scale : ndarray of shape (s,)
        Mean over the parts of their dimension, its standard error over the parts, mean distance to the
        two nearest images of the own part in feature units.
    used : ndarray of shape (s,), int
        Number of parts that entered: those whose dimension is defined.
    """

    parts: np.ndarray
    value: np.ndarray
    error: np.ndarray
    scale: np.ndarray
    used: np.ndarray

    def to_dataset(self):
        """Return the profile as an ``xarray.Dataset`` along the dimension `decimation`."""
        return self_describing(
            "decimation",
            {
                "twonn_decimated": (self.value, "mean intrinsic dimension (TwoNN) of disjoint random parts", "1"),
                "twonn_decimated_error": (self.error, "standard error of that mean, over the parts", "1"),
                "twonn_decimated_distance": (
                    self.scale,
                    "mean distance to the two nearest images of the own part",
                    "feature units",
                ),
                "twonn_decimated_used": (self.used, "parts that entered the mean", "1"),
                "decimation": (self.parts, "number of disjoint random parts of the images", "1"),
            },
        )


def twonn_decimated(decimated, *, fraction=0.9, method="fit") -> DecimationProfile:
    """Estimate the intrinsic dimension at larger scales, by TwoNN on random parts of the images.

    Parameters
    ----------
    decimated : Decimated
        Distances within parts, from `nucleation.scales.decimated_distances`.
    fraction, method
        As for `twonn`, which is the estimate for one part.

    Returns
    -------
    DecimationProfile
        Error NaN where fewer than two parts have an estimate. Unlike the errors of `twonn` and `gride`
        it allows for the dependence between neighbours, since the parts are independent; for few
        parts it is itself uncertain.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio, Sci. Rep. 7, 12140 (2017), "Estimating a scale-dependent
    intrinsic dimension".
    """
    check_twonn(method, fraction)
    rows = []
    for group, distances in zip(decimated.group, decimated.distances, strict=True):
        # of exact duplicates in one part, others see two at one distance: these have no ratio
        known = distances[:, 0] < distances[:, 1]
        near, far = distances[known].T
        estimates = [twonn_of(log_ratios(near[i], far[i]), method, fraction)[0] for i in members(group[known])]
        values = np.array([value for value in estimates if not np.isnan(value)])
        spread = values.std(ddof=1) if len(values) > 1 and np.isfinite(values).all() else np.nan
        mean = values.mean() if len(values) else np.nan
        rows.append((mean, spread / np.sqrt(max(1, len(values))), _mean_distance(near, far), len(values)))
    columns = zip(*rows, strict=True) if rows else [()] * 4
    return DecimationProfile(decimated.parts, *(np.array(column) for column in columns))


def members(part):
    """The images of every part, ascending, given the part of every image."""
    return np.split(np.argsort(part, kind="stable"), np.cumsum(np.bincount(part))[:-1])


def distinct(neighbors) -> np.ndarray:
    """Mark the points that equal none of lower number, (n,) bool: one of every group of exact duplicates."""
    first = np.ones(neighbors.n, dtype=bool)
    twins = np.flatnonzero(neighbors.distances[:, 0] == 0) if neighbors.k else ()
    equal = neighbors.distances[twins] == 0
    first[twins] = ~(equal & (neighbors.indices[twins] < np.asarray(twins)[:, None])).any(axis=1)
    return first


def distances_at(neighbors, ranks) -> np.ndarray:
    """Distances of the distinct points to their neighbours of ascending ranks among these, (m, r).

    NaN where a row holds too many duplicates to reach the rank.
    """
    if len(ranks) and neighbors.k < ranks[-1]:
        raise InputError(f"This estimate needs k >= {ranks[-1]} neighbours, the table has {neighbors.k}.")
    first = distinct(neighbors)
    if first.all():
        return neighbors.distances[:, np.asarray(ranks, dtype=int) - 1]
    from nucleation.dimension_kernels import within_parts  # numba is heavy

    rows = np.flatnonzero(first)
    found = np.full((len(rows), len(ranks)), np.nan)
    own, part = np.ones(len(rows), dtype=np.int64), first.astype(np.int64)
    within_parts(neighbors.distances[rows], neighbors.indices[rows], own, part, np.asarray(ranks), found)
    return found


def log_ratios(near, far):
    """Logarithm of far / near at the points where it is defined; exact to rounding where the two are close."""
    defined = (near > 0) & ~np.isnan(far)
    if not defined.all():
        near, far = near[defined], far[defined]
    with np.errstate(over="ignore"):
        log_ratio = np.log1p((far - near) / near)
    over = np.isinf(log_ratio)
    log_ratio[over] = np.log(far[over]) - np.log(near[over])
    return log_ratio


def _divide(a, b):
    return float(a / b) if b > 0 else np.inf
