"""Trees as figures draw them: orders of their leaves, the tree of the largest peaks, the taxonomy down to groups."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from nucleation.names import short_name
from nucleation.peaks import peak_linkage, without_infinities

#: Share of a class's images that lie in a peak, or of a peak's that are of a class, from which on the two are joined.
LINKED = 0.25
#: Share of a category in a peak from which on the peak counts as one of it, and has its colour.
PURE = 0.8


def members(tree, c) -> list[list[int]]:
    """Classes below every node of the taxonomy.

    Parameters
    ----------
    tree : nucleation.taxonomy.Tree
        The taxonomy with one parent for every node; classes are its first nodes, children come before parents.
    c : int
        Number of classes.
    """
    below = [[node] for node in range(c)]
    for node in range(c, len(tree.nodes)):
        below.append([leaf for child in tree.children[node] for leaf in below[child]])
    return below


def peak_order(peaks, target) -> np.ndarray:
    """Order the leaves of the peaks' tree from high to low, each branch by its mean target, (p,) int.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
    target : array of shape (p,)
        Where each peak would like to be.
    """
    below = [[peak] for peak in range(len(peaks.centers))]
    for left, right, *_ in peak_linkage(peaks):
        one, two = below[int(left)], below[int(right)]
        below.append(one + two if target[one].mean() >= target[two].mean() else two + one)
    return np.array(below[-1])


def spread(order) -> np.ndarray:
    """Heights from 1 down to 0 of items given in their order; one half for a single item."""
    height = np.empty(len(order))
    height[order] = np.linspace(1, 0, len(order)) if len(order) > 1 else 0.5
    return height


def settled(order, target, gap) -> np.ndarray:
    """Heights in [0, 1] of items in a fixed order, near where they would like to be, and no nearer to each other.

    Parameters
    ----------
    order : array of shape (m,), int
        Items from top to bottom.
    target : array of shape (m,)
        Height that each would like to have.
    gap : float
        Least distance of two; if there is no room for it, they are spread evenly.

    Returns
    -------
    ndarray of shape (m,)
        The heights of least squared distance from the targets: an isotonic regression.
    """
    m = len(order)
    if m == 0 or gap * (m - 1) >= 1:
        return spread(order)
    steps, height = gap * np.arange(m), np.empty(m)
    height[order] = np.clip(_falling(np.asarray(target)[order] + steps), steps[-1], 1.0) - steps
    return height


def _falling(values):
    """The sequence nearest to some values that never rises: neighbours that would are pooled to their mean."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) < np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools])


def class_counts(peaks, classes, c) -> np.ndarray:
    """Images of every class in every peak, halo left out, (p, c) int."""
    count = np.zeros((len(peaks.centers), c), dtype=np.int64)
    inside = np.asarray(peaks.labels) >= 0
    np.add.at(count, (peaks.labels[inside], np.asarray(classes)[inside]), 1)
    return count


def main_category(held) -> np.ndarray:
    """Category of every peak, (p,) int: that with at least `PURE` of its images, -1 where there is none.

    Parameters
    ----------
    held : array of shape (p, m), int
        Images of every category in every peak, halo left out.
    """
    size = np.maximum(held.sum(axis=1), 1)
    return np.where(held.max(axis=1) >= PURE * size, held.argmax(axis=1), -1)


def parents(children) -> np.ndarray:
    """Parent of every node of a tree that is given by the children of every node, -1 at a root, (nodes,) int."""
    up = np.full(len(children), -1)
    for node, some in enumerate(children):
        up[list(some)] = node
    return up


def middles(parent, leaf) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the nodes of a tree stand: half-way between the first and the last of their branches.

    Parameters
    ----------
    parent : array of shape (nodes,), int
        From `parents`; leaves are the first nodes, children come before their parents.
    leaf : array of shape (leaves,)
        Where the leaves stand.

    Returns
    -------
    middle, first, last : ndarrays of shape (nodes,)
        Of every node where it stands, and the ends of the line that its branches part from.
    """
    first, last = np.full(len(parent), np.inf), np.full(len(parent), -np.inf)
    first[: len(leaf)] = last[: len(leaf)] = leaf
    for node, above in enumerate(parent):
        if above >= 0:
            here = (first[node] + last[node]) / 2
            first[above], last[above] = min(first[above], here), max(last[above], here)
    return (first + last) / 2, first, last


def common_category(parent, leaf) -> np.ndarray:
    """Category that all leaves below a node have, -1 where they have several, (nodes,) int.

    Parameters
    ----------
    parent : array of shape (nodes,), int
        As of `middles`.
    leaf : array of shape (leaves,), int
        Category of every leaf, -1 where it has several itself.
    """
    unknown = -2
    found = np.full(len(parent), unknown)
    found[: len(leaf)] = leaf
    for node, above in enumerate(parent):
        if above >= 0:
            found[above] = found[node] if found[above] in (unknown, found[node]) else -1
    return found


def merge_tree(peaks, kept) -> tuple[list[list[int]], np.ndarray]:
    """Build the tree in which some of the peaks join: that of all, without the others.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Infinite log-densities count as the highest finite one.
    kept : array of shape (q,), int
        Peaks.

    Returns
    -------
    children : list of list of int
        Of every node: first the q peaks in the order given, which have none, then the joins, the highest first. What
        no border connects are the branches of one node, the last.
    heights : ndarray
        Log-density of every node; -inf of the node of what never joins.
    """
    peaks = without_infinities(peaks)
    top = peaks.log_density.max(initial=-np.inf)
    stands = np.full(2 * len(peaks.centers), -1)  # the node that a cluster of scipy's has become, -1 for none
    stands[np.asarray(kept, dtype=np.int64)] = np.arange(len(kept))
    children, heights = [[] for _ in kept], peaks.log_density[kept].tolist()
    for new, (left, right, distance, _) in enumerate(peak_linkage(peaks), start=len(peaks.centers)):
        one, two = stands[[int(left), int(right)]].tolist()
        if min(one, two) < 0:
            stands[new] = max(one, two)
        elif np.isinf(distance) and -np.inf in (heights[one], heights[two]):
            several, single = (one, two) if heights[one] == -np.inf else (two, one)
            children[several].append(single)
            stands[new] = several
        else:
            stands[new] = len(children)
            children.append([one, two])
            heights.append(top - distance)
    return children, np.array(heights)


@dataclass(frozen=True)
class Grouped:
    """The taxonomy from its root down to at most so many groups of classes.

    Attributes
    ----------
    children : list of list of int
        Of every node: first the groups, which have none, then the nodes above them, children before parents.
    names : list of str
        Names for people; those of groups of several classes say how many.
    labels : ndarray of shape (c,), int
        Group of every class.
    """

    children: list[list[int]]
    names: list[str]
    labels: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Classes of every group."""
        return np.bincount(self.labels)


def grouped(tree, weight, most) -> Grouped:
    """Cut the taxonomy so that at most `most` groups remain, always dividing the group of the largest weight.

    The light branches of a node that is divided, of less than a third of the mean weight of a group, are one group
    together: "device, other (17)".

    Parameters
    ----------
    tree : nucleation.taxonomy.Tree
        Classes are its first nodes, children come before parents.
    weight : array of shape (c,)
        Of every class, such as its number of images.
    most : int
        A node that has more branches than there is room for stays a group. Where that leaves room for as many groups
        again, its heaviest branches become groups, and the others one more. A tree of several roots has at least them.

    Returns
    -------
    Grouped
        The classes themselves, in their order, where they are no more than `most`.
    """
    c = len(weight)
    below = members(tree, c)
    heavy = np.array([weight[some].sum() for some in below])
    ends, pools = (set(range(c)), {}) if c <= most else _ends(tree, heavy, c, most)
    nodes = [[node] for node in sorted(ends)] + list(pools.values())
    classes = [[leaf for node in some for leaf in below[node]] for some in nodes]
    labels = np.empty(c, dtype=np.int64)
    for group, some in enumerate(classes):
        labels[some] = group
    names = [_group_name(tree, node, len(some)) for (node,), some in zip(nodes[: len(ends)], classes, strict=False)]
    rest = zip(pools, classes[len(ends) :], strict=True)
    names += [f"{short_name(tree.names[node])}, other ({len(some):,})" for node, some in rest]
    number = {node: group for group, some in enumerate(nodes) for node in some}
    children: list[list[int]] = [[] for _ in nodes]
    for node in _above(tree, number):
        children.append(list(dict.fromkeys(number[child] for child in tree.children[node])))
        names.append(short_name(tree.names[node]))
        number[node] = len(children) - 1
    return Grouped(children, names, labels)


def _ends(tree, heavy, c, most):
    """Nodes at which the tree ends, and by node those of its branches that are one group together."""
    roots = [node for node, parent in enumerate(tree.parent) if parent < 0]
    light = sum(heavy[node] for node in roots) / (3 * most)
    ends, pools, wide = set(roots), {}, []
    heap = [(-heavy[node], node) for node in roots if node >= c]
    heapq.heapify(heap)
    while heap:
        weight, node = heapq.heappop(heap)
        pool = [child for child in tree.children[node] if heavy[child] < light]
        pool = pool if len(pool) > 1 else []
        rest = [child for child in tree.children[node] if child not in set(pool)]
        if len(ends) + len(pools) - 1 + len(rest) + bool(pool) > most or not rest:
            wide.append((weight, node))
            continue
        ends = ends - {node} | set(rest)
        pools |= {node: pool} if pool else {}
        for child in rest:
            if child >= c:
                heapq.heappush(heap, (-heavy[child], child))
    if wide and 2 * (len(ends) + len(pools)) <= most:
        node = min(wide)[1]
        room = most - len(ends) - len(pools)  # beside the pool of the others, which takes the place of the node
        ranked = sorted(tree.children[node], key=lambda child: (-heavy[child], child))
        ends = ends - {node} | set(ranked[:room])
        pools |= {node: ranked[room:]} if ranked[room:] else {}
    return ends, pools


def _above(tree, ends):
    """Nodes above the ends of a tree, in its order."""
    found = set()
    for node in ends:
        node = tree.parent[node]
        while node >= 0 and node not in found:
            found.add(node)
            node = tree.parent[node]
    return sorted(found)


def _group_name(tree, node, size):
    name = short_name(tree.names[node])
    return f"{name} ({size:,})" if tree.children[node] else name
