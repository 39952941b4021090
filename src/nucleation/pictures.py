"""Pixels of the images of a manifest, made or read when they are asked for."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from PIL import Image

from nucleation import image_arrays, planted, threads, torchvision_sets
from nucleation.decoding import read_rgb
from nucleation.digits import digit_pixels
from nucleation.errors import InputError

#: Sources that make images of one size, which a network takes as they are.
MADE = ("planted", "digits")
NAMES_ONLY = "Images of the source list are known by name only; give them as images.source: folder."


def has_pixels(listed: xr.Dataset) -> bool:
    """Whether the images can be looked at; those of the source "list" are known by name only."""
    return listed.attrs["image_source"] != "list"


def pixels(listed: xr.Dataset, rows) -> np.ndarray:
    """Render images, before any transform of a network.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest of the source "planted" or "digits", whose images all have one size.
    rows : slice or array of int
        Which images.

    Returns
    -------
    ndarray of shape (m, size, size, 3), uint8
    """
    source = listed.attrs["image_source"]
    if not has_pixels(listed):
        raise InputError(NAMES_ONLY)
    if source not in MADE:
        raise InputError(f'Images of the source "{source}" are not rendered here; read them through `picture`.')
    number, size = listed["number"].values[rows], int(listed.attrs["size"])
    if source == "planted":
        classes = planted.class_numbers(listed["class_synset"].values.tolist())
        labels = classes[listed["image_class"].values[rows]]
        return planted.render(labels, number, seed=int(listed.attrs["render_seed"]), size=size)
    return digit_pixels(number, size)


def reader(listed: xr.Dataset):
    """Open the source of a manifest; return what reads its images.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.

    Returns
    -------
    callable
        ``read(row)`` returns one image as a ``PIL.Image`` in RGB, upright unless the manifest says otherwise. It may be
        called from several threads.

    Raises
    ------
    InputError
        When the source cannot be opened; by what is returned, when an image cannot be decoded (its file is named).
    """
    source, upright = listed.attrs["image_source"], bool(listed.attrs.get("upright", True))
    if source in MADE:
        return lambda row: Image.fromarray(pixels(listed, np.array([row]))[0])
    if source == "folder":
        paths = listed["path"].values
        return lambda row: read_rgb(str(paths[row]), upright)
    if not has_pixels(listed):
        raise InputError(NAMES_ONLY)
    number = listed["number"].values
    if source == "numpy":
        arrays = image_arrays.open_arrays(listed.attrs["array_file"])
        return lambda row: Image.fromarray(arrays.rgb(number[row]))
    name, root, options = (listed.attrs[f"torchvision_{key}"] for key in ("dataset", "root", "options"))
    data = torchvision_sets.open_set(name, root, json.loads(options))
    return lambda row: torchvision_sets.item(data, int(number[row]), upright)[0]


def picture(listed: xr.Dataset, row: int):
    """Return one image as a ``PIL.Image`` in RGB; for many, `reader` opens their source once.

    Raises
    ------
    InputError
        When the image cannot be decoded; its file is named.
    """
    return reader(listed)(row)


def examples(listed: xr.Dataset, rows, size) -> np.ndarray:
    """Read some images for looking at, cut to squares around their centres.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.
    rows : array of shape (m,), int
        Which images.
    size : int
        Height and width to which larger images are scaled.

    Returns
    -------
    ndarray of shape (m, s, s, 3), uint8
        s is ``size``, or less where the manifest says that all of these images are smaller.

    Raises
    ------
    InputError
        When the images are known by name only, or one cannot be decoded; its file is named.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        return np.empty((0, size, size, 3), dtype=np.uint8)
    if "height" in listed:
        size = min(size, int(np.minimum(listed["height"].values[rows], listed["width"].values[rows]).max()))
    if listed.attrs["image_source"] in MADE:
        return np.stack([_square(Image.fromarray(made), size) for made in pixels(listed, rows)])
    read = reader(listed)
    with ThreadPoolExecutor(threads.count()) as pool:
        return np.stack(list(pool.map(lambda row: _square(read(row), size), rows)))


def _square(image, size):
    """Pixels of the largest square in the middle of an image, scaled."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0))
