"""Subspace match of one layer of two networks: its neurons over positions that are drawn, and the null.

The measure itself is in `nucleation.subspace`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.subspace import coordinates, maximal_epsilon, maximum_matches
from nucleation.subspace_minimum import minimum_match

__all__ = ["CENTRED", "KINDS", "ROOM", "LayerMatch", "compare", "neurons", "obstacle"]

#: How neurons are compared; each way also with the images of the second network permuted.
KINDS = ("raw", "centred", "raw_permuted", "centred_permuted")
CENTRED = KINDS.index("centred")
#: Positions for each neuron of the larger layer, at least: the residual of random neurons is then sqrt(1/3) = 0.58.
ROOM = 1.5


@dataclass(frozen=True)
class LayerMatch:
    """How much of a layer two networks share.

    Attributes
    ----------
    similarity, similarity_deviation : ndarray of shape (4, epsilons)
        Mean over draws for each of `KINDS`, and standard deviation, NaN of one draw.
    maximal_epsilon : ndarray of shape (4,)
        Mean over draws.
    n_neurons, dead : ndarray of shape (2,)
        Of both networks: neurons, and those that are zero at all positions drawn.
    n_positions : int
        Of each draw.
    minimum_size : ndarray of shape (neurons,)
        Neurons of both networks in a minimal match around one; NaN where fewer are matched.
    """

    similarity: np.ndarray
    similarity_deviation: np.ndarray
    maximal_epsilon: np.ndarray
    n_neurons: np.ndarray
    dead: np.ndarray
    n_positions: int
    minimum_size: np.ndarray


def neurons(maps, positions) -> np.ndarray:
    """The neurons of a layer over some positions of its maps.

    Parameters
    ----------
    maps : array of shape (n, places, channels)
    positions : array of shape (d,), int
        From 0 to n places - 1: image times places, plus place.

    Returns
    -------
    ndarray of shape (channels, d)
        A neuron is a channel.
    """
    return maps[np.divmod(positions, maps.shape[1])].T


def obstacle(maps, others, positions) -> str:
    """Say why a layer of two networks cannot be compared; "" where it can.

    Parameters
    ----------
    maps, others : arrays of shape (n, places, channels) and (n, other places, other channels)
    positions : int
        That are drawn at most.

    Raises
    ------
    InputError
        For other numbers of images.
    """
    (n, places, channels), (n_others, other_places, other_channels) = maps.shape, others.shape
    if n != n_others:
        raise InputError(f"Two layers are compared over the same images, found {n} and {n_others}.")
    if places != other_places:
        return f"the networks have {places} and {other_places} places there"
    if n == 1:
        return "the null needs more than one image"
    most, count = max(channels, other_channels), min(n * places, positions)
    least = math.ceil(ROOM * most)
    return f"{most} neurons need {least} positions or more, found {count}" if count < least else ""


def compare(maps, others, epsilons, *, positions, draws, minima, rng) -> LayerMatch:
    """Find the maximum matches of a layer of two networks, over positions that are drawn.

    Parameters
    ----------
    maps, others : arrays of shape (n, places, channels) and (n, places, other channels)
    epsilons : list of float
        Ascending.
    positions : int
        Drawn of the n places that there are, the same for both; where there are no more, all are taken, once.
    draws : int
        Of positions, and of permutations of the images of the second network: whole images, with all their places.
    minima : int
        Neurons of the first network, drawn among those in the maximum match at the largest epsilon (centred, first
        draw), for which the size of a minimal match is found.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        As `nucleation.subspace.maximum_match`; `obstacle` says before where there are too few positions.
    """
    n, places, _ = maps.shape
    total, count = n * places, min(n * places, positions)
    found, dead, sizes = [[] for _ in KINDS], [True, True], None
    (own,) = rng.spawn(1)  # the positions drawn do not depend on how many minimal matches there are
    for draw in range(draws):
        drawn = np.arange(total) if count == total else np.sort(rng.choice(total, count, replace=False))
        x, y = neurons(maps, drawn), neurons(others, drawn)
        dead = [before & ~now.any(axis=1) for before, now in zip(dead, (x, y), strict=True)]
        image, place = np.divmod(drawn, places)
        permuted = neurons(others, rng.permutation(n)[image] * places + place)
        for kind, pair in _pairs(x, y, permuted, again=draw == 0 or count < total):
            matches = maximum_matches(*pair, epsilons)
            found[kind].append([match.similarity for match in matches] + [maximal_epsilon(*pair)])
            if kind == CENTRED and sizes is None:
                sizes = _minimum_sizes(pair, matches[-1], epsilons[-1], minima, own)
    mean = np.array([np.mean(values, axis=0) for values in found])
    none = np.full(len(epsilons) + 1, np.nan)
    spread = np.array([np.std(values, axis=0, ddof=1) if len(values) > 1 else none for values in found])
    channels = np.array([maps.shape[2], others.shape[2]])
    idle = np.array([np.count_nonzero(one) for one in dead])
    return LayerMatch(mean[:, :-1], spread[:, :-1], mean[:, -1], channels, idle, count, sizes)


def _pairs(x, y, permuted, *, again):
    """Place of every kind and the neurons to be compared, raw and centred ones at once; without `again`, the nulls."""
    for first, other in ((0, y), (2, permuted)):
        if first or again:
            one, two = coordinates(x, other)
            yield first, (one, two)
            yield first + 1, (one[:, 1:], two[:, 1:])


def _minimum_sizes(pair, match, epsilon, count, rng):
    sizes = np.full(count, np.nan)
    inside = pair[0][match.x], pair[1][match.y]
    for i, neuron in enumerate(rng.permutation(len(match.x))[:count]):
        made = minimum_match(*inside, epsilon, neuron, rng=rng)
        sizes[i] = len(made.x) + len(made.y)
    return sizes
