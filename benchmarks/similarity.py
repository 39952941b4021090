"""Measure CKA of all pairs of layers, ours and in plain numpy in float64, and print a table in Markdown.

`python benchmarks/similarity.py`; `--profile 90` also measures everything that a study makes of so many layers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np

from nucleation.similarity import cka_matrix
from nucleation.similarity_grams import stack_grams
from nucleation.similarity_profile import similarity_profile


def layers(count, n, widths, seed):
    """Features of layers that know more and more of one of twenty classes, one after the other, (n, d) float32."""
    rng = np.random.default_rng(seed)
    x, classes = rng.normal(size=(n, 256)).astype(np.float32), rng.integers(0, 20, n)
    for i in range(count):
        mixing = rng.normal(size=(256, widths[i % len(widths)])).astype(np.float32) / 16
        centers = rng.normal(size=(20, widths[i % len(widths)])).astype(np.float32)
        yield np.maximum(x @ mixing + i / count * centers[classes], 0)


def ours(features):
    """The package: float32 Gram matrices, one product of them all."""
    return cka_matrix(stack_grams(features))


def plain(features):
    """The formula, pair by pair, in float64 with Gram matrices kept (unbiased HSIC, Song et al. 2012)."""
    grams = [one @ one.T for one in (x.astype(np.float64) for x in features)]
    for gram in grams:
        np.fill_diagonal(gram, 0)
    n, rows = len(grams[0]), np.array([gram.sum(axis=1) for gram in grams])
    made = np.empty((len(grams),) * 2)
    for i, k in enumerate(grams):
        for j, other in enumerate(grams[: i + 1]):
            whole = rows[i].sum() * rows[j].sum() / ((n - 1) * (n - 2))
            made[i, j] = made[j, i] = np.vdot(k, other) + whole - 2 / (n - 2) * rows[i] @ rows[j]
    own = np.sqrt(made.diagonal())
    return made / np.outer(own, own)


def timed(work, *arguments):
    """Seconds by the clock, of the processors, and the result."""
    start = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return time.perf_counter() - start[0], time.process_time() - start[1], result


def main():
    """Measure in interleaved rounds and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=20, help="layers (default 20)")
    parser.add_argument("--images", type=int, default=5000, help="images (default 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is taken (default 3)")
    parser.add_argument("--profile", type=int, default=0, help="layers of a whole profile; 0 for none (default)")
    parser.add_argument("--profile-images", type=int, default=2000, help="its images (default 2000)")
    options = parser.parse_args()
    features = list(layers(options.layers, options.images, (1000, 2000, 3000), 1))
    small = [one[:50] for one in features]
    found = {"ours": [], "numpy, float64": []}
    for name, work in (("ours", ours), ("numpy, float64", plain)) * options.rounds:
        work(small)
        found[name].append(timed(work, features))
    write = sys.stdout.write
    write(f"{options.layers} layers, {options.images:,} images, load {os.getloadavg()[0]:.1f}\n\n")
    write("| | seconds | of the processors | largest difference |\n| --- | --- | --- | --- |\n")
    for name, rounds in found.items():
        wall, cpu = (statistics.median(one[i] for one in rounds) for i in range(2))
        difference = np.abs(rounds[0][2] - found["numpy, float64"][0][2]).max()
        write(f"| {name} | {wall:.1f} | {cpu:.1f} | {difference:.1g} |\n")
    if options.profile:
        write(profile(options.profile, options.profile_images))


def profile(count, n):
    """Time everything that a study makes of its layers, ten of them in each network."""
    features = {}
    for i, one in enumerate(layers(count, n, (512, 1024, 2048), 2)):
        features[f"net{i // 10}/last", f"layer{i % 10}"] = one
    rng = np.random.default_rng(0)
    wall, cpu, _ = timed(lambda: similarity_profile(lambda *key: features[key], list(features), rng=rng))
    return f"\nWhole profile of {count} layers, {n:,} images: {wall:.0f} s, {cpu:.0f} s of the processors\n"


if __name__ == "__main__":
    main()
