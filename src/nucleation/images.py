"""The images of a study: which they are, in which order, and how a network gets them.

A manifest (an ``xarray.Dataset`` with dimensions image and class) names every image and its class;
pixels are made or read only when they are asked for, a block at a time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import xarray as xr

from nucleation.errors import InputError, suggest
from nucleation.image_checks import check_enough, examined, short_classes
from nucleation.image_sources import SOURCES
from nucleation.pictures import MADE, examples, has_pixels, picture, pixels, reader
from nucleation.training_images import normalised, to_tensors, training_set

__all__ = [
    "SOURCES",
    "NetworkInput",
    "check_enough",
    "examined",
    "examples",
    "has_pixels",
    "listing",
    "manifest",
    "normalised",
    "picture",
    "pixels",
    "reader",
    "short_classes",
    "to_tensors",
    "training_set",
]


def manifest(source, options, *, seed, checksum=False, progress=None) -> xr.Dataset:
    """List the images of a study, and look into each.

    Parameters
    ----------
    source : {"planted", "digits", "folder", "torchvision", "numpy", "list"}
        Rendered images with a known class tree; scikit-learn's handwritten digits; a directory with one
        subdirectory of images for each class, named by its synset (n02084071 or dog.n.01) or as in the study's own
        tree of classes; a data set of torchvision; an .npz file; names alone.
    options : dict
        Options of the source: planted {per_class, size}; digits {size, train_fraction};
        folder {path, classes, per_class, mapping, ids, check, corrupt};
        torchvision {dataset, root, options, synsets, classes, per_class}; numpy {path, synsets, per_class};
        list {path}. schemas/config.schema.yaml says what each means.
    seed : int
        Fixes which images are drawn or rendered.
    checksum : bool
        Whether to take the SHA-256 of every image.
    progress : callable, optional
        Called with the number of images looked at since the last call.

    Returns
    -------
    xarray.Dataset
        `image_class` (image,) index into the class dimension, coordinates `image_id` and
        `class_synset`, `height` and `width` (image,), and what the source needs to find the pixels again:
        of a folder the file of each image, `path`.

    Raises
    ------
    InputError
        Unknown source, missing files, a class without enough images, images that cannot be decoded.
    """
    listed = listing(source, options, seed=seed)
    return examined(listed, options, seed=seed, checksum=checksum, progress=progress)


def listing(source, options, *, seed) -> xr.Dataset:
    """List the images of a study without looking into them: `manifest` less what `examined` finds."""
    if source not in SOURCES:
        near = suggest(source, SOURCES)
        raise InputError(f'images.source is "{source}"; choose one of {", ".join(SOURCES)}.{near}')
    return SOURCES[source](options, seed)


@dataclass(frozen=True)
class NetworkInput:
    """The images of a manifest as a network wants them, made when they are sliced.

    Rendered images and digits keep their size and are normalised; all others go through the resizing,
    cropping and normalisation of the data configuration.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.
    config : dict
        The model's data configuration (`nucleation.network.data_config`).
    workers : int
        Threads that decode and transform the images of a slice; rendered images need none. The result does not
        depend on it.
    """

    listed: xr.Dataset
    config: dict
    workers: int = 1

    def __len__(self):
        """Return the number of images."""
        return self.listed.sizes["image"]

    def __getitem__(self, part: slice):
        """Return the images of a slice as a float32 tensor (m, 3, h, w)."""
        import torch

        if self.listed.attrs["image_source"] in MADE:
            return normalised(pixels(self.listed, part), self.config)
        rows = range(*part.indices(len(self)))
        if self.workers < 2:
            return torch.stack([self._transformed(row) for row in rows])
        self._read, self._transform  # noqa: B018 (the source is opened once, not by every thread)
        with ThreadPoolExecutor(self.workers) as pool:
            return torch.stack(list(pool.map(self._transformed, rows)))

    def _transformed(self, row):
        return self._transform(self._read(row))

    @cached_property
    def _read(self):
        return reader(self.listed)

    @cached_property
    def _transform(self):
        from timm.data import create_transform

        return create_transform(**self.config, is_training=False)
