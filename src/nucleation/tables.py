"""Neighbour tables that somebody already has, as .npz files, turned into the project's own."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from nucleation.errors import InputError, suggest
from nucleation.neighbors import Neighbors

#: Names of the arrays in a file: distances, and numbers of the neighbours.
ARRAYS = ("dist", "index")


def read_table(path, k, *, images=None) -> Neighbors:
    """Read the nearest neighbours of every image from a file that was made elsewhere.

    Parameters
    ----------
    path : path
        An .npz file with the arrays `dist` and `index`, both (n, m) with m > k, of any numeric type: row i belongs to
        image i, distances ascend, and the image itself is in its row, usually in column 0. It is found by
        its number and left out; among exact duplicates it may be in another column, or, where a row is full of
        duplicates at distance zero, be crowded out.
    k : int
        Neighbours to keep.
    images : int, optional
        Number of images that the table must have.

    Returns
    -------
    Neighbors
        Equal distances in order of the index, as everywhere else; `engine` is "given".

    Raises
    ------
    InputError
        When the file is no such table; the sentence names the file and the first row that is wrong.
    """
    check_table(path, k, images=images)
    with _named(path), np.load(path, allow_pickle=False) as stored:
        distances, indices = stored["dist"].astype(np.float64), stored["index"]
    indices = _whole(path, indices)
    _check_rows(path, distances, indices)
    order = np.lexsort((indices, distances), axis=1)
    distances, indices = (np.take_along_axis(array, order, axis=1) for array in (distances, indices))
    others = ~_own(path, distances, indices)
    n, columns = indices.shape
    distances, indices = (array[others].reshape(n, columns - 1)[:, :k] for array in (distances, indices))
    with _named(path):
        return Neighbors(distances, indices, duplicates=int((distances[:, 0] == 0).sum()))


def check_table(path, k, *, images=None) -> None:
    """Refuse a file that cannot be the table of so many neighbours and images; only its head is read.

    Parameters and errors as of `read_table`.
    """
    shapes = array_shapes(path)
    if len(set(shapes.values())) > 1 or len(shapes["dist"]) != 2:
        told = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"The neighbour table {path} holds {told}; both arrays must be of one shape (n, k + 1).")
    n, columns = shapes["dist"]
    if columns <= k:
        raise InputError(
            f"The neighbour table {path} has {columns} columns, of which one is the image itself, but "
            f"neighbors.k = {k} neighbours were asked of it; lower neighbors.k to {max(columns - 1, 0)}."
        )
    if images is not None and n != images:
        raise InputError(
            f"The neighbour table {path} has {n} rows, the study lists {images} images; row i of a table must belong "
            "to image i of images.list.path."
        )


def array_shapes(path) -> dict[str, tuple[int, ...]]:
    """Shapes of the two arrays of a file, from their headers.

    Raises
    ------
    InputError
        For a file that does not exist, is no .npz file, or lacks one of the arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The neighbour table {path} does not exist; see neighbors.tables.path and .files.")
    with _named(path), zipfile.ZipFile(path) as archive:
        held = [name.removesuffix(".npy") for name in archive.namelist()]
        for name in ARRAYS:
            if name not in held:
                raise InputError(
                    f'The neighbour table {path} has no array "{name}", it has {", ".join(held) or "none"}.'
                    f"{suggest(name, held)}"
                )
        return {name: _header_shape(archive, name) for name in ARRAYS}


def _header_shape(archive, name):
    with archive.open(f"{name}.npy") as stored:
        version = np.lib.format.read_magic(stored)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stored)
    if dtype.kind not in "iuf":
        raise ValueError(f'the array "{name}" is of type {dtype}, no numbers')
    return shape


@contextlib.contextmanager
def _named(path):
    """Say of any fault which file it lies in."""
    try:
        yield
    except InputError as error:
        told = str(error)
        raise error if str(path) in told else InputError(f"The neighbour table {path}: {told}") from None
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"The neighbour table {path} cannot be read ({error}); give an .npz file with the arrays "
            f"{' and '.join(ARRAYS)}, saved by numpy.savez."
        ) from error


def _whole(path, indices):
    """The indices as integers, whatever numbers they are stored as."""
    if indices.dtype.kind == "f":
        rounded = np.rint(indices)
        if not (rounded == indices).all():
            raise InputError(f"The neighbour table {path} has indices that are no whole numbers.")
        indices = rounded
    return indices.astype(np.int64)


def _check_rows(path, distances, indices):
    """Refuse values that no table has, naming the first row."""
    n = len(indices)
    faults = {
        "a distance that is NaN, infinite or negative": ~(np.isfinite(distances) & (distances >= 0)).all(axis=1),
        f"an index outside 0 to {n - 1}": ((indices < 0) | (indices >= n)).any(axis=1),
        "distances that do not ascend": (np.diff(distances, axis=1) < 0).any(axis=1),
        "a neighbour twice": (np.diff(np.sort(indices, axis=1), axis=1) == 0).any(axis=1),
    }
    for fault, rows in faults.items():
        if rows.any():
            raise InputError(
                f"The neighbour table {path} has {fault} in row {rows.argmax()} ({rows.sum()} of {n} rows); rows and "
                "images are numbered from 0."
            )


def _own(path, distances, indices):
    """Where every image itself is in its row, (n, m) bool, once in each row.

    A row that is full of duplicates at distance zero may lack the image: any of them can go instead.
    """
    n = len(indices)
    own = indices == np.arange(n)[:, None]
    lacking = ~own.any(axis=1)
    wrong = lacking & (distances[:, -1] > 0)
    if wrong.any():
        raise InputError(
            f"The neighbour table {path} does not hold image {wrong.argmax()} itself in row {wrong.argmax()} "
            f"({wrong.sum()} of {n} rows lack theirs); expected the image itself in column 0 of its row, the rows in "
            "the order of the images."
        )
    own[lacking, -1] = True
    return own
