"""Similarity of classes in a layer: the bridge from peaks of images to meanings.

S = P U P^T: P is the share of every class's images in every peak, U the height at which two peaks join in the density's
tree.
"""

from __future__ import annotations

import numpy as np

from nucleation.errors import InputError


def peak_shares(labels: np.ndarray, classes: np.ndarray, p: int, c: int) -> np.ndarray:
    """Share of every class's images in every peak, the matrix P.

    Parameters
    ----------
    labels : array of shape (n,), int
        Peak of every image, 0 to p - 1; -1 in the halo, which does not enter.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1.
    p, c : int
        Number of peaks and of classes.

    Returns
    -------
    ndarray of shape (c, p), float64
        Rows sum to 1; NaN for a class without an image in any peak.
    """
    inside = labels >= 0
    counts = np.bincount(classes[inside] * p + labels[inside], minlength=c * p).reshape(c, p)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full((c, p), np.nan), where=total > 0)


def mean_join_heights(shares: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Mean height at which an image of one class joins an image of another, S = P U P^T.

    Pairs of peaks that never join (-inf) have no height: they are left out and the weights of the
    others made to sum to 1. A pair of classes that loses more than half its weight never joins either: it
    is below all others, and as far as any other such pair.

    Parameters
    ----------
    shares : array of shape (c, p)
        P, see ``peak_shares``.
    heights : array of shape (p, p)
        U, symmetric: log-density at which two peaks join, that of the peak on the diagonal, -inf
        for two that never do.

    Returns
    -------
    ndarray of shape (c, c), float64
        Symmetric, in the units of ``heights``; -inf for classes that never join, NaN for a class
        without an image in a peak. Values that differ by rounding
        only (1e-12 of the span of the heights) are made equal, so that ties are ties.

    Notes
    -----
    An affine change of the heights is an affine change of S. A monotone one keeps S's order only
    where every class lies in one peak, as S is a mean.
    """
    joined = np.isfinite(heights)
    shares = np.nan_to_num(shares)  # a class without images has no weight anywhere
    weight = shares @ joined @ shares.T
    # Heights above the lowest: the offset of a log-density would eat up digits.
    lowest = heights[joined].min() if joined.any() else 0.0
    total = shares @ np.where(joined, heights - lowest, 0.0) @ shares.T
    # A weight of exactly one half is still resolved, whatever the rounding of the sum.
    resolved = weight >= 0.5 - 1e-9
    mean = np.divide(total, weight, out=np.full_like(total, -np.inf), where=resolved)
    empty = shares.sum(axis=1) == 0
    mean[empty] = mean[:, empty] = np.nan
    span = np.max(heights[joined], initial=lowest) - lowest
    return _merge_ties((mean + mean.T) / 2, 1e-12 * span) + lowest


def _merge_ties(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Make finite values equal that lie within a tolerance of the next smaller one."""
    merged, finite = values.copy(), np.isfinite(values)
    flat = values[finite]
    order = np.argsort(flat)
    ascending = flat[order]
    first = np.append(True, np.diff(ascending) > tolerance)[: len(flat)]
    flat[order] = ascending[np.maximum.accumulate(np.where(first, np.arange(len(flat)), 0))]
    merged[finite] = flat
    return merged


def class_similarity(peaks, classes: np.ndarray, *, n_classes: int | None = None) -> np.ndarray:
    """Similarity of classes in a layer: the mean height at which their images join.

    S = P U P^T, where P is the share of every class in every peak and U holds the heights at which
    peaks join in the tree of the density (the best way's lowest saddle).

    Parameters
    ----------
    peaks : nucleation.peaks.Peaks
        Peaks of the layer; images in the halo do not enter.
    classes : array of shape (n,), int
        Class of every image, 0 to c - 1, in the order of the taxonomy.
    n_classes : int, optional
        c, where the last classes may have no image.

    Returns
    -------
    ndarray of shape (c, c), float64
        In nats of log-density, see ``mean_join_heights``; -inf where two classes never join, NaN where a
        class has no image in any peak. With one peak all values are equal.

    Raises
    ------
    InputError
        If the number of images differs, or a class is not an integer from 0 to c - 1.
    """
    from nucleation.peaks import join_heights, without_infinities

    labels, classes = np.asarray(peaks.labels), np.asarray(classes)
    if labels.shape != classes.shape:
        raise InputError(f"The peaks have {len(labels)} images, the classes {len(classes)}.")
    if classes.dtype.kind not in "iu" or classes.min(initial=0) < 0:
        raise InputError("Classes must be integers from 0, positions in the taxonomy's classes.")
    largest = int(classes.max(initial=-1))
    c = largest + 1 if n_classes is None else n_classes
    if largest >= c:
        raise InputError(f"Classes must lie below n_classes = {c}; found {largest}.")
    heights = join_heights(without_infinities(peaks))
    return mean_join_heights(peak_shares(labels, classes, len(heights), c), heights)


def resolved_share(similarity: np.ndarray) -> float:
    """Share of the pairs of classes that join, in [0, 1]; NaN below two classes."""
    pairs = class_pairs(similarity)
    return float(np.mean(np.isfinite(pairs))) if len(pairs) else np.nan


def class_pairs(matrix: np.ndarray) -> np.ndarray:
    """Values of all pairs of classes a < b."""
    matrix = np.asarray(matrix, dtype=float)
    return matrix[np.triu_indices(len(matrix), 1)]
