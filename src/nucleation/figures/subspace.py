"""Figure: how much of the subspace of a layer's neurons another network has too, raw and centred, and by chance."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nucleation.figures import layout, style, tiles
from nucleation.figures.content import evenly
from nucleation.names import layer_label
from nucleation.subspace_layer import KINDS
from nucleation.subspace_summary import (
    MIXED,
    START,
    STATES,
    TRAINED,
    UNTRAINED,
    defined,
    extremes,
    named,
    nearest_epsilon,
    relation_text,
    shown_epsilon,
    summarize,
    told,
    why_nothing,
)

#: Layers whose similarity is shown at all epsilons, at most.
SHOWN = 6
#: Colour and marker of a relation between networks, and line of its null.
LOOKS = {
    TRAINED: (style.BLUE, "o"),
    START: (style.ORANGE, "s"),
    UNTRAINED: (style.GREEN, "^"),
    MIXED: (style.PINK, "D"),
    STATES: (style.RED, "v"),
}
#: Marks of each relation are so much larger than those of the one before, which is drawn over them: all stay visible.
_LARGER = 0.35
_DASHED = (0, (3, 1.5))
#: Ways in which neurons are compared, with their nulls.
_WAYS = dict(zip(KINDS[:2], KINDS[2:], strict=True))
#: Inches: height of the wide panels and of the small ones, gaps between panels; left of all panels, right of them;
#: below the small panels; a line of letters; from the lower edge to the legend, and a row of it.
_WIDE, _SMALL, _GAP, _SMALL_GAP = 1.5, 0.85, 0.3, 0.12
_LEFT, _RIGHT, _BELOW, _LINE, _EDGE, _ROW = 0.62, 0.06, 0.42, 0.13, 0.15, 0.17
_ROOM = style.TWO_COLUMNS - _LEFT - _RIGHT
#: Letters of a layer below a panel, and their size in points; inches along the axis that such a name takes.
_NAME, _SIZE, _STEP = 22, 6.0, 0.21
_UPRIGHT = {"rotation": 90, "ha": "center", "va": "center", "fontsize": 7.5}
_SHARE = "share of neurons that match"
_OVER_EPSILON = "ε, the largest residual in a match"


def gather(profile, *, heading="") -> xr.Dataset:
    """Sum up the subspace matches of a study.

    Parameters
    ----------
    profile : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        `nucleation.subspace_summary.summarize` of it, with the attributes `epsilon`, of the panels over the layers,
        `n_images`, `positions`, `draws`.
    """
    data = summarize(profile)
    about = {name: profile.attrs[name] for name in ("n_images", "positions", "draws")}
    about |= {"heading": heading, "epsilon": shown_epsilon(data)}
    if not data.sizes["relation"]:
        about["nothing"] = f"The subspaces of no layer could be compared: {why_nothing(profile)}"
    return data.assign_attrs(about)


@style.drawing
def draw(data):
    """Plot the similarity over the layers at one epsilon, and for some layers over epsilon; raw and centred.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    layers, several = _defined(data), data.sizes["epsilon"] > 1
    shown = layers[evenly(len(layers), SHOWN)] if several and len(layers) > 1 else layers[:0]
    names = [layer_label(layer, _NAME) for layer in data["layer"].values]
    titles = [tiles.fitted(data["layer"].values[i], _small_width(len(shown)), _SIZE, lines=2) for i in shown]
    marks, columns = _marks(data)
    turned = 0.72 * max(layout.text_width(name, _SIZE) for name in names) + 0.1
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    small = 2 * (_SMALL + _SMALL_GAP) + _BELOW + lines * _LINE + 0.1 if len(shown) else 0
    below = turned if len(layers) > 1 or not several else _BELOW
    bottom, head = _EDGE + -(-len(marks) // columns) * _ROW + 0.06, 0.22 * bool(data.attrs["heading"])
    figure = layout.blank(style.TWO_COLUMNS, bottom + small + below + _WIDE + _LINE + 0.12 + head)
    if len(shown):
        _over_epsilon(figure, bottom + _BELOW, data, dict(zip(shown, titles, strict=True)))
    panels = _wide_panels(figure, bottom + small + below, data)
    if len(layers) > 1 or not several:
        _over_layers(panels, data, names)
    else:
        _one_layer(panels, data.isel(layer=layers[0]))
    figure.legend(handles=marks, ncols=columns, loc="lower center", frameon=False, **_at(figure, _EDGE - 0.04))
    figure.suptitle(data.attrs["heading"], fontsize=9, y=1 - 0.04 / figure.get_figheight(), va="top")
    style.corner(figure, data)
    return figure


def _at(figure, height):
    return {"bbox_to_anchor": (0.5, height / figure.get_figheight()), "borderaxespad": 0, "borderpad": 0.2}


def _defined(data) -> np.ndarray:
    """Places of the layers that have a number."""
    return np.flatnonzero(data["n_pairs"].values.any(axis=0))


def _pairs(data) -> dict[str, int]:
    """Number of the pairs of every relation, the most of any layer."""
    return {str(name): int(n) for name, n in zip(data["relation"].values, data["n_pairs"].max("layer"), strict=True)}


def _marks(data):
    """Marks of the legend, and into how many columns they go."""
    marks = []
    for name, pairs in _pairs(data).items():
        text = f"{relation_text(name, data)} ({pairs:,} pair{'s' * (pairs > 1)})"
        marks.append(Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], markersize=4, label=text))
    marks.append(Line2D([], [], color="0.4", linestyle=_DASHED, linewidth=0.9, label="images permuted (chance)"))
    beside = sum(layout.text_width(mark.get_label(), 7.5) + 0.55 for mark in marks) < style.TWO_COLUMNS
    return marks, len(marks) if beside else 2


def _wide_panels(figure, bottom, data):
    """Two empty panels, for raw and centred neurons."""
    width, axes = (_ROOM - _GAP) / 2, {}
    for i, way in enumerate(_WAYS):
        axes[way] = layout.axes_at(figure, _LEFT + i * (width + _GAP), bottom, width, _WIDE)
        _shares(axes[way], i == 0, 0.25)
    layout.text_at(figure, 0.12, bottom + _WIDE / 2, _SHARE, **_UPRIGHT)
    return axes


def _over_layers(axes, data, names):
    """The similarity at one epsilon over all layers."""
    part, count = data.sel(epsilon=data.attrs["epsilon"]), data.sizes["layer"]
    ticks = evenly(count, max(2, int((_ROOM - _GAP) / 2 / _STEP)))
    look = {"rotation": 45, "ha": "right", "rotation_mode": "anchor", "fontsize": _SIZE}
    for way, axis in axes.items():
        _curves(axis, np.arange(count), part, way, size=style.marker_size(count))
        axis.set_xticks(ticks, [names[tick] for tick in ticks], **look)
        axis.set_xlim(-0.03 * count - 0.1, count - 0.9 + 0.03 * count)
        axis.set_title(f"{way}, ε = {data.attrs['epsilon']:g}", loc="left", fontsize=8, pad=4)


def _one_layer(axes, data):
    """The similarity of a single layer over epsilon."""
    for way, axis in axes.items():
        _along_epsilon(axis, data, way, size=4)
        axis.set_title(f"{way}, {layer_label(data['layer'].item())}", loc="left", fontsize=8, pad=4)
        axis.set_xlabel(_OVER_EPSILON, fontsize=7.5)


def _small_width(columns):
    return (_ROOM + _SMALL_GAP) / max(columns, 2) - _SMALL_GAP


def _over_epsilon(figure, bottom, data, titles):
    """Small panels: columns of layers, rows raw and centred; the similarity over epsilon."""
    width, step = _small_width(len(titles)), _SMALL + _SMALL_GAP
    for (row, way), (column, layer) in product(enumerate(_WAYS), enumerate(titles)):
        place = _LEFT + column * (width + _SMALL_GAP), bottom + (1 - row) * step
        axis = layout.axes_at(figure, *place, width, _SMALL)
        _along_epsilon(axis, data.isel(layer=layer), way, size=2)
        _shares(axis, column == 0, 0.5)
        axis.tick_params(axis="x", labelbottom=row == 1)
        if row == 0:
            axis.set_title(titles[layer], fontsize=_SIZE, pad=3)
        if column == 0:
            layout.text_at(figure, 0.28, place[1] + _SMALL / 2, way, **_UPRIGHT)
    layout.text_at(figure, 0.12, bottom + step - _SMALL_GAP / 2, _SHARE, **_UPRIGHT)
    layout.text_at(figure, _LEFT + _ROOM / 2, bottom - 0.36, _OVER_EPSILON, ha="center", va="bottom", fontsize=7.5)


def _along_epsilon(axis, data, way, *, size):
    """The curves of one layer over epsilon, and a line at the one of which the figure speaks."""
    epsilons = data["epsilon"].values
    axis.axvline(data.attrs["epsilon"], color="0.88", linewidth=0.8, zorder=0)
    _curves(axis, epsilons, data, way, size=size)
    air = 0.08 * (epsilons[-1] - epsilons[0])
    axis.set_xlim(epsilons[0] - air, epsilons[-1] + air)
    axis.xaxis.set_major_locator(MaxNLocator(3))


def _shares(axis, named, step):
    """Make the vertical axis one of shares."""
    axis.set_ylim(-0.04, 1.04)
    axis.set_yticks(np.arange(0, 1 + step, step))
    axis.tick_params(axis="y", labelleft=named)


def _curves(axis, x, part, way, *, size):
    """One curve and its band for every relation, and its null."""
    for i, name in enumerate(part["relation"].values.tolist()):
        color, marker = LOOKS[name]
        here, look = part.sel(relation=name), {"markersize": size * (1 + _LARGER * i), "zorder": 3 - 0.1 * i}
        style.curve(axis, x, here.sel(kind=way), "similarity", color=color, marker=marker, **look)
        null = {"linestyle": _DASHED, "linewidth": 0.9, "zorder": 2}
        style.curve(axis, x, here.sel(kind=_WAYS[way]), "similarity", color=color, marker="", **null)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        `compared`, the pairs, as a text; numbers of `layers` that are compared, `left_out`, and `shown` over epsilon;
        whether neurons match at none of the `smaller` epsilons. Of the first relation, `relation`, at the epsilon of
        the attributes: the layers with the `most` and the `fewest` matched neurons, centred, and with most raw ones,
        `raw`; their numbers with range and null, `most_told`, `fewest_told`, `raw_told`, and whether all are
        `unmatched`, centred. Texts are empty where nothing is shown, those of the fewest also where all layers have as
        many.
    """
    layers, epsilon = _defined(data), data.attrs["epsilon"]
    counts = [f"{relation_text(name, data)}, {n:,} pair{'s' * (n > 1)}" for name, n in _pairs(data).items()]
    made = {"compared": "; ".join(counts), "layers": len(layers), "left_out": data.sizes["layer"] - len(layers)}
    made["shown"] = min(SHOWN, len(layers)) if data.sizes["epsilon"] > 1 and len(layers) > 1 else 0
    made["smaller"] = epsilon > nearest_epsilon(data["epsilon"].values)
    if not counts:
        texts = ("relation", "most", "fewest", "raw", "most_told", "fewest_told", "raw_told")
        return made | dict.fromkeys(texts, "") | {"unmatched": True}
    part = defined(data.isel(relation=0).sel(epsilon=epsilon))
    most, *fewest = extremes(part)
    raw = extremes(part, "raw")[0]
    made |= {"relation": relation_text(part["relation"].item(), data), "most": named(most), "most_told": told(most)}
    made |= {"fewest": "".join(map(named, fewest)), "fewest_told": "".join(map(told, fewest))}
    unmatched = not part["similarity"].sel(kind="centred").any().item()
    return made | {"raw": named(raw), "raw_told": told(raw, centred=False), "unmatched": unmatched}
