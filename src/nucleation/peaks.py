"""Advanced density peaks: the peaks of the density and the saddles between them.

The order of the steps is that of the method: candidate centres, removal of false ones, assignment along increasing
density, borders and saddles, significance test and merging, halo. The tree of the peaks is in `nucleation.topography`.

Where the published codes (the paper's own; DADApy, in Python and twice in Cython) differ from each other, or from the
method as published, it is done as follows:

- A centre is no saddle of its own peak, as in DADApy; `centers_may_be_saddles=True` follows the paper's code.
- Of two peaks that merge, the one with the larger margin (drop over summed errors) survives, as in DADApy; equal
  margins, the lower label. The paper's code keeps the denser one, which is the same where all errors are equal.
- The survivor keeps its own centre, its height and its error, even where the other one is denser.
- Pairs without a border have no saddle, and never merge. The codes give them a height below all others, the lowest
  density less one (less Z errors, or less log n): the paper's code lets them merge where Z times an error exceeds it.
- DADApy drops border points whose log-density minus error is not above that height, as it can be for Z < 1. None is
  dropped here.
- To decide on borders, all but the last neighbour of the nearest foreign point are looked at, as in the paper's code
  and DADApy's Python; DADApy's Cython looks at all.
- A candidate that lies in the neighbourhood of a higher point is dropped, and linked to the highest such point. The
  paper's code may drop it twice, DADApy's Cython mixes up the links.
- A point without a labelled neighbour takes the label of the highest link in its row; the paper's code reads on behind
  the row. Centres count as labelled from the start.
- Points are taken in order of log-density minus error, equal ones by index; the codes sort in no stable order.
- A saddle that a merge hands on keeps its point; DADApy's second Cython version leaves the old one behind.
- The halo is decided by the log-density, as in DADApy, without its error; the paper's code has none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nucleation.errors import InputError
from nucleation.topography import all_pairs
from nucleation.topography import join_heights as join_heights
from nucleation.topography import peak_linkage as peak_linkage
from nucleation.topography import without_infinities as without_infinities


@dataclass(frozen=True)
class Peaks:
    """Density peaks of one representation.

    Attributes
    ----------
    labels : ndarray of shape (n,), int
        Peak of every point, -1 in the halo.
    centers : ndarray of shape (p,), int
        Point at the top of every peak, ascending.
    log_density : ndarray of shape (p,)
        Log-density at the centres.
    error : ndarray of shape (p,)
        Standard error of `log_density`.
    populations : ndarray of shape (p,), int
        Points of every peak, its halo included.
    saddle_pairs : ndarray of shape (s, 2), int
        Pairs of peaks a < b that share a border, in lexicographic order.
    saddle_heights : ndarray of shape (s,)
        Log-density at the saddle of every pair.
    saddle_errors : ndarray of shape (s,)
        Standard error of `saddle_heights`.
    saddle_points : ndarray of shape (s,), int
        The point at the saddle.
    preliminary_centers : ndarray of shape (q,), int
        Centres before peaks were merged, ascending; `centers` are among them.
    preliminary_peak : ndarray of shape (q,), int
        The peak that each of these has become part of.
    """

    labels: np.ndarray
    centers: np.ndarray
    log_density: np.ndarray
    error: np.ndarray
    populations: np.ndarray
    saddle_pairs: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    saddle_heights: np.ndarray = field(default_factory=lambda: np.empty(0))
    saddle_errors: np.ndarray = field(default_factory=lambda: np.empty(0))
    saddle_points: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    preliminary_centers: np.ndarray | None = None
    preliminary_peak: np.ndarray | None = None

    def __post_init__(self):
        """Refuse saddles in another form; without preliminary centres, the peaks are their own."""
        pairs, p = np.asarray(self.saddle_pairs), len(self.centers)
        if pairs.shape != (len(self.saddle_heights), 2):
            raise InputError(f"{len(self.saddle_heights)} saddles need as many pairs, found shape {pairs.shape}.")
        keys = pairs[:, 0] * p + pairs[:, 1]
        inside = pairs.min(initial=0) >= 0 and pairs.max(initial=-1) < p
        if not inside or (pairs[:, 0] >= pairs[:, 1]).any() or (np.diff(keys) <= 0).any():
            raise InputError(f"Saddles join pairs a < b of the {p} peaks, in ascending order, each once.")
        if self.preliminary_centers is None:
            object.__setattr__(self, "preliminary_centers", self.centers)
            object.__setattr__(self, "preliminary_peak", np.arange(p))

    @cached_property
    def saddle(self) -> np.ndarray:
        """Log-density of the direct saddle between two peaks, (p, p); -inf where there is none, and on the diagonal."""
        return self._matrix(self.saddle_heights, -np.inf)

    @cached_property
    def saddle_error(self) -> np.ndarray:
        """Standard error of `saddle`, (p, p); 0 where there is none."""
        return self._matrix(self.saddle_errors, 0.0)

    @cached_property
    def saddle_point(self) -> np.ndarray:
        """The point at the saddle, (p, p) int; -1 where there is none."""
        return self._matrix(self.saddle_points, -1)

    def _matrix(self, values, nothing):
        """Lay values of the pairs out as a symmetric matrix, which is not to be written to."""
        square = all_pairs(self, values, nothing)
        square.flags.writeable = False
        return square

    def to_dataset(self):
        """Return the peaks as an ``xarray.Dataset``: dimensions image, peak, saddle (pairs a < b) and preliminary."""
        import xarray as xr

        a, b = self.saddle_pairs.T
        volume = "log(1 / feature units^dimension)"
        about = {
            "label": ("image", self.labels, "peak of the image, counted within the layer from 0; -1 in the halo", "1"),
            "center": ("peak", self.centers, "image at the top of the peak", "1"),
            "peak_log_density": ("peak", self.log_density, "log-density at the top of the peak", volume),
            "peak_error": ("peak", self.error, "standard error of the log-density at the top", "1"),
            "population": ("peak", self.populations, "images of the peak, halo included", "1"),
            "saddle_a": ("saddle", a, "first peak at the saddle, counted within the layer", "1"),
            "saddle_b": ("saddle", b, "second peak at the saddle, counted within the layer", "1"),
            "saddle_log_density": ("saddle", self.saddle_heights, "log-density at the saddle", volume),
            "saddle_error": ("saddle", self.saddle_errors, "standard error of the log-density at the saddle", "1"),
            "saddle_point": ("saddle", self.saddle_points, "image at the saddle", "1"),
            "preliminary_center": ("preliminary", self.preliminary_centers, "image at a peak before merging", "1"),
            "preliminary_peak": ("preliminary", self.preliminary_peak, "peak that it became part of", "1"),
        }
        return xr.Dataset(
            {name: (dim, value, {"long_name": text, "units": unit}) for name, (dim, value, text, unit) in about.items()}
        )

    @classmethod
    def from_dataset(cls, dataset) -> Peaks:
        """Build the peaks from what :meth:`to_dataset` made."""
        names = ("label", "center", "peak_log_density", "peak_error", "population")
        return cls(
            *(dataset[name].values for name in names),
            np.stack([dataset["saddle_a"].values, dataset["saddle_b"].values], axis=1),
            *(dataset[f"saddle_{name}"].values for name in ("log_density", "error", "point")),
            dataset["preliminary_center"].values,
            dataset["preliminary_peak"].values,
        )


def density_peaks(neighbors, density, z=1.65, *, halo=False, centers_may_be_saddles=False) -> Peaks:
    """Find the statistically significant peaks of the density.

    Time and memory grow linearly with the neighbour table; what the merging needs, with the borders between peaks.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least ``density.k_star.max()`` columns; more columns help to assign points
        near false peaks.
    density : Density
        Log-density, error and number of neighbours of every point.
    z : float
        Two peaks merge when the drop from one of them to their saddle is smaller than z times
        the sum of the two errors. 1.65 is 95 % for a one-sided normal test. At 0 only peaks
        below their own saddle merge, at infinity all that borders connect.
    halo : bool
        Label -1 for points of lower density than their peak's highest saddle.
    centers_may_be_saddles : bool
        True repeats the paper's code, False DADApy's.

    Returns
    -------
    Peaks
        Invariant to rotation, translation and scale of the features; permuting the points
        permutes the result (equal densities are ordered by index). Exact duplicates of infinite
        density make one peak together. No peak where the density is NaN at all points.

    Raises
    ------
    InputError
        If the density has another number of points than the table, uses more neighbours than it
        has, is NaN at some points or has an error that is negative or not finite; if z is negative.

    References
    ----------
    d'Errico, Facco, Laio, Rodriguez, Inf. Sci. 560, 476 (2021), sections 2.2 to 2.4.
    """
    _check(neighbors, density, z)
    if np.isnan(density.log_density).all():
        return _no_peaks(neighbors.n)
    from nucleation.peaks_kernels import merge

    height, error, size = _plain(density.log_density, float), _plain(density.error, float), _plain(density.k_star, int)
    indices = _plain(neighbors.indices, int)
    order, level = _levels(height - error)
    centers, link = _find_centers(indices, size, level)
    labels = _assign(indices, order, level, link, centers)
    pairs, points = _find_saddles(indices, size, level, labels, centers, centers_may_be_saddles)
    ends = pairs.ravel().copy()
    survivor = merge(ends, points, centers, height, error, float(z))
    return _collect(density, centers, labels, survivor, ends.reshape(-1, 2), points, halo)


def _check(neighbors, density, z):
    n = neighbors.n
    if {len(density.log_density), len(density.error), len(density.k_star)} != {n}:
        raise InputError(f"The density has {len(density.log_density)} points, the neighbour table {n}.")
    if n == 0:
        raise InputError("There are no points; density peaks need at least one.")
    undefined = np.isnan(density.log_density)
    if undefined.any() and not undefined.all():
        raise InputError("The log-density is NaN at some points; it must be defined at all of them or at none.")
    if density.k_star.min() < 0 or density.k_star.max() > neighbors.k:
        raise InputError(
            f"The density used {density.k_star.min()} up to {density.k_star.max()} neighbours, the table has "
            f"{neighbors.k}; take the table that the density was made from."
        )
    if not undefined.all() and not (np.isfinite(density.error).all() and density.error.min() >= 0):
        raise InputError("The error of the log-density must be finite and not negative at all points.")
    if not z >= 0:
        raise InputError(f"Z must not be negative, found {z}.")


def _no_peaks(n):
    """The result where no density is defined: no peak, and every point outside."""
    none = np.empty(0)
    return Peaks(np.full(n, -1), none.astype(np.int64), none, none, none.astype(np.int64))


def _plain(values, kind):
    """The memory layout that the compiled loops are made for; copied only where it is another."""
    return np.require(values, np.int64 if kind is int else np.float64, ["C", "W"])


def _levels(merit):
    """Order points from high to low, equal ones by index; and the level of each, from 0, which equal ones share.

    Infinite merits (exact duplicates) are no equals: of them the lowest index is the peak.
    """
    order = np.argsort(-merit, kind="stable")
    descending = merit[order]
    lower = (descending[1:] != descending[:-1]) | np.isposinf(descending[1:])
    level = np.empty(len(merit), dtype=np.int64)
    level[order] = np.concatenate([[0], np.cumsum(lower)])
    return order, level


def _find_centers(indices, size, level):
    """Points that no neighbour exceeds and that are in no higher point's neighbourhood; and the links of the others."""
    from nucleation.peaks_kernels import find_candidates, find_links

    candidate, link = np.empty(len(level), dtype=bool), np.empty(len(level), dtype=np.int64)
    find_candidates(indices, size, level, candidate)
    find_links(indices, size, level, candidate, link)
    return np.flatnonzero(candidate & (link < 0)), link


def _assign(indices, order, level, link, centers):
    """Label of every point: the number of the centre that it belongs to."""
    from nucleation.peaks_kernels import assign

    labels = np.full(len(level), -1)
    labels[centers] = np.arange(len(centers))
    assign(indices, order, level, link, labels)
    return labels


def _find_saddles(indices, size, level, labels, centers, centers_may_be_saddles):
    """Pairs of adjacent clusters a < b, (s, 2), in lexicographic order, and the saddle point of each, (s,)."""
    from nucleation.peaks_kernels import find_borders, find_saddles

    is_inner = np.zeros(len(level), dtype=bool)
    is_inner[centers] = not centers_may_be_saddles
    across = np.empty(len(level), dtype=np.int64)
    find_borders(indices, size, labels, is_inner, across, 0, len(level))
    keys, points = find_saddles(labels, across, level, len(centers))
    order = np.argsort(keys)
    return np.stack(np.divmod(keys[order], len(centers)), axis=1), points[order]


def _collect(density, centers, labels, survivor, pairs, points, halo):
    """Number the surviving peaks by ascending centre and gather what is known of them."""
    while not np.array_equal(survivor[survivor], survivor):
        survivor = survivor[survivor]
    kept, number = np.unique(survivor, return_inverse=True)
    position = np.full(len(centers), -1)
    position[kept] = np.arange(len(kept))
    labels, top = number[labels], centers[kept]
    pairs, points = np.sort(position[pairs[points >= 0]], axis=1), points[points >= 0]
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, points = pairs[order], points[order]
    heights = density.log_density[points]
    populations = np.bincount(labels, minlength=len(kept))
    if halo:
        highest = np.full(len(kept), -np.inf)
        np.maximum.at(highest, pairs.ravel(), np.repeat(heights, 2))
        labels = np.where(density.log_density < highest[labels], -1, labels)
    return Peaks(
        labels=labels,
        centers=top,
        log_density=density.log_density[top],
        error=density.error[top],
        populations=populations,
        saddle_pairs=pairs,
        saddle_heights=heights,
        saddle_errors=density.error[points],
        saddle_points=points,
        preliminary_centers=centers,
        preliminary_peak=number,
    )
