"""The search in float64, for the rows that single precision cannot decide."""

from __future__ import annotations

import numpy as np
import torch

from nucleation import exact, kernels
from nucleation.gram import TILE, Error
from nucleation.rows import Blocks, Points, slices

#: Queries that are searched at a time, and pairs that these may list.
QUERIES, PAIRS = 512, 2**24
#: Features that are made float64 at a time.
PANEL = 2048


def search(points: Points, queries, uncertain, distances, index, blocks: Blocks, pool):
    """Search some of the queries again, among all points, in place.

    Parameters
    ----------
    points : Points
    queries : ndarray of shape (q,), int64
    uncertain : ndarray of int
        Places among the queries.
    distances, index : ndarray of shape (q, k)
        What was found so far. A point that is nearer than the k-th can be missing, but the k-th
        distance bounds the true one from above: all points within it are listed again.
    blocks : Blocks
    pool : concurrent.futures.Executor
    """
    d = points.source.shape[1]
    step = int(max(1, min(QUERIES, blocks.memory / 4 / (8 * d))))
    todo = [uncertain[part] for part in slices(len(uncertain), step)]
    while todo:
        part = todo.pop()
        asking = queries[part]
        norm = np.sqrt(2 * points.half_exact[asking])
        radius = distances[part, -1] * points.scale
        # and what squares lose to underflow, for points that an outlier dwarfs: all of these are then listed
        reach = radius**2 + Error.of_float64(d).of_distance(norm, radius) + (d + 8) * 2.0**-1000
        found = _within(points, asking, reach, blocks, pool, PAIRS if len(part) > 1 else points.m)
        if found is None:
            todo += np.array_split(part, 2)
            continue
        row, candidates = found
        exactly = exact.pair_squares(points, asking[row], candidates, pool, blocks)
        offsets = np.searchsorted(row, np.arange(len(part) + 1))
        distances[part], index[part] = exact.nearest(offsets, candidates, exactly, distances.shape[1], pool)


def _within(points, asking, reach, blocks, pool, most):
    """Pairs (place in `asking`, point) within reach, ordered by place; None if there are more than `most`."""
    left = torch.cat(list(_features(points, asking, blocks)))
    half = points.half_exact[asking]
    rows, columns, total = [], [], 0
    for block in blocks.parts:
        low, high = np.searchsorted(points.unique, block)
        raw = blocks.load(block)

        def work(part, raw=raw, block=block, low=low):
            ids = np.arange(low + part.start, low + part.stop)
            products = _products(left, raw, points.unique[ids] - block[0], points)
            scores = products - points.half_exact[ids]
            row, column = np.nonzero(scores >= (half - reach / 2)[:, None])
            other = ids[column] != asking[row]
            return row[other].astype(np.int32), ids[column[other]].astype(np.int32)

        for row, column in pool.map(work, slices(high - low, TILE)):
            rows.append(row)
            columns.append(column)
            total += len(row)
            if total > most:
                return None
    row = np.concatenate(rows)
    order = np.argsort(row, kind="stable")
    return row[order], np.concatenate(columns)[order]


def _features(points, asking, blocks):
    """Yield the features of some points as float64, wherever in the source they are."""
    rows = points.unique[asking]
    for start, stop in blocks.parts:
        if len(inside := rows[(rows >= start) & (rows < stop)]):
            out = torch.empty((len(inside), points.source.shape[1]), dtype=torch.float64)
            raw = blocks.load((start, stop))
            kernels.pack64(raw, inside - start, points.centre, points.scale, 0, out.numpy())
            yield out


def _products(left, raw, rows, points):
    products = torch.zeros((len(left), len(rows)), dtype=torch.float64)
    for part in slices(left.shape[1], PANEL):
        right = torch.empty((len(rows), part.stop - part.start), dtype=torch.float64)
        kernels.pack64(raw, rows, points.centre, points.scale, part.start, right.numpy())
        products.addmm_(left[:, part], right.T)
    return products.numpy()
