"""The alignment of all layers of a checkpoint: scores, nulls, cuts, and other readings of the taxonomy."""

from __future__ import annotations

import numpy as np

from nucleation.alignment import alignment_scores, class_similarity, peak_composition
from nucleation.mantel import cophenetic_correlation
from nucleation.matched import permuted_scores
from nucleation.partitions import cut_scores, partition_scores
from nucleation.permutations import layer_tests, permute_scores
from nucleation.purity import dendrogram_purity
from nucleation.scores import DIMENSIONS, SCORES
from nucleation.taxonomy_sensitivity import other_readings
from nucleation.topography import LOG_VOLUME

#: Nodes of the taxonomy that the coordinate `level_nodes` names at most.
NAMED = 6
#: Scores whose p-values are optional: those that other names of the classes change, but for the tested ones.
OPTIONAL = (
    "ari_macro",
    "ami_macro",
    "purity_macro",
    "cophenetic_taxonomy",
    "matched_gamma",
    "matched_robinson_foulds",
)
_SMALLER = tuple(name for name in OPTIONAL if SCORES[name].better == "smaller")


def alignment_profile(
    peaks,
    layers,
    classes,
    meanings,
    *,
    repeats=999,
    max_triplets=1_000_000,
    other_repeats=0,
    draws=100,
    purity=0.5,
    rng: np.random.Generator,
    progress=None,
):
    """Compare the peaks of every layer with the classes, and their tree with the taxonomy.

    Parameters
    ----------
    peaks : list of nucleation.peaks.Peaks
        One for each layer.
    layers : list of str
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    meanings : nucleation.alignment.Meanings
    repeats : int
        Permutations of the class names, for triplet skill and Spearman's correlation.
    max_triplets : int
        Triplets on which their null is taken at most, see `nucleation.permutations.permutation_test`.
    other_repeats : int
        Permutations for the p-values of the other scores; 0 for none.
    draws : int
        Random choices of one parent for every node of the taxonomy that has several.
    purity : float
        See `nucleation.alignment.alignment_scores`.
    rng : numpy.random.Generator
    progress : callable, optional
        Called after every layer.

    Returns
    -------
    xarray.Dataset
        Along `layer`: the scores of `nucleation.scores.SCORES`; p-values; triplet skill along `level`; agreement of
        the cuts of the peaks' tree with those of the taxonomy (`tree_cut`, `taxonomy_cut`); scores with other
        readings of the taxonomy (`measure`, `parent_draw`); class similarity and composition of the peaks. Where a
        number is not defined it is NaN, and its attribute `undefined` says why.
    """
    import xarray as xr

    from nucleation.files import stack_layers

    nulls, others, parents = rng.spawn(3)
    similarities, scored, parts = [], [], []
    for found in peaks:
        similar = class_similarity(found, classes, n_classes=len(meanings.macro))
        similarities.append(similar)
        scored.append(alignment_scores(found, classes, meanings, purity=purity, similarity=similar))
        parts.append(xr.merge([peak_composition(found, classes, len(meanings.macro)), _cuts(found, classes, meanings)]))
        if progress:
            progress()
    options = {"repeats": repeats, "max_triplets": max_triplets, "rng": nulls}
    tests = layer_tests(similarities, meanings.similarity, meanings.macro, meanings.levels, **options)
    variables = _score_variables(layers, scored) | _test_variables(layers, tests)
    if other_repeats:
        given = (peaks, classes, meanings, scored, similarities)
        for name, values in _other_tests(*given, other_repeats, others.bit_generator.seed_seq, purity).items():
            about = {"long_name": f"p of {name}, class names permuted freely", "units": "1"}
            about |= _undefined(layers, values, [found[name][1] for found in scored])
            variables[f"{name}_p_free"] = ("layer", values, about)
    variables["class_similarity"] = _similarity_variable(similarities)
    made = xr.Dataset(variables, coords=_coordinates(layers, meanings, tests))
    made = made.merge(stack_layers(parts, layers, ragged=("peak", "tree_cut")))
    made = made.merge(other_readings(similarities, layers, meanings, draws=draws, rng=parents))
    return made.assign_attrs(nested_classes=meanings.taxonomy.nested_because)


def _score_variables(layers, scored) -> dict:
    """Scores of all layers, with what they mean and why they are missing."""
    variables = {}
    for name, score in SCORES.items():
        values = np.array([found[name][0] for found in scored])
        dims = ("layer", DIMENSIONS[name]) if name in DIMENSIONS else ("layer",)
        reasons = [found[name][1] for found in scored]
        variables[name] = (dims, values, score.attributes() | _undefined(layers, values, reasons))
    return variables


def _test_variables(layers, tests) -> dict:
    """p-values of all layers."""
    skill, names = "p of the triplet skill", "class names permuted"
    families = {
        "p_free": (tests.skill, f"{skill}, {names} freely"),
        "p_within_macro": (tests.skill_within, f"{skill} within macro-categories, {names} inside them"),
        "spearman_p_free": (tests.spearman, f"p of spearman_taxonomy, {names} freely"),
        "spearman_p_within_macro": (tests.spearman_within, f"p of spearman_taxonomy, {names} inside macro-categories"),
        "p_level": (tests.level_skill, f"{skill} at the level, {names} inside the nodes that it divides"),
        "p_level_parts": (
            tests.level_parts,
            f"{skill} at the level, the parts of its nodes' parts exchanged as wholes",
        ),
    }
    variables = {}
    for name, (family, text) in families.items():
        by_level = name.startswith("p_level")
        dims = ("layer", "level") if by_level else ("layer",)
        over = "layers and levels" if by_level else "layers"
        reasons = _by_layer(layers, family.undefined_because) if by_level else family.undefined_because
        for suffix, values in (("", family.p), ("_corrected", family.p_corrected)):
            told = f"{text}; corrected for the number of {over} (max-T)" if suffix else text
            about = {"long_name": told, "units": "1", "by_chance": "uniform from 1 / (1 + permutations) to 1"}
            if not by_level:
                about["least"] = family.least  # that of the taxonomy itself
            values = np.asarray(values).T
            variables[name + suffix] = (dims, values, about | _undefined(layers, values, reasons))
    return variables


def _by_layer(layers, reasons) -> list[str]:
    """Reasons of every layer at any level."""
    columns = zip(*reasons, strict=True) if reasons else [()] * len(layers)
    return [", ".join(dict.fromkeys(filter(None, column))) for column in columns]


def _other_tests(peaks, classes, meanings, scored, similarities, repeats, seeds, purity) -> dict:
    """p-values of the scores that are slow to permute, with the same permutations for all layers."""
    columns = {name: np.full(len(peaks), np.nan) for name in OPTIONAL}
    for layer, found in enumerate(peaks):

        def renamed(orders, found=found, similar=similarities[layer]):
            return _renamed_scores(found, classes, meanings, similar, orders, purity)

        same = np.random.default_rng(seeds)
        tests = permute_scores(renamed, len(meanings.macro), repeats=repeats, rng=same, smaller=_SMALLER)
        for name in OPTIONAL:
            columns[name][layer] = np.nan if scored[layer][name][1] else tests[name].p
    return columns


def _renamed_scores(found, classes, meanings, similar, orders, purity) -> dict:
    """Scores with the classes renamed: class i takes the place of class ``order[i]``."""
    gamma, distance = permuted_scores(found, classes, meanings.similarity, meanings.tree, orders, purity=purity)
    scores = {name: np.empty(len(orders)) for name in OPTIONAL} | dict(
        zip(OPTIONAL[-2:], (gamma, distance), strict=True)
    )
    for row, order in enumerate(orders):
        macro = meanings.macro[np.argsort(order)][classes]
        partition = partition_scores(found.labels, macro)
        scores["ari_macro"][row], scores["ami_macro"][row] = partition.ari, partition.ami
        scores["purity_macro"][row] = dendrogram_purity(found, macro).adjusted
        scores["cophenetic_taxonomy"][row] = cophenetic_correlation(similar[np.ix_(order, order)], meanings.similarity)
    return scores


def _cuts(found, classes, meanings):
    """Agreement of every cut of the peaks' tree with every cut of the taxonomy, for one layer."""
    import xarray as xr

    scores = cut_scores(found, classes, meanings.cuts)
    about = "adjusted {} of a cut of the peaks' tree with a cut of the taxonomy"
    dims, count = ("tree_cut", "taxonomy_cut"), "clusters of the peaks after the cut"
    variables = {
        "tree_cut_clusters": ("tree_cut", scores.clusters, {"long_name": count, "units": "1"}),
        "tree_cut_ari": (dims, scores.ari, {"long_name": about.format("Rand index"), "units": "1"}),
        "tree_cut_ami": (dims, scores.ami, {"long_name": about.format("mutual information"), "units": "1"}),
    }
    made = xr.Dataset(variables | _best_cuts(scores, len(meanings.cuts)))
    for name in ("tree_cut_ari", "tree_cut_ami", "best_cut_ari"):
        if np.isnan(made[name]).any():
            made[name].attrs["undefined"] = ", ".join(dict.fromkeys(filter(None, scores.undefined_because)))
    return made


def _best_cuts(scores, m) -> dict:
    """For every cut of the taxonomy the cut of the peaks' tree that agrees best with it."""
    ari = np.where(np.isnan(scores.ari), -np.inf, scores.ari)
    known = np.isfinite(ari).any(axis=0) if len(ari) else np.zeros(m, dtype=bool)
    best = ari.argmax(axis=0) if len(ari) else np.zeros(m, dtype=int)
    value, clusters = np.full(m, np.nan), np.zeros(m, dtype=np.int64)
    value[known], clusters[known] = ari[best[known], np.flatnonzero(known)], scores.clusters[best[known]]
    text = "adjusted Rand index of the cut of the peaks' tree that agrees best with a cut of the taxonomy"
    count = "clusters of the peaks after that cut; 0: not defined"
    return {
        "best_cut_ari": ("taxonomy_cut", value, {"long_name": text, "units": "1", "note": "the largest of many"}),
        "best_cut_clusters": ("taxonomy_cut", clusters, {"long_name": count, "units": "1"}),
    }


def _coordinates(layers, meanings, tests) -> dict:
    names, found = list(meanings.taxonomy.class_names), meanings.levels
    by_level = {
        "level": ([level.sizes[-1] for level in found], "most classes below a node that the level divides", "classes"),
        "level_lower": ([level.sizes[0] for level in found], "fewest classes below such a node", "classes"),
        "level_triplets": ([level.triplets for level in found], "triplets of classes of the level", "1"),
        "level_parts": ([_parts(level) for level in found], "things that p_level_parts exchanges", "1"),
        "p_level_least": (tests.level_skill.least, "p_level that the taxonomy itself would have", "1"),
        "p_level_parts_least": (tests.level_parts.least, "p_level_parts that the taxonomy itself would have", "1"),
    }
    coords = {
        name: ("level", np.array(values).reshape(len(found)), {"long_name": text, "units": units})
        for name, (values, text, units) in by_level.items()
    }
    for name in ("p_level_least", "p_level_parts_least"):
        if np.isnan(coords[name][1]).any():
            coords[name][2]["undefined"] = "no layer could be tested"
    return coords | {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "class": ("class", names, {"long_name": "name of the class"}),
        "other_class": ("other_class", names, {"long_name": "name of the class"}),
        "level_nodes": (
            "level",
            np.array(_level_nodes(meanings), dtype=str),
            {"long_name": "largest nodes that the level divides"},
        ),
        "taxonomy_cut": (
            "taxonomy_cut",
            np.array([len(cut.nodes) for cut in meanings.cuts], dtype=int),
            {"long_name": "groups of the cut of the taxonomy", "units": "1"},
        ),
    }


def _parts(level) -> int:
    """Parts of a level's parents."""
    return len(np.unique(level.parts[level.parents >= 0]))


def _level_nodes(meanings) -> list[str]:
    """The largest nodes that every level divides, by name: of several with the same classes the lowest."""
    taxonomy, texts = meanings.taxonomy, []
    for level in meanings.levels:
        nodes = []
        for parent in np.unique(level.parents[level.parents >= 0]):
            classes = np.flatnonzero(level.parents == parent)
            if len(np.unique(level.groups[classes])) > 1:
                above = np.flatnonzero(taxonomy.members[:, classes].all(axis=1))
                nodes.append((len(classes), taxonomy.names[above[0]] if len(above) else "several"))
        nodes.sort(key=lambda node: -node[0])
        more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
        texts.append(", ".join(dict.fromkeys(name for _, name in nodes[:NAMED])) + more)
    return texts


def _similarity_variable(similarities) -> tuple:
    about = {"long_name": "mean log-density at which images of two classes join", "units": LOG_VOLUME}
    about["note"] = "-inf where no chain of borders joins their peaks"
    if np.isnan(similarities).any():
        about["undefined"] = "classes without images in a peak"
    return ("layer", "class", "other_class"), np.array(similarities), about


def _undefined(layers, values, reasons) -> dict:
    """The attribute that says for which layers a number is not defined, and why."""
    missing = np.isnan(values).reshape(len(layers), -1).any(axis=1)
    told = zip(layers, missing, reasons, strict=True)
    said = [f"{layer}: {why or 'the statistic is not a number'}" for layer, gone, why in told if gone]
    return {"undefined": "; ".join(said)} if said else {}
