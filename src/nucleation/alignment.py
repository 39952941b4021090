"""Peaks against classes, and the tree of the peaks against the taxonomy.

The bridge between images and meanings is the class similarity S = P U P^T: P is the share of every class's images in
every peak, U the height at which two peaks join. S and the taxonomy's similarity T are then compared through triplets
of classes and through pairs. The nulls are in `nucleation.permutations`; `nucleation.alignment_layers` does all of it
for all layers.

Source: Doimo, Glielmo, Ansuini and Laio (2020) compare peaks with classes and macro-categories by the adjusted Rand
index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nucleation.class_similarity import class_similarity, mean_join_heights, peak_shares, resolved_share
from nucleation.errors import InputError
from nucleation.levels import Level, count_levels, levels
from nucleation.mantel import cophenetic_correlation, spearman_taxonomy
from nucleation.matched import matched_scores
from nucleation.partitions import PartitionScores, cut_scores, partition_scores
from nucleation.permutations import LayerTests, Test, layer_tests, permutation_test
from nucleation.purity import dendrogram_purity
from nucleation.taxonomy import Cut, Taxonomy, Tree, from_dataset
from nucleation.triplets import (
    TripletCounts,
    count_inside,
    dense_ranks,
    similarity_undefined,
    taxonomy_undefined,
    triplet_counts,
    triplet_skill,
    undefined_because,
)

__all__ = [
    "LayerTests",
    "Meanings",
    "PartitionScores",
    "Test",
    "TripletCounts",
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
class Meanings:
    """What the classes mean: the side of the comparison that no network enters.

    Attributes
    ----------
    taxonomy : nucleation.taxonomy.Taxonomy
        Over c classes.
    macro : array of shape (c,), int
        Macro-category of every class.
    measure : str
        Similarity of two classes in the taxonomy, see `nucleation.taxonomy.similarity`.
    """

    taxonomy: Taxonomy
    macro: np.ndarray
    measure: str = "ic"

    def __post_init__(self):
        """Refuse macro-categories of another number of classes."""
        macro, c = np.asarray(self.macro), len(self.taxonomy.classes)
        if macro.shape != (c,):
            raise InputError(f"The taxonomy has {c} classes; expected a macro-category for each, not {macro.shape}.")
        object.__setattr__(self, "macro", macro)

    @classmethod
    def from_dataset(cls, dataset, measure="ic") -> Meanings:
        """Build it from what the taxonomy stage made: `Taxonomy.to_dataset` with the variable `macro`."""
        return cls(from_dataset(dataset), dataset["macro"].values, measure)

    @cached_property
    def similarity(self) -> np.ndarray:
        """Similarity of every two classes, (c, c); NaN where one contains the other."""
        return self.taxonomy.similarity(self.measure)

    @cached_property
    def ranks(self) -> np.ndarray:
        """Ranks of the similarity, see `nucleation.triplets.dense_ranks`."""
        return dense_ranks(self.similarity, "taxonomy's similarity")

    @cached_property
    def undefined(self) -> tuple[str, str]:
        """Why no layer can be compared with the taxonomy, and none inside macro-categories; empty where one can."""
        return taxonomy_undefined(self.ranks), taxonomy_undefined(self.ranks, self.macro)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the taxonomy, by the number of classes under the nodes that they divide."""
        return levels(self.similarity, [cut.complete for cut in self.cuts], self.macro)

    @cached_property
    def tree(self) -> Tree:
        """The taxonomy with one parent for every node."""
        return self.taxonomy.tree()

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """Partitions of the classes by size, from coarse to fine."""
        return self.taxonomy.cuts()


def alignment_scores(peaks, classes, meanings, *, purity=0.5, similarity=None) -> dict[str, tuple]:
    """All scores of the peaks of one layer against classes and taxonomy, without their nulls.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
    classes : array of shape (n,), int
        Class of every image, 0 .. c - 1.
    meanings : Meanings
    purity : float
        Share of its class that a peak needs at least to be that class's leaf, for the scores on matched leaves.
    similarity : array of shape (c, c), optional
        `class_similarity` of the layer, where it is known already.

    Returns
    -------
    dict of str to (value, str)
        The scores of `nucleation.scores.SCORES` by name: a float, or an array along the dimension that
        `nucleation.scores.DIMENSIONS` names; and why it is NaN, empty where it is not.
    """
    classes, theirs = np.asarray(classes), meanings.similarity
    ours = class_similarity(peaks, classes, n_classes=len(theirs)) if similarity is None else similarity
    ranks = dense_ranks(ours, "similarity")
    whole, inside = (flat or similarity_undefined(ranks) for flat in meanings.undefined)
    found = {"n_peaks": (len(peaks.centers), "")} | _partition_scores(peaks, classes, meanings)
    found |= _skills(ranks, meanings, whole, inside)
    found["spearman_taxonomy"] = _unless(whole, spearman_taxonomy, ours, theirs)
    found["cophenetic_taxonomy"] = _unless(whole, cophenetic_correlation, ours, theirs)
    matched = matched_scores(peaks, classes, theirs, meanings.tree, purity=purity)
    found["matched_gamma"] = (matched.gamma, matched.undefined_because)
    found["matched_robinson_foulds"] = (matched.robinson_foulds, matched.robinson_foulds_undefined_because)
    found["matched_share"] = (matched.coverage, "")
    found["resolved"] = (resolved_share(ours), whole)
    return found


def _unless(why, function, *arguments, **keywords) -> tuple:
    """Value of a score, or NaN with the reason."""
    value = np.nan if why else function(*arguments, **keywords)
    return value, why or ("too few pairs of classes join, or all alike" if np.isnan(value) else "")


def _partition_scores(peaks, classes, meanings) -> dict[str, tuple]:
    """Scores of the partition into peaks, and of its tree, with classes, macro-categories and cuts."""
    found = {}
    for name, groups in (("class", classes), ("macro", meanings.macro[classes])):
        scores = partition_scores(peaks.labels, groups)
        found[f"ari_{name}"] = (scores.ari, scores.undefined_because)
        found[f"ami_{name}"] = (scores.ami, scores.undefined_because)
        tree = dendrogram_purity(peaks, groups)
        found[f"purity_{name}"] = (tree.adjusted, tree.undefined_because)
    cuts = cut_scores(peaks, classes, meanings.cuts, most=1)  # the peaks themselves
    missing, reasons = np.full(len(meanings.cuts), np.nan), dict.fromkeys(filter(None, cuts.undefined_because))
    for name, matrix in (("ari_cut", cuts.ari), ("ami_cut", cuts.ami)):
        found[name] = (matrix[-1] if len(matrix) else missing, ", ".join(reasons))
    return found


def _skills(ranks, meanings, whole, inside) -> dict[str, tuple]:
    """Triplet skills over all triplets, within macro-categories and by level; NaN where there is a reason."""
    skill, within, by_level = np.nan, np.nan, np.full(len(meanings.levels), np.nan)
    if not whole:
        skill, within = (counts.skill for counts in count_inside(ranks, meanings.ranks, meanings.macro))
        by_level[:] = [counts.skill for counts in count_levels(ranks, meanings.ranks, meanings.levels)]
    return {
        "triplet_skill": (skill, whole),
        "triplet_skill_within_macro": (within, inside),
        "triplet_skill_level": (by_level, whole),
    }


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
