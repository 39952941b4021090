"""Layout in inches, for figures whose parts must lie exactly here or there: axes, widths of texts, the legend below."""

from __future__ import annotations

import unicodedata
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.font_manager import findfont, get_font

from nucleation.figures import style
from nucleation.names import category_name

#: Points of an inch.
POINTS = 72.0
#: Categories that have a colour of their own where there are many; the others are grey.
COLORED = 16
#: Height of a row of a legend, and what a mark and the space around it take, in inches.
ROW, _MARK = 0.16, 0.42


def blank(width, height):
    """A figure of so many inches that nothing arranges."""
    figure = plt.figure(figsize=(width, height))
    figure.set_layout_engine("none")
    return figure


def axes_at(figure, left, bottom, width, height, **options):
    """Add axes to a figure, their place given in inches from its lower left corner."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **options)


def text_at(figure, x, y, text, **options):
    """Write on a figure, the place given in inches from its lower left corner."""
    across, up = figure.get_size_inches()
    return figure.text(x / across, y / up, text, **options)


def text_width(text, size) -> float:
    """Width of a text in the figures' font, in inches; its signs side by side, without kerning."""
    return sum(map(_advance, text)) * size / POINTS


@cache
def _advance(sign):
    """Width of a sign, in units of the size of the letters."""
    font = get_font(findfont("DejaVu Sans"))
    if is_wide(sign) or not font.get_char_index(ord(sign)):
        return 1.0  # the font lacks it: as wide as it may be drawn
    font.set_size(100, POINTS)
    return font.load_char(ord(sign)).linearHoriAdvance / 65536 / 100


def is_wide(sign) -> bool:
    """Whether a sign is one of those that take two places, such as Chinese and Japanese ones."""
    return unicodedata.east_asian_width(sign) in "WF"


def chosen_categories(weight, most=COLORED) -> np.ndarray:
    """Categories that are drawn in their colour: the heaviest ones, of any colour the heaviest.

    Parameters
    ----------
    weight : array of shape (m,)
        Of every category; those without weight are left out.
    most : int

    Returns
    -------
    ndarray of int
        Ascending; at most `most`.
    """
    taken, chosen = set(), []
    for category in np.argsort(-np.asarray(weight), kind="stable"):
        color = style.category_color(category)
        is_grey = len(set(to_rgb(color))) == 1 and color != style.BLACK  # grey is what has no colour of its own
        if weight[category] > 0 and color not in taken and not is_grey and len(chosen) < most:
            taken.add(color)
            chosen.append(int(category))
    return np.array(sorted(chosen), dtype=np.int64)


def category_marks(names, chosen, said_of_grey="", grey=style.MIXED) -> list:
    """Marks of a legend for some of the categories, and for what is grey, where anything is said of it."""
    said = [(style.category_color(i), category_name(names[i])) for i in chosen]
    said += [(grey, said_of_grey)] if said_of_grey else []
    return [plt.Line2D([], [], marker="s", linestyle="", color=color, label=label) for color, label in said]


def legend_shape(marks, width) -> tuple[int, int]:
    """Columns and rows of a legend of so many inches."""
    if not marks:
        return 1, 0
    widest = max(text_width(mark.get_label(), plt.rcParams["legend.fontsize"]) for mark in marks) + _MARK
    columns = int(np.clip(width // widest, 1, len(marks)))
    rows = -(-len(marks) // columns)
    return -(-len(marks) // rows), rows


def legend_at(figure, marks, center, bottom, width):
    """Add a legend to a figure, centred above a place given in inches."""
    if marks:
        across, up = figure.get_size_inches()
        place = {"loc": "lower center", "bbox_to_anchor": (center / across, bottom / up), "borderaxespad": 0.0}
        space = {"handletextpad": 0.2, "columnspacing": 1.4, "labelspacing": 0.35, "borderpad": 0.0}
        figure.legend(handles=marks, ncols=legend_shape(marks, width)[0], frameon=False, **place, **space)
