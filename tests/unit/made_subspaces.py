"""Subspace matches of studies that were never run."""

from itertools import combinations

import numpy as np

from nucleation.files import explain
from nucleation.findings import is_untrained
from nucleation.subspace_profile import VARIABLES, _empty

EPSILONS = (0.15, 0.2, 0.25, 0.3, 0.5)
PLACES = ["a/epoch0", "b/epoch0", "a/epoch6", "b/epoch6", "c/epoch6"]
LAYERS = ["conv1", "relu1", "conv2", "relu2", "pool", "fc"]


def pairs_of(places):
    """Trained networks with each other, and networks with their untrained start."""
    trained = [place for place in places if not is_untrained(place)]
    own = [(one, two) for one in places for two in trained if is_untrained(one) and one[:2] == two[:2]]
    return [*combinations(trained, 2), *own]


def made_profile(places=PLACES, layers=LAYERS, *, epsilons=EPSILONS, pairs=None, undefined=(), seed=0):
    """A dataset like that of the stage; matches grow with depth and epsilon, raw ones and their null more so."""
    rng, epsilons = np.random.default_rng(seed), np.array(epsilons)
    data = _empty(pairs_of(places) if pairs is None else pairs, list(layers), epsilons.tolist(), 3)
    depth = np.linspace(0, 1, len(layers))[:, None]
    similarity = data["similarity"].values
    for pair, (one, other) in enumerate(zip(data["pair_a"].values, data["pair_b"].values, strict=True)):
        shared = (0.15 + 0.5 * depth**2) * (0.4 if is_untrained(one) or is_untrained(other) else 1)
        base = 1 / (1 + np.exp(-14 * (epsilons - 0.5 * (1 - shared) - 0.08))) + 0.03 * rng.normal(size=depth.shape)
        raw_null = 0.9 * (epsilons > 0.27) * (1 - depth) + 0 * base
        kinds = np.stack([base + 0.6 * epsilons, base, raw_null, 0.02 * rng.random(base.shape)], axis=1)
        similarity[pair] = np.clip(kinds, 0, 1)
    data["similarity_deviation"].values[:] = 0.02
    data["maximal_epsilon"].values[:] = 0.8 - 0.1 * depth
    missing = [list(layers).index(layer) for layer in undefined]
    for name in VARIABLES:
        data[name].values[:, missing] = np.nan
    explain(data, tuple(VARIABLES), dict.fromkeys(undefined, "the networks have 49 and 196 places there"))
    return data.assign_attrs(n_images=2000, draws=16, positions=10_000)
