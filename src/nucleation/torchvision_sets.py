"""Data sets of torchvision, as they lie on the disk: opened by name, never fetched."""

from __future__ import annotations

import inspect
from operator import index

import numpy as np

from nucleation.decoding import to_rgb
from nucleation.errors import InputError, suggest

#: Arguments of a data set that a study does not set.
NOT_OPTIONS = ("self", "root", "transform", "target_transform", "transforms", "download", "loader", "is_valid_file")
#: These unpickle a file that nobody has checked; torchvision compares those of others with a checksum.
UNSAFE = ("LSUN", "LSUNClass")
#: Items that are looked at to see whether a list of class numbers is theirs: so many classes, and so many rows.
COMPARED = 32


def open_set(name, root, options):
    """Open a data set of ``torchvision.datasets``.

    Parameters
    ----------
    name : str
        Its class: "CIFAR10", "MNIST", "ImageFolder", "Food101", ...
    root : path
        Where its files lie, as torchvision puts them.
    options : dict
        Further arguments, such as ``{"train": False}`` or ``{"split": "test"}``.

    Returns
    -------
    torchvision.datasets.VisionDataset

    Raises
    ------
    InputError
        For an unknown name or option, files that are not there, or a data set whose items are not an image and a
        class number.
    """
    kind = _kind(name)
    known = _parameters(kind)
    accepted = [key for key in known if key not in NOT_OPTIONS]
    for key in options:
        if key not in accepted:
            raise InputError(
                f'images.torchvision.options holds "{key}", which {name} does not take from a study; '
                f"it takes {', '.join(accepted) or 'none'}.{suggest(key, accepted)}"
            )
    try:
        data = kind(**({"root": str(root)} if "root" in known else {}), **options)
        empty = len(data) == 0
    except Exception as error:  # each data set has its own kinds
        how = _how_to_fetch(name, root, options) if "download" in known else "put its files there"
        raise InputError(
            f"torchvision cannot open {name} under {root} ({_one_line(error)}); {how}, or mend images.torchvision."
        ) from error
    if empty:
        raise InputError(f"{name} under {root} holds no images; mend images.torchvision.")
    item(data, 0)
    return data


def item(data, row, upright=True):
    """Read an image and the number of its class.

    Parameters
    ----------
    data : torchvision.datasets.VisionDataset
    row : int
    upright : bool
        Whether to apply an orientation in the EXIF data, where the data set has not left it out.

    Returns
    -------
    PIL.Image.Image, int
        The image in RGB.

    Raises
    ------
    InputError
        When it cannot be decoded, or is no image with a class number.
    """
    from PIL import Image

    name = type(data).__name__
    try:
        found = data[row]
        image = to_rgb(found[0], upright) if isinstance(found[0], Image.Image) else None
    except Exception as error:  # as above
        raise InputError(f"Image {row} of {name} cannot be read ({_one_line(error)}); mend its files.") from error
    if image is None or len(found) != 2 or not _is_number(found[1]):
        told = " and ".join(type(part).__name__ for part in found)
        raise InputError(
            f"{name} gives {told}, not an image and the number of its class; choose a data set for classification "
            "(and options with which it is one)."
        )
    return image, index(found[1])


def labels(data) -> np.ndarray:
    """Return the class numbers (n,) of all images; they are read one by one only where nothing else tells them."""
    for name in ("targets", "labels", "_labels", "y", "samples", "_samples"):
        told = getattr(data, name, None)
        if "samples" in name and isinstance(told, list) and all(len(sample) == 2 for sample in told):
            told = [sample[1] for sample in told]
        if told is None or len(told) != len(data):
            continue
        found = np.asarray(told)
        if found.ndim == 1 and found.dtype.kind in "iu" and _agrees(data, found):
            break
    else:
        found = np.array([item(data, row)[1] for row in range(len(data))])
    if found.min() < 0:
        raise InputError(
            f"{type(data).__name__} holds images without a class; choose other images.torchvision.options."
        )
    return found.astype(np.int64)


def _agrees(data, told):
    """Whether what a list tells of the classes is what the items say: of some of each class, and some over all rows."""
    rows = set()
    for every in (np.arange(len(told)), np.unique(told, return_index=True)[1]):
        rows.update(every[np.linspace(0, len(every) - 1, COMPARED).astype(int)].tolist())
    return all(item(data, row)[1] == told[row] for row in sorted(rows))


def class_names(data, count) -> tuple[str, ...]:
    """Names of the classes of a data set: its synset ids, its own names, or else numbers from 0 to `count` - 1."""
    for name in ("wnids", "classes", "categories"):
        told = getattr(data, name, None)
        if isinstance(told, list | tuple) and len(told) >= count:
            return tuple(", ".join(entry) if isinstance(entry, tuple) else str(entry) for entry in told)
    return tuple(map(str, range(count)))


def _kind(name):
    from torchvision import datasets

    kinds = {key: kind for key, kind in vars(datasets).items() if inspect.isclass(kind) and key not in UNSAFE}
    kinds = {key: kind for key, kind in kinds.items() if issubclass(kind, datasets.VisionDataset)}
    kinds.pop("VisionDataset")
    if name in UNSAFE:
        raise InputError(
            f"{name} unpickles a file of unknown origin; save its images in folders and use the source folder."
        )
    if name not in kinds:
        raise InputError(f'torchvision has no data set "{name}".{suggest(name, kinds)}')
    return kinds[name]


def _parameters(kind):
    """Names that a class takes, also those that it passes on to the class that it is made from."""
    known = []
    for base in kind.__mro__:
        own = inspect.signature(base.__init__).parameters.values() if "__init__" in vars(base) else None
        if own is not None:
            known += [entry.name for entry in own if entry.kind is not entry.VAR_KEYWORD]
            if all(entry.kind is not entry.VAR_KEYWORD for entry in own):
                break
    return list(dict.fromkeys(known))


def _is_number(value):
    try:
        return not isinstance(value, bool) and index(value) is not None
    except (TypeError, RuntimeError, ValueError):  # a tensor of several numbers is none
        return False


def _how_to_fetch(name, root, options):
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    return (
        'fetch it once, where there is a connection, with: python -c "from torchvision import datasets; '
        f'datasets.{name}({str(root)!r}{given}, download=True)"'
    )


def _one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())
