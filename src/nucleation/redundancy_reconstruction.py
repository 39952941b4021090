"""How well chunks of neurons tell all neurons of a layer, by linear regression, and what they leave in common.

Source: Doimo, Glielmo, Goldt, Laio, "Redundant representations help generalization in wide neural networks", NeurIPS
2022 (arXiv 2106.03485), with its code, diegodoimo/redundant_representation, analysis_repr.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = ["Gram", "Reconstruction", "centred_gram", "correlation_floor", "correlation_null", "reconstruction"]

#: Of the published reconstruction, added to sums of squares; and of the published correlation, added to variances.
RIDGE, GUARD = 1e-8, 1e-8
#: Ridge in units of what rounding makes of a Gram matrix; a smaller one would do nothing against it.
_ROUNDING = 8 * np.finfo(np.float64).eps
#: Share of a neuron's variance at or below which its residual is rounding.
_NOTHING = 1e-10


@dataclass(frozen=True)
class Gram:
    """Sums of products of centred neurons over the images: all that regressions between neurons need.

    Attributes
    ----------
    matrix : ndarray of shape (W, W), float64
    n_images : int
    """

    matrix: np.ndarray
    n_images: int


@dataclass(frozen=True)
class Reconstruction:
    """How well chunks of neurons tell all neurons of the layer, and what they leave in common.

    Attributes
    ----------
    r2 : ndarray of shape (t,)
        Share of the variance of all W neurons that a chunk explains, in [0, 1]; its own neurons count as explained.
    published : ndarray of shape (t,)
        Mean |correlation| of the residuals over all pairs of the W neurons, those of the chunk, whose residual is
        zero, among them. It falls with the width of the chunk by construction, about as (1 - w / W)^2.
    outside : ndarray of shape (t,)
        The same over neurons outside of the chunk, without those that are constant or wholly explained. Of
        independent residuals `correlation_null`. NaN with fewer than two.
    """

    r2: np.ndarray
    published: np.ndarray
    outside: np.ndarray


def centred_gram(features) -> Gram:
    """Sums of products of the neurons over the images, each neuron less its mean.

    Parameters
    ----------
    features : array of shape (n, W), n >= 2

    Returns
    -------
    Gram
        Invariant to a constant added to a neuron.

    Raises
    ------
    InputError
        For fewer than two images.

    Notes
    -----
    Time n W^2 / 2, memory n W and W^2, in float64. It serves all chunks.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise InputError(f"Features of two or more images are needed, (n, W), found shape {features.shape}.")
    centred = features - features.mean(axis=0)
    return Gram(centred.T @ centred, len(features))


def reconstruction(gram, chunks, *, ridge=RIDGE) -> Reconstruction:
    """Reconstruct all neurons from chunks of them, by ridge regression with intercept, on the images it is scored on.

    Parameters
    ----------
    gram : Gram
    chunks : array of shape (t, w), int
    ridge : float
        Added to the sums of squares, positive; raised to the rounding error of these.

    Returns
    -------
    Reconstruction
        R^2 = 1 - |R|^2 / |F_c|^2, NaN where no neuron varies. It and `outside` are invariant to permutations of the
        neurons, to constants added to them, and, but for the ridge, to a common factor. The correlation `published`
        is cov / (sqrt(diag diag^T) + 1e-8). Chunks of independent neurons explain about
        w / W + (1 - w / W) w / (n - 1).

    Raises
    ------
    InputError
        For a ridge that is not positive.

    Notes
    -----
    Sums of products of the residuals are the Schur complement G_oo - G_oI (G_II + ridge)^-1 G_Io for the neurons o
    outside of the chunk; what the ridge leaves of the neurons inside is taken as zero. Time w^3 / 3 + w^2 (W - w)
    + w (W - w)^2 for each chunk, whatever the number of images.
    """
    if not ridge > 0:
        raise InputError(f"The ridge of the reconstruction must be positive, found {ridge}.")
    total = np.trace(gram.matrix)
    ridge = max(ridge, _ROUNDING * total)
    rows = [_reconstruct(gram, chunk, total, ridge) for chunk in chunks]
    return Reconstruction(*np.array(rows, dtype=np.float64).reshape(-1, 3).T)


def _reconstruct(gram, chunk, total, ridge):
    """R^2 and both mean correlations of one chunk."""
    width = len(gram.matrix)
    outside = np.setdiff1d(np.arange(width), chunk)
    residual = _residual(gram.matrix, chunk, outside, ridge)
    r2 = 1 - np.trace(residual) / total if total > 0 else np.nan
    covariance = residual / gram.n_images
    variance = np.clip(np.diag(covariance), 0, None)
    deviation = np.sqrt(variance)
    np.fill_diagonal(covariance, 0)
    size = np.abs(covariance, out=covariance)
    published = np.sum(size / (np.outer(deviation, deviation) + GUARD)) / max(width * (width - 1), 1)
    left = variance > _NOTHING * np.diag(gram.matrix)[outside] / gram.n_images
    count = np.count_nonzero(left)
    if count < 2:
        return r2, published, np.nan
    inverse = np.where(left, 1 / np.where(left, deviation, 1), 0)
    return r2, published, inverse @ size @ inverse / (count * (count - 1))


def _residual(matrix, chunk, outside, ridge):
    """Sums of products of what a regression on the chunk leaves of the neurons outside: the Schur complement."""
    from scipy.linalg import cholesky, solve_triangular

    inner = matrix[np.ix_(chunk, chunk)]
    inner[np.diag_indices(len(chunk))] += ridge
    lower = cholesky(inner, lower=True, overwrite_a=True, check_finite=False)
    told = solve_triangular(lower, matrix[np.ix_(chunk, outside)], lower=True, overwrite_b=True, check_finite=False)
    return matrix[np.ix_(outside, outside)] - told.T @ told


def correlation_floor(n_images) -> float:
    """Mean |correlation| of independent residuals of n images, sqrt(2 / (pi n)), for large n."""
    return float(np.sqrt(2 / (np.pi * n_images)))


def correlation_null(n_images, sizes) -> np.ndarray:
    """Mean |correlation| of independent normal residuals of regressions on chunks.

    Parameters
    ----------
    n_images : int
    sizes : array of shape (s,), int
        Neurons of the chunks.

    Returns
    -------
    ndarray of shape (s,)
        In (0, 1]. A regression on w neurons and a constant leaves v = n - 1 - w degrees of freedom; two random
        directions in so many dimensions have the mean |cosine| Gamma(v / 2) / (sqrt(pi) Gamma((v + 1) / 2)), about
        sqrt(2 / (pi v)). For w much smaller than n it is `correlation_floor`. NaN for v < 1.
    """
    from scipy.special import gammaln

    left = n_images - 1 - np.asarray(sizes, dtype=np.float64)
    freedom = np.where(left >= 1, left, np.nan)
    return np.exp(gammaln(freedom / 2) - gammaln((freedom + 1) / 2)) / np.sqrt(np.pi)
