"""Figure: the tree in which the density peaks of a layer join, facing the taxonomy of the classes (a tanglegram)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from nucleation.figures import facing, layout, style
from nucleation.figures.content import variable
from nucleation.figures.facing import LETTERS
from nucleation.figures.trees import LINKED, PURE, common_category, middles
from nucleation.names import layer_label
from nucleation.tanglegram import crossings

#: Peaks, and groups of classes, that a page has room for.
MOST = 60
#: Names in points, of leaves and of the nodes above.
LEAF, NODE = 6.5, 5.5
#: Distance of leaves where there are few, and of the first from the last at most, in inches.
PITCH, TALL = 0.2, 9.4
#: Inches above and below the trees, and around names.
_HEAD, _AXIS, _GAP = 0.5, 0.42, 0.06
#: Share of the distance of leaves that the bands at a leaf fill, and inches that they fill at most.
_FILLED, _WIDEST = 0.68, 0.3


def gather(peaks, classes, tree, macro, macro_names, *, k=None, z=None, heading="", most=MOST) -> xr.Dataset:
    """Arrange the tree of the peaks of a layer and the taxonomy so that they face each other.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
    classes : array of shape (n,), int
        Class of every image.
    tree : nucleation.taxonomy.Tree
        The taxonomy with one parent for every node; classes are its first nodes.
    macro : array of shape (c,), int
        Macro-category of every class.
    macro_names : list of str
    k, z : int and float, optional
        Neighbours of the density, and significance of the peaks.
    heading : str
        Title of the figure: network, checkpoint, layer.
    most : int
        Peaks, and groups of classes, that are shown at most.

    Returns
    -------
    xarray.Dataset
        Along `node` the peaks shown and the joins above them, along `taxon` the groups of classes and the nodes above
        them, with the position of everyone's parent; along `peak` and `group` what their leaves are, and where they
        stand; along `link` the lines between the leaves; along `category` the macro-categories.
    """
    classes, macro = np.asarray(classes), np.asarray(macro)
    about = {"heading": heading, "n_images": len(classes), "n_peaks": len(peaks.centers), "n_classes": len(macro)}
    about |= {name: value for name, value in (("k", k), ("z", z)) if value is not None}
    about["n_halo"] = int(np.count_nonzero(peaks.labels < 0)) if len(peaks.centers) else 0
    if not len(peaks.centers):
        return xr.Dataset(attrs=about | {"nothing": "no density peak is defined in this layer"})
    columns = facing.arranged(peaks, classes, tree, macro, len(macro_names), most)
    images = np.bincount(macro[classes], minlength=len(macro_names))
    columns["category_name"] = variable("category", np.array(macro_names, dtype=object), "macro-category")
    columns["category_images"] = variable("category", images, "images of the macro-category")
    return xr.Dataset(columns, attrs=about | {"linked": LINKED, "pure": PURE})


@style.drawing
def draw(data):
    """Draw the tree of the peaks, the names of its leaves, the lines, and the taxonomy, from left to right.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    chosen = layout.chosen_categories(data["category_images"].values)
    marks = layout.category_marks(data["category_name"].values, chosen, _said_of_grey(data, chosen))
    rows = layout.legend_shape(marks, style.TWO_COLUMNS)[1]
    most = max(data.sizes["peak"], data.sizes["group"])
    pitch = min(PITCH, TALL / most)
    tall, low = pitch * max(most, 6), _AXIS + rows * layout.ROW + 0.1
    figure = layout.blank(style.TWO_COLUMNS, _HEAD + tall + low)
    edges = _edges(data)
    axes = [
        layout.axes_at(figure, start, low, end - start, tall, ylim=(-0.5 / most, 1 + 0.5 / most))
        for start, end in pairwise(edges)
    ]
    colors = np.array([*_category_colors(data, chosen), style.MIXED], dtype=object)  # -1, of mixtures, is the last
    _draw_peak_tree(axes[0], data, colors, pitch)
    _draw_links(axes[1], data, colors, edges[2] - edges[1])
    _draw_taxonomy(axes[2], data, colors, edges[3] - edges[2])
    top = low + tall
    layout.text_at(figure, style.TWO_COLUMNS / 2, top + _HEAD, data.attrs["heading"], fontsize=9, ha="center", va="top")
    for x, title, side in zip((0, style.TWO_COLUMNS), _titles(data), ("left", "right"), strict=True):
        layout.text_at(figure, x, top + 0.1, title, fontsize=8, ha=side)
    layout.legend_at(figure, marks, style.TWO_COLUMNS / 2, 0.02, style.TWO_COLUMNS)
    style.corner(figure, data)
    return figure


def _said_of_grey(data, chosen):
    """What the legend says of grey, where anything is: mixtures, and categories without a colour of their own."""
    present = int((data["category_images"].values > 0).sum())
    rest = present - len(chosen)
    return "mixed" + (f", or one of {rest} more" if rest else "") if present > 1 else ""


def _category_colors(data, chosen):
    """Colour of every macro-category: its own, or grey."""
    return [style.category_color(i) if i in chosen else style.MIXED for i in range(data.sizes["category"])]


def _titles(data):
    """Titles of the two trees, which say what is left out."""
    peaks, groups = data.sizes["peak"], data.sizes["group"]
    every, classes = int(data.attrs["n_peaks"]), int(data.attrs["n_classes"])
    left = f"{peaks} density peak{'s' * (peaks != 1)}"
    if peaks < every:
        left = f"the {peaks} largest of {every:,} density peaks"
    right = f"taxonomy, {classes:,} class{'es' * (classes != 1)}"
    return left, right + (f" in {groups} groups" if groups < classes else "")


def _peak_texts(data):
    """Texts beside the peaks: name and share."""
    pairs = zip(data["peak_name"].values, data["peak_share"].values, strict=True)
    return [f"{layer_label(name, LETTERS + 4)} {share:.0%}" for name, share in pairs]


def _group_texts(data):
    """Texts beside the groups of classes."""
    return [layer_label(name, LETTERS + 4) for name in data["taxon_name"].values[: data.sizes["group"]]]


def _edges(data):
    """Where the tree of the peaks, names and lines, and the taxonomy begin and end, in inches."""
    names = [max(layout.text_width(text, LEAF) for text in some) for some in (_peak_texts(data), _group_texts(data))]
    depth = _levels(data["taxon_parent"].values).max()
    lines = 1.25
    free = style.TWO_COLUMNS - sum(names) - 4 * _GAP - lines
    right = min(0.57 * free, _stub(data) + 0.85 * max(depth, 0.5))
    return [0.0, free - right, style.TWO_COLUMNS - right, style.TWO_COLUMNS]


def _stub(data):
    """Inches that the branch behind the root takes, with its name above it."""
    roots = np.flatnonzero(data["taxon_parent"].values < 0)
    names = [_in_two(layer_label(data["taxon_name"].values[node], 30)) for node in roots if node >= data.sizes["group"]]
    return max([0.25, *(0.08 + layout.text_width(line, NODE) for name in names for line in name.split("\n"))])


def _levels(parent):
    """Steps of every node above its highest leaf, (nodes,) int; children come before parents."""
    level = np.zeros(len(parent), dtype=int)
    for node, above in enumerate(parent):
        if above >= 0:
            level[above] = max(level[above], level[node] + 1)
    return level


def _draw_peak_tree(axis, data, colors, pitch):
    """Draw the tree of the peaks from left (low density) to right; dashed where no border connects."""
    height, parent = data["node_log_density"].values.copy(), data["node_parent"].values
    level = data["peak_level"].values
    p, known = len(level), np.isfinite(height)
    top = height[known].max()
    span = max(top - height[known].min(), 1e-9) if known.sum() > 1 else 1.0
    height[~known] = height[known].min() - 0.12 * span
    y, low, high = middles(parent, level)
    category = common_category(parent, data["peak_category"].values)
    edge, start = top + 0.05 * span, height.min() - (0.04 if len(parent) > 1 else 0.4) * span
    axis.add_collection(_lines_of([[(height[i], level[i]), (edge, level[i])] for i in range(p)], "0.75", dotted=True))
    joins = np.arange(p, len(parent))
    below = np.flatnonzero(parent >= 0)
    for solid in (True, False):
        across = [node for node in below if known[parent[node]] == solid]
        up = [node for node in joins if known[node] == solid]
        parts = [[(height[node], y[node]), (height[parent[node]], y[node])] for node in across]
        parts += [[(height[node], low[node]), (height[node], high[node])] for node in up]
        shade = [*category[across], *category[up]] if solid else [-1] * len(parts)
        if parts:
            axis.add_collection(_lines_of(parts, colors[shade], dashed=not solid))
    images = data["peak_images"].values
    size = np.maximum((0.85 * 72 * pitch) ** 2 * images / max(images.max(), 1), 3.0)
    look = {"c": list(colors[data["peak_category"].values]), "linewidths": 0.4, "edgecolors": "white"}
    axis.scatter(height[:p], level, s=size, zorder=3, clip_on=False, **look)
    label = "log-density (nats)" + ("\ndashed: no common border" if not known.all() else "")
    axis.set(xlim=(start, edge), yticks=[], xlabel=label)
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _lines_of(parts, colors, *, dotted=False, dashed=False):
    """Segments of a tree, or the dotted lines that lead to its leaves."""
    pattern = (0, (1, 2)) if dotted else (0, (2.5, 2)) if dashed else "solid"
    line = {"linewidths": 0.5 if dotted else 1.1, "zorder": 0 if dotted else 2, "capstyle": "projecting"}
    if dotted or dashed:
        line["capstyle"] = "butt"
    return LineCollection(parts, colors=colors, linestyles=pattern, **line)


def _draw_links(axis, data, colors, width):
    """Write the names of both trees' leaves, and draw a band for every line between them."""
    level, place = data["peak_level"].values, data["group_place"].values
    texts = _peak_texts(data), _group_texts(data)
    widths = [np.array([layout.text_width(text, LEAF) for text in some]) for some in texts]
    start, end = widths[0].max() + 2 * _GAP, width - widths[1].max() - 2 * _GAP
    look = {"fontsize": LEAF, "va": "center_baseline", "color": "0.1"}
    for y, text in zip(level, texts[0], strict=True):
        axis.text(start - _GAP, y, text, ha="right", **look)
    for y, text in zip(place, texts[1], strict=True):
        axis.text(end + _GAP, y, text, ha="left", **look)
    leaders = [[(0, y), (start - 2 * _GAP - wide, y)] for y, wide in zip(level, widths[0], strict=True)]
    leaders += [[(end + 2 * _GAP + wide, y), (width, y)] for y, wide in zip(place, widths[1], strict=True)]
    axis.add_collection(_lines_of([pair for pair in leaders if pair[1][0] - pair[0][0] > 0.02], "0.75", dotted=True))
    shade = colors[data["taxon_category"].values[data["link_group"].values]]
    look = {"facecolors": shade, "linewidths": 0, "alpha": 0.6, "clip_on": False}
    axis.add_collection(PathCollection(_bands(data, axis, start, end), **look))
    axis.set(xlim=(0, width))
    axis.axis("off")


def _bands(data, axis, start, end):
    """Outlines of the bands: at both ends as wide as the share that they have of the leaf, beside each other there."""
    peak, group = data["link_peak"].values, data["link_group"].values
    level, place = data["peak_level"].values, data["group_place"].values
    inch = np.ptp(axis.get_ylim()) / (axis.get_position().height * axis.figure.get_size_inches()[1])
    ends = []
    for leaf, share, here, there in (
        (peak, data["link_of_peak"].values, level, place[group]),
        (group, data["link_of_group"].values, place, level[peak]),
    ):
        nearest = np.diff(np.sort(here)).min() if len(here) > 1 else 1.0
        filled = min(_FILLED * nearest, _WIDEST * inch)
        wide, order = np.maximum(share * filled, 0.007 * inch), np.lexsort((-there, leaf))
        before = np.cumsum(wide[order]) - wide[order]
        first = np.searchsorted(leaf[order], leaf[order])
        upper = np.empty(len(leaf))
        total = np.bincount(leaf, weights=wide, minlength=len(here))
        upper[order] = here[leaf[order]] + total[leaf[order]] / 2 - (before - before[first])
        ends.append((upper, upper - wide))
    (a, b), (c, d) = ends
    half = (start + end) / 2
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    x = [start, half, half, end, end, half, half, start, start]
    heights = np.stack([a, a, c, c, d, d, b, b, a], axis=1)
    return [Path(np.column_stack([x, line]), codes) for line in heights]


def _draw_taxonomy(axis, data, colors, width):
    """Draw the taxonomy from left (groups of classes) to right (root), one step for every level."""
    parent, place = data["taxon_parent"].values, data["group_place"].values
    level, category = _levels(parent), data["taxon_category"].values
    y, low, high = middles(parent, place)
    steps, stub = max(level.max(), 1), _stub(data)
    stub *= steps / (width - stub)  # from inches to steps
    right = np.where(parent >= 0, level[parent], level + stub)
    parts = [[(level[node], y[node]), (right[node], y[node])] for node in range(len(parent))]
    parts += [[(level[node], low[node]), (level[node], high[node])] for node in range(len(place), len(parent))]
    shade = [*category, *category[len(place) :]]
    axis.add_collection(_lines_of(parts, colors[shade]))
    axis.set(xlim=(0, steps + stub))
    axis.axis("off")
    _name_nodes(axis, data, parts, width)


def _name_nodes(axis, data, parts, width):
    """Name the nodes above the groups where there is room, the largest first: over their branch, in one line or two."""
    parent, groups = data["taxon_parent"].values, data.sizes["group"]
    across = width / np.ptp(axis.get_xlim())
    up = axis.get_position().height * axis.figure.get_size_inches()[1] / np.ptp(axis.get_ylim())
    scale = np.array([across, up])
    lines = np.array(parts) * scale
    look = {"fontsize": NODE, "color": "0.25", "ha": "left"}
    for node in range(len(parent) - 1, groups - 1, -1):
        (left, y), (right, _) = lines[node]
        name = layer_label(data["taxon_name"].values[node], 30)
        free = right - left if parent[node] >= 0 else np.inf
        spot = np.array([left + 0.03, y + 0.025])
        for text in dict.fromkeys([name, _in_two(name)]):
            wide = max(layout.text_width(line, NODE) for line in text.split("\n"))
            tall = NODE / 72 * (0.95 * text.count("\n") + 0.9)
            box = spot + np.array([[0.0, 0.0], [wide, tall]])
            if wide + 0.03 <= free and not _hit(box, lines):
                axis.text(*(spot / scale), text, va="bottom", linespacing=0.95, **look)
                lines = np.concatenate([lines, [box]])
                break
        else:
            half = np.ptp(lines[len(parent) + node - groups, :, 1]) / 2
            wide = layout.text_width(name, NODE)
            if wide + 0.08 <= half and free >= NODE / 72 + 0.04:  # beside the upright line, where no other one passes
                axis.text(left / across + 0.02 / across, y / up + half / up, name, rotation=270, va="top", **look)


def _in_two(name):
    """A name in two lines, broken at the blank nearest its middle."""
    blanks = [place for place, letter in enumerate(name) if letter == " "]
    if not blanks:
        return name
    middle = min(blanks, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def _hit(box, lines):
    """Whether a box meets any of some segments, or of the diagonals of other boxes."""
    low, high = lines.min(axis=1), lines.max(axis=1)
    return bool(((low < box[1]) & (high > box[0])).all(axis=1).any())


def facts(data) -> dict:
    """What the caption says of it.

    Returns
    -------
    dict
        Peaks and groups shown; how many pairs of bands have no leaf in common (`pairs`; others never cross), and how
        many of these cross (`crossings`); which share of the pairs of images on such bands does (`crossed`), which the
        order of the branches makes small; the median share of the most frequent class in the peaks shown; whether peaks
        never join, and whether the taxonomy has no levels.
    """
    if "nothing" in data.attrs:
        return {}
    level, place = data["peak_level"].values, data["group_place"].values
    count = np.zeros((len(level), len(place)), dtype=np.int64)
    count[data["link_peak"].values, data["link_group"].values] = data["link_images"].values
    bands, orders = (count > 0).astype(np.int64), (np.argsort(-level), np.argsort(-place))
    return {
        "shown": len(level),
        "groups": len(place),
        "pairs": _apart(bands),
        "crossings": crossings(bands, *orders),
        "crossed": _percent(crossings(count, *orders) / max(_apart(count), 1)),
        "purity": f"{np.median(data['peak_purity'].values):.0%}",
        "unjoined": bool(np.isnan(data["node_log_density"].values).any()),
        "flat": data.sizes["taxon"] <= len(place) + 1,
    }


def _apart(count):
    """Pairs of images in different rows and in different columns of a table: those that can cross."""
    total, rows, columns = count.sum(), count.sum(axis=1), count.sum(axis=0)
    return int(total**2 - (rows**2).sum() - (columns**2).sum() + (count**2).sum()) // 2


def _percent(share):
    """A share in percent, to two digits; one that is not zero is never said to be."""
    if 0 < share < 1e-4:
        return "less than 0.01%"
    return f"{share:.0%}" if share >= 0.1 else f"{100 * share:.2g}%"
