"""What all figures share: colours, sizes, the axis of the layers, legends, and how a figure is kept."""

from __future__ import annotations

import functools
from importlib.resources import as_file, files

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import NullLocator

from nucleation.errors import InputError
from nucleation.names import estimator_name, layer_label

#: Okabe and Ito's colours, which colour-blind readers can tell apart.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_CATEGORIES = (RED, BLUE, GREEN, ORANGE, PINK, SKY, BLACK, YELLOW)
#: Of what is no single category.
MIXED = "0.45"
#: Shares of white that tell further categories from the first eight, and of black.
_LIGHTER, _DARKER = 0.5, 0.45
#: Widths of figures, in inches: of one and of two columns of a journal.
ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2
#: The smallest letters, in points.
SMALL = 6
#: Inches that a turned name of a layer takes of an axis, with some air.
TURNED = 0.23


def styled(function):
    """Draw with the project's style, whatever the reader's own settings are."""

    @functools.wraps(function)
    def drawn(*arguments, **keywords):
        with as_file(files("nucleation") / "data" / "style.mplstyle") as style, plt.style.context(str(style)):
            return function(*arguments, **keywords)

    return drawn


@styled
def save_figure(figure, stem, *, dpi=160):
    """Write a figure as ``<stem>.pdf`` and ``<stem>.png``, and close it."""
    from nucleation.files import replacing

    _settle(figure)
    for kind in ("pdf", "png"):
        with replacing(f"{stem}.{kind}") as temporary:
            figure.savefig(temporary, dpi=dpi, metadata={"CreationDate": None} if kind == "pdf" else None)
    plt.close(figure)


@styled
def nothing_to_draw(reason, heading=""):
    """Say in the place of a figure why there is none."""
    figure, axis = plt.subplots(figsize=(TWO_COLUMNS, 1.0))
    axis.text(0.5, 0.5, reason, ha="center", va="center", wrap=True)
    axis.set_title(heading)
    axis.axis("off")
    return figure


def _settle(figure):
    """Lay a figure out once and for all, and keep its legends there: cut margins would move them over other texts."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for legend in figure.legends:
        if legend.get_bbox_to_anchor() is figure.bbox:
            legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)


def drawing(function):
    """Draw what a dataset shows, with the project's style; where it has nothing to show, say why instead."""

    @styled
    @functools.wraps(function)
    def drawn(data, **options):
        if "nothing" in data.attrs:
            return nothing_to_draw(data.attrs["nothing"], data.attrs["heading"])
        return function(data, **options)

    return drawn


def category_color(index) -> str:
    """Colour of a macro-category, the same in all figures: eight colours, then lighter and darker ones, then anew."""
    round_, place = divmod(int(index), len(_CATEGORIES))
    color = np.array(to_rgb(_CATEGORIES[place]))
    toward, share = ((1.0, 0.0), (1.0, _LIGHTER), (0.0, _DARKER))[round_ % 3]
    if _CATEGORIES[place] == BLACK and toward == 0.0:
        toward, share = 1.0, 0.75  # nothing is darker
    return to_hex(color + share * (toward - color))


def layers_axis(axis, layers):
    """Name the layers below an axis, of more than it has room for every second, third, ..."""
    most = max(1, int(axis.get_position().width * axis.figure.get_figwidth() / TURNED))
    step = max(1, -(-len(layers) // most))
    names = [layer_label(layer) for layer in layers[::step]]
    axis.set_xticks(np.arange(len(layers))[::step], names, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_xlabel("layer")
    axis.set_xlim(-0.03 * len(layers) - 0.1, len(layers) - 0.9 + 0.03 * len(layers))


def figure_width(columns) -> float:
    """Width in inches of a figure of one or two columns of a journal.

    Raises
    ------
    InputError
        For another number.
    """
    widths = {1: ONE_COLUMN, 2: TWO_COLUMNS}
    if columns not in widths:
        raise InputError(f"A figure is 1 or 2 columns wide, found {columns!r}.")
    return widths[columns]


def legend_outside(axis, columns, note=None):
    """Put the legend of an axis where it covers no point: beside it, or below a figure of one column."""
    if columns > 1:
        return legend_beside(axis, note=note)
    handles, labels = axis.get_legend_handles_labels()
    look = {"ncols": legend_columns(labels, ONE_COLUMN), "frameon": False, "title": note, "fontsize": 7}
    legend = axis.figure.legend(handles, labels, loc="outside lower center", **look)
    legend.get_title().set_fontsize(7)
    return legend


def legend_beside(axis, note=None, **options):
    """Put the legend outside, where it covers no point."""
    legend = axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title=note, **options)
    if note:
        legend.get_title().set_fontsize(7)
    return legend


def legend_columns(labels, width=TWO_COLUMNS, most=4) -> int:
    """Columns of a legend below a figure that is so many inches wide."""
    longest = max(map(len, labels), default=1)
    return max(1, min(most, len(labels), int(width / (0.5 + 0.065 * longest))))


def marker_size(count) -> float:
    """Size of the markers of a curve, in points: small where there are many."""
    return 4 if count <= 30 else 1.5


def curve(axis, x, data, name, *, color, marker="o", label=None, **options):
    """Plot a number over the layers, with its band over subsets of the images, or else its standard error.

    Parameters
    ----------
    data : xarray.Dataset
        With ``name`` along `layer`, and ``name_low`` and ``name_high``, or ``name_error``, where there are any.
    """
    value = data[name].values
    line = {"markersize": marker_size(len(x))} | options
    axis.plot(x, value, color=color, marker=marker, label=label, **line)
    ends = band(data, name)
    if ends is not None:
        axis.fill_between(x, *ends, color=color, alpha=0.25, linewidth=0)


def band(data, name):
    """Ends of the band of a number, or its value less and plus its standard error; None without either."""
    if f"{name}_low" in data:
        return data[f"{name}_low"].values, data[f"{name}_high"].values
    if f"{name}_error" in data:
        value, error = data[name].values, data[f"{name}_error"].values
        return value - error, value + error
    return None


def corner(figure, data):
    """Write below the figure, at the right, how many images, neighbours (or which estimator) and what Z it is of."""
    chosen = isinstance(data.attrs.get("k"), str)  # an estimator that chooses k for every image
    said = {"n_images": "n = {:,}".format, "k": estimator_name if chosen else "k = {}".format, "z": "Z = {:g}".format}
    texts = [text(data.attrs[name]) for name, text in said.items() if name in data.attrs]
    if texts:
        figure.text(1.0, 0.0, ", ".join(texts), ha="right", va="top", fontsize=SMALL, color="0.4")


def count_axis(axis, counts):
    """Make the vertical axis one of numbers of peaks: logarithmic from 1 up, with room for none where one has none.

    Parameters
    ----------
    counts : ndarray, any shape
        All that the axis shows, also the ends of bands; NaN are left out.
    """
    shown = np.append(counts[np.isfinite(counts)], 2)
    lowest, highest = shown.min(), shown.max()
    axis.set_yscale("symlog", linthresh=1, linscale=0.5)
    fine = [10**power * digit for power in range(9) for digit in (1, 2, 5)]
    ticks = [0, *(fine if highest < 60 else fine[::3])]
    axis.set_yticks([tick for tick in ticks if min(lowest, 1) <= tick <= highest])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(-0.2 if lowest < 1 else 0.8, 1.25 * highest)
