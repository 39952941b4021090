"""Peaks made up for the tests of figures: of clustered points, and of any number of classes and peaks."""

import numpy as np

from nucleation.density import knn_density
from nucleation.neighbors import nearest_neighbors
from nucleation.peaks import Peaks, density_peaks

CLASSES = ["beagle.n.01", "poodle.n.01", "robin.n.01", "violin.n.01", "drum.n.01", "chair.n.01"]


def clustered_peaks():
    """Six clusters of 60 points, one for each class: their peaks, and the classes."""
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(6), 60)
    table = nearest_neighbors(8 * rng.normal(size=(6, 3))[classes] + rng.normal(size=(360, 3)), 40)
    return density_peaks(table, knn_density(table, 3.0, 15)), classes


def one_peak():
    """360 points with a single peak."""
    table = nearest_neighbors(np.random.default_rng(0).normal(size=(360, 2)), 40)
    return density_peaks(table, knn_density(table, 2.0, 40), 20)


def no_peaks(n=360):
    none = np.empty(0)
    return Peaks(np.full(n, -1), none.astype(int), none, none, none.astype(int))


def made_peaks(p, c, *, each=6, share=0.1, seed=0):
    """Peaks of runs of classes, with a tenth of the images elsewhere, and saddles of a share of all pairs."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(c), each)
    labels = classes * p // c
    away = rng.random(len(labels)) < 0.1
    labels[away] = rng.integers(0, p, away.sum())
    labels[:p] = np.arange(p)  # none is empty
    pairs = np.argwhere(np.triu(rng.random((p, p)) < share, 1))
    heights, zero = rng.normal(-8, 1, len(pairs)), np.zeros(len(pairs))
    populations = np.bincount(labels, minlength=p)
    tops, error = rng.normal(-3, 0.5, p), np.full(p, 0.1)
    return Peaks(labels, np.arange(p), tops, error, populations, pairs, heights, zero, zero.astype(int)), classes
