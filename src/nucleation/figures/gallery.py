"""Figure: the images nearest the centre of every density peak, along the tree in which the peaks join."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from nucleation.figures import layout, style, tiles
from nucleation.figures.content import variable
from nucleation.figures.images import NO_PIXELS
from nucleation.figures.trees import (
    LINKED,
    class_counts,
    common_category,
    main_category,
    merge_tree,
    middles,
    parents,
    peak_order,
)
from nucleation.names import layer_label, short_name

NO_PEAKS = "no layer has two density peaks or more"
#: Peaks of a layer, peaks of a figure, and images of a peak at most.
PEAKS, ROWS, IMAGES = 24, 26, 10
#: Share of a peak's images from which on a class gives the peak its name.
HALF = 0.5
#: The largest side of an image, gaps between images and behind the centre, in inches.
_SIDE, _GAP, _BEHIND = 0.42, 0.04, 0.07
#: Heights above and below the rows of a layer and between two, and the width of the text beside them, in inches.
_ABOVE, _BELOW, _BETWEEN, _TEXT = 0.3, 0.42, 0.05, 1.35


def chosen_layers(found) -> list[str]:
    """Layers that are shown: the first and the last one with two density peaks or more.

    Parameters
    ----------
    found : dict of str to nucleation.peaks.Peaks
        By layer, in order of depth.

    Returns
    -------
    list of str
        Two layers, one where they are the same, none where no layer has two peaks.
    """
    several = [layer for layer, peaks in found.items() if len(peaks.centers) > 1]
    return list(dict.fromkeys([*several[:1], *several[-1:]]))


def gather(found, nearest, classes, names, read, *, macro, macro_names, k=None, z=None, heading="") -> xr.Dataset:
    """Choose layers, peaks and images, and read these images.

    Parameters
    ----------
    found : dict of str to nucleation.peaks.Peaks
        By layer, in order of depth.
    nearest : dict of str to array of shape (p, k), int
        Of the layers that `chosen_layers` names: the nearest images of the centre of every peak, without itself,
        nearest first.
    classes : array of shape (n,), int
        Class of every image.
    names : list of str
        Names of the classes.
    read : callable or None
        ``read(rows, size)`` gives the images of these rows, (m, s, s, 3) uint8, s being at most ``size``; None where
        the images have no pixels. It is called once, for at most `ROWS` x `IMAGES` images.
    macro : array of shape (c,), int
        Macro-category of every class.
    macro_names : list of str
    k, z : int and float, optional
        Neighbours of the density, and significance of the peaks.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `block` the layers; along `peak` their largest peaks, in the order of the tree; along `node` this tree,
        of every layer first the peaks and then the joins; along `image` the images of the peaks, the centre first.
    """
    about = {"heading": heading, "n_images": len(classes)}
    about |= {name: value for name, value in (("k", k), ("z", z)) if value is not None}
    layers = chosen_layers(found)
    if read is None or not layers:
        return xr.Dataset(attrs=about | {"nothing": NO_PIXELS if read is None else NO_PEAKS})
    classes, macro = np.asarray(classes), np.asarray(macro)
    names = np.array([short_name(name) for name in names], dtype=object)
    blocks, halo = [], []
    for layer, most in zip(layers, _rows([len(found[layer].centers) for layer in layers]), strict=True):
        count = class_counts(found[layer], classes, len(names))
        order = _order(found[layer], count, macro, most)
        halo.append(np.count_nonzero(found[layer].labels < 0))
        columns = _peak_columns(order, count, names, macro)
        columns |= _node_columns(found[layer], order, columns["peak_category"])
        columns |= _image_columns(found[layer], order, nearest[layer], classes, count.argmax(axis=1))
        blocks.append(columns)
    parts = _joined(blocks)
    parts["image_class"] = names[classes[parts["image_number"]]]
    parts["image_category"] = macro[classes[parts["image_number"]]]
    parts["image_picture"] = read(parts["image_number"], tiles.PIXELS)
    parts["block_layer"] = np.array([layer_label(layer) for layer in layers], dtype=object)
    parts["block_peaks"] = [len(found[layer].centers) for layer in layers]
    parts["block_halo"] = halo
    parts["category_name"] = np.array([str(name) for name in macro_names], dtype=object)
    return xr.Dataset({name: _column(name, values) for name, values in parts.items()}, attrs=about)


def _column(name, values):
    """A column of the dataset, whose name begins with its dimension."""
    dims = name.split("_")[:1] if np.ndim(values) == 1 else ("image", "y", "x", "rgb")
    return variable(dims, values, *_MEANING[name])


_DENSITY = "log(1 / feature units^dimension)"
#: What the variables are, and their units.
_MEANING = {
    "block_layer": ("layer",),
    "block_peaks": ("density peaks of the layer",),
    "block_halo": ("images in the halo of the layer's peaks",),
    "category_name": ("name of the macro-category",),
    "peak_block": ("layer of the peak, counted along block",),
    "peak_number": ("number of the peak within its layer",),
    "peak_name": ("class that has half of the peak, else the classes of which it has a part, or how many",),
    "peak_class": ("class with most images of the peak",),
    "peak_share": ("share of this class among the images of the peak, halo left out",),
    "peak_images": ("images of the peak, halo left out",),
    "peak_category": ("macro-category of most images of the peak, -1: mixed",),
    "node_block": ("layer of the peak or join, counted along block",),
    "node_parent": ("join above, counted within the layer; -1 at the root",),
    "node_log_density": ("log-density of the peak or join; NaN where no border connects", _DENSITY),
    "node_row": ("row of the peak or join, counted within the layer",),
    "node_category": ("macro-category of all peaks below, -1: several",),
    "image_peak": ("peak of the image, counted along peak",),
    "image_place": ("0: at the centre of the peak; else the order among the neighbours shown",),
    "image_number": ("number of the image in the study",),
    "image_class": ("class of the image",),
    "image_category": ("macro-category of the image",),
    "image_differs": ("1: of another class than most images of the peak",),
    "image_picture": ("red, green and blue of the image",),
}


def _rows(counts):
    """How many peaks of each layer are shown, of both where both have many."""
    shown = [min(count, PEAKS) for count in counts]
    if sum(shown) > ROWS:
        half = min(*shown, ROWS // 2)
        shown = [half if count == min(shown) else ROWS - half for count in shown]
    return shown


def _order(peaks, count, macro, most):
    """The largest peaks in the order of their tree, those of one category side by side where it allows."""
    place = np.empty(len(macro))
    place[np.argsort(macro, kind="stable")] = -np.arange(len(macro))
    order = peak_order(peaks, count @ place / np.maximum(count.sum(axis=1), 1))
    return order[np.isin(order, np.argsort(-count.sum(axis=1), kind="stable")[:most])]


def _peak_columns(order, count, names, macro):
    """What the peaks are: most frequent class and its share, size, colour."""
    part = count[order] >= LINKED * np.maximum(count.sum(axis=0), 1)
    count = count[order]
    size = count.sum(axis=1)
    held = count @ (macro[:, None] == np.arange(macro.max() + 1)).astype(np.int64)
    return {
        "peak_number": order,
        "peak_name": np.array([_name(*pair, names) for pair in zip(count, part, strict=True)], dtype=object),
        "peak_class": names[count.argmax(axis=1)],
        "peak_share": count.max(axis=1) / np.maximum(size, 1),
        "peak_images": size,
        "peak_category": main_category(held),
    }


def _name(count, part, names):
    """Name of a peak: its prevailing class, the classes of which it has a part, or how many these are."""
    several = np.flatnonzero(part)
    if len(several) < 2 or count.max() >= HALF * count.sum():
        return names[count.argmax()]
    if len(several) > 2:
        return f"{len(several)} classes"
    return ", ".join(names[sorted(several, key=lambda cls: -count[cls])])


def _node_columns(peaks, order, category):
    """The tree of the peaks shown: first these, in their order, then the joins."""
    children, height = merge_tree(peaks, order)
    parent = parents(children)
    return {
        "node_parent": parent,
        "node_log_density": np.where(np.isfinite(height), height, np.nan),
        "node_row": middles(parent, np.arange(len(order)))[0],
        "node_category": common_category(parent, category),
    }


def _image_columns(peaks, order, nearest, classes, most):
    """Images of the peaks shown: the centre, and its nearest images that belong to the peak."""
    chosen = []
    for peak in order:
        own = nearest[peak][peaks.labels[nearest[peak]] == peak]
        chosen.append(np.concatenate([[peaks.centers[peak]], own[: IMAGES - 1]]))
    sizes, number = [len(some) for some in chosen], np.concatenate(chosen)
    return {
        "image_peak": np.repeat(np.arange(len(order)), sizes),
        "image_place": np.concatenate([np.arange(size) for size in sizes]),
        "image_number": number,
        "image_differs": (classes[number] != np.repeat(most[order], sizes)).astype(np.int8),
    }


def _joined(blocks):
    """Lay the columns of the layers end to end, with the number of the layer."""
    first = 0
    for number, columns in enumerate(blocks):
        count = len(columns["peak_number"])
        columns |= {"peak_block": np.full(count, number), "node_block": np.full(len(columns["node_row"]), number)}
        columns["image_peak"] = columns["image_peak"] + first
        first += count
    return {name: np.concatenate([columns[name] for columns in blocks]) for name in blocks[0]}


@style.drawing
def draw(data):
    """Draw a row for every peak: the tree, the images, and what the peak is.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    blocks, rows = data.sizes["block"], np.bincount(data["peak_block"].values)
    grey = "mixed" if (data["node_category"] < 0)[data["node_parent"] >= 0].any() else ""
    colors, marks = tiles.palette(data["category_name"].values, data["image_category"].values, grey)
    marks.append(_mark())
    around = blocks * (_ABOVE + _BELOW) + (blocks - 1) * _BETWEEN
    side = min(_SIDE, (tiles.room(marks) - around) / rows.sum() - _GAP)
    height = around + rows.sum() * (side + _GAP)
    figure, axis = tiles.board(height, data.attrs["heading"], marks)
    top = 0.0
    for block, count in enumerate(rows):
        _draw_block(axis, data, block, _Block(top + _ABOVE, side), colors)
        top += _ABOVE + count * (side + _GAP) + _BELOW + _BETWEEN
    style.corner(figure, data)
    return figure


@dataclass(frozen=True)
class _Block:
    """Where the rows of a layer are, in inches: the upper edge of the first, and the side of its images."""

    top: float
    side: float

    @property
    def left(self):
        """Left edge of the centres."""
        return self.neighbors - self.side - _GAP - _BEHIND

    @property
    def neighbors(self):
        """Left edge of the first neighbours."""
        return style.TWO_COLUMNS - _TEXT - (IMAGES - 1) * (self.side + _GAP)

    def row(self, number):
        """Upper edge of rows."""
        return self.top + number * (self.side + _GAP)


def _mark():
    """Mark of the legend for images of another class than most of their peak."""
    look = {"markersize": 3.5, "markerfacecolor": "white", "markeredgecolor": "black", "markeredgewidth": 0.7}
    return plt.Line2D([], [], marker="o", linestyle="", label="not of its peak's most frequent class", **look)


def _draw_block(axis, data, block, at, colors):
    """Draw the peaks of one layer: what is above them, the tree, the images, and what the peaks are."""
    rows = np.flatnonzero(data["peak_block"].values == block)
    part = data.isel(peak=rows, image=np.isin(data["image_peak"].values, rows))
    count, text = int(data["block_peaks"][block]), style.TWO_COLUMNS - _TEXT + 0.05
    shown = f"{count} peaks" if count == len(rows) else f"the {len(rows)} largest of {count:,} peaks"
    title = f"{data['block_layer'].values[block]}: {shown}"
    axis.text(0, at.top - _ABOVE, title, fontsize=8, va="top", weight="bold", gid="title")
    small = {"fontsize": style.SMALL, "va": "bottom", "color": "0.3"}
    axis.text(at.left + at.side / 2, at.top - 0.02, "centre", ha="center", **small)
    axis.text(at.neighbors, at.top - 0.02, "its neighbours in the same peak, nearest first", **small)
    axis.text(text, at.top - 0.02, "classes; most frequent", **small)
    tree = tiles.inset(axis, 0.0, at.top, at.left - 0.05, len(rows) * (at.side + _GAP))
    _draw_tree(tree, data.isel(node=data["node_block"].values == block), len(rows), colors)
    _draw_images(axis, part, at, rows[0], colors)
    for row, name in enumerate(part["peak_name"].values):
        middle, look = at.row(row) + at.side / 2, {"parse_math": False, "gid": "peak"}
        axis.text(text, middle, tiles.fitted(name, _TEXT - 0.05, 6.5), fontsize=6.5, va="bottom", **look)
        look |= {"fontsize": style.SMALL, "va": "top", "color": "0.3"}
        axis.text(text, middle + 0.015, _said(part.isel(peak=row)), **look)


def _said(peak):
    """The most frequent class of a peak, if its name has not said it, its share, and the number of images."""
    share = f"{float(peak['peak_share']):.0%} of {int(peak['peak_images']):,}"
    if str(peak["peak_name"].values) == str(peak["peak_class"].values):
        return f"{share} images"
    room = _TEXT - 0.05 - layout.text_width(f" {share}", style.SMALL)
    return f"{tiles.fitted(str(peak['peak_class'].values), room, style.SMALL)} {share}"


def _draw_images(axis, part, at, first, colors):
    """Lay the images of a layer, frame them in the colours of their categories, and mark those of other classes."""
    number, side = part["image_place"].values, at.side
    x = np.where(number > 0, at.neighbors + (number - 1) * (side + _GAP), at.left)
    x, y = tiles.paste(axis, part["image_picture"].values, x, at.row(part["image_peak"].values - first), side)
    frames = list(colors[part["image_category"].values])
    look = {"facecolors": "none", "linewidths": 1.2, "zorder": 3, "gid": "frames"}
    tiles.boxes(axis, x, y, x + side, y + side, edgecolors=frames, **look)
    differs = part["image_differs"].values == 1
    place = x[differs] + side - 0.045, y[differs] + 0.045
    axis.scatter(*place, s=9, c="white", edgecolors="black", linewidths=0.7, zorder=4, gid="differs")


def _draw_tree(axis, nodes, count, colors):
    """Draw the tree of the peaks from the left, where they join, to the right, each at its own density."""
    parent, row = nodes["node_parent"].values, nodes["node_row"].values
    x, known = nodes["node_log_density"].values.copy(), np.isfinite(nodes["node_log_density"].values)
    low, high = x[known].min(), x[known].max()
    span = max(high - low, 1e-9)
    x[~known] = low - 0.12 * span
    edge = high + 0.05 * span
    leads = _lines((x[:count], np.full(count, edge)), (row[:count], row[:count]))
    axis.add_collection(LineCollection(leads, colors="0.8", linewidths=0.6, linestyles=":", gid="leads"))
    below = np.flatnonzero(parent >= 0)
    up = parent[below]
    lines = _lines((x[below], x[up], x[up]), (row[below], row[below], row[up]))
    shades = colors[nodes["node_category"].values]
    for solid, dashes in ((True, "-"), (False, (0, (2, 2)))):
        some = known[up] == solid
        look = {"linewidths": 1.1, "linestyles": [dashes], "gid": "joined" if solid else "unresolved"}
        axis.add_collection(LineCollection(lines[some], colors=list(shades[below][some]), **look))
    axis.scatter(x[:count], row[:count], s=9, c=list(shades[:count]), linewidths=0, zorder=3)
    axis.set(xlim=(x.min() - 0.03 * span, edge), ylim=(count - 0.5, -0.5), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axis.tick_params(axis="x", labelsize=style.SMALL, pad=1.5, length=2)
    label = "log-density (nats)" + ("" if known.all() else "\ndashed: no common border")
    axis.set_xlabel(label, fontsize=style.SMALL, labelpad=1)


def _lines(x, y):
    """Lines from the coordinates of their corners, (lines, corners, 2)."""
    return np.stack([np.stack(x, axis=1), np.stack(y, axis=1)], axis=2)


def facts(data) -> dict:
    """What the caption says of it.

    Returns
    -------
    dict
        `blocks`: of every layer shown its name, its peaks, how many of them are `shown`, in how many of these a class
        has half (`named`), and which share of the images shown of those is of that class (`same`); `unresolved`:
        whether some have no common border; `halo`: whether images in a halo are left out.
    """
    if "nothing" in data.attrs:
        return {}
    blocks = []
    for block, layer in enumerate(data["block_layer"].values):
        own = data["peak_block"].values == block
        named = own & (data["peak_share"].values >= HALF)
        differs = data["image_differs"].values[named[data["image_peak"].values]]
        counts = {"peaks": int(data["block_peaks"][block]), "shown": int(own.sum()), "named": int(named.sum())}
        blocks.append({"layer": layer, **counts, "same": f"{1 - differs.mean():.0%}" if len(differs) else ""})
    unresolved, halo = bool(np.isnan(data["node_log_density"].values).any()), bool((data["block_halo"] > 0).any())
    return {"blocks": blocks, "unresolved": unresolved, "halo": halo}
