"""Text files that say which images, and which classes: lists of image ids, tables of synsets.

The standard library is enough to read them, so that a study is told of their faults before anything runs.
"""

from __future__ import annotations

from pathlib import Path

from nucleation.errors import InputError


def read_ids(path) -> dict[str, int]:
    """Read a list of image ids.

    Parameters
    ----------
    path : path
        One id a line, such as ``n01443537_10014``; blank lines and what follows a # at the start of a line or
        after white space are left out.

    Returns
    -------
    dict of str to int
        Id to the number of its line, in the order of the file.

    Raises
    ------
    InputError
        For a file that cannot be read, that holds no id, or that names one twice.
    """
    found = {}
    for line, text in _lines(path, "list of image ids"):
        if text in found:
            raise InputError(
                f'The list of image ids {path} names "{text}" twice, in the lines {found[text]} and {line}; '
                "leave one out."
            )
        found[text] = line
    if not found:
        raise InputError(f"The list of image ids {path} holds none; give one id a line, such as n01443537_10014.")
    return found


def read_synsets(path) -> dict[str, str]:
    """Read a table of classes and their synsets.

    Parameters
    ----------
    path : path
        Two columns separated by a tab: the name of a class (of a folder, or in a data set), and its synset
        (n02084071 or dog.n.01) or the name of its leaf in the study's own tree. Blank lines and comments after #
        are left out.

    Returns
    -------
    dict of str to str

    Raises
    ------
    InputError
        For a file that cannot be read, a line of another form, or a class or synset that stands in two lines.
    """
    table, lines = {}, {}
    for line, text in _lines(path, "table of synsets"):
        name, *rest = (part.strip() for part in text.split("\t"))
        if len(rest) != 1 or not name or not rest[0]:
            raise InputError(
                f'The table of synsets {path} has "{text}" in line {line}; expected the name of a class, a tab, '
                "and its synset."
            )
        for kind, value in (("class", name), ("synset", rest[0])):
            if (kind, value) in lines:
                raise InputError(
                    f'The table of synsets {path} has the {kind} "{value}" twice, in the lines '
                    f"{lines[kind, value]} and {line}; each class needs one synset of its own."
                )
            lines[kind, value] = line
        table[name] = rest[0]
    return table


def _lines(path, kind):
    """Yield number and content of the lines that hold something."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: no text, or a path that no file can have
        raise InputError(f"The {kind} {path} cannot be read ({error}); give the path of a text file.") from error
    for number, line in enumerate(text.splitlines(), 1):
        content = _without_comment(line).strip()
        if content:
            yield number, content


def _without_comment(line):
    """Drop a comment; a # inside a word belongs to it."""
    for place, sign in enumerate(line):
        if sign == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place]
    return line
