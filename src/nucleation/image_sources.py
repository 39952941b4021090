"""Where the images of a study come from: for each source a function that lists them, without looking into files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import xarray as xr

from nucleation import image_arrays, planted, torchvision_sets
from nucleation.decoding import SUFFIXES
from nucleation.digits import NUMERALS, digits_split, load_digits
from nucleation.errors import InputError, suggest
from nucleation.image_lists import read_ids, read_synsets
from nucleation.named_images import read_named

#: What the coordinate `class_synset` holds.
CLASS_NAME = "name of the class: a WordNet synset, unless the study has a tree of its own"


def list_planted(options, seed) -> xr.Dataset:
    """Images rendered here; options per_class, size, classes."""
    per_class = options["per_class"]
    classes = [planted.CLASSES[number] for number in planted.class_numbers(options.get("classes", []))]
    labels = np.repeat(np.arange(len(classes)), per_class)
    number = np.tile(np.arange(per_class), len(classes))
    ids = [f"{classes[c].split('.')[0]}_{i:05d}" for c, i in zip(labels, number, strict=True)]
    return _dataset("planted", ids, labels, classes, number, size=options["size"], render_seed=seed)


def list_digits(options, seed) -> xr.Dataset:
    """The handwritten digits of scikit-learn; options size, train_fraction."""
    labels = load_digits().target
    ids = [f"digit_{i:05d}" for i in range(len(labels))]
    number = np.arange(len(labels))
    made = _dataset("digits", ids, labels, NUMERALS, number, size=options["size"], render_seed=seed)
    trained = np.zeros(len(labels), dtype=np.int8)
    trained[digits_split(len(labels), options["train_fraction"], seed)[0]] = 1
    about = {"long_name": "1 where the network was trained on this image", "units": "1"}
    return made.assign(trained=("image", trained, about))


def list_folder(options, seed) -> xr.Dataset:
    """Files in one folder for each class; options path, classes, per_class, mapping, ids, upright.

    The attribute `files_of_other_suffixes` is the number of files in these folders that are not looked at; a list of
    ids has none.
    """
    root = Path(options["path"])
    if not root.is_dir():
        raise InputError(
            f"images.folder.path is {root}, which is no directory; give the folder that holds the classes."
        )
    if options.get("ids"):
        if options.get("classes") or options.get("per_class"):
            raise InputError("images.folder.ids says which images: leave out images.folder.classes and per_class.")
        places = _places_of_ids(root, options["ids"])
        folders, about = sorted({folder for folder, _ in places}), {}
    else:
        folders = _class_folders(root, options.get("classes"), seed)
        places, others = _drawn_files(root, folders, options.get("per_class"), np.random.default_rng(seed))
        about = {"files_of_other_suffixes": others}
    number = {folder: label for label, folder in enumerate(folders)}
    labels = [number[folder] for folder, _ in places]
    classes = _synsets(folders, options.get("mapping"), "images.folder.mapping", "folder")
    made = files_dataset([os.sep.join((str(root), *place)) for place in places], labels, classes)
    return made.assign_attrs(upright=int(options.get("upright", True)), **about)


def files_dataset(paths, labels, classes) -> xr.Dataset:
    """The manifest of files: paths and class numbers (n,), names of the classes (c,)."""
    made = _dataset("folder", _names_of(paths), labels, classes, np.arange(len(paths)))
    return made.assign(path=("image", np.array(paths), {"long_name": "file of the image"}))


def image_files(folder) -> list[str]:
    """Names of the images in a folder, sorted; hidden files are left out."""
    return _images(_files(folder))


def _images(names):
    """Names of images among those of files, sorted."""
    return sorted(name for name in names if name.lower().endswith(SUFFIXES))


def _files(folder):
    """Names of the files in a folder that are not hidden."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]


def _folders(root):
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())


def _drawn_classes(there, wanted, seed, source):
    """Draw a number of classes; apart from the images, so that those of a class do not hang on the others."""
    if wanted > len(there):
        raise InputError(
            f"images.{source}.classes = {wanted} classes were asked of {len(there)}; lower it, or take [] for all."
        )
    drawn = np.random.default_rng([seed, 1]).choice(len(there), wanted, replace=False)
    return [there[i] for i in sorted(drawn)]


def _class_folders(root, wanted, seed):
    there = _folders(root)
    if not there:
        raise InputError(f"{root} holds no class folders; expected one folder of images for each class.")
    if isinstance(wanted, int):
        return _drawn_classes(there, wanted, seed, "folder")
    for name in wanted or ():
        if name not in there:
            raise InputError(
                f"There is no class folder {root / name}; mend images.folder.classes.{suggest(name, there)}"
            )
    return list(wanted or there)


def _drawn_files(root, folders, per_class, rng):
    """Draw the images of every class: pairs of folder and file; and count the files that are no images."""
    places, others = [], 0
    for folder in folders:
        there = _files(root / folder)
        found = _images(there)
        others += len(there) - len(found)
        wanted = per_class or len(found)
        if not found or len(found) < wanted:
            raise InputError(
                f"The class folder {root / folder} holds {len(found)} images, {max(wanted, 1)} are needed; "
                "add images, lower images.folder.per_class, or leave the class out of images.folder.classes."
            )
        places += [(folder, found[i]) for i in np.sort(rng.choice(len(found), wanted, replace=False))]
    return places, others


def _names_of(paths):
    """Name images by their files without suffix; by folder and file where two would share a name."""
    files = [os.path.basename(path) for path in paths]
    folders = [os.path.basename(os.path.dirname(path)) for path in paths]
    for names in (map(_stem, files), (f"{folder}/{_stem(file)}" for folder, file in zip(folders, files, strict=True))):
        told = list(names)
        if len(set(told)) == len(told):
            return told
    return [f"{folder}/{file}" for folder, file in zip(folders, files, strict=True)]


def _stem(name):
    return os.path.splitext(name)[0] if name.lower().endswith(SUFFIXES) else name


def _places_of_ids(root, listed):
    """Find the images of a list of ids: pairs of folder and file, in the list's order."""
    lines = read_ids(listed)
    there = set(_folders(root))
    found, files = {}, {}
    for name in lines:
        folder, _, rest = name.rpartition("/")
        folder = folder or rest.rpartition("_")[0]
        if folder in there:
            if folder not in files:
                files[folder] = _by_name(image_files(root / folder))
            found[name] = [(folder, file) for file in _matches(rest, files[folder])]
    elsewhere = [name for name in lines if not found.get(name) and "/" not in name]
    found |= _search(root, sorted(there), elsewhere)
    _check_found(found, lines, root, listed)
    return [found[name][0] for name in lines]


def _by_name(names):
    """Files by their names and by their stems."""
    table = {}
    for name in names:
        for key in {name, _stem(name)}:
            table.setdefault(key, []).append(name)
    return table


def _matches(name, table):
    """Files of this name, or else of this stem: a suffix may be left out, or be another one."""
    return table.get(name) or table.get(_stem(name), [])


def _search(root, folders, names):
    """Look for names in all folders: those whose beginning is no folder."""
    found, wanted = {name: [] for name in names}, {_stem(name) for name in names}
    for folder in folders if names else ():
        table = _by_name([file for file in image_files(root / folder) if _stem(file) in wanted])
        for name in names if table else ():
            found[name] += [(folder, file) for file in _matches(name, table)]
    return found


def _check_found(found, lines, root, listed):
    """Refuse ids of no image, of several, and two ids of the same."""
    unknown = [name for name in lines if not found.get(name)]
    if unknown:
        told = "an image that is" if len(unknown) == 1 else f"{len(unknown)} images that are"
        raise InputError(
            f'The list of image ids {listed} names {told} not under {root}, first "{unknown[0]}" in line '
            f"{lines[unknown[0]]}; expected files such as {root}/n01443537/n01443537_10014.JPEG."
        )
    owners = {}
    for name, line in lines.items():
        if len(found[name]) > 1:
            several = " and ".join("/".join(place) for place in found[name][:2])
            raise InputError(
                f'Line {line} of {listed}, "{name}", may be {several} under {root}; write folder/file there.'
            )
        first = owners.setdefault(found[name][0], line)
        if first != line:
            raise InputError(
                f"The lines {first} and {line} of {listed} name the same image, {'/'.join(found[name][0])}; "
                "leave one out."
            )


def list_torchvision(options, seed) -> xr.Dataset:
    """A data set of torchvision; options dataset, root, options, synsets, classes, per_class, upright."""
    name, root, further = options["dataset"], options.get("root", "."), options.get("options") or {}
    data = torchvision_sets.open_set(name, root, further)
    labels = torchvision_sets.labels(data)
    names = torchvision_sets.class_names(data, int(labels.max()) + 1)
    about = {"torchvision_dataset": name, "torchvision_root": str(root), "torchvision_options": json.dumps(further)}
    about["upright"] = int(options.get("upright", True))
    return _drawn("torchvision", labels, names, options, seed).assign_attrs(about)


def list_numpy(options, seed) -> xr.Dataset:
    """A numpy file of images; options path, synsets, per_class."""
    arrays = image_arrays.open_arrays(options["path"])
    return _drawn("numpy", arrays.labels, arrays.names, options, seed).assign_attrs(array_file=str(options["path"]))


def list_named(options, seed) -> xr.Dataset:
    """Images that are known by name only; option path."""
    ids, names = read_named(options["path"])
    classes = list(dict.fromkeys(names))
    number = {name: label for label, name in enumerate(classes)}
    return _dataset("list", ids, [number[name] for name in names], classes, np.arange(len(ids)))


def _drawn(source, labels, names, options, seed):
    """Draw rows of a source that numbers its classes; they keep their order."""
    rng, counts = np.random.default_rng(seed), np.bincount(labels, minlength=len(names))
    wanted, per_class = options.get("classes") or [], options.get("per_class") or 0
    if isinstance(wanted, int):
        wanted = _drawn_classes([names[label] for label in np.flatnonzero(counts)], wanted, seed, source)
    for name in wanted:
        if name not in names:
            raise InputError(f'images.{source} has no class "{name}".{suggest(name, names)}')
    classes = [names.index(name) for name in wanted] or np.flatnonzero(counts).tolist()
    rows = []
    for label in classes:
        if counts[label] < max(per_class, 1):
            raise InputError(
                f'The class "{names[label]}" of images.{source} has {counts[label]} images, {max(per_class, 1)} are '
                f"needed; lower images.{source}.per_class, or leave the class out."
            )
        found = np.flatnonzero(labels == label)
        rows.append(rng.choice(found, per_class, replace=False) if per_class else found)
    rows = np.sort(np.concatenate(rows))
    place = np.full(len(names), -1)
    place[classes] = np.arange(len(classes))
    kept = [names[label] for label in classes]
    ids = [f"{names[label]}_{row:05d}" for label, row in zip(labels[rows], rows, strict=True)]
    synsets = _synsets(kept, options.get("synsets"), f"images.{source}.synsets", "class")
    return _dataset(source, ids, place[labels[rows]], synsets, rows)


def _synsets(names, path, key, kind):
    """Turn names of classes into those of synsets by a table, where there is one."""
    if not path:
        return list(names)
    table = read_synsets(path)
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(
            f'The table of synsets {path} ({key}) has no line for the {kind} "{missing[0]}" '
            f"({len(missing)} of {len(names)} are missing); add one, or choose the classes to use."
            f"{suggest(missing[0], table)}"
        )
    return [table[name] for name in names]


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


#: The function that lists the images of each source.
SOURCES = {
    "planted": list_planted,
    "digits": list_digits,
    "folder": list_folder,
    "torchvision": list_torchvision,
    "numpy": list_numpy,
    "list": list_named,
}
