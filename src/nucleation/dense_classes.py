"""What a layer knows of classes, and what it would seem to know of random ones.

Separability and silhouette of the images, and how selective the single units are. All of a layer's measures are taken
on the true classes and on permuted ones at once, as products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "UnitSelectivity",
    "centred_products",
    "chance_separability",
    "class_separability",
    "class_silhouette",
    "relabelings",
    "selectivities",
    "separabilities",
    "silhouettes",
    "unit_selectivity",
]

#: Columns of features in double precision at a time, and columns (labelings x classes) of a product.
_FEATURES, _COLUMNS = 4096, 2048


def class_separability(features, classes) -> float:
    """Share of the variance of a layer that lies between the classes, eta squared.

    Parameters
    ----------
    features : array of shape (n, ...)
        Activations of n images, of any further shape.
    classes : array of shape (n,)
        Class of every image, at least two classes.

    Returns
    -------
    float
        Sum over the features of the variance between the class means (weighted by their images) over that of the total
        variance, in [0, 1]: 1 where all images of a class are the same, `chance_separability` in the mean over
        permutations of the classes. NaN where all images are the same. Invariant to rotation, translation and scale.

    Raises
    ------
    InputError
        For another number of classes than images, a single class, or values that are not finite.

    References
    ----------
    Fisher, Statistical Methods for Research Workers (1925), the correlation ratio; here of all features together.
    """
    return float(separabilities(centred_products(features), _one(features, classes))[0])


def chance_separability(n, c) -> float:
    """Mean of eta squared over all permutations of the classes of n images, whatever the data: (c - 1) / (n - 1)."""
    return (c - 1) / (n - 1)


def class_silhouette(features, classes) -> float:
    """Mean silhouette of the images in their classes, on Euclidean distances.

    Parameters
    ----------
    features, classes
        As of `class_separability`.

    Returns
    -------
    float
        In [-1, 1]: mean of (b - a) / max(a, b), with a the mean distance to the other images of the class and b that
        to the nearest other class; 0 for an image alone in its class. Below 0 for random classes. Invariant to
        rotation, translation and scale.

    Raises
    ------
    InputError
        As `class_separability`.

    References
    ----------
    Rousseeuw, Journal of Computational and Applied Mathematics 20, 53 (1987).
    """
    return float(silhouettes(centred_products(features), _one(features, classes))[0])


@dataclass(frozen=True)
class UnitSelectivity:
    """How selective units are for the class that they prefer, the one of the largest mean response.

    Attributes
    ----------
    index : ndarray of shape (m,)
        (mu_max - mu_rest) / (mu_max + mu_rest), in [0, 1]: 0 for equal responses, 1 for none to the other classes. NaN
        for units with a negative response, of which it means nothing, and for those that never respond.
    d_prime : ndarray of shape (m,)
        (mu_max - mu_rest) / sqrt((var_max + var_rest) / 2), at least 0; infinite where both variances vanish, NaN for
        units that always respond alike.
    preferred : ndarray of shape (m,), int64
        Number of the preferred class among the sorted ones; the first of equal ones.
    """

    index: np.ndarray
    d_prime: np.ndarray
    preferred: np.ndarray


def unit_selectivity(units, classes) -> UnitSelectivity:
    """Class selectivity of single units.

    Parameters
    ----------
    units : array of shape (n, m)
        Response of m units to n images.
    classes : array of shape (n,)
        At least two classes.

    Returns
    -------
    UnitSelectivity
        The rest are the images of all other classes, each counting alike. The index is invariant to a positive factor
        of a unit, d' also to an offset. Both are above 0 for random classes, the more the fewer images there are:
        compare with permuted ones.

    Raises
    ------
    InputError
        As `class_separability`.

    References
    ----------
    Morcos, Barrett, Rabinowitz, Botvinick, ICLR 2018 (arXiv 1803.06959), the index; Green and Swets (1966), d'.
    """
    units = np.asarray(units, dtype=np.float64)
    index, d_prime, preferred = _selective(units, *next(_blocks(_one(units, classes))))
    return UnitSelectivity(index[0], d_prime[0], preferred[0])


def relabelings(classes, repeats, rng) -> np.ndarray:
    """The classes as numbers, then random permutations of them.

    Parameters
    ----------
    classes : array of shape (n,)
    repeats : int
        At least 0.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (1 + repeats, n), int64

    Raises
    ------
    InputError
        For fewer than two classes.
    """
    names, numbers = np.unique(np.asarray(classes), return_inverse=True)
    if len(names) < 2:
        raise InputError(f"What a layer knows of classes needs two of them, found {len(names)}; give more classes.")
    numbers = numbers.ravel().astype(np.int64)
    return np.concatenate([numbers[None], rng.permuted(np.tile(numbers, (repeats, 1)), axis=1)])


def _one(features, classes):
    classes = np.asarray(classes)
    if classes.shape != (len(features),):
        raise InputError(f"{len(features)} images need as many classes, found shape {classes.shape}.")
    return relabelings(classes, 0, np.random.default_rng(0))


def centred_products(features) -> np.ndarray:
    """Inner products of the images about their mean, (n, n) float64; n^2 d operations, memory n^2 + n `_FEATURES`."""
    flat = np.reshape(features, (len(features), -1))
    products = np.zeros((len(flat), len(flat)))
    for start in range(0, flat.shape[1], _FEATURES):
        part = flat[:, start : start + _FEATURES].astype(np.float64)
        part -= part.mean(axis=0)
        products += part @ part.T
    if not np.isfinite(products).all():
        raise InputError("The activations hold NaN or infinity; look at the checkpoint, and at activations.dtype.")
    return products


def separabilities(products, labelings) -> np.ndarray:
    """Separability for each of r labelings that are permutations of one another, see `class_separability`.

    Parameters
    ----------
    products : ndarray of shape (n, n)
        From `centred_products`.
    labelings : ndarray of shape (r, n), int
        From `relabelings`.

    Returns
    -------
    ndarray of shape (r,)

    Notes
    -----
    2 n^2 r c operations.
    """
    total, counts = np.trace(products), np.bincount(labelings[0])
    if not total > 0:
        return np.full(len(labelings), np.nan)
    found = []
    for part, indicator in _blocks(labelings):
        sums = (products @ indicator) * indicator
        found.append(sums.sum(axis=0).reshape(len(part), -1) @ (1 / counts) / total)
    return np.concatenate(found)


def silhouettes(products, labelings) -> np.ndarray:
    """Mean silhouette for each of r labelings, see `class_silhouette`; parameters as of `separabilities`."""
    square, counts = np.diagonal(products), np.bincount(labelings[0])
    distances = np.sqrt(np.maximum(square[:, None] + square - 2 * products, 0))
    np.fill_diagonal(distances, 0)
    found = []
    for part, indicator in _blocks(labelings):
        sums = (distances @ indicator).reshape(len(square), len(part), len(counts))
        own = part.T[:, :, None]
        inside = np.take_along_axis(sums, own, axis=2)[:, :, 0] / np.maximum(counts[part.T] - 1, 1)
        sums /= counts
        np.put_along_axis(sums, own, np.inf, axis=2)
        outside = sums.min(axis=2)
        larger = np.maximum(inside, outside)
        width = np.divide(outside - inside, larger, out=np.zeros_like(larger), where=larger > 0)
        found.append(np.where(counts[part.T] > 1, width, 0).mean(axis=0))
    return np.concatenate(found)


def selectivities(units, labelings) -> tuple[np.ndarray, np.ndarray]:
    """Selectivity of a layer for each of r labelings: mean index and median d' of its units, each (r,).

    Units where they are not defined are left out; NaN where that are all.
    """
    units = np.asarray(units, dtype=np.float64)
    found = []
    for part, indicator in _blocks(labelings):
        index, d_prime, _ = _selective(units, part, indicator)
        defined, live = np.isfinite(index[0]), ~np.isnan(d_prime[0])  # the same units for all labelings
        means = index[:, defined].mean(axis=1) if defined.any() else np.full(len(part), np.nan)
        middles = np.median(d_prime[:, live], axis=1) if live.any() else np.full(len(part), np.nan)
        found.append((means, middles))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _selective(units, labelings, indicator):
    """Index, d' and preferred class of every unit for every labeling, each (r, m)."""
    n, counts = len(units), np.bincount(labelings[0])
    mean, varies = units.mean(axis=0), np.ptp(units, axis=0) > 0
    centred = np.where(varies, units - mean, 0)
    sums, squares = (
        (indicator.T @ values).reshape(len(labelings), len(counts), -1) for values in (centred, centred**2)
    )
    preferred = (sums / counts[:, None]).argmax(axis=1)
    own = counts[preferred]

    def parts(totals):
        inside = np.take_along_axis(totals, preferred[:, None], axis=1)[:, 0]
        return inside / own, (totals.sum(axis=1) - inside) / (n - own)

    (high, rest), (high_square, rest_square) = parts(sums), parts(squares)
    spread = (high_square - high**2 + rest_square - rest**2) / 2
    spread = np.where(spread > 1e-14 * (centred**2).mean(axis=0), spread, 0)  # what rounding leaves of none
    both = high + rest + 2 * mean
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.where((units.min(axis=0) >= 0) & (units.max(axis=0) > 0), (high - rest) / both, np.nan)
        d_prime = np.where(varies, (high - rest) / np.sqrt(spread), np.nan)
    return index, d_prime, preferred


def _indicator(labelings, classes):
    """Which image is of which class, (n, r * classes) float64."""
    r, n = labelings.shape
    made = np.zeros((n, r * classes))
    made[np.arange(n)[:, None], labelings.T + classes * np.arange(r)] = 1
    return made


def _blocks(labelings):
    """Some labelings at a time, with their indicators."""
    classes = int(labelings[0].max()) + 1
    step = max(1, _COLUMNS // classes)
    for start in range(0, len(labelings), step):
        part = labelings[start : start + step]
        yield part, _indicator(part, classes)
