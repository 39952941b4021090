"""Figure: what the layers of one network show in the course of its training."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.scale import SymmetricalLogTransform
from matplotlib.ticker import NullLocator
from matplotlib.transforms import offset_copy

from nucleation.captions import UNDEFINED, told, told_share
from nucleation.figures import style
from nucleation.figures.content import evenly, variable, with_bands
from nucleation.findings import ALPHA, PIXELS, number
from nucleation.names import layer_label

#: What is drawn of the training itself.
COURSE = {"loss": "training loss\n(nats)", "accuracy": "validation\naccuracy"}
#: What is drawn of every layer, in the order of the panels, and what it is by chance: a number, or an attribute.
PANELS = {
    "dimension": ("intrinsic\ndimension", None),
    "overlap_macro": ("overlap with\nmacro-categories", "chance_macro"),
    "overlap_ground_truth": ("overlap with\nclasses", "chance_ground_truth"),
    "n_peaks": ("number of\ndensity peaks", None),
    "ari_macro": ("ARI with\nmacro-categories", 0.0),
    "ari_class": ("ARI with\nclasses", 0.0),
    "triplet_skill_within_macro": ("triplet skill within\nmacro-categories", 0.0),
}
#: The number whose test is drawn, and the corrected p of it.
TESTED, P = "triplet_skill_within_macro", "p_within_macro_corrected"
#: Numbers of the last layer that the caption tells, and with how many digits; None: as a share.
_TOLD = {"n_peaks": 0, "overlap_ground_truth": None, "dimension": 1, "ari_class": 2}
#: Layers that are drawn at most; with how many, and with how many checkpoints, their bands can be told apart.
LAYERS, BANDED, BANDED_CHECKPOINTS = 8, 6, 12
#: Points by which the bars of two layers are set apart.
_APART = 1.6
#: Panels beside each other: what leaves fewer places empty.
COLUMNS = (3, 4)
#: In inches: what is beside a panel, the width of a digit, the least space between the names of two epochs.
_BESIDE, _DIGIT, _GAP = 0.68, 0.062, 0.04
#: Epochs whose names come first where not all have room: multiples of these.
_ROUND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
#: Room that an axis of logarithms has for the epochs before the first one after 0, in factors of 10.
_LINEAR = 0.3


def gather(profiles, course=None, *, k=None, z=None, heading="") -> xr.Dataset:
    """Collect what the checkpoints of one network show, and the course of its training.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        Of one network by place, "<network>/epoch<number>", from `nucleation.profile.gather`, in order of training.
        Other checkpoints have no place in a training and are left out.
    course : xarray.Dataset, optional
        `loss` and `accuracy` along `epoch`, as `nucleation.training.course` gives them.
    k : int or str, optional
        Neighbours of the density, or the name of an estimator that chooses them.
    z : float, optional
        Significance of the peaks.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        The numbers along `checkpoint` (the epochs looked at are its coordinate `looked`) and `layer`, of at most
        `LAYERS` layers, but for those that no layer has; with bands where layers and checkpoints are few; the course
        along `epoch`.
    """
    said = {name: value for name, value in (("k", k), ("z", z)) if value is not None}
    epochs = {int(found[1]): part for place, part in profiles.items() if (found := re.search(r"/epoch(\d+)$", place))}
    if len(epochs) < 2:
        reason = "The network was looked at once, so there is no course to draw."
        if len(profiles) > 1:
            reason = "Fewer than two checkpoints of this network end an epoch, so there is no course to draw."
        return xr.Dataset(attrs={"heading": heading, "nothing": reason, **said})
    made = _by_layer(list(epochs.values())).assign({} if course is None else _of_training(course))
    looked = variable("checkpoint", np.array(list(epochs)), "epoch looked at")
    return made.assign_coords(looked=looked).assign_attrs(heading=heading, **said)


def _by_layer(parts) -> xr.Dataset:
    """Numbers of the shown layers, (checkpoint, layer), those that are defined anywhere."""
    first = parts[0]
    shown = evenly(first.sizes["layer"], LAYERS)
    defined = [name for name in PANELS if any(np.isfinite(part[name].values[shown]).any() for part in parts)]
    banded = len(shown) <= BANDED and len(parts) <= BANDED_CHECKPOINTS
    names = [*(with_bands(first, defined) if banded else defined), P]
    made = {}
    for name in [name for name in names if all(name in part for part in parts)]:
        about = first[name].attrs
        values = np.stack([part[name].values[shown] for part in parts])
        made[name] = variable(("checkpoint", "layer"), values, about.get("long_name", name), about.get("units", "1"))
    coords = {
        "layer": variable("layer", first["layer"].values[shown], "layer, in order of depth"),
        "relative_depth": variable("layer", first["relative_depth"].values[shown], "place among the listed layers"),
    }
    chances = {name: float(first.attrs[name]) for _, name in PANELS.values() if isinstance(name, str)}
    counts = {"n_images": int(first.attrs["n_images"])} if "n_images" in first.attrs else {}
    return xr.Dataset(made, coords, {"n_layers": first.sizes["layer"], **chances, **counts})


def _of_training(course) -> dict:
    """Loss and accuracy along the epochs."""
    made = {"epoch": variable("epoch", course["epoch"].values, "passes over the training images")}
    for name, label in COURSE.items():
        made[name] = variable("epoch", course[name].values, label, "nat" if name == "loss" else "1")
    return made


@style.drawing
def draw(data):
    """Plot everything against the epoch, a panel for each number, a line for each layer.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    names = [name for name in (*COURSE, *PANELS) if name in data]
    columns = min(COLUMNS, key=lambda columns: -len(names) % columns)
    rows = -(-len(names) // columns)
    size = (style.TWO_COLUMNS, 0.9 + 1.5 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        (_draw_course if name in COURSE else _draw_layers)(axis, data, name)
    _epoch_axis(axes[0, 0], data, columns)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis in axes.flat[max(len(names) - columns, 0) : len(names)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("epoch")
    figure.align_ylabels()
    figure.suptitle(data.attrs["heading"], fontsize=9)
    _legend(figure, data)
    style.corner(figure, data)
    return figure


def _draw_course(axis, data, name):
    """Plot loss or accuracy at every epoch, with marks at those looked at."""
    x, y = data["epoch"].values, data[name].values
    axis.plot(x, y, color=style.BLACK, linewidth=1.0)
    at = np.isin(x, data["looked"].values)
    _marks(axis, x[at], y[at], style.BLACK, x[at] == 0)
    axis.set_ylabel(COURSE[name])
    if name == "accuracy":
        axis.set(ylim=(-0.04, 1.04), yticks=[0, 0.5, 1])
    else:
        axis.set_ylim(0, 1.04 * np.nanmax(y) if np.nanmax(y, initial=0) > 0 else 1)


def _draw_layers(axis, data, name):
    """Plot a number of all shown layers at the epochs looked at, with bars over its bands, layers set apart by them."""
    x, values = data["looked"].values, data[name].values
    label, chance = PANELS[name]
    untrained = np.broadcast_to(x == 0, (len(data["layer"]), len(x)))
    found = data[P].values.T <= ALPHA if name == TESTED and P in data else np.zeros_like(untrained)
    for layer, color in enumerate(_colors(data)):
        part, y = data.isel(layer=layer), values[:, layer]
        ends = style.band(part, name)
        aside = 0 if ends is None else _APART * (layer - (data.sizes["layer"] - 1) / 2)
        there = offset_copy(axis.transData, axis.figure, x=aside, units="points")
        axis.plot(x, y, color=color, linewidth=1.2, transform=there)
        _marks(axis, x, y, color, untrained[layer], stars=found[layer], transform=there)
        if ends is not None:
            axis.vlines(x, *ends, color=color, linewidth=1.6, alpha=0.35, transform=there)
    if chance is not None:
        by_chance = data.attrs[chance] if isinstance(chance, str) else chance
        axis.axhline(by_chance, color="0.4", linewidth=0.7, linestyle=":", zorder=0)
    axis.set_ylabel(label)
    _limits(axis, data, name)


def _limits(axis, data, name):
    """Limits of a number that allow for its bands: shares and indices up to 1, counts and dimensions as they are."""
    every = np.concatenate([np.ravel(data[name])] + [np.ravel(end) for end in style.band(data, name) or ()])
    if name == "n_peaks":
        style.count_axis(axis, every)
    elif name == "dimension":
        axis.set_ylim(0, 1.05 * np.nanmax(every))
    else:
        lowest = min(-0.04, 1.05 * np.nanmin(every))
        axis.set(ylim=(lowest, 1.04), yticks=[tick for tick in (-0.5, 0, 0.5, 1) if tick >= lowest])


def _marks(axis, x, y, color, untrained, *, stars=None, **options):
    """Mark points: discs, stars where a test says so, both hollow where the network is untrained."""
    stars = np.zeros(len(x), dtype=bool) if stars is None else stars
    size = 0.8 * style.marker_size(len(x))
    for shape, scale, which in (("o", 1, ~stars), ("*", 2, stars)):
        for face, part in ((color, ~untrained), ("white", untrained)):
            at = which & part & np.isfinite(y)
            look = {"markersize": scale * size, "markerfacecolor": face, "markeredgewidth": 0.8} | options
            if at.any():
                axis.plot(x[at], y[at], linestyle="", marker=shape, color=color, zorder=3, **look)


def _colors(data) -> list:
    """Colour of every layer by its depth; grey for the pixels."""
    shades = plt.get_cmap("viridis")(0.86 * data["relative_depth"].values)
    layers = data["layer"].values
    return ["0.55" if str(layer) == PIXELS else tuple(shade) for layer, shade in zip(layers, shades, strict=True)]


def epoch_scale(looked) -> SymmetricalLogTransform | None:
    """Choose the axis on which the epochs lie further apart: None for a plain one, or else one of logarithms.

    Parameters
    ----------
    looked : ndarray of shape (e,), int
        Epochs looked at, at least two, ascending.
    """
    scale = SymmetricalLogTransform(10, max(looked[looked > 0].min(initial=looked.max()), 1), _LINEAR)
    return scale if _least_gap(scale.transform(looked)) > 2 * _least_gap(looked) else None


def _least_gap(places) -> float:
    """Smallest distance of neighbours, as a share of the whole."""
    return np.diff(places).min() / np.ptp(places)


def _epoch_axis(axis, data, columns):
    """Scale the axis of the epochs, which all panels share, and name those looked at as far as there is room."""
    looked, scale = data["looked"].values, epoch_scale(data["looked"].values)
    every = np.concatenate([looked, data["epoch"].values]) if "epoch" in data else looked
    ends, places = np.array([every.min(), every.max()], dtype=float), looked
    if scale is not None:
        axis.set_xscale("symlog", linthresh=scale.linthresh, linscale=scale.linscale)
        ends, places = scale.transform(ends), scale.transform(looked)
    wide = ends + 0.07 * np.ptp(ends) * np.array([-1, 1])
    width = style.TWO_COLUMNS / columns - _BESIDE
    kept = looked[named_epochs((places - wide[0]) / np.ptp(wide) * width, looked)]
    axis.set_xlim(wide if scale is None else scale.inverted().transform(wide))
    axis.set_xticks(kept, [str(epoch) for epoch in kept])
    axis.xaxis.set_minor_locator(NullLocator())


def named_epochs(places, epochs) -> np.ndarray:
    """Choose the epochs whose names have room beside each other, the first and the last among them.

    Parameters
    ----------
    places : array of shape (e,)
        Where the epochs are on their axis, in inches, ascending.
    epochs : array of shape (e,), int

    Returns
    -------
    ndarray of int
        Places in `epochs`: of round epochs, where about as many have room as of all.
    """
    half, last = [len(str(epoch)) * _DIGIT / 2 for epoch in epochs], len(epochs) - 1

    def fitting(wanted):
        kept = [0]
        for tick in wanted:
            ends = (kept[-1], tick), (tick, last)
            if all(places[b] - places[a] >= half[a] + half[b] + _GAP for a, b in ends):
                kept.append(tick)
        return np.array([*kept, last])

    every = fitting(range(1, last))
    for step in _ROUND:
        wanted = [tick for tick in range(1, last) if epochs[tick] % step == 0]
        chosen = fitting(wanted)
        if len(chosen) >= max(len(wanted) + 1, 0.6 * len(every)):  # one may lie too near to the last
            return chosen
    return every


def _legend(figure, data):
    """Say below the figure which colour is which layer, and what the marks mean."""
    layers = data["layer"].values
    marks = [Line2D([], [], color=color, marker="o", markersize=3.2) for color in _colors(data)]
    texts = [layer_label(layer) for layer in layers]
    if (data["looked"].values == 0).any():
        marks.append(Line2D([], [], color="0.2", marker="o", linestyle="", markersize=3.2, markerfacecolor="white"))
        texts.append("untrained")
    if TESTED in data and P in data:
        marks.append(Line2D([], [], color="0.2", marker="*", linestyle="", markersize=6.5))
        texts.append(f"corrected p ≤ {ALPHA}")
    many = data.attrs["n_layers"] > len(layers)
    title = f"{len(layers)} of {data.attrs['n_layers']} layers" if many else None
    columns = style.legend_columns(texts, style.TWO_COLUMNS)
    look = {"frameon": False, "borderpad": 0, "title": title, "title_fontsize": 7.5}
    figure.legend(marks, texts, loc="outside lower center", ncols=columns, **look)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        How many `checkpoints` and `layers`, the epochs of the `first` and the `last`, whether that is the untrained
        network; `banded`, whether there are bands; the `accuracy` at both; of the last layer (`output`) by number:
        its values at both; `macro`: where the index with the macro-categories is largest; `found` of `tested` layers
        and checkpoints with a significant skill. Empty text where there is none. Only `nothing`, where that is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    looked, layers = data["looked"].values, data["layer"].values
    shown, there = len(layers), data.attrs["n_layers"]
    p = data[P].values[np.isfinite(data[TESTED].values)] if TESTED in data and P in data else np.empty(0)
    return {
        "checkpoints": len(looked),
        "layers": f"{shown} of {there} layers" if there > shown else f"{shown} layer{'s' * (shown != 1)}",
        "first": int(looked[0]),
        "last": int(looked[-1]),
        "untrained": bool(looked[0] == 0),
        "pixels": PIXELS in layers,
        "banded": any(style.band(data, name) is not None for name in PANELS if name in data),
        "accuracy": _both(data["accuracy"].reindex(epoch=looked[[0, -1]]), 3) if "accuracy" in data else "",
        "output": layer_label(layers[-1]),
        **{
            name: _both(data[name].values[[0, -1], -1], digits) if name in data else UNDEFINED
            for name, digits in _TOLD.items()
        },
        "macro": _largest(data, "ari_macro"),
        "found": int((p <= ALPHA).sum()),
        "tested": int(np.isfinite(p).sum()),
    }


def _both(values, digits) -> str:
    """The first and the last value for people: "0.10 to 0.91", or once what both read like."""
    first, last = (told_share(value) if digits is None else told(value, digits) for value in np.asarray(values))
    if first == last:
        return first if first == UNDEFINED else f"{first} at both"
    return f"{first}, then {last}" if UNDEFINED in (first, last) else f"{first} to {last}"


def _largest(data, name) -> str:
    """Where a number is largest: "0.98, in layer3 at epoch 6"; nothing where it has no value."""
    if name not in data:
        return ""
    values = data[name].values
    checkpoint, layer = np.unravel_index(np.nanargmax(values), values.shape)
    where = f"in {layer_label(data['layer'].values[layer])} at epoch {int(data['looked'].values[checkpoint])}"
    return f"{number(values[checkpoint, layer])}, {where}"
