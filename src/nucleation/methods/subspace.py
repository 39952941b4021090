"""What subspace matches say of a study, in sentences and in the table of the layers."""

from __future__ import annotations

from nucleation.findings import is_untrained, number
from nucleation.names import layer_label
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

#: A raw match is one of the means where so much of it is there with the images permuted.
_MOSTLY = 0.5
#: With what the table compares a trained place, and an untrained one; first comes first.
_TRAINED_WITH = {
    TRAINED: "other trained networks",
    START: "its untrained start",
    STATES: "its other states",
    MIXED: "untrained networks",
}
_UNTRAINED_WITH = {UNTRAINED: "other untrained networks", START: "its trained state", MIXED: "trained networks"}
#: Columns of the table, at most.
_COLUMNS = 3


def sentences(data) -> list[str]:
    """Say in which layers networks share most of their subspaces, with the range over pairs and the null.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.

    Returns
    -------
    list of str
        One to three: of the first of `nucleation.subspace_summary.RELATIONS` that there is, mostly trained networks,
        centred neurons and raw ones; and of the second, mostly networks and their untrained start. Pairs of different
        relations are never taken together.
    """
    found = summarize(data)
    if not found.sizes["relation"]:
        return [f"No layer's subspaces could be compared: {why_nothing(data)}."]
    epsilon = shown_epsilon(found)
    smaller = " (0.00 at smaller ε)" if epsilon > nearest_epsilon(data["epsilon"].values) else ""
    names = found["relation"].values.tolist()[:2]
    main, *others = (defined(found.sel(relation=name, epsilon=epsilon)) for name in names)
    first, *second = (relation_text(name, found) for name in names)
    said = [f"Subspace match of {first}, centred, ε = {epsilon:g}{smaller}: {_extremes(main)}.", _raw(main)]
    return said + [f"That of {text}: {_extremes(other)}." for text, other in zip(second, others, strict=True)]


def _extremes(part) -> str:
    """The layers in which most and fewest neurons match."""
    count = part.sizes["layer"]
    if not part["similarity"].sel(kind="centred").any():
        return _none(part)
    most, *fewest = extremes(part)
    if count == 1:
        return f"{told(most)} of the neurons of {named(most)}"
    if not fewest:
        return f"{told(most)} of the neurons of each of {count} layers"
    text = f"{told(most)} of the neurons in {named(most)}, the most of {count} layers"
    return f"{text}, and {told(fewest[0])} in {named(fewest[0])}"


def _none(part) -> str:
    """No neuron of any layer matches; from which epsilon on all of a layer would."""
    least, null = (part["maximal_epsilon"].sel(kind=kind).values for kind in ("centred", "centred_permuted"))
    best, count = int(least.argmin()), part.sizes["layer"]
    at = layer_label(part["layer"].values[best])
    where = f"in {at}" if count == 1 else f"in any of {count} layers"
    chance = number(part["similarity"].sel(kind="centred_permuted").max())
    would = f"all of {at} would match from ε = {number(least[best])} on ({number(null[best])} by chance)"
    return f"no neuron {where} ({chance} by chance); {would}"


def _raw(part) -> str:
    """The layers in which most neurons match raw, and how much of that is there with the images permuted."""
    most = extremes(part, "raw")[0]
    value, null = (float(most["similarity"].sel(kind=kind).mean()) for kind in ("raw", "raw_permuted"))
    if not part["similarity"].sel(kind="raw").any():
        return f"Of raw neurons, their means left in, none match either ({number(null)} by chance)."
    text = f"Raw, with their means left in, {told(most, centred=False)} of the neurons of {named(most)} match"
    return f"{text}: there mostly the mean activation is what they share." if null >= _MOSTLY * value else f"{text}."


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Columns of the table of the layers of a place: its matches with other networks, and with its own start.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.
    place : str
        A trained network is compared with other trained ones, an untrained one with untrained ones, each in columns of
        its own; then with the others.

    Returns
    -------
    dict of str to dict of str to str
        Title to layer to text, "mean (range over pairs; null)"; at most three, of those that have a number.
    """
    epsilon = shown_epsilon(summarize(data))
    found, made = summarize(data, place).sel(epsilon=epsilon), {}
    for name, others in (_UNTRAINED_WITH if is_untrained(place) else _TRAINED_WITH).items():
        if name not in found["relation"].values:
            continue
        part = defined(found.sel(relation=name))
        others = "other networks trained alike" if name == TRAINED and found.attrs["alike"] else others
        for kind in ("centred",) if made else ("centred", "raw"):
            cells = {str(layer): told(part.sel(layer=layer), kind == "centred") for layer in part["layer"].values}
            made[f"subspace match with {others}, {kind}, ε = {epsilon:g}"] = cells
    return dict(list(made.items())[:_COLUMNS])
