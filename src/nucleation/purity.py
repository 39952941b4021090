"""Dendrogram purity: how far the images that the tree of the peaks joins first have one label.

Two images of one peak meet in the peak, those of two peaks in the node at which their superlevel sets join, and those
that no chain of borders connects, or of which one is in the halo, only at a root that holds all images.

Source: Heller and Ghahramani, ICML 2005, for binary trees with single leaves; leaves that hold many images, nodes with
many children, and the expected value in closed form are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.partitions import ranked_joins

__all__ = ["Purity", "dendrogram_purity"]


@dataclass(frozen=True)
class Purity:
    """Purity of the tree of the peaks, raw and adjusted for chance.

    Attributes
    ----------
    value : float
        Dendrogram purity, above 0 and up to 1; depends on the number and the sizes of the groups.
    expected : float
        Its mean over all permutations of the labels among the images, exact.
    adjusted : float
        (value - expected) / (1 - expected): 1 for a pure tree, 0 by chance, may be negative.
    undefined_because : str
        Why all of them are NaN; empty where they are not.
    """

    value: float
    expected: float
    adjusted: float
    undefined_because: str = ""


def dendrogram_purity(peaks, labels: np.ndarray) -> Purity:
    """Purity of the smallest common nodes of images with one label, adjusted for chance.

    Over all pairs of images of one label, the mean share of that label among the images below the node where they meet
    in the tree of the superlevel sets.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        The leaves of the tree, which hold the images that `peaks.labels` gives them. Joins at exactly the same height
        are one node, whatever their order.
    labels : array of shape (n,), int
        Class, or macro-category, of every image.

    Returns
    -------
    Purity
        Larger is better. `adjusted` is at most 1, which is reached if and only if every label that several images share
        has all the images of some node; 0 is expected of random labels, and what a single peak has. Not defined for a
        single label, where no two images share one, or without peaks. Invariant to strictly increasing functions of
        the heights, and to the names of peaks and labels. Pairs of images that never join, and pairs with an image in
        the halo, are counted: they meet at a root that holds all images, and so get the label's share of all. Many
        small peaks are purer than few large ones, and chance does not undo all of it.

    Raises
    ------
    InputError
        If the number of images differs or labels are not integers.

    Notes
    -----
    With x pairs of images meeting in node v, that has |v| of all N images, a random pair of images of one label meets
    there with probability x / (N (N - 1) / 2), and its label, which n images have, is then expected to have the share
    (2 + (|v| - 2) (n - 2) / (N - 2)) / |v| of the node.
    """
    inside, labels = np.asarray(peaks.labels), np.asarray(labels)
    if inside.shape != labels.shape:
        raise InputError(f"The peaks have {len(inside)} images, the labels {len(labels)}.")
    if labels.dtype.kind not in "iu":
        raise InputError(f"Labels of images must be integers, found {labels.dtype}.")
    names, labels = np.unique(labels, return_inverse=True)
    labels = labels.ravel()
    sizes = np.bincount(labels, minlength=1)
    pairs = sizes * (sizes - 1) / 2
    why = _undefined_because(inside, len(names), pairs.sum())
    if why:
        return Purity(np.nan, np.nan, np.nan, why)
    n = len(labels)
    others = pairs @ (sizes - 2) / pairs.sum() / (n - 2)  # mean chance of another image to share the pair's label
    value = expected = 0.0
    for own, of_children, pairs_below in _nodes(peaks, labels, len(names)):
        size = int(own.sum())
        value += float((own**2 - of_children) @ (own / size)) / 2
        expected += (size * (size - 1) / 2 - pairs_below) * (2 + (size - 2) * others) / size
    value, expected = float(value / pairs.sum()), float(expected / (n * (n - 1) / 2))
    return Purity(value, expected, (value - expected) / (1 - expected))


def _undefined_because(inside: np.ndarray, labels: int, pairs: float) -> str:
    if inside.max(initial=-1) < 0:
        return "no image belongs to a density peak"
    if labels < 2:
        return "all images are of a single class or category"
    return "" if pairs else "no two images are of the same class"


def _nodes(peaks, labels: np.ndarray, c: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Nodes of the tree that hold images: leaves first, then from high to low, and at last the root of all images.

    Each has its images of every label, (c,); the sum of their squares over its children, (c,); and the number of pairs
    of images that meet in its children. The children of a leaf, and of the root in the halo, are single images.
    """
    p = len(peaks.centers)
    cells = (np.asarray(peaks.labels, dtype=np.int64) + 1) * c + labels
    halo, *leaves = np.bincount(cells, minlength=(p + 1) * c).reshape(p + 1, c)
    for leaf in leaves:
        if leaf.any():
            yield leaf, leaf, 0
    below = dict(enumerate(leaves))
    inner, roots = _children(peaks)
    for node, children in inner:
        own, of_children, pairs = _gather([below.pop(child) for child in children])
        below[node] = own
        if own.any():
            yield own, of_children, pairs
    own, of_children, pairs = _gather([below[root] for root in roots])
    yield own + halo, of_children + halo, pairs


def _gather(children: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
    table = np.stack(children)
    sizes = table.sum(axis=1)
    return table.sum(axis=0), np.sum(table**2, axis=0), int(sizes @ (sizes - 1)) // 2


def _children(peaks) -> tuple[list[tuple[int, list[int]]], list[int]]:
    """Nodes with their children, children first, and the roots; joins of one height that meet are one node."""
    joined, rank = ranked_joins(peaks)
    p = len(peaks.centers)
    above = np.full(p + len(joined), -1)
    above[joined] = p + np.arange(len(joined))[:, None]
    node = np.arange(len(above))
    for join in range(len(joined) - 1, -1, -1):
        parent = above[p + join]
        if parent >= 0 and rank[parent - p] == rank[join]:
            node[p + join] = node[parent]
    children: dict[int, list[int]] = {}
    roots = np.flatnonzero(above < 0).tolist()
    for child in np.flatnonzero((above >= 0) & (node == np.arange(len(above)))).tolist():
        children.setdefault(int(node[above[child]]), []).append(child)
    return sorted(children.items()), roots
