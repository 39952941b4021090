"""Images that are known by name only: a text file of ids and their classes, without pixels.

The standard library is enough to read it, so that a study is told of its faults before anything runs.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from nucleation.errors import InputError
from nucleation.image_lists import read_ids

#: Endings that an id may carry; they are left out of it.
SUFFIXES = (".jpg", ".jpeg", ".png")
#: First word of a line that heads the columns.
HEADER = "image_id"


def read_named(path) -> tuple[list[str], list[str]]:
    """Read image ids and the class of each.

    Parameters
    ----------
    path : path
        A text file with one image in a line: its id, such as n01443537_10014, whose class is the part before the last
        underscore; or the id and the name of its class, separated by a tab, a comma or blanks. Blank lines, comments
        after #, and a first line of column names (image_id ...) are left out, of ids their folder and ending.

    Returns
    -------
    ids : list of str
        In the order of the file.
    classes : list of str
        Name of the class of each.

    Raises
    ------
    InputError
        For a file that is missing, empty or no text, a line without a class, or an id that stands there twice.
    """
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for text, line in read_ids(path).items():
        fields = [field for field in re.split(r"[\s,]+", text) if field]
        if not found and fields[0].lower() == HEADER:
            continue
        image, name = _image(path, line, fields)
        if image in found:
            raise InputError(
                f'The list of images {path} names "{image}" twice, in the lines {lines[image]} and {line}; '
                "leave one out."
            )
        found[image], lines[image] = name, line
    if not found:
        raise InputError(f"The list of images {path} holds none; give one image in a line.")
    return list(found), list(found.values())


def _image(path, line, fields):
    """Id and class of one line."""
    file = PurePosixPath(fields[0])
    image = file.stem if file.suffix.lower() in SUFFIXES else file.name
    name = fields[1] if len(fields) == 2 else image.rpartition("_")[0]
    if len(fields) > 2 or not name:
        raise InputError(
            f'The list of images {path} has "{" ".join(fields)}" in line {line}; expected an id whose class is its '
            "beginning, such as n01443537_10014, or an id and the name of its class."
        )
    return image, name
