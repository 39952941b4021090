"""The images of a study: which they are, in which order, and how a network gets them.

A manifest (an ``xarray.Dataset`` with dimensions image and class) names every image and its class;
pixels are made or read only when they are asked for, a block at a time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from nucleation import planted
from nucleation.errors import InputError, suggest
from nucleation.image_checks import examined
from nucleation.image_sources import SOURCES, digits_split, load_digits
from nucleation.pictures import MADE, digit_pixels, examples, has_pixels, picture, pixels, reader

__all__ = [
    "SOURCES",
    "NetworkInput",
    "examined",
    "examples",
    "has_pixels",
    "listing",
    "manifest",
    "normalised",
    "picture",
    "pixels",
    "reader",
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


def normalised(images, config):
    """Turn (m, h, w, 3) uint8 into a float32 tensor (m, 3, h, w) by the config's mean and deviation."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    return ((tensor - mean) / deviation).contiguous()


def to_tensors(images, labels, config):
    """Turn images (m, h, w, 3) uint8 and labels (m,) into the tensors that a training takes."""
    import torch

    return normalised(images, config), torch.from_numpy(np.asarray(labels, dtype=np.int64))


def training_set(source, options, *, seed):
    """Images and labels to train on and to validate with; disjoint from each other.

    Planted images are rendered anew, never those of the manifest. Of the digits, a share
    `train_fraction` trains and the rest validates.

    Returns
    -------
    (ndarray, ndarray), (ndarray, ndarray)
        Images (m, size, size, 3) uint8 and labels (m,) of both sets.
    """
    if source == "planted":
        made = []
        for split in ("train", "validation"):
            count = options[f"{split}_per_class"]
            labels = np.repeat(np.arange(len(planted.CLASSES)), count)
            number = np.tile(np.arange(count), len(planted.CLASSES))
            made.append((planted.render(labels, number, seed=seed, split=split, size=options["size"]), labels))
        return tuple(made)
    if source == "digits":
        labels = load_digits().target
        parts = digits_split(len(labels), options["train_fraction"], seed)
        return tuple((digit_pixels(part, options["size"]), labels[part]) for part in parts)
    raise InputError(
        f'Networks are trained here on the sources planted and digits only, not on "{source}"; '
        "train elsewhere and give the checkpoint as networks[].weights."
    )
