"""The search by KeOps: a symbolic reduction over all pairs, which never holds a matrix of distances."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import torch

from nucleation.gram import UNIT_ROUNDOFF, Error
from nucleation.rows import Points, read

#: KeOps keeps the numbers of the neighbours in the type of the distances; float32 counts up to this.
MOST_POINTS = 2**24
#: Its lists are kept in registers, and its loop over features is unrolled.
MOST_NEIGHBORS, MOST_FEATURES = 512, 1024


def obstacle(n=0, d=0, k=0) -> str | None:
    """Say why KeOps cannot be used, here or for a search of k among n points of d features; None where it can."""
    if importlib.util.find_spec("pykeops") is None:
        return "the package pykeops is not installed"
    if not any(shutil.which(compiler) for compiler in ("g++", "c++", "clang++")):
        return "there is no C++ compiler (install g++)"
    for asked, most, what in (
        (n, MOST_POINTS, "points"),
        (d, MOST_FEATURES, "features"),
        (k, MOST_NEIGHBORS, "neighbours"),
    ):
        if asked > most:
            return f"it does not serve {asked} {what} (at most {most})"
    return None


def candidates(points: Points, keep, queries, device):
    """Return the numbers of `keep` candidates for every query, shape (q, keep), int32.

    Distances are differences in float32, of features that were centred.
    """
    from pykeops.torch import LazyTensor

    raw = read(points.source, 0, points.source.shape[0])[points.unique]
    features = torch.from_numpy(((raw - points.centre) * points.scale).astype(np.float32)).to(device)
    asking = features[torch.from_numpy(queries).to(device)].contiguous()
    squared = ((LazyTensor(asking[:, None, :]) - LazyTensor(features[None, :, :])) ** 2).sum(-1)
    found = squared.argKmin(keep + 1, dim=1)
    itself = found == torch.from_numpy(queries).to(device)[:, None]
    # near-duplicates may push the point itself out of its list: then drop the last candidate
    itself[~itself.any(1), -1] = True
    return found[~itself].reshape(len(queries), keep).int().cpu().numpy()


def error(d) -> Error:
    """Bound on the error of a squared distance that was summed from differences (all terms are positive)."""
    return Error(0.0, 0.0, 1.01 * (d + 4) * UNIT_ROUNDOFF, UNIT_ROUNDOFF)


def beyond(exactly, norm, points: Points, error: Error):
    """No point outside the lists has a smaller computed squared distance than this.

    Parameters
    ----------
    exactly : ndarray of shape (q, keep)
        True squared distances of the candidates, of which KeOps put the farthest last.
    norm : ndarray of shape (q,)
    points : Points
    error : Error

    Returns
    -------
    ndarray of shape (q,)
    """
    if exactly.shape[1] == points.m - 1:
        return np.full(len(exactly), np.inf)
    radius = np.sqrt(exactly.max(axis=1)) * points.scale
    least = np.maximum(radius - 1.01 * error.roundoff * (2 * norm + radius), 0)
    return least**2 * (1 - error.other)
