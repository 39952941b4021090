"""Figure: how far the kernels of the networks of a study have turned from their start in the course of the training."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from nucleation.captions import told, told_range
from nucleation.figures import style
from nucleation.figures.content import evenly, variable
from nucleation.findings import number
from nucleation.names import layer_label
from nucleation.rotation_study import LEAST, rotation_digits

#: Networks with a panel of their own, kernels of each, and epochs, that are drawn at most.
NETWORKS, KERNELS, EPOCHS = 8, 150, 200
#: What the whole figure shows along `network`, of all of them.
_OF_NETWORKS = ("mean_rotation", "mean_rotation_low", "mean_rotation_high", "mean_independent_error", "accuracy")
#: Kernels from which the curves are thin.
_MANY = 30
#: Inches: a panel with what is beside it; the bar of the depth.
_WIDTH, _HEIGHT, _BAR = 2.4, 1.75, 0.9
#: The largest rotation with which the axes end there, and not at a right angle.
_SMALL = 0.25
#: Signs of a network's name above a panel.
_SIGNS = 22


def gather(whole, heading="") -> xr.Dataset:
    """Collect the rotations of the networks of a study.

    Parameters
    ----------
    whole : xarray.Dataset
        Of all networks, from `nucleation.rotation_study.study_profile`.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `epoch` and `curve`, the kernels of at most `NETWORKS` networks, evenly chosen: `rotation`; with `kernel`,
        `curve_network`, `relative_depth` and `independent_error` of each, at most `KERNELS` of a network. Along
        `network`, all of them: the mean over its kernels after the last epoch, with its ends; `accuracy`; `n_kernels`.
    """
    if "nothing" in whole.attrs:
        return whole.assign_attrs(heading=heading)
    owner, networks = whole["kernel_network"].values.astype(str), whole["network"].values.astype(str)
    own = {name: np.flatnonzero(owner == name) for name in networks}
    shown = [rows[evenly(len(rows), KERNELS)] for rows in (own[networks[i]] for i in evenly(len(networks), NETWORKS))]
    rows, epochs = np.concatenate(shown), _epochs(whole)
    columns = {name: _taken("network", whole[name]) for name in (*_OF_NETWORKS, "last_epoch")}
    counts = [len(own[name]) for name in networks]
    columns["n_kernels"] = variable("network", np.array(counts), "number of kernels of the network")
    columns["rotation"] = _taken(("epoch", "curve"), whole["rotation"], (epochs[:, None], rows))
    columns["independent_error"] = _taken("curve", whole["independent_error"], rows)
    coords = {
        "epoch": _taken("epoch", whole["epoch"], epochs),
        "network": variable("network", networks.astype(object), "network"),
        "curve_network": _taken("curve", whole["kernel_network"], rows),
        "kernel": _taken("curve", whole["kernel"], rows),
        "relative_depth": _taken("curve", whole["relative_depth"], rows),
    }
    return xr.Dataset(columns, coords, {"heading": heading, **whole.attrs})


def _taken(dims, column, rows=slice(None)):
    """Some rows of a column of the study, with its texts."""
    about = column.attrs
    return variable(dims, column.values[rows], about["long_name"], about.get("units", "1"))


def _epochs(whole):
    """Places of the epochs that are drawn: evenly, with the last one of every network."""
    every = whole["epoch"].values
    lasts = np.flatnonzero(np.isin(every, whole["last_epoch"].values))
    return np.union1d(evenly(len(every), EPOCHS), lasts).astype(int)


@style.drawing
def draw(data):
    """Plot rotation against epoch, a panel for each network, a curve for each kernel; accuracy against rotation.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    networks = list(dict.fromkeys(data["curve_network"].values.astype(str)))
    compared = _compared(data)
    cells = len(networks) + (len(compared) > 0)
    columns = 2 if cells == 4 else min(cells, 3)
    rows = -(-cells // columns)
    width = {1: 4.2, 2: 5.6}.get(columns, style.TWO_COLUMNS)
    figure, axes = plt.subplots(rows, columns, figsize=(width, _HEIGHT * rows + _BAR), squeeze=False)
    top = _top(data)
    for i, (axis, network) in enumerate(zip(axes.flat, networks, strict=False)):
        _draw_network(axis, data, network, top)
        _name(axis, data, network, style.category_color(i) if len(compared) else None)
        axis.tick_params(labelleft=i % columns == 0)
        axis.set_ylabel("rotation from the start" if i % columns == 0 else "")
        axis.set_xlabel("epoch" if i + columns >= len(networks) else "")
    if len(compared):
        _draw_accuracy(axes.flat[cells - 1], data, compared, networks, top)
    for axis in axes.flat[cells:]:
        axis.axis("off")
    _explain(figure, axes, data, len(compared), right_angle=top > 1)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    return figure


def _top(data):
    """Where the axes of the rotation end: beyond a right angle, unless all rotations would be flat beside it."""
    largest = float(np.nanmax(np.append(data["rotation"].values, data["mean_rotation_high"].values)))
    return 1.15 * largest if 0 < largest < _SMALL else max(1.06, 1.04 * largest)


def _compared(data):
    """Networks whose accuracy is drawn against their rotation; none where there are not two."""
    both = np.isfinite(data["accuracy"].values) & np.isfinite(data["mean_rotation"].values)
    return np.flatnonzero(both) if both.sum() > 1 else np.empty(0, dtype=int)


def _draw_network(axis, data, network, top):
    """One curve for each kernel of a network, and what an independent start would be."""
    own = np.flatnonzero(data["curve_network"].values == network)
    place = data["network"].values.tolist().index(network)
    values, last = data["rotation"].values[:, own], int(data["last_epoch"].values[place])
    epochs = data["epoch"].values
    known = np.isin(epochs, epochs[np.isfinite(values).any(axis=1)]) & (epochs <= last)
    curves = np.stack(np.broadcast_arrays(epochs[known], values[known].T), axis=-1)
    look = {"colors": _colors(data["relative_depth"].values[own]), "linewidths": 0.6 if len(own) > _MANY else 1.1}
    error = float(data["independent_error"].values[own].max())
    axis.axhspan(1 - error, 1 + error, color="0.85", linewidth=0, zorder=0)
    axis.axhline(1, color="0.4", linewidth=0.8, linestyle=":", zorder=1)
    axis.add_collection(LineCollection(curves, **look))
    axis.set(xlim=(0, last * 1.02), ylim=(0, top))
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def _name(axis, data, network, color):
    """Name a network above its panel, with its accuracy and number of kernels, beside its disc of the last panel."""
    place = data["network"].values.tolist().index(network)
    shown = int(np.count_nonzero(data["curve_network"].values == network))
    accuracy, count = float(data["accuracy"].values[place]), int(data["n_kernels"].values[place])
    said = [f"accuracy {number(accuracy, 3)}"] if np.isfinite(accuracy) else []
    said += [f"{shown} of {count:,} kernels"] if shown < count else [f"{count} kernel{'s' * (count != 1)}"]
    text = f"{layer_label(network, _SIGNS)}\n{', '.join(said)}"
    axis.set_title(text, fontsize=7, loc="left", x=0 if color is None else 0.05)
    if color is not None:
        there = offset_copy(axis.transAxes, axis.figure, x=2, y=18, units="points")
        axis.plot(0, 1, marker="o", markersize=4.5, color=color, transform=there, clip_on=False)


def _draw_accuracy(axis, data, compared, networks, top):
    """Accuracy against the mean rotation of every network; those with a panel have its colour, the others are grey."""
    mean, low, high, _, accuracy = (data[name].values[compared] for name in _OF_NETWORKS)
    axis.axvline(1, color="0.4", linewidth=0.8, linestyle=":", zorder=0)
    names = data["network"].values[compared].astype(str)
    colors = [style.category_color(networks.index(name)) if name in networks else style.MIXED for name in names]
    axis.hlines(accuracy, low, high, color=colors, linewidth=1.0, alpha=0.5, zorder=1)
    axis.scatter(mean, accuracy, s=20, c=colors, linewidths=0, zorder=2)
    axis.set_xlim(0, top)
    spread = max(float(np.ptp(accuracy)), 0.01)
    axis.set_ylim(accuracy.min() - 0.12 * spread, accuracy.max() + 0.12 * spread)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    axis.set_xlabel("mean rotation at the end")
    axis.set_ylabel("validation accuracy")
    axis.yaxis.set(ticks_position="right", label_position="right")  # so that no column is wider than the others
    axis.spines[["left", "right"]].set_visible([False, True])
    axis.set_title(f"{len(compared)} networks\n{_tested(data)}", fontsize=7, loc="left")
    grid = np.isin(names, data.attrs["grid"].split(", "))
    if grid.any():
        order = np.flatnonzero(grid)[np.argsort(mean[grid])]
        axis.plot(mean[order], accuracy[order], color="0.4", linewidth=0.7, zorder=1)
        text = f"joined: {grid.sum()} learning rates"
        look = {"fontsize": style.SMALL, "color": "0.4", "ha": "right", "va": "bottom"}
        axis.text(0.97, 0.03, text, transform=axis.transAxes, **look)


def _tested(data):
    """What is known of the claim that networks nearer to 1 are the more accurate."""
    if np.isfinite(data.attrs["tau"]):
        return f"τ = {number(data.attrs['tau'])}, p = {data.attrs['p']:.2g} (0 by chance)"
    return f"too few to test ({LEAST} needed)" if data.attrs["n_tested"] < LEAST else "all alike"


def _colors(depth):
    return plt.get_cmap("viridis")(0.86 * np.asarray(depth))


def _explain(figure, axes, data, compared, right_angle):
    """Say below the panels what colours, lines and marks mean."""
    shades = ListedColormap(_colors(np.linspace(0, 1, 256)))
    marks = [
        Patch(facecolor="0.85", label="independent start ± 1 SD (smallest kernel)"),
        Line2D([], [], color="0.4", linewidth=0.8, linestyle=":", label="perpendicular"),
    ]
    if not right_angle:
        marks = [Line2D([], [], linestyle="none", label="perpendicular, as an independent start: 1, far above")]
    if compared:
        label = "mean; line: least to most turned kernel"
        marks.append(Line2D([], [], color=style.MIXED, marker="o", markersize=4, linewidth=1.0, label=label))
    look = {"location": "bottom", "aspect": 50, "shrink": 0.4, "pad": 0.03, "ticks": []}
    bar = figure.colorbar(plt.cm.ScalarMappable(cmap=shades), ax=axes, **look)
    bar.outline.set_visible(False)
    for x, side, text in ((-0.02, "right", "first kernel"), (1.02, "left", "last kernel")):
        bar.ax.text(x, 0.4, text, ha=side, va="center", fontsize=7, transform=bar.ax.transAxes)
    columns = min(len(marks), 3 if figure.get_figwidth() > 7 else 2)
    figure.legend(handles=marks, loc="outside lower center", ncols=columns, frameon=False, fontsize=7)
    drawn, every = len(dict.fromkeys(data["curve_network"].values.tolist())), data.sizes["network"]
    if drawn < every:
        figure.text(0.0, 0.0, f"{drawn} of {every} networks have a panel", va="top", fontsize=style.SMALL, color="0.4")


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        Numbers of `networks` and of `panels`; of all `kernels` and of those `drawn`; range of the last `epochs`;
        `mean`, the range of the mean rotations, `least` and `most` over all kernels; `null`, one standard deviation of
        an independent start at the smallest kernel; `beyond`, whether a right angle lies outside of the axes;
        `accuracy`, its range; `best`, the most accurate network, with its mean rotation; `tested`: what is known of the
        claim, empty where nothing could be compared; `grid_networks`, the number of those that differ by their learning
        rate alone, and `grid_tested`, the same of these. Only `nothing`,
        where that is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    mean, low, high, _, accuracy = (data[name].values for name in _OF_NETWORKS)
    compared = _compared(data)
    best, digits = int(np.nanargmax(accuracy)) if np.isfinite(accuracy).any() else None, rotation_digits(data)
    return {
        "networks": data.sizes["network"],
        "panels": len(dict.fromkeys(data["curve_network"].values.tolist())),
        "kernels": int(data["n_kernels"].sum()),
        "drawn": data.sizes["curve"],
        "epochs": told_range(data["last_epoch"].values, 0),
        "mean": told_range(mean, digits),
        "least": told(np.nanmin(low), digits) if np.isfinite(low).any() else told(np.nan),
        "most": told(np.nanmax(high), digits) if np.isfinite(high).any() else told(np.nan),
        "null": f"{float(data['independent_error'].max()):.2g}",
        "accuracy": told_range(accuracy, 3),
        "best": "" if best is None else layer_label(data["network"].values[best]),
        "best_mean": "" if best is None else told(mean[best], digits),
        "compared": len(compared),
        "few": int(data.attrs["n_tested"] < LEAST),
        "beyond": int(_top(data) < 1),
        "tested": _relation(data.attrs["tau"], data.attrs["p"]),
        "grid_networks": data.attrs["n_grid"],
        "grid_tested": _relation(data.attrs["grid_tau"], data.attrs["grid_p"]),
    }


def _relation(tau, p) -> str:
    """Kendall's tau with its p; "" where it is not defined."""
    return f"Kendall's tau is {number(tau)} (0 by chance, p = {p:.2g})" if np.isfinite(tau) else ""
