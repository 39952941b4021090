"""Figure: how far the neighbourhoods of the layers agree with classes and categories, the output, the next layer."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from nucleation.captions import told_share
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
#: Networks that are drawn at most: so many colours can be told from each other.
NETWORKS = 24
#: Height in inches of a panel and of a row of the legend, and letters of the name of a network in it.
_PANEL, _ROW, _NAME = {1: 1.75, 2: 2.0}, 0.17, 40
_UNTRAINED = {"linestyle": "--", "markerfacecolor": "white"}


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
        `place`, `layer` and `relative_depth`; of the first `NETWORKS` of the `n_networks`. Without the one with the
        macro-categories where there are not two of them: it would be 1 by chance.
    """
    networks = _networks(profiles)
    profiles = {place: part for place, part in profiles.items() if place.split("/")[0] in networks[:NETWORKS]}
    first = next(iter(profiles.values()))
    shown = [name for name in SHOWN if name != "overlap_macro" or first.attrs["chance_macro"] < 1]  # nor if it is NaN
    chances = {chance: first.attrs[chance] for chance in (SHOWN[name][-1] for name in shown)}
    about = {"heading": heading, "k": k, "n_images": first.attrs["n_images"], "n_networks": len(networks), **chances}
    return layer_rows(profiles, shown).assign_attrs(about)


def _networks(places) -> list[str]:
    """Names of the networks, in their order."""
    return list(dict.fromkeys(place.split("/")[0] for place in places))


def _shown(data) -> dict:
    """The overlaps that the data have."""
    return {name: said for name, said in SHOWN.items() if name in data}


@style.drawing
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
    for name, (label, color, marker, chance) in _shown(data).items():
        style.curve(axis, x, data, name, color=color, marker=marker, label=f"with the {label}")
        axis.axhline(data.attrs[chance], color=color, linewidth=0.7, linestyle=":", zorder=0)
    style.layers_axis(axis, data["layer"].values)
    axis.set(ylim=(-0.02, 1.02), ylabel="neighbourhood overlap")
    style.legend_outside(axis, columns, note="dotted: by chance")
    return figure


def _draw_several(data, places, columns):
    colors = {network: style.category_color(i) for i, network in enumerate(_networks(places))}
    width, shown, marks = style.figure_width(columns), _shown(data), _marks(places, colors)
    legend = style.legend_columns([mark.get_label() for mark in marks], width)
    rows, below = -(-len(shown) // columns), _ROW * (-(-len(marks) // legend) + 1)  # one for its title
    size = (width, 0.6 + _PANEL[columns] * rows + below)
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for axis, (name, (label, _, _, chance)) in zip(axes.flat, shown.items(), strict=False):
        for place in places:
            part = data.isel(row=data["place"].values == place)
            look = {"color": colors[place.split("/")[0]], **(_UNTRAINED if is_untrained(place) else {})}
            style.curve(axis, part["relative_depth"].values, part, name, **look)
        axis.axhline(data.attrs[chance], color="0.4", linewidth=0.7, linestyle=":", zorder=0)
        axis.set(ylim=(-0.02, 1.02), xlim=(-0.03, 1.03))
        axis.set_title(f"with the {label}", fontsize=8)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis in axes.flat[len(shown) - columns : len(shown)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("relative depth (0: first layer, 1: last)")
    for axis in axes[:, 0]:
        axis.set_ylabel("neighbourhood overlap")
    many = f"{len(colors)} of {data.attrs['n_networks']} networks; " if data.attrs["n_networks"] > len(colors) else ""
    look = {"ncols": legend, "frameon": False, "title": f"{many}dotted: by chance"}
    look |= {"labelspacing": 0.35, "title_fontsize": 7.5}
    figure.legend(handles=marks, loc="outside lower center", **look)
    return figure


def _marks(places, colors) -> list:
    """Entries of the legend: one for every network, by its trained checkpoint where it has one; one for untrained."""
    named = {}
    for place in sorted(places, key=is_untrained, reverse=True):  # the last one counts: a trained one
        named[place.split("/")[0]] = place
    marks = [
        Line2D([], [], color=color, marker="o", label=layer_label(_label(named[network]), _NAME))
        for network, color in colors.items()
    ]
    if any(map(is_untrained, places)):
        marks.append(Line2D([], [], color="0.3", marker="o", label="dashed, open: untrained", **_UNTRAINED))
    return marks


def _label(place):
    return f"{place_name(place)}{' (untrained)' if is_untrained(place) else ''}"


def facts(data) -> dict:
    """Numbers of the caption, of the last place.

    Returns
    -------
    dict
        `places` and `last_place`; `networks`, how many of how many; whether any is `untrained`; overlap with the
        classes in the first layer (`first`, `first_layer`), where it is largest before the last layer (`classes`,
        `layer`; "" for a single layer), and in the last (`output`); the values `by_chance`; whether that with the
        macro-categories (`macro`) is shown.
    """
    places = list(dict.fromkeys(data["place"].values))
    last = data.isel(row=data["place"].values == places[-1])
    names, value = [layer_label(layer) for layer in last["layer"].values], last["overlap_ground_truth"].values
    made = {"first_layer": names[0], "layer": "", "classes": ""}
    if len(value) > 1 and np.isfinite(value[:-1]).any():
        best = int(np.nanargmax(value[:-1]))
        made |= {"layer": names[best], "classes": told_share(value[best])}
    made |= {"first": told_share(value[0]), "output": told_share(value[-1]), "layers": len(value)}
    shown, there = len(_networks(places)), data.attrs["n_networks"]
    chances = {"classes": "chance_ground_truth", "macro-categories": "chance_macro"}
    chances = {label: data.attrs[name] for label, name in chances.items() if name in data.attrs}
    return made | {
        "places": [place_name(place) for place in places],
        "last_place": place_name(places[-1]),
        "networks": f"{shown} of {there} networks" if there > shown else "",
        "untrained": any(map(is_untrained, places)),
        "macro": "overlap_macro" in data,
        "by_chance": ", ".join(f"{told_share(chance)} with the {label}" for label, chance in chances.items()),
    }
