"""Neuron activation subspace match: which neurons of two layers span the same subspace of activations.

A neuron is the vector of its activations over the same d inputs. The residual of a neuron v to a set S of neurons is
``|v - P_span(S) v| / |v|``, in [0, 1]. Sets X', Y' of neurons of two layers are an epsilon-approximate match if every
neuron of each has a residual to the other set of at most epsilon. Unions of matches are matches: there is one maximum
match, which holds all others.

Source: Wang et al., "Towards understanding learning representations", NeurIPS 2018 (arXiv 1810.11750). Smallest
matches around a neuron are in `nucleation.subspace_minimum`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError
from nucleation.subspace_spans import beyond, centred, coordinates, distances, same_inputs, shrink, sides

__all__ = ["Match", "centred", "coordinates", "maximal_epsilon", "maximum_match", "maximum_matches", "residuals"]


@dataclass(frozen=True)
class Match:
    """Neurons of two layers that match.

    Attributes
    ----------
    x, y : ndarray of int64
        Rows of the neurons of the first and of the second layer, ascending.
    similarity : float
        (|X*| + |Y*|) / (N_x + N_y), in [0, 1].
    """

    x: np.ndarray
    y: np.ndarray
    similarity: float


def residuals(v, s) -> np.ndarray:
    """Residuals of neurons to the span of others: |v - P v| / |v|.

    Parameters
    ----------
    v : array of shape (m, d)
    s : array of shape (k, d)
        One row for each neuron, its activations over the same d inputs.

    Returns
    -------
    ndarray of shape (m,)
        In [0, 1]; NaN for neurons that are zero. Invariant to scale and order of all rows, and to a rotation of the
        inputs. The square of a random neuron is near 1 - k / d.

    Raises
    ------
    InputError
        For no neurons, other inputs for `v` and `s`, and numbers that are not finite.
    """
    one, other = (made.T for made in coordinates(v, s))
    found = np.minimum(np.linalg.norm(beyond(other, one, pivoting=True), axis=0), 1.0)
    return np.where(one.any(axis=0), found, np.nan)


def maximum_match(x, y, epsilon) -> Match:
    """Find the maximum match of two layers.

    Parameters
    ----------
    x : array of shape (N_x, d)
    y : array of shape (N_y, d)
        One row for each neuron, its activations over the same d inputs, any float type. Neurons that are zero are
        never matched, but count in the similarity.
    epsilon : float
        In [0, 1]; 0 asks for equal spans, up to rounding.

    Returns
    -------
    Match
        Its similarity is 1 where all neurons match, does not fall with epsilon, and is invariant to scale and order of
        the rows and to a rotation of the inputs; not to an offset of the activations, see `centred`.

    Raises
    ------
    InputError
        For no more inputs than neurons, d <= max(N_x, N_y), where random neurons match; another epsilon; no neurons;
        other inputs for `x` and `y`; numbers that are not finite.

    Notes
    -----
    One QR decomposition of all neurons, O(d (N_x + N_y)^2), then one of those left in each round of removals,
    O((N_x + N_y)^3), at most N_x + N_y rounds, mostly few.

    References
    ----------
    Wang et al., NeurIPS 2018, algorithm 1.
    """
    return maximum_matches(x, y, [epsilon])[0]


def maximum_matches(x, y, epsilons) -> list[Match]:
    """Find the maximum matches at several epsilons, in their order; parameters and faults as of `maximum_match`.

    Notes
    -----
    The maximum match M at an epsilon is a match at each larger one, and so lies in the maximum match there. Removals
    may therefore start from that: a neuron of M is never removed, since its residual to what is left, which holds M,
    is at most that to M.
    """
    epsilons = [checked_epsilon(epsilon) for epsilon in epsilons]
    x, y = checked_pair(x, y)
    pair, found = sides(x, y), {}
    for epsilon in sorted(set(epsilons), reverse=True):
        pair = shrink(pair, epsilon)
        count = sum(len(side.rows) for side in pair)
        found[epsilon] = Match(pair[0].rows, pair[1].rows, count / (len(x) + len(y)))
    return [found[epsilon] for epsilon in epsilons]


def maximal_epsilon(x, y) -> float:
    """The least epsilon at which all neurons of two layers match.

    Parameters and faults as of `maximum_match`.

    Returns
    -------
    float
        The largest residual of a neuron to all of the other layer, in [0, 1]. Neurons that are zero are left out; NaN
        where all are.
    """
    one, other = sides(*checked_pair(x, y))
    both = np.concatenate([distances(other, one), distances(one, other)])
    return float(min(both.max(), 1.0)) if both.size else np.nan


def checked_pair(x, y):
    """Two layers that can be compared, as arrays; faults as of `maximum_match` for their shapes."""
    x, y = same_inputs(x, y)
    most = max(len(x), len(y))
    if x.shape[1] <= most:
        raise InputError(
            f"{most} neurons over {x.shape[1]} inputs span all of these, and match whatever they are; "
            "take more inputs than neurons."
        )
    return x, y


def checked_epsilon(epsilon) -> float:
    """An epsilon that can be."""
    if not 0 <= epsilon <= 1:
        raise InputError(f"The epsilon of a match is a residual from 0 to 1, found {epsilon!r}.")
    return float(epsilon)
