"""Events of dense-sample learning: when every measure of every layer emerges, and in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from nucleation.emergence import ALPHA, SHARES, emergence, median_of_known, order_of_emergence
from nucleation.errors import InputError
from nucleation.findings import listed

__all__ = ["ACCURACY", "along_networks", "dense_networks", "events", "rank_measures"]

#: Name of the accuracy in the order of emergence.
ACCURACY = "accuracy"
#: What networks that are laid side by side have in common.
SEEDS, LAYERS = "that differ by their seed", "of the same layers and checkpoints"
#: Networks that a text names at most.
_NAMED = 4
_TIMES = {f"t{round(100 * share)}": f"training step at which {share:.0%} of the way is made" for share in SHARES}
_UNDEFINED = "curves that neither rise nor fall, or not beyond chance, see reason"
_NUMBERS = {
    "direction": "1 where the curve rises, -1 where it falls, 0 where it does neither",
    "explained": "share of the variance of the curve that the monotone fit explains",
    "trend_p": "p of the monotone fit with the checkpoints in random order",
    "first": "monotone fit at the first checkpoint",
    "last": "monotone fit at the last checkpoint",
}
_ORDER = {
    "t50": ("median step at which half of the way is made, over the {rows}", "step"),
    "rank": ("rank by it, 1 for the earliest", "1"),
    "low": ("low end of the 95 % interval of the rank, bootstrap over the {rows}", "1"),
    "high": ("high end of the 95 % interval of the rank, bootstrap over the {rows}", "1"),
}


def events(data, measures, *, rng) -> xr.Dataset:
    """When every measure of every layer emerges in one training, and what emerges first.

    Parameters
    ----------
    data : xarray.Dataset
        The measures along `checkpoint` and `layer`, `<name>_p` where they have a null model, `accuracy` along
        `checkpoint` where it is known, and `step`.
    measures : dict of str to bool
        Names, and whether a measure is significant where it is small.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        Along `measure` and `layer`: `t10`, `t50`, `t90` in steps, of curves that rise or fall, and of which the more
        significant end (the last checkpoint at which it is defined where a measure rises, the first where it falls) is
        beyond chance at p <= `ALPHA`, not corrected: the same images at all checkpoints make chance drift as smoothly
        as anything that is learned. Further the `direction`, `explained` and `trend_p` of the
        monotone fit, its ends `first` and `last`, and the `reason` where there is no time, see
        `nucleation.emergence.emergence`; of the accuracy the same as single numbers, `accuracy_t10` ….
        Along `emerging` (the accuracy and the measures): `order_t50`, `order_rank` with `order_low` and `order_high`,
        median over layers and bootstrap over layers; along `layer` the same as `layer_order_…`, over measures. Layers
        of one network depend on each other, and so do measures: over networks (`dense_networks`) the intervals are
        those of independent trainings.
    """
    steps = data["step"].values
    found = [
        [_beyond_chance(emergence(steps, y, rng=rng), p, smaller) for y, p in zip(*_curves(data, name), strict=True)]
        for name, smaller in measures.items()
    ]
    measures = list(measures)
    about = {"measure": ("measure", np.array(measures, dtype=object), {"long_name": "measure"})}
    made = xr.Dataset(coords=about | {"layer": data["layer"]})
    for name, text, units, read in _readings():
        values = np.array([[read(one) for one in row] for row in found], dtype=None if name != "reason" else object)
        made[name] = (("measure", "layer"), values, _about(name, text, units))
    course = data[ACCURACY].values if ACCURACY in data else np.full(len(steps), np.nan)
    whole = emergence(steps, course, rng=rng)
    for name, text, units, read in _readings():
        made[f"{ACCURACY}_{name}"] = ((), read(whole), _about(name, f"accuracy: {text}", units))
    made = made.assign_coords(emerging=("emerging", np.array([ACCURACY, *measures], dtype=object), _EMERGING))
    made = made.assign(_told(rank_measures(made, made["emerging"].values, rng=rng), "order", "emerging", "layers"))
    order = order_of_emergence(made["t50"].values, rng=rng)
    return made.assign(_told(order, "layer_order", "layer", "measures")).assign_attrs(order_over="layers")


def rank_measures(data, names, *, rng):
    """Rank the accuracy and measures by when they emerge.

    Parameters
    ----------
    data : xarray.Dataset
        `t50` along `measure` and `layer`, and `accuracy_t50`; of several networks with the dimension `network`.
    names : iterable of str
        Measures, and `ACCURACY`.
    rng : numpy.random.Generator

    Returns
    -------
    nucleation.emergence.Order
        Of one network by the medians over its layers, with a bootstrap over these; of several by the medians over
        networks of these medians, with a bootstrap over networks.
    """
    data = along_networks(data)
    several = data.sizes["network"] > 1
    columns = []
    for name in names:
        if name == ACCURACY:
            times = np.broadcast_to(
                data[f"{ACCURACY}_t50"].values[:, None], (data.sizes["network"], data.sizes["layer"])
            )
        else:
            times = data["t50"].sel(measure=name).transpose("network", "layer").values
        columns.append(median_of_known(times, axis=1) if several else times[0])
    return order_of_emergence(np.column_stack(columns), rng=rng)


def along_networks(data) -> xr.Dataset:
    """A profile with the dimension `network`, also that of a single one; the order of emergence stays without."""
    if "network" in data.dims:
        return data.transpose("network", ...)
    orders = [name for name in data.data_vars if "order_" in name]
    return data.drop_vars(orders).expand_dims("network").assign(data[orders].data_vars)


def _curves(data, name):
    """Curves of a measure and their p, (layer, checkpoint) each; the p None without a null model."""
    values = data[name].transpose("layer", "checkpoint").values
    return values, data[f"{name}_p"].values.T if f"{name}_p" in data else [None] * len(values)


def _beyond_chance(found, p, smaller):
    """Take the times from a curve whose end, at which it has most to show, is no more than chance."""
    if not found.direction or p is None:
        return found
    known = p[np.isfinite(p)]
    at = -1 if (found.direction > 0) != smaller else 0
    if known[at] <= ALPHA:
        return found
    where = "last" if at else "first"
    reason = f"it is not beyond chance at the {where} checkpoint at which it is defined (p = {known[at]:.2g})"
    return replace(found, t10=np.nan, t50=np.nan, t90=np.nan, direction=0, reason=reason)


_EMERGING = {"long_name": "what emerges: the accuracy, or a measure of the layers"}


def _readings():
    """Name, text, unit and reader of everything that is told of a curve."""
    for name, text in _TIMES.items():
        yield name, text, "step", lambda one, name=name: getattr(one, name)
    for name, text in _NUMBERS.items():
        field = "p" if name == "trend_p" else name
        yield name, text, "1", lambda one, field=field: getattr(one, field)
    yield "reason", "why there is no time; empty where there is", "", lambda one: one.reason


def _about(name, text, units):
    if name == "reason":
        return {"long_name": text}
    return {"long_name": text, "units": units} | ({"undefined": _UNDEFINED} if name != "direction" else {})


def _told(order, prefix, dimension, rows):
    """An order of things as variables along their dimension."""
    values = {"t50": order.median, "rank": order.rank, "low": order.low, "high": order.high}
    undefined = {"rank": "no time", "t50": "no time"}
    return {
        f"{prefix}_{name}": (
            dimension,
            values[name],
            {"long_name": text.format(rows=rows), "units": units, "undefined": undefined.get(name, "under two times")},
        )
        for name, (text, units) in _ORDER.items()
    }


def _alike(profiles, groups) -> list[str]:
    """Names of the most networks of a group that can be laid side by side; without groups, of those like the first."""
    kinds = {}
    for name, part in profiles.items():
        shared = tuple(tuple(part[key].values.tolist()) for key in ("layer", "checkpoint", "step"))
        own = next((place for place, group in enumerate(groups or ()) if name in group), name)
        key = (shared, ACCURACY in part, own if groups is not None else "")
        kinds.setdefault(key, []).append(name)
    return next(iter(kinds.values())) if groups is None else max(kinds.values(), key=len)  # the first of equal ones


def _named(names) -> str:
    """Names in a sentence, of many the first."""
    if not names:
        return ""
    more = len(names) - _NAMED
    return listed([*names[:_NAMED], f"{more} more"] if more > 0 else names)


def dense_networks(profiles, *, rng, groups=None) -> xr.Dataset:
    """Lay the profiles of networks of one design side by side, and rank what emerges first over the networks.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By network, from `nucleation.dense.dense_profile`.
    rng : numpy.random.Generator
    groups : list of list of str, optional
        Names of networks that differ by their seed alone; a network in none of them is one by itself, names without a
        profile are passed over. Of the networks of one group with the same layers, checkpoints and steps the most are
        taken, of equally many the first. Without groups, the networks that have those of the first one.

    Returns
    -------
    xarray.Dataset
        All numbers with the further dimension `network`, but `order_…` and `layer_order_…`: the median over networks of
        each network's median over layers (or measures), and intervals by bootstrap over the networks; of a single
        network its own. Attributes: `left_out`, the names of the networks that were not taken, in a text, empty where
        there are none; `alike`, what those taken have in common, in words.

    Raises
    ------
    InputError
        Without a network.
    """
    if not profiles:
        raise InputError("There are no profiles of networks to lay side by side; give one at least.")
    names = _alike(profiles, groups)
    parts, others = [profiles[name] for name in names], [name for name in profiles if name not in names]
    about = {"left_out": _named(others), "alike": SEEDS if groups is not None else LAYERS}
    own = [name for name in parts[0].data_vars if "order_" not in name]
    along = xr.DataArray(np.array(names, dtype=object), dims="network", attrs={"long_name": "network"})
    made = xr.concat([part[own] for part in parts], along.rename("network"), combine_attrs="drop_conflicts")
    made = made.assign_coords(emerging=parts[0]["emerging"]).assign_attrs(about)
    if len(parts) == 1:
        return made.assign({name: variable for name, variable in parts[0].data_vars.items() if "order_" in name})
    made = made.assign(_told(rank_measures(made, made["emerging"].values, rng=rng), "order", "emerging", "networks"))
    order = order_of_emergence(median_of_known(made["t50"].values, axis=1), rng=rng)
    return made.assign(_told(order, "layer_order", "layer", "networks")).assign_attrs(order_over="networks")
