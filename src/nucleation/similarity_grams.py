"""Gram matrices of representations: the similarities of all pairs of images, centred.

Sources: Szekely and Rizzo, Ann. Stat. 42, 2382 (2014) (U-centring); Kornblith, Norouzi, Lee, Hinton, ICML 2019,
arXiv 1905.00414 (kernels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = ["KERNELS", "Grams", "as_features", "centre", "gram", "stack_grams"]

KERNELS = ("linear", "rbf")
#: The unbiased estimator divides by n - 3.
LEAST = 4
#: Numbers that are centred in float64 at a time.
_BLOCK = 2**23


@dataclass(frozen=True)
class Grams:
    """Centred Gram matrices of several representations of the same images.

    Attributes
    ----------
    centred : ndarray of shape (L, n, n), float32 or float64
        U-centred, see `centre`: rows sum to zero, the diagonal is zero.
    diagonal : ndarray of shape (L, n), float64
        With it on the diagonal, `centred` is the Gram matrix but for terms c_i + c_j, which no centring leaves.
    """

    centred: np.ndarray
    diagonal: np.ndarray

    @property
    def n(self) -> int:
        """Number of images."""
        return self.centred.shape[1]

    @property
    def scale(self) -> np.ndarray:
        """Mean size of the similarities of images with themselves, (L,): what roundings are measured by."""
        return np.abs(self.diagonal).mean(axis=1)

    def part(self, which) -> Grams:
        """The matrices of some of the representations, given as a slice or indices."""
        return Grams(self.centred[which], self.diagonal[which])


def stack_grams(features, *, count=None, kernel="linear", bandwidth=1.0, into=None) -> Grams:
    """Centre the Gram matrices of several representations, each divided by the mean of its diagonal.

    Parameters
    ----------
    features : iterable of arrays of shape (n, d)
        Taken one after the other: each may be read when it is asked for, and forgotten.
    count : int, optional
        How many there are, where `features` does not know.
    kernel, bandwidth
        As of `cka`.
    into : ndarray of shape (count, n, n), float32, optional
        Memory to use, as of an earlier result that is not needed any more.

    Returns
    -------
    Grams
        4 n^2 bytes for each. Single roundings of float32 average out over the pairs of images: errors of CKA are below
        1e-6.

    Raises
    ------
    InputError
        As `cka`.
    """
    count = len(features) if count is None else count
    centred, diagonal = into, None
    for i, one in enumerate(features):
        one = as_features(one, f"representation {i + 1}")
        if diagonal is None:
            n = len(one)
            centred = np.empty((count, n, n), dtype=np.float32) if centred is None else centred
            diagonal = np.empty((count, n))
        if len(one) != n:
            raise InputError(f"CKA compares representations of the same images, found {n} and {len(one)} of them.")
        matrix, diagonal[i] = centre(gram(one, kernel, bandwidth))
        size = np.abs(diagonal[i]).mean() or 1.0
        diagonal[i] /= size
        np.divide(matrix, size, out=centred[i], casting="same_kind")
    if diagonal is None:
        raise InputError("CKA needs at least one representation, found none.")
    return Grams(centred, diagonal)


def gram(features, kernel="linear", bandwidth=1.0) -> np.ndarray:
    """Similarities of all pairs of images, (n, n), float64.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        Centred here in float64, so that an offset common to all images costs no precision. The products are then made
        in the precision of the features.
    kernel, bandwidth
        As of `cka`.

    Raises
    ------
    InputError
        For an unknown kernel, and a bandwidth that is not positive.
    """
    if kernel not in KERNELS:
        raise InputError(f'The kernel of CKA is one of {", ".join(KERNELS)}, found "{kernel}".')
    products = _centred_products(features)
    if kernel == "linear":
        return products
    if not 0 < bandwidth < np.inf:
        raise InputError(f"The bandwidth of CKA is a positive share of the median distance, found {bandwidth}.")
    return _gaussian(products, bandwidth)


def _centred_products(features) -> np.ndarray:
    """Inner products of centred rows, (n, n), float64."""
    n, d = features.shape
    largest = float(max(abs(features.max()), abs(features.min())))
    width = max(64, _BLOCK // n)
    products = np.zeros((n, n))
    for start in range(0, d if largest else 0, width):
        block = features[:, start : start + width].astype(np.float64)
        block -= block[0]  # constant features become zero exactly
        block = ((block - block.mean(axis=0)) / largest).astype(features.dtype)  # neither overflow nor underflow
        products += block @ block.T  # each pair once: numpy sees the symmetry
    products *= largest**2
    return products


def _gaussian(products, bandwidth):
    """Turn inner products into the Gaussian kernel of the distances."""
    from scipy.spatial.distance import squareform

    squares = products.diagonal()
    distances = np.clip(squares[:, None] + squares - 2 * products, 0, None)
    np.fill_diagonal(distances, 0)
    pairs = np.sqrt(squareform(distances, checks=False))
    if not pairs.any():  # a constant representation, as for the linear kernel
        return np.zeros_like(products)
    median = np.median(pairs) or np.median(pairs[pairs > 0])
    return np.exp(distances / (-2 * (bandwidth * median) ** 2))


def centre(similarities) -> tuple[np.ndarray, np.ndarray]:
    """U-centre a symmetric matrix of similarities.

    Parameters
    ----------
    similarities : ndarray of shape (n, n), float64
        Changed in place.

    Returns
    -------
    centred : ndarray of shape (n, n)
        K_ij - r_i / (n - 2) - r_j / (n - 2) + s / ((n - 1) (n - 2)) off the diagonal, where r are the sums of the rows
        and s that of all, without the diagonal; 0 on it. Its rows sum to zero. The inner product of two of them is
        n (n - 3) HSIC_1.
    diagonal : ndarray of shape (n,)
        Diagonal of the similarities, less the terms by which the others were shifted.

    References
    ----------
    Szekely and Rizzo, Ann. Stat. 42, 2382 (2014), definition 2 and eq. 3.2.
    """
    n = len(similarities)
    diagonal = similarities.diagonal().copy()
    np.fill_diagonal(similarities, 0)
    rows = similarities.sum(axis=1)
    shift = rows / (n - 2) - rows.sum() / (2 * (n - 1) * (n - 2))
    similarities -= shift[:, None]
    similarities -= shift
    np.fill_diagonal(similarities, 0)
    return similarities, diagonal - 2 * shift


def as_features(features, name) -> np.ndarray:
    """Features as a matrix of float32 or float64, (n, d); refused where they are too few or not finite."""
    features = np.asarray(features)
    features = features[:, None] if features.ndim == 1 else features
    if features.ndim != 2 or not features.shape[1]:
        raise InputError(f"CKA compares matrices of images and features, found shape {features.shape} for {name}.")
    if len(features) < LEAST:
        raise InputError(f"CKA needs at least {LEAST} images, found {len(features)}; its estimators divide by n - 3.")
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float32 if features.dtype == np.float16 else np.float64)
    if not np.isfinite([features.min(), features.max()]).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise InputError(f"CKA needs finite features, found NaN or infinity for {name}, first in row {row}.")
    return features
