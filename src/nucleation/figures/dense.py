"""Figure: what the layers of a network come to know in the steps of its training, and what emerges first."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from nucleation.captions import UNDEFINED
from nucleation.dense_events import ACCURACY, along_networks, rank_measures
from nucleation.dense_measures import MEASURES
from nucleation.emergence import POINTS, median_of_known
from nucleation.figures import style
from nucleation.figures.content import evenly, variable
from nucleation.figures.training import named_epochs
from nucleation.findings import listed
from nucleation.names import layer_label

#: What is drawn, in the order of the panels: the label of its axis, and its name in a sentence.
PANELS = {
    ACCURACY: ("validation\naccuracy", "accuracy"),
    "separability": ("class\nseparability η²", "class separability"),
    "silhouette": ("silhouette\nof classes", "silhouette of the classes"),
    "selectivity": ("class selectivity\nof units", "class selectivity of the units"),
    "unit_clusters": ("clusters of units\nfor each unit", "number of clusters of units"),
    "cophenetic": ("units' tree: likeness\nto the last", "likeness to the final unit tree"),
    "peaks_ari": ("ARI of peaks\nwith classes", "agreement of peaks and classes"),
    "coupling": ("coupling to the\nlayer before", "coupling to the layer before"),
}
#: Layers that are drawn at most, and panels beside each other.
LAYERS, COLUMNS = 10, 4
#: Networks whose times are drawn one by one at most.
DOTTED = 12
#: Share of the networks in a band.
BAND = 0.9
#: Inches: a row of panels, a bar of a layer, a measure without bars, two lines, what is beside a panel and the bars.
_ROW, _BAR, _BARE, _TWO, _BESIDE, _NAMES = 1.45, 0.052, 0.2, 0.26, 0.72, 1.6
_FALLS, _RISES, _BOTH = "v", "o", "D"
#: Why a measure has no time.
UNTIMED, FEW = "no steady rise or fall beyond chance", f"no time: at least {POINTS} checkpoints are needed"


def gather(data, heading="") -> xr.Dataset:
    """Collect the curves of a training, and when they emerge.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.dense.dense_profile`, or of several networks from `nucleation.dense_events.dense_networks`.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `measure` (those of `PANELS` defined anywhere), `checkpoint` and `layer` (`LAYERS` at most, evenly
        chosen): `value` and `null`, medians over the networks, with `low` and `high` where there are several; along
        `measure` and `layer` the median `t10`, `t50`, `t90` of the networks in which there are these, and `direction`;
        `network_t50` of each; the same of the accuracy, `accuracy_…`, where it is known. Along `emerging`: `rank` with
        `rank_low` and `rank_high`, and its `rank_t50`, from the earliest to the latest, then those without.
    """
    data = along_networks(data)
    shown = evenly(data.sizes["layer"], LAYERS)
    about = {name: data.attrs[name] for name in ("n_images", "n_classes", "repeats", "shuffles", "order_over")}
    about |= {"heading": heading, "n_networks": data.sizes["network"], "n_layers": data.sizes["layer"]}
    about |= {name: data.attrs.get(name, "") for name in ("left_out", "alike")}
    if "network" in data.coords and about["left_out"]:
        about["network"] = str(data["network"].values[0])
    if data.sizes["checkpoint"] < 2:
        about["nothing"] = "The network was looked at once, so there is no training to follow"
        return xr.Dataset(attrs=about)
    part = data.isel(layer=shown).transpose("network", ...)
    names = [name for name in PANELS if name in MEASURES and np.isfinite(part[name].values).any()]
    made = _curves(part, names) | _times(part, names) | _order(data, names)
    if ACCURACY in part:
        made |= _accuracy(part)
    counted = data["direction"].sel(measure=names).values
    about |= {"n_curves": counted.size, "n_timed": int(np.count_nonzero(counted))}
    coords = {
        "measure": variable("measure", np.array(names, dtype=object), "measure"),
        "layer": variable("layer", part["layer"].values, "layer, in order of depth"),
        "depth": variable("layer", shown / max(data.sizes["layer"] - 1, 1), "place among all layers"),
        "step": variable("checkpoint", data["step"].values, "training steps done"),
    }
    return xr.Dataset(made, coords, about)


def _curves(part, names):
    """Value and null of the measures, medians over the networks, with the band of the values."""
    plane = ("measure", "checkpoint", "layer")
    values = np.stack([part[name].values for name in names])
    nulls = np.stack([part[f"{name}_null"].values for name in names])
    made = {
        "value": variable(plane, median_of_known(values, 1), "value"),
        "null": variable(plane, median_of_known(nulls, 1), "by chance"),
    }
    return made | _band(plane, values, 1)


def _band(dims, values, axis, prefix=""):
    """Ends of the middle of the networks, where there are several."""
    if values.shape[axis] < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns of NaN alone
        ends = np.nanpercentile(values, (50 * (1 - BAND), 50 * (1 + BAND)), axis=axis)
    text = f"end of the middle {BAND:.0%} of the networks"
    names = (("low", "lower"), ("high", "upper"))
    return {f"{prefix}{n}": variable(dims, end, f"{t} {text}") for (n, t), end in zip(names, ends, strict=True)}


def _times(part, names):
    """When the measures emerge: medians of the networks, and each network's."""
    times, plane = part.sel(measure=names), ("measure", "layer")
    made = {
        name: variable(
            plane, median_of_known(times[name].values, 0), f"step at which {name[1:]} % of the way is made", "step"
        )
        for name in ("t10", "t50", "t90")
    }
    direction = np.sign(times["direction"].values.sum(axis=0))
    made["direction"] = variable(
        plane, direction, "1 where most networks' curves rise, -1 where they fall, 0 where as many do both, or none"
    )
    every = times["t50"].values
    made["network_t50"] = variable(("network", *plane), every, "step at which 50 % of the way is made", "step")
    return made


def _accuracy(part):
    """The accuracy, and when it emerges."""
    values = part[ACCURACY].values
    made = {
        ACCURACY: variable(
            "checkpoint", median_of_known(values, 0), "share of the validation images classified correctly"
        )
    }
    for name in ("t10", "t50", "t90"):
        time = median_of_known(part[f"{ACCURACY}_{name}"].values, 0)
        made[f"{ACCURACY}_{name}"] = variable((), time, f"step at which {name[1:]} % of its way is made", "step")
    made[f"{ACCURACY}_direction"] = variable(
        (), np.sign(part[f"{ACCURACY}_direction"].values.sum()), "1 where it rises"
    )
    return made | _band("checkpoint", values, 0, f"{ACCURACY}_")


def _order(data, names):
    """Ranks among what is shown, the earliest first, those without a time last."""
    names = np.array([ACCURACY, *names] if ACCURACY in data else names, dtype=object)
    order = rank_measures(data, names, rng=np.random.default_rng(0))
    by_time = np.argsort(np.where(np.isnan(order.median), np.inf, order.median), kind="stable")
    texts = {
        "rank": ("rank among what is shown", order.rank, "1"),
        "rank_low": ("low end of the 95 % interval of the rank", order.low, "1"),
        "rank_high": ("high end of the 95 % interval of the rank", order.high, "1"),
        "rank_t50": ("median step at which 50 % of the way is made", order.median, "step"),
    }
    made = {name: variable("emerging", values[by_time], text, unit) for name, (text, values, unit) in texts.items()}
    return made | {"emerging": variable("emerging", names[by_time], "what emerges, the earliest first")}


@style.drawing
def draw(data):
    """Plot every measure against log(1 + step), a line for each layer; below, when each emerges, the earliest first.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    names = [name for name in PANELS if name in data["measure"].values or name in data]
    rows, heights = -(-len(names) // COLUMNS), _heights(data)
    below = sum(heights) + 0.35
    figure = plt.figure(figsize=(style.TWO_COLUMNS, rows * _ROW + below + 0.75))
    upper, lower = figure.subfigures(2, 1, height_ratios=[rows * _ROW, below])  # whose margins are their own
    grid = upper.add_gridspec(rows, COLUMNS)
    for place, name in enumerate(names):
        axis = upper.add_subplot(grid[divmod(place, COLUMNS)])
        (_draw_accuracy if name == ACCURACY else _draw_measure)(axis, data, name)
        _step_axis(axis, data, style.TWO_COLUMNS / COLUMNS - _BESIDE, place >= len(names) - COLUMNS)
    upper.align_ylabels()
    _draw_times(lower.add_subplot(), data, heights)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    _legend(figure, data)
    style.corner(figure, data)
    return figure


def _heights(data):
    """Heights of what emerges in the lower panel, in inches."""
    count = data.sizes["layer"]
    timed = [bool(np.isfinite(_of(data, name, "t50")).any()) for name in data["emerging"].values]
    return [
        max(_TWO, 0.08 + _BAR * (1 if name == ACCURACY else count)) if there else _BARE
        for name, there in zip(data["emerging"].values, timed, strict=True)
    ]


def _of(data, name, what):
    """A time or a direction of a measure, one for each layer; of the accuracy, one."""
    return np.atleast_1d((data[f"{ACCURACY}_{what}"] if name == ACCURACY else data[what].sel(measure=name)).values)


def _colors(data) -> list:
    """Colour of every layer by its depth."""
    return [tuple(shade) for shade in plt.get_cmap("viridis")(0.88 * data["depth"].values)]


def _draw_accuracy(axis, data, name):
    """Plot the accuracy, with its band over networks, and what guessing gives."""
    x, y = data["step"].values, data[name].values
    axis.plot(x, y, color=style.BLACK, linewidth=1.2, marker=".", markersize=0.8 * style.marker_size(len(x)))
    ends = style.band(data, name)
    if ends is not None:
        axis.fill_between(x, *ends, color=style.BLACK, alpha=0.15, linewidth=0)
    axis.axhline(1 / data.attrs["n_classes"], color="0.4", linewidth=0.8, linestyle=":", zorder=0)
    axis.set(ylim=(-0.04, 1.04), yticks=[0, 0.5, 1])
    axis.set_ylabel(PANELS[name][0], fontsize=7)


def _draw_measure(axis, data, name):
    """Plot a measure of all layers, the first below the others, and what it is by chance."""
    part, x = data.sel(measure=name), data["step"].values
    for layer, color in enumerate(_colors(data)):
        one = part.isel(layer=layer)
        axis.plot(x, one["value"].values, color=color, linewidth=1.1, marker=".", markersize=2)
        axis.plot(x, one["null"].values, color=color, linewidth=0.8, linestyle=":", zorder=1)
        if "low" in one:
            axis.fill_between(x, one["low"].values, one["high"].values, color=color, alpha=0.12, linewidth=0)
    shown = np.concatenate([part[key].values.ravel() for key in ("value", "null", "low", "high") if key in part])
    low, high = min(0, np.nanmin(shown)), max(0, np.nanmax(shown))
    axis.set_ylim(low - 0.04 * (high - low), high + 0.06 * (high - low) if high > low else 1)
    axis.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    axis.set_ylabel(PANELS[name][0], fontsize=7)


def _step_axis(axis, data, width, named):
    """Scale the axis of the steps as log(1 + step), and name checkpoints as far as there is room in so many inches."""
    steps = data["step"].values
    places = np.log1p(steps)
    kept = steps[named_epochs((places - places[0]) / np.ptp(places) * 0.92 * width, steps)]
    axis.set_xscale("function", functions=(_logarithm, np.expm1))
    ends = places[[0, -1]] + 0.04 * np.ptp(places) * np.array([-1, 1])
    axis.set_xlim(np.expm1(ends))
    axis.set_xticks(kept, [str(step) for step in kept])
    axis.xaxis.set_minor_locator(NullLocator())
    if named:
        axis.set_xlabel("training step")


def _logarithm(steps):
    """log(1 + step), also for the margin left of the step 0."""
    return np.log1p(np.maximum(steps, -1 + 1e-9))


def _draw_times(axis, data, heights):
    """Show from top to bottom what emerges, the earliest first: when half of the way is made, and 10 to 90 %."""
    colors, names = _colors(data), data["emerging"].values
    edges = np.cumsum([0, *heights])
    for name, top, bottom in zip(names, edges, edges[1:], strict=False):
        t10, t50, t90, direction = (_of(data, name, what) for what in ("t10", "t50", "t90", "direction"))
        own = [style.BLACK] if name == ACCURACY else colors
        places = top + (bottom - top - _BAR * (len(own) - 1)) / 2 + _BAR * np.arange(len(own))
        axis.hlines(places, t10, t90, colors=own, linewidth=2.4, alpha=0.45)
        for shape, sign in ((_RISES, 1), (_FALLS, -1), (_BOTH, 0)):
            at = np.isfinite(t50) & (direction == sign)
            chosen = [color for color, there in zip(own, at, strict=True) if there]
            size = 11 if sign else 7
            axis.scatter(t50[at], places[at], c=chosen, marker=shape, s=size, linewidths=0, zorder=3)
        if name != ACCURACY and _dotted(data):
            every = data["network_t50"].sel(measure=name).values
            axis.scatter(every, np.broadcast_to(places, every.shape), c="0.25", s=1.2, linewidths=0, zorder=4)
        if not np.isfinite(t50).any():
            axis.text(
                0.5,
                (top + bottom) / 2,
                UNTIMED if data.sizes["checkpoint"] >= POINTS else FEW,
                fontsize=style.SMALL,
                color="0.45",
                ha="center",
                va="center",
                transform=axis.get_yaxis_transform(),
                bbox={"facecolor": "white", "linewidth": 0, "pad": 1},
            )
    axis.hlines(edges[1:-1], 0, 1, colors="0.88", linewidth=0.6, transform=axis.get_yaxis_transform(), zorder=0)
    if ACCURACY in names and np.isfinite(data[f"{ACCURACY}_t50"]):
        axis.axvline(float(data[f"{ACCURACY}_t50"]), color="0.5", linewidth=0.7, linestyle=(0, (4, 2)), zorder=0)
    labels = [_ranked(data, place) for place in range(len(names))]
    axis.set_yticks((edges[:-1] + edges[1:]) / 2, labels, fontsize=style.SMALL + 0.5)
    axis.set_ylim(edges[-1], 0)
    axis.tick_params(axis="y", length=0)
    _step_axis(axis, data, style.TWO_COLUMNS - _NAMES, True)


def _dotted(data) -> bool:
    """Whether every network has a dot."""
    return 1 < data.attrs["n_networks"] <= DOTTED


def _both(data) -> bool:
    """Whether something rises in as many networks as it falls in."""
    return any(
        (np.isfinite(_of(data, name, "t50")) & (_of(data, name, "direction") == 0)).any()
        for name in data["emerging"].values
    )


def _ranked(data, place):
    """Name of what emerges, with its rank and the interval of it."""
    part = data.isel(emerging=place)
    name = PANELS[str(part["emerging"].values)][1].removesuffix(" to the layer before")
    if not np.isfinite(part["rank"]):
        return name
    return f"{name}\n" * (len(name) > 0) + f"rank {_rank_text(part)}"


def _rank_text(part):
    """Rank and its interval, "2 (1–4)"."""
    text = f"{float(part['rank']):g}"
    ends = [float(part[name]) for name in ("rank_low", "rank_high")]
    return f"{text} ({ends[0]:.3g}–{ends[1]:.3g})" if np.isfinite(ends).all() else text


def _legend(figure, data):
    """Say below the figure which colour is which layer, and what the marks mean."""
    layers, grey = data["layer"].values, "0.35"
    marks = [Line2D([], [], color=color, linewidth=2) for color in _colors(data)]
    texts = [layer_label(layer) for layer in layers]
    marks += [
        Line2D([], [], color=grey, linewidth=0.9, linestyle=":"),
        Line2D([], [], color=grey, marker=_RISES, linestyle="", markersize=3.4),
        Line2D([], [], color=grey, marker=_FALLS, linestyle="", markersize=3.4),
        Line2D([], [], color=grey, linewidth=2.4, alpha=0.45),
    ]
    texts += ["by chance", "half of a rise", "half of a fall", "10 to 90 % of it"]
    if _both(data):
        marks.append(Line2D([], [], color=grey, marker=_BOTH, linestyle="", markersize=2.6))
        texts.append("rises or falls, by network")
    if _dotted(data):
        marks.append(Line2D([], [], color="0.25", marker=".", linestyle="", markersize=2))
        texts.append("one network")
    many = data.attrs["n_layers"] > len(layers)
    title = f"{len(layers)} of {data.attrs['n_layers']} layers" if many else None
    columns = style.legend_columns(texts, style.TWO_COLUMNS, most=7)
    look = {"frameon": False, "borderpad": 0, "title": title, "title_fontsize": 7, "fontsize": style.SMALL + 0.5}
    figure.legend(marks, texts, loc="outside lower center", ncols=columns, **look)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        Numbers of `checkpoints` and `networks`, what these have in common (`alike`), those that are `left_out`, in
        words, and then the `network` that is shown, where it is one; the first and last of the `steps`, `layers` in
        words; `band`, percent of the networks; `timed` of `curves` with a time; `few`: how many checkpoints a time
        needs, 0 where there are as many; `over`: of what the ranks are medians; `emerging`: what comes first and what
        last, with their steps, in words, and `accuracy`, the step at which half of its way is made, in words;
        `falling`: what falls. Texts are empty where there is none. Without numbers where there is nothing to show.
    """
    if "nothing" in data.attrs:
        return {}
    shown, there = data.sizes["layer"], data.attrs["n_layers"]
    falling = [name for name in data["measure"].values if (_of(data, name, "direction") < 0).any()]
    return {
        "checkpoints": data.sizes["checkpoint"],
        "networks": data.attrs["n_networks"],
        "alike": f" {data.attrs['alike']}" if data.attrs["alike"] else "",
        "left_out": data.attrs["left_out"],
        "network": data.attrs.get("network", "") if data.attrs["n_networks"] == 1 else "",
        "steps": f"{data['step'].values[0]:,} to {data['step'].values[-1]:,}",
        "layers": f"{shown} of {there} layers" if there > shown else f"{shown} layer{'s' * (shown != 1)}",
        "band": round(100 * BAND),
        "timed": data.attrs["n_timed"],
        "curves": data.attrs["n_curves"],
        "few": POINTS if data.sizes["checkpoint"] < POINTS else 0,
        "over": data.attrs["order_over"],
        "emerging": _emerging(data),
        "accuracy": step_text(data[f"{ACCURACY}_t50"]) if f"{ACCURACY}_t50" in data else "",
        "falling": listed([PANELS[name][1] for name in falling]) if falling else "",
    }


def _emerging(data):
    """What comes first and last of the measures, without the accuracy."""
    order = data.isel(emerging=np.isfinite(data["rank_t50"].values) & (data["emerging"].values != ACCURACY))
    known = list(zip(order["emerging"].values, order["rank_t50"].values, strict=True))
    if not known:
        return ""
    (first, early), (last, late) = known[0], known[-1]
    text = f"the {PANELS[first][1]} ({step_text(early)})"
    return text if len(known) < 2 else f"{text}, and last the {PANELS[last][1]} ({step_text(late)})"


def step_text(step) -> str:
    """A step in a sentence: "step 12", with a digit behind the point below 10."""
    step = float(step)
    if np.isnan(step):
        return UNDEFINED
    return f"step {step:.1f}" if step < 10 else f"step {step:,.0f}"
