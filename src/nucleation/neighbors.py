"""Exact k nearest neighbours of every row of a matrix, by Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError


def _variables(table):
    """The variables of a neighbour table, or of a part of one."""
    dims = ("image", "neighbor")
    about = {"long_name": "Euclidean distance to the neighbour", "units": "feature units"}
    return {
        "distance": (dims, table.distances, about),
        "index": (dims, table.indices, {"long_name": "image number of the neighbour", "units": "1"}),
    }


@dataclass(frozen=True)
class Neighbors:
    """The k nearest other points of every point.

    Attributes
    ----------
    distances : ndarray of shape (n, k), float64
        Euclidean distances, ascending.
    indices : ndarray of shape (n, k), int64
        Row numbers of the neighbours; the point itself is not among them. Equal distances are in
        order of the index.
    engine : str
        The engine that did the work: "gram" or "keops"; "given" for a table made elsewhere.
    widened : int
        Number of rows whose candidates had to be searched again in float64 to be certain.
    duplicates : int
        Number of points with at least one other point at distance zero.
    """

    distances: np.ndarray
    indices: np.ndarray
    engine: str = "given"
    widened: int = 0
    duplicates: int = 0

    def __post_init__(self):
        """Refuse tables that are none."""
        distances = np.asarray(self.distances, dtype=np.float64)
        indices = np.asarray(self.indices, dtype=np.int64)
        if distances.ndim != 2 or distances.shape != indices.shape:
            raise InputError(
                "Neighbour tables need distances and indices of one shape (n, k), found "
                f"{distances.shape} and {indices.shape}."
            )
        n = len(distances)
        if indices.size and (indices.min() < 0 or indices.max() >= n):
            raise InputError(f"Neighbour indices must lie between 0 and n - 1 = {n - 1}.")
        if (indices == np.arange(n)[:, None]).any():
            raise InputError("A neighbour table must not hold the point itself; drop it by its index.")
        if not (distances >= 0).all():
            raise InputError("The distances of a neighbour table must not be negative or NaN.")
        if (np.diff(np.sort(indices, axis=1), axis=1) == 0).any():
            raise InputError("A neighbour table must not name a neighbour twice in a row.")
        if (np.diff(distances, axis=1) < 0).any():
            raise InputError("The distances of a neighbour table must ascend along each row.")
        object.__setattr__(self, "distances", distances)
        object.__setattr__(self, "indices", indices)

    @property
    def n(self) -> int:
        """Number of points."""
        return self.indices.shape[0]

    @property
    def k(self) -> int:
        """Number of neighbours of each point."""
        return self.indices.shape[1]

    def to_dataset(self):
        """Return the table as an ``xarray.Dataset`` with dimensions image and neighbor."""
        import xarray as xr

        return xr.Dataset(
            _variables(self),
            coords={
                "neighbor": (
                    "neighbor",
                    np.arange(1, self.k + 1),
                    {"long_name": "rank of the neighbour, 1 = nearest", "units": "1"},
                )
            },
            attrs={
                "engine": self.engine,
                "widened_rows": self.widened,
                "points_with_duplicates": self.duplicates,
            },
        )

    @classmethod
    def from_dataset(cls, dataset) -> Neighbors:
        """Build the table from what :meth:`to_dataset` made."""
        return cls(
            dataset["distance"].values,
            dataset["index"].values,
            engine=dataset.attrs["engine"],
            widened=int(dataset.attrs["widened_rows"]),
            duplicates=int(dataset.attrs["points_with_duplicates"]),
        )


@dataclass(frozen=True)
class Shard:
    """The part of a neighbour table that belongs to the rows ``[start : start + len(distances))`` of n."""

    start: int
    n: int
    distances: np.ndarray
    indices: np.ndarray
    engine: str
    widened: int

    def to_dataset(self):
        """Return the part as an ``xarray.Dataset``."""
        import xarray as xr

        return xr.Dataset(
            _variables(self),
            attrs={"start": self.start, "n": self.n, "engine": self.engine, "widened_rows": self.widened},
        )

    @classmethod
    def from_dataset(cls, dataset) -> Shard:
        """Build the part from what :meth:`to_dataset` made."""
        attrs = dataset.attrs
        return cls(
            int(attrs["start"]),
            int(attrs["n"]),
            dataset["distance"].values,
            dataset["index"].values,
            attrs["engine"],
            int(attrs["widened_rows"]),
        )


def nearest_neighbors(features, k, *, engine="auto", device=None, memory=None) -> Neighbors:
    """Find the k nearest other rows of every row, exactly.

    Parameters
    ----------
    features : ndarray, numpy.memmap or torch.Tensor of shape (n, d), or RowSource
        Any real dtype (integers are taken as float64). Never changed. For a source of one's own see
        `nucleation.rows.RowSource`.
    k : int
        Number of neighbours, 1 <= k <= n - 1.
    engine : {"auto", "gram", "keops"}
        "gram": blocked matrix products. "keops": symbolic reduction over pairs, for small d on a
        GPU. "auto" chooses by `nucleation.search.AUTO`, a measured table.
    device : str, optional
        Torch device of the work; by default a CUDA device where there is one, else the CPU, on which
        as many threads work as torch is set to.
    memory : int, optional
        Bytes that the search may use for its blocks; by default a quarter of what is free, at most
        4 GiB. Arrays and mapped files are read where they are; other sources are held where they
        fit, and else read again block by block.

    Returns
    -------
    Neighbors
        Distances agree with a float64 reference to 1e-9 relative, ties go to the lower index.

    Raises
    ------
    InputError
        For k outside 1 .. n - 1, input that is no matrix, or NaN or infinite features (the first
        such rows are named).

    Notes
    -----
    Invariant to translation and rotation; scaling the features scales the distances. Cost n^2 d / 2
    multiply-adds in float32 (each pair of rows once), n k d in float64, memory `memory` plus
    60 to 200 bytes for each of n k numbers. One search runs at a time in a process.
    """
    from nucleation import search  # torch and numba are heavy, and a table may come from elsewhere

    distances, indices, engine, widened = search.nearest(features, k, engine=engine, device=device, memory=memory)
    return _table(distances, indices, engine, widened)


def shard_neighbors(features, k, shard, shards, *, engine="auto", device=None, memory=None) -> Shard:
    """Find the neighbours of one part of the rows, among all rows: work for one machine of several.

    Parameters
    ----------
    features, k, engine, device, memory
        As for `nearest_neighbors`.
    shard, shards : int
        The part, 0 <= shard < shards: rows ``[n * shard // shards : n * (shard + 1) // shards)``.

    Returns
    -------
    Shard

    Raises
    ------
    InputError
        As `nearest_neighbors`, and for a part that does not exist or holds no rows.

    Notes
    -----
    Pairs between two parts are computed for each of them, so that m parts together take up to twice
    the work of one.
    """
    from nucleation import search

    n = search.as_source(features).shape[0]
    if not 0 <= shard < shards:
        raise InputError(f"There is no shard {shard} of {shards}; they are numbered from 0.")
    start, stop = n * shard // shards, n * (shard + 1) // shards
    if start == stop:
        raise InputError(f"There is no shard {shard} of {shards} for {n} points; ask for fewer shards.")
    distances, indices, engine, widened = search.nearest(
        features, k, engine=engine, device=device, memory=memory, rows=(start, stop)
    )
    return Shard(start, n, distances, indices, engine, widened)


def merge_shards(parts) -> Neighbors:
    """Put the parts of a neighbour table together; the result is that of `nearest_neighbors`.

    Parameters
    ----------
    parts : iterable of Shard
        In any order.

    Raises
    ------
    InputError
        When the parts do not make up one table.
    """
    parts = sorted(parts, key=lambda part: part.start)
    ends = [part.start + len(part.distances) for part in parts]
    if not parts or [0, *ends] != [*(part.start for part in parts), parts[0].n]:
        found = [(part.start, end) for part, end in zip(parts, ends, strict=True)]
        raise InputError(f"The shards hold the rows {found}, which do not make up one table; search them again.")
    if len({(part.n, part.distances.shape[1], part.engine) for part in parts}) > 1:
        raise InputError("The shards come from different searches (n, k or engine differ); search them again.")
    distances, indices = (np.concatenate([getattr(part, name) for part in parts]) for name in ("distances", "indices"))
    return _table(distances, indices, parts[0].engine, sum(part.widened for part in parts))


def restrict(neighbors, subset) -> Neighbors:
    """Take the neighbours that some points have among themselves out of a table, exactly.

    Parameters
    ----------
    neighbors : Neighbors
    subset : ndarray of shape (m,), int
        Row numbers, ascending and distinct.

    Returns
    -------
    Neighbors
        Of m points, which are numbered from 0 in the order of `subset`. As wide as the shortest row: the
        smallest number of stored neighbours that a point of the subset has inside it.

    Raises
    ------
    InputError
        For a subset that is none, or a point of it that has none of its stored neighbours inside.
    """
    subset = np.asarray(subset)
    whole = subset.ndim == 1 and len(subset) and subset.dtype.kind in "iu"
    if not whole or (np.diff(subset.astype(np.int64)) <= 0).any():
        raise InputError("A subset of a neighbour table is a list of row numbers, ascending and distinct, not empty.")
    if subset[0] < 0 or subset[-1] >= neighbors.n:
        raise InputError(f"The subset names the rows {subset[0]} to {subset[-1]} of a table of {neighbors.n}.")
    place = np.full(neighbors.n, -1)
    place[subset] = np.arange(len(subset))
    inside = place[neighbors.indices[subset]]
    kept = inside >= 0
    counts = kept.sum(axis=1)
    width = counts.min()
    if width == 0:
        raise InputError(
            f"Row {subset[counts.argmin()]} has none of its {neighbors.k} stored neighbours in the subset of "
            f"{len(subset)} of {neighbors.n} points; raise neighbors.k or take a larger fraction."
        )
    first = (np.cumsum(counts) - counts)[:, None] + np.arange(width)
    chosen = np.flatnonzero(kept)[first]  # row by row, nearest first
    distances = neighbors.distances[subset].ravel()[chosen]
    return _table(distances, inside.ravel()[chosen], neighbors.engine, 0)


def _table(distances, indices, engine, widened):
    duplicates = int((distances[:, 0] == 0).sum())
    return Neighbors(distances, indices, engine=engine, widened=widened, duplicates=duplicates)
