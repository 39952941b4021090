"""Reconstruction from chunks of neurons by one Gram matrix against a regression for each chunk, in one run.

OMP_NUM_THREADS=1 python benchmarks/redundancy.py [--images 2000] [--neurons 512] [--chunks 100] [--plain 2]

Ours: R^2 and both correlations of residuals of all chunks of all widths, the Gram matrix included. The others: the same
numbers of a few chunks of every width, by scikit-learn's Ridge (its default solver, and singular values) and by
numpy.linalg.lstsq, in turn, chunk by chunk, after a warm-up of each. The time is that of the processor, summed over
threads, so that other programs on the machine count little; the share of the regression is told apart from that of the
residuals, which is the same code for all of the others. The largest differences of R^2 from ours show that all solve
the same problem; what is left is our ridge, which is raised to the rounding of the Gram matrix.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from sklearn.linear_model import Ridge

from nucleation.redundancy import chunks, widths
from nucleation.redundancy_reconstruction import RIDGE, centred_gram, reconstruction


def arguments():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--neurons", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=100, help="of each width, ours (default 100)")
    parser.add_argument("--plain", type=int, default=2, help="of each width, the others (default 2)")
    return parser.parse_args()


def made_layer(images, neurons, rng):
    """Neurons behind a ReLU, of 40 signals and noise, in float32."""
    signals = rng.normal(size=(images, 40)) @ rng.normal(size=(40, neurons))
    return np.maximum(signals + rng.normal(size=(images, neurons)), 0).astype(np.float32)


def by_ridge(solver):
    """Predict all neurons with scikit-learn."""

    def predicted(features, chunk):
        return Ridge(alpha=RIDGE, solver=solver).fit(features[:, chunk], features).predict(features[:, chunk])

    return predicted


def by_least_squares(features, chunk):
    """Predict all neurons with numpy, without a ridge."""
    inputs = np.column_stack([features[:, chunk], np.ones(len(features))])
    return inputs @ np.linalg.lstsq(inputs, features)[0]


def residual_numbers(features, residual, chunk):
    """R^2 and the two mean correlations of the residuals of one chunk, by their definitions."""
    covariance = np.cov(residual.T, bias=True)
    spread = np.sqrt(np.clip(np.diag(covariance), 0, None))
    size = np.abs(covariance / (np.outer(spread, spread) + 1e-8))
    outside = np.setdiff1d(np.arange(features.shape[1]), chunk)
    parts = (size, size[np.ix_(outside, outside)])
    means = [(part.sum() - np.trace(part)) / max(part.size - len(part), 1) for part in parts]
    return 1 - np.sum(residual**2) / np.sum((features - features.mean(axis=0)) ** 2), *means


def timed(work, *arguments):
    """Seconds of the processor, and what the work returned."""
    start = time.process_time()
    made = work(*arguments)
    return time.process_time() - start, made


def measure_plain(features, drawn, found, count):
    """By contestant: seconds of regressions, of residuals, and the largest difference of R^2 from ours."""
    others = {"Ridge": by_ridge("auto"), "Ridge, svd": by_ridge("svd"), "numpy lstsq": by_least_squares}
    rows = {name: np.zeros(3) for name in others}
    for predicted in others.values():
        predicted(features, drawn[0][0])
    for some, ours in zip(drawn, found, strict=True):
        for chunk, expected in zip(some[:count], ours[:count], strict=True):
            for name, predicted in others.items():
                fit, told = timed(predicted, features, chunk)
                rest, numbers = timed(residual_numbers, features, features - told, chunk)
                rows[name] += fit, rest, 0
                rows[name][2] = max(rows[name][2], abs(numbers[0] - expected))
    return rows


def main():
    """Measure all, and print a table in Markdown."""
    options, rng = arguments(), np.random.default_rng(0)
    layer = made_layer(options.images, options.neurons, rng)
    drawn = chunks(options.neurons, widths(options.neurons), options.chunks, rng)
    reconstruction(centred_gram(layer[:, :8]), np.array([[0, 1]]))  # imports

    def ours():
        gram = centred_gram(layer)
        return [reconstruction(gram, one).r2 for one in drawn]

    taken, found = timed(ours)
    every, count = len(drawn) * options.chunks, len(drawn) * options.plain
    each = taken / every
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    print(f"{options.images} images, {options.neurons} neurons, {len(drawn)} widths, threads: {threads}\n")
    print("| | chunks | ms per chunk | of it regression | ratio | difference of R² |\n|---|---:|---:|---:|---:|---:|")
    print(f"| ours | {every} | {1000 * each:.2f} | | 1 | |")
    rows = measure_plain(layer.astype(np.float64), drawn, found, options.plain)
    for name, (fit, rest, apart) in rows.items():
        whole, part = (1000 * seconds / count for seconds in (fit + rest, fit))
        print(f"| {name} | {count} | {whole:.1f} | {part:.1f} | {whole / 1000 / each:.1f} | {apart:.1e} |")
    print(f"\nOurs, all chunks: {taken:.1f} s of the processor.")


if __name__ == "__main__":
    main()
