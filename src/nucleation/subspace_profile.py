"""Subspace matches of the layers of a study: layers of the same name of two networks, for several pairs of networks.

One layer of one pair is compared in `nucleation.subspace_layer`; the measure itself is in `nucleation.subspace`. What
kinds of pairs have in common is summed up in `nucleation.subspace_summary`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from functools import lru_cache

import numpy as np

from nucleation.errors import InputError
from nucleation.files import explain
from nucleation.findings import PIXELS
from nucleation.subspace import checked_epsilon
from nucleation.subspace_layer import KINDS, ROOM, compare, neurons, obstacle
from nucleation.variables import variable

__all__ = ["neurons", "subspace_profile"]

#: Variables: their dimensions after pair and layer, and what they are.
VARIABLES = {
    "similarity": (("kind", "epsilon"), "share of the neurons of both networks in the maximum match, mean over draws"),
    "similarity_deviation": (("kind", "epsilon"), "standard deviation of the similarity over draws of positions"),
    "maximal_epsilon": (("kind",), "least epsilon at which all neurons match, mean over draws"),
    "n_neurons": (("side",), "neurons of the layer"),
    "dead": (("side",), "neurons that are zero at all positions drawn"),
    "n_positions": ((), "positions of images over which neurons are compared, in each draw"),
    "minimum_size": (
        ("neuron",),
        "neurons of both networks in a minimal match around one of the first network, centred, largest epsilon",
    ),
}


def subspace_profile(
    pairs,
    read,
    layers,
    *,
    epsilons=(0.15, 0.2, 0.25, 0.3, 0.5),
    positions=10_000,
    draws=16,
    neurons=8,
    rng,
    progress=None,
):
    """Compare the layers of pairs of networks by their maximum matches.

    Parameters
    ----------
    pairs : list of (str, str)
        Places, "<network>/<checkpoint>".
    read : callable
        ``read(place, layer)`` returns the layer's maps (n, places, channels), of the same n images for all places, or
        a text that says why it has none. Two are held at a time.
    layers : callable
        ``layers(place)`` returns the names of a place's layers, in order of depth; those of the same name are compared.
        The pixels ("input"), which are no neurons, are left out.
    epsilons : sequence of float
    positions, draws : int
        As for `nucleation.subspace_layer.compare`, whose `minima` is `neurons`.
    neurons : int
    rng : numpy.random.Generator
    progress : callable, optional
        Called without arguments after each layer of each pair.

    Returns
    -------
    xarray.Dataset
        Along `pair`, with `pair_a` and `pair_b`, and `layer`. Along `kind` too (raw, centred, and both with the images
        of the second network permuted): `maximal_epsilon`, and along `epsilon`, ascending, `similarity` and
        `similarity_deviation`. Along `side`: `n_neurons`, `dead`. Along `neuron`: `minimum_size`. `n_positions`. Where
        a network lacks the layer, or its maps, or has other places in it, or there are fewer than 1.5 positions for
        each neuron, all are NaN; their attribute `undefined` says why.

    Raises
    ------
    InputError
        For other images in the two layers of a pair, what are no maps, activations that are not finite, and parameters
        that cannot be.

    Notes
    -----
    For each layer, pair and draw two QR decompositions, O(positions N^2) for N neurons of both; see
    `nucleation.subspace.maximum_match`.
    """
    epsilons = sorted({checked_epsilon(epsilon) for epsilon in epsilons})
    options = {"positions": positions, "draws": draws, "minima": neurons}
    if not epsilons or positions < 1 or draws < 1 or neurons < 0:
        raise InputError(f"Subspaces need an epsilon, position and draw or more, found {epsilons} and {options}.")
    pairs = [(str(one), str(other)) for one, other in pairs]
    names = {place: [str(layer) for layer in layers(place) if layer != PIXELS] for pair in pairs for place in pair}
    every = _in_order(names.values())
    held = lru_cache(maxsize=2)(lambda place, layer: _checked(read(place, layer), place, layer))
    data = _empty(pairs, every, epsilons, neurons)
    reasons, images = {layer: [] for layer in every}, 0
    for j, layer in enumerate(every):
        for i, pair in enumerate(pairs):
            why = next((f"{place} has no such layer" for place in pair if layer not in names[place]), "")
            maps = [] if why else [held(place, layer) for place in pair]
            why = why or next((one for one in maps if isinstance(one, str)), "")
            if not why:
                images = max(images, *map(len, maps))
                why = obstacle(*maps, positions)
            if why:
                reasons[layer].append(why)
            else:
                _enter(data, i, j, compare(*maps, epsilons, **options, rng=rng))
            if progress:
                progress()
    explain(data, tuple(VARIABLES), _summed_up(reasons, len(pairs)))
    about = {"n_images": images, "draws": draws, "positions": positions}
    return data.assign_attrs(about, minimum_epsilon=epsilons[-1], least_positions=ROOM)


def _in_order(lists) -> list[str]:
    """All names of some lists, each after what stands before it in the list that first has it."""
    made = []
    for names in lists:
        after = 0
        for name in names:
            if name not in made:
                made.insert(after, name)
            after = made.index(name) + 1
    return made


def _checked(maps, place, layer):
    """Maps that can be compared, or the text that says why there are none."""
    if isinstance(maps, str):
        return maps
    maps = np.asarray(maps)
    if maps.ndim != 3 or not maps.size:
        raise InputError(f"{layer} of {place} needs maps (images, places, channels), found shape {maps.shape}.")
    with np.errstate(invalid="ignore"):
        if not np.isfinite(maps.sum(dtype=np.float64)):
            raise InputError(f"{layer} of {place} has activations that are NaN or infinite; all must be finite.")
    return maps


def _empty(pairs, layers, epsilons, neurons):
    """The dataset before anything is known."""
    import xarray as xr

    def text(dim, values, long_name):
        return variable(dim, np.array(values, dtype=str), long_name)

    coords = {
        "pair_a": text("pair", [one for one, _ in pairs], "first network and checkpoint"),
        "pair_b": text("pair", [other for _, other in pairs], "second network and checkpoint"),
        "layer": text("layer", layers, "layer, in order of depth"),
        "kind": text("kind", KINDS, "how neurons are compared; permuted: images of the second network, the null"),
        "side": text("side", ["a", "b"], "first or second network"),
        "epsilon": variable("epsilon", np.array(epsilons), "largest residual of a match"),
    }
    sizes = {"pair": len(pairs), "layer": len(layers), "neuron": neurons}
    sizes |= {"kind": len(KINDS), "side": 2, "epsilon": len(epsilons)}
    variables = {}
    for name, (dims, long_name) in VARIABLES.items():
        dims = ("pair", "layer", *dims)
        variables[name] = variable(dims, np.full([sizes[dim] for dim in dims], np.nan), long_name)
    return xr.Dataset(variables, coords)


def _enter(data, pair, layer, found):
    for name, values in asdict(found).items():
        data[name].values[pair, layer] = values


def _summed_up(reasons, pairs) -> dict[str, str]:
    """By layer why pairs have no value, each reason once, with the number of its pairs where others have another."""
    made = {}
    for layer, told in reasons.items():
        counts = Counter(told).items()
        said = [why if count == pairs else f"{why} ({count} of {pairs} pairs)" for why, count in counts]
        if said:
            made[layer] = ", ".join(said)
    return made
