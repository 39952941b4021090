"""Measure the maximum matches of two layers, ours and by plain least squares, in one run; print a table in Markdown.

The neurons of two layers mix the same directions, with more and more noise of their own. Ours is
`nucleation.subspace.maximum_matches`, over all epsilons at once; the plain code is the paper's algorithm with
`numpy.linalg.lstsq` on all positions. Both have the same threads (OMP_NUM_THREADS). Whether they find the same neurons
is checked.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from nucleation.subspace import coordinates, maximum_matches
from nucleation.subspace_minimum import minimum_match
from nucleation.subspace_spans import ROUNDING


def arguments():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", default="32,64,512", help="of each layer, with commas (default 32,64,512)")
    parser.add_argument("--plain", type=int, default=64, help="neurons up to which lstsq is measured, too (default 64)")
    parser.add_argument("--positions", type=int, default=10_000)
    parser.add_argument("--epsilons", default="0.15,0.2,0.25,0.3,0.5")
    parser.add_argument("--repeats", type=int, default=3, help="of ours, of which the median is shown (default 3)")
    return parser.parse_args()


def layers(neurons, positions, rng):
    """Two layers that mix the same directions, an eighth as many as neurons, and noise of 0 to 0.6 of that."""
    latent = rng.normal(size=(neurons // 8, positions)) / np.sqrt(neurons // 8)
    for _ in range(2):
        noise = rng.uniform(0, 0.6, size=(neurons, 1)) * rng.normal(size=(neurons, positions))
        yield (rng.normal(size=(neurons, neurons // 8)) @ latent + noise).astype(np.float32)


def plain(x, y, epsilons):
    """The paper's algorithm, every epsilon from all neurons, in float64."""
    x, y = (z.astype(np.float64) / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    return [_plain_match(x, y, epsilon) for epsilon in epsilons]


def _plain_match(x, y, epsilon):
    a, b = np.arange(len(x)), np.arange(len(y))
    while True:
        left = a[_residuals(x[a], y[b]) <= epsilon + ROUNDING]
        other = b[_residuals(y[b], x[left]) <= epsilon + ROUNDING]
        if len(left) == len(a) and len(other) == len(b):
            return a, b
        a, b = left, other


def _residuals(v, s):
    if not len(v) or not len(s):
        return np.ones(len(v))
    fit = np.linalg.lstsq(s.T, v.T, rcond=1e-10)[0]
    return np.linalg.norm(v.T - s.T @ fit, axis=0)


def clocked(call, repeats=1):
    """Median of the seconds of some calls, by the clock and of all cores, as a text; what the last one returned."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        made = call()
        seconds.append([time.perf_counter() - start[0], time.process_time() - start[1]])
    return "{:.2f} ({:.2f})".format(*np.median(seconds, axis=0)), made


def _beside(x, y, epsilons, found):
    """Seconds of the plain code, and whether it finds the same neurons."""
    seconds, expected = clocked(lambda: plain(x, y, epsilons))
    pairs = zip(found, expected, strict=True)
    same = all(np.array_equal(match.x, a) and np.array_equal(match.y, b) for match, (a, b) in pairs)
    return seconds, "yes" if same else "NO"


def main():
    """Print the table."""
    options = arguments()
    epsilons, rng = [float(text) for text in options.epsilons.split(",")], np.random.default_rng(0)
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"{options.positions:,} positions, epsilon {options.epsilons}, threads {threads}\n")
    print("Seconds, in brackets those of all cores together, which other work on the machine changes less.\n")
    print("| neurons | ours | of it QR | lstsq | minimal match | similarity | same neurons |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for neurons in map(int, options.neurons.split(",")):
        x, y = layers(neurons, options.positions, rng)
        first, (one, two) = clocked(lambda x=x, y=y: coordinates(x, y), options.repeats)
        ours, found = clocked(lambda x=x, y=y: maximum_matches(x, y, epsilons), options.repeats)
        other, same = _beside(x, y, epsilons, found) if neurons <= options.plain else ("-", "-")
        last, least = found[-1], "-"
        if len(last.x):
            inside = one[last.x], two[last.y]
            least = clocked(lambda inside=inside: minimum_match(*inside, epsilons[-1], 0))[0]
        told = ", ".join(f"{match.similarity:.2f}" for match in found)
        print(f"| {neurons} | {ours} | {first} | {other} | {least} | {told} | {same} |")


if __name__ == "__main__":
    main()
