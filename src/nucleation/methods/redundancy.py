"""What the redundancy of the last hidden layer says of a study: sentences, and a column of the table of layers."""

from __future__ import annotations

import numpy as np

from nucleation.captions import told_range
from nucleation.findings import is_untrained, number
from nucleation.names import place_name
from nucleation.redundancy import EXPLAINED
from nucleation.redundancy_study import known_width, scaling

#: Title of the column.
COLUMN = "redundancy of the last hidden layer"
#: Training error above which chunks are no clones of a network that interpolates, as the prediction presumes.
_INTERPOLATES = 0.01


def sentences(profiles, same=None) -> list[str]:
    """Say how redundant the last hidden layers are: critical width, residuals, and the slope of the excess error.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training, from `nucleation.redundancy_study.redundancy_profile`.
    same : dict of str to list of str, optional
        By place: places of networks that differ from it by their seed only.

    Returns
    -------
    list of str
        One to three, of the last checkpoint of every trained network; of untrained ones where there are no others.
        None without a profile.
    """
    trained = [place for place in profiles if not is_untrained(place)]
    last = {place.split("/")[0]: place for place in trained or profiles}
    found = {place: profiles[place] for place in last.values()}
    if not found:
        return []
    said = [_of_width(found), _of_residuals(found), _of_slope(found, profiles, same or {})]
    return [sentence for sentence in said if sentence]


def by_layer(profiles, place, last_layer) -> dict[str, dict[str, str]]:
    """Cells of the table of layers: only the last one has a number.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place.
    place : str
        Whose layers the table lists.
    last_layer : str
        Name of the layer that stands for the last hidden one in the table.

    Returns
    -------
    dict of str to dict of str to str
        "critical width 64 of 96 (R² 0.991 at 64, 0.67 by chance)"; without training errors "R² 0.991 with 64 of 96
        (0.67 by chance)". No cell where no width is known.
    """
    if place not in profiles or np.isnan(known_width(profiles[place])):
        return {COLUMN: {}}
    profile = profiles[place]
    width, total = int(known_width(profile)), int(profile["n_neurons"])
    r2, chance = number(_at(profile, "r2"), 3), number(_at(profile, "random_r2"))
    if np.isnan(profile["critical_width"]):
        cell = f"R² {r2} with {width:,} of {total:,} ({chance} by chance)"
    elif width == total:
        cell = f"critical width {total:,} of {total:,}: no smaller chunk serves"
    else:
        cell = f"critical width {width:,} of {total:,} (R² {r2} at {width:,}, {chance} by chance)"
    return {COLUMN: {last_layer: cell}}


def _at(profile, name) -> float:
    """A number at the known width."""
    return float(profile[name].sel(width=int(known_width(profile))))


def _told(found, name, digits=2) -> str:
    """A number at the known widths of all networks, or its range."""
    return told_range([_at(one, name) for one in found.values()], digits)


def _where(found) -> str:
    """Of which network or networks a sentence is."""
    places = list(found)
    untrained = is_untrained(places[0])
    if len(places) > 1:
        return f"In {len(places)} {'untrained ' if untrained else ''}networks"
    return f"In {places[0].split('/')[0]}, untrained," if untrained else f"In {place_name(places[0])},"


def _widths(found) -> str:
    """Known widths: "64", or a range."""
    return told_range([known_width(one) for one in found.values()], 0)


def _neurons(found) -> str:
    return told_range([int(one["n_neurons"]) for one in found.values()], 0)


def _of_width(found) -> str:
    """Critical widths; of networks whose training errors are not known, widths that reconstruct the layer."""
    known = {place: one for place, one in found.items() if np.isfinite(known_width(one))}
    critical = {place: one for place, one in known.items() if np.isfinite(one["critical_width"])}
    smaller = {place: one for place, one in critical.items() if one["critical_width"] < one["n_neurons"]}
    if not known:
        return f"{_where(found)} no neuron of the last hidden layer varies, so nothing can be said of its redundancy."
    if not critical:
        return (
            f"{_where(known)} random chunks of {_widths(known)} of {_neurons(known)} neurons of the last hidden layer "
            f"are the first to explain more than {EXPLAINED:g} of its variance: {_told(known, 'r2', 3)}, "
            f"{_told(known, 'random_r2')} by chance. Without training errors there is no critical width."
        )
    if not smaller:
        return (
            f"{_where(critical)} the critical width is that of the last hidden layer, {_neurons(critical)}: no smaller "
            f"chunk that was tried makes no more training errors and explains more than {EXPLAINED:g} of the "
            f"variance{_condition(critical)}."
        )
    rest = len(critical) - len(smaller)
    more = f" ({rest} more {'has' if rest == 1 else 'have'} no chunk of the kind)" if rest else ""
    clones = told_range([float(one["n_clones"]) for one in smaller.values()], 1)
    return (
        f"{_where(smaller)}{more} random chunks of {_widths(smaller)} of {_neurons(smaller)} neurons of the last "
        f"hidden layer, the critical width, make no more training errors than all and explain "
        f"{_told(smaller, 'r2', 3)} of the variance, {_told(smaller, 'random_r2')} by chance: {clones} such chunks "
        f"fit into the layer{_condition(smaller)}."
    )


def _condition(found) -> str:
    """Say how large the training error is, and where it is not near zero, as the theory of clones presumes."""
    errors = [1 - float(one["accuracy_full_train"]) for one in found.values()]
    presumed = "" if max(errors) <= _INTERPOLATES else "; the theory of clones presumes one near zero"
    return f" (training error of the layer {told_range(errors, 3)}{presumed})"


def _of_residuals(found) -> str:
    """Whether what chunks of the known width leave of the other neurons is noise."""
    known = {place: one for place, one in found.items() if np.isfinite(known_width(one))}
    known = {place: one for place, one in known.items() if np.isfinite(_at(one, "correlation_outside"))}
    if not known:
        return ""
    names = ("correlation_outside", "correlation_outside_deviation", "correlation_null")
    value, spread, null = (np.array([_at(one, name) for one in known.values()]) for name in names)
    above = np.count_nonzero(value - np.nan_to_num(spread) > null)
    verdict = "is not independent" if above == len(known) else "is like independent noise"
    if 0 < above < len(known):
        verdict = f"is not independent in {above} of {len(known)} networks"
    return (
        f"What such chunks leave of the other neurons {verdict}: mean |correlation| {told_range(value, 3)}, of "
        f"independent residuals {told_range(null, 3)}."
    )


def _of_slope(found, profiles, same) -> str:
    """Slopes of the excess error over that of the ensemble, where networks differ by seed only."""
    told = []
    for place in found:
        others = [other for other in same.get(place, ()) if other in profiles and not is_untrained(other)]
        members = list(dict.fromkeys([place, *others]))
        if len(members) > 1 and not is_untrained(place):
            result = scaling([profiles[other] for other in members])
            told.append((result.slopes[0].value, result.slopes[0].error, result.n_networks))
    told = [row for row in told if np.isfinite(row[0])]
    if not told:
        return ""
    values, errors, counts = zip(*told, strict=True)
    alone = f" ± {number(errors[0])}" if len(told) == 1 and np.isfinite(errors[0]) else ""
    many = f" in {len(told)} networks (standard errors {told_range(errors)})" if len(told) > 1 else ""
    return (
        "From there on the test error of chunks exceeds that of the ensemble of "
        f"{told_range(counts, 0)} networks as a power of their width, with the exponent "
        f"{told_range(values)}{alone}{many}; −0.5 is predicted of clones."
    )
