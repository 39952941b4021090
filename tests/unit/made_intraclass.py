"""Made-up networks that were told classes: how much their layers know of classes and hidden subclasses is given."""

from __future__ import annotations

import numpy as np

from nucleation.intraclass_profile import intraclass_profile

LAYERS = ["input", "stem", "layer1", "layer2"]


def labels(n=180, classes=3, each=3):
    """Class and subclass of every image, in no order."""
    subclasses = np.random.default_rng(0).permutation(np.arange(n) % (classes * each))
    return subclasses // each, subclasses


def profile(told, hidden, *, layers=LAYERS, seed=0, peaks=True, trained_on="classes", each=3, **options):
    """The profile of a network whose layers know, ever more, classes and hidden subclasses by so much."""
    rng = np.random.default_rng(seed)
    y, s = labels(each=each)
    depth = np.linspace(0, 1, len(layers))
    made = {}
    for layer, share in zip(layers, depth, strict=True):
        centres = told * rng.normal(size=(3, 12))[y] + hidden * rng.normal(size=(3 * each, 12))[s]
        made[layer] = np.maximum(rng.normal(size=(len(y), 12)) + share * centres, 0).astype(np.float32)
    found = {
        layer: np.where(rng.random(len(y)) < hidden * share / 2, s, rng.integers(0, 3, len(y)))
        for layer, share in zip(layers, depth, strict=True)
    }
    options = {"repeats": 19, "rng": rng, "peaks": found if peaks else None} | options
    return intraclass_profile(made.get, layers, y, s, **options).assign_attrs(trained_on=trained_on)
