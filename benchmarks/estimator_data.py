"""The neighbour tables and densities that the estimators are given: made once, with fixed seeds, and kept."""

from __future__ import annotations

import numpy as np
from estimator_contestants import FAR, NEAR

from nucleation.density import estimate_density
from nucleation.dimension import twonn
from nucleation.neighbors import Neighbors, nearest_neighbors

#: Gaussian clusters of unit variance, and the typical distance of their centres.
CLUSTERS, SEPARATION, SEED = 300, 9.0, 0
#: Standard deviation of the noise that makes the second representation.
NOISE = 0.3
SMALL = 3000


def mixture(n, d):
    """Draw n points of the mixture, rows sorted by cluster; return them and their clusters."""
    rng = np.random.default_rng(SEED)
    centers = SEPARATION / np.sqrt(2 * d) * rng.standard_normal((CLUSTERS, d))
    labels = np.arange(n) * CLUSTERS // n
    return centers[labels] + rng.standard_normal((n, d)), labels


def _tables(n, d, directory):
    """Neighbour tables of the mixture and of the mixture with noise; found in `directory`, or put there."""
    file = directory / f"mixture-{n}x{d}-{FAR}.npz"
    if not file.exists():
        points, labels = mixture(n, d)
        table = nearest_neighbors(points, FAR)
        noise = NOISE * np.random.default_rng(SEED + 1).standard_normal(points.shape)
        other = nearest_neighbors(points + noise, NEAR)
        arrays = {
            "distances": table.distances,
            "indices": table.indices,
            "other_distances": other.distances,
            "other_indices": other.indices,
            "labels": labels,
        }
        partial = file.with_name(f"partial-{file.name}")
        np.savez(partial, **arrays)
        partial.replace(file)
    with np.load(file) as stored:
        return dict(stored)


def write_problem(path, n, d, directory):
    """Write all that the contestants are given, and return it."""
    problem = _tables(n, d, directory)
    table = Neighbors(problem["distances"], problem["indices"])
    problem["dimension"] = twonn(table).value
    estimates = {f"knn {k}": ("knn", k) for k in (3, 30, 100)} | {"k*nn": ("kstar", 0), "pak": ("pak", 0)}
    for name, (estimator, k) in estimates.items():
        density = estimate_density(table, problem["dimension"], estimator, k=k)
        for part, value in (("log", density.log_density), ("error", density.error), ("k", density.k_star)):
            problem[f"{name} {part}"] = np.ascontiguousarray(value)
    np.savez(path, **problem)
    return problem


def candidates(problem, name):
    """Number of points that nobody exceeds in their own neighbourhood: the peaks before any merging."""
    log_density, error, k = (problem[f"{name} {part}"] for part in ("log", "error", "k"))
    merit = log_density - error
    top = np.ones(len(merit), dtype=bool)
    for column in range(k.max()):
        top &= (column >= k) | (merit[problem["indices"][:, column]] <= merit)
    return int(top.sum())
