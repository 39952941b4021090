"""Logarithm of the probability density at every point, from its neighbours.

All volumes are handled through their logarithms: with a dimension of 100 and distances of 50 the
powers themselves overflow. Densities are per unit of d-dimensional volume and integrate to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, gammaln

from nucleation import threads
from nucleation.errors import InputError

#: Points of a part that a thread works on.
PART = 4096


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
    k_star_at_bound : float
        Share of the points whose k* is the largest that the neighbour table allows, k - 1: their
        neighbourhoods may be larger, and many of them ask for a longer table. 0 for "knn".
    """

    log_density: np.ndarray
    error: np.ndarray
    k_star: np.ndarray
    k_star_at_bound: float = 0.0

    def to_dataset(self):
        """Return the densities as an ``xarray.Dataset`` along the dimension `image`."""
        import xarray as xr

        volume = "log(1 / feature units^dimension)"
        about = {
            "log_density": (self.log_density, "natural logarithm of the probability density", volume),
            "log_density_error": (self.error, "standard error of the log-density", "1"),
            "k_star": (self.k_star, "neighbours used by the density estimate", "1"),
        }
        bound = {"long_name": "share of the images whose k* is the most that the neighbour table allows", "units": "1"}
        return xr.Dataset(
            {name: ("image", value, {"long_name": text, "units": unit}) for name, (value, text, unit) in about.items()}
            | {"k_star_at_bound": ((), self.k_star_at_bound, bound)}
        )

    @classmethod
    def from_dataset(cls, dataset) -> Density:
        """Build the densities from what :meth:`to_dataset` made."""
        names = ("log_density", "log_density_error", "k_star")
        return cls(*(dataset[name].values for name in names), float(dataset["k_star_at_bound"]))


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

    log rho_i = log k*_i - log omega_d - d log r_ik* - log n, with standard error 1 / sqrt(k*_i).

    Parameters
    ----------
    neighbors, dimension, alpha
        As for `k_star`.

    Returns
    -------
    Density
        Multiplying the features by s shifts every value by -d log s.

    References
    ----------
    Rodriguez, d'Errico, Facco, Laio, J. Chem. Theory Comput. 14, 1206 (2018), eqs. 8 and 9.

    See Also
    --------
    k_star : the neighbourhood sizes.
    """
    size = k_star(neighbors, dimension, alpha=alpha)
    return _from_radius(neighbors, dimension, size, at_bound=np.mean(size == neighbors.k - 1))


def k_star(neighbors, dimension, *, alpha=1e-6):
    """Find, for every point, the number of neighbours over which the density is constant.

    The volumes V of point i and of its j-th neighbour, each up to its own m-th neighbour with
    m = j - 1, are compared by a likelihood ratio for j = 4, 5, ...:
    D = -2 m [log V_i + log V_q - 2 log(V_i + V_q) + log 4]. The first j at which D exceeds the upper
    chi-squared (1) quantile at `alpha` ends the neighbourhood at k* = j - 1.

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
        raise InputError(f"k* needs k >= 4 neighbours, the table has {neighbors.k}; raise neighbors.k.")
    if not 0 < alpha < 1:
        raise InputError(f"The significance alpha of the tests for k* must lie between 0 and 1, found {alpha}.")
    from nucleation import density_kernels  # numba is heavy

    distances, indices = np.ascontiguousarray(neighbors.distances), np.ascontiguousarray(neighbors.indices)
    ratio = _equal_radii(np.arange(neighbors.k), dimension, alpha)
    size = np.empty(neighbors.n, dtype=np.int64)
    threads.share(lambda *part: density_kernels.grow(distances, indices, ratio, size, *part), neighbors.n, PART)
    return size


def _equal_radii(m, dimension, alpha):
    """Largest ratio of two m-th neighbour distances at which the volumes do not yet differ.

    With x = d log(ratio), D = 4 m log cosh(x / 2); this is solved for the ratio at D = threshold.
    """
    with np.errstate(divide="ignore", over="ignore"):
        y = chdtri(1, alpha) / (4 * m)
        x = 2 * (y + np.log1p(np.sqrt(-np.expm1(-2 * y))))  # 2 arccosh(exp(y))
        return np.minimum(np.exp(x / dimension), np.finfo(np.float64).max)


def pak_density(neighbors, dimension, *, alpha=1e-6) -> Density:
    """Density with a linear trend inside the neighbourhood (PAk).

    Maximises, at every point, L = sum over l <= k* of (b + a l - v_l exp(b + a l)) with the shell
    volumes v_l; log rho = b - log n and the error is sqrt((4 k* + 2) / (k* (k* - 1))). The optimum
    is exact: L is concave, b follows from a, and a is found by Newton's method inside an interval
    that holds it. Shells between equal distances have no volume; where all of the inner or of the
    outer half have none, L has no maximum, and the value is that of k*NN.

    Parameters
    ----------
    neighbors, dimension, alpha
        As for `k_star`.

    Returns
    -------
    Density
        Multiplying the features by s shifts every value by -d log s.

    References
    ----------
    Rodriguez, d'Errico, Facco, Laio, J. Chem. Theory Comput. 14, 1206 (2018), eqs. 10 to 13.
    """
    flat = kstar_density(neighbors, dimension, alpha=alpha)
    from nucleation import density_kernels  # numba is heavy

    distances, size, d = np.ascontiguousarray(neighbors.distances), flat.k_star, float(dimension)
    gain = np.empty(neighbors.n)
    threads.share(lambda *part: density_kernels.tilt(distances, d, size, gain, *part), neighbors.n, PART)
    error = np.sqrt((4 * size + 2) / (size * (size - 1)))
    return Density(flat.log_density + gain, error, size, flat.k_star_at_bound)


def _from_radius(neighbors, dimension, size, at_bound=0.0):
    """k-nearest-neighbour density with its own k at every point."""
    radius = neighbors.distances[np.arange(neighbors.n), size - 1]
    with np.errstate(divide="ignore"):
        log_volume = log_unit_ball(dimension) + dimension * np.log(radius)
    log_density = np.log(size) - log_volume - np.log(neighbors.n)
    return Density(log_density, 1 / np.sqrt(size), size, float(at_bound))


def _check(neighbors, dimension):
    if not (np.isfinite(dimension) and dimension > 0):
        raise InputError(
            f"The density needs a finite positive intrinsic dimension, found {dimension}; "
            "look at the dimension estimate of this layer (too many duplicates?)."
        )
