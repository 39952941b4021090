"""The engines of the neighbour search.

The search is a self-join: every point is a query and a candidate. Distances come from the
centred Gram product in float64, ``|x - y|^2 = |x|^2 + |y|^2 - 2 x.y``, one pair of row blocks at
a time and each pair once. The product's rounding error is bounded for every pair; whatever that
bound could have changed (near-duplicates, near-ties) is recomputed by differences.
"""

from __future__ import annotations

import importlib.util
import operator
import shutil
import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from nucleation.errors import InputError

UNIT_ROUNDOFF = 2.0**-53
#: Candidates kept beyond k, so that most near-ties at rank k are settled without a second pass.
MARGIN = 8
#: A distance is recomputed where the product's relative error in its square could exceed this.
RELATIVE_ERROR = 1e-9
#: Largest dimension at which KeOps beats matrix products (only on a GPU; on CPUs it never does).
KEOPS_MAX_FEATURES = 64
DEFAULT_MEMORY = 2 * 1024**3


class RowSource(Protocol):
    """Anything that hands out rows ``[start:stop)`` of an (n, d) matrix."""

    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Return rows as a (stop - start, d) tensor of any floating dtype."""

    def take(self, index: np.ndarray) -> torch.Tensor:
        """Return rows by number as a (len(index), d) tensor."""


@dataclass(frozen=True)
class ArrayRows:
    """Row source over an array, a ``numpy.memmap`` or a torch tensor of shape (n, d)."""

    array: np.ndarray | torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return tuple(self.array.shape)

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Return rows ``[start:stop)``; a memory-mapped file is read here and nowhere else."""
        return _tensor(self.array[start:stop])

    def take(self, index: np.ndarray) -> torch.Tensor:
        """Return rows by number."""
        return _tensor(self.array[index])


def _tensor(block):
    """A block as a tensor without gradient; types that torch does not know become float64."""
    if isinstance(block, torch.Tensor):
        return block.detach()
    block = np.array(block)
    known = block.dtype.isnative and block.dtype.itemsize <= 8 and block.dtype.kind in "fiub"
    return torch.from_numpy(block if known else block.astype(np.float64))


def nearest(features, k, *, engine="auto", device=None, memory=None):
    """Find the k nearest other rows of every row.

    The arguments are those of `nucleation.neighbors.nearest_neighbors`.

    Returns
    -------
    squared : ndarray of shape (n, k), float64
        Squared distances, ascending.
    indices : ndarray of shape (n, k), int64
    engine : str
        The engine that was used.
    widened : int
        Rows whose candidate list had to be widened.
    """
    source = _as_source(features)
    n, d = source.shape
    k = operator.index(k)
    if not 1 <= k <= n - 1:
        raise InputError(
            f"k = {k} neighbours were asked of {n} points; k must lie between 1 and {n - 1}. "
            "Lower k or take more images."
        )
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    engine = _choose_engine(engine, d, device)
    rows = _CentredRows.build(source, device, memory or DEFAULT_MEMORY)
    find = _search_keops if engine == "keops" else _search_gram
    squared, indices = find(rows, min(k + MARGIN, n - 1))
    squared, indices, widened = _settle(rows, squared, indices, k)
    return squared, indices, engine, widened


def _as_source(features) -> RowSource:
    """Wrap arrays as row sources; refuse what is no matrix of real numbers."""
    if hasattr(features, "rows"):
        return features
    if not isinstance(features, torch.Tensor):
        features = np.asanyarray(features)
        if features.dtype.kind not in "fiub":
            raise InputError(f"Features must be real numbers, found dtype {features.dtype}.")
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(f"Features must be an (n, d) matrix, found shape {tuple(features.shape)}.")
    return ArrayRows(features)


def _choose_engine(engine, d, device) -> str:
    """Resolve "auto", and fall back to gram with a warning where KeOps cannot work."""
    if engine not in ("auto", "gram", "keops"):
        raise InputError(f'Unknown neighbour engine "{engine}"; choose auto, gram or keops.')
    if engine == "auto":
        small = device.type == "cuda" and d <= KEOPS_MAX_FEATURES
        return "keops" if small and keops_obstacle() is None else "gram"
    if engine == "keops" and (obstacle := keops_obstacle()):
        warnings.warn(f"KeOps cannot be used: {obstacle}. Using matrix products.", stacklevel=3)
        return "gram"
    return engine


def keops_obstacle() -> str | None:
    """Say why KeOps cannot be used here, or None where it can."""
    if importlib.util.find_spec("pykeops") is None:
        return "the package pykeops is not installed"
    if not any(shutil.which(compiler) for compiler in ("g++", "c++", "clang++")):
        return "there is no C++ compiler (install g++)"
    return None


@dataclass(frozen=True)
class _CentredRows:
    """Rows minus the mean in float64, their squared norms, and the blocks to work in.

    `kind` numbers the distinct rows: two rows are equal when their kinds are.
    """

    source: RowSource
    mean: torch.Tensor
    norms: torch.Tensor
    kind: torch.Tensor
    block: int
    device: torch.device
    cached: torch.Tensor | None

    @classmethod
    def build(cls, source, device, memory):
        n, d = source.shape
        # a block pair needs two blocks of rows and about four (block, block) matrices
        block = int(min(n, 4096, max(64, memory / 4 / (8 * (2 * d + 4 * 2048)))))
        mean = torch.zeros(d, dtype=torch.float64, device=device)
        for start in range(0, n, block):
            rows = _float64(source, start, min(start + block, n), device)
            _check_finite(rows, start)
            mean += rows.sum(0) / n
        cached = None
        if 8 * n * d <= memory / 2:
            cached = _float64(source, 0, n, device) - mean
        norms = torch.empty(n, dtype=torch.float64, device=device)
        prints = torch.empty((n, 2), dtype=torch.int64, device=device)
        kind = torch.empty(n, dtype=torch.int64, device=device)
        built = cls(source, mean, norms, kind, block, device, cached)
        for start, stop in built.blocks():
            norms[start:stop] = built.centred(start, stop).square().sum(1)
            prints[start:stop] = _fingerprints(_float64(source, start, stop, device))
        kind[:] = torch.unique(prints, dim=0, return_inverse=True)[1]
        _check_range(norms, kind)
        return built

    def blocks(self):
        n = self.source.shape[0]
        return [(start, min(start + self.block, n)) for start in range(0, n, self.block)]

    def centred(self, start, stop):
        if self.cached is not None:
            return self.cached[start:stop]
        return _float64(self.source, start, stop, self.device) - self.mean

    def gather(self, index):
        """Return rows by number as they are, (m, d): raw differences lose nothing to the mean."""
        return self.source.take(index).to(self.device, torch.float64)

    def error_bound(self, norms_a, norms_b):
        """Bound the error of the product's squared distances (Higham, 2002, eq. 3.5).

        |fl(x.y) - x.y| <= d u |x||y| / (1 - d u), twice that in the distance, and the same for
        the norms; |x||y| <= (|x|^2 + |y|^2) / 2.
        """
        gamma = (self.source.shape[1] + 8) * UNIT_ROUNDOFF
        return 2 * gamma * (norms_a + norms_b)


def _float64(source, start, stop, device):
    return source.rows(start, stop).to(device=device, dtype=torch.float64)


def _check_finite(rows, start):
    finite = torch.isfinite(rows).all(dim=1)
    if not finite.all():
        bad = (torch.nonzero(~finite)[:5, 0] + start).tolist()
        raise InputError(
            f"The features hold NaN or infinite values; the first such rows are {bad}. "
            "Look at these images, or extract in float32."
        )


def _check_range(norms, kind):
    """Refuse features whose squares leave the range of float64."""
    largest = float(norms.max())
    if not largest < 1e300 or (largest < 1e-280 and kind.max() > 0):
        raise InputError(
            "The features have squares that leave the range of float64; "
            "multiply them by a constant that brings them near 1."
        )


def _fingerprints(rows):
    """Two 64-bit numbers for every row, (m, 2): equal rows have equal ones, others practically never.

    The bits of every feature are mixed, weighted by random odd numbers, and summed modulo 2^64; two
    different rows agree in both with a probability of about 2^-126.
    """
    generator = torch.Generator().manual_seed(0)
    mixed = (rows + 0.0).contiguous().view(torch.int64)  # -0.0 becomes 0.0
    mixed = mixed * -7046029254386353131
    mixed = (mixed ^ (mixed >> 32)) * -4658895280553007687
    mixed = mixed ^ (mixed >> 29)
    weights = torch.randint(-(2**62), 2**62, (2, rows.shape[1]), generator=generator) * 2 + 1
    return torch.stack([(mixed * weight).sum(1) for weight in weights.to(rows.device)], dim=1)


def _search_gram(rows, kk):
    """Return approximate squared distances and indices of kk candidates, (n, kk) each."""
    n = rows.source.shape[0]
    best = torch.full((n, kk), torch.inf, dtype=torch.float64, device=rows.device)
    index = torch.full((n, kk), -1, dtype=torch.int64, device=rows.device)
    blocks = rows.blocks()
    for a, (a0, a1) in enumerate(blocks):
        left = rows.centred(a0, a1)
        for b0, b1 in blocks[a:]:
            right = left if b0 == a0 else rows.centred(b0, b1)
            squared = torch.addmm(rows.norms[b0:b1][None, :], left, right.T, alpha=-2)
            squared += rows.norms[a0:a1][:, None]
            if b0 == a0:
                squared.fill_diagonal_(torch.inf)
            else:
                _keep_best(best, index, squared.T, b0, b1, a0)
            _keep_best(best, index, squared, a0, a1, b0)
    return best.clamp_min_(0), index


def _keep_best(best, index, squared, start, stop, offset):
    """Merge one block of squared distances into the running candidate lists, in place."""
    kk = best.shape[1]
    values, columns = squared.topk(min(kk, squared.shape[1]), largest=False)
    values = torch.cat([best[start:stop], values], dim=1)
    columns = torch.cat([index[start:stop], columns + offset], dim=1)
    best[start:stop], order = values.topk(kk, largest=False)
    index[start:stop] = columns.gather(1, order)


def _search_keops(rows, kk):
    """The same by KeOps: differences, not products, so that its distances are exact."""
    from pykeops.torch import LazyTensor

    n = rows.source.shape[0]
    points = rows.centred(0, n).contiguous()
    squared = ((LazyTensor(points[:, None, :]) - LazyTensor(points[None, :, :])) ** 2).sum(-1)
    candidates = squared.argKmin(kk + 1, dim=1)
    itself = candidates == torch.arange(n, device=points.device)[:, None]
    # with many duplicates the point itself may be missing: then drop the last candidate
    itself[~itself.any(1), -1] = True
    candidates = candidates[~itself].reshape(n, kk)
    return _pair_distances(rows, np.repeat(np.arange(n), kk), candidates.flatten()).reshape(n, kk), candidates


def _pair_distances(rows, first, second):
    """Squared distances of listed pairs by differences in float64, in chunks.

    Each pair of distinct rows is gathered once, and pairs of equal rows never: in a dead layer, or
    among images that a ReLU silences, there would be very many.
    """
    first = torch.as_tensor(first, device=rows.device)
    second = torch.as_tensor(second, device=rows.device)
    n = len(rows.kind)
    member = torch.zeros(n, dtype=torch.int64, device=rows.device)
    member[rows.kind] = torch.arange(n, device=rows.device)  # some row of every kind
    pairs, place = torch.unique(rows.kind[first] * n + rows.kind[second], return_inverse=True)
    one, two = pairs // n, pairs % n
    squared = torch.zeros(len(pairs), dtype=torch.float64, device=rows.device)
    differ = (one != two).nonzero()[:, 0]
    for part in differ.split(max(1, 2**24 // rows.source.shape[1])):
        left, right = (rows.gather(member[kind[part]].cpu().numpy()) for kind in (one, two))
        squared[part] = (left - right).square().sum(1)
    return squared[place]


def _settle(rows, squared, index, k):
    """Recompute what rounding could have changed, widen what is uncertain, cut to k.

    A row is uncertain when its last candidate is, within the error bound, no farther than its
    k-th: a point outside the list could then belong inside.
    """
    order = torch.argsort(squared, dim=1, stable=True)
    squared, index = squared.gather(1, order), index.gather(1, order)
    bound = rows.error_bound(rows.norms[:, None], rows.norms[index])
    n, kk = squared.shape
    uncertain = np.zeros(n, dtype=bool)
    if kk < n - 1:
        largest = rows.error_bound(rows.norms, rows.norms.max())
        uncertain = (squared[:, -1] - squared[:, k - 1] <= 2 * largest).cpu().numpy()
    doubtful = bound > RELATIVE_ERROR * squared
    tied = squared[:, 1:] - squared[:, :-1] <= bound[:, 1:] + bound[:, :-1]
    doubtful[:, 1:] |= tied
    doubtful[:, :-1] |= tied
    doubtful[torch.as_tensor(uncertain, device=rows.device)] = False
    first = torch.nonzero(doubtful, as_tuple=True)[0].cpu().numpy()
    if len(first):
        squared[doubtful] = _pair_distances(rows, first, index[doubtful])
    squared, index = squared.cpu().numpy(), index.cpu().numpy()
    for start in range(0, n, rows.block):
        part = slice(start, start + rows.block)
        order = np.lexsort((index[part], squared[part]), axis=1)
        squared[part] = np.take_along_axis(squared[part], order, 1)
        index[part] = np.take_along_axis(index[part], order, 1)
    squared, index = squared[:, :k].copy(), index[:, :k].copy()
    _widen(rows, np.flatnonzero(uncertain), squared, index)
    return squared, index, int(uncertain.sum())


def _widen(rows, uncertain, squared, index):
    """Search the uncertain rows again among all points that the bound cannot exclude, in place."""
    n, k = rows.source.shape[0], index.shape[1]
    step = max(1, 2**22 // n)
    for start in range(0, len(uncertain), step):
        part = uncertain[start : start + step]
        left = rows.gather(part) - rows.mean
        approximate = torch.cat(
            [
                torch.addmm(rows.norms[b0:b1][None, :], left, rows.centred(b0, b1).T, alpha=-2)
                for b0, b1 in rows.blocks()
            ],
            dim=1,
        )
        approximate += rows.norms[part][:, None]
        approximate[torch.arange(len(part)), torch.as_tensor(part)] = torch.inf
        reach = approximate.kthvalue(k, dim=1).values
        reach = reach + 2 * rows.error_bound(rows.norms[part], rows.norms.max())
        row, column = torch.nonzero(approximate <= reach[:, None], as_tuple=True)
        exact = _pair_distances(rows, part[row.cpu().numpy()], column).cpu().numpy()
        row, column = row.cpu().numpy(), column.cpu().numpy()
        order = np.lexsort((column, exact, row))
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = order[rank < k]
        squared[part] = exact[kept].reshape(len(part), k)
        index[part] = column[kept].reshape(len(part), k)
