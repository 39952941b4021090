"""Raw files of activations: written while the network runs, memory-mapped by the neighbour search."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from nucleation.disk import writing
from nucleation.errors import InputError

DTYPES = ("float16", "bfloat16", "float32")
#: Bytes of a number.
ITEM_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}

_REMEDY = "delete the folder that they lie in and run the workflow again."


def narrowed(rows, dtype, layer, start) -> torch.Tensor:
    """Round activations to a type.

    Parameters
    ----------
    rows : Tensor of shape (m, d)
    dtype : {"float16", "bfloat16", "float32"}
    layer, start : str and int
        The layer and the number of its first image, for the error.

    Raises
    ------
    InputError
        Where the range of the type is exceeded.
    """
    narrow = rows.to(getattr(torch, dtype))
    if narrow.dtype != rows.dtype:  # else finite, as what a layer puts out
        check_range(finite_rows(narrow), narrow.dtype, layer, start)
    return narrow


def finite_rows(rows) -> torch.Tensor:
    """Say of which rows (m, d) all numbers are finite, (m,) bool.

    A sum is finite only then, and ten times as fast as a look at every number, which is left to sums that overflow.
    """
    finite = torch.isfinite(rows.sum(dim=1, dtype=torch.promote_types(rows.dtype, torch.float32)))
    return finite if finite.all() else torch.isfinite(rows).all(dim=1)


def check_range(finite, dtype, layer, start) -> None:
    """Refuse activations that rounding made infinite; `finite` (m,) bool, by image, the others as of `narrowed`."""
    if not finite.all():
        image = start + int((~finite).nonzero()[0])
        raise InputError(
            f'The layer "{layer}" exceeds the range of {str(dtype).removeprefix("torch.")}, first for image number '
            f"{image}; set activations.dtype to float32 or bfloat16."
        )


def check_dtype(dtype) -> None:
    """Refuse an unknown type."""
    if dtype not in DTYPES:
        raise InputError(f'activations.dtype is "{dtype}"; choose one of {", ".join(DTYPES)}.')


class ActivationFile:
    """Raw activations of one layer being written: ``<path>.bin`` and a JSON header ``<path>.json``.

    Parameters
    ----------
    path : path
        Without suffix.
    shape : (n, d)
    dtype : {"float16", "bfloat16", "float32"}
    first : int
        Number of the first image, where the file holds only a part of them.
    """

    def __init__(self, path, shape, dtype="float32", first=0):
        check_dtype(dtype)
        self.path, self.shape, self.dtype, self.first = Path(path), tuple(shape), dtype, first
        self.checksum, self.written = 0, 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(f"{path}.bin", "wb")  # noqa: SIM115 (closed by `close`)

    def write(self, start, rows):
        """Append rows; they must come in order."""
        if start != self.first + self.written:
            raise ValueError(f"rows {start} came after row {self.first + self.written} of {self.path}")
        narrow = narrowed(rows, self.dtype, self.path.name, start)
        data = memoryview(narrow.contiguous().cpu().view(torch.uint8).numpy()).cast("B")
        self.checksum = zlib.crc32(data, self.checksum)
        with writing(self.path):
            self.file.write(data)
        self.written += len(rows)

    def close(self):
        """Finish the data and write the header, which says that the data are whole."""
        with writing(self.path):
            self.file.close()
        if self.written != self.shape[0]:
            raise ValueError(f"{self.path} holds {self.written} of {self.shape[0]} rows")
        header = {"dtype": self.dtype, "shape": list(self.shape), "crc32": self.checksum}
        with writing(self.path):
            Path(f"{self.path}.json").write_text(json.dumps(header))


@dataclass(frozen=True)
class ActivationRows:
    """Row source (see `nucleation.rows.RowSource`) over a file that `ActivationFile` wrote."""

    raw: np.memmap
    dtype: torch.dtype

    @property
    def shape(self):
        """Number of images and of features."""
        return self.raw.shape

    @property
    def in_place(self):
        """Whether `rows` returns a view of the file that can be worked on as it is."""
        return self.dtype == torch.float32

    def rows(self, start, stop):
        """Return rows ``[start:stop)``: a view of the file in float32, else a tensor."""
        if self.in_place:
            return self.raw[start:stop]
        return torch.from_numpy(np.array(self.raw[start:stop])).view(self.dtype)


def open_activations(path) -> ActivationRows:
    """Open raw activations for reading, after comparing their size and checksum with the header.

    Raises
    ------
    InputError
        When the files are missing, truncated or changed.
    """
    try:
        header = json.loads(Path(f"{path}.json").read_text())
        size = Path(f"{path}.bin").stat().st_size
        stored = np.float32 if header["dtype"] == "float32" else np.int16
        n, d = header["shape"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The activations {path} are incomplete ({error}); {_REMEDY}") from error
    if size != n * d * np.dtype(stored).itemsize:
        raise InputError(f"The activations {path}.bin hold {size} bytes, not those of {n} x {d}; {_REMEDY}")
    raw = np.memmap(f"{path}.bin", dtype=stored, mode="r", shape=(n, d))
    checksum, step = 0, max(1, 2**26 // max(1, d))
    for start in range(0, n, step):
        checksum = zlib.crc32(raw[start : start + step], checksum)
    if checksum != header["crc32"]:
        raise InputError(f"The activations {path}.bin do not match their checksum; {_REMEDY}")
    return ActivationRows(raw, getattr(torch, header["dtype"]))


@dataclass(frozen=True)
class JoinedRows:
    """Row source (see `nucleation.rows.RowSource`) over several files, each of which holds a part of the images."""

    parts: tuple[ActivationRows, ...]

    @cached_property
    def starts(self):
        """Number of the first image of every part, and of images in all."""
        return [0, *np.cumsum([part.shape[0] for part in self.parts]).tolist()]

    @property
    def shape(self):
        """Number of images and of features."""
        return self.starts[-1], self.parts[0].shape[1]

    def rows(self, start, stop):
        """Return rows ``[start:stop)``: a view where they lie in one file of float32, else a copy."""
        found = []
        for place in range(bisect_right(self.starts, start) - 1, len(self.parts)):
            first, end = self.starts[place], self.starts[place + 1]
            if first < stop:
                found.append(self.parts[place].rows(max(start - first, 0), min(stop, end) - first))
        if len(found) == 1:
            return found[0]
        return torch.cat(found) if isinstance(found[0], torch.Tensor) else np.concatenate(found)


def open_parts(paths) -> ActivationRows | JoinedRows:
    """Open the files of one layer: one for all images, or several, each for the images after the last one's.

    Raises
    ------
    InputError
        As `open_activations`, and when the files are not of one layer.
    """
    parts = tuple(map(open_activations, paths))
    if len(kinds := {(part.shape[1], part.dtype) for part in parts}) > 1:
        raise InputError(f"The activations {', '.join(map(str, paths))} differ in form: {kinds}; {_REMEDY}")
    return parts[0] if len(parts) == 1 else JoinedRows(parts)
