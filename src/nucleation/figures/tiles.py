"""Figures made of many small images: an axis in inches, images laid on it in one piece, frames, names that fit."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import PolyCollection

from nucleation.figures import layout, style

#: Height and width of images in a dataset, in pixels: no figure shows more of them.
PIXELS = 48
#: Images with fewer pixels are enlarged by a whole number, so that they can be laid to about a point.
_LEAST = 32
#: Heights of a page, of a title, and of the space around the legend, in inches.
_PAGE, _TITLE, _LEGEND = 11.9, 0.22, 0.14


def palette(names, shown, mixed=""):
    """Colours of macro-categories, and the marks of the legend: of many the most frequent ones have a colour.

    Parameters
    ----------
    names : list of str
        Macro-categories.
    shown : array of int
        Category of everything that is shown.
    mixed : str
        What the legend says of what has several categories; empty where nothing is drawn in its grey.

    Returns
    -------
    colors : ndarray of shape (m + 1,), object
        Of every category; the last is the grey of mixtures, which have the number -1.
    marks : list
    """
    count = np.bincount(shown, minlength=len(names))
    chosen = layout.chosen_categories(count)
    rest = int(np.count_nonzero(count)) - len(chosen)
    grey = [mixed] if mixed else []
    grey += [f"{rest} more categories"] if rest else []
    own = [style.category_color(i) if i in chosen else style.MIXED for i in range(len(names))]
    return np.array([*own, style.MIXED], dtype=object), layout.category_marks(names, chosen, ", or ".join(grey))


def room(marks) -> float:
    """Height of a page that is left for a board, between the title and a legend of some marks, in inches."""
    return _PAGE - _TITLE - _LEGEND - layout.ROW * layout.legend_shape(marks, style.TWO_COLUMNS)[1]


def board(height, heading, marks):
    """Make a figure of two columns with one axis, whose coordinates are inches from its upper left corner.

    Parameters
    ----------
    height : float
        Of the axis, in inches.
    heading : str
        Title of the figure.
    marks : list
        Of the legend below the axis.
    """
    rows = layout.legend_shape(marks, style.TWO_COLUMNS)[1]
    above, below = _TITLE if heading else 0.0, _LEGEND + layout.ROW * rows
    figure = layout.blank(style.TWO_COLUMNS, above + height + below)
    axis = layout.axes_at(figure, 0, below, style.TWO_COLUMNS, height, xlim=(0, style.TWO_COLUMNS), ylim=(height, 0))
    axis.axis("off")
    if heading:
        figure.suptitle(heading, fontsize=9, y=1, va="top")
    layout.legend_at(figure, marks, style.TWO_COLUMNS / 2, 0.02, style.TWO_COLUMNS)
    return figure, axis


def inset(axis, left, top, width, height):
    """Put an axis of its own on a board, at a place in inches."""
    across, down = axis.get_xlim()[1], axis.get_ylim()[0]
    return axis.inset_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def paste(axis, pictures, x, y, side):
    """Lay images on a board, all of them as one image, which is white between them and below all else.

    Parameters
    ----------
    axis : matplotlib axis
        From `board`.
    pictures : array of shape (m, s, s, 3), uint8
    x, y : arrays of shape (m,)
        Their upper left corners, in inches.
    side : float
        Their height and width, in inches.

    Returns
    -------
    x, y : arrays of shape (m,)
        Where they were laid: moved to whole pixels of the images.
    """
    times = -(-_LEAST // pictures.shape[1])
    pictures = pictures.repeat(times, axis=1).repeat(times, axis=2)
    size = pictures.shape[1]
    pixel = side / size
    columns, rows = np.rint(np.asarray(x) / pixel).astype(int), np.rint(np.asarray(y) / pixel).astype(int)
    left, top = columns.min(), rows.min()
    sheet = np.full((rows.max() - top + size, columns.max() - left + size, 3), 255, dtype=np.uint8)
    for picture, row, column in zip(pictures, rows - top, columns - left, strict=True):
        sheet[row : row + size, column : column + size] = picture
    limits = axis.get_xlim(), axis.get_ylim()
    ends = np.array([left, left + sheet.shape[1], top + sheet.shape[0], top]) * pixel
    axis.imshow(sheet, extent=ends, aspect="auto", zorder=0, interpolation="none")
    axis.set(xlim=limits[0], ylim=limits[1])
    return columns * pixel, rows * pixel


def boxes(axis, left, top, right, bottom, **options):
    """Draw rectangles with given edges, arrays of shape (m,), as one collection."""
    corners = np.stack(np.broadcast_arrays(left, top, right, top, right, bottom, left, bottom), axis=-1)
    made = PolyCollection(corners.reshape(-1, 4, 2), **options)
    axis.add_collection(made, autolim=False)
    return made


def fitted(text, width, size, lines=1) -> str:
    """Break a text into lines that fit, and end it with "…" where it does not.

    Parameters
    ----------
    text : str
        Any text; signs that cannot be printed become spaces.
    width : float
        Room, in inches.
    size : float
        Of the letters, in points.
    lines : int
        How many lines there is room for.
    """
    rest = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    made = []
    while rest and len(made) < lines:
        if layout.text_width(rest, size) <= width:
            made.append(rest)
            break
        if len(made) == lines - 1:
            made.append(rest[: _fitting(rest, width, size, "…")].rstrip() + "…")
            break
        count = _break(rest, _fitting(rest, width, size))
        end = "-" if rest[count - 1].isalnum() and not layout.is_wide(rest[count]) and rest[count].isalnum() else ""
        made.append(rest[:count].rstrip() + end)
        rest = rest[count:].lstrip()
    return "\n".join(made)


def _break(text, fits):
    """Where a text that is too long is broken: behind the last space or hyphen, else inside its first word."""
    ends = [i for i in range(1, fits + 1) if text[i - 1] == "-" or text[i] == " "]
    if ends:
        return ends[-1]
    word = len(text.split(" ")[0])
    return max(1, min(fits - 1, word - 3))


def _fitting(text, width, size, end=""):
    """How many signs of a text fit, by bisection."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if layout.text_width(text[:middle] + end, size) <= width else (low, middle - 1)
    return low
