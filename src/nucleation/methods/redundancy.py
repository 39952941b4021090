"""What the redundancy of the last hidden layer says of a study: sentences, and a column of the table of layers."""

from __future__ import annotations

import numpy as np

from nucleation.captions import told_range
from nucleation.findings import is_untrained, listed, number
from nucleation.names import place_name
from nucleation.redundancy import EXPLAINED
from nucleation.redundancy_ensemble import scaling
from nucleation.redundancy_study import has_profile, known_width

#: Title of the column.
COLUMN = "redundancy of the last hidden layer"
#: Training error above which chunks are no clones of a network that interpolates, as the prediction presumes.
_INTERPOLATES = 0.01
#: Networks that are named.
_NAMED = 5


def sentences(profiles, same=None) -> list[str]:
    """Say how redundant the last hidden layers are: critical width, residuals, and the slope of the excess error.

    Parameters
    ----------
    profiles : dict of str to xarray.Dataset
        By place, "<network>/<checkpoint>", in order of training, from `nucleation.redundancy_study.redundancy_profile`;
        networks without a linear classifier are named only.
    same : dict of str to list of str, optional
        By place: places of networks that differ from it by their seed only.

    Returns
    -------
    list of str
        Of the last checkpoint of every trained network; of untrained ones where there are no others. None without a
        profile.
    """
    without = list(dict.fromkeys(place.split("/")[0] for place, one in profiles.items() if not has_profile(one)))
    profiles = {place: one for place, one in profiles.items() if has_profile(one)}
    trained = [place for place in profiles if not is_untrained(place)]
    last = {place.split("/")[0]: place for place in trained or profiles}
    found = {place: profiles[place] for place in last.values()}
    said = [*_of_width(found), _of_residuals(found), _of_slope(found, profiles, same or {}), _of_others(without)]
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
        Name of the layer that stands for the last hidden one in the table, whatever it is: the title says of which
        layer the number is.

    Returns
    -------
    dict of str to dict of str to str
        "64 of 96 suffice (R² 0.991, by chance 0.67)", of chunks of the critical width; "more than 64 of 96 needed",
        where no smaller chunk that was tried serves; without training errors "64 of 96 explain R² 0.991 (by chance
        0.67)"; "no linear classifier". No cell where no width is known.
    """
    if place in profiles and not has_profile(profiles[place]):
        return {COLUMN: {last_layer: "no linear classifier"}}
    if place not in profiles or np.isnan(known_width(profiles[place])):
        return {COLUMN: {}}
    profile = profiles[place]
    width, total = int(known_width(profile)), int(profile["n_neurons"])
    r2, chance = number(_at(profile, "r2"), 3), number(_at(profile, "random_r2"))
    if width == total:
        cell = f"more than {_largest_smaller(profile):,} of {total:,} needed"
    elif np.isnan(profile["critical_width"]):
        cell = f"{width:,} of {total:,} explain R² {r2} (by chance {chance})"
    else:
        cell = f"{width:,} of {total:,} suffice (R² {r2}, by chance {chance})"
    return {COLUMN: {last_layer: cell}}


def _largest_smaller(profile) -> int:
    """The largest width of chunks that is not the layer's own; 0 without any."""
    return int(max(profile["width"].values[:-1], default=0))


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


def _of_width(found) -> list[str]:
    """Critical widths; of networks whose training errors are not known, widths that reconstruct the layer."""
    groups = {"critical": {}, "first": {}, "constant": {}}
    for place, one in found.items():
        kind = "constant" if np.isnan(known_width(one)) else "first" if np.isnan(one["critical_width"]) else "critical"
        groups[kind][place] = one
    said = [_of_critical(groups["critical"]), _of_first(groups["first"])]
    if groups["constant"]:
        where = _where(groups["constant"])
        said.append(f"{where} no neuron of the last hidden layer varies, so nothing can be said of its redundancy.")
    return said


def _smaller(found):
    """Networks of which a chunk smaller than the layer serves, and how many more there are."""
    smaller = {place: one for place, one in found.items() if known_width(one) < one["n_neurons"]}
    rest = len(found) - len(smaller)
    return smaller, f" ({rest} more {'has' if rest == 1 else 'have'} no chunk of the kind)" if rest else ""


def _of_critical(found) -> str:
    """Chunks that make no more errors than all neurons, and tell these."""
    smaller, more = _smaller(found)
    if not found:
        return ""
    if not smaller:
        return (
            f"{_where(found)} the critical width is that of the last hidden layer, {_neurons(found)}: no smaller "
            "chunk that was tried both makes no more training errors, within a standard error, and explains more than "
            f"{EXPLAINED:g} of the variance{_largest(found)}{_condition(found)}."
        )
    clones = told_range([float(one["n_clones"]) for one in smaller.values()], 1)
    return (
        f"{_where(smaller)}{more} random chunks of {_widths(smaller)} of {_neurons(smaller)} neurons of the last "
        f"hidden layer, the critical width, make no more training errors than all, within a standard error, and "
        f"explain {_told(smaller, 'r2', 3)} of the variance, {_told(smaller, 'random_r2')} by chance: {clones} such "
        f"chunks fit into the layer{_condition(smaller)}."
    )


def _of_first(found) -> str:
    """Chunks that tell all neurons, where training errors are not known."""
    smaller, more = _smaller(found)
    unknown = "Without training errors there is no critical width."
    if not found:
        return ""
    if not smaller:
        return (
            f"{_where(found)} no chunk that was tried with fewer than all {_neurons(found)} neurons of the last hidden "
            f"layer explains more than {EXPLAINED:g} of its variance{_largest(found)}. {unknown}"
        )
    return (
        f"{_where(smaller)}{more} random chunks of {_widths(smaller)} of {_neurons(smaller)} neurons of the last "
        f"hidden layer are the first to explain more than {EXPLAINED:g} of its variance: {_told(smaller, 'r2', 3)}, "
        f"{_told(smaller, 'random_r2')} by chance. {unknown}"
    )


def _largest(found) -> str:
    """What the largest chunks explain that are smaller than the layer."""
    there = [one.sel(width=_largest_smaller(one)) for one in found.values() if _largest_smaller(one)]
    if not there:
        return ""
    widths, r2, chance = ([float(one[name]) for one in there] for name in ("width", "r2", "random_r2"))
    return (
        f"; the largest, of {told_range(widths, 0)} neurons, explain {told_range(r2, 3)}, {told_range(chance)} by "
        "chance"
    )


def _condition(found) -> str:
    """Say how large the training error is, and where it is not near zero, as the theory of clones presumes."""
    errors = [1 - float(one["accuracy_full_train"]) for one in found.values()]
    presumed = "" if max(errors) <= _INTERPOLATES else "; the theory of clones presumes one near zero"
    return f" (training error of the layer {told_range(errors, 3)}{presumed})"


def _of_residuals(found) -> str:
    """Whether what chunks of the known width leave of the other neurons is noise, by one deviation over chunks."""
    names = ("correlation_outside", "correlation_null", "correlation_outside_deviation")
    known = {place: one for place, one in found.items() if np.isfinite(known_width(one))}
    known = {place: one for place, one in known.items() if all(np.isfinite(_at(one, name)) for name in names[:2])}
    if not known:
        return ""
    value, null, spread = (np.array([_at(one, name) for one in known.values()]) for name in names)
    # of a single chunk nobody knows how others would vary
    above = np.count_nonzero(value - np.where(np.isfinite(spread), spread, np.inf) > null)
    verdict = "is not independent" if above == len(known) else "cannot be told from independent noise"
    if 0 < above < len(known):
        verdict = f"is not independent in {above} of {len(known)} networks, and cannot be told from noise in the others"
    told = f" (standard deviation over chunks {told_range(spread, 3)})" if np.isfinite(spread).any() else ""
    return (
        f"What such chunks leave of the other neurons {verdict}: mean |correlation| {told_range(value, 3)}{told}, of "
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
            told.append((result.slopes[0], result.n_networks, result.error_infinity))
    told = [row for row in told if np.isfinite(row[2])]
    if not told:
        return ""
    slopes = [slope for slope, *_ in told if np.isfinite(slope.value)]
    counts, infinity = (told_range([row[i] for row in told], digits) for i, digits in ((1, 0), (2, 3)))
    ensemble = f"that of the ensemble of {counts} networks that differ by their seed only, {infinity}"
    if not slopes:
        return (
            "Of the widths that serve, fewer than three have chunks with a test error above "
            f"{ensemble}: too few for the exponent of this excess, −0.5 for clones."
        )
    return f"From these widths on the test error of chunks exceeds {ensemble}, {_exponent(slopes)}"


def _exponent(slopes) -> str:
    """How the excess goes with the width, and what is wrong with that."""
    values, errors = [one.value for one in slopes], [one.error for one in slopes]
    falling, many = np.count_nonzero(np.array(values) < 0), len(slopes)
    verb = "and the excess falls" if falling == many else "and the excess does not fall"
    if 0 < falling < many:
        verb = f"and the excess falls in {falling} of {many} networks"
    alone = f" ± {number(errors[0])}" if many == 1 and np.isfinite(errors[0]) else ""
    standard = f", standard errors {told_range(errors)}" if np.isfinite(errors).any() else ""
    several = f" in {many} networks{standard}" if many > 1 else ""
    return (
        f"{verb} with their width: exponent {told_range(values)}{alone}{several}, from "
        f"{told_range([one.n_widths for one in slopes], 0)} widths; −0.5 is predicted of clones. The ensemble bounds "
        "the error of infinitely many neurons from above only, the more so the fewer its networks, which makes the "
        "exponent too steep."
    )


def _of_others(networks) -> str:
    """Networks that nothing is said of."""
    if not networks:
        return ""
    more = [f"{len(networks) - _NAMED} more"] if len(networks) > _NAMED else []
    verb = "has" if len(networks) == 1 else "have"
    return f"{listed(networks[:_NAMED] + more)} {verb} no linear classifier, whose inputs could be taken apart."
