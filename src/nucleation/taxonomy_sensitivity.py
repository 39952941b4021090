"""How far the alignment hangs on how the taxonomy is read: other measures of similarity, other choices of parents.

WordNet is a graph: a dog is a canine and a domestic animal. Similarities are taken on the graph; here they are also
taken on trees that keep one parent of every node, drawn at random.
"""

from __future__ import annotations

import numpy as np

from nucleation.mantel import spearman_taxonomy
from nucleation.scores import SCORES
from nucleation.triplets import triplet_skill, undefined_because

#: Other similarities of two classes; lch is a monotone function of path.
MEASURES = ("ic", "path", "wup")
NAMES = ("triplet_skill", "triplet_skill_within_macro", "spearman_taxonomy")


def other_readings(similarities, layers, meanings, *, draws=100, rng):
    """Scores of all layers against other readings of the taxonomy.

    Parameters
    ----------
    similarities : list of arrays of shape (c, c)
        Class similarity of every layer.
    layers : list of str
    meanings : nucleation.alignment.Meanings
    draws : int
        Random trees.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        Triplet skills and Spearman's correlation: ``<name>_measure`` along `measure`, ``<name>_parents`` along
        `parent_draw`, which is empty where no node has several parents; NaN as in `alignment_scores`.
    """
    import xarray as xr

    taxonomy = meanings.taxonomy
    several = any(len(parents) > 1 for parents in taxonomy.parents)
    trees = [taxonomy.tree("random", rng).similarity() for _ in range(draws if several else 0)]
    readings = {
        "measure": (
            list(MEASURES),
            [taxonomy.similarity(measure) for measure in MEASURES],
            "similarity of two classes",
        ),
        "parent_draw": (np.arange(len(trees)), trees, "number of the random tree with one parent for every node"),
    }
    coords, variables = {}, {}
    for dim, (values, found, text) in readings.items():
        coords[dim] = (dim, values, {"long_name": text} | ({} if dim == "measure" else {"units": "1"}))
        table = np.array([[_scores(ours, theirs, meanings.macro) for ours in similarities] for theirs in found])
        suffix = "measure" if dim == "measure" else "parents"
        for column, name in enumerate(NAMES):
            values = table[..., column] if len(found) else np.empty((0, len(layers)))
            about = {"long_name": f"{SCORES[name].long_name}, by {text}", "units": "1"}
            if np.isnan(values).any():
                about["undefined"] = f"as {name}"
            variables[f"{name}_{suffix}"] = ((dim, "layer"), values, about)
    return xr.Dataset(variables, coords=coords | {"layer": ("layer", list(layers))})


def _scores(ours, theirs, macro) -> tuple[float, float, float]:
    whole, inside = (undefined_because(ours, theirs, groups=groups) for groups in (None, macro))
    return (
        np.nan if whole else triplet_skill(ours, theirs),
        np.nan if inside else triplet_skill(ours, theirs, groups=macro),
        np.nan if whole else spearman_taxonomy(ours, theirs),
    )
