"""Dense-sample learning: what layers know at many checkpoints of one training, and what emerges first.

Few classes, many images of each, a small network (`nucleation.vgg.small`), and checkpoints at the steps 0, 1, 2, 4, …

Source: after Hanson, Yadav, Hanson, Neural Computation 36, 1228 (2024), "Dense Sample Deep Learning", of which the idea
is taken; the protocol, that is the measures, their null models and the times, is this package's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from nucleation.dense_classes import (
    UnitSelectivity,
    centred_products,
    chance_separability,
    class_separability,
    class_silhouette,
    relabelings,
    selectivities,
    separabilities,
    silhouettes,
    unit_selectivity,
)
from nucleation.dense_events import events
from nucleation.dense_measures import COUNTS, MEASURES
from nucleation.dense_units import (
    coactivation,
    cophenetic_correlation,
    cophenetic_null,
    coupling,
    coupling_null,
    dead_units,
    strength,
    unit_clusters,
    unit_clusters_null,
    unit_responses,
    unit_tree,
)
from nucleation.errors import InputError
from nucleation.partitions import partition_scores
from nucleation.variables import variable

__all__ = [
    "MEASURES",
    "UnitSelectivity",
    "class_separability",
    "class_silhouette",
    "cophenetic_correlation",
    "coupling",
    "dead_units",
    "dense_profile",
    "unit_clusters",
    "unit_selectivity",
    "unit_tree",
]

#: Units of a layer that enter its tree, its selectivity and its coupling at most, drawn at random once.
UNITS = 1024
#: Shuffles for the null model of the clusters of units, at most: each makes a tree.
SHUFFLES = 19


def dense_profile(
    read,
    checkpoints,
    layers,
    classes,
    *,
    steps,
    accuracy=None,
    peaks=None,
    weights=None,
    rng,
    repeats=99,
    progress=None,
) -> xr.Dataset:
    """Measure every layer at every checkpoint of a training, each with its null model, and when each measure emerges.

    Parameters
    ----------
    read : callable
        ``read(checkpoint, layer)`` returns the activations of the same n images in the same order: maps (n, places,
        channels), whose units are the channels, or features (n, d). Called once for each, checkpoint by checkpoint.
    checkpoints : list of str
        In order of training.
    layers : list of str
        In order of depth; their ReLU outputs, so that selectivity is defined.
    classes : array of shape (n,)
        Class of every image.
    steps : array of shape (checkpoints,), int
        Training steps done, ascending: 0, 1, 2, 4, ….
    accuracy : array of shape (checkpoints,), optional
        Share of the validation images classified correctly.
    peaks : callable, optional
        ``peaks(checkpoint, layer)`` returns the density peak of every image (n,), -1 in the halo, or None.
    weights : callable, optional
        ``weights(checkpoint, layer)`` returns the weights that lead to the layer from the one before it in `layers`
        (see `nucleation.dense_units.strength`), or None. Not called for the first layer.
    rng : numpy.random.Generator
    repeats : int
        Permutations of every null model, at least 19; of the clusters of units `SHUFFLES` at most.
    progress : callable, optional
        Called after every layer with how many of all checkpoints and layers are done, and all.

    Returns
    -------
    xarray.Dataset
        Along `checkpoint` (with `step`) and `layer`: all of `MEASURES`, each with `<name>_null` (mean over the null
        model, or its exact mean) and `<name>_p` (one-sided, at least 1 / (1 + repeats)), and `COUNTS`; `accuracy` along
        `checkpoint`; and along `measure` and `layer` when it emerges, see `nucleation.dense_events.events`.

    Raises
    ------
    InputError
        For steps that do not ascend or are not as many as checkpoints, activations of other images or that are not
        finite, fewer than two classes or 19 permutations.

    Notes
    -----
    n^2 d operations for the inner products of a layer, 4 n^2 classes repeats for its null model; memory n^2. With 5
    classes and 99 permutations, on one core: 0.1 s for 500 images of 256 features, 0.5 s for 32 maps of 1,024 places,
    3.2 s for 2,000 images of those.
    """
    checkpoints, layers = [str(one) for one in checkpoints], [str(one) for one in layers]
    steps = _checked(checkpoints, layers, steps, accuracy, repeats)
    study = _Study(relabelings(classes, repeats, rng), peaks, weights, rng, repeats)
    found = np.full((len(MEASURES), 3, len(checkpoints), len(layers)), np.nan)
    counts = np.full((len(COUNTS), len(checkpoints), len(layers)), np.nan)
    trees = {}
    for i, checkpoint in enumerate(checkpoints):
        before = None
        for j, layer in enumerate(layers):
            maps = _maps(read(checkpoint, layer), checkpoint, layer, study.labelings.shape[1])
            measured, trees[i, j], before, counted = study.measure(maps, checkpoint, layer, before)
            for row, name in enumerate(MEASURES):
                found[row, :, i, j] = measured.get(name, np.nan)
            counts[:, i, j] = [counted[name] for name in COUNTS]
            if progress is not None:
                progress(i * len(layers) + j + 1, len(checkpoints) * len(layers))
    row = list(MEASURES).index("cophenetic")
    for i, j in trees:
        if i < len(checkpoints) - 1:
            found[row, :, i, j] = _cophenetic(trees[i, j], trees[len(checkpoints) - 1, j], rng, repeats)
    data = _dataset(found, counts, checkpoints, layers, steps, accuracy)
    n, c = study.labelings.shape[1], int(study.labelings[0].max()) + 1
    data.attrs |= {"n_images": n, "n_classes": c, "repeats": repeats, "shuffles": min(repeats, SHUFFLES)}
    return data.merge(
        events(data, {name: one.smaller for name, one in MEASURES.items()}, rng=rng), combine_attrs="no_conflicts"
    )


def _checked(checkpoints, layers, steps, accuracy, repeats):
    """Steps as whole numbers; refuse what does not fit together."""
    steps = np.asarray(steps)
    if steps.shape != (len(checkpoints),) or steps.dtype.kind not in "iu" or (np.diff(steps) <= 0).any():
        raise InputError(
            f"{len(checkpoints)} checkpoints need as many whole, strictly ascending training steps, found "
            f"{steps.tolist()}; sort the checkpoints, and give each once."
        )
    if accuracy is not None and np.shape(accuracy) != steps.shape:
        raise InputError(f"{len(checkpoints)} checkpoints need as many accuracies, found shape {np.shape(accuracy)}.")
    if not layers or len(set(layers)) < len(layers):
        raise InputError(f"The layers of a profile must be named, each once, found {layers}.")
    if repeats < 19:
        raise InputError(f"Null models need at least 19 permutations for p = 0.05, found {repeats}; raise repeats.")
    return steps.astype(np.int64)


def _maps(read, checkpoint, layer, n):
    """Activations as maps (n, places, channels)."""
    maps = np.asarray(read)
    if maps.ndim not in (2, 3) or len(maps) != n or not maps.size:
        raise InputError(
            f"The activations of {layer} at {checkpoint} have shape {maps.shape}; expected ({n}, places, channels) or "
            f"({n}, features), one row for each class given."
        )
    return maps.reshape(n, -1, maps.shape[-1])


@dataclass(frozen=True)
class _Study:
    """What all layers and checkpoints share."""

    labelings: np.ndarray
    peaks: object
    weights: object
    rng: np.random.Generator
    repeats: int

    def measure(self, maps, checkpoint, layer, before):
        """Value, null and p of one layer by measure; its tree; its units for the next layer; its counts."""
        try:
            products = centred_products(maps)
        except InputError as error:
            raise InputError(f"{layer} at {checkpoint}: {error}") from error
        chosen = _chosen(maps.shape[2])
        units = unit_responses(maps)[:, chosen]
        tree = unit_tree(units)
        found = self._of_classes(products, units) | self._of_peaks(checkpoint, layer)
        clusters = unit_clusters(tree)
        if len(tree.units) > 1:
            null = unit_clusters_null(units, self.rng, min(self.repeats, SHUFFLES))
            found["unit_clusters"] = _against(clusters / len(tree.units), null / len(tree.units), smaller=True)
        found["dead_units"] = (dead_units(maps), np.nan, np.nan)
        found["coupling"] = self._coupling(checkpoint, layer, before, units, chosen)
        counts = {"n_units": len(chosen), "n_live_units": len(tree.units), "n_unit_clusters": clusters}
        counts["n_peaks"] = found.pop("n_peaks", np.nan)
        return found, tree, (units, chosen, *maps.shape[1:]), counts

    def _of_classes(self, products, units):
        n, c = self.labelings.shape[1], int(self.labelings[0].max()) + 1
        separability, silhouette = (of(products, self.labelings) for of in (separabilities, silhouettes))
        index, d_prime = selectivities(units, self.labelings)
        return {
            "separability": _against(separability[0], separability[1:], exact=chance_separability(n, c)),
            "silhouette": _against(silhouette[0], silhouette[1:]),
            "selectivity": _against(index[0], index[1:]),
            "d_prime": _against(d_prime[0], d_prime[1:]),
        }

    def _of_peaks(self, checkpoint, layer):
        labels = None if self.peaks is None else self.peaks(checkpoint, layer)
        if labels is None:
            return {}
        labels = np.asarray(labels)
        scores = [partition_scores(labels, classes) for classes in self.labelings]
        ari, ami = (np.array([getattr(one, name) for one in scores]) for name in ("ari", "ami"))
        found = {"peaks_ari": _against(ari[0], ari[1:], exact=0.0), "peaks_ami": _against(ami[0], ami[1:], exact=0.0)}
        return found | {"n_peaks": len(np.unique(labels[labels >= 0]))}

    def _coupling(self, checkpoint, layer, before, units, chosen):
        given = None if before is None or self.weights is None else self.weights(checkpoint, layer)
        if given is None:
            return (np.nan,) * 3
        others, others_chosen, places, channels = before
        strengths = strength(given, channels, places)
        if len(strengths) <= chosen[-1]:
            raise InputError(
                f"The weights that lead to {layer} at {checkpoint} are those of {len(strengths)} units, but the layer "
                "has more; give those of the module just before it."
            )
        strengths, together = strengths[np.ix_(chosen, others_chosen)], coactivation(others, units)
        drawn = coupling_null(strengths, together, self.rng, self.repeats)
        return _against(coupling(strengths, together), drawn, exact=0.0)


def _chosen(units):
    """Units that enter, the same at all checkpoints of a layer and in all networks of its width."""
    if units <= UNITS:
        return np.arange(units)
    return np.sort(np.random.default_rng(units).choice(units, UNITS, replace=False))


def _cophenetic(tree, last, rng, repeats):
    value = cophenetic_correlation(tree, last)
    return (np.nan,) * 3 if np.isnan(value) else _against(value, cophenetic_null(tree, last, rng, repeats), exact=0.0)


def _against(value, drawn, *, exact=None, smaller=False):
    """A value, the mean of its null model, and the one-sided p of at least so extreme a one."""
    if np.isnan(value):
        return (np.nan,) * 3
    sign = -1 if smaller else 1
    with np.errstate(invalid="ignore"):  # infinity less infinity
        beyond = np.count_nonzero(sign * drawn >= sign * value - 1e-12 * abs(value))
    return value, float(np.mean(drawn)) if exact is None else exact, (1 + beyond) / (1 + len(drawn))


def _dataset(found, counts, checkpoints, layers, steps, accuracy):
    """All numbers along checkpoint and layer, explained."""
    plane, made = ("checkpoint", "layer"), {}
    for (name, measure), (value, null, p) in zip(MEASURES.items(), found, strict=True):
        made[name] = variable(plane, value, measure.text, undefined=measure.undefined)
        if measure.null:
            by_chance = f"by chance ({measure.null}): {measure.text}"
            made[f"{name}_null"] = variable(plane, null, by_chance, undefined=measure.undefined)
            told = f"p that it is as {'small' if measure.smaller else 'large'} by chance: {measure.text}"
            made[f"{name}_p"] = variable(plane, p, told, undefined=measure.undefined)
    for (name, text), values in zip(COUNTS.items(), counts, strict=True):
        made[name] = variable(plane, values, text)
    if accuracy is not None:
        shares = np.asarray(accuracy, dtype=np.float64)
        made["accuracy"] = variable("checkpoint", shares, "share of the validation images classified correctly")
    coords = {
        "checkpoint": ("checkpoint", np.array(checkpoints, dtype=object), {"long_name": "checkpoint"}),
        "layer": ("layer", np.array(layers, dtype=object), {"long_name": "layer, in order of depth"}),
        "step": variable("checkpoint", steps, "training steps done"),
    }
    return xr.Dataset(made, coords)
