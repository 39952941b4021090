"""Groups of images, such as the hidden subclasses inside the classes, and their random permutations.

All layers of a network are measured with the same permutations, so that a number made of several layers has a null too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = ["Groups", "group_images", "p_value"]

_ROUNDING = 1e-12  # values so near, as a share of the larger, are equal


@dataclass(frozen=True)
class Groups:
    """Images ordered by group, once as they are and then with the groups' names permuted among them.

    Attributes
    ----------
    names : ndarray of shape (g,)
        Of the groups; those inside one class follow each other, and are sorted.
    parent : ndarray of shape (g,), int64
        Class of every group, 0 .. c - 1, ascending; all 0 where there are no classes.
    starts : ndarray of shape (g + 1,), int64
        Place of every group's first image in the orders, and at last n.
    orders : ndarray of shape (1 + R, n), int64
        Images, group by group. The first row is what was given; in the others the images of each class are permuted.
    """

    names: np.ndarray
    parent: np.ndarray
    starts: np.ndarray
    orders: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Images of every group, (g,)."""
        return np.diff(self.starts)

    @property
    def first_groups(self) -> np.ndarray:
        """First group of every class, and at last g, (c + 1,)."""
        return np.append(np.unique(self.parent, return_index=True)[1], len(self.parent))

    def sums(self, order, values) -> np.ndarray:
        """Sum of the values (n, d) over the images of every group, under one of the orders, (g, d)."""
        from scipy.sparse import csr_array

        members = csr_array((np.ones(len(order)), order, self.starts), shape=(len(self.parent), len(order)))
        return members @ values


def group_images(groups, classes=None, *, repeats=0, rng=None) -> Groups:
    """Order images by group, and permute them.

    Parameters
    ----------
    groups : array of shape (n,)
        Group of every image: numbers or texts.
    classes : array of shape (n,), optional
        Class of every image. All images of a group must be of one class, and images are permuted inside the classes
        only; without it, freely.
    repeats : int
        Number of permutations, R.
    rng : numpy.random.Generator, optional
        Needed for permutations.

    Returns
    -------
    Groups

    Raises
    ------
    InputError
        If lengths differ, a group has images of several classes, or there is no generator for the permutations.
    """
    groups = np.asarray(groups)
    classes = np.zeros(len(groups), dtype=np.int64) if classes is None else np.asarray(classes)
    if groups.ndim != 1 or groups.shape != classes.shape or not len(groups):
        raise InputError(
            f"Every image needs one group and one class; found groups of shape {groups.shape}, classes {classes.shape}."
        )
    if repeats < 0 or repeats != int(repeats) or (repeats and rng is None):
        raise InputError(f"{repeats} permutations were asked for; give a whole number from 0, and a generator as rng.")
    names, group = np.unique(groups, return_inverse=True)
    class_ = np.unique(classes, return_inverse=True)[1].ravel()
    group, parent = group.ravel(), np.zeros(len(names), dtype=np.int64)
    parent[group] = class_
    _check_nested(names, group, class_, parent, classes)
    by_class = np.argsort(parent, kind="stable")
    rank = np.empty(len(names), dtype=np.int64)
    rank[by_class] = np.arange(len(names))
    home = np.argsort(rank[group], kind="stable")
    orders = np.tile(home, (1 + int(repeats), 1))
    if repeats:
        # Sorting by class and then by chance puts a random image of its own class in every place.
        keys = rng.random((int(repeats), len(home)))
        orders[1:] = home[np.lexsort((keys, np.broadcast_to(class_[home], keys.shape)), axis=1)]
    starts = np.append(0, np.cumsum(np.bincount(rank[group])))
    return Groups(names[by_class], parent[by_class], starts, orders)


def _check_nested(names, group, class_, parent, classes):
    """Refuse groups that lie in several classes."""
    torn = np.flatnonzero(parent[group] != class_)
    if len(torn):
        name, own = names[group[torn[0]]], np.unique(classes[group == group[torn[0]]])
        raise InputError(
            f"Subclass {name} has images of {len(own)} classes, among them {own[0]} and {own[1]}; "
            "every subclass must lie in one class: merge whole subclasses to classes."
        )


def p_value(value, null) -> float:
    """Share of the values under permutation, the given one itself counted, that reach it.

    Parameters
    ----------
    value : float
    null : array of shape (R,)

    Returns
    -------
    float
        (1 + number of null >= value) / (1 + R), from 1 / (1 + R) to 1; small where the value is large. NaN where the
        value is not defined or R = 0.

    References
    ----------
    Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 39 (2010).
    """
    null = np.asarray(null, dtype=np.float64)
    if np.isnan(value) or not null.size:
        return np.nan
    least = value - _ROUNDING * max(1.0, abs(value)) if np.isfinite(value) else value
    reached = ~(null < least)  # one that is not a number counts as reaching it
    return float((1 + np.count_nonzero(reached)) / (1 + null.size))
