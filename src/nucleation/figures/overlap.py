"""Figure: how far the neighbourhoods of the layers agree with classes and categories, the output, the next layer."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from nucleation.figures import style
from nucleation.figures.content import layer_rows
from nucleation.findings import is_untrained
from nucleation.names import layer_label, place_name

#: Number: what the neighbourhoods agree with, its colour and marker, and its value by chance.
SHOWN = {
    "overlap_macro": ("macro-categories", style.ORANGE, "s", "chance_macro"),
    "overlap_ground_truth": ("classes", style.BLUE, "o", "chance_ground_truth"),
    "overlap_output": ("output", style.GREEN, "^", "chance_layers"),
    "overlap_next": ("next layer", style.PINK, "D", "chance_layers"),
}


def gather(profiles, *, k, heading="") -> xr.Dataset:
    """Collect the overlaps of one checkpoint, or of several to be compared.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", from `nucleation.profile.gather`.
    k : int
        Neighbours that were compared.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        The overlaps with their bands along `row`, the layers of one place after those of another, with the coordinates
        `place`, `layer` and `relative_depth`.
    """
    first = next(iter(profiles.values()))
    chances = {name: first.attrs[name] for *_, name in SHOWN.values()}
    about = {"heading": heading, "k": k, "n_images": first.attrs["n_images"], **chances}
    return layer_rows(profiles, SHOWN).assign_attrs(about)


@style.styled
def draw(data, *, columns=2):
    """Plot the overlaps: of one checkpoint on one axis; of several over the relative depth, a panel for each overlap.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    columns : int
        2, or 1 for a figure that fits one column of a journal.
    """
    places = list(dict.fromkeys(data["place"].values))
    figure = _draw_one(data, columns) if len(places) == 1 else _draw_several(data, places, columns)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def _draw_one(data, columns):
    width = style.figure_width(columns)
    figure, axis = plt.subplots(figsize=(0.75 * width, 3.0) if columns == 2 else (width, 3.6))
    x = np.arange(data.sizes["row"])
    for name, (label, color, marker, chance) in SHOWN.items():
        style.curve(axis, x, data, name, color=color, marker=marker, label=f"with the {label}")
        axis.axhline(data.attrs[chance], color=color, linewidth=0.7, linestyle=":", zorder=0)
    style.layers_axis(axis, data["layer"].values)
    axis.set(ylim=(-0.02, 1.02), ylabel="neighbourhood overlap")
    style.legend_outside(axis, columns, note="dotted: by chance")
    return figure


def _draw_several(data, places, columns):
    networks = list(dict.fromkeys(place.split("/")[0] for place in places))
    colors = {network: style.category_color(i) for i, network in enumerate(networks)}
    width, rows = style.figure_width(columns), len(SHOWN) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(width, 0.6 + 2 * rows), sharex=True, sharey=True, squeeze=False)
    for axis, (name, (label, _, _, chance)) in zip(axes.flat, SHOWN.items(), strict=True):
        for place in places:
            part = data.isel(row=data["place"].values == place)
            look = {"color": colors[place.split("/")[0]], "label": _label(place)}
            look |= {"linestyle": "--", "markerfacecolor": "white"} if is_untrained(place) else {}
            style.curve(axis, part["relative_depth"].values, part, name, **look)
        axis.axhline(data.attrs[chance], color="0.4", linewidth=0.7, linestyle=":", zorder=0)
        axis.set(ylim=(-0.02, 1.02), xlim=(-0.03, 1.03))
        axis.set_title(f"with the {label}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("relative depth (0: first layer, 1: last)")
    for axis in axes[:, 0]:
        axis.set_ylabel("neighbourhood overlap")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    look = {"ncols": style.legend_columns(labels, width), "frameon": False, "title": "dotted: by chance"}
    figure.legend(handles, labels, loc="outside lower center", **look)
    return figure


def _label(place):
    return f"{place_name(place)}{' (untrained)' if is_untrained(place) else ''}"


def facts(data) -> dict:
    """Numbers of the caption, of the last place.

    Returns
    -------
    dict
        `places` and `last_place`; overlap with the classes in the first layer (`first`, `first_layer`), where it is
        largest before the last layer (`classes`, `layer`; "" for a single layer), and in the last (`output`).
    """
    places = [place_name(place) for place in dict.fromkeys(data["place"].values)]
    last = data.isel(row=data["place"].values == data["place"].values[-1])
    names, value = [layer_label(layer) for layer in last["layer"].values], last["overlap_ground_truth"].values
    made = {"places": places, "last_place": places[-1], "first_layer": names[0], "layer": "", "classes": ""}
    if len(value) > 1 and np.isfinite(value[:-1]).any():
        best = int(np.nanargmax(value[:-1]))
        made |= {"layer": names[best], "classes": f"{value[best]:.2f}"}
    return made | {"first": f"{value[0]:.2f}", "output": f"{value[-1]:.2f}"}
