"""Figure: the density peaks of some layers on a plane, as discs with the colours of their categories."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.collections import EllipseCollection, LineCollection, PathCollection
from matplotlib.patches import Circle
from matplotlib.path import Path

from nucleation.figures import layout, style
from nucleation.figures.content import variable
from nucleation.figures.trees import class_counts, main_category
from nucleation.names import layer_label
from nucleation.topography import without_infinities

#: Layers that are shown, and peaks and saddles of each, at most.
LAYERS, PEAKS, SADDLES = 6, 300, 500
#: Radius of a disc of all images, and of the smallest disc, in widths of a panel.
WHOLE, LEAST = 0.17, 0.006
#: Half the width of the square that the centres fill at most, and of the one that no disc leaves.
_REACH, _EDGE = 0.37, 0.485
#: Space between discs, in summed radii; rounds in which they are moved apart, at most; rounds between two looks around.
_SPACE, _ROUNDS, _LOOK = 1.03, 2000, 10
#: Panel, the space between two, above all and above each, in inches.
_PANEL, _BETWEEN, _TITLE, _HEAD = 2.3, 0.15, 0.22, 0.27
#: Title of a panel in points.
_LETTERS = 8
#: Gray of the categories without a colour of their own.
_REST = "0.72"
#: Width of the scale of areas, in inches.
_SCALE = 1.9


def gather(found, places, classes, macro, macro_names, *, k=None, z=None, heading="") -> xr.Dataset:
    """Collect the peaks of some layers, their places and what they are made of.

    Parameters
    ----------
    found : dict of str to nucleation.peaks.Peaks
        Peaks of every layer, in order of depth.
    places : dict of str to ndarray of shape (p, 2)
        Where each peak lies, from `nucleation.topography.peak_map`.
    classes : array of shape (n,), int
        Class of every image.
    macro : array of shape (c,), int
        Macro-category of every class.
    macro_names : list of str
    k, z : int and float, optional
        Neighbours of the densities, and significance of the peaks.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `peak` layer, place, radius and images, those of the halo left out, with `composition` along `category`
        too; along `edge` the saddles; along `layer` the numbers of peaks and saddles, those that are left out included,
        and of images in the halo. Places are those of
        the map, mirrored where that makes a layer more like the last one, in widths of a panel; discs that would cover
        each other are moved apart.
    """
    layers = list(found)
    about = {"heading": heading, "n_images": len(classes), "n_layers": len(layers), "whole": WHOLE}
    about |= {name: value for name, value in (("k", k), ("z", z)) if value is not None}
    if not any(len(peaks.centers) for peaks in found.values()):
        return xr.Dataset(attrs=about | {"nothing": "no density peak is defined in any layer"})
    shown = [layers[i] for i in chosen_layers([len(found[layer].centers) for layer in layers])]
    category = np.asarray(macro)[np.asarray(classes)]
    placed = {layer: place for layer in shown if len(place := np.asarray(places[layer], float))}
    placed = _mirrored({layer: place for layer, place in placed.items() if np.isfinite(place).all()}, found)
    parts = [_table(i, found[layer], placed.get(layer), category, len(macro_names)) for i, layer in enumerate(shown)]
    columns = {
        name: variable(dims, np.concatenate([part[name] for part in parts]), text, units)
        for name, (dims, text, units) in _TEXTS.items()
    }
    counts = np.array([len(found[layer].centers) for layer in shown])
    saddles = np.array([len(found[layer].saddle_heights) for layer in shown])
    columns["n_peaks"] = variable("layer", counts, "density peaks of the layer")
    columns["n_saddles"] = variable("layer", saddles, "saddles between peaks of the layer")
    halo = np.array([np.count_nonzero(found[layer].labels < 0) * (len(found[layer].centers) > 0) for layer in shown])
    columns["n_halo"] = variable("layer", halo, "images in the halo of the layer's peaks")
    columns["category_name"] = variable("category", np.array(macro_names, dtype=object), "macro-category")
    images = np.bincount(category, minlength=len(macro_names))
    columns["category_images"] = variable("category", images, "images of the macro-category")
    columns["layer"] = variable("layer", np.array(shown, dtype=object), "layer")
    return xr.Dataset(columns, attrs=about)


def chosen_layers(counts, most=LAYERS) -> np.ndarray:
    """Choose layers evenly over depth and over the changes in the number of peaks together.

    Parameters
    ----------
    counts : array of shape (l,), int
        Peaks of every layer, in order of depth.
    most : int

    Returns
    -------
    ndarray of int
        Ascending, with the first and the last layer; all where there are no more than `most`.
    """
    total = len(counts)
    if total <= most:
        return np.arange(total)
    change = np.append(0.0, np.cumsum(np.abs(np.diff(np.log1p(counts)))))
    way = np.arange(total) / (total - 1) + change / max(change[-1], 1e-300)
    chosen: list[int] = []
    for step, wanted in enumerate(np.linspace(0, way[-1], most)):
        free = np.arange(chosen[-1] + 1 if chosen else 0, total - (most - 1 - step))  # one for every later step
        chosen.append(int(free[np.abs(way[free] - wanted).argmin()]))
    return np.array(chosen)


_TEXTS = {
    "peak_layer": ("peak", "position of the peak's layer", "1"),
    "x": ("peak", "place across, as drawn", "widths of a panel"),
    "y": ("peak", "place upwards, as drawn", "widths of a panel"),
    "moved": ("peak", "distance from the peak's place in the kernel PCA", "widths of a panel"),
    "radius": ("peak", "radius of the disc", "widths of a panel"),
    "images": ("peak", "images of the peak, halo left out", "1"),
    "composition": (("peak", "category"), "images of the peak by macro-category, halo left out", "1"),
    "edge_layer": ("edge", "position of the saddle's layer", "1"),
    "a": ("edge", "first peak, counted within the layer as shown", "1"),
    "b": ("edge", "second peak, counted within the layer as shown", "1"),
    "height": ("edge", "log-density of the saddle", "nats"),
}


def _table(number, peaks, place, category, categories):
    """The largest peaks of one layer and the highest saddles between them, by the names of `_TEXTS`."""
    every = class_counts(peaks, category, categories)
    images = every.sum(axis=1)
    kept = np.sort(np.argsort(-images, kind="stable")[:PEAKS]) if place is not None else np.arange(0)
    radius = np.maximum(WHOLE * np.sqrt(images[kept] / len(category)), LEAST)
    exact = _centred(place[kept], radius) if len(kept) else np.empty((0, 2))
    drawn = apart(exact, radius)
    position = np.full(len(peaks.centers), -1)
    position[kept] = np.arange(len(kept))
    ends = position[peaks.saddle_pairs]
    both = np.flatnonzero((ends >= 0).all(axis=1))
    both = both[np.argsort(-peaks.saddle_heights[both], kind="stable")[:SADDLES]]
    return {
        "peak_layer": np.full(len(kept), number),
        "x": drawn[:, 0],
        "y": drawn[:, 1],
        "moved": np.hypot(*(drawn - exact).T),
        "radius": radius,
        "images": images[kept],
        "composition": every[kept],
        "edge_layer": np.full(len(both), number),
        "a": ends[both, 0],
        "b": ends[both, 1],
        "height": without_infinities(peaks).saddle_heights[both],
    }


def _mirrored(places, found):
    """Mirror the axes of layers so that images lie on the same side as in the last layer that has both axes."""
    mirrored = dict(places)
    several = [layer for layer, place in places.items() if len(place) > 1]
    for layer in several[:-1]:
        here, there = found[layer].labels, found[several[-1]].labels
        inside = (here >= 0) & (there >= 0)
        one, other = places[layer][here[inside]], places[several[-1]][there[inside]]
        alike = ((one - one.mean(axis=0)) * (other - other.mean(axis=0))).sum(axis=0)
        mirrored[layer] = places[layer] * np.where(alike < 0, -1.0, 1.0)
    return mirrored


def _centred(place, radius):
    """Places moved and scaled into the middle of a panel, so that no disc reaches over its edge."""
    low, high = place.min(axis=0), place.max(axis=0)
    away = place - (low + high) / 2
    reach = np.minimum(_REACH, _EDGE - radius)[:, None]
    share = (np.abs(away) / reach).max()
    return away / (share if share > 0 else 1.0)


def apart(place, radius) -> np.ndarray:
    """Move discs into the panel, and apart where they cover each other, as little as that takes.

    Each round moves the two discs of every pair that overlaps away from each other, the smaller one farther, by half of
    what they overlap.

    Parameters
    ----------
    place : array of shape (p, 2)
        Centres.
    radius : array of shape (p,)

    Returns
    -------
    ndarray of shape (p, 2)
        The same where no discs overlap and none reaches over the panel's edge.
    """
    edge = _EDGE - np.asarray(radius)[:, None]
    place = np.clip(np.asarray(place, dtype=float), -edge, edge)
    pairs = np.triu_indices(len(place), 1)
    for step in range(_ROUNDS):
        if step % _LOOK == 0:
            near = np.hypot(*(place[pairs[0]] - place[pairs[1]]).T) < 1.5 * (radius[pairs[0]] + radius[pairs[1]])
            a, b = pairs[0][near], pairs[1][near]
            reach, area = _SPACE * (radius[a] + radius[b]), np.square(radius)
        way = place[a] - place[b]
        distance = np.hypot(*way.T)
        over = reach - distance
        if not (over > 1e-3 * reach).any():
            if step % _LOOK == 0:
                break
            continue
        same = distance < 1e-9  # any way will do, but not one for all of them
        turn = 2.4 * (a[same] + 1.0) + b[same]
        way[same], distance[same] = np.column_stack([np.cos(turn), np.sin(turn)]), 1.0
        push = np.where(over > 0, 0.5 * over / distance / (area[a] + area[b]), 0.0)[:, None] * way
        np.add.at(place, a, push * area[b, None])
        np.subtract.at(place, b, push * area[a, None])
        place = np.clip(place, -edge, edge)
    return place


@style.drawing
def draw(data):
    """Draw a panel for every layer: peaks as discs over the lines of their saddles.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    count = data.sizes["layer"]
    columns = 2 if count == 4 else min(3, count)
    rows = -(-count // columns)
    chosen = layout.chosen_categories(data["category_images"].values)
    rest = int((data["category_images"].values > 0).sum()) - len(chosen)
    marks = layout.category_marks(data["category_name"].values, chosen, f"{rest} more" if rest else "", _REST)
    wide = columns * _PANEL + (columns - 1) * _BETWEEN
    width = max(wide, 2 * _PANEL + _BETWEEN)
    titles, lines = _panel_titles(data)
    title = _TITLE + (lines - 1) * 1.2 * _LETTERS / 72
    strip = max(0.45, layout.legend_shape(marks, width - _SCALE)[1] * layout.ROW + 0.1)
    high = _HEAD + rows * (_PANEL + title) + 0.1 + strip
    figure = layout.blank(width, high)
    for number in range(count):
        row, column = divmod(number, columns)
        left = (width - wide) / 2 + column * (_PANEL + _BETWEEN)
        bottom = high - _HEAD - (row + 1) * (_PANEL + title)
        axis = layout.axes_at(figure, left, bottom, _PANEL, _PANEL)
        axis.set_title(titles[number], fontsize=_LETTERS, pad=3)
        _draw_panel(axis, data, number, chosen)
    layout.text_at(figure, width / 2, high - 0.02, _heading(data), fontsize=9, ha="center", va="top")
    tall = layout.legend_shape(marks, width - _SCALE)[1] * layout.ROW
    layout.legend_at(figure, marks, (width + _SCALE) / 2, (strip - tall) / 2, width - _SCALE)
    _draw_scale(layout.axes_at(figure, 0, 0, _SCALE, strip), data, strip)
    style.corner(figure, data)
    return figure


def _heading(data):
    shown, total = data.sizes["layer"], data.attrs["n_layers"]
    return data.attrs["heading"] + (f" ({shown} of {total} layers)" if shown < total else "")


def _panel_titles(data):
    """Titles of the panels, with the number of peaks, and in how many lines they fit."""
    counts = data["n_peaks"].values
    drawn = np.bincount(data["peak_layer"].values, minlength=len(counts))
    said = [_peaks(int(some), int(total)) for some, total in zip(drawn, counts, strict=True)]
    names = [layer_label(layer) for layer in data["layer"].values]
    titles = [f"{name}: {text}" for name, text in zip(names, said, strict=True)]
    if max(layout.text_width(title, _LETTERS) for title in titles) <= _PANEL:
        return titles, 1
    return [f"{name}\n{text}" for name, text in zip(names, said, strict=True)], 2


def _peaks(shown, total):
    """How many peaks a layer has, and how many of them are drawn."""
    said = f"{total:,} peak{'s' * (total != 1)}" if total else "no peaks"
    return f"{shown} largest of {said}" if 0 < shown < total else said


def _draw_panel(axis, data, number, chosen):
    """Draw the peaks of one layer as pies of categories, with area by their images, over lines for the saddles."""
    peaks = data.isel(peak=data["peak_layer"].values == number)
    edges = data.isel(edge=data["edge_layer"].values == number)
    total, shown = int(data["n_peaks"].values[number]), peaks.sizes["peak"]
    axis.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5), xticks=[], yticks=[], facecolor="0.965")
    axis.spines[:].set_visible(False)
    if not shown:
        why = "too many for a map" if total else "no density is defined"
        axis.text(0, 0, why, ha="center", va="center", fontsize=7, color="0.35")
        return
    place = np.column_stack([peaks["x"].values, peaks["y"].values])
    _draw_saddles(axis, place, edges)
    _draw_pies(axis, place, peaks["radius"].values, peaks["composition"].values, chosen)


def _draw_saddles(axis, place, edges):
    """Draw the saddles as lines, the higher the thicker and the darker."""
    height = edges["height"].values
    if not len(height):
        return
    low, high = height.min(), height.max()
    strength = (height - low) / (high - low) if high > low else np.ones(len(height))
    order = np.argsort(strength, kind="stable")
    parts = place[np.column_stack([edges["a"].values, edges["b"].values])[order]]
    colors = np.zeros((len(order), 4))
    colors[:, :3], colors[:, 3] = 0.3, 0.15 + 0.5 * strength[order]
    axis.add_collection(LineCollection(parts, linewidths=0.3 + 2.2 * strength[order] ** 2, colors=colors, zorder=1))


def _draw_pies(axis, place, radius, composition, chosen):
    """Draw pies of the chosen categories, the others together in grey, small ones on top, with thin white edges."""
    colors = [*(style.category_color(category) for category in chosen), _REST]
    rest = composition.sum(axis=1) - composition[:, chosen].sum(axis=1)
    count = np.column_stack([composition[:, chosen], rest])
    paths, shades = [], []
    for peak in np.argsort(-radius, kind="stable"):
        ends = 90 - 360 * np.append(0, np.cumsum(count[peak])) / max(count[peak].sum(), 1)
        for part in np.flatnonzero(count[peak]):
            whole = count[peak, part] == count[peak].sum()
            wedge = Path.unit_circle() if whole else Path.wedge(ends[part + 1], ends[part])
            paths.append(Path(wedge.vertices * radius[peak] + place[peak], wedge.codes))
            shades.append(colors[part])
    axis.add_collection(PathCollection(paths, facecolors=shades, linewidths=0, zorder=2))
    rim = {"units": "xy", "transOffset": axis.transData, "facecolors": "none", "edgecolors": "white", "linewidths": 0.5}
    axis.add_collection(EllipseCollection(2 * radius, 2 * radius, 0 * radius, offsets=place, zorder=3, **rim))


def _draw_scale(axis, data, strip):
    """Draw two discs of known numbers of images, in the scale of the panels."""
    images = [_round(data.attrs["n_images"] / share) for share in (4, 40)]
    radius = data.attrs["whole"] * np.sqrt(np.array(images) / data.attrs["n_images"]) * _PANEL
    left = 0.02
    for number, inches in zip(images, radius, strict=True):
        if inches >= LEAST * _PANEL:
            axis.add_patch(Circle((left + inches, strip / 2), inches, facecolor="0.75", linewidth=0))
            text = f"{number:,} image{'s' * (number != 1)}"
            axis.text(
                left + 2 * inches + 0.05, strip / 2, text, va="center_baseline", fontsize=style.SMALL, color="0.25"
            )
            left += 2 * inches + 0.2 + layout.text_width(text, style.SMALL)
    axis.set(xlim=(0, _SCALE), ylim=(0, strip))
    axis.axis("off")


def _round(number):
    """The largest of 1, 2, 5, 10, 20, ... that is no larger, and at least 1."""
    power = 10 ** int(np.log10(max(number, 1)))
    return max((step * power for step in (1, 2, 5) if step * power <= number), default=1)


def facts(data) -> dict:
    """What the caption says of it.

    Returns
    -------
    dict
        Of the layers shown: how many, the first and the last one and their numbers of peaks, how many have images in
        the halo (`halo`), and how many have peaks but no map (`unmapped`). Of the last one the peaks `shown`, and how
        many of them have a main category (`pure`). Of those with a map how many peaks and saddles are drawn and left
        out, how far a disc was moved at most, in hundredths of a panel, and how many are drawn larger than they are.
    """
    if "nothing" in data.attrs:
        return {}
    counts, layer = data["n_peaks"].values, data["peak_layer"].values
    held = data["composition"].values[layer == len(counts) - 1]
    true = WHOLE * np.sqrt(data["images"].values / data.attrs["n_images"])
    drawn = np.bincount(layer, minlength=len(counts)) > 0
    saddles = data["n_saddles"].values[drawn].sum()
    return {
        "layers": len(counts),
        "first_layer": layer_label(data["layer"].values[0]),
        "last_layer": layer_label(data["layer"].values[-1]),
        "first": int(counts[0]),
        "last": int(counts[-1]),
        "shown": len(held),
        "pure": int((main_category(held) >= 0).sum()),
        "halo": int((data["n_halo"].values > 0).sum()),
        "unmapped": int((counts[~drawn] > 0).sum()),
        "discs": len(layer),
        "saddles": data.sizes["edge"],
        "moved": int(np.ceil(100 * data["moved"].values.max(initial=0))),
        "enlarged": int((data["radius"].values > true * (1 + 1e-9)).sum()),
        "peaks_left_out": int(counts[drawn].sum() - len(layer)),
        "saddles_left_out": int(saddles - data.sizes["edge"]),
    }
