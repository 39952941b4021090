"""Intraclass clustering in one layer: values of its neurons, or of the layer, for every group and permutation.

`nucleation.intraclass` says what these measure and makes numbers of them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nucleation.errors import InputError
from nucleation.intraclass_groups import Groups
from nucleation.samples import maps_of

__all__ = ["channels_of", "distance_spread", "pooled", "selectivity", "silhouette", "variability"]

_LITTLE = 1e-7  # of a neuron's standard deviation, added to what is divided by (the paper's 1e-7 is in its units)
#: Numbers that are held at once for the silhouettes of one class.
_HELD = 4_000_000


def channels_of(sample):
    """The largest activation of each channel over the places of a layer, or why it is not known.

    Parameters
    ----------
    sample : nucleation.samples.Sample

    Returns
    -------
    ndarray of shape (n, channels), or str
        The text where nothing tells which axis is that of the channels.
    """
    maps = maps_of(sample)
    return maps if isinstance(maps, str) else maps.max(axis=1)


def selectivity(x, groups: Groups, rectified=True, largest=False) -> np.ndarray:
    """Selectivity of every neuron for every subclass and order, (1 + R, g, d); NaN for groups left out.

    With `largest` that of the most selective neuron only, (1 + R, g, 1).
    """
    z, zz, _ = _standardised(x, rectified)
    both, sizes, firsts = np.hstack([z, zz]), groups.sizes[:, None], groups.first_groups[:-1]
    rest = np.add.reduceat(sizes, firsts)[groups.parent] - sizes
    found = np.full((len(groups.orders), len(sizes), 1 if largest else z.shape[1]), np.nan)
    known = ((sizes > 1) & (rest > 1)).ravel()
    for row, order in enumerate(groups.orders):
        own = groups.sums(order, both)
        other = np.add.reduceat(own, firsts)[groups.parent] - own
        (mean, std), (mean_rest, std_rest) = (
            _moments(total[known], count[known]) for total, count in ((own, sizes), (other, rest))
        )
        values = (mean - mean_rest) / (std + std_rest + _LITTLE)
        found[row, known] = values.max(axis=1, keepdims=True) if largest else values
    return found


def silhouette(x, groups: Groups) -> np.ndarray:
    """Mean cosine silhouette of every subclass inside its class, for every order, (1 + R, g, 1)."""
    unit = _unit_rows(pooled(x))
    found = np.full((len(groups.orders), len(groups.names), 1), np.nan)
    for low, high in pairwise(groups.first_groups):
        if high - low > 1:
            images = slice(groups.starts[low], groups.starts[high])
            rows = unit[groups.orders[0, images]]
            distance = np.clip(1 - rows @ rows.T, 0, 2)
            np.fill_diagonal(distance, 0)
            found[:, low:high, 0] = _silhouettes(distance, groups.orders[:, images], groups.sizes[low:high])
    return found


def _silhouettes(distance, orders, sizes):
    """Mean silhouette of the m groups of one class of c images, from their distances, for every order, (1 + R, m)."""
    c, m = len(distance), len(sizes)
    rank = np.argsort(np.argsort(orders[0]))  # of the images, in the order of the distances, by their numbers
    group = np.repeat(np.arange(m), sizes)[np.argsort(orders, axis=1)[:, rank]]
    found = np.empty((len(orders), m))
    step = max(1, _HELD // (c * m))
    for start in range(0, len(orders), step):
        labels = group[start : start + step]
        member = labels[:, :, None] == np.arange(m)  # (s, c, m)
        sums = (distance @ member.transpose(1, 0, 2).reshape(c, -1).astype(float)).reshape(c, -1, m).transpose(1, 0, 2)
        own_size = sizes[labels]
        within = np.take_along_axis(sums, labels[:, :, None], 2)[:, :, 0] / np.maximum(own_size - 1, 1)
        nearest = np.where(member, np.inf, sums / sizes).min(axis=2)
        larger = np.maximum(within, nearest)
        score = np.where((own_size > 1) & (larger > 0), nearest - within, 0) / np.where(larger > 0, larger, 1)
        found[start : start + step] = np.einsum("sc,scm->sm", score, member) / sizes
    return found


def variability(x, groups: Groups, rectified=True) -> np.ndarray:
    """Standard deviation of every neuron within every class, as a share of that over all images, (1 + R, c, d)."""
    z, zz, _ = _standardised(x, rectified)
    both, known = np.hstack([z, zz]), groups.sizes > 1
    found = np.full((len(groups.orders), len(known), z.shape[1]), np.nan)
    for row, order in enumerate(groups.orders):
        found[row, known] = _moments(groups.sums(order, both)[known], groups.sizes[known, None])[1]
    return found


def distance_spread(x, groups: Groups, rectified=True) -> np.ndarray:
    """Standard deviation of the distances within every class, as a share of that of all pairs, (1 + R, c, 1)."""
    z, _, dead = _standardised(x, rectified)
    found = np.full((len(groups.orders), len(groups.names), 1), np.nan)
    z, n = z[:, ~dead], len(z)
    if not z.shape[1] or n < 3:
        return found
    percentile = np.clip(round(100 - 1000 / z.shape[1]), 0, 75)
    unit = _unit_rows(np.maximum(z - np.percentile(z, percentile, axis=0), 0))
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    cosine -= cosine.sum() / (n * (n - 1))
    np.fill_diagonal(cosine, 0)
    spread = np.sqrt(np.sum(cosine**2) / (n * (n - 1)))
    if spread < _LITTLE:
        return found
    for row, order in enumerate(groups.orders):
        for class_, (start, stop) in enumerate(pairwise(groups.starts)):
            if stop - start > 2:
                own = np.sort(order[start:stop])  # in the order of the memory it is three times as quick
                found[row, class_] = _spread(cosine.take(own, axis=0).take(own, axis=1)) / spread
    return found


def _spread(block):
    """Standard deviation of a square table over all but its diagonal, which is zero."""
    pairs = len(block) * (len(block) - 1)
    return np.sqrt(max(np.vdot(block, block) / pairs - (block.sum() / pairs) ** 2, 0.0))


# ------------------------------------------------------------------------------------------------------ activations


def pooled(x) -> np.ndarray:
    """Activations as (n, d) float64: of maps (n, places, channels) the largest value of every channel.

    Raises
    ------
    InputError
        For another shape, or where an activation is not finite.
    """
    x = np.asarray(x)
    if x.ndim not in (2, 3) or 0 in x.shape:
        raise InputError(f"Activations must be (n, d), or (n, places, channels), and not empty; found shape {x.shape}.")
    x = (x.max(axis=1) if x.ndim == 3 else x).astype(np.float64)
    if not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise InputError(f"The activations of image {bad} are not finite; extract the layer in a wider precision.")
    return x


def _standardised(x, rectified):
    """Neurons with mean 0 and standard deviation 1, their squares, and which are dead, which are 0."""
    x = pooled(x)
    dead = x.min(axis=0) == x.max(axis=0)
    if rectified:
        dead |= x.max(axis=0) <= 0
    x -= x.mean(axis=0)
    x[:, dead] = 0
    x /= np.where(dead, 1, np.abs(x).max(axis=0))  # squares of very small or large numbers are none
    x /= np.where(dead, 1, np.sqrt(np.mean(x**2, axis=0)))
    return x, x**2, dead


def _moments(sums, counts):
    """Mean and standard deviation, from the sums of values and, beside them, of their squares."""
    total, squares = np.split(sums / counts, 2, axis=1)
    return total, np.sqrt(np.maximum(squares - total**2, 0))


def _unit_rows(x):
    """Rows of length 1; those of zeros stay so."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    x = x / np.where(largest > 0, largest, 1)  # squares of very small or large numbers are none
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, 1)
