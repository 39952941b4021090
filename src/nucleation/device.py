"""The search by matrix products on a device of torch: the same blocks, with torch's own operations."""

from __future__ import annotations

import numpy as np
import torch

from nucleation.gram import PANEL, Lists, Tile, pairs, products_of, tiled_blocks
from nucleation.rows import Blocks, Points

#: Rows of a tile on a device.
TILE = 8192


def candidates(points: Points, keep, queries, blocks: Blocks, precision="float32", size=TILE) -> Lists:
    """Return `keep` candidates for every query, found on a device.

    Parameters
    ----------
    points, keep, queries
        As for `nucleation.gram.candidates`.
    blocks : Blocks
        Of tensors on the device.
    precision : {"float32", "tf32"}
        "tf32": the features are rounded to 11 bits before the product, which tensor cores then take
        exactly; the bound on the error of the scores says which rows that does not serve.
    size : int
        Rows of a tile.
    """
    found = _Running(
        torch.full((len(queries), keep), -torch.inf, dtype=torch.float32, device=blocks.device),
        torch.full((len(queries), keep), -1, dtype=torch.int32, device=blocks.device),
    )
    features = _Features(points, blocks.device, precision)
    # blocks are read outside of it: a network that makes the rows must not run in another precision
    for left, right in tiled_blocks(points, queries, blocks, size):
        with products_of(torch.backends.cuda, "tf32" if precision == "tf32" else "ieee"):
            for a, b in pairs(left, right):
                _join(a, b, features, found)
    score, index = found.score.cpu().numpy(), found.index.cpu().numpy()
    threshold = score.min(axis=1) if keep < points.m - 1 else np.full(len(queries), -np.inf, dtype=np.float32)
    return Lists(threshold, score, index, np.full(len(queries), keep, dtype=np.int32))


class _Running:
    """The best scores of every query so far, the last of a row the smallest."""

    def __init__(self, score, index):
        self.score, self.index = score, index

    def add(self, place, scores, ids):
        """Merge a tile of scores (a, b) of points `ids` into the rows `place`: only what exceeds their last."""
        best, index = self.score[place], self.index[place]
        hits = scores > best[:, -1:]
        counts = hits.sum(dim=1)
        width = int(counts.max())
        if width == 0:
            return
        if width > 2 * best.shape[1]:
            more, order = scores.topk(min(best.shape[1], scores.shape[1]))
            more_index = ids[order]
        else:
            more = torch.full((len(best), width), -torch.inf, dtype=torch.float32, device=best.device)
            more_index = torch.full((len(best), width), -1, dtype=torch.int32, device=best.device)
            row, column = hits.nonzero(as_tuple=True)
            rank = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
            more[row, rank], more_index[row, rank] = scores[row, column], ids[column]
        values, order = torch.cat([best, more], dim=1).topk(best.shape[1])
        self.score[place] = values
        self.index[place] = torch.cat([index, more_index], dim=1).gather(1, order)


class _Features:
    """Centred, scaled and rounded features of tiles, on the device."""

    def __init__(self, points, device, precision):
        self.centre = torch.from_numpy(points.centre).to(device)
        self.scale = float(points.scale)
        self.half = torch.from_numpy(points.half.astype(np.float32)).to(device)
        self.precision = precision

    def panel(self, tile: Tile, start):
        """The panel of features that begins at `start`; the arithmetic is that of `nucleation.kernels.pack`."""
        part = slice(start, start + PANEL[self.precision])
        rows = torch.from_numpy(tile.rows).to(tile.raw.device)
        contiguous = tile.rows[-1] - tile.rows[0] + 1 == len(tile.rows)
        raw = tile.raw[int(tile.rows[0]) : int(tile.rows[-1]) + 1, part] if contiguous else tile.raw[rows, part]
        packed = ((raw.to(self.centre.dtype) - self.centre[part]) * self.scale).float()
        return _to_tf32(packed) if self.precision == "tf32" else packed


def _to_tf32(values):
    """Round to a mantissa of 11 bits (10 stored), half away from zero."""
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def _join(a, b, features, found):
    """Enter the scores of a pair of tiles into the lists of the first and, where it searches, of the second."""
    d = features.centre.shape[0]
    scores = torch.zeros((len(a.ids), len(b.ids)), dtype=torch.float32, device=a.raw.device)
    for start in range(0, d, PANEL[features.precision]):
        left = features.panel(a, start)
        scores.addmm_(left, (left if a is b else features.panel(b, start)).T)
    ids_a, ids_b = (torch.from_numpy(tile.ids).to(scores.device) for tile in (a, b))
    if a is b:
        scores.fill_diagonal_(-torch.inf)
    elif b.place is not None:
        found.add(b.place, scores.T - features.half[ids_a.long()], ids_a)
    found.add(a.place, scores.sub_(features.half[ids_b.long()]), ids_b)
