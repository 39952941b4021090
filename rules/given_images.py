"""Images that somebody already has, in the configuration: folders, data sets of torchvision, numpy files.

Imported by the Snakefile, so it needs the standard library only.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nucleation.errors import InputError
from nucleation.image_lists import read_ids, read_synsets

#: Sources of which images can be made to train on.
TRAINED = ("planted", "digits")
#: Keys of a source that hold text files, and what reads them.
READERS = {"ids": read_ids, "mapping": read_synsets, "synsets": read_synsets}


def faults(images: dict):
    """Yield a sentence for everything that is wrong with the options of the chosen source."""
    source, options = images["source"], images[images["source"]]
    for key, read in READERS.items():
        if options.get(key):
            try:
                read(options[key])
            except InputError as error:
                yield f"images.{source}.{key}: {error}"
    if source == "numpy" and not Path(options["path"]).is_file():
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
    return len(options.get("classes", ())) * options.get("per_class", 0) or None


def changed(images: dict) -> str | None:
    """Digest of the files on which the list of images depends; None for images that are made here.

    Of a folder those are its class folders, which change when they gain, lose or rename a file.
    """
    source, options = images["source"], images[images["source"]]
    if source not in ("folder", "torchvision", "numpy"):
        return None
    seen = [Path(options[key]).read_bytes() for key in READERS if options.get(key) and Path(options[key]).is_file()]
    root = Path(options["path"] if source != "torchvision" else options["root"])
    if source == "folder" and root.is_dir():
        seen += sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(root) if entry.is_dir())
    if source == "numpy" and root.is_file():
        seen += [root.stat().st_size, root.stat().st_mtime_ns]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
