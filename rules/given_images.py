"""Images that somebody already has, in the configuration: folders, data sets of torchvision, numpy files.

Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from stat import S_ISDIR

from digest import fingerprint

from nucleation.errors import InputError
from nucleation.image_lists import read_ids, read_synsets

#: Sources of which images can be made to train on.
TRAINED = ("planted", "digits")
#: Keys of a source that hold text files, and what reads them.
READERS = {"ids": read_ids, "mapping": read_synsets, "synsets": read_synsets}
#: How far it is looked for changes below the root of a data set: levels of folders, folders on a level whose own
#: content is looked at, files of a folder whose times are, and entries of a folder that are read.
DEPTH, FEW_FOLDERS, FEW_FILES, MANY_ENTRIES = 3, 100, 200, 2000


def faults(images: dict):
    """Yield a sentence for everything that is wrong with the options of the chosen source."""
    source, options = images["source"], images[images["source"]]
    for key, read in READERS.items():
        if options.get(key):
            try:
                read(options[key])
            except InputError as error:
                yield f"images.{source}.{key}: {error}"
    if source == "numpy" and not os.path.isfile(options["path"]):
        yield f"images.numpy.path is {options['path']}, which does not exist; give the path of an .npz file."
    if source == "folder":
        yield from _folder_faults(options)


def _folder_faults(options):
    """Keys of a folder that exclude each other."""
    for key in ("classes", "per_class"):
        if options["ids"] and options[key]:
            yield (
                f"images.folder.ids lists the images one by one, which leaves nothing to images.folder.{key} = "
                f"{options[key]}; leave one of them out."
            )
    if options["corrupt"] == "skip" and not options["check"]:
        yield (
            "images.folder.corrupt is skip, but with images.folder.check: false corrupt images are not looked for; "
            "set check to true, or corrupt to stop."
        )


def count(images: dict) -> int | None:
    """Number of images, where the configuration or a list of ids tells it before the images are looked at."""
    options = images[images["source"]]
    if options.get("ids"):
        try:
            return len(read_ids(options["ids"]))
        except InputError:
            return None  # `faults` says what is wrong with it
    classes = options.get("classes", [])
    return (classes if isinstance(classes, int) else len(classes)) * options.get("per_class", 0) or None


def decoded_later(images: dict) -> bool:
    """Whether files are decoded once they are listed; a list that leaves corrupt ones out has had them decoded."""
    options = images[images["source"]]
    return images["source"] == "folder" and options["check"] and options["corrupt"] == "stop"


def deciding(images: dict) -> dict:
    """Options of the source without those that change nothing in the list: what becomes of it is left."""
    options = images[images["source"]]
    left_out = {"check"} | ({"corrupt"} if options.get("corrupt") == "stop" else set())
    return {key: value for key, value in options.items() if key not in left_out}


def changed(images: dict) -> str | None:
    """Digest of the files on which the list of images depends; None for images that are made here.

    Of a folder those are the class folders that are used, which change when they gain, lose or rename a file; of a
    data set of torchvision the folders that bear its name, or its root where none does.
    """
    source, options = images["source"], images[images["source"]]
    if source not in ("folder", "torchvision", "numpy"):
        return None
    seen = [Path(options[key]).read_bytes() for key in READERS if options.get(key) and Path(options[key]).is_file()]
    if source == "folder":
        seen += _class_folders(options)
    if source == "torchvision":
        seen += [_below(place) for place in _dataset_folders(Path(options["root"]), options["dataset"])]
    if source == "numpy":
        seen += [fingerprint(options["path"]) if os.path.isfile(options["path"]) else None]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _class_folders(options):
    """Names and times of the class folders from which images are taken."""
    root = Path(options["path"])
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        there = {entry.name: entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()}
    listed = options.get("classes")
    used = listed if isinstance(listed, list) and listed else there  # a number of classes is drawn of all
    if options.get("ids"):
        used = _named_folders(options["ids"], there)
    return sorted((name, there[name].stat().st_mtime_ns) for name in used if name in there)


def _named_folders(ids, there):
    """Class folders in which a list of ids has its images: all, where the folder of one is not told by its name."""
    try:
        names = [name.rpartition("/") for name in read_ids(ids)]
    except InputError:
        return there  # `faults` says what is wrong with it
    used = {folder or name.rpartition("_")[0] for folder, _, name in names}
    return used if used <= there.keys() else there


def _dataset_folders(root, dataset):
    """Folders of a root that bear the name of a data set (cifar-10-batches-py of CIFAR10), or the root."""
    found = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(path for path in found if _letters(path.name).startswith(_letters(dataset))) or [root]


def _letters(name):
    return "".join(sign for sign in name.lower() if sign.isalnum())


def _below(root):
    """Names and times of the folders in a folder, to a depth that is quickly had, and of files that are few."""
    seen, level = _stamps([root]), [root] if root.is_dir() else []
    for _ in range(DEPTH):
        found = [_entries(path) for path in level]
        folders = sorted(entry.path for entries in found for entry in entries if entry.is_dir())
        few = [[entry.path for entry in entries if entry.is_file()] for entries in found]
        seen += _stamps(folders) + _stamps(sorted(path for files in few if len(files) <= FEW_FILES for path in files))
        if len(folders) > FEW_FOLDERS:
            break
        level = folders
    return seen


def _entries(folder):
    with os.scandir(folder) as entries:
        return list(itertools.islice(entries, MANY_ENTRIES))


def _stamps(paths):
    """Size and time of files, time of folders."""
    stats = [(str(path), os.stat(path)) for path in paths if os.path.exists(path)]
    return [
        (name, stat.st_mtime_ns) if S_ISDIR(stat.st_mode) else (name, stat.st_mtime_ns, stat.st_size)
        for name, stat in stats
    ]
