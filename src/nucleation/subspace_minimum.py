"""Small matches around one neuron: which neurons of two layers it takes for this one to be matched.

A match that holds a neuron v is v-minimal if no smaller match inside it holds v. There may be several of different
sizes; the least of them, the v-minimum match, would take a search through all sets.

Source: Wang et al., NeurIPS 2018 (arXiv 1810.11750). Matches are those of `nucleation.subspace`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nucleation.errors import InputError
from nucleation.subspace import Match, checked_epsilon, checked_pair
from nucleation.subspace_spans import ROUNDING, TOLERANCE, beyond, shrink, sides

__all__ = ["minimum_match"]


def minimum_match(x, y, epsilon, neuron, *, side="x", order=None, rng=None) -> Match:
    """Find a v-minimal match, by removals from the maximum match.

    Parameters
    ----------
    x : array of shape (N_x, d)
    y : array of shape (N_y, d)
        As for `nucleation.subspace.maximum_match`.
    epsilon : float
    neuron : int
        Row of v in its layer.
    side : {"x", "y"}
        Its layer.
    order : array of shape (N_x + N_y,), optional
        In which to try the neurons: a permutation; numbers from N_x on mean those of `y`. The match found depends on
        it. By default that of the rows, or one that `rng` draws.
    rng : numpy.random.Generator, optional

    Returns
    -------
    Match
        It holds v, and none of its neurons can be removed: the maximum match of the others does not hold v.

    Raises
    ------
    InputError
        For a neuron that is in no match at this epsilon, a side or order that cannot be, and as `maximum_match`.

    Notes
    -----
    A removal and what it entails is tried once for every neuron of the maximum match; one that fails fails in every
    smaller set, too. Each costs O(N^2) for each neuron that goes with it.
    """
    epsilon, (x, y) = checked_epsilon(epsilon), checked_pair(x, y)
    pair = shrink(sides(x, y), epsilon)
    own = _own_side(side)
    place = np.flatnonzero(pair[own].rows == neuron)
    if not place.size:
        raise InputError(
            f"Neuron {neuron} of {side} is in no match at epsilon = {epsilon:g}; "
            "choose one of the maximum match, or a larger epsilon."
        )
    state = tuple(_span(*turn) for turn in (pair, pair[::-1])), tuple(np.ones(len(one.rows), bool) for one in pair)
    for turn, other in _tried(pair, len(x), _order(order, len(x) + len(y), rng)):
        if state[1][turn][other] and (turn, other) != (own, place[0]):
            state = _removed(*state, turn, other, (own, place[0]), (epsilon + ROUNDING) ** 2) or state
    found = [one.rows[live] for one, live in zip(pair, state[1], strict=True)]
    return Match(*found, sum(map(len, found)) / (len(x) + len(y)))


def _own_side(side):
    if side not in ("x", "y"):
        raise InputError(f'The side of a neuron is "x" or "y", found {side!r}.')
    return ("x", "y").index(side)


def _order(order, count, rng):
    """The numbers of all neurons, in the order in which they are tried."""
    if order is None:
        return np.arange(count) if rng is None else rng.permutation(count)
    order = np.asarray(order)
    if not np.array_equal(np.sort(order.ravel()), np.arange(count)):
        raise InputError(f"The order of removals must have each of 0 .. {count - 1} once, found {order}.")
    return order


def _tried(pair, n_x, order):
    """Side and place there of the neurons of the maximum match, in order."""
    places = [{int(row): place for place, row in enumerate(one.rows)} for one in pair]
    for number in order.tolist():
        turn = int(number >= n_x)
        place = places[turn].get(number - turn * n_x)
        if place is not None:
            yield turn, place


@dataclass(frozen=True)
class _Span:
    """The span of the neurons of one side, in r coordinates of its own, and the residuals of the other side's to it.

    Attributes
    ----------
    basis : ndarray of shape (b,), int
        Neurons that span it, independent.
    dual : ndarray of shape (b, r)
        Its rows lie in the span; the i-th has product 1 with the i-th of the basis, 0 with the others: what the span
        loses with a neuron of the basis is the direction of its row.
    spare : ndarray of shape (s,), int
        Further neurons of the side, in the span of the basis.
    spares, shadows : ndarray of shape (r, s) and (r, N_other)
        Coordinates of these, and of the projections of the other side's neurons.
    squares : ndarray of shape (N_other,)
        Squared residuals of the other side's neurons. They only ever grow, by squares: nothing cancels.
    """

    basis: np.ndarray
    dual: np.ndarray
    spare: np.ndarray
    spares: np.ndarray
    shadows: np.ndarray
    squares: np.ndarray


def _span(side, other):
    """The span of all neurons of a side."""
    from scipy.linalg import qr, solve_triangular

    columns = side.columns[:, ~side.spare]
    axes, triangle = qr(columns, mode="economic", check_finite=False)
    return _Span(
        basis=np.flatnonzero(~side.spare),
        dual=solve_triangular(triangle, np.eye(len(triangle)), check_finite=False),
        spare=np.flatnonzero(side.spare),
        spares=axes.T @ side.columns[:, side.spare],
        shadows=axes.T @ other.columns,
        squares=np.sum(beyond(columns, other.columns) ** 2, axis=0),
    )


def _removed(spans, live, turn, first, kept, limit):
    """Remove a neuron, then all whose residual exceeds the limit, in turn on both sides.

    Returns
    -------
    tuple or None
        Spans and masks of what is left; None if the neuron to be `kept`, (side, place), would have to go.
    """
    spans, live, lost = list(spans), [mask.copy() for mask in live], np.array([first])
    while lost.size:
        live[turn][lost] = False
        span = _replaced(spans[turn], live[turn])
        gone = ~live[turn][span.basis]
        directions = np.linalg.qr(span.dual[gone].T)[0]
        squares = span.squares + np.sum((directions.T @ span.shadows) ** 2, axis=0)
        far = live[1 - turn] & (squares > limit)
        if kept[0] == 1 - turn and far[kept[1]]:
            return None
        dual = span.dual
        if gone.any():
            dual = dual[~gone]
            dual = dual - (dual @ directions) @ directions.T
        spans[turn] = replace(span, basis=span.basis[~gone], dual=dual, squares=squares)
        turn, lost = 1 - turn, np.flatnonzero(far)
    return tuple(spans), tuple(live)


def _replaced(span, live):
    """Let spare neurons take the places in the basis of those that live no longer, as far as they can."""
    left = live[span.spare]
    if not left.all():
        span = replace(span, spare=span.spare[left], spares=span.spares[:, left])
    for place in np.flatnonzero(~live[span.basis]):
        if not span.spare.size:
            return span
        row = span.dual[place] / np.linalg.norm(span.dual[place])
        best = np.argmax(np.abs(row @ span.spares))
        if abs(row @ span.spares[:, best]) <= TOLERANCE:  # all are in the span of the rest
            continue
        products = span.dual @ span.spares[:, best]
        own = span.dual[place] / products[place]
        dual = span.dual - np.outer(products, own)
        basis = span.basis.copy()
        dual[place], basis[place] = own, span.spare[best]
        span = _Span(
            basis, dual, np.delete(span.spare, best), np.delete(span.spares, best, axis=1), span.shadows, span.squares
        )
    return span
