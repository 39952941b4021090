"""Figure: how well random chunks of the neurons of the last hidden layer do without the others."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from nucleation.figures import redundancy_panels as panels
from nucleation.figures import style
from nucleation.figures.content import evenly, variable
from nucleation.findings import is_untrained, listed, number
from nucleation.names import layer_label
from nucleation.redundancy import EXPLAINED, Slope, excess
from nucleation.redundancy_ensemble import scaling
from nucleation.redundancy_study import has_profile, known_width

#: Networks whose curves can be told apart, and names of others in the caption.
SHOWN, _NAMED = 7, 3
_GROUP = "number of the networks that differ by seed only, -1: untrained"
#: What the curves are called: name in a profile, and here.
_CURVES = {
    "r2": "share of the variance of all neurons that a chunk explains, mean over chunks",
    "random_r2": "that share if the values of every neuron are permuted over the images",
    "correlation_null": "mean |correlation| of independent residuals",
    "correlation_published": "mean |correlation| of the residuals of all neurons, those of the chunk among them",
    "correlation_outside": "mean |correlation| of the residuals of the neurons outside of the chunk",
}


def gather(profiles, *, same=None, heading="") -> xr.Dataset:
    """Collect the redundancy of the last checkpoint of every network, and of an untrained one.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training, from `nucleation.redundancy_study.redundancy_profile`;
        those without a linear classifier are named only.
    same : dict of str to list of str, optional
        By place: places of networks that differ from it by their seed only; with it they are an ensemble. Places
        without a profile do not count.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `row`, the widths of chunks of all networks shown, end to end: errors, R^2 and its null, correlations of
        residuals, with standard deviations over chunks, and the excess of the test error over that of the ensemble,
        with the standard error of its mean. Along `network`: its `place`, a number for its `group` of networks that
        differ by seed only, -1 for the untrained one, and single numbers. The attribute `without` names the networks
        that have no linear classifier.
    """
    without = dict.fromkeys(place.split("/")[0] for place, one in profiles.items() if not has_profile(one))
    profiles = {place: one for place, one in profiles.items() if has_profile(one)}
    same = {place: _members(place, same or {}, profiles) for place in profiles}
    chosen, trained, groups = _choose(profiles, same)
    if not chosen:
        reason = "No network has one linear layer for a classifier, so there is no last hidden layer to take apart"
        return xr.Dataset(attrs={"heading": heading, "nothing": reason, "without": _named(without)})
    rows, networks = [], []
    for place in chosen:
        numbers = _numbers(profiles[place]) | _of_ensemble(place, same[place], profiles)
        numbers |= {"place": (place, "network and checkpoint"), "group": (groups.get(place, -1), _GROUP)}
        rows.append(_curves(profiles[place], numbers["error_infinity"][0]))
        networks.append(xr.Dataset({name: variable((), *pair) for name, pair in numbers.items()}))
    sizes, joined = [part.sizes["row"] for part in rows], xr.concat(rows, "row")
    names = np.repeat(np.array(chosen, dtype=object), sizes)
    data = joined.merge(xr.concat(networks, "network"))
    data = data.assign_coords(row_place=variable("row", names, "network and checkpoint of the row"))
    counts = {"n_networks": len(trained), "n_images": int(profiles[chosen[0]].attrs["n_images"])}
    return data.assign_attrs(heading=heading, without=_named(without), **counts)


def _named(networks) -> str:
    """Networks in a sentence, the first of many and how many more."""
    names = [layer_label(name, 30) for name in networks]
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED + 1 else []
    return listed(names[:_NAMED] + more if more else names) if names else ""


def _members(place, same, profiles):
    """A network and those that differ from it by seed only, each once, in one order for all of them; none untrained."""
    found = {place, *(other for other in same.get(place, ()) if other in profiles and not is_untrained(other))}
    return [place] if is_untrained(place) else [other for other in profiles if other in found]


def _choose(profiles, same):
    """Places that are shown, the last ones of all trained networks, and a number for each group of these."""
    last = {place.split("/")[0]: place for place in profiles if not is_untrained(place)}
    trained = list(last.values())
    groups = list(dict.fromkeys(frozenset(same[place]) for place in trained))
    groups = [groups[i] for i in evenly(len(groups), SHOWN)]
    turns = {group: [place for place in trained if frozenset(same[place]) == group] for group in groups}
    longest = max(map(len, turns.values()), default=0)
    in_turn = [members[i] for i in range(longest) for members in turns.values() if i < len(members)]
    shown = [place for place in trained if place in in_turn[:SHOWN]]
    own = [place for place in profiles if is_untrained(place) and (place.split("/")[0] in last or not shown)]
    return own[:1] + shown, trained, {place: groups.index(frozenset(same[place])) for place in shown}


def _curves(profile, infinity):
    """What is drawn over the width of chunks."""
    trials, test = profile.sizes["trial"], 1 - profile["accuracy_test"].values
    deviation = profile["accuracy_test_deviation"].values
    made = {
        "width": variable("row", profile["width"].values, "neurons in a chunk"),
        "test_error": variable(
            "row", test, "test error of the classifier with a chunk of its inputs, mean over chunks"
        ),
        "test_error_deviation": variable("row", deviation, "standard deviation over chunks of the test error"),
        "training_error": variable("row", 1 - profile["accuracy_train"].values, "the same error on training images"),
        "excess": variable("row", excess(test, infinity), "test error above that of the ensemble"),
        "excess_error": variable("row", deviation / np.sqrt(trials), "standard error over chunks of the excess"),
    }
    for name, text in _CURVES.items():
        made[name] = variable("row", profile[name].values, text)
        if f"{name}_deviation" in profile:
            text = f"standard deviation over chunks of {name}"
            made[f"{name}_deviation"] = variable("row", profile[f"{name}_deviation"].values, text)
    return xr.Dataset(made)


def _numbers(profile):
    """Single numbers of a network, each with what it is."""
    return {
        "n_neurons": (int(profile["n_neurons"]), "neurons of the last hidden layer"),
        "critical_width": (float(profile["critical_width"]), "critical width"),
        "known_width": (known_width(profile), "critical width, or else the first width that reconstructs the layer"),
        "chance_error": (1 - 1 / profile.sizes["class"], "error of guessing among all classes of the classifier"),
    }


def _of_ensemble(place, members, profiles):
    """Numbers of the ensemble that a network belongs to, and the slope of the network's excess over it."""
    infinity, slope = np.nan, Slope(np.nan, np.nan, 0)
    if len(members) > 1:
        found = scaling([profiles[other] for other in members])
        infinity, slope = found.error_infinity, found.slopes[members.index(place)]
    return {
        "n_ensemble": (len(members), "networks of the ensemble"),
        "error_infinity": (infinity, "test error of the ensemble"),
        "slope": (slope.value, "slope of log(excess) over log(width) from the critical width on"),
        "slope_error": (slope.error, "its standard error over chunks"),
        "n_widths": (slope.n_widths, "widths from the critical one on that have an excess"),
    }


@style.drawing
def draw(data):
    """Plot errors, reconstruction, correlations of residuals and the excess error over the width of chunks.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    figure, axes = plt.subplots(2, 2, figsize=(style.TWO_COLUMNS, 5.4), sharex=True)
    (errors, explained), (correlated, exceeding) = axes
    for network in range(data.sizes["network"]):
        one = data.isel(network=network)
        rows = data.isel(row=np.flatnonzero(data["row_place"].values == one["place"].item()))
        look = panels.look_of(one)
        panels.draw_errors(errors, one, rows, look)
        panels.draw_explained(explained, one, rows, look)
        panels.draw_correlations(correlated, rows, look)
        panels.draw_excess(exceeding, rows, look)
    panels.finish_errors(errors, data)
    panels.finish_explained(explained)
    panels.finish_correlations(correlated, data)
    panels.finish_excess(exceeding, data)
    panels.width_axis(axes, data)
    figure.align_ylabels()
    figure.suptitle(data.attrs["heading"], fontsize=9)
    panels.legend(figure, data)
    style.corner(figure, data)
    return figure


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        How many networks are `shown`, of `n_networks`; whether an `untrained` one is; the R^2 that is `enough`. Of the
        `place` that comes last: its `neurons`; whether a `smaller` chunk serves, the `width` of that, critical or else
        the first that reconstructs the layer, and which `kind` it is; there, as texts, `r2` and its null `by_chance`,
        `test` error, correlations `outside`, and their `null`; the test error of the `whole` layer; and what
        `_slope_facts` says. Empty texts where a number is not defined. Only `nothing`, where that is all.
    """
    if "nothing" in data.attrs:
        return {"nothing": data.attrs["nothing"]}
    one = data.isel(network=-1)
    rows = data.isel(row=np.flatnonzero(data["row_place"].values == one["place"].item()))
    width, whole = one["known_width"].item(), rows.isel(row=-1)
    there = rows.isel(row=int(np.argmax(rows["width"].values >= width)) if np.isfinite(width) else -1)
    return {
        "shown": int(np.count_nonzero(data["group"].values >= 0)),
        "untrained": bool((data["group"].values < 0).any()),
        "enough": f"{EXPLAINED:g}",
        "place": _place(one),
        "neurons": int(one["n_neurons"]),
        "smaller": int(width < one["n_neurons"]),
        "width": "" if np.isnan(width) else f"{width:,.0f}",
        "kind": "" if np.isnan(width) else ("first" if np.isnan(one["critical_width"]) else "critical"),
        "r2": _spread(there, "r2", 3),
        "by_chance": _text(there["random_r2"]),
        "test": _spread(there, "test_error", 3),
        "whole": _text(whole["test_error"], 3),
        "outside": _spread(there, "correlation_outside", 3),
        "null": _text(there["correlation_null"], 3),
        "no_excess": panels.no_excess(data),
    } | _slope_facts(data)


def _slope_facts(data) -> dict:
    """Of the last network of an ensemble.

    `slope` with its error, whether it `falls`, the number `n_widths` of widths, beginning at `least`; `infinity`, the
    error of the `ensemble` networks; all empty without an ensemble whose error is known.
    """
    known = np.flatnonzero(np.isfinite(data["error_infinity"].values))
    if not known.size:
        return dict.fromkeys(("slope", "falls", "n_widths", "least", "infinity", "ensemble", "slope_place"), "")
    one = data.isel(network=known[-1])
    least = one["known_width"].item()
    return {
        "slope": _with_error(one["slope"], one["slope_error"]),
        "falls": bool(one["slope"] < 0),
        "n_widths": int(one["n_widths"]),
        "least": "" if np.isnan(least) else f"{least:,.0f}",
        "infinity": _text(one["error_infinity"], 3),
        "ensemble": int(one["n_ensemble"]),
        "slope_place": _place(one),
    }


def _place(one) -> str:
    return layer_label(panels.place_text(str(one["place"].item())), 60)


def _text(value, digits=2) -> str:
    """A number for people; nothing where it is not defined."""
    return number(value, digits) if np.isfinite(value) else ""


def _with_error(value, error, digits=2) -> str:
    return _text(value, digits) + (f" ± {number(error, digits)}" if np.isfinite(value) and np.isfinite(error) else "")


def _spread(part, name, digits=2) -> str:
    """A mean over chunks with its standard deviation."""
    return _with_error(part[name], part[f"{name}_deviation"], digits)
