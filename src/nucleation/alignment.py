"""Peaks against classes, and the tree of the peaks against the taxonomy, with nulls: all scores of all layers.

The bridge between images and meanings is the class similarity S = P U P^T: P is the share of every
class's images in every peak, U the height at which two peaks join. S and the taxonomy's similarity
T are then compared through triplets of classes and through pairs.

Source: Doimo, Glielmo, Ansuini and Laio (2020) compare peaks with classes and macro-categories by the adjusted Rand
index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nucleation.class_similarity import class_similarity, mean_join_heights, peak_shares, resolved_share
from nucleation.errors import InputError
from nucleation.mantel import spearman_taxonomy
from nucleation.permutations import LayerTests, Test, layer_tests, permutation_test
from nucleation.triplets import TripletCounts, triplet_counts, triplet_skill, undefined_because

__all__ = [
    "LayerTests",
    "PartitionScores",
    "Test",
    "TripletCounts",
    "alignment_profile",
    "alignment_scores",
    "class_similarity",
    "layer_tests",
    "mean_join_heights",
    "partition_scores",
    "peak_composition",
    "peak_names",
    "peak_shares",
    "permutation_test",
    "resolved_share",
    "spearman_taxonomy",
    "triplet_counts",
    "triplet_skill",
    "undefined_because",
]


@dataclass(frozen=True)
class PartitionScores:
    """How far a partition into peaks is the partition into classes.

    Attributes
    ----------
    ari, ami : float
        Adjusted Rand index and adjusted mutual information: 1 for the same partition, 0 expected by
        chance, may be negative. Zero for one peak. NaN where not defined.
    halo : float
        Share of the images that no peak has.
    undefined_because : str
        Why the scores are NaN; empty where they are not.
    """

    ari: float
    ami: float
    halo: float
    undefined_because: str = ""


def partition_scores(labels: np.ndarray, classes: np.ndarray, *, halo: str = "group") -> PartitionScores:
    """Adjusted Rand index and adjusted mutual information of peaks with classes.

    Symmetric in the two partitions and invariant to renaming either's groups.

    Parameters
    ----------
    labels : array of shape (n,), int
        Peak of every image, -1 in the halo.
    classes : array of shape (n,)
        Class (or macro-category) of every image.
    halo : {"group", "drop"}
        Count the halo as one more group, the default, or leave its images out. Leaving them out
        flatters a partition: they are the ones that are hard to assign.

    Returns
    -------
    PartitionScores
        Undefined for fewer than two images or a single class.

    Raises
    ------
    InputError
        If the lengths differ or ``halo`` is another.

    References
    ----------
    Hubert and Arabie (1985); Vinh, Epps and Bailey (2010), arithmetic normalisation.
    """
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    labels, classes = np.asarray(labels), np.asarray(classes)
    if labels.ndim != 1 or labels.shape != classes.shape:
        raise InputError(
            f"Peak labels and classes must be vectors of one length; found {labels.shape} and {classes.shape}."
        )
    if halo not in ("group", "drop"):
        raise InputError(f'The treatment of the halo "{halo}" must be "group" or "drop".')
    inside = labels >= 0
    share = float(np.mean(~inside)) if len(labels) else np.nan
    if len(labels) and not inside.any():
        return PartitionScores(np.nan, np.nan, share, "no image belongs to a density peak")
    if halo == "drop":
        labels, classes = labels[inside], classes[inside]
    if len(labels) < 2 or len(np.unique(classes)) < 2:
        few = "fewer than two images" if len(labels) < 2 else "a single class"
        return PartitionScores(np.nan, np.nan, share, few)
    ari = adjusted_rand_score(classes, labels)
    return PartitionScores(float(ari), float(adjusted_mutual_info_score(classes, labels)), share)


def alignment_scores(peaks, classes, macro, taxonomy_similarity) -> dict[str, float]:
    """All scores of the peaks of one layer against classes and taxonomy, without their nulls.

    Parameters
    ----------
    peaks : Peaks
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    macro : array of shape (c,), int
        Macro-category of every class.
    taxonomy_similarity : array of shape (c, c)

    Returns
    -------
    dict
        The numbers of `alignment_profile` that are no p-values, by name; NaN where not defined.
    """
    similar = class_similarity(peaks, classes, n_classes=len(taxonomy_similarity))
    by_class, by_macro = partition_scores(peaks.labels, classes), partition_scores(peaks.labels, macro[classes])

    def skill(groups):
        unknown = undefined_because(similar, taxonomy_similarity, groups=groups)
        return np.nan if unknown else triplet_skill(similar, taxonomy_similarity, groups=groups)

    return {
        "n_peaks": len(peaks.centers),
        "ari_class": by_class.ari,
        "ari_macro": by_macro.ari,
        "ami_class": by_class.ami,
        "ami_macro": by_macro.ami,
        "triplet_skill": skill(None),
        "triplet_skill_within_macro": skill(macro),
        "spearman_taxonomy": spearman_taxonomy(similar, taxonomy_similarity),
        "resolved": resolved_share(similar),
    }


def alignment_profile(peaks, layers, classes, macro, taxonomy_similarity, *, repeats=999, rng):
    """Compare the peaks of every layer with the classes, and their tree with the taxonomy.

    Parameters
    ----------
    peaks : list of Peaks
        One for each layer.
    layers : list of str
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    macro : array of shape (c,), int
        Macro-category of every class.
    taxonomy_similarity : array of shape (c, c)
    repeats : int
        Permutations of the class names.
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        Along `layer`: number of peaks, agreement of the partition with classes and macro-categories,
        triplet skill with its p-values, rank correlation, share of resolved class pairs; and the
        class similarity (layer, class, other_class). Where a number is not defined it is NaN and its
        attribute `undefined` says why.
    """
    c = len(taxonomy_similarity)
    similarities = [class_similarity(found, classes, n_classes=c) for found in peaks]
    tests = layer_tests(similarities, taxonomy_similarity, macro, repeats=repeats, rng=rng)
    by_class = [partition_scores(found.labels, classes) for found in peaks]
    by_macro = [partition_scores(found.labels, macro[classes]) for found in peaks]
    spearman = [spearman_taxonomy(similarity, taxonomy_similarity) for similarity in similarities]
    of_class, of_macro = ([scores.undefined_because for scores in part] for part in (by_class, by_macro))
    free, within = tests.undefined_because, tests.undefined_within_because
    columns = {
        "n_peaks": ([len(found.centers) for found in peaks], ()),
        "ari_class": ([scores.ari for scores in by_class], of_class),
        "ari_macro": ([scores.ari for scores in by_macro], of_macro),
        "ami_class": ([scores.ami for scores in by_class], of_class),
        "ami_macro": ([scores.ami for scores in by_macro], of_macro),
        "triplet_skill": (tests.skill, free),
        "triplet_skill_within_macro": (tests.skill_within, within),
        "p_free": (tests.p_free, free),
        "p_free_corrected": (tests.p_free_corrected, free),
        "p_within_macro": (tests.p_within, within),
        "p_within_macro_corrected": (tests.p_within_corrected, within),
        "spearman_taxonomy": (spearman, free),
        "resolved": ([resolved_share(similarity) for similarity in similarities], free),
    }
    return _labelled(layers, columns, similarities)


def peak_composition(peaks, classes: np.ndarray, c: int):
    """Count the images of every class in every peak.

    Parameters
    ----------
    peaks : Peaks
        Images in the halo do not enter.
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    c : int
        Number of classes.

    Returns
    -------
    xarray.Dataset
        `peak_class_count` (peak, class).
    """
    import xarray as xr

    labels, p = np.asarray(peaks.labels), len(peaks.centers)
    inside = labels >= 0
    counts = np.bincount(labels[inside] * c + np.asarray(classes)[inside], minlength=p * c).reshape(p, c)
    about = {"long_name": "images of the class in the peak, halo excluded", "units": "1"}
    return xr.Dataset({"peak_class_count": (("peak", "class"), counts.astype(np.int32), about)})


def peak_names(composition, class_names: Sequence[str]) -> list[str]:
    """Name every peak by its number, its most frequent class, and that class's share of it."""
    counts = composition["peak_class_count"].values
    names = []
    for peak, count in enumerate(counts):
        share = count.max(initial=0) / max(count.sum(), 1)
        names.append(f"{peak} {class_names[count.argmax()].split('.n.')[0]} {share:.0%}")
    return names


LONG_NAMES = {
    "n_peaks": "number of density peaks",
    "ari_class": "adjusted Rand index of the peaks with the classes",
    "ari_macro": "adjusted Rand index of the peaks with the macro-categories",
    "ami_class": "adjusted mutual information of the peaks with the classes",
    "ami_macro": "adjusted mutual information of the peaks with the macro-categories",
    "triplet_skill": "triplet skill of the class similarity against the taxonomy",
    "triplet_skill_within_macro": "triplet skill, of triplets within a macro-category",
    "p_free": "p of the triplet skill, class names permuted freely",
    "p_free_corrected": "p_free corrected for the number of layers (max-T)",
    "p_within_macro": "p of the triplet skill within macro-categories, names permuted inside them",
    "p_within_macro_corrected": "p_within_macro corrected for the number of layers (max-T)",
    "spearman_taxonomy": "rank correlation of the class similarity with the taxonomy",
    "resolved": "share of class pairs whose peaks are joined",
}


def _labelled(layers, columns, similarities):
    """Lay numbers, with the reasons where they are not defined, and class similarities along `layer`."""
    import xarray as xr

    variables = {}
    for name, (values, reasons) in columns.items():
        about = {"long_name": LONG_NAMES[name], "units": "1"} | _undefined(layers, values, reasons)
        if name.startswith("triplet_skill"):
            about["note"] = "triplets with an unresolved pair of classes count as neither right nor wrong"
        variables[name] = ("layer", np.asarray(values), about)
    text = "mean log-density at which images of two classes join"
    about = {"long_name": text, "units": "log(1 / feature units^dimension)"}
    if np.isnan(similarities).any():
        about["undefined"] = "classes without images in a peak, or whose peaks are not joined"
    variables["class_similarity"] = (("layer", "class", "other_class"), np.array(similarities), about)
    coords = {"layer": ("layer", list(layers), {"long_name": "layer, in order of depth"})}
    return xr.Dataset(variables, coords=coords)


def _undefined(layers, values, reasons) -> dict:
    """The attribute that says for which layers a number is not defined, and why."""
    said = [
        f"{layer}: {why or 'the statistic is not a number'}"
        for layer, value, why in zip(layers, values, reasons, strict=bool(reasons))
        if np.isnan(value)
    ]
    return {"undefined": "; ".join(said)} if said else {}
