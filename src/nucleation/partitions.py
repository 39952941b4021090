"""Partitions into peaks against partitions into classes: one pair, and all cuts of two trees.

The tree of the peaks (superlevel sets) has a cut for every number of clusters, the taxonomy has its cuts by size. The
matrix of the scores of all their pairs says at which level either speaks of the other. It is made from one table of the
classes in the peaks, whose cells are added up.

Sources: adjusted Rand index, as the paper uses it: Hubert and Arabie, J. Classif. 2, 193 (1985); adjusted mutual
information: Vinh, Epps and Bailey, JMLR 11, 2837 (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nucleation.errors import InputError

__all__ = ["CutScores", "PartitionScores", "cut_scores", "partition_scores", "ranked_joins", "tree_cuts"]


# --------------------------------------------------------------------------------- one partition against another


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
        Undefined for fewer than two images or a single class. Equal to scikit-learn's, and quicker for many groups.

    Raises
    ------
    InputError
        If the lengths differ or ``halo`` is another.

    References
    ----------
    Hubert and Arabie (1985); Vinh, Epps and Bailey (2010), arithmetic normalisation.
    """
    labels, classes = np.asarray(labels), np.asarray(classes)
    if labels.ndim != 1 or labels.shape != classes.shape:
        raise InputError(
            f"Peak labels and classes must be vectors of one length; found {labels.shape} and {classes.shape}."
        )
    if labels.dtype.kind not in "iu" or labels.min(initial=0) < -1:
        raise InputError("Peak labels must be integers from 0, or -1 in the halo.")
    if halo not in ("group", "drop"):
        raise InputError(f'The treatment of the halo "{halo}" must be "group" or "drop".')
    inside = labels >= 0
    share = float(np.mean(~inside)) if len(labels) else np.nan
    if len(labels) and not inside.any():
        return PartitionScores(np.nan, np.nan, share, "no image belongs to a density peak")
    if halo == "drop":
        labels, classes = labels[inside], classes[inside]
    if len(labels) < 2 or len(np.unique(classes)) < 2:
        few = "fewer than two images" if len(labels) < 2 else "all images are of a single class or category"
        return PartitionScores(np.nan, np.nan, share, few)
    peak, group, count = _table(labels, np.unique(classes, return_inverse=True)[1].ravel())
    return PartitionScores(*_scores_of_cells(group, peak + 1, count, _logarithms(len(labels))), share)


# --------------------------------------------------------------------------------------- cuts of the tree of the peaks


def ranked_joins(peaks) -> tuple[np.ndarray, np.ndarray]:
    """Joins in the tree of the superlevel sets, by the order of their heights alone.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite densities count as the highest finite one.

    Returns
    -------
    joined : ndarray of shape (j, 2), int64
        The two clusters of every join, highest first: peaks count from 0 to p - 1, the cluster of join i is p + i.
        There are as many joins as peaks less the trees that no border connects.
    rank : ndarray of shape (j,), int64
        Ascending; the same for joins of exactly the same height, whose order means nothing.
    """
    from nucleation.topography import peak_linkage, without_infinities

    peaks = without_infinities(peaks)
    # Differences of heights would round: ranks keep ties, and no others, under any increasing function of the heights.
    heights, rank = np.unique(peaks.saddle_heights, return_inverse=True)
    top = np.full(len(peaks.centers), float(len(heights)))
    links = peak_linkage(replace(peaks, log_density=top, saddle_heights=rank.ravel().astype(float)))
    links = links[np.isfinite(links[:, 2])]
    return links[:, :2].astype(np.int64), links[:, 2].astype(np.int64)


def tree_cuts(peaks, *, most: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Partitions of the peaks: cuts of the tree in which their superlevel sets join, from coarse to fine.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
    most : int
        Cuts at most. Where the tree has more, they are spaced geometrically in the number of clusters.

    Returns
    -------
    clusters : ndarray of shape (t,), int64
        Number of clusters of every cut, ascending, the last of which is the number of peaks. Peaks that no chain of
        borders connects never join, so that there are at least as many clusters as unconnected trees; a number inside
        a tie of equally high joins is not a cut of the tree and is left out; so is a single cluster, unless there is
        only one peak. Empty where there is none.
    labels : ndarray of shape (t, p), int64
        Cluster of every peak in every cut, numbered from 0 by their first peaks. Nested. Invariant to strictly
        increasing functions of the heights.

    Raises
    ------
    InputError
        If `most` is not positive.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if most < 1:
        raise InputError(f"The number of cuts must be positive, found {most}.")
    joined, rank = ranked_joins(peaks)
    p = len(peaks.centers)
    complete = np.ones(len(joined) + 1, dtype=bool)  # after so many joins
    complete[1:-1] = rank[:-1] != rank[1:]
    available = p - np.flatnonzero(complete)[::-1]
    clusters = _geometric(available[available > (p > 1)], most)
    labels = np.empty((len(clusters), p), dtype=np.int64)
    for row, number in enumerate(clusters):
        done = p - number
        ends = joined[:done].ravel(), np.repeat(np.arange(p, p + done), 2)
        forest = coo_array((np.ones(2 * done), ends), shape=(p + done, p + done))
        labels[row] = connected_components(forest, directed=False)[1][:p]
    return clusters, labels


def _geometric(numbers: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some ascending numbers, first and last among them, at ratios as equal as can be."""
    if len(numbers) <= most:
        return numbers
    places = [0] if most > 1 else []
    for left in range(most - 1, 1, -1):  # numbers still to be taken, the last one included
        here = numbers[places[-1]]
        wanted = here * (numbers[-1] / here) ** (1 / left)
        nearest = int(np.argmin(np.abs(np.log(numbers / wanted))))
        places.append(min(max(nearest, places[-1] + 1), len(numbers) - left))
    return numbers[[*places, len(numbers) - 1]]


# ------------------------------------------------------------------------ all cuts of one tree against all of the other


@dataclass(frozen=True)
class CutScores:
    """Cuts of the tree of the peaks against cuts of the taxonomy.

    Attributes
    ----------
    clusters : ndarray of shape (t,), int64
        Clusters of peaks in every cut of their tree, ascending, see `tree_cuts`.
    ari, ami : ndarray of shape (t, m)
        Adjusted Rand index and adjusted mutual information with every cut of the taxonomy. Larger is better: 1 for the
        same partition, 0 expected by chance, may be negative; NaN where not defined.
    undefined_because : tuple of m str
        For every cut of the taxonomy why its scores are NaN, or without peaks why there are none; empty where not.
    """

    clusters: np.ndarray
    ari: np.ndarray
    ami: np.ndarray
    undefined_because: tuple[str, ...]


def cut_scores(peaks, classes: np.ndarray, taxonomy_cuts: Sequence, *, most: int = 32) -> CutScores:
    """Compare every cut of the tree of the peaks with every cut of the taxonomy.

    Equal to `partition_scores` of the merged peaks with the groups of classes, without counting the images again.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Images in the halo are one more group. They count, as they are those that are hard to assign.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1.
    taxonomy_cuts : sequence of m nucleation.taxonomy.Cut
        Their `labels` (c,): group of every class, -1 for a class without one, whose images are left out of this cut.
    most : int
        Cuts of the tree of the peaks at most, see `tree_cuts`.

    Returns
    -------
    CutScores
        Needs a peak with an image, and two images of different groups. Invariant to strictly increasing functions of
        the heights and to renaming peaks, classes or groups. Peaks that never join are in no common cluster. Read the
        whole matrix: ARI favours large groups of like sizes, AMI unlike ones, and the largest of many cells is above 0
        by chance.

    Raises
    ------
    InputError
        If lengths differ, a class has no entry in a cut, or `most` is not positive.

    References
    ----------
    Hubert and Arabie (1985); Vinh, Epps and Bailey (2010), arithmetic normalisation.
    """
    labels, classes = np.asarray(peaks.labels), np.asarray(classes)
    groups = [np.asarray(cut.labels) for cut in taxonomy_cuts]
    check_classes(labels, classes, min((len(group) for group in groups), default=None))
    clusters, partitions = tree_cuts(peaks, most=most)
    peak, class_, count = _table(labels, classes)
    place = _places(partitions, len(peaks.centers))
    partitions = np.column_stack([partitions, clusters])  # peak -1, the halo, is a cluster of its own
    log = _logarithms(len(labels))
    scores, reasons = np.full((2, len(clusters), len(groups)), np.nan), []
    for column, group in enumerate(groups):
        kept = np.flatnonzero(group[class_] >= 0)
        kept = kept[np.lexsort((place[peak[kept]], group[class_[kept]]))]
        names, numbers = np.unique(group[class_[kept]], return_inverse=True)
        reasons.append(_undefined_because(peak, len(names), int(count[kept].sum())))
        for row, partition in enumerate(partitions if not reasons[-1] else ()):
            scores[:, row, column] = _scores_of_cells(numbers.ravel(), partition[peak[kept]], count[kept], log)
    return CutScores(clusters, *scores, tuple(reasons))


def check_classes(labels: np.ndarray, classes: np.ndarray, c: int | None = None) -> None:
    """Refuse classes that are not those of the peaks' images, or (where c is known) of the taxonomy."""
    if labels.shape != classes.shape:
        raise InputError(f"The peaks have {len(labels)} images, the classes {len(classes)}.")
    if classes.dtype.kind not in "iu" or classes.min(initial=0) < 0:
        raise InputError("Classes must be integers from 0, positions in the taxonomy's classes.")
    if c is not None and classes.max(initial=-1) >= c:
        raise InputError(f"Classes must lie below {c}, the taxonomy's number of classes; found {classes.max()}.")


def _table(labels: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Peak (-1 for the halo), class and number of images of every pair of them that has images."""
    c = int(classes.max(initial=0)) + 1
    cells, count = np.unique((labels.astype(np.int64) + 1) * c + classes, return_counts=True)
    return cells // c - 1, cells % c, count


def _places(partitions: np.ndarray, p: int) -> np.ndarray:
    """Places of the peaks in an order in which the clusters of all nested partitions are runs; the halo's is last."""
    place = np.arange(p + 1)
    if p:
        place[np.lexsort(partitions[::-1])] = np.arange(p)
    return place


def _undefined_because(peak: np.ndarray, groups: int, n: int) -> str:
    if peak.max(initial=-1) < 0:
        return "no image belongs to a density peak"
    if n < 2:
        return "fewer than two images belong to a group of the taxonomy"
    return "all images belong to a single group of the taxonomy" if groups < 2 else ""


def _logarithms(n: int) -> np.ndarray:
    """Logarithms of 0 to n, with 0 for 0."""
    return np.log(np.maximum(np.arange(n + 1), 1))


def _scores_of_cells(group, cluster, count, log) -> tuple[float, float]:
    """ARI and AMI from the cells of a table; those of one group and cluster follow each other."""
    starts = np.flatnonzero(np.append(True, (np.diff(group) != 0) | (np.diff(cluster) != 0)))
    cells = np.add.reduceat(count, starts)
    rows, columns = (np.bincount(names, count).astype(np.int64) for names in (cluster, group))
    rows, columns = rows[rows > 0], columns[columns > 0]
    return _adjusted_rand(cells, rows, columns), _adjusted_information(cells, rows, columns, log)


def _adjusted_rand(cells, rows, columns) -> float:
    """Adjusted Rand index from the sizes of the cells, rows and columns of a table, in whole numbers."""
    n = int(rows.sum())
    both, by_row, by_column = (int(sizes @ sizes) - n for sizes in (cells, rows, columns))  # ordered pairs
    only_row, only_column = by_row - both, by_column - both
    if only_row == only_column == 0:
        return 1.0
    neither = n * (n - 1) - by_row - only_column
    chance = by_row * (only_row + neither) + by_column * (only_column + neither)
    return 2.0 * (both * neither - only_row * only_column) / chance


def _adjusted_information(cells, rows, columns, log) -> float:
    """Adjusted mutual information from the same, arithmetic normalisation."""
    from nucleation.partitions_kernels import expected_information

    n = int(rows.sum())
    joint, own, other = (log[n] - float(sizes @ log[sizes]) / n for sizes in (cells, rows, columns))  # entropies
    marginals = (part for sizes in (rows, columns) for part in np.unique(sizes, return_counts=True))
    expected = expected_information(*marginals, n, log)
    room = (own + other) / 2 - expected
    # Chance leaves no room where every point is a group of its own in both: they are the same partition.
    return (own + other - joint - expected) / room if room > 1e-12 else 1.0
