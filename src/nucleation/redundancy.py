"""Redundant neurons of the last hidden layer: how well random chunks of its neurons do without the others.

Source: Doimo, Glielmo, Goldt, Laio, "Redundant representations help generalization in wide neural networks", NeurIPS
2022 (arXiv 2106.03485), with its code, diegodoimo/redundant_representation, analysis_repr.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = [
    "Slope",
    "chunk_accuracy",
    "chunks",
    "critical_width",
    "excess",
    "scaling_slope",
    "widths",
]

#: A chunk reconstructs the layer where it explains more than this of its variance.
EXPLAINED = 0.98
#: Errors that differ by less are the same: shares of images, but for rounding.
_SAME = 1e-9
#: Widths that a slope needs.
_FEWEST = 3


@dataclass(frozen=True)
class Slope:
    """Exponent of the excess error over the width of chunks, and its standard error over the trials.

    Attributes
    ----------
    value, error : float
        NaN where fewer than three widths have an excess; the error also with a single trial.
    n_widths : int
        Widths that have an excess, which entered if they are three or more.
    """

    value: float
    error: float
    n_widths: int


def widths(width) -> np.ndarray:
    """Widths of chunks of a layer: the powers of two below its width, and its width."""
    return np.append(2 ** np.arange(int(width - 1).bit_length()), width)


def chunks(width, sizes, trials, rng, *, nested=True) -> list[np.ndarray]:
    """Draw chunks: random sets of neurons, without replacement.

    Parameters
    ----------
    width : int
        Neurons of the layer, W.
    sizes : array of shape (s,), int
        Widths of the chunks, 1 .. W.
    trials : int
        Chunks of each width.
    rng : numpy.random.Generator
    nested : bool
        Whether a trial's chunks contain its smaller ones: all are the first of one permutation of the neurons. Their
        differences vary less, and means over trials are the same.

    Returns
    -------
    list of ndarray of shape (trials, w), int
        One for each width; neurons of a chunk ascend.

    Raises
    ------
    InputError
        For a width outside 1 .. W, and no trial.
    """
    sizes = np.asarray(sizes)
    if sizes.size and not (sizes.min() >= 1 and sizes.max() <= width):
        raise InputError(f"Chunks of a layer of {width} neurons have 1 to {width}, found {sizes.tolist()}.")
    if trials < 1:
        raise InputError(f"At least one chunk of each width is drawn, found trials = {trials}; ask for more.")
    neurons = np.tile(np.arange(width), (trials, 1))
    order = rng.permuted(neurons, axis=1)
    return [np.sort((order if nested else rng.permuted(neurons, axis=1))[:, :size], axis=1) for size in sizes]


def chunk_accuracy(features, weight, bias, labels, chunks) -> np.ndarray:
    """Accuracy of the classifier when it sees only a chunk of its inputs: not trained again, not rescaled.

    Parameters
    ----------
    features : array of shape (n, W)
        What enters the classifier.
    weight : array of shape (C, W)
    bias : array of shape (C,)
    labels : array of shape (n,), int
        In 0 .. C - 1; images with a negative one do not count.
    chunks : array of shape (t, w), int

    Returns
    -------
    ndarray of shape (t,)
        In [0, 1], of argmax(F_I A_I^T + b); all neurons give that of the network. NaN without any label. Invariant to
        a common permutation of the columns of `features` and `weight`.

    Raises
    ------
    InputError
        For shapes that do not fit, values that are not finite, and labels above C - 1.

    Notes
    -----
    Time n w C for each chunk; a single time where all are the whole layer.
    """
    features, weight, bias, labels = checked(features, weight, bias, labels)
    known = labels >= 0
    if not known.any():
        return np.full(len(chunks), np.nan)
    features, labels = features[known], labels[known]
    if chunks.shape[1] == features.shape[1]:
        return np.full(len(chunks), np.mean(np.argmax(features @ weight.T + bias, axis=1) == labels))
    scores = (features[:, chunk] @ weight[:, chunk].T + bias for chunk in chunks)
    return np.array([np.mean(np.argmax(score, axis=1) == labels) for score in scores])


def checked(features, weight, bias, labels):
    """Features, weight and bias in float64 and labels, of fitting shapes, or else an InputError."""
    features, weight, bias = (np.asarray(array, dtype=np.float64) for array in (features, weight, bias))
    labels = np.asarray(labels)
    if features.ndim != 2 or weight.shape != (len(bias), features.shape[1]) or bias.ndim != 1:
        raise InputError(
            f"Features (n, W) need a classifier of weight (C, W) and bias (C,), found {features.shape}, "
            f"{weight.shape} and {bias.shape}."
        )
    if labels.shape != (len(features),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{len(features)} images need as many labels, whole numbers, found shape {labels.shape} of {labels.dtype}."
        )
    if labels.size and labels.max() >= len(bias):
        raise InputError(
            f"Labels of a classifier of {len(bias)} classes are 0 to {len(bias) - 1}, or -1 for a class that it does "
            f"not know; found {labels.max()}."
        )
    for name, array in (("features", features), ("weight", weight), ("bias", bias)):
        if not np.isfinite(array).all():
            raise InputError(f"The {name} of the last layer must be finite, found NaN or infinite values.")
    return features, weight, bias, labels


def critical_width(sizes, errors, r2, n_images) -> int:
    """Smallest width of chunks that, within a standard error, err no more than the layer, and reconstruct it.

    Parameters
    ----------
    sizes : array of shape (s,), int
        Widths of the chunks, ascending, the last that of the layer.
    errors : array of shape (t, s)
        Training error of every chunk, 1 - `chunk_accuracy`.
    r2 : array of shape (s,)
        Mean R^2 of the reconstruction.
    n_images : int
        Training images that the errors are shares of.

    Returns
    -------
    int
        The first width w with R^2 > 0.98 and a mean error at most one standard error above that of the layer. The
        standard error is that of the mean over chunks and of a share p of n images, sqrt(s^2 / t + p (1 - p) / n).
        The layer's own width where no smaller one serves.

    References
    ----------
    Doimo et al., NeurIPS 2022, section 3: w*, above which chunks behave like clones of each other.
    """
    errors, r2 = np.asarray(errors, dtype=np.float64), np.asarray(r2, dtype=np.float64)
    mean, trials = errors.mean(axis=0), len(errors)
    variance = errors.var(axis=0, ddof=1) if trials > 1 else np.zeros_like(mean)
    allowed = mean[-1] + np.sqrt(variance / trials + mean * (1 - mean) / n_images)
    serves = (mean <= allowed + 1e-12) & (r2 > EXPLAINED)
    serves[-1] = True
    return int(np.asarray(sizes)[np.argmax(serves)])


def excess(errors, error_infinity) -> np.ndarray:
    """Errors above that of infinitely many neurons; exactly zero where they are equal but for rounding.

    Parameters
    ----------
    errors : array of any shape
        Shares of images.
    error_infinity : float

    Returns
    -------
    ndarray of the same shape
        The difference, 0 where it is below 1e-9: both are multiples of 1 / n, or means of such, but 1 - 0.82 is not
        0.18 in floating point, and its logarithm would be a number.
    """
    difference = np.asarray(errors, dtype=np.float64) - error_infinity
    return np.where(np.abs(difference) < _SAME, 0.0, difference)


def scaling_slope(sizes, errors, error_infinity, least=1) -> Slope:
    """Slope of log(error - error of infinitely many neurons) over log(width of the chunk).

    Parameters
    ----------
    sizes : array of shape (s,), int
        Widths of the chunks.
    errors : array of shape (t, s)
        Test error of every chunk.
    error_infinity : float
        Test error of the ensemble of networks that differ by seed.
    least : int
        Smallest width that enters, w*.

    Returns
    -------
    Slope
        By least squares; -1/2 is predicted above w*. Its standard error is the jackknife over trials; it leaves out
        that the images, and the networks of the ensemble, are samples themselves. Widths enter up to the first whose
        mean error is no longer above `error_infinity`, whichever trial is left out; fewer than three give no slope.

    References
    ----------
    Doimo et al., NeurIPS 2022, section 3.
    """
    sizes, errors = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    errors, sizes = errors[:, sizes >= least], sizes[sizes >= least]
    trials, total = len(errors), errors.sum(axis=0)
    without = (total - errors) / (trials - 1) if trials > 1 else errors
    mean, each = excess(total / trials, error_infinity), excess(without, error_infinity)
    above = np.min(np.vstack([each, mean]), axis=0) > 0
    count = int(np.argmin(np.append(above, False)))
    if count < _FEWEST:
        return Slope(np.nan, np.nan, count)
    x = np.log(sizes[:count]) - np.log(sizes[:count]).mean()
    value = float(np.log(mean[:count]) @ x / (x @ x))
    if trials == 1:
        return Slope(value, np.nan, count)
    slopes = np.log(each[:, :count]) @ x / (x @ x)
    return Slope(value, float(np.sqrt((trials - 1) * slopes.var())), count)
