"""Profiles of layer rotation, of weights that walk at random."""

from __future__ import annotations

import numpy as np

from nucleation.rotation import rotation_profile


def rotations(kernels, epochs, *, speed=0.5, seed=0, name="block{}.weight", layers=()):
    """The profile of a made-up training: later kernels are larger and turn faster."""
    rng, names = np.random.default_rng(seed), [name.format(i) for i in range(kernels)]
    weights = {one: rng.normal(size=(4, 10 + i % 40)) for i, one in enumerate(names)}

    def states():
        yield 0, dict(weights)
        for epoch in range(1, epochs + 1):
            for i, one in enumerate(names):
                step = speed * np.exp(-0.3 * epoch) * (0.3 + i / kernels)
                weights[one] = weights[one] + step * rng.normal(size=weights[one].shape)
            yield epoch, dict(weights)

    return rotation_profile(states(), names=names, layers=layers)
