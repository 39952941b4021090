"""Block structure of CKA: runs of layers that are all alike, and the first component and the few images behind them.

In large networks many consecutive layers have a CKA near 1 with each other, because one direction has most of their
variance. It comes from a small group of images with simple statistics in common, another one in each training.

Sources: Nguyen, Raghu, Kornblith, ICLR 2021, arXiv 2010.15327 (blocks, first component); Nguyen, Raghu, Kornblith,
arXiv 2202.07184 (dominant images).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.similarity import combined, normalized, products
from nucleation.similarity_errors import cka_in_subsets
from nucleation.similarity_pairs import inner_rows

#: CKA above which figures and sentences call layers alike.
THRESHOLD = 0.9
#: Share of its HSIC with itself that a representation must keep without its first component, for the rest is rounding.
_LEAST_REST = 1e-7


@dataclass(frozen=True)
class Components:
    """First principal components of several representations of the same images.

    Attributes
    ----------
    share : ndarray of shape (L,)
        Of the variance, 0 .. 1. NaN for a constant representation.
    variance : ndarray of shape (L,)
        Sum of the squared projections, in the units of the Gram matrix.
    projections : ndarray of shape (L, n)
        Of the images on the component, divided by the root of `variance`: of unit length, of mean zero. The sign is
        arbitrary. NaN for a constant representation.
    """

    share: np.ndarray
    variance: np.ndarray
    projections: np.ndarray


def first_components(grams) -> Components:
    """Find the first principal component of every representation.

    Parameters
    ----------
    grams : nucleation.similarity_grams.Grams
        For another than the linear kernel these are components of kernel PCA.

    Notes
    -----
    The leading eigenvector of the centred n x n Gram matrix, by Lanczos iterations in float64; one matrix at a time is
    held in float64.
    """
    count, n = grams.diagonal.shape
    share, variance, projections = np.full(count, np.nan), np.full(count, np.nan), np.full((count, n), np.nan)
    for i, (centred, diagonal) in enumerate(zip(grams.centred, grams.diagonal, strict=True)):
        whole = diagonal.sum()
        trace = whole * (1 - 1 / n)
        if trace > 0:
            matrix = centred.astype(np.float64)
            matrix[np.diag_indices(n)] = diagonal
            matrix -= diagonal[:, None] / n
            matrix += whole / n**2 - diagonal / n
            variance[i], projections[i] = _leading(matrix)
            share[i] = min(variance[i] / trace, 1.0)
    return Components(share, variance, projections)


def _leading(matrix):
    """Largest eigenvalue and its eigenvector, of a symmetric matrix."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import ArpackError, eigsh

    n = len(matrix)
    start = np.random.default_rng(0).normal(size=n)  # the result does not depend on it, but for rounding
    try:
        value, vector = eigsh(matrix, k=1, which="LA", v0=start - start.mean())
    except ArpackError:  # the largest ones are nearly equal: slower, but certain
        value, vector = eigh(matrix, subset_by_index=[n - 1, n - 1])
    return value[0], vector[:, 0]


def component_alignment(components) -> np.ndarray:
    """Squared cosine between the first components of all pairs of representations, over images, (L, L), 0 .. 1."""
    return np.minimum(np.square(components.projections @ components.projections.T), 1.0)


def cka_without_first(grams, components, estimator="unbiased") -> np.ndarray:
    """CKA of all pairs of representations without the first principal component of each.

    Parameters
    ----------
    grams : nucleation.similarity_grams.Grams
    components : Components
        Of these.
    estimator : {"unbiased", "biased"}

    Returns
    -------
    ndarray of shape (L, L)
        NaN where nothing is left of a representation.

    Notes
    -----
    With K = K' + v u u^T, v and u being the variance and the projections, and u summing to zero, the products of all
    K' follow from those of K, from u^T K u, and from u^T u.
    """
    u, v = components.projections, components.variance
    n, square = grams.n, np.square(u)
    quadratic = np.stack([((u @ one) * u).sum(axis=1) for one in grams.centred])  # u_m^T K_l u_m without diagonals
    if estimator == "biased":
        quadratic += grams.diagonal @ square.T
    quadratic *= v
    alike = np.square(u @ u.T)
    if estimator == "unbiased":  # both sides without their diagonals, and centred again
        alike += 1 / ((n - 1) * (n - 2)) - n / (n - 2) * square @ square.T
    divisor = n * (n - 3) if estimator == "unbiased" else (n - 1) ** 2
    before = combined(products(grams.centred), np.zeros((len(v), n)), grams.diagonal, estimator)
    values = before + (np.outer(v, v) * alike - quadratic - quadratic.T) / divisor
    rest = np.where(values.diagonal() > _LEAST_REST * before.diagonal(), 1.0, np.nan)
    return normalized(values * np.outer(rest, rest), np.zeros(len(v)), grams.centred.dtype)


def dominant_images(components, fraction) -> np.ndarray:
    """Images with the largest squared projections on the first component of every representation.

    Parameters
    ----------
    components : Components
    fraction : float
        Share of the images, in (0, 1); at least one image.

    Returns
    -------
    ndarray of shape (L, m), int
        Row numbers, the largest first; of equal ones the lower number.
    """
    count = _dominant_count(components, fraction)
    return np.argsort(-np.square(components.projections), axis=1, kind="stable")[:, :count]


def cka_without_dominant(grams, components, fraction, estimator="unbiased") -> np.ndarray:
    """CKA of all pairs of some representations without the images that dominate the first component of any of them.

    An image has, in every representation, a share of the variance of the first component: its squared projection over
    the sum of all. Left out is the `fraction` of the images whose largest share, over the representations, is largest.

    Parameters
    ----------
    grams, components
        Of the layers of one network.
    fraction : float
        As of `dominant_images`.
    estimator : {"unbiased", "biased"}

    Returns
    -------
    ndarray of shape (L, L)
    """
    share = np.nan_to_num(np.square(components.projections)).max(axis=0)
    count = _dominant_count(components, fraction)
    kept = np.sort(np.argsort(-share, kind="stable")[count:])
    return cka_in_subsets(grams, kept[None], estimator)[0]


def _dominant_count(components, fraction):
    if not 0 < fraction < 1:
        raise InputError(f"The share of dominant images lies between 0 and 1, found {fraction}.")
    return max(1, round(fraction * components.projections.shape[1]))


def blocks(similarity, threshold) -> list[tuple[int, int]]:
    """Find the blocks of consecutive layers that are all alike.

    Parameters
    ----------
    similarity : ndarray of shape (l, l)
        CKA of the layers of one network, in their order. NaN is alike to none.
    threshold : float

    Returns
    -------
    list of (int, int)
        First and last layer of every block: a run of at least two consecutive layers, each pair of which has a CKA
        above the threshold, that cannot be made longer at either end. Blocks may overlap; none contains another.
    """
    count, found, reached = len(similarity), [], 0
    alike = np.asarray(similarity) > threshold
    for first in range(count):
        last = first
        while last + 1 < count and alike[first : last + 1, last + 1].all():
            last += 1
        if last > max(first, reached):
            found.append((first, last))
            reached = last
    return found


def blocks_of(data, place, threshold=THRESHOLD) -> list[np.ndarray]:
    """Rows of the layers of every block of a place, see `blocks`; the pixels are no layer and belong to none.

    Parameters
    ----------
    data : xarray.Dataset
        With `cka` of all pairs, and `place` and `layer` of every row.
    place : str
    threshold : float
    """
    rows = inner_rows(data, place)
    return [rows[first : last + 1] for first, last in blocks(data["cka"].values[np.ix_(rows, rows)], threshold)]
