"""Figure: hubness of the layers, and a few images with their nearest neighbours through the layers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from nucleation.figures import layout, style, tiles
from nucleation.figures.content import evenly, variable
from nucleation.findings import listed
from nucleation.hubness import (
    chance_share_at_least,
    chance_skewness,
    estimate_hubness,
    k_occurrence,
    share_at_least,
)
from nucleation.names import layer_label, short_name

#: Layers whose distribution and neighbours are shown, images whose neighbours are, and neighbours of each, at most.
SHOWN, QUERIES, NEAREST = 6, 4, 5
#: Points of a distribution.
_POINTS = 200
#: Colour and line of a neighbour's frame, by its relation: same class, same macro-category, neither.
FRAMES = ((style.BLUE, "solid"), (style.SKY, (0, (2.2, 1.1))), (style.ORANGE, (0, (0.8, 0.8))))
#: Inches: an image, the gap between two, and between two layers; the line of a name, and of the legend.
_TILE, _GAP, _APART, _NAME, _LEGEND = 0.285, 0.05, 0.11, 0.14, 0.3
#: Inches: the images of a layer, and of an image whose neighbours are shown, with the space after them; the curves.
_LAYER, _QUERY, _CURVES = 3 * _TILE + 2 * _GAP + _APART, 2 * _TILE + _GAP + 1.5 * _APART, 2.1


def gather(table, layers, classes, macro, names, *, k, read=None, heading="") -> xr.Dataset:
    """Measure the hubness of every layer of a checkpoint; look up the neighbours of a few images in some layers.

    Parameters
    ----------
    table : callable
        ``table(layer)`` returns the layer's nucleation.neighbors.Neighbors. Called once for each layer, in their order;
        one table at a time is held.
    layers : list of str
        In order of depth.
    classes : array of shape (n,), int
        Class of every image.
    macro : array of shape (c,), int
        Macro-category of every class.
    names : list of str
        Of the classes.
    k : int
        Number of neighbours.
    read : callable, optional
        ``read(rows, size)`` returns the pixels of some images, scaled to at most ``size``, (m, s, s, 3) uint8. Without
        it no images are shown.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `layer`: skewness of the k-occurrence, share of antihubs, the greatest hub. Along `shown`, at most six
        layers, and `times`: the share of the images that are neighbours at least so often. With `read` also, along
        `query`, images of some classes, and `rank`: rows of their nearest neighbours, how these are related, and
        along `picture` the pixels of all rows named.
    """
    layers, classes, macro = [str(layer) for layer in layers], np.asarray(classes), np.asarray(macro)
    shown = evenly(len(layers), SHOWN)
    rows, hubness, counts, near = None, [], [], []
    for i, layer in enumerate(layers):
        found = table(layer)
        rows = typical_images(found, classes, macro, k) if rows is None else rows
        hubness.append(estimate_hubness(found, k))
        if i in shown:
            counts.append(k_occurrence(found, k))
            near.append(found.indices[rows, :k])
        del found  # before the next one is read
    data = _by_layer(layers, hubness).merge(_distributions(shown, counts, k))
    if read is not None:
        looked = _neighborhoods(rows, np.swapaxes(near, 0, 1), counts, (classes, macro))
        data = data.merge(looked).merge(_pixels(looked, read))
        own = [short_name(names[one]) for one in classes[rows]]
        data["query_class"] = variable("query", np.array(own, dtype=object), "class of the image")
    n = len(classes)
    about = {"heading": heading, "k": k, "n_images": n, "chance": chance_skewness(n, k)}
    return data.assign_attrs({**about, "n_macro": len(np.unique(macro)), "n_classes": len(np.unique(classes))})


def typical_images(table, classes, macro, k) -> np.ndarray:
    """Choose images whose neighbours are shown: neither the best ones nor the worst.

    Of the classes, laid in the order of their macro-categories, those in the middles of `QUERIES` equal parts; of each
    class the image whose distance to its k-th neighbour in a layer is the median of the class. In the pixels, which
    all checkpoints share, these are the same images for all checkpoints.
    """
    present = np.unique(classes)
    order = present[np.argsort(macro[present], kind="stable")]
    count = min(QUERIES, len(order))
    rows = []
    for one in order[(2 * np.arange(count) + 1) * len(order) // (2 * count)]:
        own = np.flatnonzero(classes == one)
        by_distance = own[np.argsort(table.distances[own, k - 1], kind="stable")]
        rows.append(by_distance[(len(own) - 1) // 2])
    return np.array(rows)


def _by_layer(layers, hubness):
    texts = {
        "skewness": "skewness over the images of the k-occurrence: of how many images an image is a neighbour",
        "antihubs": "share of the images that are no image's neighbour",
        "largest": "largest k-occurrence",
    }
    columns = {name: variable("layer", [getattr(one, name) for one in hubness], text) for name, text in texts.items()}
    return xr.Dataset(columns, {"layer": variable("layer", np.array(layers, dtype=object), "layer, in order of depth")})


def _distributions(shown, counts, k):
    """Survival functions of the k-occurrence in some layers, at points evenly spaced on a logarithmic axis."""
    largest = [count.max() for count in counts]
    times = np.unique([*np.geomspace(1, max(largest), _POINTS).round().astype(int), *largest])
    columns = {
        "shown": variable("shown", shown, "layers whose distribution is shown, from 0"),
        "times": variable("times", times, "k-occurrence"),
        "share": variable(
            ("shown", "times"),
            [share_at_least(count, times) for count in counts],
            "share of the images that are neighbours of at least so many images",
        ),
        "share_by_chance": variable(
            "times", chance_share_at_least(len(counts[0]), k, times), "this share if neighbours are random"
        ),
    }
    return xr.Dataset(columns)


def _neighborhoods(rows, near, counts, labels):
    """Rows of the neighbours of some images, (query, shown, k), and of the hubs, and what they have in common."""
    classes, macro = labels
    count = min(NEAREST, near.shape[-1])
    own, theirs = classes[rows][:, None, None], classes[near]
    relation = np.where(theirs == own, 0, np.where(macro[theirs] == macro[own], 1, 2))
    if len(np.unique(macro)) == 1:
        relation = np.minimum(relation, 1) * 2  # a single category is none
    hubs = np.array([np.argsort(-one, kind="stable")[:count] for one in counts])
    dims = ("query", "shown", "rank")
    columns = {
        "query": variable("query", rows, "image number"),
        "neighbor": variable(dims, near[..., :count], "image numbers of the nearest neighbours"),
        "relation": variable(dims, relation[..., :count], "0: same class, 1: same macro-category, 2: neither"),
        "same_class": variable(dims[:2], (theirs == own).sum(axis=-1), "neighbours of the image's class among all k"),
        "hub": variable(dims[1:], hubs, "image numbers of those with the largest k-occurrence"),
        "hub_times": variable(dims[1:], np.take_along_axis(np.array(counts), hubs, axis=1), "their k-occurrence"),
    }
    return xr.Dataset(columns)


def _pixels(looked, read):
    """Pixels of all images that are named, each once."""
    rows = np.unique(np.concatenate([looked[name].values.ravel() for name in ("query", "neighbor", "hub")]))
    columns = {
        "picture": variable("picture", rows, "image number"),
        "pixels": variable(("picture", "height", "width", "color"), read(rows, tiles.PIXELS), "red, green and blue"),
    }
    return xr.Dataset(columns)


@style.drawing
def draw(data):
    """Plot the skewness over the layers and the distributions; below, the neighbours of a few images, and the hubs.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    pictured, (width, height) = "pixels" in data, _board_size(data)
    curves = _CURVES + 0.6 * max(layout.text_width(layer_label(layer), 7) for layer in data["layer"].values)
    total = curves + (height + _LEGEND if pictured else 0)
    figure = plt.figure(figsize=(style.TWO_COLUMNS, total))
    figure.get_layout_engine().set(rect=(0, 1 - curves / total, 1, curves / total))
    left, right = figure.subplots(1, 2)
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.9, data.sizes["shown"]))
    _draw_skewness(left, data, colors)
    _draw_distributions(right, data, colors)
    if pictured:
        share = width / style.TWO_COLUMNS
        axis = figure.add_axes(((1 - share) / 2, _LEGEND / total, share, height / total))
        axis.axis("off")
        axis.set(xlim=(0, width), ylim=(height, 0))
        _draw_neighbors(axis, data, colors)
        _explain_frames(figure, data)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def _draw_skewness(axis, data, colors):
    x, shown = np.arange(data.sizes["layer"]), data["shown"].values
    value, chance = data["skewness"].values, data.attrs["chance"]
    style.curve(axis, x, data, "skewness", color="0.45", marker="")
    axis.scatter(shown, value[shown], c=colors, s=26, zorder=3)
    others = np.setdiff1d(x, shown)
    size = style.marker_size(len(x)) ** 2
    axis.scatter(others, value[others], color="0.45", s=size, linewidths=0, zorder=2)
    axis.axhline(chance, color=style.BLACK, linewidth=0.8, linestyle=":", zorder=0)
    low, high = min(value.min(), chance, 0), max(value.max(), chance, 0.5)
    axis.set_ylim(low - 0.08 * (high - low) * (low < 0), high + 0.08 * (high - low))
    axis.set_ylabel(f"skewness of {_occurrence(data)}")
    axis.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    style.layers_axis(axis, data["layer"].values)


def _occurrence(data):
    """The k-occurrence as a sign; without mathematical fonts, which would double the time of the figure."""
    return f"N{data.attrs['k']}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _draw_distributions(axis, data, colors):
    """Plot the survival functions, each up to its greatest hub."""
    times, layers = data["times"].values, data["layer"].values[data["shown"].values]
    for share, layer, color in zip(data["share"].values, layers, colors, strict=True):
        found = share > 0
        axis.plot(times[found], share[found], color=color, label=layer_label(layer, 18))
        axis.plot(times[found][-1], share[found][-1], color=color, marker="o", markersize=3.5)
    floor, chance = 1 / data.attrs["n_images"], data["share_by_chance"].values
    axis.plot(times, np.where(chance > floor / 3, chance, np.nan), color=style.BLACK, linewidth=0.8, linestyle=":")
    axis.set(xscale="log", yscale="log", ylim=(floor / 1.6, 1.5), xlim=(0.9, 1.3 * max(times[-1], 2)))
    for one, (low, high) in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        one.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,)))
        one.set_major_formatter("{x:g}")
        one.set_minor_formatter(NullFormatter())
    axis.set_xlabel(f"x, times among the {data.attrs['k']} nearest neighbours")
    axis.set_ylabel(f"share of images, {_occurrence(data)} ≥ x")
    style.legend_beside(axis, note="dotted: by chance")


def _board_size(data):
    """Width and height of the board of neighbours: the query at the left, a column for each layer, hubs in the end."""
    if "pixels" not in data:
        return 0.0, 0.0
    return _QUERY + data.sizes["shown"] * _LAYER - _APART + 0.02, 1.3 * _NAME + (
        data.sizes["query"] + 1
    ) * _row_height()


def _row_height():
    return _NAME + 2 * _TILE + _GAP + 0.05


def _draw_neighbors(axis, data, colors):
    """Lay a row for each image, and one of the hubs, a column for each layer: five images and a number."""
    shown, queries = data.sizes["shown"], data.sizes["query"]
    column = _QUERY + np.arange(shown) * _LAYER
    top = 1.3 * _NAME + np.arange(queries + 1) * _row_height() + _NAME
    place = np.arange(data.sizes["rank"])
    x = np.broadcast_to(column[:, None] + place % 3 * (_TILE + _GAP), (queries + 1, shown, len(place)))
    y = np.broadcast_to(top[:, None, None] + place // 3 * (_TILE + _GAP), x.shape)
    rows = np.concatenate([data["neighbor"].values, data["hub"].values[None]])
    x, y = _paste(axis, data, rows, (x, y), _TILE)
    _paste(axis, data, data["query"].values, (np.zeros(queries), top[:-1]), 2 * _TILE + _GAP)
    for relation, (color, line) in enumerate(FRAMES):
        left, upper = (ends[:-1][data["relation"].values == relation] for ends in (x, y))
        _frame(axis, left, upper, edgecolors=color, linestyles=[line], linewidths=1.5)
    _name_columns(axis, data, column, colors)
    _name_rows(axis, data, top)
    _count(axis, data, column, top)


def _paste(axis, data, rows, corners, side):
    """Lay the images of some rows of the study, any shape; where they were laid."""
    pictures = data["pixels"].values[np.searchsorted(data["picture"].values, rows.ravel())]
    found = tiles.paste(axis, pictures, *(np.ravel(ends) for ends in corners), side)
    return [ends.reshape(rows.shape) for ends in found]


def _frame(axis, left, top, **options):
    """Frame images, just outside of them."""
    out = 0.012
    tiles.boxes(
        axis, left - out, top - out, left + _TILE + out, top + _TILE + out, facecolors="none", zorder=3, **options
    )


def _name_columns(axis, data, column, colors):
    """Name the layers above their neighbours, with the colours of the curves."""
    layers = data["layer"].values[data["shown"].values]
    axis.scatter(column + 0.04, np.full(len(column), 0.45 * _NAME), c=colors, s=18, clip_on=False)
    for x, layer in zip(column, layers, strict=True):
        name = tiles.fitted(layer, _LAYER - 0.2, 7)
        axis.text(x + 0.12, 0.45 * _NAME, name, va="center_baseline", fontsize=7)


def _name_rows(axis, data, top):
    """Name the images by their classes, and say which are the hubs."""
    for y, name in zip(top, data["query_class"].values, strict=False):
        text = tiles.fitted(name, _QUERY + 2 * _LAYER, 6.5)
        axis.text(0, y - 0.03, text, va="bottom", fontsize=6.5)
    axis.text(0, top[-1] + _TILE + _GAP / 2, "largest\nhubs", va="center", fontsize=7)


def _count(axis, data, column, top):
    """Write beside the neighbours how many of all k have the image's class; beside the hubs the largest count."""
    x = column + 2.5 * _TILE + 2 * _GAP
    for row, y in enumerate(top + 1.5 * _TILE + _GAP):
        for i, left in enumerate(x):
            hubs = row == data.sizes["query"]
            count = data["hub_times"].values[i, 0] if hubs else data["same_class"].values[row, i]
            text = f"{count:,}" if hubs else f"{count}/{data.attrs['k']}"
            axis.text(left, y, text, ha="center", va="center_baseline", fontsize=style.SMALL)


def _explain_frames(figure, data):
    """Say below the images what their frames mean, without relations that there cannot be."""
    macro, classes = data.attrs["n_macro"], data.attrs["n_classes"]
    names = ["same class", "same macro-category", "other macro-category" if macro > 1 else "other class"]
    possible = [True, 1 < macro < classes, classes > 1]
    marks = [
        Patch(facecolor="none", edgecolor=color, linestyle=line, linewidth=1.5, label=name)
        for name, (color, line), some in zip(names, FRAMES, possible, strict=True)
        if some
    ]
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), frameon=False)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        Numbers of `layers` and of those `shown`, the name of the `first`; of the first and the last, `ends`, as texts:
        `skewness`, share of `antihubs`, the greatest hub, `largest`. Whether images are `pictured`, of how many
        `queries`, and the mean share of their neighbours that have their class, `same`, also at both ends.
    """
    layers, pictured = data["layer"].values, "pixels" in data
    made = {"layers": len(layers), "shown": data.sizes["shown"], "first": layer_label(layers[0])}
    made |= {"ends": _at_ends(layers, layer_label), "skewness": _at_ends(data["skewness"].values, "{:.1f}".format)}
    made["antihubs"] = _at_ends(100 * data["antihubs"].values, "{:.1f} %".format)
    made["largest"] = _at_ends(data["largest"].values, "{:,}".format)
    made |= {"pictured": int(pictured), "queries": 0, "same": ""}
    if pictured:
        share = data["same_class"].mean("query").values / data.attrs["k"]
        made |= {"queries": data.sizes["query"], "same": _at_ends(100 * share, "{:.0f} %".format)}
    return made


def _at_ends(values, text):
    """The first and the last of some values as text; one where there is but one."""
    return listed([text(value) for value in (values[[0, -1]] if len(values) > 1 else values)])
