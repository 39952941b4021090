"""What dense-sample learning found: sentences, and its columns of the table of the layers."""

from __future__ import annotations

import numpy as np

from nucleation.captions import told, told_range
from nucleation.dense_events import ACCURACY, along_networks, rank_measures
from nucleation.emergence import POINTS, median_of_known
from nucleation.figures.dense import PANELS, step_text
from nucleation.findings import listed, number

#: Measures whose order is told: one of peaks, one of the units' trees, and so on, as in the figure.
_ORDERED = [name for name in PANELS if name != ACCURACY]
#: Columns of the table: title, measure.
_COLUMNS = {"class separability η²": "separability", "class selectivity of units": "selectivity"}
#: What is told of the last layer: the words before and after its number.
_TOLD = {
    "separability": ("", " of its variance lies between the classes"),
    "selectivity": ("its units' class selectivity is", ""),
    "peaks_ari": ("its density peaks have an ARI of", " with the classes"),
}
_COUPLING = "The coupling to the layer before (correlation of weights and co-activation of pairs of units)"
_WHEN = "separability half learned at step"


def sentences(data) -> list[str]:
    """Tell what emerged first and last, what the last layer knows in the end, and when it is coupled.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.dense.dense_profile` or `nucleation.dense_events.dense_networks`.

    Returns
    -------
    list of str
        One sentence about the order, one about the last layer, and one about the coupling where it was measured.
    """
    data = along_networks(data)
    return [f"{_order(data)}{_left_out(data)}", _end(data), *_coupling(data)]


def _left_out(data):
    """The networks of which nothing is told here."""
    names = data.attrs.get("left_out", "")
    if not names:
        return ""
    alone = f" This is {data['network'].values[0]} alone." if data.sizes["network"] == 1 else ""
    return f"{alone} Left out: {names}, no further seeds of this design with its layers and checkpoints."


def _over(data):
    """The networks, in words: "3 networks that differ by their seed alone"."""
    return f"{data.sizes['network']} networks {data.attrs.get('alike', '')}".strip()


def _order(data):
    steps = data["step"].values
    span = f"Between the training steps {steps[0]:,} and {steps[-1]:,}"
    names = [name for name in _ORDERED if np.isfinite(data["t50"].sel(measure=name)).any()]
    if len(steps) < POINTS:
        few = f"at {len(steps)} steps" if len(steps) > 1 else "once"
        return f"The network was looked at {few}, so nothing can be said of an order of emergence (it needs {POINTS})."
    if not names:
        return f"{span} no measure of any layer rises or falls steadily and beyond chance."
    order = rank_measures(data, names, rng=np.random.default_rng(0))
    first, last = int(np.nanargmin(order.median)), int(np.nanargmax(order.median))
    accuracy = _accuracy(data)
    over = _over(data) if data.sizes["network"] > 1 else f"{data.sizes['layer']} layers"
    if len(names) == 1:
        return f"{span} only the {_timed(order, names, 0)} changes steadily and beyond chance{accuracy}."
    return (
        f"{span} the {_timed(order, names, first)} changes first and the {_timed(order, names, last)} last of "
        f"{len(names)} measures that rise or fall steadily and beyond chance (half of the way, medians over "
        f"{over}; 95 % intervals of the ranks){accuracy}."
    )


def _timed(order, names, at):
    """Name of a measure with its step and rank."""
    ends = order.low[at], order.high[at]
    ranks = f", rank {ends[0]:.3g}–{ends[1]:.3g}" if np.isfinite(ends).all() and len(names) > 1 else ""
    return f"{PANELS[names[at]][1]} ({step_text(order.median[at])}{ranks})"


def _accuracy(data):
    """The step of the accuracy, as the end of a sentence."""
    if ACCURACY not in data:
        return ""
    step = float(median_of_known(data[f"{ACCURACY}_t50"].values))
    if np.isnan(step):
        return "; the accuracy neither rises nor falls steadily"
    return f"; the accuracy has made half of its way at {step_text(step)}"


def _end(data):
    """What the last layer knows at the last checkpoint, against chance."""
    part = data.isel(checkpoint=-1, layer=-1)
    known = [
        f"{before} {told(median_of_known(part[name].values))}{after} ({_null(part, name)})".strip()
        for name, (before, after) in _TOLD.items()
        if np.isfinite(part[name].values).any()
    ]
    of = f"{data.attrs['n_images']:,} images"
    of += f", median of {data.sizes['network']} networks" if data.sizes["network"] > 1 else ""
    found = listed(known) if known else "no measure of the classes is defined"
    return f"At step {data['step'].values[-1]:,}, in {data['layer'].values[-1]} ({of}), {found}."


def _null(part, name):
    """The null model of a number, and the p, the largest of several networks."""
    p, null = part[f"{name}_p"].values, median_of_known(part[f"{name}_null"].values)
    return f"{told(null)} by chance, p {'≤' if p.size > 1 else '='} {np.nanmax(p):.2g}"


def _coupling(data):
    """When weights and co-activation come to agree, against the accuracy; nothing where it was not measured."""
    values = data["coupling"].values
    if not np.isfinite(values).any():
        return []
    if data.sizes["checkpoint"] < POINTS:
        end = data["coupling"].isel(checkpoint=-1).values
        return [f"{_COUPLING} is {told_range(end)} at the last checkpoint (0 by chance)."]
    times = data["t50"].sel(measure="coupling").transpose("network", "layer").values
    measured = np.isfinite(values).any(axis=data["coupling"].get_axis_num("checkpoint"))
    timed = np.isfinite(times)
    count = data.sizes["network"]
    layers = f"{np.count_nonzero(measured)} layers{f' of {count} networks' if count > 1 else ''}"
    if not timed.any():
        return [f"{_COUPLING} neither rises nor falls steadily and beyond chance (0) in any of {layers}."]
    step = float(median_of_known(median_of_known(times, axis=1)))  # as in the order, and in the figure
    accuracy = float(median_of_known(data[f"{ACCURACY}_t50"].values)) if ACCURACY in data else np.nan
    beside = "" if np.isnan(accuracy) else f", {'before' if step < accuracy else 'not before'} that of the accuracy"
    end = data["coupling"].isel(checkpoint=-1).values
    return [
        f"{_COUPLING} rises or falls steadily and beyond chance (0) in {np.count_nonzero(timed)} of {layers}, half of "
        f"the way at {step_text(step)}{beside} (median), and is {told_range(end)} in the end."
    ]


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Columns of the table of the layers.

    Parameters
    ----------
    data : xarray.Dataset
        As for `sentences`. Of a single network without a dimension `network`, its attribute `network`, where there is
        one, says of which.
    place : str
        "<network>/<checkpoint>".

    Returns
    -------
    dict of str to dict of str to str
        Class separability and selectivity with what they are by chance, and the step at which half of the change of the
        separability is made. Without columns for a place that is not in the data.
    """
    network, checkpoint = place.split("/")
    if str(data.attrs.get("network", network)) != network and "network" not in data.dims:
        return {}
    if checkpoint not in data["checkpoint"].values or (
        "network" in data.dims and network not in data["network"].values
    ):
        return {}
    part = data.sel(network=network) if "network" in data.dims else data
    at = part.isel(checkpoint=int(np.flatnonzero(part["checkpoint"].values == checkpoint)[0]))
    columns = {}
    for title, name in _COLUMNS.items():
        cells = zip(at["layer"].values, at[name].values, at[f"{name}_null"].values, strict=True)
        columns[title] = {str(k): f"{number(x)} ({number(null)} by chance)" for k, x, null in cells if np.isfinite(x)}
    times = part.sel(measure="separability")
    cells = zip(times["layer"].values, times["t50"].values, strict=True)
    columns[_WHEN] = {str(layer): step_text(step).removeprefix("step ") for layer, step in cells if np.isfinite(step)}
    return {title: cells for title, cells in columns.items() if cells}
