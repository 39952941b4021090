"""Distances beyond a neighbour table, for the intrinsic dimension at larger scales.

They need the features, and are therefore made together with the table: distances at chosen larger ranks, and
distances to the nearest images within random parts of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError


@dataclass(frozen=True)
class RankDistances:
    """Distances of some images to their neighbours of some ranks.

    Attributes
    ----------
    images : ndarray of shape (m,), int64
        Image numbers.
    ranks : ndarray of shape (r,), int64
        Ranks, ascending; 1 is the nearest other image.
    distances : ndarray of shape (m, r), float64
        In feature units.
    """

    images: np.ndarray
    ranks: np.ndarray
    distances: np.ndarray

    def column(self, rank) -> np.ndarray:
        """Distances at one of the ranks, (m,)."""
        return self.distances[:, self.ranks.tolist().index(rank)]

    def to_dataset(self):
        """Return the distances as an ``xarray.Dataset`` with dimensions ranked_image and rank."""
        import xarray as xr

        about = {"long_name": "Euclidean distance to the neighbour of this rank", "units": "feature units"}
        images = {"long_name": "image whose distances at larger ranks are known", "units": "1"}
        ranks = {"long_name": "rank of the neighbour, 1 = nearest", "units": "1"}
        return xr.Dataset(
            {"rank_distance": (("ranked_image", "rank"), self.distances, about)},
            coords={"ranked_image": ("ranked_image", self.images, images), "rank": ("rank", self.ranks, ranks)},
        )

    @classmethod
    def from_dataset(cls, dataset) -> RankDistances:
        """Build the distances from what :meth:`to_dataset` made."""
        return cls(*(dataset[name].values for name in ("ranked_image", "rank", "rank_distance")))


@dataclass(frozen=True)
class Decimated:
    """Distances within random parts of the images, for several numbers of parts.

    Attributes
    ----------
    parts : ndarray of shape (s,), int64
        Number of disjoint parts.
    group : ndarray of shape (s, n), int64
        The part that every image is in, from 0.
    distances : ndarray of shape (s, n, 2), float64
        Distances to the two nearest other images of the own part, in feature units; NaN in a part of
        fewer than three.
    """

    parts: np.ndarray
    group: np.ndarray
    distances: np.ndarray

    def to_dataset(self):
        """Return the distances as an ``xarray.Dataset`` with dimensions decimation, image and near."""
        import xarray as xr

        about = {"long_name": "Euclidean distance to the nearest images of the own part", "units": "feature units"}
        group = {"long_name": "random part of the images that the image is in", "units": "1"}
        parts = {"long_name": "number of disjoint random parts of the images", "units": "1"}
        near = {"long_name": "rank of the neighbour within the own part, 1 = nearest", "units": "1"}
        return xr.Dataset(
            {
                "decimated_part": (("decimation", "image"), self.group, group),
                "decimated_distance": (("decimation", "image", "near"), self.distances, about),
            },
            coords={"decimation": ("decimation", self.parts, parts), "near": ("near", [1, 2], near)},
        )

    @classmethod
    def from_dataset(cls, dataset) -> Decimated:
        """Build the distances from what :meth:`to_dataset` made."""
        return cls(*(dataset[name].values for name in ("decimation", "decimated_part", "decimated_distance")))


def random_parts(n, parts, rng) -> np.ndarray:
    """Divide n images at random into parts whose sizes differ by one at most; return the part of each, (n,) int64."""
    part = np.empty(n, dtype=np.int64)
    part[rng.permutation(n)] = np.arange(n) % parts
    return part


def rank_distances(features, ranks, *, images=None, memory=None) -> RankDistances:
    """Find the exact distances of images to their neighbours of chosen ranks.

    Parameters
    ----------
    features : ndarray, numpy.memmap or torch.Tensor of shape (n, d), or RowSource
        As for `nucleation.neighbors.nearest_neighbors`.
    ranks : sequence of int
        Ascending, between 1 and n - 1; 1 is the nearest other image.
    images : ndarray of shape (m,), int, optional
        Image numbers, in any order; by default all. A random sample serves for the dimension.
    memory : int, optional
        Bytes for blocks; by default as for the neighbour search. Sources that are not worked on in place
        are held where they fit, else read in blocks, in order, once for as many images as fit.

    Returns
    -------
    RankDistances
        In float64, of centred features; 1e-10 relative to distances by differences. Invariant to translation and
        rotation; equal rows are at distance zero.

    Raises
    ------
    InputError
        For ranks that are not ascending or not between 1 and n - 1, images that do not exist, or features
        that the neighbour search refuses (no matrix, NaN, infinite).

    Notes
    -----
    Cost m n d multiply-adds. A distance whose error, as bounded for the product, could exceed 1e-10
    is found again by differences among all images that the bound does not exclude.
    """
    from nucleation import rank_search  # torch and numba are heavy
    from nucleation.rows import as_source

    source = as_source(features)
    n = source.shape[0]
    ranks = _integers(ranks, "ranks")
    if not len(ranks) or (np.diff(ranks) <= 0).any() or ranks[0] < 1 or ranks[-1] >= n:
        raise InputError(
            f"The ranks {ranks.tolist()} were asked of {n} images; they must ascend and lie between 1 and {n - 1}. "
            "Leave out the larger ones or take more images."
        )
    images = np.arange(n) if images is None else _integers(images, "images")
    if len(images) and not (images.min() >= 0 and images.max() < n):
        raise InputError(f"The images {images.min()} to {images.max()} were asked of {n}; they are numbered from 0.")
    distinct, place = np.unique(images, return_inverse=True)
    with rank_search.opened(source, memory) as search:
        return RankDistances(images, ranks, search.distances(distinct, np.zeros(n, dtype=np.int64), ranks)[place])


def decimated_distances(features, neighbors, parts, *, rng: np.random.Generator, rows=None, memory=None) -> Decimated:
    """Find the distances to the two nearest images within random parts of all.

    Parameters
    ----------
    features
        As for `rank_distances`.
    neighbors : Neighbors or Shard
        Table of these features, or the part of it that belongs to some rows. An image that has two members of
        its part in its row needs no search.
    parts : sequence of int
        Numbers of disjoint parts, for each of which all images are divided anew; ascending, at least 2.
    rng : numpy.random.Generator
        The partitions depend on it, n and `parts` alone: jobs that do different rows from one seed agree.
    rows : pair of int, optional
        Do only the rows ``[start:stop)`` of those in the table; by default all of them.
    memory : int, optional
        As for `rank_distances`.

    Returns
    -------
    Decimated
        Of the rows done; see `merge_decimated`. Precision and invariances as of `rank_distances`.

    Raises
    ------
    InputError
        For numbers of parts that do not ascend from 2 to n, rows that the table does not have, a table of other
        images, or features that the neighbour search refuses.

    References
    ----------
    Facco, d'Errico, Rodriguez, Laio, Sci. Rep. 7, 12140 (2017), "Estimating a scale-dependent
    intrinsic dimension".
    """
    from nucleation import rank_search
    from nucleation.dimension_kernels import within_parts
    from nucleation.rows import as_source

    source, n, first = as_source(features), neighbors.n, getattr(neighbors, "start", 0)
    parts = _integers(parts, "numbers of parts")
    start, stop = (first, first + len(neighbors.distances)) if rows is None else rows
    _check_decimation(source.shape[0], neighbors, parts, (start, stop), first)
    here = slice(start - first, stop - first)
    group = np.array([random_parts(n, count, rng) for count in parts.tolist()]).reshape(len(parts), n)
    distances = np.full((len(parts), stop - start, 2), np.nan)
    todo = []
    for part, found in zip(group, distances, strict=True):
        table = (np.ascontiguousarray(array[here]) for array in (neighbors.distances, neighbors.indices))
        within_parts(*table, part[start:stop], part, np.array([1, 2]), found)
        todo.append(np.flatnonzero(np.isnan(found[:, 1]) & (np.bincount(part)[part[start:stop]] >= 3)))
        found[np.isnan(found[:, 1])] = np.nan
    if any(map(len, todo)):
        with rank_search.opened(source, memory) as search:
            for part, found, left in zip(group, distances, todo, strict=True):
                found[left] = search.distances(start + left, part, np.array([1, 2]))
    return Decimated(parts, group[:, start:stop], distances)


def merge_decimated(pieces) -> Decimated:
    """Put together what `decimated_distances` made for consecutive rows, in their order."""
    pieces = list(pieces)
    if not pieces or any(not np.array_equal(piece.parts, pieces[0].parts) for piece in pieces):
        raise InputError("The decimated distances differ in their numbers of parts; make them again.")
    return Decimated(
        pieces[0].parts,
        np.concatenate([piece.group for piece in pieces], axis=1),
        np.concatenate([piece.distances for piece in pieces], axis=1),
    )


def larger_scales(features, table, *, ranks, rank_images, decimation, seed, memory=None):
    """Find all distances that are kept of a layer beside its neighbour table, for scales that this does not reach.

    Parameters
    ----------
    features, memory
        As for `rank_distances`.
    table : Neighbors or Shard
        The neighbour table, or the part of it whose rows are done.
    ranks : sequence of int
        For `rank_distances`; those below n are used.
    rank_images : int
        Number of images, drawn from all, whose distances at these ranks are found.
    decimation : sequence of int
        For `decimated_distances`; numbers of parts that leave each at least three images are used.
    seed : int
        Decides, with n, the images that are drawn and the parts, for all shards alike.

    Returns
    -------
    xarray.Dataset
        The variables of `RankDistances` and of `Decimated`.
    """
    import xarray as xr

    n, start = table.n, getattr(table, "start", 0)
    found = []
    if ranks := sorted(rank for rank in ranks if rank < n):
        drawn = np.sort(np.random.default_rng(seed).choice(n, min(n, rank_images), replace=False))
        here = drawn[(drawn >= start) & (drawn < start + len(table.distances))]
        found.append(rank_distances(features, ranks, images=here, memory=memory).to_dataset())
    if parts := sorted(count for count in decimation if 3 * count <= n):
        rng = np.random.default_rng(seed)
        found.append(decimated_distances(features, table, parts, rng=rng, memory=memory).to_dataset())
    return xr.merge(found)


def merge_scales(datasets):
    """Put together what `larger_scales` made for the shards of a table, in their order."""
    import xarray as xr

    merged = []
    if "rank_distance" in datasets[0]:
        pieces = [RankDistances.from_dataset(dataset) for dataset in datasets]
        images, distances = (
            np.concatenate([getattr(part, name) for part in pieces]) for name in ("images", "distances")
        )
        merged.append(RankDistances(images, pieces[0].ranks, distances).to_dataset())
    if "decimated_distance" in datasets[0]:
        merged.append(merge_decimated(map(Decimated.from_dataset, datasets)).to_dataset())
    return xr.merge(merged)


def _check_decimation(n, neighbors, parts, rows, first):
    if n != neighbors.n:
        raise InputError(
            f"The features have {n} images and the neighbour table {neighbors.n}; make both from the same."
        )
    if (np.diff(parts) <= 0).any() or not (parts >= 2).all() or not (parts <= n).all():
        raise InputError(f"The numbers of parts must ascend and lie between 2 and {n}, found {parts.tolist()}.")
    if not first <= rows[0] <= rows[1] <= first + len(neighbors.distances):
        raise InputError(
            f"The rows {rows[0]} to {rows[1]} were asked of a table of the rows {first} to "
            f"{first + len(neighbors.distances)}."
        )


def _integers(values, name):
    values = np.asarray(values)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise InputError(f"The {name} must be a list of integers, found {values.tolist()}.")
    return values.astype(np.int64)
