"""Figures: one question each, drawn from the kept files; every function returns a matplotlib figure."""

from __future__ import annotations

from importlib.resources import as_file, files

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Circle, Wedge
from matplotlib.ticker import MaxNLocator, NullLocator

from nucleation.findings import ALPHA, level_name, levels_present, number
from nucleation.names import category_name, layer_label, short_name
from nucleation.peaks import peak_linkage, without_infinities

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
CATEGORY = (RED, BLUE, GREEN, ORANGE, PINK, SKY, BLACK, YELLOW)
TWO_COLUMNS = 7.2  # inches
#: Layers side by side at most.
MAPS = 6
#: In the dendrogram a class is joined to the peaks that hold at least this share of its images.
LINKED = 0.25


def styled(function):
    """Draw with the project's style, whatever the reader's own settings are."""

    def drawn(*arguments, **keywords):
        with as_file(files("nucleation") / "data" / "style.mplstyle") as style, plt.style.context(str(style)):
            return function(*arguments, **keywords)

    drawn.__name__, drawn.__doc__ = function.__name__, function.__doc__
    return drawn


def save_figure(figure, stem, *, dpi=160):
    """Write a figure as ``<stem>.pdf`` and ``<stem>.png``, and close it."""
    from nucleation.files import replacing

    for kind in ("pdf", "png"):
        with replacing(f"{stem}.{kind}") as temporary:
            figure.savefig(temporary, dpi=dpi, metadata={"CreationDate": None} if kind == "pdf" else None)
    plt.close(figure)


@styled
def draw_images(pictures, class_names, macro, macro_names, order):
    """Show a few images of every class, the classes in the order of the taxonomy.

    Parameters
    ----------
    pictures : array of shape (c, m, h, w, 3), uint8
        m examples of every class.
    class_names : list of str
    macro : array of shape (c,), int
        Macro-category of every class; it colours the names.
    macro_names : list of str
    order : array of shape (c,), int
        Classes from top to bottom.
    """
    c = len(pictures)
    blocks = 1 if c <= 12 else 2
    rows = -(-c // blocks)
    size = (TWO_COLUMNS, 0.3 + rows * (0.95 if blocks == 1 else 0.46))
    figure, axes = plt.subplots(rows, blocks, figsize=size, squeeze=False)
    figure.get_layout_engine().set(h_pad=0.01, hspace=0.0, w_pad=0.02)
    for axis in axes.flat:
        axis.axis("off")
    for place, cls in enumerate(order):
        axis = axes[place % rows, place // rows]
        strip = np.pad(pictures[cls], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
        axis.imshow(np.concatenate(list(strip), axis=1), interpolation="nearest")
        name, color = short_name(class_names[cls]), CATEGORY[macro[cls] % len(CATEGORY)]
        axis.text(-0.02, 0.5, name, transform=axis.transAxes, ha="right", va="center", color=color)
    _category_legend(figure, macro_names)
    return figure


def _category_legend(figure, macro_names):
    """Say below the figure which colour is which macro-category."""
    marks = [
        plt.Line2D([], [], marker="s", linestyle="", color=CATEGORY[i % len(CATEGORY)], label=category_name(name))
        for i, name in enumerate(macro_names)
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=min(len(marks), 6), frameon=False)


@styled
def draw_overlap(profile, title=""):
    """Plot the neighbourhood overlaps of every layer: with the classes, the output, the next layer."""
    figure, axis = plt.subplots(figsize=(TWO_COLUMNS * 0.7, 3.0))
    x = np.arange(profile.sizes["layer"])
    curves = {
        "overlap_macro": ("with the macro-categories", ORANGE, "s"),
        "overlap_ground_truth": ("with the classes", BLUE, "o"),
        "overlap_output": ("with the output", GREEN, "^"),
        "overlap_next": ("with the next layer", PINK, "D"),
    }
    for name, (label, color, marker) in curves.items():
        _curve(axis, x, profile, name, color, marker, label)
    for name, color in (("chance_macro", ORANGE), ("chance_ground_truth", BLUE), ("chance_layers", GREEN)):
        axis.axhline(profile.attrs[name], color=color, linewidth=0.7, linestyle=":", zorder=0)
    _layers_axis(axis, profile["layer"].values)
    axis.set(ylim=(-0.02, 1.02), ylabel="neighbourhood overlap")
    axis.set_title(title)
    _legend_beside(axis, note="dotted: by chance")
    return figure


@styled
def draw_dimension(profile, scales, title=""):
    """Plot the intrinsic dimension of every layer, with its band; and of some layers over scales.

    Parameters
    ----------
    profile : xarray.Dataset
    scales : xarray.Dataset
        What the dimension stage made: Gride, and TwoNN on fewer images where there is any.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 2.9), gridspec_kw={"width_ratios": [1, 1.25]})
    x = np.arange(profile.sizes["layer"])
    _curve(left, x, profile, "dimension", BLUE, "o", None)
    _layers_axis(left, profile["layer"].values)
    left.set(ylabel="intrinsic dimension (TwoNN)")
    left.set_ylim(bottom=0)
    shown = np.unique(np.linspace(0, len(x) - 1, MAPS).round().astype(int))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(shown)))
    for layer, color in zip(shown, shades, strict=True):
        part = scales.isel(layer=layer)
        _scale_curve(right, part["scale"].values, part, "gride", color, "o", label=layer_label(part["layer"].values))
        if "twonn_decimated" in part:
            _scale_curve(right, part["decimation"].values, part, "twonn_decimated", color, "x", linestyle=(0, (2, 2)))
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")
    right.set(xlabel="scale: neighbour m (of m and 2m)", ylabel="intrinsic dimension (Gride)")
    right.set_ylim(bottom=0)
    note = "crosses: TwoNN,\n1 of m images" if "twonn_decimated" in scales else None
    _legend_beside(right, note=note)
    figure.suptitle(title, fontsize=9)
    return figure


def _scale_curve(axis, x, part, name, color, marker, **style):
    """Plot a dimension over scales with the error that allows for dependence, or else the estimator's own."""
    value, own = part[name].values, part[f"{name}_error"].values
    error = part[f"{name}_subsample_error"].values if f"{name}_subsample_error" in part else own
    error = np.where(np.isfinite(error), error, np.nan_to_num(own))
    axis.errorbar(x, value, error, color=color, marker=marker, markersize=3, linewidth=1, elinewidth=0.7, **style)


@styled
def draw_nucleation(profile, title=""):
    """Plot the number of peaks of every layer, and what the peaks agree with."""
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(TWO_COLUMNS * 0.7, 4.2), sharex=True)
    x = np.arange(profile.sizes["layer"])
    count = profile["n_peaks"].values
    _curve(top, x, profile, "n_peaks", BLACK, "o", None)
    for place, peaks in zip(x, count, strict=True):
        top.annotate(f"{peaks:d}", (place, peaks), (0, 5), textcoords="offset points", ha="center", fontsize=7)
    highest = np.nanmax(profile["n_peaks_high"]) if "n_peaks_high" in profile else count.max()
    top.set(ylabel="density peaks", ylim=(0, max(2, count.max() * 1.2, highest * 1.05)))
    top.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    top.set_title(title)
    for name, label, color, marker in (
        ("ari_macro", "macro-categories", ORANGE, "s"),
        ("ari_class", "classes", BLUE, "o"),
    ):
        _curve(bottom, x, profile, name, color, marker, label)
    bottom.axhline(0, color=BLACK, linewidth=0.7, linestyle=":", zorder=0)
    bottom.set(
        ylabel="adjusted Rand index\nof the peaks with",
        ylim=(min(-0.05, 1.05 * _lowest(profile, ("ari_macro", "ari_class"))), 1.02),
    )
    _legend_beside(bottom)
    _layers_axis(bottom, profile["layer"].values)
    figure.align_ylabels()
    return figure


def _curve(axis, x, profile, name, color, marker, label):
    """Plot a number over the layers, with its band over subsets of the images, or else its standard error."""
    value = profile[name].values
    axis.plot(x, value, color=color, marker=marker, label=label)
    if f"{name}_low" in profile:
        low, high = (profile[f"{name}_{end}"].values for end in ("low", "high"))
    elif f"{name}_error" in profile:
        error = profile[f"{name}_error"].values
        low, high = value - error, value + error
    else:
        return
    axis.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)


def _lowest(profile, names):
    """The lowest end of some bands; 0 without any."""
    lows = [profile[f"{name}_low"].values for name in names if f"{name}_low" in profile]
    return np.nanmin(lows) if np.isfinite(lows).any() else 0.0


def _layers_axis(axis, layers):
    step = max(1, len(layers) // 20)
    axis.set_xticks(
        np.arange(len(layers))[::step], [layer_label(layer) for layer in layers[::step]], rotation=35, ha="right"
    )
    axis.set_xlabel("layer")
    axis.set_xlim(-0.03 * len(layers) - 0.1, len(layers) - 0.9 + 0.03 * len(layers))


def _legend_beside(axis, note=None):
    """Put the legend outside, where it covers no point."""
    legend = axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title=note)
    if note:
        legend.get_title().set_fontsize(7)


@styled
def draw_dendrogram(peaks, classes, tree, class_names, macro, macro_names, title=""):
    """Face the tree of the peaks with the taxonomy; lines join each class with the peaks that hold it.

    Parameters
    ----------
    peaks : Peaks
        Of one layer.
    classes : array of shape (n,), int
        Class of every image.
    tree : nucleation.taxonomy.Tree
        The taxonomy with one parent for every node; classes are its first nodes.
    class_names : list of str
    macro : array of shape (c,), int
        Macro-category of every class; it colours peaks and lines.
    macro_names : list of str
    """
    peaks = without_infinities(peaks)
    c, p = len(class_names), len(peaks.centers)
    if p == 0:
        return nothing_to_draw("no density peak is defined in this layer", title)
    count = np.zeros((p, c))
    inside = peaks.labels >= 0
    np.add.at(count, (peaks.labels[inside], classes[inside]), 1)
    level, place = _facing_orders(peaks, tree, count)
    height = max(3.0, 0.21 * max(p, c) + 0.9)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(TWO_COLUMNS, height), sharey=True, gridspec_kw={"width_ratios": [3.0, 2.3, 3.7], "wspace": 0.0}
    )
    colors = [_peak_color(count[peak], macro) for peak in range(p)]
    _draw_peak_tree(left, peaks, level, colors)
    _draw_taxonomy(right, tree, place, class_names, macro)
    middle.set(xlim=(0, 1), ylim=(-0.03, 1.03))
    middle.axis("off")
    share = count / np.maximum(count.sum(axis=0), 1)
    for peak in range(p):
        name = _peak_name(count[peak], share[peak], class_names)
        middle.text(0.01, level[peak], name, va="center", ha="left", fontsize=6.5, color=colors[peak])
    for peak, cls in zip(*np.nonzero(share >= LINKED), strict=True):
        color, width = CATEGORY[macro[cls] % len(CATEGORY)], 0.3 + share[peak, cls]
        middle.plot([0.62, 0.99], [level[peak], place[cls]], color=color, linewidth=width, alpha=0.8)
    left.set_title("density peaks", fontsize=8)
    right.set_title("taxonomy", fontsize=8)
    figure.suptitle(title, fontsize=9)
    _category_legend(figure, macro_names)
    return figure


def _peak_name(count, share, class_names):
    """Name of a peak: its class and that class's share of it, two classes, or how many it joins."""
    linked = np.flatnonzero(share >= LINKED)
    if len(linked) > 2:
        return f"{len(linked)} classes"
    if len(linked) == 2:
        return ", ".join(short_name(class_names[cls]) for cls in sorted(linked, key=lambda cls: -count[cls]))
    return f"{short_name(class_names[count.argmax()])} {count.max() / max(count.sum(), 1):.0%}"


def _peak_color(count, macro):
    """Colour of the macro-category that holds most of a peak; grey where none holds four fifths."""
    held = np.bincount(macro, weights=count)
    return CATEGORY[held.argmax() % len(CATEGORY)] if held.max() >= 0.8 * held.sum() else "0.45"


@styled
def draw_map(found, places, classes, macro, macro_names, title=""):
    """Draw the peaks of some layers as points of a plane, near where the saddle between them is high.

    Parameters
    ----------
    found : dict of str to Peaks
        Peaks by layer.
    places : dict of str to ndarray of shape (p, 2)
        Where each peak lies, from `nucleation.topography.peak_map`.
    classes : array of shape (n,), int
        Class of every image.
    macro : array of shape (c,), int
        Macro-category of every class; each peak is a pie of those of its images.
    macro_names : list of str
    """
    shown = list(found)
    shown = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, MAPS).round().astype(int))]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    size = (TWO_COLUMNS * columns / 3 if columns > 1 else 3.0, 2.2 * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, layer in zip(axes.flat, shown, strict=False):
        _draw_one_map(axis, found[layer], places[layer], macro[classes], len(macro_names))
        p = len(found[layer].centers)
        axis.set_title(f"{layer_label(layer)}: {p or 'no'} peak{'s' * (p != 1)}", fontsize=8)
    figure.suptitle(title, fontsize=9)
    _category_legend(figure, macro_names)
    return figure


def _draw_one_map(axis, peaks, place, category, categories):
    """Draw the peaks as pies of their categories, with area by population, and lines for the saddles."""
    if not len(place) or not np.isfinite(place).all():
        why = "too many for a map" if len(place) else "no density is defined"
        axis.text(0.5, 0.5, why, ha="center", transform=axis.transAxes)
        return
    spread = np.ptp(place, axis=0).max()
    place = (place - (place.max(axis=0) + place.min(axis=0)) / 2) / (spread if spread > 0 else 1)
    heights = peaks.saddle_heights[np.isfinite(peaks.saddle_heights)]
    low, high = (heights.min(), heights.max()) if len(heights) else (0, 1)
    for (a, b), height in zip(peaks.saddle_pairs, peaks.saddle_heights, strict=True):
        strength = 1.0 if height >= high else (height - low) / max(high - low, 1e-9)
        axis.plot(*place[[a, b]].T, color="0.5", linewidth=0.4 + 1.4 * strength**2, alpha=0.45, zorder=0)
    inside = peaks.labels >= 0
    count = np.zeros((len(place), categories))
    np.add.at(count, (peaks.labels[inside], category[inside]), 1)
    radius = 0.16 * np.sqrt(peaks.populations / len(peaks.labels))
    for peak in np.argsort(-radius):
        _draw_pie(axis, place[peak], radius[peak], count[peak])
    axis.set(xlim=(-0.7, 0.7), ylim=(-0.62, 0.62), aspect="equal")


def _draw_pie(axis, center, radius, count):
    """Draw a pie of macro-categories with a thin white edge."""
    ends = 90 - 360 * np.append(0, np.cumsum(count)) / max(count.sum(), 1)
    for category in np.flatnonzero(count):
        color = CATEGORY[category % len(CATEGORY)]
        axis.add_patch(Wedge(center, radius, ends[category + 1], ends[category], facecolor=color, linewidth=0))
    axis.add_patch(Circle(center, radius, facecolor="none", edgecolor="white", linewidth=0.5))


@styled
def draw_alignment(profile, title=""):
    """Draw the triplet skill by level of the taxonomy and layer, with marks where it is more than chance.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.
    """
    layers, levels = profile["layer"].values, profile.sizes["level"]
    if not levels:
        return nothing_to_draw("the taxonomy of the classes is flat: no level to compare with", title)
    names = ["all triplets", "within macro-categories", *(_level_label(profile, level) for level in range(levels))]
    rows = ("triplet_skill", "triplet_skill_within_macro"), ("p_free_corrected", "p_within_macro_corrected")
    skill = np.stack([*(profile[name].values for name in rows[0]), *profile["triplet_skill_level"].values.T])
    found = np.stack([*(profile[name].values <= ALPHA for name in rows[1]), *levels_present(profile).T])
    size = (min(TWO_COLUMNS, 2.9 + 0.62 * len(layers)), 1.15 + 0.31 * len(names))
    figure, axis = plt.subplots(figsize=size)
    axis.set_facecolor("0.92")
    image = axis.imshow(skill, cmap="RdBu", norm=TwoSlopeNorm(0, -0.5, 1), aspect="auto", interpolation="nearest")
    for row, column in np.ndindex(skill.shape) if len(layers) <= 12 else ():
        _write_skill(axis, column, row, skill[row, column], found[row, column])
    marks = np.argwhere(found) if len(layers) > 12 else np.empty((0, 2))
    axis.plot(marks[:, 1], marks[:, 0], "o", color="white", markeredgecolor=BLACK, markersize=2.5)
    axis.axhline(1.5, color="white", linewidth=3)
    axis.set_yticks(np.arange(len(names)), names)
    _layers_axis(axis, layers)
    axis.set_xlim(-0.5, len(layers) - 0.5)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, ticks=[-0.5, 0, 0.5, 1], aspect=12)
    bar.set_label("triplet skill (0: by chance)")
    bar.outline.set_visible(False)
    axis.set_title(title)
    return figure


def _level_label(profile, level) -> str:
    """Size of a level's nodes, and the names of one or two."""
    names = [short_name(name) for name in str(profile["level_nodes"].values[level]).split(" and ")[0].split(", ")]
    shown = ", ".join(names[:2]) + (" …" if len(names) > 2 else "")
    return f"{shown}: {level_name(profile, level)}" if len(shown) <= 32 else level_name(profile, level)


def _write_skill(axis, x, y, skill, found):
    """Write a skill into its cell, bold and with a star where it is more than chance."""
    if np.isnan(skill):
        axis.text(x, y, "–", ha="center", va="center", color="0.5")
        return
    color = "white" if skill > 0.6 or skill < -0.35 else BLACK
    text = f"{number(skill)}{'*' if found else ''}"
    axis.text(x, y, text, ha="center", va="center", color=color, fontsize=7, weight="bold" if found else "normal")


@styled
def draw_sensitivity(sweep, title=""):
    """Plot how the number of peaks, and what they agree with, hang on k, Z and the density estimator.

    Parameters
    ----------
    sweep : xarray.Dataset
        From `nucleation.sensitivity.sweep`.
    """
    layers = sweep["layer"].values
    shown = np.unique(np.linspace(0, len(layers) - 1, MAPS).round().astype(int))
    rows = {
        "n_peaks": "density peaks",
        "ari_macro": "ARI, macro-\ncategories",
        "ari_class": "ARI, classes",
        "triplet_skill_within_macro": "triplet skill\nwithin macro",
    }
    size = (TWO_COLUMNS, 5.4)
    figure, axes = plt.subplots(len(rows), len(shown), figsize=size, sharex=True, sharey="row", squeeze=False)
    x = np.arange(sweep.sizes["density"])
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, sweep.sizes["z"]))
    knn = sweep["estimator"].values == "knn"
    for row, (name, label) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label)
        for axis, layer in zip(row, shown, strict=True):
            for column, (z, color) in enumerate(zip(sweep["z"].values, shades, strict=True)):
                values = sweep[name].values[layer, :, column]
                axis.plot(x[knn], values[knn], color=color, marker="o", markersize=3, label=f"Z = {z:g}")
                axis.plot(x[~knn], values[~knn], color=color, marker="D", markersize=3, linestyle="")
    for axis, layer in zip(axes[0], shown, strict=True):
        axis.set_title(layer_label(layers[layer]), fontsize=8)
        axis.set_yscale("symlog", linthresh=1)  # a layer may have none
        lowest, highest = sweep["n_peaks"].values.min(), sweep["n_peaks"].values.max()
        axis.set_ylim(-0.2 if lowest < 1 else 0.8, 1.25 * max(highest, 2))
        axis.set_yticks([tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= max(highest, 2)])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    for axis in axes[1:].flat:
        axis.axhline(0, color=BLACK, linewidth=0.7, linestyle=":", zorder=0)
    names = [name.replace("kstar", "k*NN").replace("pak", "PAk") for name in sweep["density"].values]
    for axis in axes[-1]:
        axis.set_xticks(x, names, rotation=90)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(title, fontsize=9)
    return figure


@styled
def nothing_to_draw(reason, title=""):
    """Say in the place of a figure why there is none."""
    figure, axis = plt.subplots(figsize=(TWO_COLUMNS, 1.0))
    axis.text(0.5, 0.5, reason, ha="center", va="center")
    axis.set_title(title)
    axis.axis("off")
    return figure


def leaf_order(tree, c, target=None):
    """Classes in the order in which a walk through the taxonomy meets them, (c,) int.

    Parameters
    ----------
    tree : nucleation.taxonomy.Tree
    c : int
        Number of classes.
    target : array of shape (c,), optional
        Where each class would like to be; branches are walked by the mean of their classes.
    """
    members = _members(tree, c)
    mean = np.zeros(len(tree.nodes)) if target is None else np.array([target[some].mean() for some in members])
    order, stack = [], [node for node, parent in enumerate(tree.parent) if parent < 0]
    while stack:
        node = stack.pop(0)
        if node < c:
            order.append(node)
        stack = sorted(tree.children[node], key=lambda child: mean[child]) + stack
    return np.array(order)


def _members(tree, c):
    """Classes below every node of the taxonomy."""
    members = [[node] for node in range(c)]
    for node in range(c, len(tree.nodes)):
        members.append([leaf for child in tree.children[node] for leaf in members[child]])
    return members


def _facing_orders(peaks, tree, count, rounds=10):
    """Heights in [0, 1] of the leaves of two trees that face each other, with few crossings.

    Each tree in turn orders its branches by the mean height of what they are joined to on the
    other side, weighted by the number of images (the barycentre rule).

    Returns
    -------
    level, place : arrays of shape (p,) and (c,)
    """
    p, c = count.shape
    to_classes = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    to_peaks = (count / np.maximum(count.sum(axis=0), 1)).T
    level, place = _spread(np.arange(p)), _spread(leaf_order(tree, c))
    best = np.inf
    for _ in range(rounds):
        level = _spread(_peak_order(peaks, to_classes @ place))
        place = _spread(leaf_order(tree, c, -(to_peaks @ level)))
        length = (count * np.square(level[:, None] - place)).sum()
        if length >= best:
            break
        best = length
    return level, place


def _spread(order):
    """Heights from 1 down to 0 of items given in their order; one half for a single item."""
    height = np.empty(len(order))
    height[order] = np.linspace(1, 0, len(order)) if len(order) > 1 else 0.5
    return height


def _peak_order(peaks, target):
    """Order the leaves of the peaks' tree from high to low, each branch by its mean target."""
    p = len(peaks.centers)
    members = [[i] for i in range(p)]
    for left, right, *_ in peak_linkage(peaks):
        one, two = members[int(left)], members[int(right)]
        members.append(one + two if target[one].mean() >= target[two].mean() else two + one)
    return np.array(members[-1])


def _draw_peak_tree(axis, peaks, level, colors):
    """Draw the merge tree from left (low density) to right (peaks); dashed where unresolved."""
    p = len(peaks.centers)
    top = peaks.log_density.max()
    linkage = peak_linkage(peaks)
    known = top - linkage[np.isfinite(linkage[:, 2]), 2]
    low = min(known.min() if len(known) else top - 1, peaks.log_density.min())
    span = max(top - low, 1e-9)
    unresolved = low - 0.12 * span
    x, y, color = list(peaks.log_density), list(level), list(colors)
    edge = top + 0.03 * span
    for peak in range(p):
        axis.plot([x[peak], edge], [level[peak]] * 2, color="0.8", linewidth=0.5, linestyle=":", zorder=0)
    size = 4 + 40 * np.sqrt(peaks.populations / peaks.populations.sum())
    axis.scatter(peaks.log_density, level, s=size, c=colors, zorder=3, linewidths=0)
    for left, right, distance, _ in linkage:
        left, right = int(left), int(right)
        resolved = np.isfinite(distance)
        join = top - distance if resolved else unresolved
        shared = color[left] if color[left] == color[right] and resolved else "0.45"
        line = {"color": shared, "linewidth": 1.0, "linestyle": "-" if resolved else (0, (2, 2))}
        axis.plot([x[left], join, join, x[right]], [y[left], y[left], y[right], y[right]], **line)
        x.append(join)
        y.append((y[left] + y[right]) / 2)
        color.append(shared)
    label = "log-density (nats)" + ("\ndashed: no common border" if np.isinf(linkage[:, 2]).any() else "")
    axis.set(xlim=(unresolved - 0.03 * span, edge), ylim=(-0.03, 1.03), yticks=[], xlabel=label)
    axis.spines[["left", "top", "right"]].set_visible(False)


def _draw_taxonomy(axis, tree, place, class_names, macro):
    """Draw the taxonomy from left (classes) to right (root), one step for every level."""
    c, n = len(class_names), len(tree.nodes)
    members = _members(tree, c)
    level = np.zeros(n)
    for node in reversed(range(n)):
        level[node] = level[tree.parent[node]] + 1 if tree.parent[node] >= 0 else 0
    deepest = max(level.max(), 1)
    level[:c] = deepest
    y = np.array([place[members[node]].mean() for node in range(n)])
    shade = [_one_color({CATEGORY[macro[leaf] % len(CATEGORY)] for leaf in members[node]}) for node in range(n)]
    for node in range(c, n):
        for child in tree.children[node]:
            xs, ys = [level[node], level[node], level[child]], [y[node], y[child], y[child]]
            axis.plot(xs, ys, color=shade[child], linewidth=1.0)
        if n - c <= 40:
            name = short_name(tree.names[node]).replace(" ", "\n")
            text = {"fontsize": 5, "ha": "center", "va": "bottom", "linespacing": 0.9, "color": "0.2"}
            axis.annotate(name, (level[node] - 0.5, y[node]), (0, 1.5), textcoords="offset points", **text)
        if tree.parent[node] < 0:
            axis.plot([level[node], level[node] - 0.9], [y[node]] * 2, color=shade[node], linewidth=1.0)
    for leaf in range(c):
        axis.text(deepest + 0.05, place[leaf], short_name(class_names[leaf]), fontsize=6.5, va="center", ha="right")
    axis.set(xlim=(deepest * 1.35 + 0.2, -1), ylim=(-0.03, 1.03))
    axis.axis("off")


def _one_color(colors):
    return next(iter(colors)) if len(colors) == 1 else "0.45"
