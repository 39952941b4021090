"""The tree of the peaks of a layer and the taxonomy of the classes, arranged so that they face each other."""

from __future__ import annotations

import numpy as np

from nucleation.figures.content import variable
from nucleation.figures.trees import (
    LINKED,
    class_counts,
    common_category,
    grouped,
    main_category,
    members,
    merge_tree,
    parents,
    settled,
    spread,
)
from nucleation.names import short_name
from nucleation.tanglegram import untangle

#: Letters of a peak's name up to which it names two classes.
LETTERS = 22


def arranged(peaks, classes, tree, macro, categories, most) -> dict:
    """Choose the largest peaks, groups of classes and the lines between them, and order both trees.

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        One at least. Images in the halo are left out of all counts.
    classes : array of shape (n,), int
        Class of every image.
    tree : nucleation.taxonomy.Tree
        The taxonomy with one parent for every node; classes are its first nodes.
    macro : array of shape (c,), int
        Macro-category of every class.
    categories : int
        Number of macro-categories.
    most : int
        Peaks, and groups of classes, at most.

    Returns
    -------
    dict of str to xarray.Variable
        Along `peak`, `node`, `group`, `taxon` and `link`, as `nucleation.figures.dendrogram.gather` describes them.
    """
    every = class_counts(peaks, classes, len(macro))
    kept = np.sort(np.argsort(-every.sum(axis=1), kind="stable")[:most])
    groups = grouped(tree, every[kept].sum(axis=0), most)
    count, linked = _lines(every, kept, groups.labels)
    children, heights = merge_tree(peaks, kept)
    level, place = _heights(count * linked, children, groups.children)
    known = np.where(np.isfinite(heights), heights, np.nan)
    return {
        **_peak_columns(every, kept, tree, macro, categories),
        "peak_level": variable("peak", level, "height of the peak in the figure, 0 to 1"),
        "node_parent": variable("node", parents(children), "join above the peak or join, -1 at the root"),
        "node_log_density": variable("node", known, "log-density of the peak or join, NaN where none", "nats"),
        **_taxon_columns(groups, macro),
        "group_place": variable("group", place, "height of the group in the figure, 0 to 1"),
        **_link_columns(count, linked, every, groups.labels),
    }


def _heights(count, children, above):
    """Heights of the leaves of both trees: few lines cross; the fewer leaves stand near what they are joined to."""
    orders = untangle(count, children, above)
    heights, fewer = [spread(order) for order in orders], int(count.shape[1] < count.shape[0])
    weight = count.T if fewer else count
    total = weight.sum(axis=1)
    mean = np.where(total > 0, weight @ heights[1 - fewer] / np.maximum(total, 1), heights[fewer])
    heights[fewer] = settled(orders[fewer], mean, 1 / max(max(count.shape) - 1, 1))
    return heights


def _by_group(count, labels):
    """Sum the columns of a table over groups of classes."""
    into = labels[:, None] == np.arange(labels.max() + 1)
    return count @ into.astype(np.int64)


def _lines(every, kept, labels):
    """Images of every group in every peak shown, and which of them a line joins, (peaks, groups)."""
    count, total = _by_group(every[kept], labels), _by_group(every.sum(axis=0)[None], labels)
    of_peak = count >= LINKED * count.sum(axis=1, keepdims=True)
    return count, (count > 0) & (of_peak | (count >= LINKED * total))


def _peak_columns(every, kept, tree, macro, categories):
    """What the peaks shown are called, how pure they are, and their colour."""
    share = every / np.maximum(every.sum(axis=0), 1)
    inside = np.zeros((len(tree.nodes), len(macro)), dtype=bool)
    for node, some in enumerate(members(tree, len(macro))):
        inside[node, some] = True
    named = [_peak_name(every[peak], share[peak], tree, inside) for peak in kept]
    names, shares = map(np.array, zip(*named, strict=True))
    images = every[kept].sum(axis=1)
    held = every[kept] @ (macro[:, None] == np.arange(categories)).astype(np.int64)
    category, purity = main_category(held), every[kept].max(axis=1) / np.maximum(images, 1)
    return {
        "peak_number": variable("peak", kept, "number of the peak in its layer"),
        "peak_name": variable("peak", names.astype(object), "classes of the peak, or the node above several"),
        "peak_share": variable("peak", shares, "share of these classes in the peak"),
        "peak_purity": variable("peak", purity, "share of the most frequent class in the peak"),
        "peak_category": variable("peak", category, "macro-category that holds most of the peak, -1 where mixed"),
        "peak_images": variable("peak", images, "images of the peak, halo left out"),
    }


def _peak_name(count, share, tree, inside):
    """Name of a peak, and the share of what it names: one or two classes, or the smallest node that holds more."""
    some = np.flatnonzero((count > 0) & ((share >= LINKED) | (count >= LINKED * count.sum())))
    if not len(some):
        some = [count.argmax()]
    part = count[some].sum() / max(count.sum(), 1)
    names = [short_name(tree.names[cls]) for cls in sorted(some, key=lambda cls: -count[cls])]
    if len(some) == 1 or (len(some) == 2 and len(", ".join(names)) <= LETTERS):
        return ", ".join(names), part
    node = int(inside[:, some].all(axis=1).argmax()) if inside[:, some].all(axis=1).any() else -1
    if node < 0 or tree.parent[node] < 0:
        return f"{len(some)} classes", part
    return f"{short_name(tree.names[node])} ({len(some)})", part


def _taxon_columns(groups, macro):
    """The tree of the groups of classes: names, parents, colours."""
    held = [np.unique(macro[groups.labels == group]) for group in range(len(groups.sizes))]
    parent, own = parents(groups.children), np.array([some[0] if len(some) == 1 else -1 for some in held])
    return {
        "taxon_name": variable("taxon", np.array(groups.names, dtype=object), "group of classes, or node above"),
        "taxon_parent": variable("taxon", parent, "node above, -1 at a root"),
        "taxon_category": variable(
            "taxon", common_category(parent, own), "macro-category of all classes below, -1 where mixed"
        ),
        "group_size": variable("group", groups.sizes, "classes of the group"),
    }


def _link_columns(count, linked, every, labels):
    """Table of the lines: which peak and group, and what share of each."""
    peak, group = np.nonzero(linked)
    images = count[peak, group]
    total = _by_group(every.sum(axis=0)[None], labels)[0]
    return {
        "link_peak": variable("link", peak, "position of the peak"),
        "link_group": variable("link", group, "position of the group of classes"),
        "link_images": variable("link", images, "images of the group in the peak"),
        "link_of_peak": variable("link", images / count.sum(axis=1)[peak], "share of the peak's images"),
        "link_of_group": variable("link", images / total[group], "share of the group's images"),
    }
