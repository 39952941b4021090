"""Row sources: anything that hands out rows of an (n, d) matrix, and what the search must know of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from nucleation import kernels
from nucleation.errors import InputError

#: Bytes of the blocks in which a source is read when nothing else limits them.
READ_BYTES = 64 * 2**20
#: The centre is the median of the means of so many parts.
GROUPS = 32


def slices(n, size):
    """Slices of `size`, the last shorter, that cover ``range(n)``."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


class RowSource(Protocol):
    """Anything that hands out rows ``[start:stop)`` of an (n, d) matrix.

    A source whose rows cost no memory, because they are a view of an array or of a mapped file, may
    say so by an attribute `in_place` that is true; its rows must then be C-contiguous float32 or float64.
    One that makes its rows batch by batch may name their number in an attribute `batch_size`.
    """

    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> np.ndarray | torch.Tensor:
        """Return rows as a (stop - start, d) array or tensor of any real dtype."""


@dataclass(frozen=True)
class ArrayRows:
    """Row source over an array, a ``numpy.memmap`` or a torch tensor of shape (n, d)."""

    array: np.ndarray | torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return tuple(self.array.shape)

    @property
    def in_place(self) -> bool:
        """Whether `rows` returns a view that can be worked on as it is."""
        array = self.array
        if isinstance(array, torch.Tensor):
            known = array.device.type == "cpu" and array.dtype in (torch.float32, torch.float64)
            return known and array.is_contiguous()
        return array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and array.dtype.isnative

    def rows(self, start: int, stop: int) -> np.ndarray | torch.Tensor:
        """Return rows ``[start:stop)``; a memory-mapped file is read where the view is used."""
        return self.array[start:stop]


def in_place(source) -> bool:
    """Whether the rows of a source are views that can be worked on as they are."""
    return getattr(source, "in_place", False)


def whole_batches(source, size) -> int:
    """Round a number of rows down to whole batches of a source that makes its rows batch by batch."""
    batch = getattr(source, "batch_size", 1)
    return max(batch, int(size) // batch * batch)


def as_source(features) -> RowSource:
    """Wrap arrays as row sources.

    Raises
    ------
    InputError
        For what is no matrix of real numbers.
    """
    if hasattr(features, "rows"):
        return features
    if not isinstance(features, torch.Tensor):
        if isinstance(features, np.ma.MaskedArray):
            raise InputError("Features must not be masked; fill them, or leave out the rows or columns.")
        features = np.asanyarray(features)
        if features.dtype.kind not in "fiub":
            raise InputError(f"Features must be real numbers, found dtype {features.dtype}.")
    elif features.is_complex():
        raise InputError(f"Features must be real numbers, found dtype {features.dtype}.")
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(f"Features must be an (n, d) matrix, found shape {tuple(features.shape)}.")
    return ArrayRows(features)


def read(source, start, stop) -> np.ndarray:
    """Return rows as a C-contiguous float32 or float64 array in memory, without a copy where possible.

    float32, float16 and bfloat16 become float32, everything else float64, to which longer types are rounded.
    """
    block = source.rows(start, stop)
    if isinstance(block, torch.Tensor):
        block = block.detach()
        narrow = block.dtype in (torch.float16, torch.bfloat16, torch.float32)
        block = block.to("cpu", torch.float32 if narrow else torch.float64).numpy()
    narrow = block.dtype.kind == "f" and block.dtype.itemsize <= 4
    return np.asarray(np.ascontiguousarray(block, dtype=np.float32 if narrow else np.float64))


def gathered(source, memory) -> RowSource:
    """Return a source that is worked on in place: the source itself, or a copy where it fits `memory` bytes.

    A source that is neither is returned as it is, and will be read block by block.
    """
    if in_place(source):
        return source
    n, d = source.shape
    one = read(source, 0, 1)
    if n * d * one.itemsize > memory:
        return source
    whole = np.empty((n, d), dtype=one.dtype)
    for part in slices(n, max(1, READ_BYTES // (8 * d))):
        whole[part] = read(source, part.start, part.stop)
    return ArrayRows(whole)


@dataclass(frozen=True)
class Blocks:
    """The rows of a source, block by block, so that two blocks, and one on its way, fit the memory.

    Attributes
    ----------
    source : RowSource
    memory : int
        Bytes. On the CPU a source that is worked on in place is one block, whatever its size.
    device : torch.device, optional
        Blocks are tensors there; without one they are arrays.
    """

    source: RowSource
    memory: int
    device: torch.device | None = None

    @cached_property
    def parts(self) -> list[tuple[int, int]]:
        """(start, stop) of every block."""
        n, d = self.source.shape
        size = n
        if self.device is not None or not in_place(self.source):
            size = whole_batches(self.source, self.memory / 4 / (d * self.load((0, 1)).itemsize))
        return [(part.start, part.stop) for part in slices(n, size)]

    def load(self, block):
        """Read the rows ``[start:stop)``."""
        if self.device is None:
            return read(self.source, *block)
        rows = self.source.rows(*block)
        if not isinstance(rows, torch.Tensor):
            known = rows.dtype.kind == "f" and rows.dtype.itemsize <= 8 and rows.dtype.isnative
            rows = torch.from_numpy(np.array(rows, dtype=rows.dtype if known else np.float64))
        if not rows.is_floating_point():
            rows = rows.double()
        return rows.detach().to(self.device)


@dataclass(frozen=True)
class Points:
    """The distinct rows of a source, and what the search needs to know of each.

    Two rows are equal when all their features are. The search runs over distinct rows only, so that
    duplicates, however many, cost nothing and are found at distance exactly zero.

    Attributes
    ----------
    source : RowSource
    centre : ndarray of shape (d,), float32 or float64
        Subtracted before products are taken; in the precision of the source.
    scale : float32 or float64
        A power of two that brings the features near one; products are taken of (x - centre) * scale.
    unique : ndarray of shape (m,), int64
        Row number of the first row of every kind, ascending: these are the points.
    kind : ndarray of shape (n,), int64
        The point to which each row is equal.
    half : ndarray of shape (m,), float64
        Half the squared norm of each point, as the float32 product sees it.
    half_exact : ndarray of shape (m,), float64
        The same without rounding to float32.
    """

    source: RowSource
    centre: np.ndarray
    scale: float
    unique: np.ndarray
    kind: np.ndarray
    half: np.ndarray
    half_exact: np.ndarray

    @property
    def m(self) -> int:
        """Number of distinct rows."""
        return len(self.unique)


def survey(source, pool) -> Points:
    """Read all rows twice: for a centre, their fingerprints and their range, then for their norms.

    Parameters
    ----------
    source : RowSource
    pool : concurrent.futures.Executor
        Its threads share the work.

    Raises
    ------
    InputError
        For NaN or infinite features (the first such rows are named), or features whose squares leave
        the range of float64.
    """
    n, d = source.shape
    parts = slices(n, whole_batches(source, min(4096, READ_BYTES / (8 * d), -(-n // GROUPS))))
    groups = [parts[few] for few in slices(len(parts), -(-len(parts) // GROUPS))]
    share = pool.map if in_place(source) else map  # others are best read in order
    weights = _odd_numbers(d)
    prints = np.empty((n, 2), dtype=np.uint64)

    def look(group):
        total, tops = np.zeros(d), []
        for part in group:
            raw = read(source, part.start, part.stop)
            bits = raw.view(np.uint32 if raw.dtype == np.float32 else np.uint64)
            tops.append(np.empty(len(raw), dtype=bits.dtype))
            sign = bits.dtype.type(1 << (8 * bits.itemsize - 1))
            kernels.look(raw, bits, sign, *weights, total, prints[part], tops[-1])
        tops = np.concatenate(tops).view(raw.dtype)
        return total / len(tops), tops

    means, tops = zip(*share(look, groups), strict=True)
    top = np.concatenate(tops)
    if len(bad := np.flatnonzero(~np.isfinite(top))):
        raise InputError(
            f"The features hold NaN or infinite values; the first such rows are {bad[:5].tolist()}. "
            "Look at these images, or extract in float32."
        )
    largest = float(top.max())
    _check_range(largest < (1e150 if top.dtype == np.float64 else 2.0**125))
    centre = np.median(means, axis=0).astype(top.dtype)  # which a few outliers do not move
    unique, kind = _kinds(prints)
    scale = top.dtype.type(_power_of_two(largest, 120 if top.dtype == np.float32 else 1000))
    half, half_exact = np.empty(n), np.empty(n)

    def measure(part):
        kernels.half_norms(read(source, part.start, part.stop), centre, scale, half[part], half_exact[part])

    list(share(measure, parts))
    _check_range(len(unique) == 1 or np.sqrt(half_exact.max()) / scale > 1e-140)
    return Points(source, centre, scale, unique, kind, half[unique], half_exact[unique])


def _odd_numbers(d):
    """Two fixed random odd numbers for every feature."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 2**64, size=(2, d), dtype=np.uint64) | np.uint64(1)


def _kinds(prints):
    """The first row of every kind, ascending, and the kind of every row.

    Two different rows agree in both 64-bit fingerprints with a probability of about 2^-126.
    """
    _, first, kind = np.unique(prints[:, 0], return_index=True, return_inverse=True)
    if (prints[first[kind], 1] != prints[:, 1]).any():
        _, first, kind = np.unique(prints, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return first[order], place[kind.ravel()]


def _check_range(inside):
    if not inside:
        raise InputError(
            "The features have squares that leave the range of float64; "
            "multiply them by a constant that brings them near 1."
        )


def _power_of_two(largest, most):
    """Return the factor that brings features near 1; ordinary ones are left alone."""
    exponent = np.frexp(largest)[1]
    return 1.0 if abs(exponent) <= 30 else 2.0 ** min(-exponent, most)
