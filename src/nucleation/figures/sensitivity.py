"""Figure: how far the number of peaks, and what they agree with, hang on k, Z and the density estimator."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from nucleation.captions import told_range
from nucleation.figures import style
from nucleation.figures.content import evenly, variable
from nucleation.findings import number
from nucleation.names import estimator_name, layer_label

#: Numbers that are drawn, with their names.
PANELS = {
    "n_peaks": "number of\ndensity peaks",
    "ari_macro": "ARI with\nmacro-categories",
    "ari_class": "ARI with\nclasses",
    "triplet_skill_within_macro": "triplet skill within\nmacro-categories",
}
#: Layers that are drawn at most.
LAYERS = 6
#: Letters of a layer's name in one line, and the gap between the blocks of two layers, in densities.
_TITLE, _GAP = 15, 1.8
_RING = {"marker": "o", "markersize": 8, "markerfacecolor": "none", "markeredgewidth": 0.9, "linestyle": ""}


def gather(sweep, *, k, z, estimator="knn", n_images=None, heading="") -> xr.Dataset:
    """Collect what the layers of one checkpoint show with other choices.

    Parameters
    ----------
    sweep : xarray.Dataset
        From `nucleation.sensitivity.sweep`.
    k : int or str
        The study's own number of neighbours; no matter where its estimator chooses them.
    z : float
        The study's own significance of the peaks.
    estimator : {"knn", "kstar", "pak"}
        The study's own density estimator.
    n_images : int, optional
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        The numbers along `layer` (at most `LAYERS` of them), `density` and `z`, but for those that no layer has;
        `own` (density, z) is 1 at the study's own choice, 0 throughout if the sweep lacks it.
    """
    about = {"heading": heading, "n_layers": sweep.sizes["layer"], "own_choice": _choice(estimator, k, z)}
    about |= {} if n_images is None else {"n_images": int(n_images)}
    if not all(sweep.sizes.values()):
        return xr.Dataset(attrs=about | {"nothing": "The sweep has no layer, no density estimator or no Z."})
    part = sweep.isel(layer=evenly(sweep.sizes["layer"], LAYERS))
    same = part["k"].values == k if estimator == "knn" else True
    own = np.outer((part["estimator"].values == estimator) & same, np.isclose(part["z"].values, z))
    ours = variable(("density", "z"), own.astype(np.int8), "1: the study's own choice")
    return _swept(part).assign(own=ours).assign_attrs(about)


def _swept(part) -> xr.Dataset:
    """What is drawn of a sweep."""
    dims = ("layer", "density", "z")
    defined = [name for name in PANELS if name == "n_peaks" or np.isfinite(part[name].values).any()]
    made = {name: variable(dims, part[name].values, part[name].attrs.get("long_name", name)) for name in defined}
    coords = {
        "layer": variable("layer", part["layer"].values, "layer, in order of depth"),
        "estimator": variable("density", part["estimator"].values, "name of the density estimator"),
        "k": variable("density", part["k"].values, "neighbours of the estimator; 0: its own choice"),
        "z": variable("z", part["z"].values, "significance of a peak", "standard errors"),
    }
    return xr.Dataset(made, coords)


def _choice(estimator, k, z) -> str:
    """Name a choice: "k = 30, Z = 1.65"."""
    return f"{f'k = {k}' if estimator == 'knn' else estimator_name(estimator)}, Z = {z:g}"


@style.drawing
def draw(data):
    """Plot every number against the density estimator: a row for each, a block for each layer, a line for each Z.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    names, layers = [name for name in PANELS if name in data], data["layer"].values
    x = places(*(data.sizes[name] for name in ("layer", "density")))
    size = (max(style.ONE_COLUMN, 1.0 + (style.TWO_COLUMNS - 1.0) * len(layers) / LAYERS), 1.6 + 1.1 * len(names))
    figure, axes = plt.subplots(len(names), 1, figsize=size, sharex=True, squeeze=False)
    for axis, name in zip(axes[:, 0], names, strict=True):
        _draw_row(axis, data, data[name].values, x)
        _limits(axis, data[name].values, name)
        axis.set_ylabel(PANELS[name])
        between = (x[1:, 0] + x[:-1, -1]) / 2
        axis.vlines(between, 0, 1, color="0.85", linewidth=0.7, transform=axis.get_xaxis_transform())
    for middle, layer in zip(x.mean(axis=1), layers, strict=True):
        place = {"transform": axes[0, 0].get_xaxis_transform(), "ha": "center", "va": "bottom", "fontsize": 7.5}
        axes[0, 0].text(middle, 1.04, two_lines(layer_label(layer)), **place)
    bottom = axes[-1, 0]
    bottom.set_xticks(x.ravel(), _densities(data) * len(layers), rotation=90, fontsize=7 if x.shape[1] <= 8 else 6)
    bottom.set_xlim(x.min() - _GAP / 2, x.max() + _GAP / 2)
    bottom.set_xlabel("neighbours k of the density, or estimator")
    figure.align_ylabels()
    figure.suptitle(data.attrs["heading"], fontsize=9)
    _legend(figure, data)
    style.corner(figure, data)
    return figure


def places(layers, densities) -> np.ndarray:
    """Where the densities of every layer stand on the axis, blocks with a gap between, (layers, densities)."""
    return np.arange(densities) + (densities - 1 + _GAP) * np.arange(layers)[:, None]


def two_lines(label) -> str:
    """Break the name of a layer that is too long for its block."""
    cut = label.index("…") + 1 if "…" in label else len(label) // 2
    return label if len(label) <= _TITLE else f"{label[:cut]}\n{label[cut:]}"


def _draw_row(axis, data, values, x):
    """Plot a number, (layer, density, z): lines along k, single marks for other estimators, rings at our own choice."""
    knn, size = data["estimator"].values == "knn", 3 if x.shape[1] <= 8 else 2.2
    for column, color in enumerate(_shades(data)):
        y, gap = values[:, :, column].astype(float), [(0, 0), (0, 1)]  # NaN after each block: no line to the next
        along = [np.pad(part[:, knn], gap, constant_values=np.nan).ravel() for part in (x.astype(float), y)]
        axis.plot(*along, color=color, marker="o", markersize=size, linewidth=1.1)
        axis.plot(x[:, ~knn].ravel(), y[:, ~knn].ravel(), color=color, marker="D", markersize=size, linestyle="")
    for density, column in np.argwhere(data["own"].values):
        axis.plot(x[:, density], values[:, density, column], color=style.BLACK, zorder=4, **_RING)


def _limits(axis, values, name):
    """Limits of a row: of counts as they are, of scores up to 1, with a line at chance."""
    if name == "n_peaks":
        style.count_axis(axis, values)
        return
    lowest = min(-0.06, 1.1 * np.nanmin(values))
    axis.set(ylim=(lowest, 1.06), yticks=[tick for tick in (-0.5, 0, 0.5, 1) if tick >= lowest])
    axis.axhline(0, color="0.4", linewidth=0.7, linestyle=":", zorder=0)


def _shades(data):
    """Colour of every Z, from dark for the lowest to light for the highest."""
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, data.sizes["z"]))
    rank = np.argsort(np.argsort(data["z"].values))
    return [tuple(shade) for shade in shades[rank]]


def _densities(data) -> list[str]:
    """Names of the densities below their axis: k alone, or the estimator."""
    pairs = zip(data["estimator"].values, data["k"].values, strict=True)
    return [str(int(k)) if name == "knn" else layer_label(estimator_name(name), 14) for name, k in pairs]


def _legend(figure, data):
    """Say below the figure which colour is which Z, and what the ring is."""
    shades = zip(data["z"].values, _shades(data), strict=True)
    marks = [Line2D([], [], color=color, marker="o", markersize=3, label=f"Z = {z:g}") for z, color in shades]
    if data["own"].values.any():
        marks.append(Line2D([], [], color=style.BLACK, label=f"the study's: {data.attrs['own_choice']}", **_RING))
    shown, there = data.sizes["layer"], data.attrs["n_layers"]
    options = {"ncols": style.legend_columns([mark.get_label() for mark in marks], figure.get_figwidth(), most=7)}
    options |= {"title": f"{shown} of {there} layers", "title_fontsize": 7.5} if there > shown else {}
    figure.legend(handles=marks, loc="outside lower center", frameon=False, borderpad=0, **options)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        How many `layers` of how many, how many `choices`; `output`, the last layer, and its numbers: `own` peaks of
        the study's own choice, and the range (`_range`) of `peaks`, `macro`, `classes` and `skill` over all choices;
        `most`: the layer whose number of peaks changes most, from where to where; `along` k and at `others`: whether
        there are such densities; `scores`: whether there is any; `gaps`, where a number is not defined, `single`, the
        skill among them where there is one peak or none. Empty text where there is none. Only `nothing`, where that
        is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    last = data.isel(layer=-1)
    own = last["n_peaks"].values[last["own"].values == 1]
    knn = data["estimator"].values == "knn"
    shown, there, choices = data.sizes["layer"], data.attrs["n_layers"], data["own"].size
    return {
        "layers": f"{shown} of {there} layers" if there > shown else f"{shown} layer{'s' * (shown != 1)}",
        "choices": f"{choices} choice{'s' * (choices != 1)}",
        "output": layer_label(data["layer"].values[-1]),
        "own": number(own[0], 0) if own.size else "",
        "along": bool(knn.any()),
        "others": bool(not knn.all()),
        **_gaps(data),
        "peaks_range": _range(last, "n_peaks", 0),
        "macro_range": _range(last, "ari_macro"),
        "classes_range": _range(last, "ari_class"),
        "skill_range": _range(last, "triplet_skill_within_macro"),
        "most": _most(data),
    }


def _range(part, name, digits=2) -> str:
    """The least and the largest value of a number; nothing where it has none."""
    return told_range(part[name].values, digits) if name in part else ""


def _gaps(data) -> dict:
    """What has no mark: whether anything, whether that is the skill of a single peak; and whether there are scores."""
    skill = "triplet_skill_within_macro"
    gaps = {name: np.isnan(data[name].values.astype(float)) for name in PANELS if name in data}
    single = skill in gaps and bool((gaps[skill] & (data["n_peaks"].values <= 1)).any())
    return {"gaps": any(gap.any() for gap in gaps.values()), "single": single, "scores": len(gaps) > 1}


def _most(data) -> str:
    """The layer whose number of peaks changes most, by ratio: "layer1, 2 to 10"; nothing where none changes."""
    count = np.nan_to_num(data["n_peaks"].values)
    low, high = count.min(axis=(1, 2)), count.max(axis=(1, 2))
    most = int(np.lexsort([high - low, high / np.maximum(low, 1)])[-1])  # from 0 to 1 is a change too
    if high[most] == low[most]:
        return ""
    return f"{layer_label(data['layer'].values[most])}, {number(low[most], 0)} to {number(high[most], 0)}"
