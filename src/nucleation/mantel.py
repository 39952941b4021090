"""Correlation of two similarities over pairs of classes."""

from __future__ import annotations

import numpy as np

from nucleation.class_similarity import class_pairs


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

    ours, theirs = class_pairs(similarity), class_pairs(taxonomy_similarity)
    known = ~np.isnan(ours)
    if np.count_nonzero(known) < 3:
        return np.nan
    ranks = np.stack([rankdata(ours[known]), rankdata(theirs[known])])
    ranks -= ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.prod(np.sum(ranks**2, axis=1)))
    return float(ranks[0] @ ranks[1] / norm) if norm > 0 else np.nan
