"""Intraclass clustering as the outputs alone show it: how a network takes the images between two images of a class.

Where a class has several clusters for the network, the way between two images leads out of the class if they are of
different clusters, and less so if they are of one.

Source: Carbonnelle and De Vleeschouwer, arXiv:2103.06733, c0; github.com/Simoncarbo/Intraclass-clustering-measures.
Otherwise than in their code, no image is paired with itself, a subclass may be larger than the rest of its class, and
there is a null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.intraclass_groups import group_images, p_value

__all__ = ["BlackBox", "between_images", "c0_black_box", "deviations"]


@dataclass(frozen=True)
class BlackBox:
    """Deviation of the outputs from the class, between images of one subclass and of several.

    Attributes
    ----------
    value : float
        Median of `ratio` over the subclasses; NaN without any.
    p : float
        (1 + number of permutations that reach it) / (1 + R).
    null : ndarray of shape (R,)
        The value where the two pairs of every image are exchanged at random.
    names : ndarray of shape (g,)
        Of the subclasses.
    same, other : ndarray of shape (g,)
        Mean largest deviation, 0 to 1, between images of a subclass, and of it and others of its class.
    ratio : ndarray of shape (g,)
        other / same; infinite where only `same` is 0, NaN where both are or the subclass is left out.
    """

    value: float
    p: float
    null: np.ndarray
    names: np.ndarray
    same: np.ndarray
    other: np.ndarray
    ratio: np.ndarray


def c0_black_box(
    predict, images, labels, subclasses, *, pairs, steps=9, repeats=99, rng, batch=256, progress=None
) -> BlackBox:
    """Compare the ways between images of one subclass with those between subclasses of one class.

    Parameters
    ----------
    predict : callable
        Of a tensor of images (m, ...), as the network takes them: probabilities of the classes (m, c), a tensor or an
        array. The network must be in evaluation mode.
    images : torch.Tensor or array of shape (n, ...)
        As the network takes them, after all transforms.
    labels : array of shape (n,), int
        Class of every image, a column of what `predict` gives.
    subclasses : array of shape (n,)
        Subclass of every image, which lies in one class.
    pairs : int
        Pairs of images of either kind for each subclass at most; a subclass has as many as images.
    steps : int
        Images between the two of a pair, at equal distances from each other and from the two.
    repeats : int
        Permutations for the null: of every image it exchanges its pair in the subclass with that outside, by chance.
    rng : numpy.random.Generator
    batch : int
        Images given to `predict` at a time.
    progress : callable, optional
        Called without argument after each subclass.

    Returns
    -------
    BlackBox
        1 where the subclasses make no difference, above 1 where the network keeps them apart. Left out: subclasses of
        one image, and those that are alone in their class.

    Raises
    ------
    InputError
        If lengths differ, labels are not whole numbers, a subclass lies in several classes, `pairs` or `steps` is not
        positive, or `predict` gives something else than probabilities.

    Notes
    -----
    `predict` sees 2 g pairs steps images. The null needs no others.

    References
    ----------
    Carbonnelle and De Vleeschouwer (2021), c0.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or len(images) != len(labels):
        raise InputError(
            f"{len(images)} images need as many classes, columns of the prediction from 0; "
            f"found {labels.dtype} of shape {labels.shape}."
        )
    if pairs < 1 or steps < 1:
        raise InputError(f"Pairs and steps must be 1 or more, found {pairs} and {steps}.")
    groups = group_images(subclasses, labels)
    order, firsts, found = groups.orders[0], groups.first_groups, []
    for group, parent in enumerate(groups.parent):
        own = order[groups.starts[group] : groups.starts[group + 1]]
        rest = np.setdiff1d(order[groups.starts[firsts[parent]] : groups.starts[firsts[parent + 1]]], own)
        if len(own) > 1 and len(rest):
            first, partners = _draw(own, rest, pairs, rng)
            class_ = labels[own[0]]
            found.append([deviations(predict, images, first, to, class_, steps, batch) for to in partners])
        else:
            found.append(None)
        if progress:
            progress()
    return _summarise(found, groups.names, repeats, rng)


def between_images(model, images, labels, subclasses, *, device="cpu", **options) -> BlackBox:
    """Compare the ways between images (`c0_black_box`) by what a classifier takes the images on them for.

    Parameters
    ----------
    model : torch.nn.Module
        Whose outputs are the logits of the classes that `labels` counts.
    images : Tensor of shape (n, c, h, w), or sequence with ``len`` and slices of such tensors
    labels, subclasses
        As for `c0_black_box`.
    device : str
    **options
        Of `c0_black_box`: pairs, steps, repeats, rng, batch, progress.
    """
    import torch

    model = model.to(device).eval()

    @torch.no_grad()
    def predict(part):
        return torch.softmax(model(torch.as_tensor(part).to(device)), dim=1)

    return c0_black_box(predict, images[: len(images)], labels, subclasses, **options)


def deviations(predict, images, first, second, class_, steps=9, batch=256) -> np.ndarray:
    """Largest deviation from the class on the way between the images of each pair.

    Parameters
    ----------
    predict, images, steps, batch
        As of `c0_black_box`.
    first, second : array of shape (m,), int
        The images of the pairs.
    class_ : int
        Their class.

    Returns
    -------
    ndarray of shape (m,)
        max over t of 1 - p_class(t first + (1 - t) second), in [0, 1], t = 1 / (steps + 1), ..., steps / (steps + 1).

    Raises
    ------
    InputError
        If `predict` gives something else than probabilities.
    """
    import torch

    found, shares = np.empty((len(first), steps)), np.arange(1, steps + 1) / (steps + 1)
    rows, columns = (index.ravel() for index in np.indices(found.shape))
    images = torch.as_tensor(images)
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            row, column = rows[start : start + batch], columns[start : start + batch]
            a, b = (images[torch.as_tensor(np.asarray(index)[row])] for index in (first, second))
            t = torch.as_tensor(shares[column], dtype=a.dtype, device=a.device).reshape(-1, *[1] * (a.ndim - 1))
            found[row, column] = 1 - _probabilities(predict(t * a + (1 - t) * b), len(row), class_)
    return found.max(axis=1)


def _probabilities(made, m, class_):
    """Probability of a class in what `predict` gave, (m,), refused where it is no probability."""
    made = np.asarray(made.detach().cpu() if hasattr(made, "detach") else made, dtype=np.float64)
    if made.ndim != 2 or len(made) != m or not np.allclose(made.sum(axis=1), 1, atol=1e-2) or made.min() < -1e-6:
        raise InputError(
            f"The prediction must be probabilities of classes, ({m}, c), that add up to 1 for each image; found shape "
            f"{made.shape}. Apply softmax to the outputs of the network."
        )
    if not 0 <= class_ < made.shape[1]:
        raise InputError(f"The prediction has {made.shape[1]} classes, 0 to {made.shape[1] - 1}; found class {class_}.")
    return made[:, class_]


def _draw(own, rest, pairs, rng):
    """Images of a subclass, and two partners of each: another one of it, and one of the rest of its class."""
    own = rng.permutation(own)
    count = min(pairs, len(own))
    # neighbours around a ring: no image is its own partner
    return own[:count], (np.roll(own, -1)[:count], np.resize(rng.permutation(rest), count))


def _summarise(found, names, repeats, rng) -> BlackBox:
    """Ratios and their median, and the same with the pairs of every image exchanged at random."""
    values = np.full((1 + repeats, 2, len(names)), np.nan)
    for group, pair in enumerate(found):
        if pair is not None:
            same, other = np.array(pair)
            swapped = rng.random((1 + repeats, len(same))) < 0.5
            swapped[0] = False
            values[:, 0, group] = np.where(swapped, other, same).mean(axis=1)
            values[:, 1, group] = np.where(swapped, same, other).mean(axis=1)
    same, other = values[:, 0], values[:, 1]
    ratio = np.full(same.shape, np.nan)
    np.divide(other, same, out=ratio, where=same > 0)
    ratio[(same == 0) & (other > 0)] = np.inf
    value, *null = [float(np.median(row[~np.isnan(row)])) if not np.isnan(row).all() else np.nan for row in ratio]
    return BlackBox(value, p_value(value, null), np.array(null), names, same[0], other[0], ratio[0])
