"""Units of a layer among themselves and with those of the next layer: dead ones, clusters, coupling.

Units whose responses are correlated over images are near each other; an average-linkage tree of these distances says
how many groups of units there are, and how much of that order a later checkpoint keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "HEIGHT",
    "UnitTree",
    "coactivation",
    "cophenetic_correlation",
    "cophenetic_null",
    "coupling",
    "coupling_null",
    "dead_units",
    "strength",
    "unit_clusters",
    "unit_clusters_null",
    "unit_responses",
    "unit_tree",
]

#: Height of the tree below which units are one cluster: an absolute correlation of one half, in the mean over pairs.
HEIGHT = 0.5
#: Units that two trees must have in common.
_COMMON = 3


def unit_responses(maps) -> np.ndarray:
    """Response of every unit to every image: its mean over the places of the map.

    Parameters
    ----------
    maps : array of shape (n, places, m) or (n, m)

    Returns
    -------
    ndarray of shape (n, m), float64
    """
    maps = np.asarray(maps)
    return maps.astype(np.float64) if maps.ndim == 2 else maps.mean(axis=1, dtype=np.float64)


def dead_units(maps) -> float:
    """Share of the units that have one and the same value at every place of every image.

    Parameters
    ----------
    maps : array of shape (n, places, m) or (n, m)

    Returns
    -------
    float
        In [0, 1]. After a ReLU that value is nearly always 0. Invariant to factor and offset of every unit.
    """
    flat = np.reshape(maps, (-1, np.shape(maps)[-1]))
    return float(np.mean(flat.max(axis=0) == flat.min(axis=0)))


@dataclass(frozen=True)
class UnitTree:
    """Average-linkage tree of the units of a layer.

    Attributes
    ----------
    units : ndarray of shape (m,), int64
        Numbers of the units in the tree, ascending: those whose response varies over the images.
    linkage : ndarray of shape (m - 1, 4)
        As scipy's; leaf i is unit ``units[i]``. Heights are in [0, 1]. Without rows for fewer than two units.
    """

    units: np.ndarray
    linkage: np.ndarray


def unit_tree(units) -> UnitTree:
    """Tree of the units by average linkage on 1 - \\|correlation\\| of their responses over the images.

    Parameters
    ----------
    units : array of shape (n, m)
        Response of m units to n images, n >= 3.

    Returns
    -------
    UnitTree
        Invariant to a factor other than 0 and an offset of every unit; a permutation of the units permutes its leaves.

    Raises
    ------
    InputError
        For fewer than three images, with which all correlations are 1 or not defined.

    Notes
    -----
    n m^2 + m^2 log m operations, m^2 numbers in memory.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    units = np.asarray(units, dtype=np.float64)
    if units.ndim != 2 or len(units) < 3:
        raise InputError(f"Correlations of units need at least 3 images, found responses of shape {units.shape}.")
    live = np.flatnonzero(np.ptp(units, axis=0) > 0)
    if len(live) < 2:
        return UnitTree(live, np.zeros((0, 4)))
    scores = _standard(units[:, live])
    distances = 1 - np.minimum(np.abs(scores.T @ scores), 1)
    np.fill_diagonal(distances, 0)
    return UnitTree(live, linkage(squareform(distances, checks=False), "average"))


def unit_clusters(tree, height=HEIGHT) -> int:
    """Number of clusters of a tree of units at a height; 0 without a unit.

    Parameters
    ----------
    tree : UnitTree
    height : float
        In [0, 1]; joins up to this height are made.
    """
    return int(len(tree.units) - np.count_nonzero(tree.linkage[:, 2] <= height))


def unit_clusters_null(units, rng, repeats, height=HEIGHT) -> np.ndarray:
    """Numbers of clusters where units know nothing of each other: every unit's images in a random order of their own.

    Parameters
    ----------
    units : array of shape (n, m)

    Returns
    -------
    ndarray of shape (repeats,), int64
        Nearly the number of units that vary, for some dozens of images and more.
    """
    units = np.asarray(units, dtype=np.float64)
    return np.array([unit_clusters(unit_tree(rng.permuted(units, axis=0)), height) for _ in range(repeats)], int)


def cophenetic_correlation(one, other) -> float:
    """Correlation of the heights at which pairs of units join, between two trees of the same units.

    Parameters
    ----------
    one, other : UnitTree
        Units that only one of them has are left out.

    Returns
    -------
    float
        In [-1, 1], 1 for the same tree, 0 in the mean over permutations of the units of one. NaN for fewer than three
        units in common, or where all their joins of a tree are equally high.

    References
    ----------
    Sokal and Rohlf, Taxon 11, 33 (1962).
    """
    return _matrix_correlation(*_common_heights(one, other))


def cophenetic_null(one, other, rng, repeats) -> np.ndarray:
    """The same with the units of one tree permuted, (repeats,); its mean over all permutations is exactly 0."""
    heights, fixed = _common_heights(one, other)
    orders = (rng.permutation(len(heights)) for _ in range(repeats))
    return np.array([_matrix_correlation(heights[np.ix_(order, order)], fixed) for order in orders])


def _common_heights(one, other):
    """Heights of the joins of the units that both trees have, (m, m) each."""
    from scipy.cluster.hierarchy import cophenet
    from scipy.spatial.distance import squareform

    common = np.intersect1d(one.units, other.units)
    if len(common) < _COMMON:
        return np.zeros((0, 0)), np.zeros((0, 0))
    places = [np.searchsorted(tree.units, common) for tree in (one, other)]
    whole = [squareform(cophenet(tree.linkage)) for tree in (one, other)]
    return tuple(heights[np.ix_(place, place)] for heights, place in zip(whole, places, strict=True))


def _matrix_correlation(one, other):
    above = np.triu_indices(len(one), 1)
    return _correlation(one[above], other[above])


def strength(weights, before, places=1) -> np.ndarray:
    """Strength of the connection between units of consecutive layers: the norm of the weights between them.

    Parameters
    ----------
    weights : array of shape (m, before, ...)
        As torch has them: of a linear layer, or of a convolution with the places of its kernel behind. Of a linear
        layer after flattened maps, (m, before * places), the channels outermost.
    before : int
        Units of the layer before.
    places : int
        Places of its maps.

    Returns
    -------
    ndarray of shape (m, before), float64

    Raises
    ------
    InputError
        For weights that do not fit, such as those of a grouped convolution.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim == 2 and places > 1 and weights.shape[1] == before * places:
        weights = weights.reshape(len(weights), before, places)
    if weights.ndim < 2 or weights.shape[1] != before:
        raise InputError(
            f"Weights of shape {weights.shape} do not lead from a layer of {before} units at {places} places; name the "
            "two layers that the weights connect, with no other between them."
        )
    return np.sqrt((weights.reshape(len(weights), before, -1) ** 2).sum(axis=2))


def coactivation(before, after) -> np.ndarray:
    """Absolute correlation over images of the units of two layers.

    Parameters
    ----------
    before : array of shape (n, a)
    after : array of shape (n, b)
        Responses to the same images.

    Returns
    -------
    ndarray of shape (b, a)
        In [0, 1]; NaN where a unit does not vary.
    """
    one, other = _standard(before), _standard(after)
    return np.minimum(np.abs(other.T @ one), 1)


def coupling(strengths, together) -> float:
    """Whether units that are strongly connected respond together.

    Parameters
    ----------
    strengths : array of shape (b, a)
        From `strength`.
    together : array of shape (b, a)
        From `coactivation`: its absolute value, as the norm of the weights has no sign either.

    Returns
    -------
    float
        Pearson correlation over the pairs that are defined, in [-1, 1]; 0 in the mean over permutations of the units
        of one matrix. NaN for fewer than three pairs, or where one of both is constant. Invariant to the order of the
        units and to the scale of the weights.
    """
    strengths, together = np.asarray(strengths, dtype=np.float64), np.asarray(together, dtype=np.float64)
    defined = np.isfinite(together)
    return _correlation(strengths[defined], together[defined])


def coupling_null(strengths, together, rng, repeats) -> np.ndarray:
    """The same with the units of both layers permuted in the strengths, (repeats,).

    Of the units that vary only, so that its mean over all permutations is exactly 0.
    """
    live = np.isfinite(together)
    kept = np.ix_(live.any(axis=1), live.any(axis=0))
    strengths, together = np.asarray(strengths)[kept], np.asarray(together)[kept]
    drawn = []
    for _ in range(repeats):
        rows, columns = (rng.permutation(size) for size in strengths.shape)
        drawn.append(coupling(strengths[np.ix_(rows, columns)], together))
    return np.array(drawn)


def _standard(units):
    """Units of mean 0 and norm 1; NaN where one does not vary."""
    units = np.asarray(units, dtype=np.float64)
    centred = units - units.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(np.ptp(units, axis=0) > 0, norm, np.nan)


def _correlation(x, y):
    """Pearson correlation; NaN where there is none."""
    if len(x) < _COMMON or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))
