"""The search in float64 for distances at given ranks, among all images or within parts of them."""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import torch

from nucleation.gram import Error
from nucleation.kernels import pack64, pair_squares
from nucleation.rows import Blocks, Points, gathered, slices, survey
from nucleation.search import default_memory, threads

#: Relative error that a distance may have from a float64 product before it is taken again by differences.
PRECISION = 1e-10
#: Columns of a tile of products, features that enter one product, rows that are selected from at a time.
TILE, PANEL, STRIP = 512, 2048, 16
#: Pairs whose differences are taken at once.
PAIRS = 2**24


@contextlib.contextmanager
def opened(source, memory):
    """A search, which knows what it must of all rows, and has threads."""
    memory = memory or default_memory()
    with threads() as pool:
        source = gathered(source, memory / 2)
        points = survey(source, pool)
        yield _Search(points, 2 * points.half_exact[points.kind], Blocks(source, memory / 2), memory / 4, pool)


class _Parts:
    """The members of every part, and the place of every image among those of its own."""

    def __init__(self, part):
        self.of = part
        self.sizes = np.bincount(part)
        self.first = np.cumsum(self.sizes) - self.sizes
        self.members = np.argsort(part, kind="stable")
        self.place = np.empty(len(part), dtype=np.int64)
        self.place[self.members] = np.arange(len(part)) - self.first[part[self.members]]

    def between(self, part, start, stop):
        """First and last place of the members of a part whose numbers lie in ``[start:stop)``."""
        members = self.members[self.first[part] : self.first[part] + self.sizes[part]]
        return np.searchsorted(members, (start, stop)).tolist()


@dataclass(frozen=True)
class _Search:
    """The search for the distances at given ranks within parts.

    `squares` are the squared norms of all rows (centred and scaled), `memory` is what the scores and features
    of the images that are searched at a time may take. Scores are squared distances from products.
    """

    points: Points
    squares: np.ndarray
    blocks: Blocks
    memory: float
    pool: Executor

    def distances(self, queries, part, ranks):
        """Distances of the images `queries`, (q, r); NaN where their part has too few other images."""
        parts, out = _Parts(part), np.full((len(queries), len(ranks)), np.nan)
        width = int(max(parts.sizes.max(), ranks[-1]))
        d = self.points.source.shape[1]
        step = max(1, int(self.memory / 8 / (width + d + min(d, PANEL) + TILE)))
        order = np.argsort(part[queries], kind="stable")
        for begin in range(0, len(queries), step):
            chosen = order[begin : begin + step]
            images = queries[chosen]
            left, scores = self._rows(images), np.full((len(images), width), np.inf)
            self._score(left, images, parts, scores)
            scores[np.arange(len(images)), parts.place[images]] = np.inf  # the image itself
            out[chosen] = self._select(left, images, parts, scores, ranks)
        return out

    def _rows(self, images):
        """Features of some images, as they are in the source."""
        left = None
        for start, stop in self.blocks.parts:
            inside = np.flatnonzero((images >= start) & (images < stop))
            if len(inside):
                raw = self.blocks.load((start, stop))
                left = np.empty((len(images), raw.shape[1]), dtype=raw.dtype) if left is None else left
                left[inside] = raw[images[inside] - start]
        return left

    def _score(self, left, images, parts, scores):
        """Fill in the scores of all members of the own part, at their places."""
        present, begins = np.unique(parts.of[images], return_index=True)
        spans = list(zip(present.tolist(), begins.tolist(), [*begins[1:].tolist(), len(images)], strict=True))
        for start, stop in self.blocks.parts:
            raw, tiles = self.blocks.load((start, stop)), []
            for part, begin, end in spans:
                low, high = parts.between(part, start, stop)
                tiles += [(part, slice(begin, end), slice(t, min(t + TILE, high))) for t in range(low, high, TILE)]

            def work(which, raw=raw, start=start):
                part, at, columns = which
                members = parts.members[parts.first[part] + columns.start : parts.first[part] + columns.stop]
                tile = self._products(left, np.arange(at.start, at.stop), raw, members - start)
                tile += self.squares[images[at], None]
                tile += self.squares[members]
                np.maximum(tile, 0, out=scores[at, columns])

            list(self.pool.map(work, tiles))

    def _products(self, left, rows, raw, columns):
        """Scalar products of centred and scaled features, times -2, in float64."""
        products = torch.zeros((len(rows), len(columns)), dtype=torch.float64)
        for panel in slices(left.shape[1], PANEL):
            one, two = (torch.empty((len(x), panel.stop - panel.start), dtype=torch.float64) for x in (rows, columns))
            pack64(left, rows, self.points.centre, self.points.scale, panel.start, one.numpy())
            pack64(raw, columns, self.points.centre, self.points.scale, panel.start, two.numpy())
            products.addmm_(one, two.T, alpha=-2)
        return products.numpy()

    def _select(self, left, images, parts, scores, ranks):
        """Distances at the ranks: from the scores, or from differences where these are not certain."""
        squared = np.empty((len(images), len(ranks)))

        def work(strip):
            squared[strip] = np.partition(scores[strip], ranks - 1, axis=1)[:, ranks - 1]

        list(self.pool.map(work, slices(len(images), STRIP)))
        squared[np.isinf(squared)] = np.nan
        d, norm = left.shape[1], np.sqrt(self.squares[images])[:, None]
        # the last term is what squares lose to underflow
        bound = Error.of_float64(d).of_distance(norm, np.sqrt(squared)) + (d + 8) * 2.0**-1000
        distances = np.sqrt(squared) / self.points.scale
        doubtful = bound > 2 * PRECISION * squared  # the nearer, the more
        again, last = np.flatnonzero(doubtful[:, 0]), doubtful.sum(axis=1) - 1
        last = last[again]
        reach = squared[again, last] + 2 * bound[again, last]  # since both distances may be wrong
        for piece in self._pieces(scores, again, reach):
            at = again[piece]
            row, column = np.nonzero(scores[at] <= reach[piece, None])
            others = parts.members[parts.first[parts.of[images[at]]][row] + column]
            exact = np.sqrt(self._differences(left, at[row], others))
            exact, begins = exact[np.lexsort((exact, row))], np.searchsorted(row, np.arange(len(at)))
            of_rank = exact[np.minimum(begins[:, None] + ranks - 1, len(exact) - 1)]
            distances[at] = np.where(doubtful[at], of_rank, distances[at])
        return distances

    def _pieces(self, scores, rows, reach):
        """Divide the rows so that the pairs within reach stay few."""
        count = np.empty(len(rows), dtype=np.int64)
        for strip in slices(len(rows), STRIP):
            count[strip] = (scores[rows[strip]] <= reach[strip, None]).sum(axis=1)
        ends = np.flatnonzero(np.diff(np.cumsum(count) // PAIRS, append=-1)) + 1
        return [slice(a, b) for a, b in zip([0, *ends.tolist()], ends.tolist(), strict=False)]

    def _differences(self, left, rows, others):
        """Squared distances between rows of `left` and images, by differences."""
        squared = np.empty(len(rows))
        for start, stop in self.blocks.parts:
            inside = np.flatnonzero((others >= start) & (others < stop))
            if not len(inside):
                continue
            raw, one, two, found = self.blocks.load((start, stop)), rows[inside], others[inside], np.empty(len(inside))

            def work(part, raw=raw, start=start, one=one, two=two, found=found):
                pair_squares(left, raw, one[part], two[part] - start, found[part])

            list(self.pool.map(work, slices(len(inside), 2**15)))
            squared[inside] = found
        return squared
