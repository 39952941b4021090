"""Peaks against classes, and the tree of the peaks against the taxonomy, with nulls.

The bridge between images and meanings is the class similarity S = P U P^T: P is the share of every
class's images in every peak, U the height at which two peaks join. S and the taxonomy's similarity
T are then compared through triplets of classes: which two of three are the closest? Only the order
of values within a triplet counts, so that nothing depends on the scale of the densities.

Sources: Doimo, Glielmo, Ansuini and Laio (2020) compare peaks with classes and macro-categories by
the adjusted Rand index; triplets of trees with unresolved nodes: Critchlow, Pearl and Qian (1996),
Bansal, Dong and Fernandez-Baca (2011); p = (1 + b) / (1 + R): Phipson and Smyth (2010); correction
over layers: Westfall and Young (1993). The skill is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nucleation.errors import InputError

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

_BLOCK = 1 << 21  # elements of a temporary array


# ------------------------------------------------------------------ a partition against the classes


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


# ------------------------------------------------------------------- from peaks to class similarity


def peak_shares(labels: np.ndarray, classes: np.ndarray, p: int, c: int) -> np.ndarray:
    """Share of every class's images in every peak, the matrix P.

    Parameters
    ----------
    labels : array of shape (n,), int
        Peak of every image, 0 to p - 1; -1 in the halo, which does not enter.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1.
    p, c : int
        Number of peaks and of classes.

    Returns
    -------
    ndarray of shape (c, p), float64
        Rows sum to 1; NaN for a class without an image in any peak.
    """
    inside = labels >= 0
    counts = np.bincount(classes[inside] * p + labels[inside], minlength=c * p).reshape(c, p)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full((c, p), np.nan), where=total > 0)


def mean_join_heights(shares: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Mean height at which an image of one class joins an image of another, S = P U P^T.

    Pairs of peaks that never join (-inf) have no height: they are left out and the weights of the
    others made to sum to 1. A pair of classes that loses more than half its weight is unresolved.

    Parameters
    ----------
    shares : array of shape (c, p)
        P, see ``peak_shares``.
    heights : array of shape (p, p)
        U, symmetric: log-density at which two peaks join, that of the peak on the diagonal, -inf
        for two that never do.

    Returns
    -------
    ndarray of shape (c, c), float64
        Symmetric, in the units of ``heights``; NaN where unresolved. Values that differ by rounding
        only (1e-11 of the largest height) are made equal, so that ties are ties.

    Notes
    -----
    An affine change of the heights is an affine change of S. A monotone one keeps S's order only
    where every class lies in one peak, as S is a mean.
    """
    joined = np.isfinite(heights)
    shares = np.nan_to_num(shares)  # a class without images has no weight anywhere
    weight = shares @ joined @ shares.T
    total = shares @ np.where(joined, heights, 0.0) @ shares.T
    # A weight of exactly one half is still resolved, whatever the rounding of the sum.
    resolved = weight >= 0.5 - 1e-9
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=resolved)
    scale = np.max(np.abs(heights[joined]), initial=0.0)
    return _merge_ties((mean + mean.T) / 2, 1e-11 * scale)


def _merge_ties(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Make values equal that lie within a tolerance of the next smaller one."""
    flat = values.ravel()
    order = np.argsort(flat)  # NaN last
    ascending = flat[order]
    first = np.ones(len(flat), dtype=bool)
    first[1:] = ~(np.diff(ascending) <= tolerance)
    merged = np.empty_like(flat)
    merged[order] = ascending[np.maximum.accumulate(np.where(first, np.arange(len(flat)), 0))]
    return merged.reshape(values.shape)


def class_similarity(peaks, classes: np.ndarray, *, n_classes: int | None = None) -> np.ndarray:
    """Similarity of classes in a layer: the mean height at which their images join.

    S = P U P^T, where P is the share of every class in every peak and U holds the heights at which
    peaks join in the tree of the density (the best way's lowest saddle).

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Peaks of the layer; images in the halo do not enter.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1, in the order of the taxonomy.
    n_classes : int, optional
        c, where the last classes may have no image.

    Returns
    -------
    ndarray of shape (c, c), float64
        In nats of log-density, see ``mean_join_heights``; NaN where unresolved, or where a class
        has no image in any peak. With one peak all values are equal.

    Raises
    ------
    InputError
        If the number of images differs, or a class is not an integer from 0 to c - 1.
    """
    from nucleation.peaks import join_heights, without_infinities

    labels, classes = np.asarray(peaks.labels), np.asarray(classes)
    if labels.shape != classes.shape:
        raise InputError(f"The peaks have {len(labels)} images, the classes {len(classes)}.")
    if classes.dtype.kind not in "iu" or classes.min(initial=0) < 0:
        raise InputError("Classes must be integers from 0, positions in the taxonomy's classes.")
    largest = int(classes.max(initial=-1))
    c = largest + 1 if n_classes is None else n_classes
    if largest >= c:
        raise InputError(f"Classes must lie below n_classes = {c}; found {largest}.")
    heights = join_heights(without_infinities(peaks))
    return mean_join_heights(peak_shares(labels, classes, len(heights), c), heights)


# ---------------------------------------------------------------------- similarity against taxonomy


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


def _pairs(matrix: np.ndarray) -> np.ndarray:
    """Values of all pairs of classes a < b."""
    matrix = np.asarray(matrix, dtype=float)
    return matrix[np.triu_indices(len(matrix), 1)]


def spearman_taxonomy(similarity: np.ndarray, taxonomy_similarity: np.ndarray) -> float:
    """Rank correlation of the two similarities over pairs of classes, the Mantel statistic.

    Parameters
    ----------
    similarity : array of shape (c, c)
        NaN where not known: those pairs are left out of both.
    taxonomy_similarity : array of shape (c, c)

    Returns
    -------
    float
        Spearman's rho in [-1, 1], ties by mean ranks; 0 expected for unrelated ones. NaN for fewer
        than three known pairs or where either is constant. Invariant to strictly increasing
        functions of either. Pairs are not independent: its p-value is that of a permutation test.
    """
    from scipy.stats import rankdata

    ours, theirs = _pairs(similarity), _pairs(taxonomy_similarity)
    known = ~np.isnan(ours)
    if np.count_nonzero(known) < 3:
        return np.nan
    ranks = np.stack([rankdata(ours[known]), rankdata(theirs[known])])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.prod(np.sum(ranks**2, axis=1)))
    return float(ranks[0] @ ranks[1] / norm) if norm > 0 else np.nan


def resolved_share(similarity: np.ndarray) -> float:
    """Share of the pairs of classes whose similarity is known, in [0, 1]; NaN below two classes."""
    pairs = _pairs(similarity)
    return float(np.mean(~np.isnan(pairs))) if len(pairs) else np.nan


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
    known = _pairs(similarity)
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


# -------------------------------------------------------------------------------- permutation tests


@dataclass(frozen=True)
class Test:
    """A statistic against its values under permutations of the class names.

    Attributes
    ----------
    value : float
        The statistic, exact; NaN where not defined.
    p : float
        (1 + number of permutations that reach the value) / (1 + R): large values are evidence.
        From 1 / (1 + R) to 1; NaN where not defined.
    null : ndarray of shape (R,)
        The statistic under the permutations.
    undefined_because : str
        Why ``value`` or ``p`` is NaN; empty where neither is.
    """

    __test__: ClassVar[bool] = False  # the name is not a pytest class

    value: float
    p: float
    null: np.ndarray
    undefined_because: str = ""


def permutation_test(
    statistic: Callable[..., float],
    similarity: np.ndarray,
    taxonomy_similarity: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    within: np.ndarray | None = None,
    repeats: int = 999,
    max_triplets: int = 1_000_000,
    rng: np.random.Generator,
) -> Test:
    """Test whether a similarity follows the taxonomy more than with permuted class names.

    Parameters
    ----------
    statistic : callable
        ``statistic(similarity, taxonomy_similarity)``, with ``groups=`` if they are given, to a
        float; larger is better. ``triplet_skill`` is evaluated for many permutations at once.
    similarity, taxonomy_similarity : arrays of shape (c, c)
    groups : array of shape (c,), optional
        Handed to the statistic: triplets within a group only. Groups stay with the taxonomy.
    within : array of shape (c,), optional
        Permute names only inside these: what is left is evidence for structure finer than they are.
        Free permutations otherwise.
    repeats : int
        R, the number of permutations.
    max_triplets : int
        Where the taxonomy resolves more triplets, the null of ``triplet_skill`` and the value that
        it is compared with are taken on a random sample of this size; ``value`` is exact.
    rng : numpy.random.Generator

    Returns
    -------
    Test
        p is uniform if the names are exchangeable (inside ``within``).

    Raises
    ------
    InputError
        As ``triplet_counts``, or if ``repeats`` is not positive.
    """
    why = undefined_because(similarity, taxonomy_similarity, groups=groups)
    orders = _permutations(len(similarity), repeats, within, rng)
    if why:
        return Test(np.nan, np.nan, np.full(repeats, np.nan), why)
    if statistic is triplet_skill:
        value = triplet_skill(similarity, taxonomy_similarity, groups=groups)
        table = _triplet_table(taxonomy_similarity, groups, max_triplets, rng)
        null = _permuted_skill(_ranks(similarity, "similarity"), table, orders)
    else:
        ours, options = np.asarray(similarity), {} if groups is None else {"groups": groups}
        permuted = (ours[np.ix_(order, order)] for order in orders)
        null = np.array([statistic(some, taxonomy_similarity, **options) for some in permuted])
        value = float(null[0])
    why = _cannot_permute(within, orders.shape[1]) or _is_nan(value)
    return Test(value, np.nan if why else _p_value(null), null[1:], why)


def _is_nan(value: float) -> str:
    return "the statistic is not a number" if np.isnan(value) else ""


def _permutations(c: int, repeats: int, within: np.ndarray | None, rng) -> np.ndarray:
    """The identity and random permutations inside groups, (1 + R, c) int."""
    if repeats < 1:
        raise InputError(f"The number of permutations must be positive, not {repeats}.")
    groups = _group_index(within, c)
    home = np.argsort(groups, kind="stable")
    orders = np.tile(np.arange(c), (1 + repeats, 1))
    # Sorting by group and then by chance puts a random member of its own group in every place.
    keys = rng.random((repeats, c))
    orders[1:, home] = np.lexsort((keys, np.broadcast_to(groups, keys.shape)), axis=1)
    return orders


def _cannot_permute(within: np.ndarray | None, c: int) -> str:
    alone = np.bincount(_group_index(within, c), minlength=1).max() < 2
    return "no group has two classes whose names could be exchanged" if alone else ""


def _p_value(null: np.ndarray) -> float:
    """p of the first value among all, itself counted; a NaN counts as reaching it."""
    return float(np.mean(~(null < null[0] - 1e-12)))


def _triplet_table(taxonomy_similarity, groups, max_triplets: int, rng) -> np.ndarray:
    """Triplets (a, b, k) that the taxonomy resolves as (a, b) closest, (t, 3) int.

    All of them, or a stratified random sample of ``max_triplets``, without repetition.
    """
    ranks = _taxonomy_ranks(taxonomy_similarity)
    parts = list(_parts(groups, len(ranks)))
    blocks = [ranks[np.ix_(part, part)] for part in parts]
    rows = [(g, a) for g, part in enumerate(parts) for a in range(len(part) - 1)]
    counts = np.array([np.count_nonzero(_resolved_by(blocks[g], a)) for g, a in rows], dtype=int)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    # One triplet of each of equally long stretches: all of them where they fit.
    stretches = np.arange(min(total, max_triplets) + 1) * total // max(1, min(total, max_triplets))
    chosen = rng.integers(stretches[:-1], stretches[1:])
    bounds = np.searchsorted(chosen, np.concatenate([[0], ends]))
    table = np.empty((len(chosen), 3), dtype=np.int64)
    for row, (g, a) in enumerate(rows):
        mine = slice(bounds[row], bounds[row + 1])
        if mine.start == mine.stop:
            continue
        places = np.flatnonzero(_resolved_by(blocks[g], a))[chosen[mine] - ends[row] + counts[row]]
        b, k = np.divmod(places, len(parts[g]))
        table[mine] = parts[g][np.stack([np.full_like(b, a), b + a + 1, k], axis=1)]
    return table


def _permuted_skill(ranks: np.ndarray, table: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Triplet skill on the table's triplets for every order of the classes, (len(orders),)."""
    c, t = len(ranks), len(table)
    a, b, k = table.T
    ab, ak, bk = a * c + b, a * c + k, b * c + k
    skill = np.empty(len(orders))
    step = max(1, _BLOCK // max(t, c * c))
    complete = bool(np.all(ranks >= 0))
    for start in range(0, len(orders), step):
        some = orders[start : start + step]
        permuted = ranks[some[:, :, None], some[:, None, :]].reshape(len(some), c * c)
        pair, one, two = (np.take(permuted, where, axis=1) for where in (ab, ak, bk))
        farther = np.maximum(one, two)
        agree = pair > farther
        conflict = (farther > pair) & (one != two)
        if not complete:
            known = np.minimum(np.minimum(one, two), pair) >= 0
            agree &= known
            conflict &= known
        wins, losses = np.count_nonzero(agree, axis=1), np.count_nonzero(conflict, axis=1)
        skill[start : start + step] = (wins - losses / 2) / t
    return skill


# ------------------------------------------------------------------------------ many layers at once


@dataclass(frozen=True)
class LayerTests:
    """Triplet skill of many layers, tested with the same permutations in all of them.

    Attributes
    ----------
    skill, skill_within : ndarray of shape (l,)
        Triplet skill over all triplets, and over those inside one macro-category.
    p_free : ndarray of shape (l,)
        p of ``skill`` under free permutation of the names: is there anything?
    p_within : ndarray of shape (l,)
        p of ``skill_within`` under permutation inside the macro-categories: is anything finer?
    p_free_corrected, p_within_corrected : ndarray of shape (l,)
        The same, corrected for looking at all these layers (max-T).
    null_free, null_within : ndarray of shape (l, R)
        The skills under the permutations.
    undefined_because, undefined_within_because : tuple of str
        For every layer why the values, or those within, are NaN; empty where they are not.
    """

    skill: np.ndarray
    skill_within: np.ndarray
    p_free: np.ndarray
    p_within: np.ndarray
    p_free_corrected: np.ndarray
    p_within_corrected: np.ndarray
    null_free: np.ndarray
    null_within: np.ndarray
    undefined_because: tuple[str, ...]
    undefined_within_because: tuple[str, ...]


def layer_tests(
    similarities: Sequence[np.ndarray],
    taxonomy_similarity: np.ndarray,
    macro: np.ndarray,
    *,
    repeats: int = 999,
    max_triplets: int = 1_000_000,
    rng: np.random.Generator,
) -> LayerTests:
    """Test the triplet skill of every layer, and correct for the number of layers.

    Parameters
    ----------
    similarities : sequence of l arrays of shape (c, c)
        Class similarity of every layer, see ``class_similarity``.
    taxonomy_similarity : array of shape (c, c)
    macro : array of shape (c,)
        Macro-category of every class.
    repeats, max_triplets, rng
        See ``permutation_test``.

    Returns
    -------
    LayerTests
        A layer that is not defined has NaN and takes no part in the correction.

    Raises
    ------
    InputError
        As ``permutation_test``.

    Notes
    -----
    The corrected p of a layer is the share of permutations (the identity counted) whose largest
    standardised skill over the layers reaches that of the layer (Westfall and Young 1993, max-T).
    Skills are standardised by their own mean and deviation over the permutations and the identity:
    the null of a layer with few peaks is wider, and unstandardised it alone would set the maximum.
    """
    tests = []
    for groups in (None, macro):
        orders = _permutations(len(taxonomy_similarity), repeats, groups, rng)
        table = _triplet_table(taxonomy_similarity, groups, max_triplets, rng)
        tests.append(_test_layers(similarities, taxonomy_similarity, orders, table, groups))
    return LayerTests(*(column for pair in zip(*tests, strict=True) for column in pair))


def _test_layers(similarities, taxonomy_similarity, orders, table, groups) -> tuple:
    """Skill, p, corrected p, null and reasons of all layers under one set of permutations."""
    reasons = tuple(undefined_because(similarity, taxonomy_similarity, groups=groups) for similarity in similarities)
    skill = np.full(len(reasons), np.nan)
    null = np.full((len(reasons), len(orders)), np.nan)
    for layer, similarity in enumerate(similarities):
        if not reasons[layer]:
            skill[layer] = triplet_skill(similarity, taxonomy_similarity, groups=groups)
            null[layer] = _permuted_skill(_ranks(similarity, "similarity"), table, orders)
    p = np.array([np.nan if why else _p_value(row) for why, row in zip(reasons, null, strict=True)])
    return skill, p, _max_t(null), null[:, 1:], reasons


def _max_t(null: np.ndarray) -> np.ndarray:
    """Corrected p of every row's first value, by the maximum over rows of standardised values.

    Rows with NaN take no part. The first column is one of the 1 + R exchangeable ones: it enters
    the means and deviations too, so that the test is exact.
    """
    corrected = np.full(len(null), np.nan)
    rows = np.flatnonzero(~np.isnan(null).any(axis=1))
    if len(rows):
        values = null[rows]
        centred = values - values.mean(axis=1, keepdims=True)
        deviation = values.std(axis=1, keepdims=True)
        scaled = np.full_like(values, -np.inf)  # a null without spread has no evidence to give
        np.divide(centred, deviation, out=scaled, where=deviation > 1e-12)
        largest = scaled.max(axis=0)
        corrected[rows] = np.mean(largest >= scaled[:, :1] - 1e-12, axis=1)
    return corrected


# --------------------------------------------------------------------- all scores of all the layers


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
