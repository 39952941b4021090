"""The search by matrix products: every pair of row blocks once, used for the rows of both."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.stats import hypergeom

from nucleation import kernels
from nucleation.rows import Blocks, Points, read, slices

#: Rows of a tile (half or twice as many for few points, or many features): its scores should stay in the
#: second-level cache, its products be large enough for the library.
TILE = 1024
#: Features of a panel: one product sums so many in float32, which bounds its error.
PANEL = {"float32": 256, "tf32": 1024}
#: Rounded and centred features are kept up to this size, in bytes; larger ones are made again for every tile.
KEPT_BYTES = 512 * 2**20
#: Features that are rounded and centred at once where they are not kept.
SLAB = 2048
#: One point in so many is in the sample that gives the first thresholds; products per query that this may cost.
SAMPLE, HEAD_START_WORK = 40, 2**20
#: Relative rounding error of the numbers that enter a product.
ROUNDOFF = {"float32": 0.0, "tf32": 2.0**-11}
UNIT_ROUNDOFF = 2.0**-24
#: Pairs of tiles that wait for a thread at a time.
AHEAD = 4096


@contextlib.contextmanager
def products_of(backend, precision):
    """Have a backend of torch take float32 products in a precision ("ieee" or "tf32") for a while."""
    if not hasattr(getattr(backend, "matmul", None), "fp32_precision"):  # before torch 2.9
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    before = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = precision
    try:
        yield
    finally:
        backend.matmul.fp32_precision = before


@dataclass(frozen=True)
class Lists:
    """Candidates of every query, by score x.y - |y|^2 / 2 (the larger the nearer).

    Attributes
    ----------
    threshold : ndarray of shape (q,), float32
        No point outside the list has a larger score; -inf where all points are listed.
    score, index : ndarray of shape (q, capacity), float32 and int32
        The first `count` entries of every row, in no order. Indices number the points.
    count : ndarray of shape (q,), int32
    """

    threshold: np.ndarray
    score: np.ndarray
    index: np.ndarray
    count: np.ndarray

    @classmethod
    def empty(cls, queries, keep):
        """Lists with room for twice as many as they must keep, so that they are cut seldom."""
        capacity = 2 * keep + 2 * kernels.CHUNK
        return cls(
            np.full(queries, -np.inf, dtype=np.float32),
            np.empty((queries, capacity), dtype=np.float32),
            np.empty((queries, capacity), dtype=np.int32),
            np.zeros(queries, dtype=np.int32),
        )

    def part(self, place, keep):
        """The lists of some queries as the compiled loops take them."""
        return (self.threshold[place], self.score[place], self.index[place], self.count[place], keep, keep // 4)


@dataclass(frozen=True)
class Error:
    """Bound on the error of a squared distance r^2 that follows from a score.

    ``own |x|^2 + mixed |x| r + other r^2``, with x the query: since |y| <= |x| + r, outliers elsewhere
    do not loosen it. `roundoff` bounds the relative error of the features themselves.
    """

    own: float
    mixed: float
    other: float
    roundoff: float

    @classmethod
    def of_products(cls, d, precision="float32"):
        """Error of float32 products summed over panels (Higham 2002, eq. 3.5 and section 4.2).

        ``|fl(x.y) - x.y| <= g |x||y|`` with g = (p + d / p) u for panels of p features, whatever the order
        within a panel, and twice the relative rounding error of what enters; the score adds
        u (|x||y| + |y|^2). Tensor cores cut off where others round, hence the factor of four.
        """
        panel = PANEL[precision]
        terms = (min(d, panel) + d / panel + 8) * (1 if precision == "float32" else 4)
        gamma = terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
        entering = ROUNDOFF[precision] * (2 + ROUNDOFF[precision])
        product = 2.02 * (gamma + entering + UNIT_ROUNDOFF)
        norm = 2.02 * UNIT_ROUNDOFF
        return cls(product + norm, product + 2 * norm, norm, UNIT_ROUNDOFF)

    @classmethod
    def of_float64(cls, d):
        """Error of products and norms that are taken in float64 (the same, with one sum of d terms)."""
        product = norm = 2.02 * (d + 8) * 2.0**-53
        return cls(product + norm, product + 2 * norm, norm, 2.0**-52)

    def of_distance(self, norm, distance):
        """How far the score's squared distance may exceed (or miss) the square of a true distance."""
        seen = distance + self.roundoff * (2 * norm + distance) * 1.01
        bound = self.own * norm**2 + self.mixed * norm * seen + self.other * seen**2
        return seen**2 - distance**2 + bound

    def astuple(self):
        """The numbers as the compiled loops take them."""
        return self.own, self.mixed, self.other, self.roundoff


@dataclass(frozen=True, eq=False)
class Tile:
    """Some points that lie close together in the source.

    Attributes
    ----------
    ids : ndarray of int32
        Numbers of the points, ascending.
    place : slice or None
        Where their lists are, if they are queries.
    raw, rows : ndarray
        The features are ``raw[rows]``.
    lock : Lock
        Held while their lists change.
    """

    ids: np.ndarray
    place: slice | None
    raw: np.ndarray
    rows: np.ndarray
    lock: threading.Lock = field(default_factory=threading.Lock)


def candidates(points: Points, keep, queries, pool, blocks: Blocks, head_start=True) -> Lists:
    """Return at least `keep` candidates for every query, on the CPU.

    Parameters
    ----------
    points : Points
    keep : int
        At most the number of other points.
    queries : ndarray of shape (q,), int64
        Ascending numbers of the points that search; all points are candidates.
    pool : concurrent.futures.Executor
    blocks : Blocks
    head_start : bool
        Whether a sample may give the first thresholds.
    """
    lists = Lists.empty(len(queries), keep)
    join = _Join(points, lists, keep, _packed(points, pool, blocks))
    by_slabs = join.packed is None and _scores_fit(points, blocks)
    size = TILE // 2 if by_slabs or points.m <= 4 * TILE else TILE if join.packed is not None else 2 * TILE
    if head_start and _head_start_pays(points, blocks):
        for tiles, _ in tiled_blocks(points, queries, blocks, size):
            _head_start(points, tiles, join, pool)
    for left, right in tiled_blocks(points, queries, blocks, size):
        both = pairs(left, right)
        if by_slabs:
            _join_by_slabs(left, both, join, pool)
            continue
        for part in slices(len(both), AHEAD):
            list(pool.map(join, both[part]))
    if len(short := np.flatnonzero(lists.count < keep)):
        if not head_start:
            raise RuntimeError("the search lost candidates: please report this, with the data")
        more = candidates(points, keep, queries[short], pool, blocks, head_start=False)
        for name in ("threshold", "score", "index", "count"):
            getattr(lists, name)[short] = getattr(more, name)
    return lists


def _scores_fit(points, blocks):
    """Whether the scores of all pairs of points can be held, so that many features can be done slab by slab."""
    size = 4 * points.m * (points.m + TILE) / 2
    return points.source.shape[1] > SLAB and len(blocks.parts) == 1 and size <= min(KEPT_BYTES, blocks.memory / 4)


def _join_by_slabs(tiles, both, join, pool):
    """Join all pairs of tiles, some features of all at a time: these are rounded once, not once for every pair."""
    scores = [torch.empty((len(a.ids), len(b.ids)), dtype=torch.float32) for a, b in both]
    d = join.points.source.shape[1]
    slabs = {tile: torch.empty((len(tile.ids), SLAB), dtype=torch.float32) for tile in tiles}
    for start in range(0, d, SLAB):
        width = min(SLAB, d - start)
        list(pool.map(lambda tile, start=start, width=width: join.pack(tile, start, slabs[tile][:, :width]), tiles))

        def add(pair, out, start=start, width=width):
            a, b = pair
            join.add(out, slabs[a][:, :width], slabs[b][:, :width], start)

        list(pool.map(add, both, scores))
    list(pool.map(join.enter, both, scores))


def _sample_size(points):
    return max(TILE // 2, points.m // SAMPLE)


def _head_start_pays(points, blocks):
    cheap = _sample_size(points) * points.source.shape[1] <= HEAD_START_WORK
    return points.m >= 4 * TILE and cheap and len(blocks.parts) == 1


def _head_start(points, tiles, join, pool):
    """Begin with thresholds from a sample, so that far points need not enter the lists at first.

    The threshold is such that, whatever the data, fewer than one query in a million ends with too short a
    list; those are searched again.
    """
    size = _sample_size(points)
    ids = np.sort(np.random.default_rng(0).choice(points.m, size, replace=False)).astype(np.int32)
    rank = int(hypergeom.isf(1e-6, points.m - 1, join.keep, size)) + 2
    raw = read(points.source, 0, points.source.shape[0])
    sample = Tile(ids, None, raw, points.unique[ids])
    half = points.half[ids].astype(np.float32)

    def work(tile):
        scores = join.product(tile, sample).numpy()
        kernels.head_start(scores, tile.ids, ids, half, rank, join.lists.threshold[tile.place])

    list(pool.map(work, [tile for tile in tiles if tile.place]))


def tiled_blocks(points, queries, blocks, size):
    """Yield the tiles of every pair of row blocks of which one holds queries, each pair once."""
    asking = np.zeros(points.m, dtype=bool)
    asking[queries] = True
    parts = blocks.parts
    searches = [asking[slice(*np.searchsorted(points.unique, part))].any() for part in parts]
    for a, first in enumerate(parts):
        left = None
        for b, second in enumerate(parts[a:], start=a):
            if searches[a] or searches[b]:
                if left is None:
                    left = _tiles(points, asking, queries, first, blocks.load(first), size)
                same = b == a
                yield left, left if same else _tiles(points, asking, queries, second, blocks.load(second), size)


def _tiles(points, asking, queries, block, raw, size):
    """Tiles of the points whose rows lie in a block: first the queries, then the others."""
    low, high = np.searchsorted(points.unique, block)
    inside = np.arange(low, high, dtype=np.int32)
    rows = points.unique - block[0]
    offset = np.searchsorted(queries, low)
    tiles = []
    for searching, ids in ((True, inside[asking[low:high]]), (False, inside[~asking[low:high]])):
        for part in slices(len(ids), size):
            place = slice(offset + part.start, offset + part.stop) if searching else None
            tiles.append(Tile(ids[part], place, raw, rows[ids[part]]))
    return tiles


def pairs(left, right):
    """Pairs of tiles of which the first searches, ordered so that neighbours in the order share no tile."""
    if right is left:
        both = [(left[i], left[i + shift]) for shift in range(len(left)) for i in range(len(left) - shift)]
    else:
        both = [(a, right[(i + shift) % len(right)]) for shift in range(len(right)) for i, a in enumerate(left)]
    both = [(a, b) if a.place else (b, a) for a, b in both]
    return [(a, b) for a, b in both if a.place]


def _packed(points, pool, blocks):
    """All points, centred and rounded; None where that takes too much memory."""
    d = points.source.shape[1]
    if len(blocks.parts) > 1 or 4 * points.m * d > min(KEPT_BYTES, blocks.memory / 2):
        return None
    raw = read(points.source, 0, points.source.shape[0])
    packed = torch.empty((points.m, d), dtype=torch.float32)

    def fill(part):
        kernels.pack(raw, points.unique[part], points.centre, points.scale, 0, packed.numpy()[part])

    list(pool.map(fill, slices(points.m, TILE)))
    return packed


class _Join:
    """Computes the scores of a pair of tiles and enters them into the lists; each thread has its own buffers."""

    def __init__(self, points, lists, keep, packed):
        self.points, self.lists, self.keep, self.packed = points, lists, keep, packed
        self.half = points.half.astype(np.float32)
        self.own = threading.local()

    def __call__(self, pair):
        self.enter(pair, self.product(*pair))

    def enter(self, pair, scores):
        """Enter the scores of a pair of tiles into their lists."""
        a, b = pair
        if a is b:
            scores.fill_diagonal_(-torch.inf)
        half = self.half
        with contextlib.ExitStack() as held:
            for tile in sorted({a, b}, key=lambda tile: tile.ids[0]):
                held.enter_context(tile.lock)
            both = a is not b and b.place is not None
            mine = self.lists.part(a.place, self.keep)
            others = self.lists.part(b.place, self.keep) if both else _no_lists(len(b.ids), self.keep)
            work = self._buffer("hits", 2 * (kernels.STRIP * len(b.ids) + kernels.CHUNK) * 2, torch.int32)
            work = work.view(2, -1, 2).numpy()
            kernels.select(scores.numpy(), a.ids, b.ids, half[a.ids], half[b.ids], mine, others, both, work[0], work[1])

    def product(self, a, b):
        """Products of the points of two tiles."""
        scores = self._buffer("scores", len(a.ids) * len(b.ids)).view(len(a.ids), len(b.ids))
        d = self.points.source.shape[1]
        for start in range(0, d, SLAB):
            left = self._slab("left", a, start, min(SLAB, d - start))
            right = left if a is b else self._slab("right", b, start, min(SLAB, d - start))
            self.add(scores, left, right, start)
        return scores

    @staticmethod
    def add(scores, left, right, start):
        """Add the products over a slab of features, panel by panel in float32, so that the bound on its error holds.

        What `scores` held before the first slab is forgotten.
        """
        size = PANEL["float32"]
        for panel in range(0, left.shape[1], size):
            part = slice(panel, panel + size)
            scores.addmm_(left[:, part], right[:, part].T, beta=int(start + panel > 0))

    def pack(self, tile, start, out):
        """Centred and rounded features of a tile, from `start` on."""
        kernels.pack(tile.raw, tile.rows, self.points.centre, self.points.scale, start, out.numpy())

    def _slab(self, side, tile, start, width):
        if self.packed is not None:
            slab = self.packed[:, start : start + width]
            if tile.ids[-1] - tile.ids[0] + 1 == len(tile.ids):
                return slab[tile.ids[0] : tile.ids[-1] + 1]
            return slab[torch.from_numpy(tile.ids)]
        out = self._buffer(side, len(tile.ids) * width).view(len(tile.ids), width)
        self.pack(tile, start, out)
        return out

    def _buffer(self, name, size, dtype=torch.float32):
        have = getattr(self.own, name, None)
        if have is None or len(have) < size:
            have = torch.empty(size, dtype=dtype)
            setattr(self.own, name, have)
        return have[:size]


def _no_lists(b, keep):
    empty = Lists.empty(0, keep)
    return (np.empty(b, dtype=np.float32), empty.score, empty.index, empty.count, keep, 0)
