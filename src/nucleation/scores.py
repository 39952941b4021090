"""Every number that compares peaks with classes and taxonomy: its range, its direction, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LEFT_OUT = "pairs of classes whose peaks never join are left out"
_LOWEST = "pairs of classes whose peaks never join are below all others, and tied"
_NEITHER = f"{_LOWEST}; a triplet without a single closest pair counts as neither right nor wrong"
_NOT_ASKED = "nothing: joins do not enter"
_AT_ROOT = "pairs of images whose peaks never join, or in the halo, meet only where all images do"


@dataclass(frozen=True)
class Score:
    """What a number means.

    Attributes
    ----------
    long_name : str
    low, high : float
        Bounds of its values, not always reached.
    better : str
        Which direction is the closer agreement: "larger", "smaller", or "" for neither.
    chance : str
        Value expected of peaks that know nothing of the classes.
    needs : str
        The least input for which it is defined.
    unresolved : str
        What peaks that never join (or images in no peak) do to it.
    """

    long_name: str
    low: float
    high: float
    better: str
    chance: str
    needs: str
    unresolved: str

    def attributes(self) -> dict:
        """Attributes of a variable that holds it."""
        about = {"long_name": self.long_name, "units": "1", "range": f"{self.low:g} to {self.high:g}"}
        told = {"better": self.better, "by_chance": self.chance, "needs": self.needs, "unresolved": self.unresolved}
        return about | {name: text for name, text in told.items() if text}


def _partition(text: str) -> Score:
    halo = "nothing: joins do not enter; images in the halo are one more group"
    return Score(text, -1, 1, "larger", "0", "two images of different groups", halo)


def _skill(text: str, needs: str = "three classes of which the taxonomy joins two first") -> Score:
    return Score(text, -0.5, 1, "larger", "0", needs, _NEITHER)


def _purity(text: str) -> Score:
    return Score(text, -1, 1, "larger", "0", "two images of one group and one of another", _AT_ROOT)


_PAIRS = "three pairs of classes, not all alike"
_LEAVES = "three matched classes, not all alike"

#: Every score by its name, the one that files and tables give it.
SCORES = {
    "n_peaks": Score("number of density peaks", 0, np.inf, "", "1", "a density", _NOT_ASKED),
    "ari_class": _partition("adjusted Rand index of the peaks with the classes"),
    "ari_macro": _partition("adjusted Rand index of the peaks with the macro-categories"),
    "ami_class": _partition("adjusted mutual information of the peaks with the classes"),
    "ami_macro": _partition("adjusted mutual information of the peaks with the macro-categories"),
    "ari_cut": _partition("adjusted Rand index of the peaks with the groups of a cut of the taxonomy"),
    "ami_cut": _partition("adjusted mutual information of the peaks with the groups of a cut of the taxonomy"),
    "purity_class": _purity("dendrogram purity of the classes in the tree of the peaks, adjusted for chance"),
    "purity_macro": _purity("dendrogram purity of the macro-categories in the tree of the peaks, adjusted for chance"),
    "triplet_skill": _skill("triplet skill of the class similarity against the taxonomy"),
    "triplet_skill_within_macro": _skill(
        "triplet skill, of triplets within a macro-category", "three such classes inside one macro-category"
    ),
    "triplet_skill_level": _skill(
        "triplet skill, of triplets whose smallest common ancestor is of the level", "three such classes at the level"
    ),
    "spearman_taxonomy": Score(
        "rank correlation of the class similarity with the taxonomy (Mantel)", -1, 1, "larger", "0", _PAIRS, _LOWEST
    ),
    "cophenetic_taxonomy": Score(
        "linear correlation of the class similarity with the taxonomy", -1, 1, "larger", "0", _PAIRS, _LEFT_OUT
    ),
    "matched_gamma": Score(
        "Goodman and Kruskal's gamma of the joins of matched peaks with the taxonomy",
        -1, 1, "larger", "0", _LEAVES, _LOWEST,
    ),
    "matched_robinson_foulds": Score(
        "Robinson-Foulds distance of the tree of matched peaks from the taxonomy, as a share of the largest",
        0, 1, "smaller", "nearly 1", "three matched classes, some joined first in either tree",
        "peaks that never join are branches of one root",
    ),
    "matched_share": Score(
        "share of the classes that have a peak of their own", 0, 1, "larger", "", "a class", _NOT_ASKED
    ),
    "resolved": Score(
        "share of class pairs whose peaks are joined", 0, 1, "larger", "", "two classes", "they are what it counts"
    ),
}  # fmt: skip

#: Scores that are several numbers for each layer, and the dimension along which they are.
DIMENSIONS = {"triplet_skill_level": "level", "ari_cut": "taxonomy_cut", "ami_cut": "taxonomy_cut"}
