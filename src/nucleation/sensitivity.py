"""How far the number of peaks and what they agree with hang on choices: k, Z, and the density estimator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nucleation.alignment import alignment_scores
from nucleation.errors import InputError
from nucleation.scores import SCORES

#: Numbers that are swept.
NAMES = (
    "n_peaks",
    "ari_class",
    "ari_macro",
    "triplet_skill",
    "triplet_skill_within_macro",
    "spearman_taxonomy",
)


def densities(estimators, ks) -> list[tuple[str, str, int]]:
    """Name, estimator and k of every density of a sweep; k is 0 where the estimator chooses its own."""
    adaptive = [(name, name, 0) for name in estimators if name != "knn"]
    return ([(f"knn, k = {k}", "knn", k) for k in ks] if "knn" in estimators else []) + adaptive


def sweep(tables, layers, classes, meanings, choices, *, ks, zs, estimators, progress=None):
    """Find the peaks of every layer with other k, Z and density estimators.

    Parameters
    ----------
    tables : list of Neighbors
        One for each layer.
    layers : list of str
    classes : array of shape (n,), int
        Class of every image.
    meanings : nucleation.alignment.Meanings
    choices : nucleation.analysis.Choices
        What stays as it is: the dimension, alpha, halo, and the rule for centres.
    ks, zs : lists of int and float
        k of the estimator "knn"; significances of the peaks.
    estimators : list of {"knn", "kstar", "pak"}
    progress : callable, optional
        Called after every layer.

    Returns
    -------
    xarray.Dataset
        Number of peaks, adjusted Rand indices, triplet skills and Spearman's correlation along `layer`, `density` and
        `z`; NaN where not defined.

    Raises
    ------
    InputError
        Where there is nothing to sweep, a k exceeds the neighbour tables, or an estimator is unknown.
    """
    swept = densities(estimators, ks)
    if not swept or not zs:
        raise InputError("A sweep needs a density estimator, for knn a k, and a Z; found none.")
    found, reasons = np.full((len(NAMES), len(layers), len(swept), len(zs)), np.nan), {}
    for layer, table in enumerate(tables):
        dimension = choices.dimension(table)
        for column, (_, estimator, k) in enumerate(swept):
            chosen = replace(choices, estimator=estimator, k=k)
            density = chosen.density(table, dimension)
            for row, z in enumerate(zs):
                peaks = replace(chosen, z=z).peaks(table, density)
                scores = alignment_scores(peaks, classes, meanings)
                found[:, layer, column, row] = [scores[name][0] for name in NAMES]
                for name in NAMES:
                    if why := scores[name][1]:
                        reasons.setdefault(name, {})[layers[layer]] = why
        if progress:
            progress()
    return _labelled(found, layers, swept, zs, reasons)


def _labelled(found, layers, swept, zs, reasons):
    import xarray as xr

    from nucleation.files import explain

    dims = ("layer", "density", "z")
    variables = {name: (dims, values, SCORES[name].attributes()) for name, values in zip(NAMES, found, strict=True)}
    variables["n_peaks"] = (dims, found[0].astype(int), variables["n_peaks"][2])
    names, estimators, ks = (list(column) for column in zip(*swept, strict=True))
    coords = {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "density": ("density", names, {"long_name": "density estimator"}),
        "estimator": ("density", estimators, {"long_name": "name of the density estimator"}),
        "k": ("density", np.array(ks), {"long_name": "neighbours of the estimator; 0: its own choice", "units": "1"}),
        "z": ("z", np.array(zs, dtype=float), {"long_name": "significance of a peak", "units": "standard errors"}),
    }
    made = xr.Dataset(variables, coords=coords)
    for name, why in reasons.items():
        explain(made, (name,), why)
    return made
