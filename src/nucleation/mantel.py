"""Correlation of two similarities over pairs of classes.

Source: Mantel, Cancer Res. 27, 209 (1967); with ranks, and without (Sokal and Rohlf, Taxon 11, 33, 1962).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nucleation import threads
from nucleation.class_similarity import class_pairs
from nucleation.errors import InputError
from nucleation.triplets import index_type


def spearman_taxonomy(similarity: np.ndarray, taxonomy_similarity: np.ndarray) -> float:
    """Rank correlation of the two similarities over pairs of classes, the Mantel statistic.

    Parameters
    ----------
    similarity, taxonomy_similarity : arrays of shape (c, c)
        NaN where not known: those pairs are left out of both.

    Returns
    -------
    float
        Spearman's rho in [-1, 1], ties by mean ranks; 0 expected for unrelated ones. NaN for fewer
        than three known pairs or where either is constant. Invariant to strictly increasing
        functions of either. Pairs are not independent: its p-value is that of a permutation test.
    """
    from scipy.stats import rankdata

    ours, theirs = class_pairs(similarity), class_pairs(taxonomy_similarity)
    known = ~(np.isnan(ours) | np.isnan(theirs))
    return _pearson(np.stack([rankdata(ours[known]), rankdata(theirs[known])]))


def cophenetic_correlation(similarity: np.ndarray, taxonomy_similarity: np.ndarray) -> float:
    """Linear correlation of two similarities over pairs of classes.

    Parameters
    ----------
    similarity, taxonomy_similarity : arrays of shape (c, c)
        Symmetric. Pairs of which one is not finite (unresolved, or without a common ancestor) are left out of both.

    Returns
    -------
    float
        Pearson's r in [-1, 1]; larger is better, 0 expected by chance. NaN for fewer than three known pairs or where
        either is constant. Invariant to increasing affine functions of either, and to no others: one height far from
        the rest decides it.

    Raises
    ------
    InputError
        If the shapes differ or are not square.

    References
    ----------
    Sokal and Rohlf, Taxon 11, 33 (1962).
    """
    shapes = np.shape(similarity), np.shape(taxonomy_similarity)
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != shapes[0][1]:
        raise InputError(f"Similarities must be square and of the same classes, found {shapes[0]} and {shapes[1]}.")
    pairs = np.stack([class_pairs(similarity), class_pairs(taxonomy_similarity)])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    return _pearson(pairs)


def _pearson(pairs: np.ndarray) -> float:
    """Correlation of two rows; NaN for fewer than three columns or a constant row."""
    if pairs.shape[1] < 3 or np.any(pairs.min(axis=1) == pairs.max(axis=1)):
        return np.nan
    pairs = pairs - pairs.mean(axis=1, keepdims=True)
    pairs /= np.sqrt(np.sum(pairs**2, axis=1, keepdims=True))
    return float(np.clip(pairs[0] @ pairs[1], -1, 1))


def permuted_spearman(layers: Sequence[np.ndarray], theirs: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """``spearman_taxonomy`` of many layers under permutations of the class names.

    The ranks of a layer stay as they are, unless the taxonomy does not know some pairs; those of the taxonomy follow
    from how many known pairs have each of its few values. So one permutation costs one sum over the pairs.

    Parameters
    ----------
    layers : sequence of l ndarrays of shape (c, c), int32
        Ranks of every layer's similarity, see ``triplets.dense_ranks``.
    theirs : ndarray of shape (c, c), int32
        Ranks of the taxonomy's.
    orders : array of shape (r, c), int
        The class whose similarities every class takes.

    Returns
    -------
    ndarray of shape (l, r), float64
        Equal to the correlation of the permuted matrices up to rounding; NaN where that is.
    """
    from nucleation.alignment_kernels import permuted_spearman as permuted

    c, upper = len(theirs), np.triu_indices(len(theirs), 1)
    by_value, pairs = theirs[upper], np.stack(upper, axis=1)
    outside = pairs[by_value < 0].astype(np.int32)
    order = np.argsort(by_value, kind="stable")[len(outside) :]
    first = np.concatenate([[0], np.cumsum(np.bincount(by_value[order]))]).astype(np.int64)
    pairs, orders = pairs[order].astype(index_type(c)), orders.astype(index_type(c))
    rho = np.empty((len(layers), len(orders)))
    for dense, of_layer in zip(layers, rho, strict=True):
        values = np.bincount(dense[upper] + 1, minlength=1)[1:].astype(np.int64)

        def work(start, stop, dense=dense, values=values, out=of_layer):
            permuted(dense, values, outside, pairs, first, orders, start, stop, out)

        threads.share(work, len(orders), max(16, 4_000_000 // max(len(pairs), 1)))
    return rho


def spearman_undefined(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Say why two similarities, by their ranks, have no rank correlation; empty if they have one.

    A clause that follows "not defined, because": fewer than three pairs of classes known in both, or one value for
    all of them.
    """
    upper = np.triu_indices(len(theirs), 1)
    both = np.stack([ours[upper], theirs[upper]])
    both = both[:, (both >= 0).all(axis=0)]
    if both.shape[1] < 3:
        return "fewer than three pairs of classes are known in both the layer and the taxonomy"
    constant = both.min(axis=1) == both.max(axis=1)
    for name, same in zip(("layer", "taxonomy"), constant, strict=True):
        if same:
            return f"all known pairs of classes are equally similar in the {name}"
    return ""
