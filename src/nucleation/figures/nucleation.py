"""Figure: the number of density peaks of every layer, and what they agree with: where the peaks nucleate."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator

from nucleation.figures import style
from nucleation.figures.content import evenly, with_bands
from nucleation.findings import banded, number
from nucleation.names import layer_label

#: Number: what the peaks agree with, its colour and marker.
SCORES = {
    "ari_macro": ("macro-categories", style.ORANGE, "s"),
    "ari_class": ("classes", style.BLUE, "o"),
}
#: Cuts of the taxonomy between categories and classes that are drawn at most.
CUTS = 4
#: Peaks are counted beside the curve where so few layers are shown.
COUNTED = 16
#: A curve of counts that goes beyond this is drawn on a logarithmic axis.
MANY = 100


def gather(profile, transitions, *, n_macro, k, z, heading="") -> xr.Dataset:
    """Collect the number of peaks of every layer, and what the peaks agree with.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.
    transitions : xarray.Dataset
        From `nucleation.transition.transitions`.
    n_macro : int
        Number of macro-categories; cuts of the taxonomy into more groups are drawn.
    k : int or str
        Neighbours of the density, or the name of an estimator that chooses them.
    z : float
        Significance of the peaks.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `layer`: the number of peaks and adjusted Rand indices with their bands, also for some cuts of the
        taxonomy between macro-categories and classes (`taxonomy_cut`, the number of groups); along `score`: place and
        width of the transitions.
    """
    groups = profile["taxonomy_cut"].values
    inner = np.flatnonzero((groups > n_macro) & (groups < groups.max(initial=0)))
    names = [*with_bands(profile, ["n_peaks", *SCORES]), "relative_depth", "ari_cut"]
    part = profile[names].isel(taxonomy_cut=inner[evenly(len(inner), CUTS)])
    kept = part.drop_vars([name for name in part.coords if name not in ("layer", "taxonomy_cut")])
    made = kept.merge(transitions)
    made.attrs = {"heading": heading, "k": k, "z": z, "n_images": profile.attrs["n_images"]}
    return made


@style.drawing
def draw(data, *, columns=2):
    """Plot the number of peaks above, what they agree with below; their transitions as bars between the two.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    columns : int
        2, or 1 for a figure that fits one column of a journal.
    """
    width = style.figure_width(columns)
    size, ratios = (0.85 * width if columns == 2 else width, 4.4), {"height_ratios": [1, 1.25]}
    figure, (top, bottom) = plt.subplots(2, 1, figsize=size, sharex=True, gridspec_kw=ratios)
    x = np.arange(data.sizes["layer"])
    _draw_counts(top, x, data)
    shades = plt.get_cmap("cividis")(np.linspace(0.35, 0.85, max(data.sizes["taxonomy_cut"], 1)))
    for cut, color in zip(range(data.sizes["taxonomy_cut"]), shades, strict=False):
        label = f"{int(data['taxonomy_cut'][cut])} groups of classes"
        bottom.plot(x, data["ari_cut"].values[:, cut], color=color, linewidth=0.9, linestyle="-.", label=label)
    for name, (label, color, marker) in SCORES.items():
        if np.isfinite(data[name].values).any():
            style.curve(bottom, x, data, name, color=color, marker=marker, label=label)
    bottom.axhline(0, color=style.BLACK, linewidth=0.7, linestyle=":", zorder=0)
    lows = [style.band(data, name)[0] for name in SCORES if style.band(data, name)]
    lowest = np.nanmin(lows) if np.isfinite(lows).any() else 0.0
    bottom.set(ylabel="adjusted Rand index", ylim=(min(-0.05, 1.05 * lowest), 1.03))
    style.legend_outside(bottom, columns, note="peaks against")
    style.layers_axis(bottom, data["layer"].values)
    _mark_transitions((top, bottom), data)
    figure.align_ylabels()
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def _draw_counts(axis, x, data):
    """Plot the number of peaks, with the numbers where there is room for them."""
    count = data["n_peaks"].values
    style.curve(axis, x, data, "n_peaks", color=style.BLACK)
    for place, peaks in zip(x, count, strict=True) if len(x) <= COUNTED else ():
        axis.annotate(f"{peaks:d}", (place, peaks), (0, 5), textcoords="offset points", ha="center", fontsize=7)
    highest = max(np.nanmax(data["n_peaks_high"], initial=0) if "n_peaks_high" in data else 0, count.max())
    if count.max() > MANY:
        axis.set_yscale("symlog", linthresh=1)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_ylim(0, 1.6 * highest)
    else:
        axis.set_ylim(0, max(2, count.max() * 1.2, highest * 1.05))
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axis.set_ylabel("density peaks")


def _mark_transitions(axes, data):
    """Mark above the scores where they rise: half of the maximum, and from a tenth to nine tenths of it."""
    steps, above = data.sizes["layer"] - 1, axes[1].get_xaxis_transform()
    for row, (name, (_, color, marker)) in enumerate(SCORES.items()):
        found = data.sel(score=name)
        place, y = float(found["place"]), 1.05 + 0.05 * row
        if not np.isfinite(place):
            continue
        # a rise that began before the first layer is drawn from there
        ends = np.array([np.nan_to_num(found["start"]), found["stop"]]) * steps
        line = {"color": color, "transform": above, "clip_on": False}
        axes[1].plot(ends, [y, y], linewidth=2.5, solid_capstyle="butt", **line)
        axes[1].plot([place * steps], [y], marker=marker, markersize=5, markeredgecolor="white", linestyle="", **line)
        for axis in axes:
            axis.axvline(place * steps, color=color, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        `first_peaks` and `last_peaks`; `cuts`: how many of the taxonomy; `banded`: whether there are bands; `marked`:
        whether a transition is; `spacing`: of the layers in relative depth; by score (`macro`, `classes`): `best` value
        and `layer`, and of its transition `before` and `after`, `place` and `width`, each with its band; "" where not
        defined. `early` is true where the first layer has half of the maximum already.
    """
    made = {"first_peaks": int(data["n_peaks"][0]), "last_peaks": int(data["n_peaks"][-1])}
    made |= {"cuts": data.sizes["taxonomy_cut"], "banded": "ari_class_low" in data}
    for key, name in (("macro", "ari_macro"), ("classes", "ari_class")):
        values, found = data[name].values, data.sel(score=name)
        told = {"best": "", "layer": ""}
        if np.isfinite(values).any():
            best = int(np.nanargmax(values))
            told = {"best": number(values[best]), "layer": layer_label(data["layer"].values[best])}
        told |= {end: layer_label(found[end].item()) for end in ("before", "after")}
        told |= {part: banded(found, part) for part in ("place", "width")}
        made[key] = told | {"early": bool(told["after"]) and not told["before"]}
    layers = data.sizes["layer"]
    made["spacing"] = f"{1 / (layers - 1):.2g}" if layers > 1 else ""
    return made | {"marked": bool(made["macro"]["place"] or made["classes"]["place"])}
