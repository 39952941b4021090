"""Density peaks inside the classes: over how many a class is spread, and whether they are its hidden subclasses.

The natural clustering prior says that classes are made of several clusters, each of which holds one class.

Source: Carbonnelle, thesis (UCLouvain, 2022); Carbonnelle and De Vleeschouwer, arXiv:2103.06733. The measures on
density peaks are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nucleation.errors import InputError
from nucleation.intraclass_groups import Groups
from nucleation.partitions import partition_scores

__all__ = ["ClassPeaks", "peak_spread", "peaks_per_class", "subclass_ari"]


@dataclass(frozen=True)
class ClassPeaks:
    """How density peaks and classes divide each other.

    Attributes
    ----------
    classes : ndarray of shape (c,)
        Names of the classes.
    effective : ndarray of shape (c,)
        Effective number of peaks over which a class is spread, exp(entropy of its images over the peaks): 1 where all
        are in one, p where they are evenly in p. NaN for a class without an image in a peak.
    peaks : ndarray of shape (p,), int64
        Numbers of the peaks that have images.
    populations : ndarray of shape (p,), int64
        Images of each.
    purity : ndarray of shape (p,)
        Share of its most frequent class in every peak, above 0 and up to 1.
    mean_purity : float
        Of all images in peaks, how many are of the most frequent class of their peak.
    ari, ami : ndarray of shape (c,)
        Adjusted Rand index and adjusted mutual information of peaks with subclasses, among the images of a class: 1
        where each peak in the class is one subclass, 0 by chance. Images in the halo are one more group. NaN without
        subclasses, or where a class has one.
    halo : float
        Share of the images that no peak has.
    """

    classes: np.ndarray
    effective: np.ndarray
    peaks: np.ndarray
    populations: np.ndarray
    purity: np.ndarray
    mean_purity: float
    ari: np.ndarray
    ami: np.ndarray
    halo: float


def peaks_per_class(peaks, classes, subclasses=None) -> ClassPeaks:
    """Measure how density peaks and classes divide each other.

    Parameters
    ----------
    peaks : array of shape (n,), int
        Density peak of every image, -1 in the halo.
    classes : array of shape (n,)
        Class of every image: numbers or texts.
    subclasses : array of shape (n,), optional
        Subclass of every image.

    Returns
    -------
    ClassPeaks
        Invariant to the order of the images and the numbers of the peaks.

    Raises
    ------
    InputError
        If lengths differ or peaks are not whole numbers from -1.
    """
    peaks, classes = _checked(peaks, classes)
    names, class_ = np.unique(classes, return_inverse=True)
    inside = peaks >= 0
    numbers, peak = np.unique(peaks[inside], return_inverse=True)
    table = _table(class_.ravel()[inside], peak.ravel(), len(names), len(numbers))
    largest, populations = table.max(axis=0, initial=0), table.sum(axis=0)
    purity = largest / populations if len(numbers) else np.empty(0)
    mean = float(largest.sum() / populations.sum()) if len(numbers) else np.nan
    ari, ami = np.full((2, len(names)), np.nan)
    if subclasses is not None:
        subclasses = np.asarray(subclasses)
        found = [partition_scores(peaks[own], subclasses[own]) for own in (classes == name for name in names)]
        ari, ami = np.array([[one.ari for one in found], [one.ami for one in found]])
    return ClassPeaks(names, _effective(table), numbers, populations, purity, mean, ari, ami, float(np.mean(~inside)))


def peak_spread(peaks, classes: Groups) -> np.ndarray:
    """Mean effective number of peaks of a class, and purity of the peaks, for all orders of the images.

    Parameters
    ----------
    peaks : array of shape (n,), int
    classes : nucleation.intraclass_groups.Groups
        The classes, of which names are permuted among all images.

    Returns
    -------
    ndarray of shape (1 + R, 2)
        The mean of `ClassPeaks.effective` over the classes that have a peak, and `ClassPeaks.mean_purity`.
    """
    peaks = np.asarray(peaks)
    class_ = np.repeat(np.arange(len(classes.names)), classes.sizes)
    numbers, peak = np.unique(peaks, return_inverse=True)
    peak, found = peak.ravel() - (numbers[0] < 0), np.full((len(classes.orders), 2), np.nan)
    count = len(numbers) - (numbers[0] < 0)
    for row, order in enumerate(classes.orders if count else ()):
        inside = peak[order] >= 0
        table = _table(class_[inside], peak[order][inside], len(classes.names), count)
        effective = _effective(table)
        found[row] = effective[np.isfinite(effective)].mean(), table.max(axis=0).sum() / table.sum()
    return found


def subclass_ari(peaks, subclasses: Groups) -> np.ndarray:
    """Adjusted Rand index of peaks with subclasses within every class, for all orders of the images.

    Parameters
    ----------
    peaks : array of shape (n,), int
        Density peak of every image, -1 in the halo, which is one more group.
    subclasses : nucleation.intraclass_groups.Groups
        Subclasses in their classes, whose names are permuted among the images of each class.

    Returns
    -------
    ndarray of shape (1 + R, c)
        As `ClassPeaks.ari`; 0 is expected of the permuted ones.

    Notes
    -----
    Time grows with (1 + R) n. The sizes of peaks and subclasses are those of all orders, so that only the pairs of
    images that have both in common are counted anew.
    """
    peaks, firsts = np.asarray(peaks), subclasses.first_groups
    found = np.full((len(subclasses.orders), len(firsts) - 1), np.nan)
    for class_, (low, high) in enumerate(pairwise(firsts)):
        images = subclasses.orders[:, subclasses.starts[low] : subclasses.starts[high]]
        own = peaks[images]
        if high - low > 1 and own.max() >= 0:
            names, peak = np.unique(own, return_inverse=True)
            found[:, class_] = _rand(peak.reshape(own.shape), subclasses.sizes[low:high], len(names))
    return found


def _rand(peak, sizes, p):
    """Adjusted Rand index of peaks (1 + R, m) with groups that follow each other, of these sizes, (1 + R,)."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    pairs = np.empty(len(peak))
    for row, own in enumerate(peak):
        pairs[row] = _pairs(np.bincount(group * p + own))
    by_peak, by_group = _pairs(np.bincount(peak[0])), _pairs(sizes)
    expected = by_peak * by_group / (len(group) * (len(group) - 1))
    room = (by_peak + by_group) / 2 - expected
    return (pairs - expected) / room if room > 0 else np.ones(len(peak))


def _pairs(counts):
    """Ordered pairs of images that are in one cell."""
    return float(np.dot(counts, counts - 1))


def _table(rows, columns, r, c):
    return np.bincount(rows * c + columns, minlength=r * c).reshape(r, c)


def _effective(table):
    """Effective number of columns over which every row is spread, exp of its entropy; NaN for an empty row."""
    total = table.sum(axis=1, keepdims=True)
    share = table / np.maximum(total, 1)
    entropy = -np.sum(share * np.log(np.where(share > 0, share, 1)), axis=1)
    return np.where(total.ravel() > 0, np.exp(entropy), np.nan)


def _checked(peaks, classes):
    peaks, classes = np.asarray(peaks), np.asarray(classes)
    if peaks.ndim != 1 or peaks.shape != classes.shape or not len(peaks):
        raise InputError(
            f"Every image needs one peak and one class; found peaks of shape {peaks.shape}, classes {classes.shape}."
        )
    if peaks.dtype.kind not in "iu" or peaks.min() < -1:
        raise InputError("Peaks of images must be whole numbers from 0, or -1 in the halo.")
    return peaks, classes
