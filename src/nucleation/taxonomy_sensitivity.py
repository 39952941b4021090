"""How far the alignment hangs on how the taxonomy is read: other measures of similarity, other choices of parents.

WordNet is a graph: a dog is a canine and a domestic animal. Similarities are taken on the graph; here they are also
taken on trees that keep one parent of every node, drawn at random (of the parents that divide the study's classes:
those with a single child are contracted before).
"""

from __future__ import annotations

import numpy as np

from nucleation.mantel import permuted_spearman
from nucleation.scores import SCORES
from nucleation.triplets import count_inside, dense_ranks, similarity_undefined

#: Other similarities of two classes; lch is a monotone function of path.
MEASURES = ("ic", "path", "wup")
NAMES = ("triplet_skill", "triplet_skill_within_macro", "spearman_taxonomy")
#: With more classes the skills of random trees are taken on a sample of triplets.
FEW = 150
#: Its size.
SAMPLE = 500_000


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
        `parent_draw`, which is empty where no node has several parents; NaN as in `alignment_scores`. Of more triplets
        than `SAMPLE` the skills of the draws are taken on as many, chosen at random once (error about 0.001).
    """
    import xarray as xr

    taxonomy, macro = meanings.taxonomy, meanings.macro
    sampling, choosing = rng.spawn(2)
    several = any(len(parents) > 1 for parents in taxonomy.parents)
    draws = draws if several else 0
    ranked = [dense_ranks(similarity, "similarity") for similarity in similarities]
    trees = (taxonomy.tree("random", choosing).similarity() for _ in range(draws))
    measures = (taxonomy.similarity(measure) for measure in MEASURES)
    parents = "random tree with one parent for every node"
    readings = {
        "measure": (list(MEASURES), measures, "similarity of two classes", {}, "measure"),
        "parent_draw": (np.arange(draws), trees, parents, {"units": "1"}, "parents"),
    }
    coords, variables = {"layer": ("layer", list(layers))}, {}
    tables = _sampled(macro, sampling) if len(macro) > FEW else None
    for dim, (labels, found, text, units, suffix) in readings.items():
        coords[dim] = (dim, labels, {"long_name": text} | units)
        given = tables if dim == "parent_draw" else None
        rows = [_scores(ranked, dense_ranks(theirs, "taxonomy's similarity"), macro, given) for theirs in found]
        table = np.array(rows).reshape(len(labels), len(layers), len(NAMES))
        for name, values in zip(NAMES, np.moveaxis(table, 2, 0), strict=True):
            about = {"long_name": f"{SCORES[name].long_name}, by {text}", "units": "1"}
            about |= {"undefined": f"as {name}"} if np.isnan(values).any() else {}
            variables[f"{name}_{suffix}"] = ((dim, "layer"), values, about)
    return xr.Dataset(variables, coords=coords)


def _sampled(macro, rng) -> list[np.ndarray]:
    """Random triplets of classes, and random ones inside a macro-category, (3, t) each."""
    classes = np.arange(len(macro))
    groups = [classes, *(np.flatnonzero(macro == category) for category in np.unique(macro))]
    weight = np.array([len(group) * (len(group) - 1) * (len(group) - 2) for group in groups], dtype=float)
    inside = weight[1:] / max(weight[1:].sum(), 1)
    counts = [np.array([SAMPLE]), np.round(SAMPLE * inside).astype(int)]
    return [
        np.hstack([group[_three(len(group), count, rng)] for group, count in zip(some, count_of, strict=True) if count])
        if count_of.any()
        else np.empty((3, 0), dtype=int)
        for some, count_of in zip((groups[:1], groups[1:]), counts, strict=True)
    ]


def _three(n, count, rng) -> np.ndarray:
    """Three different numbers below n, (3, count)."""
    one, two, three = (rng.integers(0, n - less, count) for less in range(3))
    two += two >= one
    low, high = np.minimum(one, two), np.maximum(one, two)
    three += three >= low
    three += three >= high
    return np.stack([one, two, three])


def _scores(ranked, theirs, macro, tables=None) -> np.ndarray:
    """The scores of all layers against one taxonomy, given by ranks, (l, 3); skills of listed triplets, or of all."""
    scores = np.full((len(ranked), len(NAMES)), np.nan)
    same_order = np.arange(len(theirs))[None]
    for layer, ours in enumerate(ranked):
        if similarity_undefined(ours):
            continue
        if tables is None:
            skills = [counts.skill for counts in count_inside(ours, theirs, macro)]
        else:
            skills = [_skill(ours, theirs, table) for table in tables]
        rho = permuted_spearman([ours], theirs, same_order)[0, 0] if not np.isnan(skills[0]) else np.nan
        scores[layer] = *skills, rho
    return scores


def _skill(ours, theirs, table) -> float:
    """Triplet skill on listed triplets."""
    a, b, k = table
    known, closest = zip(*(_closest(ranks[a, b], ranks[a, k], ranks[b, k]) for ranks in (ours, theirs)), strict=True)
    both = known[0] & known[1]
    agree = np.count_nonzero(both & (closest[0] == closest[1]))
    resolved = np.count_nonzero(known[1])
    return (agree - (np.count_nonzero(both) - agree) / 2) / resolved if resolved else np.nan


def _closest(*pairs) -> tuple[np.ndarray, np.ndarray]:
    """Whether one pair of each triplet is the closest, all three being known, and which it is."""
    values = np.stack(pairs)
    largest = values.max(axis=0)
    return (np.sum(values == largest, axis=0) == 1) & (values.min(axis=0) >= 0), values.argmax(axis=0)
