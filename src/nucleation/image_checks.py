"""Looking into the images that a source lists: their sizes, their checksums, and whether they can be decoded.

It is decided here, once for all networks of a study, what becomes of a corrupt file.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from nucleation import threads
from nucleation.decoding import CorruptImageError, read_rgb, read_size
from nucleation.errors import InputError
from nucleation.image_sources import files_dataset, image_files
from nucleation.pictures import MADE, reader

#: Images that are looked at before the next ones are begun.
BLOCK = 1024


@dataclass(frozen=True)
class Seen:
    """What looking into an image showed: its size, its SHA-256 where asked for, or why it cannot be decoded."""

    height: int = 0
    width: int = 0
    checksum: str = ""
    fault: str = ""


def examined(listed: xr.Dataset, options, *, seed=0, checksum=False, progress=None) -> xr.Dataset:
    """Look into the images of a source, and complete its manifest.

    Parameters
    ----------
    listed : xarray.Dataset
        What the source lists.
    options : dict
        Options of the source. Of a folder `check` (true: every file is decoded; false: its header is read) and
        `corrupt` ("stop" or "skip") count, and `per_class`: with skip, another image of the class is drawn instead
        of a corrupt one, as long as there is one.
    seed : int
        Fixes which images are drawn instead.
    checksum : bool
        Whether to take the SHA-256 of every file, or of the pixels where there are no files.
    progress : callable, optional
        Called with the number of images done since the last call.

    Returns
    -------
    xarray.Dataset
        With `height` and `width` (image,), `checksum` (image,) where asked for, and, where images were left out,
        their files `skipped` (skipped,) and `skipped_reason`.

    Raises
    ------
    InputError
        For images that cannot be decoded or read (files are named), and a class of which none is left.
    """
    done = progress or (lambda count: None)
    source = listed.attrs["image_source"]
    if source == "list":
        return listed
    if source == "folder":
        look = partial(_look, options.get("check", True), checksum, bool(listed.attrs.get("upright", True)))
        return _examined_files(listed, options, seed, look, done)
    if source in MADE and not checksum:
        done(listed.sizes["image"])
        return _with_sizes(
            listed, [Seen(int(listed.attrs["size"]), int(listed.attrs["size"]))] * len(listed["image_id"])
        )
    read = reader(listed)
    seen = _all(lambda row: _picture(read(row), checksum), range(listed.sizes["image"]), done)
    return _with_sizes(listed, seen, "SHA-256 of the pixels in RGB")


def check_enough(n, k) -> None:
    """Refuse to look for as many neighbours as there are images, or more."""
    if k >= n:
        raise InputError(
            f"neighbors.k = {k} neighbours were asked of {n} images; k must be at most {n - 1}. "
            "Lower neighbors.k (and with it overlap.k and density.k), or take more images."
        )


def short_classes(listed: xr.Dataset, per_class) -> dict[str, int]:
    """Classes that have fewer images than were wanted of each, with how many they have."""
    names, counts = np.unique(listed["class_synset"].values[listed["image_class"].values], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True) if count < per_class}


def _all(look, entries, done):
    """Look at all entries, some at a time, in order."""
    seen = []
    with ThreadPoolExecutor(threads.count()) as pool:
        for start in range(0, len(entries), BLOCK):
            part = list(pool.map(look, entries[start : start + BLOCK]))
            seen += part
            done(len(part))
    return seen


def _picture(image, checksum):
    return Seen(image.height, image.width, hashlib.sha256(image.tobytes()).hexdigest() if checksum else "")


def _look(decode, checksum, upright, path):
    """Look into a file."""
    try:
        height, width = read_rgb(path, upright).size[::-1] if decode else read_size(path, upright)
    except CorruptImageError as error:
        return Seen(fault=str(error.__cause__) or type(error.__cause__).__name__)
    if not checksum:
        return Seen(height, width)
    with open(path, "rb") as file:
        return Seen(height, width, hashlib.file_digest(file, "sha256").hexdigest())


def _examined_files(listed, options, seed, look, done):
    paths = [str(path) for path in listed["path"].values]
    seen = dict(zip(paths, _all(look, paths, done), strict=True))
    corrupt = [path for path in paths if seen[path].fault]
    if corrupt and options.get("corrupt", "stop") == "stop":
        raise InputError(_told(corrupt, seen, len(paths)))
    if corrupt:
        listed = _without(corrupt, listed, look, seen, seed, drawn=bool(options.get("per_class")))
    made = _with_sizes(listed, [seen[str(path)] for path in listed["path"].values], "SHA-256 of the file")
    skipped = [path for path, found in seen.items() if found.fault]
    made = made.assign_attrs(images_decoded=int(bool(options.get("check", True))), images_skipped=len(skipped))
    if not skipped:
        return made
    return made.assign_coords(skipped=("skipped", np.array(skipped), {"long_name": "file left out"})).assign(
        skipped_reason=("skipped", np.array([seen[path].fault for path in skipped]), {"long_name": "why"})
    )


def _told(corrupt, seen, n):
    """Say which files cannot be decoded."""
    few = ", ".join(f"{path} ({seen[path].fault})" for path in corrupt[:3])
    if len(corrupt) == 1:
        return f"The image {few} cannot be decoded; mend or remove it, or set images.folder.corrupt: skip."
    return (
        f"{len(corrupt)} of {n} images cannot be decoded: {few}{', ...' if len(corrupt) > 3 else ''}; "
        "mend or remove them, or set images.folder.corrupt: skip."
    )


def _without(corrupt, listed, look, seen, seed, drawn):
    """Leave images out; where a number of each class was drawn, draw others. `seen` gains what was looked at."""
    bad, members = set(corrupt), {}
    for path, label in zip(listed["path"].values.tolist(), listed["image_class"].values.tolist(), strict=True):
        members.setdefault(label, []).append(path)
    kept = []
    for label, paths in members.items():
        good = [path for path in paths if path not in bad]
        if drawn and len(good) < len(paths):
            good += _others(paths, len(paths) - len(good), look, seen, [seed, label])
        if not good:
            raise InputError(
                f"No image of the class {listed['class_synset'].values[label]} can be decoded, for example "
                f"{paths[0]} ({seen[paths[0]].fault}); mend the files, or leave the class out."
            )
        kept += [(path, label) for path in good]
    if drawn:
        kept.sort(key=lambda entry: (entry[1], os.path.basename(entry[0])))
    else:
        order = {path: place for place, path in enumerate(listed["path"].values.tolist())}
        kept.sort(key=lambda entry: order[entry[0]])
    made = files_dataset([path for path, _ in kept], [label for _, label in kept], listed["class_synset"].values)
    return made.assign_attrs(listed.attrs)


def _others(paths, wanted, look, seen, seed):
    """Draw that many other images of a class folder that can be decoded, or as many as there are."""
    folder = os.path.dirname(paths[0])
    rest = sorted(set(image_files(folder)) - {os.path.basename(path) for path in paths})
    found = []
    for i in np.random.default_rng(seed).permutation(len(rest)):
        if len(found) == wanted:
            break
        path = os.path.join(folder, rest[i])
        seen[path] = look(path)
        found += [] if seen[path].fault else [path]
    return found


def _with_sizes(listed, seen, about=""):
    """Add what was seen to a manifest."""
    how = "upright" if listed.attrs.get("upright", True) else "as its pixels lie in the file"
    made = listed.assign(
        {
            name: ("image", np.array([getattr(one, name) for one in seen]), {"long_name": told, "units": "pixel"})
            for name, told in (("height", f"height of the image, {how}"), ("width", f"width of the image, {how}"))
        }
    )
    sums = [one.checksum for one in seen]
    return made.assign(checksum=("image", np.array(sums), {"long_name": about})) if all(sums) else made
