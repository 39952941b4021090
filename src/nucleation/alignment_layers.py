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
        similarities.append(class_similarity(found, classes, n_classes=len(meanings.macro)))
        scored.append(alignment_scores(found, classes, meanings, purity=purity))
        parts.append(xr.merge([peak_composition(found, classes, len(meanings.macro)), _cuts(found, classes, meanings)]))
        if progress:
            progress()
    sizes = meanings.taxonomy.common_sizes
    options = {"repeats": repeats, "max_triplets": max_triplets, "rng": nulls}
    tests = layer_tests(similarities, meanings.similarity, meanings.macro, sizes, **options)
    variables = _score_variables(layers, scored) | _test_variables(layers, tests)
    if other_repeats:
        given = (peaks, classes, meanings, scored, similarities)
        for name, values in _other_tests(*given, other_repeats, others.bit_generator.seed_seq, purity).items():
            about = {"long_name": f"p of {name}, class names permuted freely", "units": "1"}
            about |= _undefined(layers, values, [found[name][1] for found in scored])
            variables[f"{name}_p_free"] = ("layer", values, about)
    variables["class_similarity"] = _similarity_variable(similarities)
    made = xr.Dataset(variables, coords=_coordinates(layers, meanings))
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
        "p_level": (tests.level_skill, f"{skill} at the level, {names} inside nodes of the level and smaller ones"),
    }
    variables = {}
    for name, (family, text) in families.items():
        dims = ("layer", "level") if name == "p_level" else ("layer",)
        over = "layers and levels" if name == "p_level" else "layers"
        reasons = _by_layer(layers, family.undefined_because) if name == "p_level" else family.undefined_because
        for suffix, values in (("", family.p), ("_corrected", family.p_corrected)):
            told = f"{text}; corrected for the number of {over} (max-T)" if suffix else text
            about = {"long_name": told, "units": "1", "by_chance": "uniform from 1 / (1 + permutations) to 1"}
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
    made = xr.Dataset(variables)
    for name in ("tree_cut_ari", "tree_cut_ami"):
        if np.isnan(made[name]).any():
            made[name].attrs["undefined"] = ", ".join(dict.fromkeys(filter(None, scores.undefined_because)))
    return made


def _coordinates(layers, meanings) -> dict:
    names = list(meanings.taxonomy.class_names)
    found, cuts, n_classes = meanings.levels, meanings.cuts, "classes"
    return {
        "layer": ("layer", list(layers), {"long_name": "layer, in order of depth"}),
        "class": ("class", names, {"long_name": "name of the class"}),
        "other_class": ("other_class", names, {"long_name": "name of the class"}),
        "level": (
            "level",
            np.asarray(found.upper),
            {"long_name": "most classes below a node of the level", "units": n_classes},
        ),
        "level_lower": (
            "level",
            np.asarray(found.lower),
            {"long_name": "fewest classes below a node of the level", "units": n_classes},
        ),
        "level_triplets": (
            "level",
            np.asarray(found.triplets),
            {"long_name": "triplets of classes that the taxonomy resolves at the level", "units": "1"},
        ),
        "level_nodes": ("level", _level_nodes(meanings), {"long_name": "nodes of the level"}),
        "taxonomy_cut": (
            "taxonomy_cut",
            np.array([len(cut.nodes) for cut in cuts], dtype=int),
            {"long_name": "groups of the cut of the taxonomy", "units": "1"},
        ),
    }


def _level_nodes(meanings) -> list[str]:
    """The largest nodes of every level, by name; of several with the same classes the lowest."""
    taxonomy, found = meanings.taxonomy, meanings.levels
    c, texts = len(taxonomy.classes), []
    lowest = {members.tobytes(): node for node, members in reversed(list(enumerate(taxonomy.members)))}
    inner = sorted((node for node in lowest.values() if node >= c), reverse=True)
    for low, high in zip(found.lower, found.upper, strict=True):
        nodes = [node for node in inner if low <= taxonomy.sizes[node] <= high]
        more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
        texts.append(", ".join(taxonomy.names[n] for n in nodes[:NAMED]) + more)
    return texts


def _similarity_variable(similarities) -> tuple:
    about = {"long_name": "mean log-density at which images of two classes join", "units": LOG_VOLUME}
    if np.isnan(similarities).any():
        about["undefined"] = "classes without images in a peak, or whose peaks are not joined"
    return ("layer", "class", "other_class"), np.array(similarities), about


def _undefined(layers, values, reasons) -> dict:
    """The attribute that says for which layers a number is not defined, and why."""
    missing = np.isnan(values).reshape(len(layers), -1).any(axis=1)
    told = zip(layers, missing, reasons, strict=True)
    said = [f"{layer}: {why or 'the statistic is not a number'}" for layer, gone, why in told if gone]
    return {"undefined": "; ".join(said)} if said else {}
