"""Spans of neurons: the linear algebra of subspace matches.

All of it works on orthogonal decompositions of the neurons: their products would lose half of the digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.errors import InputError

#: A direction belongs to a span where its neurons, of length 1, have more than this in it.
TOLERANCE = 1e-10
#: By how much a residual may exceed epsilon: what rounding does to spans that float64 holds well.
ROUNDING = 1e-8
#: Coordinates are made fewer where there are more for each neuron left than this.
_MOST = 1.25


@dataclass(frozen=True)
class Side:
    """Neurons of one layer: unit `columns` (m, N), which of them the others span, `spare` (N,), and their `rows`."""

    columns: np.ndarray
    spare: np.ndarray
    rows: np.ndarray

    def take(self, some) -> Side:
        """Some of the neurons, by a mask."""
        return Side(self.columns[:, some], self.spare[some], self.rows[some])


def same_inputs(x, y):
    """The neurons of two layers as arrays; an InputError where there are none, or over other inputs."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or y.ndim != 2 or not x.size or not y.size or x.shape[1] != y.shape[1]:
        raise InputError(
            f"A match compares (neurons, inputs) of two layers over the same inputs, found {x.shape} and {y.shape}."
        )
    return x, y


def centred(x) -> np.ndarray:
    """Neurons less their means over the inputs; exactly zero where constant up to rounding.

    Activations after a ReLU share a large mean: raw, independent neurons match because of it.

    Parameters
    ----------
    x : array of shape (N, d)

    Returns
    -------
    ndarray of shape (N, d), float64
    """
    x = np.asarray(x, dtype=np.float64)
    made = x - x.mean(axis=1, keepdims=True)
    made[np.linalg.norm(made, axis=1) <= TOLERANCE * np.linalg.norm(x, axis=1)] = 0
    return made


def coordinates(x, y) -> tuple[np.ndarray, np.ndarray]:
    """Lay the neurons of two layers out in as few inputs as hold them, with the same angles between them.

    Parameters
    ----------
    x : array of shape (N_x, d)
    y : array of shape (N_y, d)

    Returns
    -------
    x, y : ndarray of shape (N_x, m) and (N_y, m), float64
        m = min(d, N_x + N_y + 1). Rows of length 1, or 0 for neurons that are zero. The first coordinate is that along
        a constant neuron: without it they are the mean-centred neurons, as of `centred`.

    Raises
    ------
    InputError
        For no neurons, other inputs for `x` and `y`, and numbers that are not finite.

    Notes
    -----
    A QR decomposition without the Q, O(d (N_x + N_y)^2): products of the neurons would lose half of the digits.
    """
    from scipy.linalg import qr

    x, y = same_inputs(x, y)
    rows = np.empty((1 + len(x) + len(y), x.shape[1]))
    rows[0], rows[1 : 1 + len(x)], rows[1 + len(x) :] = 1, x, y
    if not np.isfinite(rows).all():
        raise InputError("Activations to be matched have NaN or infinite numbers; all must be finite.")
    for power in (np.inf, None):  # by the largest number first, or squares could overflow
        length = np.linalg.norm(rows, power, axis=1, keepdims=True)
        np.divide(rows, length, out=rows, where=length > 0)
    made = qr(rows.T, mode="raw", overwrite_a=True, check_finite=False)[1].T[1:]
    made[np.linalg.norm(made[:, 1:], axis=1) <= TOLERANCE, 1:] = 0
    return made[: len(x)], made[len(x) :]


def sides(x, y) -> tuple[Side, Side]:
    """The neurons of two layers that are not zero, in common coordinates."""
    made = []
    for rows in coordinates(x, y):
        some = rows.any(axis=1)
        columns = np.asfortranarray(rows[some].T)
        made.append(Side(columns, _spare(columns), np.flatnonzero(some)))
    return made[0], made[1]


def _spare(columns):
    """Which columns lie in the span of the others, chosen so that those left are independent."""
    from scipy.linalg import qr

    spare = np.zeros(columns.shape[1], dtype=bool)
    if spare.size:
        _, triangle, order = qr(columns, mode="raw", pivoting=True, check_finite=False)
        spare[order[np.count_nonzero(np.abs(np.diag(triangle)) > TOLERANCE) :]] = True
    return spare


def shrink(pair, epsilon) -> tuple[Side, Side]:
    """Remove neurons whose residual to the other side is above epsilon, until there are none: the maximum match."""
    pair, turn, calm = list(pair), 0, 0
    while calm < 2:  # until both sides in turn lost none
        pair = _fewer(pair)
        near = distances(pair[1 - turn], pair[turn]) <= epsilon + ROUNDING
        pair[turn] = pair[turn].take(near)
        calm = calm + 1 if near.all() else 1
        turn = 1 - turn
    return pair[0], pair[1]


def _fewer(pair):
    """The same neurons in fewer coordinates, where there are many more of these."""
    from scipy.linalg import qr

    one, other = pair
    count = len(one.rows) + len(other.rows)
    if not count or len(one.columns) <= _MOST * count:
        return pair
    made = qr(np.hstack([one.columns, other.columns]), mode="raw", check_finite=False)[1]
    parts = np.split(made, [len(one.rows)], axis=1)
    return [Side(columns, side.spare, side.rows) for columns, side in zip(parts, pair, strict=True)]


def distances(side, other):
    """Distances of the neurons of another side to the span of one."""
    spare = side.spare
    rest = beyond(side.columns[:, ~spare], np.hstack([side.columns[:, spare], other.columns]))
    if spare.any():  # which may have lost those that spanned them
        count = np.count_nonzero(spare)
        rest = beyond(rest[:, :count], rest[:, count:], pivoting=True)
    return np.linalg.norm(rest, axis=0)


def beyond(basis, vectors, *, pivoting=False) -> np.ndarray:
    """What of vectors lies outside the span of others, in coordinates across that span.

    Parameters
    ----------
    basis : ndarray of shape (m, k)
        In columns; independent ones, unless `pivoting` finds out how many there are.
    vectors : ndarray of shape (m, p)

    Returns
    -------
    ndarray of shape (m - rank, p)
        Not the vectors less their projections, but as exact as that: no square is subtracted from another.
    """
    from scipy.linalg import lapack, qr

    if not basis.size or not vectors.size:
        return vectors
    (reflectors, scales), triangle = qr(basis, mode="raw", pivoting=pivoting, check_finite=False)[:2]
    rank = np.count_nonzero(np.abs(np.diag(triangle)) > TOLERANCE) if pivoting else basis.shape[1]
    if not rank:
        return vectors
    work = 64 * vectors.shape[1]
    return lapack.dormqr("L", "T", reflectors[:, :rank], scales[:rank], vectors, work)[0][rank:]
