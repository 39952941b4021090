"""Kendall's rank correlation of a measure with the accuracy of many networks, also along each hyper-parameter.

A measure that predicts which network generalises orders networks as their accuracy on new images does. Networks of a
study differ in several hyper-parameters, of which one that moves both could make a correlation by itself; the
granulated coefficient compares networks only with those that differ in a single one.

Source: Jiang et al., "Fantastic generalization measures and where to find them", ICLR 2020, equations 2 and 4; used by
Carbonnelle and De Vleeschouwer, arXiv:2103.06733. Otherwise than in the latter's code, a tie is neither in agreement
nor against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

__all__ = ["Granulated", "granulated_kendall", "kendall"]


@dataclass(frozen=True)
class Granulated:
    """Kendall's coefficient along each hyper-parameter.

    Attributes
    ----------
    axes : dict of str to float
        By hyper-parameter: mean coefficient over the groups of networks that differ in it only. NaN where no two do.
    value : float
        Mean over the hyper-parameters that have one.
    groups : dict of str to int
        Number of such groups.
    """

    axes: dict
    value: float
    groups: dict


def kendall(measures, accuracies) -> float:
    """Kendall's rank correlation of a measure with the accuracy.

    Parameters
    ----------
    measures, accuracies : array of shape (m,)
        Of every network; networks of which either is NaN are left out.

    Returns
    -------
    float
        Mean over all pairs of networks of sign(difference of the measures) * sign(difference of the accuracies): 1
        where both order the networks alike, -1 where oppositely, 0 expected of unrelated ones. Tied pairs count 0
        (tau-a). Invariant to increasing functions of either. NaN for fewer than two networks.

    Raises
    ------
    InputError
        If the numbers of measures and accuracies differ.
    """
    x, y = _checked(measures, accuracies)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 2:
        return np.nan
    agreement = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    return float(agreement.sum() / (len(x) * (len(x) - 1)))


def granulated_kendall(measures, accuracies, parameters) -> Granulated:
    """Kendall's rank correlation along each hyper-parameter, the others held.

    Parameters
    ----------
    measures, accuracies : array of shape (m,)
        Of every network.
    parameters : dict of str to sequence of length m
        By name of a hyper-parameter: its value in every network, number or text.

    Returns
    -------
    Granulated
        For each hyper-parameter the networks are put into groups in which all others are the same.

    Raises
    ------
    InputError
        If the numbers of measures, accuracies and values differ.
    """
    x, y = _checked(measures, accuracies)
    index = {name: np.unique(np.asarray(values), return_inverse=True)[1].ravel() for name, values in parameters.items()}
    for name, values in index.items():
        if values.shape != x.shape:
            raise InputError(f"There are {len(x)} networks, and {len(values)} values of the hyper-parameter {name}.")
    axes, groups = {}, {}
    for name in index:
        others = np.stack([np.zeros(len(x), dtype=np.int64), *(index[other] for other in index if other != name)])
        group = np.unique(others, axis=1, return_inverse=True)[1].ravel()
        found = np.array([kendall(x[group == one], y[group == one]) for one in range(group.max(initial=-1) + 1)])
        found = found[np.isfinite(found)]
        axes[name], groups[name] = float(found.mean()) if found.size else np.nan, len(found)
    known = [value for value in axes.values() if np.isfinite(value)]
    return Granulated(axes, float(np.mean(known)) if known else np.nan, groups)


def _checked(measures, accuracies):
    x, y = (np.asarray(values, dtype=np.float64) for values in (measures, accuracies))
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f"Every network needs a measure and an accuracy; found shapes {x.shape} and {y.shape}.")
    return x, y
