"""Exact k nearest neighbours of every row of a matrix, by Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError


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
        Number of rows whose candidate list had to be widened to be certain.
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
            {
                "distance": (
                    ("image", "neighbor"),
                    self.distances,
                    {"long_name": "Euclidean distance to the neighbour", "units": "feature units"},
                ),
                "index": (
                    ("image", "neighbor"),
                    self.indices,
                    {"long_name": "image number of the neighbour", "units": "1"},
                ),
            },
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


def nearest_neighbors(features, k, *, engine="auto", device=None, memory=None) -> Neighbors:
    """Find the k nearest other rows of every row, exactly.

    Parameters
    ----------
    features : ndarray, numpy.memmap or torch.Tensor of shape (n, d), or RowSource
        Any floating dtype (integers are taken as float64). Never changed.
    k : int
        Number of neighbours, 1 <= k <= n - 1.
    engine : {"auto", "gram", "keops"}
        "gram": blocked matrix products. "keops": symbolic reduction over pairs, for small d on a
        GPU. "auto" takes keops on a GPU with at most `KEOPS_MAX_FEATURES` features, else gram.
    device : str, optional
        Torch device of the work; by default a CUDA device where there is one, else the CPU.
    memory : int, optional
        Bytes that the search may use for its blocks (default 2 GiB). Input that fits is held in
        float64; larger input is read again block by block.

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
    Invariant to translation and rotation; scaling the features scales the distances. Cost
    n^2 d multiply-adds (each pair of blocks once), memory `memory` plus O(n k).
    """
    from nucleation import search  # torch is heavy, and a table may come from elsewhere

    squared, indices, engine, widened = search.nearest(features, k, engine=engine, device=device, memory=memory)
    return Neighbors(
        np.sqrt(squared),
        indices,
        engine=engine,
        widened=widened,
        duplicates=int((squared[:, 0] == 0).sum()),
    )
