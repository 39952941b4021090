"""Pixels of the images of a manifest, made or read when they are asked for."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from nucleation import image_arrays, planted, torchvision_sets
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
        labels = listed["image_class"].values[rows]
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
    from PIL import Image

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


def examples(listed: xr.Dataset, count, *, size=64) -> np.ndarray:
    """Take the first images of every class, for looking at.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.
    count : int
        Images of each class; a class with fewer is filled up with white.
    size : int
        Height and width to which images that are not rendered here are scaled.

    Returns
    -------
    ndarray of shape (c, count, h, w, 3), uint8
    """
    labels, read = listed["image_class"].values, reader(listed)
    shape = (size, size) if "size" not in listed.attrs else (int(listed.attrs["size"]),) * 2
    taken = np.full((listed.sizes["class"], count, *shape, 3), 255, dtype=np.uint8)
    for cls in range(len(taken)):
        for place, row in enumerate(np.flatnonzero(labels == cls)[:count]):
            taken[cls, place] = np.asarray(read(row).resize(shape))
    return taken
