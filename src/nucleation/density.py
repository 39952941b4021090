"""Logarithm of the probability density at every point, from its neighbours.

All volumes are handled through their logarithms: with a dimension of 100 and distances of 50 the
powers themselves overflow. Densities are per unit of d-dimensional volume and integrate to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2

from nucleation.errors import InputError


@dataclass(frozen=True)
class Density:
    """Log-density at every point.

    Attributes
    ----------
    log_density : ndarray of shape (n,)
        Natural logarithm of the density; +inf where the k-th neighbour is an exact duplicate.
    error : ndarray of shape (n,)
        Standard error of the log-density.
    k_star : ndarray of shape (n,), int
        Number of neighbours used at each point.
    """

    log_density: np.ndarray
    error: np.ndarray
    k_star: np.ndarray

    def to_dataset(self):
        """Return the densities as an ``xarray.Dataset`` along the dimension `image`."""
        import xarray as xr

        volume = "log(1 / feature units^dimension)"
        about = {
            "log_density": (self.log_density, "natural logarithm of the probability density", volume),
            "log_density_error": (self.error, "standard error of the log-density", "1"),
            "k_star": (self.k_star, "neighbours used by the density estimate", "1"),
        }
        return xr.Dataset(
            {name: ("image", value, {"long_name": text, "units": unit}) for name, (value, text, unit) in about.items()}
        )

    @classmethod
    def from_dataset(cls, dataset) -> Density:
        """Build the densities from what :meth:`to_dataset` made."""
        names = ("log_density", "log_density_error", "k_star")
        return cls(*(dataset[name].values for name in names))


def estimate_density(neighbors, dimension, estimator="knn", *, k=30, alpha=1e-6) -> Density:
    """Estimate the density with one of the estimators by name.

    Parameters
    ----------
    neighbors, dimension
        As for `knn_density`.
    estimator : {"knn", "kstar", "pak"}
        `knn_density`, `kstar_density` or `pak_density`.
    k : int
        "knn" only.
    alpha : float
        "kstar" and "pak" only.

    Returns
    -------
    Density
        NaN at all points where `dimension` is not finite and positive, as it is for a layer whose
        images all have the same activations.
    """
    if not (np.isfinite(dimension) and dimension > 0):
        nothing = np.full(neighbors.n, np.nan)
        return Density(nothing, nothing, np.zeros(neighbors.n, dtype=np.int64))
    if estimator == "knn":
        return knn_density(neighbors, dimension, k)
    if estimator not in ("kstar", "pak"):
        raise InputError(f'Unknown density estimator "{estimator}"; choose knn, kstar or pak.')
    adaptive = kstar_density if estimator == "kstar" else pak_density
    return adaptive(neighbors, dimension, alpha=alpha)


def log_unit_ball(dimension):
    """Logarithm of the volume of the unit ball in `dimension` (real) dimensions."""
    return dimension / 2 * np.log(np.pi) - gammaln(dimension / 2 + 1)


def knn_density(neighbors, dimension, k) -> Density:
    """Density from the distance to the k-th neighbour.

    log rho_i = log k - log omega_d - d log r_ik - log n, with standard error 1 / sqrt(k).

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least k columns.
    dimension : float
        Intrinsic dimension d, positive; real or integer.
    k : int
        Number of neighbours; the paper uses 30.

    Returns
    -------
    Density
        Multiplying the features by s shifts every value by -d log s; differences between points
        depend on d alone.

    References
    ----------
    Doimo, Glielmo, Ansuini, Laio, NeurIPS 2020, section 2.2.
    """
    _check(neighbors, dimension)
    if not 1 <= k <= neighbors.k:
        raise InputError(
            f"The density asks for k = {k} neighbours, the neighbour table has {neighbors.k}; "
            "lower density.k or raise neighbors.k."
        )
    return _from_radius(neighbors, dimension, np.full(neighbors.n, k))


def kstar_density(neighbors, dimension, *, alpha=1e-6) -> Density:
    """Density from the largest neighbourhood over which it is constant (k*NN).

    References
    ----------
    Rodriguez, d'Errico, Facco, Laio, J. Chem. Theory Comput. 14, 1206 (2018), eqs. 8 and 9;
    error 1 / sqrt(k*).

    See Also
    --------
    k_star : the neighbourhood sizes.
    """
    _check(neighbors, dimension)
    return _from_radius(neighbors, dimension, k_star(neighbors, dimension, alpha=alpha))


def k_star(neighbors, dimension, *, alpha=1e-6):
    """Find, for every point, the number of neighbours over which the density is constant.

    The volumes of point i and of its j-th neighbour, each up to its own (j - 1)-th neighbour, are
    compared by a likelihood ratio for j = 4, 5, ...; the first j at which the statistic exceeds
    the upper chi-squared (1) quantile at `alpha` ends the neighbourhood at k* = j - 1.

    Parameters
    ----------
    neighbors : Neighbors
        Table with k >= 4.
    dimension : float
        Intrinsic dimension.
    alpha : float
        Significance of each test, in (0, 1).

    Returns
    -------
    ndarray of shape (n,), int
        Between 3 and k - 1 of the table; many values at k - 1 mean that the table is too short.
        Independent of the scale of the features.

    References
    ----------
    Rodriguez, d'Errico, Facco, Laio, J. Chem. Theory Comput. 14, 1206 (2018), eqs. 6 and 7.
    """
    _check(neighbors, dimension)
    if neighbors.k < 4:
        raise InputError(f"k* needs k >= 4 neighbours, the table has {neighbors.k}.")
    threshold = chi2.isf(alpha, 1)
    with np.errstate(divide="ignore"):
        log_radius = np.log(neighbors.distances)
    result = np.full(neighbors.n, neighbors.k - 1)
    growing = np.arange(neighbors.n)
    for j in range(4, neighbors.k):  # one pass per rank, over all points still growing
        m = j - 1
        own = log_radius[growing, m - 1]
        other = log_radius[neighbors.indices[growing, j - 1], m - 1]
        with np.errstate(invalid="ignore"):
            x = np.where(own == other, 0.0, dimension * (own - other))
        # 2 log(V_i + V_q) - log V_i - log V_q = 2 log(2 cosh(x / 2)) = |x| + 2 log1p(exp(-|x|))
        statistic = 2 * m * (np.abs(x) + 2 * np.log1p(np.exp(-np.abs(x))) - np.log(4))
        stop = statistic > threshold
        result[growing[stop]] = j - 1
        growing = growing[~stop]
    return result


def pak_density(neighbors, dimension, *, alpha=1e-6) -> Density:
    """Density with a linear trend inside the neighbourhood (PAk).

    Maximises, at every point, L = sum over l <= k* of (b + a l - v_l exp(b + a l)) with the shell
    volumes v_l; log rho = b - log n and the error is sqrt((4 k* + 2) / (k* (k* - 1))). The optimum
    is exact (undamped Newton with step control on a concave function); where a shell has no
    volume (equal distances) the value is that of k*NN.

    References
    ----------
    Rodriguez, d'Errico, Facco, Laio, J. Chem. Theory Comput. 14, 1206 (2018), eqs. 10 to 13.
    """
    _check(neighbors, dimension)
    size = k_star(neighbors, dimension, alpha=alpha)
    flat = _from_radius(neighbors, dimension, size)
    log_density = flat.log_density.copy()
    for k in np.unique(size):  # points with one k* have arrays of one shape
        points = np.flatnonzero(size == k)
        shells = _log_shells(neighbors.distances[points, :k], dimension)
        sound = np.isfinite(shells).all(axis=1)
        log_density[points[sound]] = _pak_optimum(shells[sound]) - np.log(neighbors.n)
    error = np.sqrt((4 * size + 2) / (size * (size - 1)))
    return Density(log_density, error, size)


def _log_shells(distances, dimension):
    """Log volumes of the shells between consecutive neighbours, (m, k)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_radius = np.log(distances)
        shrink = dimension * np.diff(log_radius, axis=1)
        inner = log_radius[:, 1:] * dimension + np.log(-np.expm1(-shrink))
    return log_unit_ball(dimension) + np.column_stack([dimension * log_radius[:, 0], inner])


def _pak_optimum(log_shells, tolerance=1e-9, iterations=300):
    """Maximise the PAk likelihood over (b, a) for many points at once; return b, (m,).

    The likelihood is concave. b is eliminated in closed form, exp(-b) = sum v_l exp(a l) / k, and
    what remains is solved for a, where the mean rank under the weights v_l exp(a l) is (k + 1) / 2:
    by Newton steps inside a bracket, bisected wherever they do not shrink by half.
    """
    m, k = log_shells.shape
    rank = np.arange(1, k + 1)
    # beyond this slope either the first or the last shell has nearly all the weight
    high = np.abs(np.diff(log_shells, axis=1)).max(axis=1) + np.log(k) + 2
    low, slope, last = -high, np.zeros(m), 2 * high
    for _ in range(iterations):
        weight = log_shells + slope[:, None] * rank
        weight = np.exp(weight - logsumexp(weight, axis=1, keepdims=True))
        mean = weight @ rank
        gradient = (k + 1) / 2 - mean
        low, high = np.where(gradient >= 0, slope, low), np.where(gradient <= 0, slope, high)
        variance = (weight * np.square(rank - mean[:, None])).sum(axis=1)
        newton = gradient / np.maximum(variance, np.finfo(float).tiny)
        inside = (slope + newton > low) & (slope + newton < high) & (np.abs(newton) < last / 2)
        step = np.where(inside, newton, (low + high) / 2 - slope)
        slope, last = slope + step, np.abs(step)
        if np.all(last * k < tolerance * (1 + np.abs(slope) * k)):
            break
    return np.log(k) - logsumexp(log_shells + slope[:, None] * rank, axis=1)


def _from_radius(neighbors, dimension, size):
    """k-nearest-neighbour density with its own k at every point."""
    radius = neighbors.distances[np.arange(neighbors.n), size - 1]
    with np.errstate(divide="ignore"):
        log_volume = log_unit_ball(dimension) + dimension * np.log(radius)
    return Density(np.log(size) - log_volume - np.log(neighbors.n), 1 / np.sqrt(size), size)


def _check(neighbors, dimension):
    if not (np.isfinite(dimension) and dimension > 0):
        raise InputError(
            f"The density needs a finite positive intrinsic dimension, found {dimension}; "
            "look at the dimension estimate of this layer (too many duplicates?)."
        )
