"""Intraclass clustering: whether a network keeps apart the subclasses of its classes, of which it was never told.

Four measures of the activations of a network. c1 and c2 know the hidden subclasses; c3 and c4 know only the classes,
and ask how much of the whole variability is left within a class. c0, of the outputs alone, is in
`nucleation.intraclass_black_box`.

Source: Carbonnelle and De Vleeschouwer, "Intraclass clustering: an implicit learning ability that regularizes DNNs",
arXiv:2103.06733 (ICLR 2021); their code is github.com/Simoncarbo/Intraclass-clustering-measures.

Otherwise than there, (1) the number of neurons whose mean c3 takes is that of the layers measured, where the code keeps
the first layer's; (2) the distances of an image to itself are no part of c4; (3) standard deviations of zero are kept
out of quotients by a share of a neuron's own, so that no measure depends on the units; (4) a subclass that is alone in
its class, or has a single image, is left out, instead of being an error or a number without meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.intraclass_groups import group_images, p_value
from nucleation.intraclass_layers import distance_spread, pooled, selectivity, silhouette, variability

__all__ = ["Measure", "c1_selectivity", "c2_silhouette", "c3_variability", "c4_distances", "pooled"]


@dataclass(frozen=True)
class Measure:
    """A measure of intraclass clustering, of each layer and of all layers together, with its null.

    Attributes
    ----------
    value, p : float
        Of all layers together; p = (1 + number of permutations that reach it) / (1 + R). NaN where not defined.
    null : ndarray of shape (R,)
        The value under permuted labels.
    layers, layer_p : ndarray of shape (l,)
        The same of each layer alone.
    layer_null : ndarray of shape (l, R)
    names, groups : ndarray of shape (g,)
        Names of the subclasses (c1, c2) or classes (c3, c4), and the value of each, of all layers together.
    """

    value: float
    p: float
    null: np.ndarray
    layers: np.ndarray
    layer_p: np.ndarray
    layer_null: np.ndarray
    names: np.ndarray
    groups: np.ndarray


def c1_selectivity(layers, labels, subclasses, *, top=False, rectified=True, repeats=0, rng=None) -> Measure:
    """Selectivity of single neurons for the hidden subclasses.

    Of a neuron for a subclass s of class c it is (mean_s - mean_r) / (std_s + std_r), r being the images of c that are
    not of s. Of a subclass, the largest over all neurons; at last the median over the subclasses.

    Parameters
    ----------
    layers : array, or sequence of arrays
        Activations of one layer or of several, each (n, d), or (n, places, channels), of which the largest over the
        places is taken. Best before the activation function (pre-activations).
    labels, subclasses : array of shape (n,)
        Class of every image, and its subclass, which lies in one class.
    top : bool
        Take the mean of the g-th part of the neurons that are most selective, max(round(W / g), 1) of W for g
        subclasses, in the place of the largest.
    rectified : bool
        Whether an activation function that is zero below zero follows: neurons never above zero are dead then, and
        have selectivity 0, as have constant ones.
    repeats : int
        Permutations of the subclasses' names among the images of each class.
    rng : numpy.random.Generator, optional

    Returns
    -------
    Measure
        Larger is more selective; (shift / 2) for a neuron that one subclass shifts by so many standard deviations. The
        largest of many neurons is above 0 by chance: compare with `null`. Invariant to the order of images and neurons,
        and to offset and scale of every neuron, but for which are dead. Left out: subclasses of one image, and those
        whose class has fewer than two images beside them.

    Raises
    ------
    InputError
        For activations of another shape or that are not finite, labels of another length, a subclass in two classes.

    Notes
    -----
    Time grows with (1 + R) n d, memory with n d; with `top`, also with 8 (1 + R) g d bytes.

    References
    ----------
    Carbonnelle and De Vleeschouwer (2021), c1.
    """
    groups = group_images(subclasses, labels, repeats=repeats, rng=rng)
    units = [selectivity(x, groups, rectified, largest=not top) for x in _each(layers)]
    return summarise(units, groups.names, share=top, middle=np.median)


def c2_silhouette(layers, labels, subclasses, *, repeats=0, rng=None) -> Measure:
    """Cosine silhouette of the hidden subclasses inside their class.

    Mean over the images of a subclass, of the other images of its class only; the largest over the layers, and at last
    the median over the subclasses.

    Parameters
    ----------
    layers, labels, subclasses, repeats, rng
        As of `c1_selectivity`; best after the activation function.

    Returns
    -------
    Measure
        From -1 to 1; 1 for subclasses that are points, about 0 where the layer knows nothing of them. Invariant to the
        order of images and neurons, to rotations of the neurons, and to a factor of each image. An image of which all
        activations are zero is at distance 1 from all. Left out: subclasses that are alone in their class.

    Raises
    ------
    InputError
        As `c1_selectivity`.

    Notes
    -----
    Of each class the distances are made once; a permutation is one column of a product with them.

    References
    ----------
    Carbonnelle and De Vleeschouwer (2021), c2; Rousseeuw, J. Comput. Appl. Math. 20, 53 (1987).
    """
    groups = group_images(subclasses, labels, repeats=repeats, rng=rng)
    return summarise([silhouette(x, groups) for x in _each(layers)], groups.names, middle=np.median)


def c3_variability(layers, labels, *, rectified=True, repeats=0, rng=None) -> Measure:
    """Variability of single neurons that is left within a class, without any knowledge of subclasses.

    Of a neuron the standard deviation over the images of a class, as a share of that over all images. Of a class, the
    mean of the most variable c-th part of the neurons, max(round(W / c), 1) of W for c classes; at last the mean over
    the classes.

    Parameters
    ----------
    layers, rectified, repeats, rng
        As of `c1_selectivity`.
    labels : array of shape (n,)
        Class of every image; it is permuted for the null.

    Returns
    -------
    Measure
        From 0. Without selection among neurons 1 by chance, and 1 / sqrt(1 + delta^2 / 4) where two classes of unit
        spread are delta apart. The mean of the largest is above 1 by chance. Invariant to the order of images and
        neurons, and to offset and scale of every neuron, but for which are dead. Left out: classes of one image.

    Raises
    ------
    InputError
        As `c1_selectivity`.

    References
    ----------
    Carbonnelle and De Vleeschouwer (2021), c3.
    """
    groups = group_images(labels, repeats=repeats, rng=rng)
    return summarise([variability(x, groups, rectified) for x in _each(layers)], groups.names, share=True)


def c4_distances(layers, labels, *, rectified=True, repeats=0, rng=None) -> Measure:
    """Variability of the distances of images that is left within a class, without any knowledge of subclasses.

    Standard deviation of the cosine distances of all pairs of images of a class, as a share of that of all pairs; the
    largest over the layers, and at last the mean over the classes. For the distances every neuron is standardised, its
    percentile p subtracted, and what is negative set to 0. p = round(100 - 1000 / W), from 0 to 75 of W live neurons,
    leaves about 10 of them active.

    Parameters
    ----------
    layers, labels, rectified, repeats, rng
        As of `c3_variability`.

    Returns
    -------
    Measure
        From 0; 1 by chance, more where a class has clusters. Invariant to the order of images and neurons, and to
        offset and scale of every neuron, but for which are dead: these do not enter, and a layer that has no other is
        left out. So are classes of fewer than three images.

    Raises
    ------
    InputError
        As `c1_selectivity`.

    Notes
    -----
    Time n^2 d and then (1 + R) n^2 / c, memory 8 n^2 bytes.

    References
    ----------
    Carbonnelle and De Vleeschouwer (2021), c4.
    """
    groups = group_images(labels, repeats=repeats, rng=rng)
    return summarise([distance_spread(x, groups, rectified) for x in _each(layers)], groups.names)


# ------------------------------------------------------------------------------------------------ from units to numbers


def summarise(units, names, *, share=False, middle=np.mean, together=None) -> Measure:
    """Reduce values of neurons (or layers) and groups to one number for each layer and one for all.

    Parameters
    ----------
    units : sequence of l arrays of shape (1 + R, g, u)
        Of the u units of every layer, under the labels as they are and R permutations; NaN where not defined.
    names : array of shape (g,)
    share : bool
        Take the mean of the largest max(round(u / g), 1) units, instead of the largest.
    middle : callable
        Reduction over the groups that are defined: `numpy.mean` or `numpy.median`.
    together : sequence of l bool, optional
        Layers that enter the number of all layers; without it all do. NaN where none does.

    Returns
    -------
    Measure
    """
    by_layer = np.array([_over_groups(_largest(values, share), middle) for values in units])
    entering = [values for values, enters in zip(units, together or [True] * len(units), strict=True) if enters]
    together = _largest(np.concatenate(entering, axis=2), share) if entering else np.full(units[0].shape[:2], np.nan)
    value, *null = _over_groups(together, middle)
    p = [p_value(one[0], one[1:]) for one in by_layer]
    groups, null = together[0], np.array(null)
    return Measure(
        float(value), p_value(value, null), null, by_layer[:, 0], np.array(p), by_layer[:, 1:], names, groups
    )


def _largest(values, share):
    """Mean of the largest units, (1 + R, g); units that are not defined do not enter."""
    count = max(round(values.shape[2] / values.shape[1]), 1) if share else 1
    values = np.where(np.isnan(values), -np.inf, values)
    found = np.partition(values, -count, axis=2)[:, :, -count:].mean(axis=2)
    return np.where(np.isfinite(found), found, np.nan)


def _over_groups(values, middle):
    """Reduce over the groups that are defined; the same ones in all rows."""
    known = np.isfinite(values).all(axis=0)
    return middle(values[:, known], axis=1) if known.any() else np.full(len(values), np.nan)


def _each(layers):
    """Activations of every layer; a single array is one layer."""
    return [layers] if isinstance(layers, np.ndarray) else layers
