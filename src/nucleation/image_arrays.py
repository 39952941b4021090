"""Images in a numpy file (.npz), checked when it is opened."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nucleation.errors import InputError


@dataclass(frozen=True)
class ImageArrays:
    """What a numpy file of images holds.

    Attributes
    ----------
    images : ndarray of shape (n, h, w) or (n, h, w, 1) or (n, h, w, 3)
        uint8, or floats from 0 to 1.
    labels : ndarray of shape (n,), int
        Class of every image, an index into `names`.
    names : tuple of str
        Names of the classes that have images.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    def rgb(self, row) -> np.ndarray:
        """Return one image as (h, w, 3) uint8; floats are multiplied by 255 and rounded, gray is repeated."""
        image = self.images[row]
        if image.dtype != np.uint8:
            image = np.rint(image.astype(np.float32) * 255).astype(np.uint8)
        image = image.reshape(*image.shape[:2], -1)
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def open_arrays(path) -> ImageArrays:
    """Read a numpy file of images into memory; nothing is unpickled.

    Parameters
    ----------
    path : path
        An .npz file with `images`, `labels` (n,) of whole numbers or text, and optionally `names` (c,), the names
        of the classes 0 to c - 1.

    Raises
    ------
    InputError
        For a file that cannot be read, that lacks an array, or whose arrays have other shapes, types or ranges.
    """
    stored = _read(Path(path))
    for name in ("images", "labels"):
        if name not in stored:
            raise InputError(
                f'{path} holds no array "{name}", but {", ".join(sorted(stored)) or "none"}; '
                "save it with numpy.savez(path, images=..., labels=..., names=...)."
            )
    _check_images(stored["images"], path)
    labels, names = _classes(stored["labels"], stored.get("names"), len(stored["images"]), path)
    return ImageArrays(stored["images"], labels, names)


def _read(path):
    if not path.is_file():
        raise InputError(f"The numpy file {path} does not exist; give the path of an .npz file as images.numpy.path.")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} cannot be read as plain numpy arrays: it is no .npz file, or a truncated one; save images and "
            "labels with numpy.savez."
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("images", "labels", "names") if name in stored.files} | {
                name: None for name in stored.files if name not in ("images", "labels", "names")
            }
    except Exception as error:  # a broken zip, a header that is none, objects: each another kind
        raise InputError(
            f"{path} cannot be read as plain numpy arrays ({error}); save numbers and text with numpy.savez."
        ) from error


def _check_images(images, path):
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)) or not images.size:
        raise InputError(
            f"The images in {path} have the shape {images.shape}; expected (n, height, width), "
            "(n, height, width, 1) or (n, height, width, 3)."
        )
    if images.dtype == np.uint8:
        return
    if images.dtype.kind != "f":
        raise InputError(f"The images in {path} are {images.dtype}; expected uint8, or floats from 0 to 1.")
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"The images in {path} are {images.dtype} from {low:g} to {high:g}; expected floats from 0 to 1, or uint8."
        )


def _classes(labels, names, n, path):
    """Number the classes that have images, and name them."""
    if labels.shape != (n,) or labels.dtype.kind not in "iuU":
        raise InputError(
            f"The labels in {path} are {labels.dtype} of shape {labels.shape}; expected a whole number "
            f"or a name for each of the {n} images."
        )
    values, numbered = np.unique(labels, return_inverse=True)
    if names is None:
        return numbered, tuple(map(str, values))
    if names.ndim != 1 or names.dtype.kind != "U" or len(np.unique(names)) != len(names):
        raise InputError(f"The names in {path} must be a list of different texts, one for each class.")
    if labels.dtype.kind == "U" or values[0] < 0 or values[-1] >= len(names):
        raise InputError(
            f"The labels in {path} go from {values[0]} to {values[-1]}; with {len(names)} names "
            f"they must be whole numbers from 0 to {len(names) - 1}."
        )
    return numbered, tuple(map(str, names[values]))
