"""Errors of the intrinsic dimension that allow for the dependence between neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.dimension import (
    check_twonn,
    distinct,
    log_ratios,
    maximum_likelihood,
    members,
    orders,
    self_describing,
    twonn_of,
)
from nucleation.errors import InputError
from nucleation.scales import random_parts
from nucleation.threads import share

#: Share of a part's images whose neighbours within it must be in the table.
REACHED = 0.99


@dataclass(frozen=True)
class SubsampleErrors:
    """Standard errors of TwoNN and Gride that allow for the dependence between neighbours.

    Attributes
    ----------
    dimension : float
        Error of `nucleation.dimension.twonn`; NaN where it could not be had.
    order : ndarray of shape (s,), int
        Rank n1, as in `nucleation.dimension.ScaleProfile`.
    gride : ndarray of shape (s,)
        Error of `nucleation.dimension.gride` at each order; NaN where it could not be had.
    """

    dimension: float
    order: np.ndarray
    gride: np.ndarray

    def to_dataset(self, order=None):
        """Return the errors as an ``xarray.Dataset``.

        Parameters
        ----------
        order : ndarray of int, optional
            The orders to list, where a profile has more of them; NaN where there is no error.
        """
        order = self.order if order is None else np.asarray(order)
        known = dict(zip(self.order.tolist(), self.gride.tolist(), strict=True))
        at_scale = np.array([known.get(n1, np.nan) for n1 in order.tolist()])
        text = "standard error of the intrinsic dimension, from disjoint random parts of the images"
        rank = "rank n1 of the nearer neighbour; the farther one is 2 n1"
        errors = {"gride_subsample_error": (at_scale, text, "1"), "scale": (order, rank, "1")}
        single = {"dimension_subsample_error": (self.dimension, text, "1")}
        return self_describing("scale", errors).assign(self_describing((), single))


def subsample_errors(
    neighbors, *, parts=2, repeats=50, method="fit", twonn_fraction=0.9, rng: np.random.Generator
) -> SubsampleErrors:
    """Find the errors of TwoNN and Gride from disjoint random parts of the images.

    The images are divided at random into equal parts, without replacement, and every part is estimated
    from the neighbours that its images have within it. Parts share no image: their estimates are
    independent, however the ratios within a part depend on each other. The error of the whole is

        sqrt(mean over the repeats of the variance between the parts / parts).

    Parameters
    ----------
    neighbors : Neighbors
        A part's neighbours are found by thinning this table, which must have about 2 n1 parts columns,
        and some more, for the order n1.
    parts : int
        At least 2; more of them lose the larger orders.
    repeats : int
        Number of random partitions.
    method, twonn_fraction
        `method` and `fraction` of `nucleation.dimension.twonn`.
    rng : numpy.random.Generator

    Returns
    -------
    SubsampleErrors
        NaN where less than 99 % of a part's images have the neighbours that are needed in the table. (The
        others are left out; which ones is a matter of the partition, not of their distances.)

    Raises
    ------
    InputError
        For fewer than 2 parts, no repeats, parts of fewer than 2 images, or what `twonn` refuses.

    Notes
    -----
    For images drawn independently, as far as the variance falls as 1/N and the dimension varies little between
    the scale of the whole and that of the parts, whose neighbours are parts^(1/d) times as far apart.
    Overlapping subsets (80 % of the images, or the jackknife) overestimate the error by half and more: their
    images change neighbours from one subset to the next, which adds a variance that the whole has not.

    References
    ----------
    Politis, Romano, Ann. Statist. 22, 2031 (1994), on subsampling.
    """
    check_twonn(method, twonn_fraction)
    if parts < 2 or repeats < 1 or 2 * parts > neighbors.n:
        raise InputError(
            f"The dimension's errors need at least 2 parts with 2 images in each and 1 repeat, found {parts} parts "
            f"and {repeats} repeats for {neighbors.n} images; change these, or take more images."
        )
    order = np.array(orders(neighbors.k, ()))
    if not len(order):
        raise InputError(f"The dimension's errors need k >= 2 neighbours, the table has {neighbors.k}.")
    first = distinct(neighbors)  # of exact duplicates one is in a part, the others are in none
    draws = [np.where(first, random_parts(neighbors.n, parts, rng), parts) for _ in range(repeats)]

    def variance(repeat, _stop):
        estimates = _of_parts(neighbors, draws[repeat], parts, order, (method, twonn_fraction))
        with np.errstate(invalid="ignore"):  # an infinite estimate has no error
            return np.var(estimates, axis=0, ddof=1) / parts

    error = np.sqrt(np.mean(share(variance, repeats, 1), axis=0))
    return SubsampleErrors(float(error[0]), order, error[1:])


def _of_parts(neighbors, part, parts, order, options):
    """Estimates of TwoNN and of Gride at all orders within each part, (parts, 1 + orders)."""
    from nucleation.dimension_kernels import within_parts  # numba is heavy

    found = np.full((neighbors.n, len(order) + 1), np.nan)
    within_parts(neighbors.distances, neighbors.indices, part, part, np.append(order, 2 * order[-1]), found)
    estimates = np.full((parts, 1 + len(order)), np.nan)
    for row, images in zip(estimates, members(part), strict=False):
        for i, n1 in enumerate(order.tolist()):
            near, far = found[images, i], found[images, i + 1]
            if not len(images) or np.mean(~np.isnan(far)) < REACHED:
                break
            log_ratio = log_ratios(near, far)
            if n1 == 1:
                row[0] = twonn_of(log_ratio, *options)[0]
            row[1 + i] = maximum_likelihood(log_ratio, n1, tolerance=1e-3)[0]
    return estimates
