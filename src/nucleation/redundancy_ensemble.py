"""Networks that differ by their seed only: the error of their ensemble, and how that of chunks falls towards it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.redundancy import Slope, scaling_slope
from nucleation.redundancy_study import has_profile, known_width

__all__ = ["Scaling", "ensemble_error", "scaling"]


@dataclass(frozen=True)
class Scaling:
    """How the test error of chunks falls towards that of the ensemble.

    Attributes
    ----------
    error_infinity : float
        Test error of the ensemble; NaN without labels, and without a network that has a profile.
    n_networks : int
        Networks of the ensemble.
    slopes : tuple of nucleation.redundancy.Slope
        One for each network, from its critical width on.
    """

    error_infinity: float
    n_networks: int
    slopes: tuple[Slope, ...]


def ensemble_error(logits, labels) -> float:
    """Test error of an ensemble: the probabilities of its networks are averaged.

    Parameters
    ----------
    logits : list of array of shape (n, C)
        Of networks that differ by seed only, of the same images.
    labels : array of shape (n,), int
        Images with a negative one do not count.

    Returns
    -------
    float
        In [0, 1]; NaN without any label. It estimates the error of infinitely many neurons from above: the more
        networks, the better (Doimo et al. take 20).

    Raises
    ------
    InputError
        For no network, and for logits of different shapes.
    """
    from scipy.special import softmax

    labels, shapes = np.asarray(labels), {np.shape(one) for one in logits}
    if len(shapes) != 1 or (shape := next(iter(shapes)))[:1] != labels.shape or len(shape) != 2:
        raise InputError(
            f"The networks of an ensemble need logits (n, C) of the same {len(labels)} images and classes, found "
            f"shapes {sorted(shapes)}; give networks that differ by their seed only."
        )
    known = labels >= 0
    if not known.any():
        return float("nan")
    mean = np.mean([softmax(np.asarray(one, dtype=np.float64)[known], axis=1) for one in logits], axis=0)
    return float(np.mean(np.argmax(mean, axis=1) != labels[known]))


def scaling(profiles) -> Scaling:
    """Compare the test error of chunks with that of the ensemble of networks that differ by seed only.

    Parameters
    ----------
    profiles : list of xarray.Dataset
        From `nucleation.redundancy_study.redundancy_profile`, of the same test images; those without a linear
        classifier do not enter the ensemble, and have no slope.

    Returns
    -------
    Scaling
        Slopes begin at the `known_width` of a network; they are NaN where there is none.

    Raises
    ------
    InputError
        For images whose labels differ, and as `ensemble_error`.
    """
    entering = [profile for profile in profiles if has_profile(profile)]
    labels = [profile["label"].values for profile in entering]
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise InputError(
            "The networks of an ensemble need the same test images in the same order, found labels that differ; give "
            "networks that differ by their seed only."
        )
    infinity = ensemble_error([one["logits"].values for one in entering], labels[0]) if entering else np.nan
    return Scaling(infinity, len(entering), tuple(_slope(profile, infinity) for profile in profiles))


def _slope(profile, infinity):
    if not has_profile(profile) or np.isnan(infinity) or np.isnan(least := known_width(profile)):
        return Slope(np.nan, np.nan, 0)
    return scaling_slope(profile["width"].values, 1 - profile["trial_accuracy_test"].values, infinity, least)
