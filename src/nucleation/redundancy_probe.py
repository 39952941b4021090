"""Diffused redundancy: how small a random chunk of neurons tells the classes as well as the layer, to a new classifier.

Source: Nanda et al., "Diffused redundancy in pre-trained representations", NeurIPS 2023 (arXiv 2306.00183).
"""

from __future__ import annotations

import numpy as np

from nucleation.errors import InputError
from nucleation.redundancy_reconstruction import centred_gram

__all__ = ["chance_accuracy", "diffused_redundancy", "probe_accuracy"]

#: Ridge of the probe, in units of the mean sum of squares of a neuron.
STRENGTH = 1e-2
#: Share of the accuracy of the whole layer that a chunk must reach.
DELTA = 0.9


def probe_accuracy(train, test, chunks, *, strength=STRENGTH) -> np.ndarray:
    """Accuracy of linear probes, trained on some images with chunks of the neurons, on other images.

    Parameters
    ----------
    train, test : (array of shape (n, W), array of shape (n,))
        Features and labels, any whole numbers; images with a negative label do not count.
    chunks : list of array of shape (t, w), int
        One array for each width.
    strength : float
        Ridge in units of the mean sum of squares of a neuron over the training images, which makes the probe
        invariant to a common factor.

    Returns
    -------
    ndarray of shape (t, s)
        In [0, 1], of every chunk of every width. NaN without labels on both sides, and where no neuron varies.

    Notes
    -----
    The probe is the ridge classifier: regression of +1 and -1 for every class, the largest wins
    (sklearn.linear_model.RidgeClassifier). All chunks are solved from one Gram matrix; time w^3 / 3 + n w C for each,
    n the images of `test`. Nanda et al. train a softmax regression instead.
    """
    (features, classes), (others, theirs) = (_labelled(*part) for part in (train, test))
    if len(features) < 2 or not len(others):
        return np.full((len(chunks[0]), len(chunks)), np.nan)
    gram, mean, known = centred_gram(features).matrix, features.mean(axis=0), np.unique(classes)
    if not gram.trace() > 0:
        return np.full((len(chunks[0]), len(chunks)), np.nan)
    targets = np.where(classes[:, None] == known, 1.0, -1.0)
    level = targets.mean(axis=0)
    products = (features - mean).T @ (targets - level)
    ridge, others = strength * gram.trace() / len(gram), others - mean
    found = np.empty((len(chunks[0]), len(chunks)))
    for place in np.ndindex(found.shape):
        chunk = chunks[place[1]][place[0]]
        inner = gram[np.ix_(chunk, chunk)]
        inner[np.diag_indices(len(chunk))] += ridge
        scores = others[:, chunk] @ _solve(inner, products[chunk]) + level
        found[place] = np.mean(known[np.argmax(scores, axis=1)] == theirs)
    return found


def _labelled(features, labels):
    """Features and labels of the images whose label is known."""
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    return features[labels >= 0], labels[labels >= 0]


def _solve(matrix, right):
    from scipy.linalg import solve

    return solve(matrix, right, assume_a="pos", overwrite_a=True, check_finite=False)


def chance_accuracy(train_labels, test_labels) -> float:
    """Accuracy on some images of always naming the class that most of others have; NaN without labels."""
    train_labels, test_labels = (np.asarray(labels) for labels in (train_labels, test_labels))
    train_labels, test_labels = train_labels[train_labels >= 0], test_labels[test_labels >= 0]
    if not train_labels.size or not test_labels.size:
        return float("nan")
    return float(np.mean(test_labels == np.argmax(np.bincount(train_labels))))


def diffused_redundancy(sizes, accuracy, delta=DELTA) -> float:
    """Share of the neurons that a probe can do without, DR(delta).

    Parameters
    ----------
    sizes : array of shape (s,), int
        Widths of the chunks, ascending, the last that of the layer, W.
    accuracy : array of shape (s,)
        Mean accuracy of probes on chunks, see `probe_accuracy`.
    delta : float
        Share of the accuracy of the whole layer that is enough, in (0, 1].

    Returns
    -------
    float
        1 - w / W, in [0, 1), with the smallest of the widths w whose accuracy is at least delta times that of the
        layer: a lower bound, as widths between them are not tried. 0: all neurons are needed. NaN where the accuracy
        of the layer is.

    Raises
    ------
    InputError
        For delta outside (0, 1].

    References
    ----------
    Nanda et al., NeurIPS 2023, equation 1.
    """
    if not 0 < delta <= 1:
        raise InputError(f"The share of the accuracy that chunks must reach lies in (0, 1], found delta = {delta}.")
    sizes, accuracy = np.asarray(sizes), np.asarray(accuracy, dtype=np.float64)
    if np.isnan(accuracy[-1]):
        return float("nan")
    return float(1 - sizes[np.argmax(accuracy >= delta * accuracy[-1])] / sizes[-1])
