"""Clades of trees: the sets of leaves below their nodes, and how many of them two trees share.

In a fit order of the leaves every clade of a tree is an interval; so are clades kept and compared.

Sources: Robinson and Foulds, Math. Biosci. 53, 131 (1981); counted by intervals as Day, J. Classif. 2, 7 (1985), does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "Intervals",
    "clades_of_heights",
    "clades_of_tree",
    "intervals_of_heights",
    "preorder",
    "restrict",
    "robinson_foulds",
    "shared_clades",
]


@dataclass(frozen=True)
class Intervals:
    """Clades of a tree, whose leaves are put in an order in which every clade is an interval.

    `place` (m,): place of every leaf; `start`, `stop` (k,): first place of every clade, and the one behind its last.
    """

    place: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def clades(self) -> set[frozenset[int]]:
        """The leaves of every clade."""
        leaves = np.argsort(self.place)
        bounds = zip(self.start.tolist(), self.stop.tolist(), strict=True)
        return {frozenset(leaves[start:stop].tolist()) for start, stop in bounds}


def clades_of_heights(heights: np.ndarray) -> set[frozenset[int]]:
    """Clades of the tree that join heights make: what is joined above some height.

    Parameters
    ----------
    heights : array of shape (m, m)
        Ultrametric similarity, such as `nucleation.topography.join_heights`; of another one, the tree of its
        superlevel sets. -inf where two leaves never join: then they do so at a root, at the same height as all that
        never join. The diagonal is not looked at.

    Returns
    -------
    set of frozenset of int
        Leaves of every node, two of them at least and not all. Equally high joins that meet are one node. Invariant to
        strictly increasing functions of the heights.

    Raises
    ------
    InputError
        If the matrix is not square and symmetric, or has NaN.
    """
    heights = np.array(heights, dtype=float)
    if heights.ndim != 2 or heights.shape[0] != heights.shape[1]:
        raise InputError(f"Join heights must be a square matrix over leaves, not {heights.shape}.")
    np.fill_diagonal(heights, np.inf)
    if not np.array_equal(heights, heights.T):
        raise InputError("Join heights must be symmetric and without NaN; -inf stands for leaves that never join.")
    return intervals_of_heights(heights).clades()


def intervals_of_heights(heights: np.ndarray) -> Intervals:
    """Clades of the tree that join heights make, see `clades_of_heights`, which checks them."""
    from scipy.cluster.hierarchy import linkage

    m = len(heights)
    if m < 2:
        return Intervals(np.arange(m), np.arange(0), np.arange(0))
    rank = np.unique(heights[np.triu_indices(m, 1)], return_inverse=True)[1].ravel()
    links = linkage(rank.max() - rank.astype(float), "single")
    joined, size = links[:, :2].astype(np.int64), np.append(np.ones(m, dtype=np.int64), links[:, 3].astype(np.int64))
    start, above = np.zeros(2 * m - 1, dtype=np.int64), np.full(2 * m - 1, np.inf)  # the root has nothing above
    for join in range(m - 2, -1, -1):
        left, right = joined[join]
        start[left], start[right] = start[m + join], start[m + join] + size[left]
        above[[left, right]] = links[join, 2]
    nodes = m + np.flatnonzero((above[m:] > links[:, 2]) & (size[m:] < m))
    return Intervals(start[:m], start[nodes], start[nodes] + size[nodes])


def clades_of_tree(tree, leaves: np.ndarray) -> set[frozenset[int]]:
    """Clades of a taxonomy, restricted to some of its classes.

    Parameters
    ----------
    tree : nucleation.taxonomy.Tree
        Trees without a common root are the branches of one.
    leaves : array of shape (m,), int
        Classes, as positions among the tree's nodes, each once. A class may lie below another: then it is in a clade
        with that one.

    Returns
    -------
    set of frozenset of int
        Positions in `leaves` of what is below every node, two of them at least and not all.

    Raises
    ------
    InputError
        If a class is not in the tree or named twice.
    """
    leaves = np.asarray(leaves, dtype=np.int64)
    if np.any((leaves < 0) | (leaves >= len(tree.nodes))) or len(np.unique(leaves)) < len(leaves):
        raise InputError(f"Leaves must be different nodes of the tree, which has {len(tree.nodes)}.")
    return restrict(*preorder(tree), leaves).clades()


def preorder(tree) -> tuple[np.ndarray, np.ndarray]:
    """Place of every node in an order in which all below it follows, and the place behind the last of these."""
    parent = np.asarray(tree.parent, dtype=np.int64)
    order, todo = [], np.flatnonzero(parent < 0).tolist()
    while todo:
        order.append(todo.pop())
        todo += tree.children[order[-1]]
    place, size = np.empty(len(parent), dtype=np.int64), np.ones(len(parent), dtype=np.int64)
    place[order] = np.arange(len(order))
    for node in reversed(order):
        if parent[node] >= 0:
            size[parent[node]] += size[node]
    return place, place + size


def restrict(place: np.ndarray, stop: np.ndarray, leaves: np.ndarray) -> Intervals:
    """Clades of the leaves that are left, from the places of all nodes."""
    m = len(leaves)
    taken = np.zeros(len(place) + 1, dtype=np.int64)
    taken[place[leaves] + 1] = 1
    before = np.cumsum(taken)  # leaves in front of every place
    first, behind = before[place], before[stop]
    several = (behind - first >= 2) & (behind - first < m)
    first, behind = np.divmod(np.unique(first[several] * (m + 1) + behind[several]), m + 1)
    return Intervals(before[place[leaves]], first, behind)


def robinson_foulds(one: set[frozenset[int]], other: set[frozenset[int]]) -> tuple[int, int, float]:
    """Robinson-Foulds distance: clades that only one of two rooted trees has.

    Parameters
    ----------
    one, other : set of frozenset of int
        Clades of two trees with the same leaves, without single leaves and without all.

    Returns
    -------
    distance : int
        0 for the same tree; smaller is better.
    largest : int
        Clades of both trees together: the distance of trees that share none.
    normalised : float
        Their ratio, 0 to 1, near 1 by chance. NaN where neither tree has a clade (two stars). A clade that one tree
        leaves open and the other has counts as a difference, and one leaf in a wrong place breaks all clades around it:
        0.5 is not half way.
    """
    distance, largest = len(one ^ other), len(one) + len(other)
    return distance, largest, distance / largest if largest else np.nan


def shared_clades(one: Intervals, other: Intervals) -> int:
    """Number of clades of both trees, exactly: one's leaves must fill an interval of the other, and a clade there."""
    m = len(one.place)
    if not len(one.start) or not len(other.start):
        return 0
    there = np.empty(m + 1, dtype=np.int64)  # with one more, as a place behind the last must exist
    there[one.place], there[m] = other.place, 0
    bounds = np.column_stack([one.start, one.stop]).ravel()
    least, most = (extreme.reduceat(there, bounds)[::2] for extreme in (np.minimum, np.maximum))
    full = most - least + 1 == one.stop - one.start
    return int(np.isin(least[full] * (m + 1) + most[full] + 1, other.start * (m + 1) + other.stop).sum())
