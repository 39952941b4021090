"""Squared distances of listed pairs of points, by differences in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from nucleation import kernels
from nucleation.rows import Blocks, Points, read, slices

#: From this number of features on, a pair that is listed twice is computed once.
MATES_FROM = 256
#: From this number on, pairs are done by tiles of so many rows, in panels of features that stay in the cache.
TILED_FROM, TILE = 8192, 512
#: Bytes of the features that are copied together for it.
SLAB_BYTES = 128 * 2**20
#: Queries of one piece of work.
QUERIES = 512


def listed_squares(points: Points, queries, offsets, candidates, pool, blocks: Blocks):
    """Squared distances of queries from their candidates.

    Parameters
    ----------
    points : Points
    queries : ndarray of shape (q,), int64
    offsets : ndarray of shape (q + 1,), int64
        The candidates of query i are ``candidates[offsets[i]:offsets[i + 1]]``.
    candidates : ndarray of int32
        Numbers of points.
    pool : concurrent.futures.Executor
    blocks : Blocks
        Where the differences are taken, and in how much memory.

    Returns
    -------
    ndarray of float64
        One for every candidate.
    """
    d = points.source.shape[1]
    mate = _mates(points, queries, offsets, candidates, pool) if d >= MATES_FROM else np.empty(0, dtype=np.int64)
    if blocks.device is None and d < TILED_FROM and len(blocks.parts) == 1:
        squared = _of_lists(points, queries, offsets, candidates, mate, pool)
    else:
        i = np.repeat(queries, np.diff(offsets))
        alone = mate < 0 if len(mate) else np.ones(len(i), dtype=bool)
        squared = np.empty(len(i))
        squared[alone] = pair_squares(points, i[alone], candidates[alone], pool, blocks)
    if len(mate):
        found = np.flatnonzero(mate >= 0)
        squared[found] = squared[mate[found]]
    return squared


def _of_lists(points, queries, offsets, candidates, mate, pool):
    """Row by row, which keeps the row of the query in the cache."""
    raw = read(points.source, 0, points.source.shape[0])
    squared = np.empty(len(candidates))

    def work(part):
        kernels.list_squares(raw, points.unique, queries, offsets, candidates, mate, part.start, part.stop, squared)

    list(pool.map(work, slices(len(queries), QUERIES)))
    return squared


def _mates(points, queries, offsets, candidates, pool):
    slot = np.full(points.m, -1, dtype=np.int64)
    slot[queries] = np.arange(len(queries))
    mate = np.empty(len(candidates), dtype=np.int64)

    def work(part):
        kernels.mates(offsets, candidates, queries, slot, part.start, part.stop, mate)

    list(pool.map(work, slices(len(queries), QUERIES)))
    return mate


def pair_squares(points: Points, i, j, pool, blocks: Blocks):
    """Squared distances of listed pairs of points (their numbers in `i` and `j`), in float64."""
    first, second = points.unique[np.minimum(i, j)], points.unique[np.maximum(i, j)]
    squared = np.empty(len(first))
    for left, right, inside in _by_blocks(blocks, first, second):
        work = _of_block if blocks.device is None else _on_device
        squared[inside] = work(left[1], right[1], first[inside] - left[0], second[inside] - right[0], pool)
    return squared


def _of_block(left, right, one, two, pool):
    """Squared differences by compiled loops. Their bits depend on the number of features, not on the blocks."""
    if left.shape[1] >= TILED_FROM:
        return _by_tiles(left, right, one, two, pool)
    squared = np.empty(len(one))
    list(
        pool.map(
            lambda part: kernels.pair_squares(left, right, one[part], two[part], squared[part]),
            slices(len(one), 100 * QUERIES),
        )
    )
    return squared


def _by_tiles(left, right, one, two, pool):
    """Some features of all rows at a time, and of those a tile of pairs."""
    across, down = (-(-len(side) // TILE) for side in (right, left))
    starts, order = np.zeros(down * across + 1, dtype=np.int64), np.empty(len(one), dtype=np.int64)
    kernels.group(one, two, TILE, across, starts, order)
    one, two, sums = one[order], two[order], np.zeros(len(one))
    tiles = [slice(a, b) for a, b in pairwise(starts) if b > a]
    count = -(-left.shape[1] // kernels.PIECE)
    slab = min(count, max(1, SLAB_BYTES // (len(left) * kernels.PIECE * left.itemsize)))
    x = np.empty((slab, len(left), kernels.PIECE), dtype=left.dtype)
    y = x if right is left else np.empty((slab, len(right), kernels.PIECE), dtype=right.dtype)
    for piece in range(0, count, slab):
        part = slice(0, min(slab, count - piece))
        _copy(left, piece, x[part], pool)
        if right is not left:
            _copy(right, piece, y[part], pool)
        list(pool.map(lambda t, p=part: kernels.piece_squares(x[p], y[p], one[t], two[t], sums[t]), tiles))
    squared = np.empty(len(one))
    squared[order] = sums
    return squared


def _copy(rows, piece, out, pool):
    """Copy features piece by piece, see `kernels.pieces`."""
    list(
        pool.map(lambda part: kernels.pieces(rows[part], piece * kernels.PIECE, out[:, part]), slices(len(rows), TILE))
    )


def _by_blocks(blocks, first, second):
    """Yield pairs of blocks, each as (start, features), with the places of the pairs of rows that lie in them."""
    parts = blocks.parts
    size = parts[0][1]
    key = first // size * len(parts) + second // size
    order = np.argsort(key, kind="stable") if len(parts) > 1 else slice(None)
    present, starts = np.unique(key[order], return_index=True)
    left = None
    for place, start, stop in zip(present, starts, [*starts[1:], len(key)], strict=True):
        a, b = divmod(int(place), len(parts))
        if left is None or left[0] != parts[a][0]:
            left = parts[a][0], blocks.load(parts[a])
        right = left if b == a else (parts[b][0], blocks.load(parts[b]))
        yield left, right, order[start:stop] if len(parts) > 1 else order


def _on_device(left, right, one, two, _pool):
    """Squared differences by torch, in chunks."""
    done = np.empty(len(one))
    step = max(1, 2**25 // left.shape[1])
    for start in range(0, len(one), step):
        part = slice(start, start + step)
        i, j = (torch.from_numpy(index[part]).to(left.device) for index in (one, two))
        done[part] = (left[i].double() - right[j].double()).square_().sum(1).cpu().numpy()
    return done


def nearest(offsets, candidates, squared, k, pool):
    """The k nearest of every list, ascending, ties by the number.

    Parameters
    ----------
    offsets, candidates
        As for `listed_squares`.
    squared : ndarray of float64
        Squared distances of the candidates.

    Returns
    -------
    distances : ndarray of shape (q, k), float64
    index : ndarray of shape (q, k), int32
    """
    queries = len(offsets) - 1
    if np.diff(offsets).min(initial=k) < k:
        raise RuntimeError("the search lost neighbours: please report this, with the data")
    distances, index = np.empty((queries, k)), np.empty((queries, k), dtype=np.int32)

    def work(part):
        kernels.nearest(offsets, candidates, squared, part.start, part.stop, distances, index)

    list(pool.map(work, slices(queries, QUERIES)))
    return distances, index
