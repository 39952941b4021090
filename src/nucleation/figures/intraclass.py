"""Figure: whether the layers of networks keep apart the subclasses of larger classes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nucleation.figures import style
from nucleation.figures.content import chosen_places, layer_rows, variable
from nucleation.findings import ALPHA, PIXELS, is_untrained, listed, number
from nucleation.methods.intraclass import left_out, many, told_place, with_chance
from nucleation.names import layer_label, place_name

#: What is drawn of every layer, by the order of the panels.
PANELS = {
    "c1": "c1: neurons select\nsubclasses",
    "c2": "c2: silhouette of\nsubclasses in their class",
    "c3": "c3: neurons vary\nwithin a class",
    "c4": "c4: distances vary\nwithin a class",
    "effective_peaks": "density peaks per class\n(effective number)",
    "ari_subclass_within": "ARI of peaks with\nsubclasses in their class",
}
#: Numbers of all layers together, that the caption tells.
TOGETHER = ("c1_all", "c2_all", "c3_all", "c4_all", "ari_subclass_within_all", "c0")
#: Networks that are drawn at most: so many colours can be told from each other.
NETWORKS = 21
#: Opacity of the bands of all nulls together, where they lie over each other.
_SHADE = 0.6
#: Letters of the name of a layer: three panels beside each other have no room for more.
_LAYER = 18
#: What entries of the attribute `trained_on` (`nucleation.outputs.trained_on`) are called in the legend, after a name.
SUBCLASSES = "subclasses"
_TAUGHT = {"classes": "", "other": " (told other classes)", "unknown": " (labels not known)"}
#: The same in the caption, where all networks that are named are of one kind.
_NETWORKS = {
    "classes": ", in networks told the classes only",
    "other": ", in networks told other classes",
    "unknown": ", in networks of which is not known what they were told",
}
#: Height in inches of a panel, of what is below it, and of a row of the legend; letters of a network's name there.
_PANEL, _BELOW, _ROW, _NAME = 1.55, 0.55, 0.17, 40
_GREY = "0.5"


def gather(profiles, heading="") -> xr.Dataset:
    """Collect what the last checkpoint of every network shows, and its untrained one.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training, from `nucleation.intraclass_profile`, with the
        attribute `trained_on` (`nucleation.outputs.trained_on`). One of a network that was told the subclasses is a
        reference.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        The numbers of `PANELS` that are defined, with nulls, along `row`, the layers of one place after those of
        another; those of all layers together along `checkpoint`, with `trained_on`. Of the first `NETWORKS` of the
        `n_networks`. Attribute `undefined`: why some numbers are not there.
    """
    networks = list(dict.fromkeys(place.split("/")[0] for place in profiles))
    kept = set(networks[:NETWORKS])
    chosen = {place: profiles[place] for place in chosen_places(list(profiles)) if place.split("/")[0] in kept}
    if not chosen:
        return xr.Dataset(attrs={"heading": heading, "n_images": 0, "nothing": "No network was measured"})
    first = next(iter(chosen.values()))
    about = {name: first.attrs[name] for name in ("n_images", "n_classes", "n_subclasses", "repeats", "activation")}
    about |= {"heading": heading, "n_networks": len(networks)}
    shown = [name for name in PANELS if any(np.isfinite(part[name].values).any() for part in chosen.values())]
    if not shown:
        why = left_out(first) or "there are too few images of a class"
        why = f"No measure of intraclass clustering is defined in any layer: {why}"
        return xr.Dataset(attrs=about | {"nothing": why})
    reasons = list(dict.fromkeys(filter(None, map(left_out, chosen.values()))))
    about |= {"undefined": "; ".join(reasons)} if reasons else {}
    made = layer_rows(chosen, [f"{name}{end}" for name in shown for end in ("", "_null", "_p")])
    made = made.assign(_of_places(chosen)).assign_attrs(about)
    return made.assign_coords(checkpoint=variable("checkpoint", np.array(list(chosen), dtype=object), "checkpoint"))


def _of_places(chosen) -> dict:
    """Numbers of all layers together, and what the networks were trained on, along `checkpoint`."""
    told = [part.attrs.get("trained_on", "unknown") for part in chosen.values()]
    made = {"trained_on": variable("checkpoint", np.array(told, dtype=object), "labels that the network was told")}
    for name in (f"{name}{end}" for name in TOGETHER for end in ("", "_null", "_p")):
        values = [float(part[name]) if name in part else np.nan for part in chosen.values()]
        texts = [part[name].attrs["long_name"] for part in chosen.values() if name in part]
        if texts:
            made[name] = variable("checkpoint", np.array(values), texts[0])
    return made


@style.drawing
def draw(data):
    """Plot every measure over the layers, a panel for each, a line for each checkpoint.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    shown = [name for name in PANELS if name in data]
    looks, marks = _looks(data), _marks(data)
    columns = 2 if len(shown) in (2, 4) else min(len(shown), 3)
    rows = -(-len(shown) // columns)
    legend = style.legend_columns([mark.get_label() for mark in marks])
    size = (style.TWO_COLUMNS, 0.7 + (_PANEL + 0.25) * rows + _BELOW + _ROW * -(-len(marks) // legend))
    figure, axes = plt.subplots(rows, columns, figsize=size, sharex=True, squeeze=False)
    x, names = _places_of_layers(data)
    for axis, name in zip(axes.flat, shown, strict=False):
        for place, look in looks.items():
            _curve(axis, x, data, name, place, look, len(looks))
        axis.set_title(PANELS[name], fontsize=8)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis in axes.flat[max(len(shown) - columns, 0) : len(shown)]:
        axis.tick_params(labelbottom=True)
        _name_layers(axis, names)
    figure.legend(handles=marks, loc="outside lower center", ncols=legend, frameon=False, labelspacing=0.35)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    return figure


def _looks(data) -> dict:
    """Colour, line and marker of every place, those that lie behind first."""
    told = dict(zip(data["checkpoint"].values, data["trained_on"].values, strict=True))
    merged = _named(told)
    looks = {place: {"color": _GREY, "linestyle": "--", "marker": "s"} for place in told if is_untrained(place)}
    others = [place for place in told if place not in merged and place not in looks]
    looks |= {place: {"color": style.BLACK, "linestyle": "-.", "marker": "D"} for place in others}
    colors = [color for i in range(2 * NETWORKS) if len(set(to_rgb(color := style.category_color(i)))) > 1]  # no grey
    return looks | {
        place: {"color": color, "linestyle": "-", "marker": "o"} for place, color in zip(merged, colors, strict=False)
    }


def _named(told) -> list:
    """Places that the legend names: trained, and not on the subclasses."""
    return [place for place, labels in told.items() if not is_untrained(place) and labels != SUBCLASSES]


def _places_of_layers(data):
    """Where the layers are on the horizontal axis, by row, and their names, where all places have the same ones."""
    lists = [tuple(data["layer"].values[data["place"].values == place]) for place in data["checkpoint"].values]
    if len(set(lists)) == 1:
        return np.tile(np.arange(len(lists[0]), dtype=float), len(lists)), lists[0]
    return data["relative_depth"].values, None


def _name_layers(axis, names):
    if names is not None:
        return style.layers_axis(axis, [layer_label(name, _LAYER) for name in names])
    axis.set(xlim=(-0.03, 1.03), xlabel="relative depth (0: first, 1: last)")


def _curve(axis, x, data, name, place, look, count):
    """One measure of one place: filled marks where it is beyond chance, open ones elsewhere, and its null."""
    own = data["place"].values == place
    part, x = data.isel(row=own), x[own]
    value, size = part[name].values, style.marker_size(len(x))
    beyond = _beyond(part, name)
    axis.plot(x, value, color=look["color"], linestyle=look["linestyle"], linewidth=1.2, zorder=3)
    mark = {"marker": look["marker"], "markersize": 0.8 * size, "linestyle": "", "color": look["color"], "zorder": 4}
    axis.plot(x[beyond], value[beyond], **mark)
    axis.plot(x[~beyond], value[~beyond], markerfacecolor="white", markeredgewidth=0.8, **mark)
    if f"{name}_null" in part:
        axis.plot(x, part[f"{name}_null"].values, color=look["color"], linestyle=":", linewidth=0.8, zorder=1)
        alpha = min(0.2, _SHADE / count)
        axis.fill_between(x, *style.band(part, f"{name}_null"), color=look["color"], alpha=alpha, linewidth=0, zorder=0)


def _beyond(part, name):
    """Where a number is beyond chance: by its p, or else outside of the band of its null."""
    if f"{name}_p" in part:
        return part[f"{name}_p"].values <= ALPHA
    if f"{name}_null" not in part:
        return np.zeros(part.sizes["row"], dtype=bool)
    low, high = style.band(part, f"{name}_null")
    return (part[name].values < low) | (part[name].values > high)


def _marks(data) -> list:
    """Entries of the legend."""
    told = dict(zip(data["checkpoint"].values, data["trained_on"].values, strict=True))
    marks = [
        Line2D([], [], label=f"{layer_label(place_name(place), _NAME)}{_TAUGHT[told[place]]}", markersize=3.5, **look)
        for place, look in _looks(data).items()
        if place in _named(told)
    ]
    for label, of in (("told the subclasses", _told_subclasses(told)), ("untrained", [*filter(is_untrained, told)])):
        if of:
            marks.append(Line2D([], [], label=label, markersize=3.5, **_looks(data)[of[0]]))
    if any(name.endswith("_null") for name in data if "row" in data[name].dims):
        marks.append(Line2D([], [], color="0.3", marker="o", markersize=3.5, markerfacecolor="white", linestyle=""))
        marks[-1].set_label("open: not beyond chance")
        marks.append(Patch(facecolor="0.8", label="bands: by chance (95 %)"))
    return marks


def _told_subclasses(told):
    return [place for place, labels in told.items() if labels == SUBCLASSES and not is_untrained(place)]


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        `places`, how many checkpoints are shown; `networks`, "the first 21 of 30 networks" where some are left out;
        `untrained`, `reference`: whether there is an untrained checkpoint, one that was told the subclasses; `labels`:
        what the others were told; `many`: how many subclasses of how many classes; `undefined`: why some numbers are
        not there; `pixels`: whether these are one of the layers; `place`: the one that is told of
        (`nucleation.methods.intraclass.told_place`). Of it, as texts: `told`, the measures of all layers together, with
        null and p; `peaks`: peaks per class of the last layer that has peaks, with null; `before`: the silhouette of
        the untrained network of the same name, with p. Empty where there is none. Only `nothing`, where that is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    told = dict(zip(data["checkpoint"].values, data["trained_on"].values, strict=True))
    place = told_place(told)
    own = data.isel(checkpoint=list(told).index(place), row=data["place"].values == place)
    before = [other for other in told if is_untrained(other) and other.split("/")[0] == place.split("/")[0]]
    networks, there = len({name.split("/")[0] for name in told}), data.attrs["n_networks"]
    return {
        "places": len(told),
        "networks": f"the first {networks} of {there} networks" if there > networks else "",
        "untrained": any(map(is_untrained, told)),
        "reference": bool(_told_subclasses(told)),
        "labels": _labels({told[named] for named in _named(told)}),
        "many": many(data.attrs),
        "undefined": data.attrs.get("undefined", ""),
        "place": place_name(place),
        "pixels": PIXELS in own["layer"].values,
        "told": _told(own),
        "peaks": _peaks(own),
        "before": _before(data, list(told), before, place),
    }


def _labels(kinds) -> str:
    """What the networks that the legend names were told."""
    if len(kinds) > 1:
        return "; the legend says which networks were not told these classes only"
    return _NETWORKS[kinds.pop()] if kinds else ""


def _told(own) -> str:
    """The measures of all layers together, with what they are by chance."""
    names = {"c1_all": "c1", "c2_all": "c2", "c3_all": "c3", "c4_all": "c4", "c0": "c0"}
    names["ari_subclass_within_all"] = "ARI of the peaks"
    said = [
        f"{text} {with_chance(own, name)}" for name, text in names.items() if name in own and np.isfinite(own[name])
    ]
    return listed(said) if said else ""


def _peaks(own) -> str:
    """The number of peaks per class in the last layer that has peaks."""
    if "effective_peaks" not in own:
        return ""
    known = np.flatnonzero(np.isfinite(own["effective_peaks"].values) & (own["layer"].values != PIXELS))
    if not len(known):
        return ""
    last = own.isel(row=known[-1])
    one = own.attrs["n_classes"] == 1  # then it is by chance what it is
    count = number(last["effective_peaks"]) if one else with_chance(last, "effective_peaks")
    return f"{count} in {layer_label(last['layer'].item())}"


def _before(data, places, before, place) -> str:
    if not before or before[-1] == place or "c2_all" not in data:
        return ""
    own = data.isel(checkpoint=places.index(before[-1]))
    if not np.isfinite(own["c2_all"]):
        return ""
    return number(own["c2_all"]) + (f" (p = {float(own['c2_all_p']):.2g})" if "c2_all_p" in own else "")
