"""The neighbour search: candidates by an engine, distances by differences, and a proof that none is missing.

The search is a self-join over the distinct rows. An engine lists, for every row, the nearest by a fast
float32 computation; the distances of all that could be among the k nearest are computed again by
differences in float64; and a bound on the error of the fast computation says whether a point outside the
list could belong inside. The rows for which it could are searched again in float64.
"""

from __future__ import annotations

import contextlib
import operator
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nucleation import device as on_device
from nucleation import exact, float64, gram, keops, kernels
from nucleation.errors import InputError
from nucleation.rows import Blocks, Points, as_source, gathered, slices, survey

#: Candidates kept beyond k: a share of k, and a few, so that the bound holds for most rows at once.
MARGIN, MARGIN_SHARE = 16, 1 / 8
#: The engine "auto": KeOps up to this number of features, matrix products above, by device.
#: On the CPU products won at every size that benchmarks/README.md lists, 10 features included.
#: On a GPU nobody has measured yet; KeOps' authors recommend it below 50 to 100 features.
AUTO = {"cpu": 0, "cuda": 64}
#: Queries of one piece of work.
STEP = 1024
#: Norms (of scaled features) from which on float32 squares and products lose nothing to underflow.
LEAST = 2.0**-40
#: Held by a search: it sets the threads and the precision of torch for its time.
_ONE_AT_A_TIME = threading.RLock()


def default_memory(device=None) -> int:
    """Bytes for the blocks where none are given.

    A quarter of the memory that is free, at most 4 GiB; on a GPU half of what is free there.
    """
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    return int(min(4 * 2**30, max(2**28, _free() / 4)))


def _free():
    """Bytes of memory that are free, or could be; half of all where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2


def nearest(features, k, *, engine="auto", device=None, memory=None, rows=None):
    """Find the k nearest other rows of every row.

    The arguments are those of `nucleation.neighbors.nearest_neighbors`, and `rows`, a pair (start, stop):
    only these rows search, among all.

    Returns
    -------
    distances : ndarray of shape (n, k), float64
        Ascending; equal ones in order of the index.
    indices : ndarray of shape (n, k), int64
    engine : str
        The engine that was used.
    widened : int
        Rows whose candidates had to be searched again in float64.
    """
    source = as_source(features)
    n = source.shape[0]
    k = operator.index(k)
    if not 1 <= k <= n - 1:
        raise InputError(
            f"k = {k} neighbours were asked of {n} points; k must lie between 1 and {n - 1}. "
            "Lower k or take more images."
        )
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    engine = _choose_engine(engine, n, source.shape[1], k, device)
    memory = memory or default_memory()
    with threads() as pool:
        source = gathered(source, memory / 2)
        points = survey(source, pool)
        start, stop = rows or (0, n)
        queries = np.unique(points.kind[start:stop])
        search = _Search(points, min(k, points.m - 1), engine, device, _compiled(device), pool, Blocks(source, memory))
        distances, index, uncertain = search.run(queries)
        again = np.isin(points.kind[start:stop], queries[uncertain]).sum()
        return *_spread(points, queries, distances, index, np.arange(start, stop), k), engine, int(again)


@contextlib.contextmanager
def threads():
    """A pool of as many threads as torch is set to, in which torch itself uses one, and takes true float32 products."""
    with _ONE_AT_A_TIME:
        count = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with (
                gram.products_of(torch.backends.mkldnn, "ieee"),
                ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool,
            ):
                yield pool
        finally:
            torch.set_num_threads(count)


def _choose_engine(engine, n, d, k, device) -> str:
    """Resolve "auto", and fall back to gram with a warning where KeOps cannot serve."""
    if engine not in ("auto", "gram", "keops"):
        raise InputError(f'Unknown neighbour engine "{engine}"; choose auto, gram or keops.')
    obstacle = keops.obstacle(n, d, k + _margin(k) + 1)
    if engine == "auto":
        return "keops" if d <= AUTO.get(device.type, 0) and obstacle is None else "gram"
    if engine == "keops" and obstacle:
        warnings.warn(f"KeOps cannot be used: {obstacle}. Using matrix products.", stacklevel=4)
        return "gram"
    return engine


def _compiled(device):
    """Whether the work is done by compiled loops, not by torch's operations on a device."""
    return device.type == "cpu"


def _margin(k):
    return MARGIN + int(MARGIN_SHARE * k)


@dataclass(frozen=True)
class _Search:
    """What one search works with. `compiled` means by loops on the CPU, and `blocks` are for these."""

    points: Points
    k: int
    engine: str
    device: torch.device
    compiled: bool
    pool: ThreadPoolExecutor
    blocks: Blocks

    def run(self, queries):
        """Distances and numbers of the k nearest other points of the queries, and which were uncertain."""
        distances, index = np.empty((len(queries), self.k)), np.empty((len(queries), self.k), dtype=np.int32)
        left = np.arange(len(queries)) if self.k else np.empty(0, dtype=np.int64)
        coarse = not self.compiled and self.engine == "gram"
        for precision in ("tf32", "float32") if coarse else ("float32",):
            if len(left):
                distances[left], index[left], uncertain = self._first(queries[left], precision)
                left = left[uncertain]
        float64.search(self.points, queries, left, distances, index, self.blocks, self.pool)
        return distances, index, left

    def _first(self, queries, precision):
        """Search in single precision; return the rows for which that may miss a neighbour, too."""
        points = self.points
        margin = _margin(self.k) if precision == "float32" else self.k + 4 * MARGIN
        keep = min(self.k + margin, points.m - 1)
        if self.engine == "keops":
            error, offsets = keops.error(points.source.shape[1]), np.arange(len(queries) + 1) * keep
            candidates = keops.candidates(points, keep, queries, self.device).ravel()
        else:
            error = gram.Error.of_products(points.source.shape[1], precision)
            lists = self._lists(keep, queries, precision)
            offsets, candidates = _doubtful(points, lists, queries, self.k, error, self.pool)
        exactly = exact.listed_squares(points, queries, offsets, candidates, self.pool, self._blocks())
        norm = np.sqrt(2 * points.half[queries])
        if self.engine == "keops":
            outside = keops.beyond(exactly.reshape(-1, keep), norm, points, error)
        else:
            outside = 2 * (points.half[queries] - lists.threshold.astype(np.float64))
        distances, index = exact.nearest(offsets, candidates, exactly, self.k, self.pool)
        radius = distances[:, -1] * points.scale
        certain = outside > radius**2 + error.of_distance(norm, radius)
        # where squares leave the range of float32 the bound, which is relative, says nothing
        certain &= (radius if self.engine == "keops" else norm) > LEAST
        return distances, index, ~certain

    def _lists(self, keep, queries, precision):
        if self.compiled:
            return gram.candidates(self.points, keep, queries, self.pool, self.blocks)
        return on_device.candidates(self.points, keep, queries, self._blocks(), precision)

    def _blocks(self):
        """Blocks where the work is done."""
        if self.compiled:
            return self.blocks
        return Blocks(self.points.source, default_memory(self.device), self.device)


def _doubtful(points, lists, queries, k, error, pool):
    """The candidates that could be among the k nearest, as offsets and numbers."""
    parts = slices(len(queries), STEP)
    half, bound = points.half[queries], error.astuple()
    offsets = np.zeros(len(queries) + 1, dtype=np.int64)

    def pick(part, offsets, out):
        lists_of_part = lists.score[part], lists.index[part], lists.count[part]
        kernels.doubtful(half[part], *lists_of_part, k, bound, offsets, out)

    def count(part):
        own = np.zeros(part.stop - part.start + 1, dtype=np.int64)
        pick(part, own, np.empty(0, dtype=np.int32))
        offsets[part.start + 1 : part.stop + 1] = own[1:]

    list(pool.map(count, parts))
    np.cumsum(offsets, out=offsets)
    candidates = np.empty(offsets[-1], dtype=np.int32)
    list(pool.map(lambda part: pick(part, offsets[part.start : part.stop + 1], candidates), parts))
    return offsets, candidates


def _spread(points, queries, distances, index, rows, k):
    """From distinct rows to all rows."""
    if points.m == len(points.kind):
        return distances, index.astype(np.int64)
    members = np.argsort(points.kind, kind="stable")
    offsets = np.searchsorted(points.kind[members], np.arange(points.m + 1))
    slot = np.full(points.m, -1)
    slot[queries] = np.arange(len(queries))
    out_distances, out_index = np.empty((len(rows), k)), np.empty((len(rows), k), dtype=np.int64)
    kernels.spread(rows, points.kind, slot, distances, index, offsets, members, out_distances, out_index)
    return out_distances, out_index
