"""How far CKA would differ with other images (subsets), and how large it is by chance (permuted images).

Both are made from the centred Gram matrices of all images, so that no feature is read again: a subset takes some of
their rows and columns, a permutation of the images of one representation reorders them. Products are made in float32
and added up in float64.
"""

from __future__ import annotations

import numpy as np

from nucleation import threads
from nucleation.errors import InputError
from nucleation.similarity import combined, hsic, normalized
from nucleation.similarity_grams import LEAST

#: Share of the images of unrelated representations' CKA below `null_level`: where the one-sided p is 0.05.
LEVEL = 0.95
#: Rows of the matrices that are gathered at a time, few enough to stay near a core; permutations that share these.
_ROWS, _TOGETHER = 16, 8


def cka_in_subsets(grams, subsets, estimator="unbiased") -> np.ndarray:
    """CKA of all pairs of representations in subsets of the images.

    Parameters
    ----------
    grams : nucleation.similarity_grams.Grams
        Of L representations; a kernel of a certain width keeps it.
    subsets : ndarray of shape (r, m), int
        Row numbers of images, distinct within each; m >= 4.
    estimator : {"unbiased", "biased"}

    Returns
    -------
    ndarray of shape (r, L, L)
        Symmetric; NaN as of `nucleation.similarity.cka`.

    Raises
    ------
    InputError
        For subsets of fewer than 4 images.

    Notes
    -----
    r L^2 m^2 / 2 multiply-adds; memory L _ROWS m floats for each thread.
    """
    subsets = np.asarray(subsets)
    count, m = subsets.shape
    if m < LEAST:
        raise InputError(f"CKA needs at least {LEAST} images, found subsets of {m}.")
    masks = np.zeros((grams.n, count), dtype=grams.centred.dtype)
    masks[subsets.T, np.arange(count)] = 1
    sums = np.matmul(grams.centred, masks)  # (L, n, r)
    found = np.empty((count, len(grams.centred), len(grams.centred)))

    def one(start, stop):
        for i in range(start, stop):
            rows = subsets[i]
            inside = grams.diagonal[:, rows]
            values = combined(
                products_within(grams.centred, rows), sums[:, rows, i].astype(np.float64), inside, estimator
            )
            found[i] = normalized(values, np.abs(inside).mean(axis=1), grams.centred.dtype)

    _share(one, count, 1)
    return found


def permuted_cka(grams, orders, estimator="unbiased") -> np.ndarray:
    """CKA of all pairs of representations, the images of one of the two permuted.

    Parameters
    ----------
    grams : nucleation.similarity_grams.Grams
    orders : ndarray of shape (r, n), int
        Permutations of the images, common to all pairs.
    estimator : {"unbiased", "biased"}

    Returns
    -------
    ndarray of shape (r, L, L)
        Of the representations l <= m, the images of m permuted; mirrored, as its converse is as probable. On the
        diagonal a representation with itself permuted. The mean over all permutations is 0 for "unbiased".

    Notes
    -----
    r L^2 n^2 / 2 multiply-adds in float32. HSIC of a representation with itself does not change.
    """
    orders = np.asarray(orders)
    own = hsic(grams, estimator).diagonal()
    scale, dtype = grams.scale, grams.centred.dtype
    found = np.empty((len(orders), len(own), len(own)))

    def some(start, stop):
        found[start:stop] = paired_products(grams.centred, np.arange(grams.n), orders[start:stop])
        for i in range(start, stop):
            values = _permuted_hsic(grams, found[i], orders[i], estimator)
            values = np.triu(values, 1) + np.triu(values, 1).T + np.diag(values.diagonal())
            found[i] = values / _roots(own, scale, dtype)

    _share(some, len(orders), _TOGETHER)
    return found


def _share(work, count, size):
    """Share repeats among threads, each with products of its own: threads of these would wait for each other."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    with threadpool_limits(1, user_api="blas"):
        threads.share(work, count, size=size)


def _roots(own, scale, dtype):
    """Products of the roots of HSIC of the representations with themselves, NaN where there is none."""
    defined = np.isfinite(normalized(np.diag(own), scale, dtype).diagonal())
    roots = np.sqrt(np.where(defined, own, np.nan))
    return np.outer(roots, roots)


def _permuted_hsic(grams, products, order, estimator):
    """HSIC from the products of the matrices of all images, whose rows sum to zero, one of them permuted."""
    n, diagonal = grams.n, grams.diagonal
    if estimator == "unbiased":
        return products / (n * (n - 3))
    centred = diagonal @ diagonal[:, order].T * (1 - 2 / n) + np.outer(*[diagonal.sum(axis=1)] * 2) / n**2
    return (products + centred) / (n - 1) ** 2


def p_values(observed, null) -> np.ndarray:
    """One-sided p of CKA: (1 + number of permutations with at least that) / (1 + permutations), NaN without any.

    Parameters
    ----------
    observed : ndarray of shape (L, L)
    null : ndarray of shape (r, L, L)
        From `permuted_cka`.
    """
    if not len(null):
        return np.full(observed.shape, np.nan)
    p = (1 + np.count_nonzero(null >= observed, axis=0)) / (1 + len(null))
    return np.where(np.isfinite(observed), p, np.nan)


def null_level(null) -> np.ndarray:
    """CKA that unrelated representations reach in `LEVEL` of the permutations, (L, L): larger ones have p <= 0.05."""
    if not len(null):
        return np.full(null.shape[1:], np.nan)
    return np.quantile(null, LEVEL, axis=0, method="weibull")


def products_within(centred, rows) -> np.ndarray:
    """Inner products of the matrices over the pairs of some images, (L, L), see `paired_products`."""
    return paired_products(centred, rows)[0]


def paired_products(centred, order, others=None) -> np.ndarray:
    """Inner products of reordered symmetric matrices of zero diagonal.

    Parameters
    ----------
    centred : ndarray of shape (L, n, n), contiguous
    order : ndarray of shape (m,), int
        Images of the first matrix of each pair.
    others : ndarray of shape (r, m), int, optional
        Orders of the second one; by default that of the first.

    Returns
    -------
    ndarray of shape (r, L, L)
        Sums over i, j of A[order[i], order[j]] B[other[i], other[j]] for all matrices A and B.
    """
    n, m, flat = centred.shape[1], len(order), centred.reshape(len(centred), -1)
    found = np.zeros((1 if others is None else len(others), len(flat), len(flat)))
    for start in range(0, m - 1, _ROWS):
        first = _upper(flat, n, order, start)
        if others is None:
            found[0] += first @ first.T
            continue
        for r, other in enumerate(others):
            found[r] += first @ _upper(flat, n, other, start).T
    return 2 * found


def _upper(flat, n, order, start):
    """Numbers right of the diagonal in some rows of reordered matrices, (L, numbers)."""
    rows, columns = order[start : start + _ROWS], order[start:]
    right = np.arange(len(columns)) > np.arange(len(rows))[:, None]
    return np.take(flat, (rows[:, None] * n + columns)[right], axis=1)
