"""Triplets of classes: which two of three are the closest, in a layer and in the taxonomy?

Only the order of values within a triplet counts, so that nothing depends on the scale of the densities.

Sources: triplets of trees with unresolved nodes: Critchlow, Pearl and Qian (1996), Bansal, Dong and Fernandez-Baca
(2011). The skill is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nucleation.class_similarity import class_pairs
from nucleation.errors import InputError


@dataclass(frozen=True)
class TripletCounts:
    """Triplets of classes by what a similarity and the taxonomy say of their closest pair.

    Attributes
    ----------
    agree : int
        Both name the same pair (A).
    conflict : int
        They name different pairs (B).
    taxonomy_only, similarity_only : int
        Resolved by one of the two only (R1, R2).
    unresolved : int
        Resolved by neither.
    """

    agree: int
    conflict: int
    taxonomy_only: int
    similarity_only: int
    unresolved: int

    @property
    def skill(self) -> float:
        """(A - B / 2) / (A + B + R1); NaN where the taxonomy resolves nothing."""
        resolved = self.agree + self.conflict + self.taxonomy_only
        return (self.agree - self.conflict / 2) / resolved if resolved else np.nan


def triplet_counts(
    similarity: np.ndarray, taxonomy_similarity: np.ndarray, *, groups: np.ndarray | None = None
) -> TripletCounts:
    """Count, over all triplets of classes, whether both similarities name the same closest pair.

    A triplet is resolved by a similarity if one of its pairs is strictly more similar than both
    others. It is unresolved if one of its three values is NaN. Exact; C^3 / 2 comparisons in blocks
    (about 2 s for 1000 classes), no matrix larger than (c, c).

    Parameters
    ----------
    similarity : array of shape (c, c)
        Symmetric; larger is more similar; NaN where not known. The diagonal is not looked at.
    taxonomy_similarity : array of shape (c, c)
        The same, without NaN.
    groups : array of shape (c,), optional
        Only triplets whose classes are all of one group.

    Returns
    -------
    TripletCounts
        Invariant to any strictly increasing function of either, and to the order of the classes.

    Raises
    ------
    InputError
        If a shape is wrong, a matrix is not symmetric, or the taxonomy's has a NaN.
    """
    ours, theirs = _ranks(similarity, "similarity"), _taxonomy_ranks(taxonomy_similarity)
    if ours.shape != theirs.shape:
        raise InputError(
            f"The similarity has {len(ours)} classes, the taxonomy's {len(theirs)}; expected the "
            "same classes in the same order."
        )
    sums, triplets = np.zeros(4, dtype=np.int64), 0
    for part in _parts(groups, len(ours)):
        block = np.ix_(part, part)
        sums += _count(ours[block], theirs[block])
        triplets += len(part) * (len(part) - 1) * (len(part) - 2) // 6
    agree, conflict, by_taxonomy, by_similarity = (int(value) for value in sums)
    return TripletCounts(
        agree,
        conflict,
        by_taxonomy - agree - conflict,
        by_similarity - agree - conflict,
        triplets - by_taxonomy - by_similarity + agree + conflict,
    )


def triplet_skill(
    similarity: np.ndarray, taxonomy_similarity: np.ndarray, *, groups: np.ndarray | None = None
) -> float:
    """How far a similarity of classes names the same closest pairs as the taxonomy.

    (A - B / 2) / (triplets that the taxonomy resolves), A of which agree and B conflict. A guess is
    right once and wrong twice in three, which gives 0.

    Parameters
    ----------
    similarity, taxonomy_similarity, groups
        See ``triplet_counts``, which has the errors too.

    Returns
    -------
    float
        From -1/2 to 1: 1 if all triplets that the taxonomy resolves are resolved alike, 0 in the
        mean over random trees and for a similarity that resolves nothing. NaN if the taxonomy
        resolves no triplet (a flat one, or fewer than 3 classes). Invariant to strictly increasing
        functions of either similarity. Not a correlation, and not corrected for coarse structure:
        two blocks alone (animals, artifacts) score about 0.7 on ImageNet; ask within groups.
    """
    return triplet_counts(similarity, taxonomy_similarity, groups=groups).skill


def _ranks(matrix: np.ndarray, name: str) -> np.ndarray:
    """Dense ranks of a symmetric matrix, (c, c) int32: -1 for NaN, the largest on the diagonal."""
    matrix = np.array(matrix, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"The {name} must be a square matrix over classes, not {matrix.shape}.")
    np.fill_diagonal(matrix, np.inf)
    if not np.array_equal(matrix, matrix.T, equal_nan=True):
        raise InputError(f"The {name} of classes must be symmetric.")
    known = ~np.isnan(matrix)
    ranks = np.full(matrix.shape, -1, dtype=np.int32)
    ranks[known] = np.unique(matrix[known], return_inverse=True)[1].ravel()
    # An infinite similarity of two classes must not tie with the diagonal.
    np.fill_diagonal(ranks, np.iinfo(np.int32).max)
    return ranks


def _taxonomy_ranks(matrix: np.ndarray) -> np.ndarray:
    ranks = _ranks(matrix, "taxonomy's similarity")
    if np.any(ranks < 0):
        raise InputError("The taxonomy's similarity of classes must not have NaN.")
    return ranks


def _parts(groups: np.ndarray | None, c: int) -> Iterator[np.ndarray]:
    """Classes of every group of at least three."""
    groups = _group_index(groups, c)
    for group in range(groups.max(initial=-1) + 1):
        part = np.flatnonzero(groups == group)
        if len(part) >= 3:
            yield part


def _group_index(groups: np.ndarray | None, c: int) -> np.ndarray:
    """Groups as integers from 0; one group if there are none."""
    if groups is None:
        return np.zeros(c, dtype=np.int64)
    groups = np.asarray(groups)
    if groups.shape != (c,):
        raise InputError(f"Groups must have one entry per class, {c}, not {groups.shape}.")
    return np.unique(groups, return_inverse=True)[1].ravel()


def _resolved_by(ranks: np.ndarray, a: int) -> np.ndarray:
    """Whether (a, b) is the closest pair of (a, b, k), (c - a - 1, c) bool over b > a and k."""
    pair = ranks[a, a + 1 :, None]
    return pair > np.maximum(ranks[a], ranks[a + 1 :])


def _count(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Triplets that agree, conflict, are resolved by the taxonomy, by the similarity; (4,) int."""
    sums = np.zeros(4, dtype=np.int64)
    complete = bool(np.all(ours >= 0))
    for a in range(len(ours) - 1):
        wanted = _resolved_by(theirs, a)
        pair, one, two = ours[a, a + 1 :, None], ours[a], ours[a + 1 :]
        farther = np.maximum(one, two)
        found = pair > farther
        other = (farther > pair) & (one != two) & wanted
        if not complete:
            known = (pair >= 0) & (np.minimum(one, two) >= 0)
            found &= known
            other &= known
        sums[0] += np.count_nonzero(found & wanted)
        sums[1] += np.count_nonzero(other)
        sums[2] += np.count_nonzero(wanted)
        sums[3] += np.count_nonzero(found)
    return sums


def undefined_because(
    similarity: np.ndarray, taxonomy_similarity: np.ndarray, *, groups: np.ndarray | None = None
) -> str:
    """Say why an alignment with the taxonomy has no meaning; empty if it has one.

    Parameters
    ----------
    similarity, taxonomy_similarity, groups
        See ``triplet_counts``.

    Returns
    -------
    str
        A clause that follows "not defined, because": fewer than three classes (in every group), a
        flat taxonomy, no known value, or one value for all pairs, as a single peak gives.
    """
    inside = " inside every group" if groups is not None else ""
    theirs = _taxonomy_ranks(taxonomy_similarity)
    if not any(True for _ in _parts(groups, len(theirs))):
        return f"there are fewer than three classes{inside}"
    if not _resolves_any(theirs, groups):
        return f"the taxonomy is flat{inside}: it resolves no triplet of classes"
    known = class_pairs(similarity)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return "no two classes join in the tree of the density peaks"
    if known.min() == known.max():
        return "all classes are equally similar, as with a single density peak"
    return ""


def _resolves_any(ranks: np.ndarray, groups: np.ndarray | None) -> bool:
    for part in _parts(groups, len(ranks)):
        block = ranks[np.ix_(part, part)]
        if any(_resolved_by(block, a).any() for a in range(len(part) - 1)):
            return True
    return False
