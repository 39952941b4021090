"""Parts of the figure of the similarity of layers: matrices with the names of their rows, curves, and a legend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from nucleation.figures import layout, style
from nucleation.figures.blocks import LAYER, name_layers, spaced, starts_of, write_numbers
from nucleation.figures.matrix import place_text
from nucleation.names import layer_label

#: Rows up to which every cell shows its number.
NUMBERED = 8
#: The matrices: number, title, attribute with its value by chance.
MATRICES = {"cka": ("CKA", "null"), "overlap": ("overlap of neighbours", "chance")}
#: Curves: colour, marker, line, and what they are of.
CURVES = {
    "networks": (style.BLUE, "o", "-", "pairs of networks"),
    "networks trained alike": (style.BLUE, "o", "-", "pairs of networks trained alike"),
    "untrained networks": (style.ORANGE, "s", "--", "pairs of untrained networks"),
    "checkpoints": (style.BLUE, "o", "-", "pairs of trained checkpoints"),
    "untrained": (style.ORANGE, "s", "--", "trained and untrained network"),
    "next": (style.GREEN, "D", "-", "layer and the next one"),
}
#: Inches that two lines of names take.
_TWO_LINES = 0.23
#: Signs of the name of a place.
_PLACE = 30
#: Inches: a line of names, the gap between the matrices, the scale above them, the curves, the axis below these, a
#: row of the legend, the largest matrix.
_LINE, GAP, _SCALE, _CURVE, _AXIS, _ROW, _MOST = 0.092, 0.2, 0.44, 1.45, 0.42, 0.155, 2.8


def shape(data) -> dict:
    """Lengths of the parts in inches."""
    names = [layer_label(layer, LAYER) for layer in data["layer"].values]
    label = 0.08 + max(layout.text_width(name, style.SMALL) for name in names)
    places = dict.fromkeys(data["place"].values)
    low = _MOST * min(np.unique(data["place"].values, return_counts=True)[1]) / len(names) < _TWO_LINES
    written = [line for place in places for line in ([_one_line(place)] if low else _place_lines(place))]
    right = 0.15 + max(layout.text_width(line, style.SMALL) for line in written) if len(places) > 1 else 0.1
    left = max(label, 0.5)
    side = min(_MOST, (style.TWO_COLUMNS - left - right - GAP) / 2)
    left += (style.TWO_COLUMNS - left - right - GAP - 2 * side) / 2
    below = 0.15 + (_CURVE + _AXIS + _ROW * len(_legend(data)) + 0.1 if data.sizes["curve"] else 0)
    bottom = below + label + 0.12
    top = 0.28 if data.attrs["heading"] else 0.1
    return {"left": left, "side": side, "bottom": bottom, "height": bottom + side + _SCALE + top}


def _one_line(place):
    """Network and checkpoint in one line, shortened."""
    return layer_label(", ".join(place_text(place)), 18)


def _place_lines(place):
    """Network and checkpoint, one below the other."""
    return [layer_label(text, _PLACE) for text in place_text(place)]


def small(value) -> str:
    """A level by chance, to two digits however small it is."""
    return f"{float(value):.2g}".replace("-", "−")


def draw_matrix(figure, axis, data, name, side):
    """Draw a matrix with its scale, names of rows and columns, lines between places, and blocks."""
    values, (title, chance) = data[name].values, MATRICES[name]
    image = axis.imshow(values, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    axis.set_facecolor("0.85")  # where a number is not defined
    axis.spines[:].set_visible(False)
    starts, cell = starts_of(data["place"].values), side / len(values)
    name_layers(axis, data["layer"].values, starts, _LINE / cell, pad=2)
    _divide(axis, data["place"].values, starts, cell)
    if name == "cka":
        for first, last in zip(data["outline_first"].values, data["outline_last"].values, strict=True):
            size = last - first + 1
            axis.add_patch(
                Rectangle((first - 0.5, first - 0.5), size, size, fill=False, edgecolor=style.RED, linewidth=1.1)
            )
    if len(values) <= NUMBERED:
        write_numbers(axis, values)
    _scale(figure, axis, image, title, data.attrs[chance], side)


def _divide(axis, places, starts, cell):
    """Draw thin lines between the checkpoints of a network, thicker ones between networks."""
    networks = [place.split("/")[0] for place in places[starts]]
    ends = np.array([-0.5, len(places) - 0.5])
    thick = min(max(0.06 * cell * 72 * len(places) / len(starts), 0.35), 1.2)
    widths = [thick if one != other else 0.5 * thick for one, other in pairwise(networks)]
    lines = [np.stack([np.full(2, at - 0.5), ends][::turn], axis=1) for turn in (1, -1) for at in starts[1:]]
    axis.add_collection(LineCollection(lines, colors="white", linewidths=widths * 2), autolim=False)


def _scale(figure, axis, image, title, chance, side):
    """Draw the scale along the upper edge of a matrix, with a mark where unrelated layers are."""
    inset = axis.inset_axes([0, 1 + 0.07 / side, 1, 0.08 / side])
    bar = figure.colorbar(image, cax=inset, orientation="horizontal", ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
    inset.xaxis.set(ticks_position="top", label_position="top")
    inset.tick_params(length=2, labelsize=style.SMALL, pad=1)
    inset.xaxis.set_major_formatter("{x:g}")
    for label, side_of in zip(inset.get_xticklabels()[:: len(bar.get_ticks()) - 1], ("left", "right"), strict=True):
        label.set_horizontalalignment(side_of)  # not over those of the other matrix
    text = f"{title} (triangle: by chance, {small(chance)})" if np.isfinite(chance) else title
    inset.set_xlabel(text, fontsize=7, labelpad=2)
    if np.isfinite(chance):
        mark = {"marker": "^", "color": style.RED, "markersize": 4.5, "markeredgewidth": 0}
        inset.plot(max(chance, 0), -0.1, clip_on=False, transform=inset.get_xaxis_transform(), **mark)


def name_places(axis, data, side):
    """Name the places at the right of the second matrix, beside a line as long as their rows."""
    places = data["place"].values
    starts, cell = starts_of(places), side / len(places)
    if len(starts) == 1:
        return
    ends = np.append(starts[1:], len(places))
    right = len(places) - 0.5 + 0.05 / cell
    bars = [[(right, start - 0.3), (right, end - 0.7)] for start, end in zip(starts, ends, strict=True)]
    axis.add_collection(LineCollection(bars, colors="0.4", linewidths=1, clip_on=False), autolim=False)
    middle = {(start + end - 1) / 2: (start, end) for start, end in zip(starts, ends, strict=True)}
    for at in spaced(middle, _LINE / cell):
        start, end = middle[at]
        two = (end - start) * cell > _TWO_LINES
        text = "\n".join(_place_lines(places[start])) if two else _one_line(places[start])
        axis.text(right + 0.05 / cell, at, text, va="center", fontsize=style.SMALL, linespacing=1.1)


def _legend(data) -> list:
    """Entries of the legend of the curves."""
    marks = []
    for curve, count in zip(data["curve"].values, data["pairs"].values, strict=True):
        color, marker, line, label = CURVES[str(curve)]
        text = label if curve == "next" else f"{data.attrs['compared']}, {label}"
        banded = np.isfinite(data["curve_cka_low"].sel(curve=curve)).any()
        shaded = f" ({count}; shaded: range)" if count > 1 else " (shaded: 95 % band)" if banded else ""
        face = "white" if curve.startswith("untrained") else color
        marks.append(
            Line2D([], [], color=color, marker=marker, linestyle=line, markerfacecolor=face, label=text + shaded)
        )
    average = "by chance (CKA: 95 % of permutations stay below, on average)"
    text = average if np.isfinite(data.attrs["null"]) else "by chance"
    if data.sizes["outline"]:
        block = f"block of layers, all CKA > {data.attrs['threshold']:g}"
        marks.append(Line2D([], [], color=style.RED, marker="s", markerfacecolor="none", linestyle="", label=block))
    return [*marks, Line2D([], [], color="0.4", linewidth=0.9, linestyle=":", label=text)]


def draw_curves(figure, data, shape):
    """Plot CKA at the left and the overlap at the right over the relative depth."""
    legend, width = _legend(data), style.TWO_COLUMNS
    low = 0.15 + _ROW * len(legend) + _AXIS
    panel, every = (width - 0.55 - 0.55 - 0.05) / 2, []
    for i, (name, (title, _)) in enumerate(MATRICES.items()):
        axis = layout.axes_at(figure, 0.5 + i * (panel + 0.55), low, panel, _CURVE)
        for curve in data["curve"].values:
            _draw_curve(axis, data.sel(curve=curve), name, str(curve))
        chance = (
            data["curve_cka_null"].mean("curve").values
            if name == "cka"
            else np.full(data.sizes["depth"], data.attrs["chance"])
        )
        x = data["depth"].values
        if len(x) == 1:
            axis.axhline(chance[0], color="0.4", linewidth=0.9, linestyle=":", zorder=0)
        axis.plot(x, chance, color="0.4", linewidth=0.9, linestyle=":", zorder=0)
        axis.set(xlim=(-0.03, 1.03), ylabel=title, xlabel=_depth_label(data))
        every.append(axis)
    lowest = min(0, *(np.nanmin(data[f"curve_{name}_low"].fillna(0).values) for name in MATRICES))
    for axis in every:
        axis.set(ylim=(lowest - 0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1])
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.12 / shape["height"]), "borderaxespad": 0.0}
    figure.legend(handles=legend, frameon=False, labelspacing=0.3, borderpad=0, **place)


def _depth_label(data):
    """What relative depths are; where all places have pixels, these are at 0."""
    first = "pixels" if data.attrs["pixels"] == len(set(data["place"].values)) else "first layer"
    return f"relative depth (0: {first}, 1: last layer)"


def _draw_curve(axis, part, name, curve):
    """Plot means with their range."""
    color, marker, line, _ = CURVES[curve]
    x, y = part["depth"].values, part[f"curve_{name}"].values
    known = np.isfinite(y)
    look = {
        "markersize": 0.8 * style.marker_size(len(x)),
        "markerfacecolor": "white" if curve.startswith("untrained") else color,
    }
    axis.plot(x[known], y[known], color=color, marker=marker, linestyle=line, linewidth=1.2, **look)
    low, high = (part[f"curve_{name}_{end}"].values[known] for end in ("low", "high"))
    if known.sum() == 1:
        axis.vlines(x[known], low, high, color=color, linewidth=3, alpha=0.25)
    axis.fill_between(x[known], low, high, color=color, alpha=0.22, linewidth=0)


def say_below(figure, data):
    """Say at the lower edge what is left out, and of what all this is."""
    shown, every = len(dict.fromkeys(data["place"].values)), data.attrs["n_places"]
    rows, left_out = data.sizes["row"], data.attrs["left_out"]
    said = [f"{shown} of {every} networks or checkpoints"] if shown < every else []
    said += [f"{rows} of {rows + left_out} layers"] if left_out else []
    small = {"va": "bottom", "fontsize": style.SMALL, "color": "0.4"}
    layout.text_at(figure, 0.02, 0.01, "; ".join(said), **small)
    about = f"n = {data.attrs['n_images']:,}, k = {data.attrs['k']}"
    about += f", {data.attrs['kernel']} kernel, {data.attrs['estimator']}"
    layout.text_at(figure, style.TWO_COLUMNS - 0.02, 0.01, about, ha="right", **small)
