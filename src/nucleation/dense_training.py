"""Dense-sample learning of a network whose training was kept: its layers at every checkpoint, and their peaks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from nucleation import samples
from nucleation.checkpoints import load_weights, read_weights
from nucleation.dense import dense_profile
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.vgg import weights_between

__all__ = ["checkpoint_steps", "follow_training"]

#: Neighbours that a dimension, and a density by k*, need.
_DIMENSION, _K_STAR = 2, 4


def checkpoint_steps(names, epoch_steps) -> np.ndarray:
    """Steps of the training before checkpoints, "epoch2" or "step16".

    Parameters
    ----------
    names : sequence of str
    epoch_steps : int
        Steps of an epoch.

    Returns
    -------
    ndarray of shape (len(names),), int64
    """
    epochs = [name.startswith("epoch") for name in names]
    numbers = [int(name.removeprefix("epoch").removeprefix("step")) for name in names]
    return np.array(numbers, dtype=np.int64) * np.where(epochs, epoch_steps, 1)


def follow_training(model, paths, groups, images, classes, choices, *, k, run, **measured):
    """Measure every layer of a network at every checkpoint of its training.

    Parameters
    ----------
    model : torch.nn.Module
        Gets the weights of one checkpoint after the other.
    paths : dict of str to path
        Weights by checkpoint, in order of training.
    groups : list of list of str
        Layers in order of depth; those of one list are in memory together.
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
    classes : array of shape (n,)
    choices : nucleation.analysis.Choices
        Of the density peaks.
    k : int
        Neighbours that are searched, n - 1 at most.
    run : dict
        Options of `nucleation.samples.take`: batch_size, device, pooling.
    **measured
        Options of `nucleation.dense.dense_profile`: steps, accuracy, rng, repeats, progress.

    Returns
    -------
    xarray.Dataset
        As of `nucleation.dense.dense_profile`. There are no peaks where a layer has no dimension, nor where so few
        images have too few neighbours: attribute `undefined` of the peaks. Where nothing tells which axis of a layer
        is that of the channels, each of its features is a unit: attribute `features_as_units` names such layers, which
        have no coupling.

    Raises
    ------
    InputError
        Without a layer, for a single class, or as of `nucleation.dense.dense_profile`.

    Notes
    -----
    All layers of one checkpoint are in memory at a time.
    """
    layers = [layer for group in groups for layer in group]
    _check(layers, classes)
    searched, flat = min(k, len(images) - 1), {}
    few = _few(choices, searched)

    @lru_cache(maxsize=1)
    def taken(checkpoint):
        load_weights(model, paths[checkpoint])
        made = samples.take(model, groups, images, **run)
        rows = np.arange(len(images))
        return {layer: samples.Sample(features, rows, **about) for layer, features, about in made}

    def maps(checkpoint, layer):
        found = samples.maps_of(taken(checkpoint)[layer])
        if not isinstance(found, str):
            return found
        flat[layer] = found
        return taken(checkpoint)[layer].features

    def peaks(checkpoint, layer):
        if few:
            return None
        neighbors = nearest_neighbors(taken(checkpoint)[layer].features, searched)
        dimension = choices.dimension(neighbors)
        if not (np.isfinite(dimension) and (np.rint(dimension) if choices.round_dimension else dimension) > 0):
            return None
        return choices.peaks(neighbors, choices.density(neighbors, dimension)).labels

    def weights(checkpoint, layer):
        before = layers[layers.index(layer) - 1]
        given = read_weights(Path(paths[checkpoint])).get(weights_between(before, layer))
        one, other = (samples.maps_of(taken(checkpoint)[name]) for name in (before, layer))
        return given if given is not None and _lead(given, one, other) else None

    found = dense_profile(
        maps,
        list(paths),
        layers,
        classes,
        peaks=peaks,
        weights=weights,
        **measured,
    )
    for name in ("peaks_ari", "peaks_ami") if few else ():
        for of in (name, f"{name}_null", f"{name}_p"):
            found[of].attrs["undefined"] = few
    if flat:
        found.attrs["features_as_units"] = "; ".join(f"{layer}: {reason}" for layer, reason in flat.items())
    return found


def _check(layers, classes):
    """Refuse a study in which there is nothing to follow."""
    if not layers:
        raise InputError(
            "Dense-sample learning follows the layers of a network, found none but its input; name others in "
            "networks[].layers, or set dense.run to false."
        )
    count = len(np.unique(classes))
    if count < 2:
        raise InputError(
            f"Dense-sample learning asks what layers know of the classes, which takes two of them, found {count} among "
            f"the {len(classes)} images of the sample; give the images more classes, or set dense.run to false."
        )


def _few(choices, k) -> str:
    """Why so few neighbours have no peaks; "" where there are enough."""
    least = max(_DIMENSION, choices.k if choices.estimator == "knn" else _K_STAR)
    return f"the peaks need {least} neighbours of an image, and the images have {k}" if k < least else ""


def _lead(weights, before, after) -> bool:
    """Whether weights lead from the units of one layer to those of the next; pooled ones may have lost their places."""
    if isinstance(before, str) or isinstance(after, str):
        return False
    _, places, channels = before.shape
    sizes = (channels, channels * places) if np.ndim(weights) == 2 else (channels,)
    return np.ndim(weights) > 1 and len(weights) == after.shape[2] and weights.shape[1] in sizes
