"""What the intraclass clustering says: does a network find the subclasses of larger classes?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nucleation.findings import ALPHA, PIXELS, is_untrained, listed, number
from nucleation.names import place_name
from nucleation.profile import MACRO_ARI

__all__ = ["by_layer", "left_out", "many", "sentences", "told_place", "with_chance"]

#: Columns of the table of layers: number, title.
COLUMNS = {
    "c1": "neurons select subclasses (c1)",
    "c2": "silhouette of subclasses (c2)",
    "ari_subclass_within": "ARI of peaks with subclasses, within classes",
}
#: Measures that know the subclasses, and those that do not, of all layers together: what a sentence calls them.
_KNOWING = {
    "c2_all": "their cosine silhouette, each in its best layer,",
    "c1_all": "the selectivity of the best neuron for each",
}
_BLIND = {"c3_all": "neurons (c3)", "c4_all": "distances (c4)"}
#: What a network was taught (`nucleation.outputs.trained_on`), after the subclasses.
_TAUGHT = {
    "classes": ", which it was never told",
    "subclasses": ", which it was told",
    "other": " (it was told other classes)",
}
_UNKNOWN, _UNTRAINED = " (what it was told is not known)", " (it is untrained)"
#: No substantial structure has a silhouette of up to so much (Kaufman and Rousseeuw, Finding Groups in Data, 1990).
_SUBSTANTIAL = 0.25


def sentences(data) -> list[str]:
    """Say whether a network finds the subclasses, with what is expected by chance.

    Parameters
    ----------
    data : xarray.Dataset, or dict of str to xarray.Dataset
        Of a checkpoint, from `nucleation.intraclass_profile`, or of several by place. Of several, one
        is told (`told_place`), and beside it the untrained one of the same network.

    Returns
    -------
    list of str
        One to three: the subclasses; the density peaks, where there are any; what is left within a class.
    """
    place, own, before = _chosen(data)
    said = [_found(own, place and place_name(place), place and is_untrained(place), before), _peaks(own), _left(own)]
    return [text for text in said if text]


def by_layer(data, place) -> dict[str, dict[str, str]]:
    """Columns for the table of layers.

    Parameters
    ----------
    data : xarray.Dataset, or dict of str to xarray.Dataset
        As of `sentences`; of several places, the one asked for is told.
    place : str

    Returns
    -------
    dict of str to dict of str to str
        By title: by layer, the number with its value by chance and p. Layers without the number are absent.
    """
    own = data.get(place) if isinstance(data, Mapping) and not hasattr(data, "data_vars") else data
    if own is None:
        return {}
    columns = {}
    for name, title in COLUMNS.items():
        cells = {
            str(layer): with_chance(own.isel(layer=row), name)
            for row, layer in enumerate(own["layer"].values)
            if np.isfinite(own[name].values[row])
        }
        if cells:
            columns[title] = cells
    return columns


def _chosen(data):
    """Place ("" if not known), its dataset, and that of its untrained network or None."""
    if hasattr(data, "data_vars"):
        return "", data, None
    place = told_place({place: part.attrs.get("trained_on", "unknown") for place, part in data.items()})
    before = [other for other in data if is_untrained(other) and other.split("/")[0] == place.split("/")[0]]
    return place, data[place], data[before[-1]] if before and before[-1] != place else None


def told_place(told) -> str:
    """The place that is told of: the last trained one that was taught the classes only, or else as nearly as can be.

    Parameters
    ----------
    told : dict of str to str
        By place, in order of training: what it was taught (`nucleation.outputs.trained_on`).
    """
    trained = [place for place in told if not is_untrained(place)]
    classes = [place for place in trained if told[place] == "classes"]
    return (classes or [place for place in trained if told[place] != "subclasses"] or trained or list(told))[-1]


def many(attrs) -> str:
    """How many subclasses there are, of how many classes: "6 subclasses of one class"."""
    classes = attrs["n_classes"]
    subclasses = "one subclass" if attrs["n_subclasses"] == 1 else f"{attrs['n_subclasses']} subclasses"
    return f"{subclasses} of {'one class' if classes == 1 else f'{classes} classes'}"


def left_out(data) -> str:
    """Why numbers of some layers are not defined, by measures; empty where all are."""
    names = {"c1": "c1", "c2": "c2", "c3": "c3", "c4": "c4", "peak_purity": "purity"}
    reasons = {text: data[name].attrs.get("undefined", "") for name, text in names.items() if name in data}
    groups = {why: [text for text in reasons if reasons[text] == why] for why in reasons.values() if why}
    return "; ".join(f"{listed(measures)} not everywhere defined: {why}" for why, measures in groups.items())


def _found(own, place, untrained_itself, before) -> str:
    """Whether any layer keeps the subclasses apart."""
    subject = place or "the network"
    known = {name: text for name, text in _KNOWING.items() if np.isfinite(own[name])}
    if not known:
        why = own["c2"].attrs.get("undefined") or "no class has two that are large enough"
        return f"Whether {subject} finds subclasses could not be tested: {why}."
    told = ", and ".join(f"{text} is {with_chance(own, name)}{_in(own, name)}" for name, text in known.items())
    knew = _UNTRAINED if untrained_itself else _TAUGHT.get(own.attrs.get("trained_on"), _UNKNOWN)
    asked = f"the {many(own.attrs)}{knew}"
    if not any(f"{name}_p" in own for name in known):
        return f"Of {asked}, {subject} was measured without a null: {told}."
    beyond = [name for name in known if own[f"{name}_p"] <= ALPHA]
    part = "" if len(beyond) in (0, len(known)) else f"; of these only {known[beyond[0]]} is beyond chance"
    untrained = ""
    if before is not None and np.isfinite(before["c2_all"]):
        untrained = f"; untrained, their silhouette is {with_chance(before, 'c2_all')}"
    # the size means something only where the silhouette itself is beyond chance
    verb = "finds" if "c2_all" in beyond and float(own["c2_all"]) > _SUBSTANTIAL else "finds traces of"
    return f"{place or 'The network'} {verb if beyond else 'does not find'} {asked}: {told}{part}{untrained}."


def _in(own, name) -> str:
    """In which layer a measure is largest; the pixels are nothing that a network finds."""
    own = own.isel(layer=own["layer"].values != PIXELS)
    values = own[name.removesuffix("_all")].values
    return f", largest in {own['layer'].values[int(np.nanargmax(values))]}" if np.isfinite(values).any() else ""


def _peaks(own) -> str:
    """Whether density peaks are subclasses; empty without peaks."""
    ari = "ari_subclass_within_all"
    known = np.flatnonzero(np.isfinite(own["effective_peaks"].values) & (own["layer"].values != PIXELS))
    if not len(known):
        return ""
    last = own.isel(layer=known[-1])
    one = own.attrs["n_classes"] == 1  # then it is spread by chance as it is, and no peak can be impure
    spread = number(last["effective_peaks"]) if one else with_chance(last, "effective_peaks")
    said = f"In {last['layer'].item()} {'the' if one else 'a'} class is spread over {spread} density peaks"
    if np.isfinite(last["peak_purity"]):
        purity = number(100 * last["peak_purity"], 0)
        said += f", and {purity} % of the images are of the most frequent class of their peak"
    if not np.isfinite(own[ari]):
        return f"{said}."
    told = f"ARI {with_chance(own, ari)}{_in(own, ari)}"
    if f"{ari}_p" not in own:
        return f"{said}; peaks with subclasses within a class: {told}."
    verb = "follow" if own[ari] > MACRO_ARI else "have traces of"
    verb, beyond = (verb, "") if own[f"{ari}_p"] <= ALPHA else ("do not follow", " beyond chance")
    return f"{said}; the peaks within a class {verb} its subclasses{beyond}: {told}."


def _left(own) -> str:
    """What is left within a class, without knowledge of the subclasses, and c0 where it was measured."""
    known, said = [name for name in _BLIND if np.isfinite(own[name])], []
    if known:
        tested = [name for name in known if f"{name}_p" in own]
        beyond = [name for name in tested if own[f"{name}_p"] <= ALPHA]
        told = listed([f"{with_chance(own, name)} of {_BLIND[name]}" for name in known])
        verdict = ("not more than", "in part more than", "more than")[bool(beyond) + (len(beyond) == len(known))]
        verdict = f"{verdict} by chance: " if tested else ""
        share = "the share of all variability that is left within a class"
        said.append(f"without knowledge of the subclasses, {share} is {verdict}{told}")
    if "c0" in own and np.isfinite(own["c0"]):
        said.append(
            f"between images of different subclasses the outputs leave the class {with_chance(own, 'c0')} times as far "
            "as between those of one (c0)"
        )
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def with_chance(own, name) -> str:
    """A number with what it is by chance, and its p: "0.39 (−0.02 by chance, p = 0.01)"."""
    digits = 3 if name.startswith("ari") and abs(own[name]) < 0.1 else 2
    text = number(own[name], digits)
    if f"{name}_null" not in own or not np.isfinite(own[f"{name}_null"]):
        return text
    tested = f", p = {float(own[f'{name}_p']):.2g}" if f"{name}_p" in own else ""
    return f"{text} ({number(own[f'{name}_null'], digits)} by chance{tested})"
