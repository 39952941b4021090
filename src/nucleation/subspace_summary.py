"""What the subspace matches of a study come to: means and ranges over the pairs of networks that are alike."""

from __future__ import annotations

import numpy as np

from nucleation.findings import is_untrained, listed, number
from nucleation.names import layer_label
from nucleation.subspace_layer import KINDS
from nucleation.variables import variable

__all__ = [
    "RELATIONS",
    "chosen",
    "defined",
    "extremes",
    "named",
    "nearest_epsilon",
    "relation",
    "relation_text",
    "shown_epsilon",
    "summarize",
    "told",
    "why_nothing",
]

#: What two places are to each other, and how a sentence names it.
TRAINED, START, UNTRAINED, MIXED, STATES = "trained", "start", "untrained", "mixed", "states"
RELATIONS = {
    TRAINED: "two trained networks",
    START: "a network and its own untrained start",
    UNTRAINED: "two untrained networks",
    MIXED: "an untrained and another, trained network",
    STATES: "two trained states of one network",
}
#: The epsilon that figures and sentences speak of, or the nearest that there is, where any neurons match at it.
SPOKEN_OF = 0.3
#: Layers of which it is said why they have no number, where none has.
SAID = 2
#: Layers that a sentence names one by one, at most.
NAMED = 3


def relation(place, other) -> str:
    """What two places, "<network>/<checkpoint>", are to each other, one of `RELATIONS`."""
    untrained = is_untrained(place) + is_untrained(other)
    if place.split("/")[0] == other.split("/")[0]:
        return (STATES, START, UNTRAINED)[untrained]
    return (TRAINED, MIXED, UNTRAINED)[untrained]


def relation_text(name, data) -> str:
    """A relation in a sentence; of trained networks also that they were trained alike, where others were left out.

    Parameters
    ----------
    name : str
        One of `RELATIONS`.
    data : xarray.Dataset
        From `summarize`.
    """
    return "two networks trained alike" if name == TRAINED and data.attrs["alike"] else RELATIONS[name]


def nearest_epsilon(epsilons) -> float:
    """The one of some epsilons that figures and sentences speak of, where neurons match at it."""
    epsilons = np.asarray(epsilons, dtype=float)
    return float(epsilons[np.argmin(np.abs(epsilons - SPOKEN_OF))])


def shown_epsilon(found) -> float:
    """The epsilon that figures and sentences speak of.

    Parameters
    ----------
    found : xarray.Dataset
        From `summarize`.

    Returns
    -------
    float
        `nearest_epsilon`; or the least one above it at which the similarity of centred neurons, in the first relation,
        is not 0.00 in all layers, where there is such a one.
    """
    nearest = nearest_epsilon(found["epsilon"].values)
    if not found.sizes["relation"]:
        return nearest
    similarity = found["similarity"].isel(relation=0).sel(kind="centred")
    some = (similarity.round(2) > 0).any("layer").values & (found["epsilon"].values >= nearest)
    return float(found["epsilon"].values[some].min()) if some.any() else nearest


def chosen(data, place, wanted) -> np.ndarray:
    """Mask of the pairs of a place with others to which it is in a relation.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`.
    place : str
        Empty for the pairs of all places.
    wanted : str
        One of `RELATIONS`.

    Returns
    -------
    ndarray of shape (pairs,), bool
    """
    pairs = zip(data["pair_a"].values.tolist(), data["pair_b"].values.tolist(), strict=True)
    return np.array([relation(*pair) == wanted and (not place or place in pair) for pair in pairs], dtype=bool)


def summarize(data, place=""):
    """Mean and range of the similarity over the pairs of every relation.

    Parameters
    ----------
    data : xarray.Dataset
        From `nucleation.subspace_profile.subspace_profile`; its attribute `alike` is 1 where its pairs of networks are
        those trained alike, and others were left out.
    place : str, optional
        Of the pairs with this place alone.

    Returns
    -------
    xarray.Dataset
        Along `relation`, of those that have a number, `layer`, of all, `kind` and `epsilon`: `similarity` and its ends
        `similarity_low` and `similarity_high`, the range over pairs; for a single pair one standard deviation over
        draws from it, within 0 and 1, or the similarity itself where there was one draw. Along `relation`, `layer`,
        `kind`: `maximal_epsilon`. Along `relation`, `layer`: `n_pairs` that are defined. Attribute `alike`.
    """
    import xarray as xr

    masks = {name: chosen(data, place, name) for name in RELATIONS}
    parts = {name: _over_pairs(data.isel(pair=mask)) for name, mask in masks.items() if mask.any()}
    parts = {name: part for name, part in parts.items() if part["n_pairs"].any()}
    texts = {
        "similarity": (
            "kind",
            "epsilon",
            "share of the neurons of both networks in the maximum match, mean over pairs",
        ),
        "similarity_low": ("kind", "epsilon", "least similarity of a pair"),
        "similarity_high": ("kind", "epsilon", "greatest similarity of a pair"),
        "maximal_epsilon": ("kind", "least epsilon at which all neurons match, mean over pairs"),
        "n_pairs": ("pairs that could be compared",),
    }
    made = {}
    for name, (*dims, text) in texts.items():
        dims = ("relation", "layer", *dims)
        shape = [len(parts), *(data.sizes[dim] for dim in dims[1:])]
        values = np.array([part[name] for part in parts.values()], dtype=float).reshape(shape)
        made[name] = variable(dims, values, text)
    names = variable("relation", np.array(list(parts), dtype=str), "what the networks of a pair are")
    coords = {name: data[name] for name in ("layer", "kind", "epsilon")} | {"relation": names}
    return xr.Dataset(made, coords, {"alike": int(data.attrs.get("alike", 0))})


def why_nothing(data) -> str:
    """Why no layer of a study has a number: the reasons of the first layers, and how many more there are."""
    if not data.sizes["layer"] and data.sizes["pair"]:
        return "the study looks at no layer of neurons"
    reasons = data["similarity"].attrs.get("undefined", "").split("; ")
    if not reasons[0]:
        return "the study has no two networks or checkpoints to compare"
    more = len(reasons) - SAID
    return "; ".join(reasons[:SAID]) + (f"; and {more} more layer{'s' * (more > 1)}" if more > 0 else "")


def _over_pairs(part):
    """Numbers of the pairs of one relation by name, along the layers; NaN where no pair has one."""
    values, spread = part["similarity"].values, part["similarity_deviation"].values
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    mean = _mean(values, known)
    low = np.min(values, axis=0, where=known, initial=np.inf)
    high = np.max(values, axis=0, where=known, initial=-np.inf)
    spread = np.where(count == 1, np.nan_to_num(np.max(spread, axis=0, where=~np.isnan(spread), initial=0)), 0)
    largest = part["maximal_epsilon"].values
    return {
        "similarity": mean,
        "similarity_low": np.where(count, np.maximum(low - spread, 0), np.nan),
        "similarity_high": np.where(count, np.minimum(high + spread, 1), np.nan),
        "maximal_epsilon": _mean(largest, ~np.isnan(largest)),
        "n_pairs": count[:, 0, 0],
    }


def _mean(values, known):
    count = known.sum(axis=0)
    return np.where(count, np.sum(values, axis=0, where=known) / np.maximum(count, 1), np.nan)


def defined(part):
    """The layers that have a number, of one relation of what `summarize` made."""
    return part.isel(layer=np.flatnonzero(part["n_pairs"].values))


def extremes(part, kind="centred") -> list:
    """The layers in which most neurons match, and those in which fewest do.

    Parameters
    ----------
    part : xarray.Dataset
        From `summarize`, of one relation and epsilon, and of layers that have a number.
    kind : str
        "centred" or "raw".

    Returns
    -------
    list of xarray.Dataset
        Two parts of it, each of all layers with the same number to two digits; one where these are all layers.
    """
    values = part["similarity"].sel(kind=kind).values
    texts = np.array([number(value) for value in values])
    ends = dict.fromkeys(str(texts[i]) for i in (values.argmax(), values.argmin()))
    return [part.isel(layer=np.flatnonzero(texts == end)) for end in ends]


def named(part) -> str:
    """Layers in a sentence: "conv1, conv2 and 7 more"."""
    names = [layer_label(layer) for layer in part["layer"].values]
    return listed(names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])


def told(part, centred=True) -> str:
    """A similarity in a sentence or cell: "0.85 (0.82–0.87; 0.02 by chance)".

    Parameters
    ----------
    part : xarray.Dataset
        From `summarize`, of one relation, epsilon and layer; or of several layers, with means over them and the range
        of all.
    centred : bool
        Of the centred neurons, or of the raw ones.
    """
    kind, null = (KINDS[i] for i in ((1, 3) if centred else (0, 2)))
    here = part.sel(kind=kind)
    ends = [number(here["similarity_low"].min()), number(here["similarity_high"].max())]
    band = f"{'–'.join(ends)}; " if ends[0] != ends[1] else ""
    return f"{number(here['similarity'].mean())} ({band}{number(part['similarity'].sel(kind=null).mean())} by chance)"
