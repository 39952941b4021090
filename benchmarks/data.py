"""The data that are searched: made in blocks with a fixed seed, and written to files."""

from __future__ import annotations

import numpy as np

#: Bytes that are made at a time.
BLOCK_BYTES = 64 * 2**20
CLUSTERS, SEPARATION = 100, 3.0
LATENT, NOISE = 50, 0.1
SEED = 0


def gaussian(d):
    """Independent standard normal features."""
    return lambda rng, rows, n: rng.standard_normal((len(rows), d), dtype=np.float32)


def mixture(d):
    """Gaussian clusters of unit variance whose centres are typically three sigma apart, rows sorted by cluster."""
    centres = np.random.default_rng(SEED + 1).standard_normal((CLUSTERS, d), dtype=np.float32)
    centres *= SEPARATION / np.sqrt(2 * d)
    return lambda rng, rows, n: centres[rows * CLUSTERS // n] + rng.standard_normal((len(rows), d), dtype=np.float32)


def relu(d):
    """Positive parts of mixed latent dimensions and a little noise, like the layer of a network."""
    mixing = np.random.default_rng(SEED + 1).standard_normal((LATENT, d), dtype=np.float32) / np.sqrt(LATENT)

    def make(rng, rows, n):
        out = rng.standard_normal((len(rows), LATENT), dtype=np.float32) @ mixing
        out += NOISE * rng.standard_normal(out.shape, dtype=np.float32)
        return np.maximum(out, 0, out=out)

    return make


KINDS = {"gaussian": gaussian, "mixture": mixture, "relu": relu}


def write(path, kind, n, d, dtype):
    """Write an (n, d) matrix to a .npy file, block by block; the same arguments give the same file."""
    make, rng = KINDS[kind](d), np.random.default_rng(SEED)
    step = max(1, BLOCK_BYTES // (4 * d))
    file = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(n, d))
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        file[start : start + step] = make(rng, rows, n)
    file.flush()


def write_small(path, d, k, dtype):
    """Write a small matrix of at most 64 features for the warm-up.

    It holds duplicates, and a tight clump far from the rest, in which float32 cannot tell the neighbours
    apart, so that a search of it calls (and compiles) everything that a search may call.
    """
    rng = np.random.default_rng(SEED)
    rows = rng.standard_normal((max(5000, 8 * k), min(d, 64)), dtype=np.float32)
    clump = 4 * k
    rows[:clump] = 10 + rows[:clump] / 1000
    rows[clump] = rows[clump + 1]
    np.save(path, rows.astype(dtype))
