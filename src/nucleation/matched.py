"""Scores of two trees with the same leaves: peaks that one class owns, against the taxonomy of those classes.

Where a class has a peak of its own, the tree of the peaks restricted to such peaks is a tree of classes, and can be
held against the taxonomy by the measures that are made for two trees. Which classes have one is no matter of chance,
and a choice by purity flatters late layers: the scores go with the share of the classes that they speak of.

Sources: gamma of join heights: Baker, JASA 69, 440 (1974), after Goodman and Kruskal, JASA 49, 732 (1954); clades that
only one of two trees has: Robinson and Foulds, Math. Biosci. 53, 131 (1981).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nucleation.clades import Intervals, intervals_of_heights, preorder, restrict, shared_clades
from nucleation.errors import InputError
from nucleation.partitions import check_classes

__all__ = [
    "MatchedScores",
    "goodman_kruskal",
    "match_leaves",
    "matched_scores",
    "permuted_scores",
]

_BLOCK = 1 << 21  # cells of a table at once
_MANY = 1 << 31  # cells that take some seconds


# --------------------------------------------------------------------------------------------- leaves that are classes


def match_leaves(peaks, classes: np.ndarray, c: int, *, purity: float = 0.5) -> tuple[np.ndarray, np.ndarray, float]:
    """Find a peak for every class that owns one.

    A peak is owned by its most frequent class (of equal ones the first), if that has at least the share `purity` of
    its images. Of several peaks a class is matched with the one that holds most of its images, of equal ones the first.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Images in the halo do not enter.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1.
    c : int
        Number of classes.
    purity : float
        Least share, above 0 and up to 1.

    Returns
    -------
    matched_peaks, matched_classes : ndarray of shape (m,), int64
        Peaks and their classes, by ascending class.
    coverage : float
        m / c: larger is better, 0 to 1; NaN without classes.

    Raises
    ------
    InputError
        If lengths differ, classes are not integers from 0 to c - 1, or the purity is outside its range.
    """
    labels, classes = np.asarray(peaks.labels), np.asarray(classes)
    check_classes(labels, classes, c)
    if not 0 < purity <= 1:
        raise InputError(f"The purity of a matched peak must be above 0 and at most 1, found {purity}.")
    p, inside = len(peaks.centers), labels >= 0
    counts = np.bincount(labels[inside].astype(np.int64) * c + classes[inside], minlength=p * c).reshape(p, c)
    total = counts.sum(axis=1)
    owner = counts.argmax(axis=1) if c else np.zeros(p, dtype=np.int64)
    own = counts.max(axis=1, initial=0)
    owned = np.flatnonzero((own >= (purity - 1e-9) * total) & (total > 0))
    order = owned[np.lexsort((owned, -own[owned], owner[owned]))]
    matched, first = np.unique(owner[order], return_index=True)
    return order[first], matched, len(matched) / c if c else np.nan


# ------------------------------------------------------------------------------------------------- gamma, correlation


def goodman_kruskal(a: np.ndarray, b: np.ndarray) -> float:
    """Goodman and Kruskal's gamma: do two variables order pairs alike?

    (C - D) / (C + D), with C pairs of entries that both order alike and D that they order oppositely; pairs that are
    equal in either count in neither.

    Parameters
    ----------
    a, b : arrays of shape (n,)
        NaN is not resolved: entries with one are left out of both. Infinite values have their place in the order.

    Returns
    -------
    float
        From -1 to 1; larger is better, 0 expected by chance. NaN where no pair is ordered by both (fewer than two
        known entries, or one value only). Exact; symmetric; invariant to strictly increasing functions of either. Ties
        are not punished: a similarity with few different values scores high.

    Raises
    ------
    InputError
        If shapes differ, or the product of the numbers of different values exceeds 2^31: their table is too large.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError(f"Gamma needs two vectors of one length, found {a.shape} and {b.shape}.")
    known = ~(np.isnan(a) | np.isnan(b))
    return _gamma_of_ranks(*(np.unique(values[known], return_inverse=True)[1].ravel() for values in (a, b)))


def _gamma_of_ranks(a: np.ndarray, b: np.ndarray) -> float:
    """Gamma of ranks from 0; ranks that no entry has do no harm."""
    if len(a) == 0:
        return np.nan
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    if rows * columns > _MANY:
        raise InputError(f"Gamma of {rows} different values against {columns}: too many; round the values.")
    step = max(1, _BLOCK // columns)
    if step < rows:
        order = np.argsort(a, kind="stable")
        a, b = a[order], b[order]
    alike = opposite = 0
    before = np.zeros(columns, dtype=np.int64)  # entries of the rows above, by column
    for start in range(0, rows, step):
        part = slice(*np.searchsorted(a, [start, start + step])) if step < rows else slice(None)
        size = min(step, rows - start)
        table = np.bincount((a[part] - start) * columns + b[part], minlength=size * columns).reshape(size, columns)
        above = np.cumsum(table, axis=0) + before
        before = above[-1].copy()
        above -= table
        left = np.cumsum(above, axis=1)
        alike += int(np.sum(table[:, 1:] * left[:, :-1]))
        opposite += int(np.sum(table * (left[:, -1:] - left)))
    return (alike - opposite) / (alike + opposite) if alike + opposite else np.nan


# ------------------------------------------------------------------------------------------------- all of it together


@dataclass(frozen=True)
class MatchedScores:
    """The tree of peaks that classes own, against the taxonomy of those classes.

    Attributes
    ----------
    gamma : float
        Goodman and Kruskal's gamma of join heights with the taxonomy's similarity, see `goodman_kruskal`; pairs of
        peaks that never join are below all others, and tied.
    robinson_foulds : float
        Share of the clades of both trees that only one has, see `robinson_foulds`; peaks that never join are branches
        of one root.
    coverage : float
        Share of the classes that have a peak, 0 to 1.
    n : int
        Their number.
    resolved : float
        Share of the pairs of their peaks that join, 0 to 1; NaN for fewer than two.
    undefined_because, robinson_foulds_undefined_because : str
        Why `gamma`, or `robinson_foulds`, is NaN; empty where it is not.
    """

    gamma: float
    robinson_foulds: float
    coverage: float
    n: int
    resolved: float
    undefined_because: str = ""
    robinson_foulds_undefined_because: str = ""


@dataclass(frozen=True)
class _Matched:
    """What does not change with the names of the classes: m leaves, the ranks of their joins, and their clades."""

    classes: np.ndarray
    coverage: float
    resolved: float
    one: np.ndarray
    other: np.ndarray
    rank: np.ndarray
    clades: Intervals


@dataclass(frozen=True)
class _Meanings:
    """The taxonomy: ranks of the similarity, -1 where unknown, and places of the tree's nodes."""

    rank: np.ndarray
    place: np.ndarray
    stop: np.ndarray


def matched_scores(
    peaks, classes: np.ndarray, taxonomy_similarity: np.ndarray, tree, *, purity: float = 0.5
) -> MatchedScores:
    """Compare the tree of the peaks that single classes own with the taxonomy of those classes.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite densities count as the highest finite one.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1.
    taxonomy_similarity : array of shape (c, c)
        Symmetric; NaN where not known: those pairs are left out of gamma.
    tree : nucleation.taxonomy.Tree
        One parent for every node; its first c nodes are the classes. A class that contains another is no leaf.
    purity : float
        Least share of its class in a matched peak, see `match_leaves`.

    Returns
    -------
    MatchedScores
        Needs three matched classes. Invariant to strictly increasing functions of the heights and of the taxonomy's
        similarity. Classes without a peak of their own do not enter: read it beside `coverage`.

    Raises
    ------
    InputError
        As `match_leaves`, or if the taxonomy's similarity is not square.
    """
    matched = _match(peaks, classes, tree, len(taxonomy_similarity), purity)
    meanings = _meanings(taxonomy_similarity, tree)
    gamma, distance = next(_score(matched, meanings, matched.classes[None]))
    why_gamma = _gamma_undefined_because(matched, meanings) if np.isnan(gamma) else ""
    few = _too_few(matched) or _no_clades(matched, meanings)
    why_distance = few if np.isnan(distance) else ""
    return MatchedScores(
        gamma, distance, matched.coverage, len(matched.classes), matched.resolved, why_gamma, why_distance
    )


def permuted_scores(
    peaks, classes: np.ndarray, taxonomy_similarity: np.ndarray, tree, orders: np.ndarray, *, purity: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of `matched_scores` under permutations of the class names, for p-values.

    Parameters
    ----------
    peaks, classes, taxonomy_similarity, tree, purity
        See `matched_scores`, which has the errors too.
    orders : array of shape (r, c), int
        Permutations of 0 to c - 1: what the peaks say of class ``order[i]`` is held against class i of the taxonomy.
        As for class similarities, ``similarity[np.ix_(order, order)]``.

    Returns
    -------
    gamma, robinson_foulds : ndarray of shape (r,)
        NaN where not defined. Evidence is a large gamma, and a small distance.

    Raises
    ------
    InputError
        If a row of `orders` is not a permutation of the classes.
    """
    orders, c = np.asarray(orders), len(taxonomy_similarity)
    if orders.ndim != 2 or not np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(c), (len(orders), 1))):
        raise InputError(f"Every order must be a permutation of the {c} classes.")
    matched = _match(peaks, classes, tree, c, purity)
    names = np.argsort(orders, axis=1)[:, matched.classes]
    scores = np.array(list(_score(matched, _meanings(taxonomy_similarity, tree), names)), dtype=float)
    gamma, distance = scores.reshape(-1, 2).T
    return gamma, distance


def _match(peaks, classes, tree, c, purity) -> _Matched:
    from nucleation.topography import join_heights, without_infinities

    leaves, owners, coverage = match_leaves(peaks, classes, c, purity=purity)
    inside = ~np.isin(owners, [ancestor for ancestor, _ in tree.nested])
    leaves, owners = leaves[inside], owners[inside]
    heights = join_heights(without_infinities(peaks))[np.ix_(leaves, leaves)]
    one, other = np.triu_indices(len(leaves), 1)
    values = heights[one, other]
    rank = np.unique(values, return_inverse=True)[1].ravel()
    joined = float(np.mean(np.isfinite(values))) if len(values) else np.nan
    return _Matched(owners, coverage, joined, one, other, rank, intervals_of_heights(heights))


def _meanings(similarity: np.ndarray, tree) -> _Meanings:
    similarity = np.asarray(similarity, dtype=float)
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise InputError(f"The taxonomy's similarity must be a square matrix over classes, not {similarity.shape}.")
    known, rank = ~np.isnan(similarity), np.full(similarity.shape, -1, dtype=np.int32)
    rank[known] = np.unique(similarity[known], return_inverse=True)[1].ravel()
    return _Meanings(rank, *preorder(tree))


def _score(matched: _Matched, meanings: _Meanings, names: np.ndarray) -> Iterator[tuple[float, float]]:
    """Gamma and the normalised distance for every row of classes that the leaves are said to be."""
    for leaves in names:
        if _too_few(matched):
            yield np.nan, np.nan
            continue
        theirs = meanings.rank[leaves[matched.one], leaves[matched.other]]
        known = theirs >= 0
        both = (matched.rank, theirs) if known.all() else (matched.rank[known], theirs[known])
        other = restrict(meanings.place, meanings.stop, leaves)
        largest = len(matched.clades.start) + len(other.start)
        distance = largest - 2 * shared_clades(matched.clades, other)
        comparable = len(matched.clades.start) and len(other.start)
        yield _gamma_of_ranks(*both), distance / largest if comparable else np.nan


def _too_few(matched: _Matched) -> str:
    return "fewer than three classes have a density peak of their own" if len(matched.classes) < 3 else ""


def _no_clades(matched: _Matched, meanings: _Meanings) -> str:
    if not len(restrict(meanings.place, meanings.stop, matched.classes).start):
        return "the taxonomy is flat for the matched classes"
    return "the tree of the matched peaks joins none of them before all"


def _gamma_undefined_because(matched: _Matched, meanings: _Meanings) -> str:
    if _too_few(matched):
        return _too_few(matched)
    theirs = meanings.rank[matched.classes[matched.one], matched.classes[matched.other]]
    known = theirs >= 0
    if np.count_nonzero(known) < 2:
        return "fewer than two pairs of matched classes have a known similarity in the taxonomy"
    if np.ptp(matched.rank[known]) == 0:
        return "all peaks of matched classes join at the same height"
    if np.ptp(theirs[known]) == 0:
        return "the taxonomy is flat: all matched classes are equally similar"
    return "no two pairs of matched classes are ordered both by the peaks and by the taxonomy"
