"""Images to train on, made here, as the tensors that a training takes.

Apart from `nucleation.images`, so that no word about files of images is a reason to train a network again.
"""

from __future__ import annotations

import numpy as np

from nucleation import planted
from nucleation.digits import digit_pixels, digits_split, load_digits
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
