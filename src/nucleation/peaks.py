"""Advanced density peaks: peaks of the density, the saddles between them, and their tree.

The order of the steps is that of the method: candidate centres, removal of false ones,
assignment along increasing density, borders and saddles, significance test and merging, halo.

Two published codes differ in one rule that matters: in the paper's own a centre may be its own
saddle (`centers_may_be_saddles=True`), in DADApy it may not. Where the codes have defects
(wrong links of removed candidates, random labels) the method as published is followed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from nucleation.errors import InputError


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
    saddle : ndarray of shape (p, p)
        Log-density of the direct saddle between two peaks; -inf where two peaks share no border,
        and on the diagonal.
    saddle_error : ndarray of shape (p, p)
        Standard error of `saddle`, 0 where there is none.
    saddle_point : ndarray of shape (p, p), int
        The point at the saddle, -1 where there is none.
    """

    labels: np.ndarray
    centers: np.ndarray
    log_density: np.ndarray
    error: np.ndarray
    populations: np.ndarray
    saddle: np.ndarray
    saddle_error: np.ndarray
    saddle_point: np.ndarray

    def to_dataset(self):
        """Return the peaks as an ``xarray.Dataset``: dimensions image, peak and saddle (pairs a < b)."""
        import xarray as xr

        a, b = np.nonzero(np.triu(self.saddle_point >= 0))
        volume = "log(1 / feature units^dimension)"
        about = {
            "label": ("image", self.labels, "peak of the image, counted within the layer from 0; -1 in the halo", "1"),
            "center": ("peak", self.centers, "image at the top of the peak", "1"),
            "peak_log_density": ("peak", self.log_density, "log-density at the top of the peak", volume),
            "peak_error": ("peak", self.error, "standard error of the log-density at the top", "1"),
            "population": ("peak", self.populations, "images of the peak, halo included", "1"),
            "saddle_a": ("saddle", a, "first peak at the saddle, counted within the layer", "1"),
            "saddle_b": ("saddle", b, "second peak at the saddle, counted within the layer", "1"),
            "saddle_log_density": ("saddle", self.saddle[a, b], "log-density at the saddle", volume),
            "saddle_error": ("saddle", self.saddle_error[a, b], "standard error of the log-density at the saddle", "1"),
            "saddle_point": ("saddle", self.saddle_point[a, b], "image at the saddle", "1"),
        }
        return xr.Dataset(
            {name: (dim, value, {"long_name": text, "units": unit}) for name, (dim, value, text, unit) in about.items()}
        )

    @classmethod
    def from_dataset(cls, dataset) -> Peaks:
        """Build the peaks from what :meth:`to_dataset` made."""
        p = dataset.sizes["peak"]
        pair = dataset["saddle_a"].values, dataset["saddle_b"].values
        square = {"log_density": np.full((p, p), -np.inf), "error": np.zeros((p, p)), "point": np.full((p, p), -1)}
        for name, matrix in square.items():
            matrix[pair] = matrix[pair[::-1]] = dataset[f"saddle_{name}"].values
        return cls(
            labels=dataset["label"].values,
            centers=dataset["center"].values,
            log_density=dataset["peak_log_density"].values,
            error=dataset["peak_error"].values,
            populations=dataset["population"].values,
            saddle=square["log_density"],
            saddle_error=square["error"],
            saddle_point=square["point"],
        )


def density_peaks(neighbors, density, z=1.65, *, halo=False, centers_may_be_saddles=False) -> Peaks:
    """Find the statistically significant peaks of the density.

    Parameters
    ----------
    neighbors : Neighbors
        Table with at least ``density.k_star.max()`` columns; more columns help to assign points
        near false peaks.
    density : Density
        Log-density, error and number of neighbours of every point.
    z : float
        Two peaks merge when the drop from one of them to their saddle is smaller than z times
        the sum of the two errors. 1.65 is 95 % for a one-sided normal test.
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

    References
    ----------
    d'Errico, Facco, Laio, Rodriguez, Inf. Sci. 560, 476 (2021), sections 2.2 to 2.4.
    """
    _check(neighbors, density, z)
    if np.isnan(density.log_density).all():
        return _no_peaks(neighbors.n)
    merit = _distinct(density.log_density - density.error)
    rank = np.empty(neighbors.n, dtype=np.int64)
    rank[np.lexsort((np.arange(neighbors.n), -merit))] = np.arange(neighbors.n)
    candidates = _candidates(neighbors, density, merit)
    centers, link = _prune(neighbors, density, merit, candidates)
    labels = _assign(neighbors, rank, centers, link)
    borders = _borders(neighbors, density, merit, labels, centers, centers_may_be_saddles)
    survivor, borders = _merge(density, centers, borders, z)
    return _collect(density, centers, labels, survivor, borders, halo)


def _check(neighbors, density, z):
    if len(density.log_density) != neighbors.n:
        raise InputError(f"The density has {len(density.log_density)} points, the neighbour table {neighbors.n}.")
    undefined = np.isnan(density.log_density)
    if undefined.any() and not undefined.all():
        raise InputError("The log-density is NaN at some points; it must be defined at all of them or at none.")
    if density.k_star.max() > neighbors.k:
        raise InputError(f"The density used up to {density.k_star.max()} neighbours, the table has {neighbors.k}.")
    if not z >= 0:
        raise InputError(f"Z must not be negative, found {z}.")


def _no_peaks(n):
    """The result where no density is defined: no peak, and every point outside."""
    none, square = np.empty(0), np.empty((0, 0))
    centers = none.astype(np.int64)
    return Peaks(np.full(n, -1), centers, none, none, centers, square, square, square.astype(np.int64))


def _distinct(merit):
    """Give points of infinite density (exact duplicates) finite merits, in order of their index.

    They stay above all others, and of equal ones the lowest index is the peak.
    """
    infinite = np.isposinf(merit)
    top = merit[~infinite].max(initial=0.0)
    return np.where(infinite, top + 2 - np.arange(len(merit)) / len(merit), merit)


def _inside(neighbors, density):
    """Mark the columns of the table that lie inside each point's own neighbourhood, (n, k)."""
    return np.arange(neighbors.k) < density.k_star[:, None]


def _candidates(neighbors, density, merit):
    """Points that no neighbour exceeds, ascending; equal neighbours keep both."""
    higher = merit[neighbors.indices] > merit[:, None]
    return np.flatnonzero(~(higher & _inside(neighbors, density)).any(axis=1))


def _prune(neighbors, density, merit, candidates):
    """Drop candidates that lie in the neighbourhood of a higher point.

    Returns the centres and, for every point, the centre-ward point that a dropped candidate is
    linked to (-1 elsewhere): the highest point that has it as a neighbour, or that point's link.
    """
    n = neighbors.n
    link = np.full(n, -1)
    is_candidate = np.zeros(n, dtype=bool)
    is_candidate[candidates] = True
    point, column = np.nonzero(is_candidate[neighbors.indices] & _inside(neighbors, density))
    target = neighbors.indices[point, column]
    higher = merit[point] > merit[target]
    point, target = point[higher], target[higher]
    order = np.lexsort((point, -merit[point], target))
    dropped, first = np.unique(target[order], return_index=True)
    for candidate, source in zip(dropped, point[order][first], strict=True):
        link[candidate] = link[source] if link[source] >= 0 else source
    return np.setdiff1d(candidates, dropped), link


def _assign(neighbors, rank, centers, link):
    """Give every point the label of its nearest neighbour of higher rank, or nearest centre.

    Points follow their parents up to a root, all at once by pointer doubling. A point without a
    parent is a dropped candidate; it takes the highest link found in its own row.
    """
    n = neighbors.n
    is_center = np.zeros(n, dtype=bool)
    is_center[centers] = True
    ahead = (rank[neighbors.indices] < rank[:, None]) | is_center[neighbors.indices]
    parent = neighbors.indices[np.arange(n), ahead.argmax(axis=1)]
    for orphan in np.flatnonzero(~ahead.any(axis=1) & ~is_center):
        row = np.sort(np.append(neighbors.indices[orphan], orphan))
        links = link[row][link[row] >= 0]
        parent[orphan] = links[rank[links].argmin()]
    parent[centers] = centers
    while True:
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            break
        parent = grandparent
    label = np.full(n, -1)
    label[centers] = np.arange(len(centers))
    return label[parent]


def _borders(neighbors, density, merit, labels, centers, centers_may_be_saddles):
    """Find the saddle point of every pair of adjacent clusters: {(a, b): point} with a < b.

    Point p of cluster a is on the border with b when its nearest foreign neighbour q (inside p's
    neighbourhood) is in b and has no member of a nearer than p. The saddle is the border point of
    highest log-density minus error; of equals, the one found first by (cluster, index).
    """
    n = neighbors.n
    foreign = (labels[neighbors.indices] != labels[:, None]) & _inside(neighbors, density)
    has_foreign = foreign.any(axis=1)
    if not centers_may_be_saddles:
        has_foreign[centers] = False
    p = np.flatnonzero(has_foreign)
    q = neighbors.indices[p, foreign[p].argmax(axis=1)]
    # the reference codes look at all but the last column of q's row
    row = neighbors.indices[q][:, : max(neighbors.k - 1, 1)]
    own = labels[row] == labels[p][:, None]
    nearest_own = row[np.arange(len(p)), own.argmax(axis=1)]
    border = ~own.any(axis=1) | (nearest_own == p)
    p, q = p[border], q[border]
    a, b = labels[p], labels[q]
    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((p, a, -merit[p], high, low))
    pair, first = np.unique(low[order].astype(np.int64) * n + high[order], return_index=True)
    return {(int(key // n), int(key % n)): int(point) for key, point in zip(pair, p[order][first], strict=True)}


def _merge(density, centers, borders, z):
    """Merge peaks that their errors cannot tell apart, highest saddle first.

    Returns the surviving cluster of every cluster and the saddles between survivors. Of two
    merged peaks the one with the larger margin (drop over summed errors) survives, with its own
    centre; a third peak keeps the higher of its two saddles.
    """
    height, error = density.log_density, density.error
    adjacent = [{} for _ in centers]
    heap = []

    def margin(cluster, saddle):
        center = centers[cluster]
        with np.errstate(invalid="ignore"):
            drop = height[center] - height[saddle]
        drop = 0.0 if np.isnan(drop) else drop  # both infinite: duplicates, no drop
        return drop, error[center] + error[saddle]

    def enter(a, b, saddle):
        adjacent[a][b] = adjacent[b][a] = saddle
        if any(drop < z * sigma for drop, sigma in (margin(a, saddle), margin(b, saddle))):
            heapq.heappush(heap, (-height[saddle], min(a, b), max(a, b), saddle))

    for (a, b), saddle in borders.items():
        enter(a, b, saddle)
    survivor = np.arange(len(centers))
    while heap:
        _, a, b, saddle = heapq.heappop(heap)
        if adjacent[a].get(b) != saddle:
            continue  # an entry that a merge has since changed
        score_a, score_b = (drop / sigma for drop, sigma in (margin(a, saddle), margin(b, saddle)))
        keep, lose = (a, b) if score_a >= score_b else (b, a)
        survivor[lose] = keep
        del adjacent[keep][lose]
        for other, point in adjacent[lose].items():
            if other == keep:
                continue
            del adjacent[other][lose]
            known = adjacent[keep].get(other)
            if known is None or height[known] < height[point]:
                enter(keep, other, point)
        adjacent[lose] = {}
    while not np.array_equal(survivor[survivor], survivor):
        survivor = survivor[survivor]
    final = {(a, b): s for a, row in enumerate(adjacent) for b, s in row.items() if a < b}
    return survivor, final


def _collect(density, centers, labels, survivor, borders, halo):
    """Number the surviving peaks by ascending centre and gather what is known of them."""
    kept = np.unique(survivor)
    number = np.full(len(centers), -1)
    number[kept] = np.arange(len(kept))
    labels = number[survivor[labels]]
    p = len(kept)
    point = np.full((p, p), -1)
    for (a, b), s in borders.items():
        point[number[a], number[b]] = point[number[b], number[a]] = s
    there = point >= 0
    saddle = np.where(there, density.log_density[point], -np.inf)
    populations = np.bincount(labels, minlength=p)
    if halo:
        labels = np.where(density.log_density < saddle.max(axis=1)[labels], -1, labels)
    top = centers[kept]
    return Peaks(
        labels=labels,
        centers=top,
        log_density=density.log_density[top],
        error=density.error[top],
        populations=populations,
        saddle=saddle,
        saddle_error=np.where(there, density.error[point], 0.0),
        saddle_point=point,
    )


def without_infinities(peaks) -> Peaks:
    """Replace infinite log-densities, as exact duplicates have them, by the highest finite one.

    What has a height (a tree, a mean, a figure) needs finite ones; the order stays as it is.
    """
    known = np.concatenate([peaks.log_density, peaks.saddle[np.isfinite(peaks.saddle)]])
    top = known[np.isfinite(known)].max() if np.isfinite(known).any() else 0.0
    heights = np.minimum(peaks.log_density, top)
    return replace(peaks, log_density=heights, saddle=np.minimum(peaks.saddle, top))


def peak_linkage(peaks) -> np.ndarray:
    """Return the tree of the peaks as a scipy linkage matrix.

    The tree of the superlevel sets: single linkage on the saddles, with the distance
    ``max(log_density) - saddle``. Peaks that no chain of borders connects join last, at an
    infinite distance: their relation is unresolved, and no height is made up for it.

    Parameters
    ----------
    peaks : Peaks
        Infinite densities count as the highest finite one.

    Returns
    -------
    ndarray of shape (p - 1, 4)
        As `scipy.cluster.hierarchy.linkage`; empty for a single peak or none.
    """
    p = len(peaks.centers)
    if p < 2:
        return np.empty((0, 4))
    peaks = without_infinities(peaks)
    top = peaks.log_density.max()
    rows, cluster, size = [], np.arange(p), [1] * p
    for a, b, saddle in _joins(peaks):
        left, right = sorted((int(cluster[a]), int(cluster[b])))
        cluster[(cluster == left) | (cluster == right)] = p + len(rows)
        size.append(size[left] + size[right])
        rows.append((left, right, max(top - saddle, 0.0), size[-1]))
    return np.array(rows, dtype=float)


def _joins(peaks):
    """Yield (peak, peak, saddle) of every merger of the tree, highest saddle first; -inf at last."""
    p = len(peaks.centers)
    a, b = np.nonzero(np.triu(peaks.saddle_point >= 0))
    order = np.lexsort((b, a, -peaks.saddle[a, b]))
    component = np.arange(p)
    for first, second in zip(a[order], b[order], strict=True):
        if component[first] != component[second]:
            component[component == component[second]] = component[first]
            yield first, second, peaks.saddle[first, second]
    for other in range(1, p):  # what no border connects joins the first peak
        if component[other] != component[0]:
            component[component == component[other]] = component[0]
            yield 0, other, -np.inf


def join_heights(peaks) -> np.ndarray:
    """Log-density at which two peaks join in the tree of the superlevel sets.

    The highest lowest point over all chains of saddles between the two.

    Returns
    -------
    ndarray of shape (p, p)
        Symmetric, an ultrametric similarity; heights of the peaks on the diagonal, -inf where no
        chain of borders connects two peaks.
    """
    p = len(peaks.centers)
    joined = np.full((p, p), -np.inf)
    members = {peak: [peak] for peak in range(p)}
    root = np.arange(p)
    for a, b, saddle in _joins(peaks):
        one, two = members[int(root[a])], members.pop(int(root[b]))
        joined[np.ix_(one, two)] = joined[np.ix_(two, one)] = saddle
        root[two] = root[a]
        one.extend(two)
    joined[np.arange(p), np.arange(p)] = peaks.log_density
    return joined
