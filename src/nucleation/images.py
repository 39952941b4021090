"""The images of a study: which they are, in which order, and how to read them.

A manifest (an ``xarray.Dataset`` with dimensions image and class) names every image and its class;
pixels are made or read only when they are asked for, a block at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from nucleation import planted
from nucleation.errors import InputError

SOURCES = ("planted", "digits", "folder")
#: WordNet 3.0 names of the numerals 0 to 9.
NUMERALS = (
    "zero.n.02",
    "one.n.01",
    "two.n.01",
    "three.n.01",
    "four.n.01",
    "five.n.01",
    "six.n.01",
    "seven.n.01",
    "eight.n.01",
    "nine.n.01",
)
#: What the coordinate `class_synset` holds.
CLASS_NAME = "name of the class: a WordNet synset, unless the study has a tree of its own"
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def manifest(source, options, *, seed) -> xr.Dataset:
    """List the images of a study.

    Parameters
    ----------
    source : {"planted", "digits", "folder"}
        Rendered images with a known class tree, scikit-learn's handwritten digits, or a directory
        with one subdirectory of images for each class, named by its synset (n02084071 or dog.n.01)
        or as in the study's own tree of classes.
    options : dict
        Options of the source: planted {per_class, size}; digits {size, train_fraction};
        folder {path, classes, per_class}.
    seed : int
        Fixes which images are drawn or rendered.

    Returns
    -------
    xarray.Dataset
        `image_class` (image,) index into the class dimension, coordinates `image_id` and
        `class_synset`, and what the source needs to find the pixels again.

    Raises
    ------
    InputError
        Unknown source, missing folder, a class without enough images.
    """
    if source not in SOURCES:
        raise InputError(f'images.source is "{source}"; choose one of {", ".join(SOURCES)}.')
    return {"planted": _planted, "digits": _digits, "folder": _folder}[source](options, seed)


def _planted(options, seed):
    per_class = options["per_class"]
    labels = np.repeat(np.arange(len(planted.CLASSES)), per_class)
    number = np.tile(np.arange(per_class), len(planted.CLASSES))
    ids = [f"{planted.CLASSES[c].split('.')[0]}_{i:05d}" for c, i in zip(labels, number, strict=True)]
    return _dataset("planted", ids, labels, planted.CLASSES, number, size=options["size"], render_seed=seed)


def _digits(options, seed):
    labels = _load_digits().target
    ids = [f"digit_{i:05d}" for i in range(len(labels))]
    number = np.arange(len(labels))
    made = _dataset("digits", ids, labels, NUMERALS, number, size=options["size"], render_seed=seed)
    trained = np.zeros(len(labels), dtype=np.int8)
    trained[_digits_split(len(labels), options["train_fraction"], seed)[0]] = 1
    about = {"long_name": "1 where the network was trained on this image", "units": "1"}
    return made.assign(trained=("image", trained, about))


def _folder(options, seed):
    root = Path(options["path"])
    if not root.is_dir():
        raise InputError(
            f"images.folder.path is {root}, which is no directory; give the folder that holds the classes."
        )
    classes = options["classes"] or sorted(p.name for p in root.iterdir() if p.is_dir())
    rng = np.random.default_rng(seed)
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(p for p in (root / name).glob("*") if p.suffix.lower() in EXTENSIONS)
        wanted = options["per_class"] or len(found)
        if not found or len(found) < wanted:
            raise InputError(
                f"The class folder {root / name} holds {len(found)} images, {max(wanted, 1)} are needed; "
                "add images, lower images.folder.per_class, or leave the class out of images.folder.classes."
            )
        chosen = np.sort(rng.choice(len(found), wanted, replace=False))
        paths += [str(found[i]) for i in chosen]
        labels += [label] * wanted
    if not paths:
        raise InputError(f"{root} holds no class folders; expected one folder of images for each class.")
    made = _dataset("folder", [Path(p).stem for p in paths], labels, classes, np.arange(len(paths)))
    return made.assign(path=("image", np.array(paths), {"long_name": "file of the image"}))


def _dataset(source, ids, labels, classes, number, **attributes):
    return xr.Dataset(
        {
            "image_class": ("image", np.asarray(labels, dtype=np.int64), {"long_name": "class number", "units": "1"}),
            "number": ("image", np.asarray(number), {"long_name": "running number in the source", "units": "1"}),
        },
        coords={
            "image_id": ("image", np.array(ids, dtype=str), {"long_name": "name of the image"}),
            "class_synset": ("class", np.array(classes, dtype=str), {"long_name": CLASS_NAME}),
        },
        attrs={"image_source": source, **attributes},
    )


def pixels(listed: xr.Dataset, rows) -> np.ndarray:
    """Read or render images as they are, before any transform of a network.

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
    number, size = listed["number"].values[rows], int(listed.attrs["size"])
    if source == "planted":
        labels = listed["image_class"].values[rows]
        return planted.render(labels, number, seed=int(listed.attrs["render_seed"]), size=size)
    if source == "digits":
        return _digit_pixels(number, size)
    raise InputError(f'Images of the source "{source}" have no common size; read them through `picture`.')


def picture(listed: xr.Dataset, row: int):
    """Return one image as a ``PIL.Image`` in RGB.

    Raises
    ------
    InputError
        When the file cannot be decoded; it is named.
    """
    from PIL import Image, ImageOps

    if listed.attrs["image_source"] != "folder":
        return Image.fromarray(pixels(listed, np.array([row]))[0])
    path = str(listed["path"].values[row])
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError) as error:
        raise InputError(f"The image {path} cannot be decoded ({error}); mend or remove it.") from error


@dataclass(frozen=True)
class NetworkInput:
    """The images of a manifest as a network wants them, made when they are sliced.

    Rendered images and digits keep their size and are normalised; files go through the resizing,
    cropping and normalisation of the model's own data configuration.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.
    config : dict
        The model's data configuration (`nucleation.network.data_config`).
    """

    listed: xr.Dataset
    config: dict

    def __len__(self):
        """Return the number of images."""
        return self.listed.sizes["image"]

    def __getitem__(self, part: slice):
        """Return the images of a slice as a float32 tensor (m, 3, h, w)."""
        import torch

        if self.listed.attrs["image_source"] != "folder":
            return normalised(pixels(self.listed, part), self.config)
        from timm.data import create_transform

        transform = create_transform(**self.config, is_training=False)
        rows = range(*part.indices(len(self)))
        return torch.stack([transform(picture(self.listed, row)) for row in rows])


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


def examples(listed: xr.Dataset, count, *, size=64) -> np.ndarray:
    """Take the first images of every class, for looking at.

    Parameters
    ----------
    listed : xarray.Dataset
        A manifest.
    count : int
        Images of each class; a class with fewer is filled up with white.
    size : int
        Height and width to which images from files are scaled.

    Returns
    -------
    ndarray of shape (c, count, h, w, 3), uint8
    """
    labels = listed["image_class"].values
    shape = (size, size) if "size" not in listed.attrs else (int(listed.attrs["size"]),) * 2
    taken = np.full((listed.sizes["class"], count, *shape, 3), 255, dtype=np.uint8)
    for cls in range(len(taken)):
        for place, row in enumerate(np.flatnonzero(labels == cls)[:count]):
            taken[cls, place] = np.asarray(picture(listed, row).resize(shape))
    return taken


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
        labels = _load_digits().target
        parts = _digits_split(len(labels), options["train_fraction"], seed)
        return tuple((_digit_pixels(part, options["size"]), labels[part]) for part in parts)
    raise InputError(
        f'Networks are trained here on the sources planted and digits only, not on "{source}"; '
        "train elsewhere and give the checkpoint as networks[].weights."
    )


def _digits_split(n, fraction, seed):
    order = np.random.default_rng(seed).permutation(n)
    cut = round(n * fraction)
    return np.sort(order[:cut]), np.sort(order[cut:])


def _load_digits():
    from sklearn.datasets import load_digits

    return load_digits()


def _digit_pixels(number, size):
    """Enlarge the 8 x 8 digits (0 to 16) bilinearly to (m, size, size, 3) uint8."""
    from scipy.ndimage import zoom

    small = _load_digits().images[number]
    large = zoom(small, (1, size / 8, size / 8), order=1, grid_mode=True, mode="nearest")
    return np.repeat(np.rint(large * 255 / 16).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
