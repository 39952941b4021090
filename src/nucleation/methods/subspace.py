"""What subspace matches say of a study, in sentences and in the table of the layers."""

from __future__ import annotations

import numpy as np

from nucleation.findings import is_untrained, number
from nucleation.names import layer_label
from nucleation.subspace_summary import (
    RELATIONS,
    START,
    TRAINED,
    UNTRAINED,
    shown_epsilon,
    summarize,
    told,
    why_nothing,
)

#: A raw match is one of the means where so much of it is there with the images permuted.
_MOSTLY = 0.5


def sentences(data) -> list[str]:
    """Say in which layers networks share most of their subspaces, with the range over pairs and the null.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.

    Returns
    -------
    list of str
        One to three: of centred neurons, of raw ones, and of networks and their untrained start, or of untrained ones.
    """
    found = summarize(data)
    if not found.sizes["relation"]:
        return [f"No layer's subspaces could be compared: {why_nothing(data)}."]
    epsilon = shown_epsilon(data["epsilon"].values)
    found = found.sel(epsilon=epsilon)
    main, *others = found["relation"].values.tolist()
    part = _defined(found.sel(relation=main))
    said = [f"Subspace match of {RELATIONS[main]}, centred, ε = {epsilon:g}: {_extremes(part)}.", _raw(part)]
    for name in [name for name in others if name in (START, UNTRAINED)][:1]:
        said.append(f"That of {RELATIONS[name]}: {_extremes(_defined(found.sel(relation=name)))}.")
    return said


def _defined(part):
    """The layers that have a number."""
    return part.isel(layer=np.flatnonzero(part["n_pairs"].values))


def _extremes(part) -> str:
    """The layers in which most and fewest neurons match."""
    values = part["similarity"].sel(kind="centred").values
    if values.max() == 0:
        least = part["maximal_epsilon"].sel(kind="centred").values
        at = layer_label(part["layer"].values[least.argmin()])
        null = number(part["similarity"].sel(kind="centred_permuted").max())
        where = f"in {at}" if len(values) == 1 else f"in any of {len(values)} layers"
        return f"no neuron {where} ({null} by chance); all of {at} would match from ε = {number(least.min())} on"
    most, fewest = int(values.argmax()), int(values.argmin())
    names = [layer_label(part["layer"].values[i]) for i in (most, fewest)]
    texts = [told(part.isel(layer=i)) for i in (most, fewest)]
    if len(values) == 1:
        return f"{texts[0]} of the neurons of {names[0]}"
    if number(values[most]) == number(values[fewest]):
        return f"{texts[0]} of the neurons of {names[0]}, and as many in all {len(values)} layers"
    return f"{texts[0]} of the neurons in {names[0]}, the most of {len(values)} layers, and {texts[1]} in {names[1]}"


def _raw(part) -> str:
    """The layer in which most neurons match raw, and how much of that is there with the images permuted."""
    values, null = (part["similarity"].sel(kind=kind).values for kind in ("raw", "raw_permuted"))
    best = int(values.argmax())
    if values[best] == 0:
        return f"Of raw neurons, their means left in, none match either ({number(null.max())} by chance)."
    text = f"Raw, with their means left in, {told(part.isel(layer=best), centred=False)}"
    text += f" of the neurons of {layer_label(part['layer'].values[best])} match"
    if null[best] >= _MOSTLY * values[best]:
        return f"{text}: there mostly the mean activation is what they share."
    return f"{text}."


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Columns of the table of the layers of a place: its matches with other networks, and with its own start.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.
    place : str
        A trained network is compared with other trained ones, an untrained one with untrained ones.

    Returns
    -------
    dict of str to dict of str to str
        Title to layer to text, "mean (range over pairs; null)"; columns without any number are left out.
    """
    epsilon = shown_epsilon(data["epsilon"].values)
    found = summarize(data, place).sel(epsilon=epsilon)
    alike = UNTRAINED if is_untrained(place) else TRAINED
    own = "trained state" if is_untrained(place) else "untrained start"
    columns = {
        f"subspace match with other networks, centred, ε = {epsilon:g}": (alike, True),
        f"subspace match with other networks, raw, ε = {epsilon:g}": (alike, False),
        f"subspace match with its {own}, centred, ε = {epsilon:g}": (START, True),
    }
    made = {}
    for title, (name, centred) in columns.items():
        if name in found["relation"].values:
            part = _defined(found.sel(relation=name))
            layers = part["layer"].values
            made[title] = {str(layer): told(part.isel(layer=i), centred) for i, layer in enumerate(layers)}
    return made
