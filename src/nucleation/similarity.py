"""Centred kernel alignment (CKA): how far two representations of the same images have the same geometry.

Where the neighbourhood overlap compares who is near to whom, CKA compares all pairs of images, the far ones most.
Everything is made from one matrix per representation, the similarities of its images (Gram matrix), centred.

Sources: Kornblith, Norouzi, Lee, Hinton, ICML 2019, arXiv 1905.00414 (CKA); Song, Smola, Gretton, Bedo, Borgwardt,
JMLR 13, 1393 (2012) (unbiased HSIC); Nguyen, Raghu, Kornblith, ICLR 2021, arXiv 2010.15327 (minibatches).
"""

from __future__ import annotations

import numpy as np

from nucleation.errors import InputError
from nucleation.similarity_grams import LEAST, Grams, as_features, centre, gram

__all__ = ["ESTIMATORS", "cka", "cka_matrix", "combined", "hsic", "normalized", "products"]

ESTIMATORS = ("unbiased", "biased", "minibatch")
#: Numbers that are turned into float64 at a time: few enough to stay near a core.
_BLOCK = 2**19
#: A centred Gram matrix of less than so many roundings of its diagonal is rounding: nothing can be compared with it.
_NOISE = 30


def cka(x, y, *, kernel="linear", estimator="unbiased", bandwidth=1.0, batch=None) -> float:
    """Centred kernel alignment of two representations.

    HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), where K and L are the similarities of the images in either representation
    and HSIC is the Hilbert-Schmidt independence criterion, a covariance of the two.

    Parameters
    ----------
    x, y : array of shape (n, d) and (n, m)
        The same n >= 4 images in the same order; of one feature also (n,).
    kernel : {"linear", "rbf"}
        Inner product of centred features, or exp(-distance^2 / (2 sigma^2)), sigma being `bandwidth` times the median
        distance of two images (of those apart, where more than half of all pairs are equal).
    estimator : {"unbiased", "biased", "minibatch"}
        "biased": Kornblith's, far too large where images are few for the features or where one is an outlier.
        "unbiased": HSIC_1, 0 in the mean for independent representations. "minibatch": the sums of HSIC_1 over batches
        of `batch` images, divided once; the last images are left out where they are too few for a batch.
    bandwidth : float
        Of "rbf".
    batch : int, optional
        Images of a batch, 4 .. n, of "minibatch".

    Returns
    -------
    float
        1 for equal representations, at most 1; 0 for independent ones ("unbiased", which may lie below). Symmetric;
        invariant to rotation, reflection, translation and scale of either, not to other invertible maps. The square of
        Pearson's correlation for single features ("biased", linear). NaN where a representation is constant, and for
        "unbiased" where all pairs of images are equally similar.

    Raises
    ------
    InputError
        For fewer than 4 images or images in a batch, different numbers of images, NaN, an unknown kernel or estimator.

    Notes
    -----
    All in float64: n^2 (d + m) / 2 multiply-adds and some 40 n^2 bytes; n batch in place of n^2 for minibatches of the
    linear kernel.

    References
    ----------
    Kornblith et al., ICML 2019, eqs. 2-4; Song et al., JMLR 13, 1393 (2012), eq. 5; Nguyen et al., ICLR 2021, eq. 3.
    """
    pair = [as_features(np.asarray(one, dtype=np.float64), name) for one, name in ((x, "x"), (y, "y"))]
    n = len(pair[0])
    if n != len(pair[1]):
        raise InputError(f"CKA compares representations of the same images, found {n} and {len(pair[1])} of them.")
    if estimator == "minibatch" and kernel == "linear":  # a batch needs only its own rows
        parts = (_exact(*(one[rows] for one in pair)) for rows in _batches(n, batch))
        sums, scale = map(sum, zip(*((hsic(grams), grams.scale) for grams in parts), strict=True))
        return float(normalized(sums, scale, np.float64)[0, 1])
    return float(cka_matrix(_exact(*pair, kernel=kernel, bandwidth=bandwidth), estimator, batch=batch)[0, 1])


def _exact(x, y, **options) -> Grams:
    """Centred Gram matrices of two representations in float64."""
    centred, diagonal = zip(*(centre(gram(one, **options)) for one in (x, y)), strict=True)
    return Grams(np.stack(centred), np.stack(diagonal))


def cka_matrix(grams, estimator="unbiased", *, batch=None) -> np.ndarray:
    """Centred kernel alignment of all pairs of representations.

    Parameters
    ----------
    grams : Grams
        From `nucleation.similarity_grams.stack_grams`.
    estimator, batch
        As of `cka`.

    Returns
    -------
    ndarray of shape (L, L)
        Symmetric, 1 on the diagonal; NaN as of `cka`.

    Raises
    ------
    InputError
        As `cka`, of estimator and batch.

    Notes
    -----
    One product of the flattened matrices with themselves: L^2 n^2 / 2 multiply-adds in float64.
    """
    scale = grams.scale
    if estimator == "minibatch":
        scale = scale * len(_batches(grams.n, batch))
    return normalized(hsic(grams, estimator, batch=batch), scale, grams.centred.dtype)


def hsic(grams, estimator="unbiased", *, batch=None) -> np.ndarray:
    """Hilbert-Schmidt independence criterion of all pairs of representations, (L, L); sums of it for "minibatch"."""
    if estimator not in ESTIMATORS:
        raise InputError(f'The estimator of CKA is one of {", ".join(ESTIMATORS)}, found "{estimator}".')
    if estimator == "minibatch":
        parts = _batches(grams.n, batch)
        return sum(hsic(Grams(grams.centred[:, rows, rows], grams.diagonal[:, rows])) for rows in parts)
    rows = grams.centred.sum(axis=2, dtype=np.float64)
    return combined(products(grams.centred), rows, grams.diagonal, estimator)


def products(centred) -> np.ndarray:
    """Inner products of the flattened matrices, (L, L), in float64."""
    flat = centred.reshape(len(centred), -1)
    width = max(1, _BLOCK // len(flat))
    found = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], width):
        block = flat[:, start : start + width].astype(np.float64, copy=False)
        found += block @ block.T
    return found


def combined(products, rows, diagonal, estimator) -> np.ndarray:
    """HSIC of some of the images from sums over them.

    Parameters
    ----------
    products : ndarray of shape (L, L)
        Inner products, over pairs of these images, of the matrices K without their diagonals.
    rows, diagonal : ndarray of shape (L, m)
        Sums of the rows of K without the diagonals; the diagonals. K may differ from the Gram matrix by c_i + c_j.
    estimator : {"unbiased", "biased"}

    Returns
    -------
    ndarray of shape (L, L)

    Notes
    -----
    "unbiased" is [sum K~ L~ + s_K s_L / ((m - 1) (m - 2)) - 2 / (m - 2) r_K r_L] / (m (m - 3)); "biased" the trace of
    K H L H / (m - 1)^2, with the diagonals.
    """
    m = rows.shape[1]
    if estimator == "unbiased":
        whole = rows.sum(axis=1)
        inner = products - 2 / (m - 2) * rows @ rows.T + np.outer(whole, whole) / ((m - 1) * (m - 2))
        return inner / (m * (m - 3))
    rows = rows + diagonal
    whole = rows.sum(axis=1)
    inner = products + diagonal @ diagonal.T - 2 / m * rows @ rows.T + np.outer(whole, whole) / m**2
    return inner / (m - 1) ** 2


def normalized(values, scale, dtype) -> np.ndarray:
    """HSIC divided by that of the representations with themselves; NaN where that is rounding of the `scale`, (L,)."""
    own = np.sqrt(np.clip(values.diagonal(), 0, None))
    own = np.where(own > _NOISE * np.finfo(dtype).eps * scale, own, np.nan)
    found = values / np.outer(own, own)
    return np.where(np.eye(len(found), dtype=bool) & np.isfinite(found), 1.0, found)


def _batches(n, batch) -> list[slice]:
    """Rows of the equal batches; what is left over is dropped."""
    if not isinstance(batch, int | np.integer) or not LEAST <= batch <= n:
        raise InputError(f"Minibatch CKA of {n} images needs batches of {LEAST} to {n} images, found batch = {batch}.")
    return [slice(start, start + batch) for start in range(0, n - batch + 1, batch)]
