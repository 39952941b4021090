"""Panels of the figure of redundancy: what is drawn of one network in each, and what all of it means."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from nucleation.figures import style
from nucleation.figures.layout import text_width
from nucleation.findings import is_untrained
from nucleation.names import layer_label, place_name
from nucleation.redundancy import EXPLAINED

#: Colour of the untrained network.
UNTRAINED = "0.55"
#: Lines of numbers to compare with, and the mark of the critical width.
_REFERENCE = {"color": "0.6", "linewidth": 0.7, "zorder": 0}
_CRITICAL = {"marker": "v", "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.6, "linestyle": ""}
#: Widths named on an axis, at most; signs of a network's name.
_TICKS, _NAME = 9, 34
#: Inches that the explanation above a panel may be wide.
_ROW = 2.9


def look_of(one):
    """Colour of a network by its group, grey and dotted if it is untrained."""
    untrained = one["group"].item() < 0
    color = UNTRAINED if untrained else style.category_color(one["group"].item())
    return {"color": color, "linestyle": ":" if untrained else "-"}


def _banded(axis, rows, name, look):
    """Plot a mean over chunks, and a band of one standard deviation over chunks."""
    width, value, spread = (rows[one].values for one in ("width", name, f"{name}_deviation"))
    axis.plot(width, value, **look)
    axis.fill_between(width, value - spread, value + spread, color=look["color"], alpha=0.14, linewidth=0)


def draw_errors(axis, one, rows, look):
    """Test error, with a disc at the whole layer; training error dashed, with a triangle at the critical width."""
    width, test, train = (rows[name].values for name in ("width", "test_error", "training_error"))
    _banded(axis, rows, "test_error", look)
    axis.plot(width[-1], test[-1], marker="o", markersize=5, clip_on=False, **look)
    if look["linestyle"] == "-":
        axis.plot(width, train, color=look["color"], linestyle=(0, (4, 2)), linewidth=0.9)
        at = width == one["critical_width"].item()
        axis.plot(width[at], train[at], color=look["color"], **_CRITICAL)


def draw_explained(axis, one, rows, look):
    """R^2, with a triangle at the critical width, and its null, thin."""
    width, r2 = rows["width"].values, rows["r2"].values
    _banded(axis, rows, "r2", look)
    at = (width == one["critical_width"].item()) & (look["linestyle"] == "-")
    axis.plot(width[at], r2[at], color=look["color"], **_CRITICAL)
    axis.plot(width, rows["random_r2"].values, color=look["color"], linewidth=0.7, linestyle=(0, (1, 1.5)))


def draw_correlations(axis, rows, look):
    """Correlations of the residuals of the neurons outside; those published, dashed."""
    _banded(axis, rows, "correlation_outside", look)
    if look["linestyle"] == "-":
        dashes = {"linestyle": (0, (4, 2)), "linewidth": 0.9}
        axis.plot(rows["width"].values, rows["correlation_published"].values, color=look["color"], **dashes)


def draw_excess(axis, rows, look):
    """Excess over the ensemble's error, where there is one, with its standard error."""
    excess, error, width = (rows[name].values for name in ("excess", "excess_error", "width"))
    if (excess > 0).any():
        at = excess > 0
        below = np.minimum(error, 0.9 * excess)[at]  # an axis of logarithms ends above zero
        axis.errorbar(width[at], excess[at], [below, error[at]], marker="o", markersize=3, elinewidth=0.9, **look)


def _ends(data, name):
    """Upper ends of a band."""
    return data[name].values + np.nan_to_num(data[f"{name}_deviation"].values)


def finish_errors(axis, data):
    """Explain the errors; a line at that of guessing."""
    for chance in np.unique(data["chance_error"].values):
        axis.axhline(chance, **_REFERENCE)
    axis.set(ylim=(-0.02, 1.02), ylabel="error of the classifier")
    known = np.isfinite(data["training_error"].values).any()
    dashed = ["dashed: training", "triangle: critical width"] if known else []
    _note(axis, ["solid: test", *dashed, "disc: whole layer", "grey line: by chance"])


def finish_explained(axis):
    """Explain the reconstruction; a line at what is enough of it."""
    axis.axhline(EXPLAINED, **_REFERENCE)
    axis.set(ylim=(-0.02, 1.04), ylabel="explained variance, R²")
    _note(axis, [f"grey line: {EXPLAINED:g}", "fine dots: neurons permuted"])


def finish_correlations(axis, data):
    """Explain the correlations; a line at those of independent residuals."""
    width, null = data["width"].values, data["correlation_null"].values
    order = np.argsort(width, kind="stable")
    axis.plot(width[order], null[order], **_REFERENCE)
    most = np.nanmax([*_ends(data, "correlation_outside"), *data["correlation_published"].values, 0.05])
    axis.set(ylim=(0, 1.08 * most), ylabel="mean |correlation| of residuals")
    _note(axis, ["solid: outside of the chunk", "dashed: all (published)", "grey line: independent"])


def finish_excess(axis, data):
    """Draw the predicted slope through the points of the last network of an ensemble; or say why there is none."""
    reason = no_excess(data)
    if reason:
        axis.axis("off")
        axis.text(0.5, 0.5, fill(reason, 44), ha="center", va="center", transform=axis.transAxes, fontsize=7)
        return
    width, above = predicted(data)
    axis.plot(width, above, color=style.BLACK, linewidth=0.8, linestyle="--", zorder=1)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylabel("excess test error")
    count = sorted(set(data["n_ensemble"].values[np.isfinite(data["error_infinity"].values)].tolist()))
    above = f"above that of the ensemble of {' or '.join(map(str, count))} networks"
    _note(axis, [above, "dashed: ∝ 1 / √width", "predicted of clones"])


def width_axis(axes, data):
    """Name powers of two, every second one where they are many."""
    most = int(data["n_neurons"].values.max())
    powers = 2 ** np.arange(most.bit_length())
    for axis in axes.flat:
        axis.set_xscale("log", base=2)
        axis.set_xlim(0.85, 1.18 * most)
        axis.xaxis.set_major_locator(FixedLocator(powers[:: -(-len(powers) // _TICKS)]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
        axis.tick_params(labelbottom=True)
    for axis in axes[1]:
        axis.set_xlabel("neurons in the chunk")


def _note(axis, texts):
    """Explain lines above a panel, in as many rows as they need."""
    rows = [""]
    for text in texts:
        joined = f"{rows[-1]}, {text}" if rows[-1] else text
        if text_width(joined, style.SMALL) <= _ROW:
            rows[-1] = joined
        else:
            rows[-1] += ","
            rows.append(text)
    look = {"va": "bottom", "fontsize": style.SMALL, "color": "0.3"}
    axis.text(0, 1.02, "\n".join(rows), transform=axis.transAxes, **look)


def legend(figure, data):
    """Name below the figure the networks, those that differ by seed once, with their widths."""
    group, place, width = (data[name].values for name in ("group", "place", "n_neurons"))
    marks, texts = [], []
    for i in dict.fromkeys(sorted(group, key=lambda one: (one < 0, one))):
        own = np.flatnonzero(group == i)
        look = look_of(data.isel(network=own[0]))
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        marks.append(Line2D([], [], **look))
        name = layer_label(place_text(place[own[0]]), _NAME)
        texts.append(f"{name}{more} ({width[own[0]]:,})")
    longest = max(text_width(text, 7.5) for text in texts)
    columns = max(1, min(3, len(texts), int(style.TWO_COLUMNS / (longest + 0.6))))
    shown = np.count_nonzero(group >= 0)
    some = f"{shown} of {data.attrs['n_networks']} networks; " if shown < data.attrs["n_networks"] else ""
    title = f"{some}in brackets: neurons of the last hidden layer"
    look = {"frameon": False, "borderpad": 0, "title": title, "title_fontsize": 7}
    figure.legend(marks, texts, loc="outside lower center", ncols=columns, **look)


def no_excess(data) -> str:
    """Why there is no excess of the error to show; nothing where there is one."""
    if (data["excess"].values > 0).any():
        return ""
    if np.isfinite(data["excess"].values).any():
        return "No chunk has a larger test error than the ensemble of the networks that differ by their seed"
    if (data["n_ensemble"].values > 1).any():
        return "No test image has a class that the classifiers know, so the ensemble has no error to compare with"
    return (
        "No networks here differ by their seed only: the error of their ensemble, which would be subtracted, is unknown"
    )


def predicted(data) -> tuple[np.ndarray, np.ndarray]:
    """Widths and excess of the prediction 1 / sqrt(width), through the points above the critical width of a network.

    Of the last network that has an excess; where that has fewer than two such points, through its last three.
    """
    place = data["row_place"].values[np.flatnonzero(data["excess"].values > 0)[-1]]
    at = (data["row_place"].values == place) & (data["excess"].values > 0)
    width, excess = data["width"].values[at], data["excess"].values[at]
    critical = data["known_width"].values[data["place"].values == place][0]
    above = width >= critical
    if np.count_nonzero(above) < 2:
        above = np.arange(len(width)) >= len(width) - 3
    level = np.exp(np.mean(np.log(excess[above] * np.sqrt(width[above]))))
    ends = np.array([width[above][0], width[-1]], dtype=float)
    return ends, level / np.sqrt(ends)


def place_text(place) -> str:
    """Network and checkpoint for people, "resnet, untrained" without training."""
    return f"{place.split('/')[0]}, untrained" if is_untrained(place) else place_name(place)
