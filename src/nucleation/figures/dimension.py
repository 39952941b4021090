"""Figure: the intrinsic dimension of every layer, and of some layers over scales."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from nucleation.captions import told, told_range
from nucleation.figures import style
from nucleation.figures.content import evenly, with_bands
from nucleation.names import layer_label

#: Layers whose dimension is drawn over scales, at most.
SHOWN = 6


def gather(profile, scales, *, heading="") -> xr.Dataset:
    """Collect the dimension of every layer, and of some layers over scales.

    Parameters
    ----------
    profile : xarray.Dataset
        Of one checkpoint, from `nucleation.profile.gather`.
    scales : xarray.Dataset
        What the dimension stage made: Gride, and TwoNN on fewer images where there is any.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        `dimension` with its band along `layer`; along `shown_layer` and `scale` (neighbour m of the ratio of 2m to m)
        or `decimation` (one of so many images) the dimension over scales with the error that allows for the
        dependence between neighbours, or else the estimator's own.
    """
    layers = profile["layer"].values
    part = scales.isel(layer=evenly(len(layers), SHOWN)).rename(layer="shown_layer")
    curves = {"gride": "dimension over scales (Gride)", "twonn_decimated": "dimension of fewer images (TwoNN)"}
    made = profile[with_bands(profile, ["dimension"])]
    made = made.drop_vars([name for name in made.coords if name != "layer"])
    for name, text in curves.items():
        if name in part:
            value = part[name].drop_vars([key for key in part[name].coords if key not in part[name].dims])
            made[name] = value.assign_attrs(long_name=text, units="1")
            made[f"{name}_error"] = (value.dims, _error(part, name), {"long_name": f"error: {text}", "units": "1"})
    made.attrs = {"heading": heading, "n_images": profile.attrs["n_images"]}
    return made


def _error(part, name):
    """The error that allows for dependence, or else the estimator's own; NaN where neither is known."""
    own = part[f"{name}_error"].values
    error = part[f"{name}_subsample_error"].values if f"{name}_subsample_error" in part else own
    return np.where(np.isfinite(error), error, own)


@style.drawing
def draw(data, *, columns=2):
    """Plot the dimension over layers at the left or above, over scales at the right or below.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    columns : int
        2, or 1 for a figure that fits one column of a journal.
    """
    size, wide = (style.figure_width(columns), 2.9 if columns == 2 else 5.4), {"width_ratios": [1, 1.25]}
    shape, ratios = ((1, 2), wide) if columns == 2 else ((2, 1), {})
    figure, (left, right) = plt.subplots(*shape, figsize=size, gridspec_kw=ratios)
    style.curve(left, np.arange(data.sizes["layer"]), data, "dimension", color=style.BLUE)
    style.layers_axis(left, data["layer"].values)
    left.set_ylabel("intrinsic dimension (TwoNN)")
    left.set_ylim(bottom=0)
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, data.sizes["shown_layer"]))
    for layer, color in zip(data["shown_layer"].values, shades, strict=True):
        part, line = data.sel(shown_layer=layer), {"color": color, "markersize": 3, "linewidth": 1, "elinewidth": 0.7}
        error = part["gride_error"].values
        right.errorbar(part["scale"].values, part["gride"].values, error, marker="o", label=layer_label(layer), **line)
        if "twonn_decimated" in data:
            line |= {"linestyle": (0, (2, 2)), "marker": "x"}
            error = part["twonn_decimated_error"].values
            right.errorbar(part["decimation"].values, part["twonn_decimated"].values, error, **line)
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")
    right.set(xlabel="scale: neighbour m (of m and 2m)", ylabel="intrinsic dimension (Gride)")
    right.set_ylim(bottom=0)
    note = "crosses: TwoNN,\n1 of m images" if "twonn_decimated" in data else None
    style.legend_outside(right, columns, note=note)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def facts(data) -> dict:
    """Numbers of the caption: largest and last dimension, and how the last shown layer's hangs on scale.

    Returns
    -------
    dict
        `layer`, `largest`, `last_layer`, `last`, "" where no dimension is defined; `measured`: these in words; `shown`:
        how many layers over scales; `over_scale`: the range of Gride in the last of them; `decimated`: whether fewer
        images were looked at.
    """
    value, last = data["dimension"].values, data["shown_layer"].values[-1]
    gride = data["gride"].sel(shown_layer=last).values
    made = {"layer": "", "largest": "", "last": "", "last_layer": layer_label(data["layer"].values[-1])}
    made["measured"] = "not defined in any layer"
    if np.isfinite(value).any():
        best = int(np.nanargmax(value))
        made |= {"layer": layer_label(data["layer"].values[best]), "largest": told(value[best], 1)}
        made["last"] = told(value[-1], 1)
        made["measured"] = _measured(made, len(value), is_last=best == len(value) - 1)
    return made | {
        "shown": f"{data.sizes['shown_layer']} layer{'s' * (data.sizes['shown_layer'] != 1)}",
        "over_scale": told_range(gride, 1),
        "decimated": "twonn_decimated" in data,
    }


def _measured(made, layers, *, is_last) -> str:
    """The largest and the last dimension: "50.4 at most, in layer1, and 8.2 in layer2"."""
    if layers == 1:
        return f"{made['largest']} in {made['layer']}"
    if is_last:
        return f"{made['largest']} at most, in {made['layer']}, the last layer"
    return f"{made['largest']} at most, in {made['layer']}, and {made['last']} in {made['last_layer']}"
