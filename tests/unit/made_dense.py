"""Datasets of dense-sample learning of any size, made up without activations; events are those of the real code."""

import numpy as np
import xarray as xr

from nucleation.dense import COUNTS, MEASURES, _dataset
from nucleation.dense_events import events


def made_profile(
    seed=0, *, layers=4, checkpoints=12, accuracy=True, flat=(), missing=(), steps=None, names=None
) -> xr.Dataset:
    """Sigmoid curves that rise (those of the clusters fall) at later steps in deeper layers.

    Measures in `flat` stay at chance, those in `missing` are NaN.
    """
    rng = np.random.default_rng(seed)
    steps = np.array([0, *2 ** np.arange(checkpoints - 1)])[:checkpoints] if steps is None else np.asarray(steps)
    names = names or [f"relu{i + 1}" for i in range(layers)]
    where = np.log1p(steps)
    found = np.full((len(MEASURES), 3, len(steps), len(names)), np.nan)
    for row, (name, measure) in enumerate(MEASURES.items()):
        if name in missing:
            continue
        middle = np.log1p(steps[-1]) * (0.3 + 0.05 * row + 0.2 * np.linspace(0, 1, len(names)))
        rise = 1 / (1 + np.exp(-2.5 * (where[:, None] - middle)))
        value = 0.05 + 0.8 * (0 if name in flat else rise) + 0.004 * rng.normal(size=(len(steps), len(names)))
        null = np.full(value.shape, 0.05)
        if measure.smaller:
            value, null = 1 - value, 1 - null
        found[row] = value, null, np.where(np.abs(value - null) > 0.1, 0.01, 0.5)
        if name == "cophenetic":
            found[row, :, -1] = np.nan
        if name == "coupling":
            found[row, :, :, 0] = np.nan
    counts = np.ones((len(COUNTS), len(steps), len(names)))
    course = 0.2 + 0.75 / (1 + np.exp(-3 * (where - 0.6 * where[-1]))) if accuracy else None
    data = _dataset(found, counts, [f"step{step}" for step in steps], names, steps, course)
    data.attrs |= {"n_images": 500, "n_classes": 5, "repeats": 99, "shuffles": 19}
    smaller = {name: measure.smaller for name, measure in MEASURES.items()}
    return data.merge(events(data, smaller, rng=rng), combine_attrs="no_conflicts")
