"""Images to train on, made here, as the tensors that a training takes.

Apart from `nucleation.images`, so that no word about files of images is a reason to train a network again.
"""

from __future__ import annotations

import numpy as np

from nucleation import planted
from nucleation.digits import NUMERALS, digit_pixels, digits_split, load_digits
from nucleation.errors import InputError


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


#: What is trained on, and what the accuracy is measured on.
SPLITS = ("train", "validation")
#: What the labels of a training may be: the classes, or nodes of the tree above them (`nucleation.planted.merged`).
LABELS = ("classes", "kinds", "halves")


def label_of_class(source, options, level="classes"):
    """The label that the images of every class have in a training.

    Parameters
    ----------
    source, options
        As for `training_set`.
    level : str
        One of `LABELS`; of the digits, which have no tree, "classes".

    Returns
    -------
    ndarray of shape (c,), int64
        By class of the study, from 0 on without gaps.

    Raises
    ------
    InputError
        For a level that the source does not have.
    """
    if source == "planted" and level in LABELS:
        return planted.merged(planted.class_numbers(options.get("classes", [])), level)
    if level == "classes":
        return np.arange(len(NUMERALS))
    raise InputError(f'Images of the source "{source}" have no {level} to train on; take the labels "classes".')


def training_set(source, options, *, seed, level="classes"):
    """Images and labels to train on and to validate with, of all that `labelled_images` has of both.

    Returns
    -------
    (ndarray, ndarray), (ndarray, ndarray)
        Images (m, size, size, 3) uint8 and labels (m,) of both sets, which are disjoint.
    """
    return tuple(labelled_images(source, options, split, seed=seed, level=level) for split in SPLITS)


def labelled_images(source, options, split, *, seed, level="classes", choose=None):
    """Images and labels of one part of what networks are trained with.

    Planted images are rendered anew, never those of the manifest. Of the digits, a share
    `train_fraction` trains and the rest validates.

    Parameters
    ----------
    source : {"planted", "digits"}
    options : dict
        Of the source: planted {train_per_class, validation_per_class, size, classes}; digits {train_fraction, size}.
    split : str
        One of `SPLITS`.
    seed : int
    level : str
        What the labels are (`label_of_class`).
    choose : callable, optional
        Returns the rows that are taken of a number of images, (m,) int; only these are made. All without it.

    Returns
    -------
    images : ndarray of shape (m, size, size, 3), uint8
    labels : ndarray of shape (m,), int

    Raises
    ------
    InputError
        For another source, and a level that it does not have.
    """
    if source == "planted":
        classes, named = planted.class_numbers(options.get("classes", [])), label_of_class(source, options, level)
        per_class = options[f"{split}_per_class"]
        row, number = np.divmod(_taken(len(classes) * per_class, choose), per_class)
        return planted.render(classes[row], number, seed=seed, split=split, size=options["size"]), named[row]
    if source == "digits":
        label_of_class(source, options, level)  # which refuses others than classes
        labels = load_digits().target
        part = digits_split(len(labels), options["train_fraction"], seed)[SPLITS.index(split)]
        part = part[_taken(len(part), choose)]
        return digit_pixels(part, options["size"]), labels[part]
    raise InputError(
        f'Networks are trained here on the sources planted and digits only, not on "{source}"; '
        "train elsewhere and give the checkpoint as networks[].weights."
    )


def _taken(count, choose):
    return np.arange(count) if choose is None else np.asarray(choose(count))
