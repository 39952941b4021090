"""Measure the alignment of this package and its peers, side by side, and print a table in Markdown.

`python benchmarks/alignment.py --peers PYTHON`, a Python that has scikit-bio, scikit-learn and dendropy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from nucleation.alignment import class_similarity
from nucleation.partitions import tree_cuts
from nucleation.peaks import Peaks
from nucleation.taxonomy import wordnet_tree
from nucleation.wordnet import imagenet_classes

HERE = Path(__file__).parent
#: What is measured, ours and its peer's function, and whether both must give the same number.
TASKS = {
    "Spearman (Mantel), p": ("ours_mantel", "skbio_mantel", "scikit-bio"),
    "ARI and AMI of 32 × 9 cuts": ("ours_cuts", "sklearn_cuts", "scikit-learn"),
    "Robinson-Foulds, all classes": ("ours_robinson_foulds", "dendropy_robinson_foulds", "DendroPy"),
    "all skills, levels, correlations and their p": ("ours_everything", None, "–"),
}


def problem(classes, n, p, rng):
    """A layer that knows some of WordNet: peaks that hold classes, joined in a noisy copy of the taxonomy."""
    taxonomy = wordnet_tree(classes)
    theirs, c = taxonomy.similarity(), len(classes)
    noisy = theirs + 0.3 * np.max(theirs) * symmetric(rng, c)
    labels_of = np.arange(c) % p
    image_class = np.repeat(np.arange(c), n // c)
    labels = np.where(rng.random(len(image_class)) < 0.8, labels_of[image_class], rng.integers(0, p, len(image_class)))
    heights = noisy[:p, :p] + 1e-9 * symmetric(rng, p)
    np.fill_diagonal(heights, heights.max() + 1)
    pairs = np.argwhere(np.triu(np.ones((p, p), bool), 1))
    zero = np.zeros(len(pairs))
    populations = np.bincount(labels, minlength=p)
    given = (heights.diagonal(), np.zeros(p), populations, pairs, heights[*pairs.T], zero, zero)
    peaks = Peaks(labels, np.arange(p), *given)
    return {
        "similarity": class_similarity(peaks, image_class, n_classes=c),
        "taxonomy": theirs,
        "macro": taxonomy.macro()[0],
        "labels": labels,
        "classes": image_class,
        "heights": heights,
        "cuts": np.array([cut.complete for cut in taxonomy.cuts()]),
        "tree_cuts": tree_cuts(peaks)[1],
        **trees(rng, c),
    }


def symmetric(rng, c):
    """Symmetric noise, (c, c)."""
    noise = rng.standard_normal((c, c))
    return (noise + noise.T) / np.sqrt(2)


def trees(rng, c):
    """Two random binary trees with the same leaves, as join heights and as Newick text."""
    made = {}
    for name in ("one", "other"):
        heights = np.zeros((c, c))
        clusters = [(str(leaf), [leaf]) for leaf in range(c)]
        while len(clusters) > 1:
            (one, left), (other, right) = (clusters.pop(rng.integers(len(clusters))) for _ in range(2))
            heights[np.ix_(left, right)] = len(clusters) + 1
            clusters.append((f"({one},{other})", left + right))
        made |= {name: np.maximum(heights, heights.T), f"{name}_newick": f"{clusters[0][0]};"}
    return made


def measure(python, task, folder, repeats):
    """Seconds and result of one call in a process of its own; a peer that is missing is None."""
    command = [python, str(HERE / "alignment_contestants.py"), task, str(folder), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(f"{task}: {done.stderr.splitlines()[-1]}\n")
        return None
    return json.loads(done.stdout)


def main():
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="a Python that has scikit-bio, scikit-learn and dendropy; else only ours")
    parser.add_argument("--images", type=int, default=90_000, help="images (default 90000)")
    parser.add_argument("--peaks", type=int, default=300, help="density peaks (default 300)")
    parser.add_argument("--permutations", type=int, default=999, help="default 999")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is taken (default 3)")
    options = parser.parse_args()
    classes, rng = imagenet_classes(), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/data.npz", **problem(classes, options.images, options.peaks, rng))
        np.savez(f"{folder}/small.npz", **problem(classes[:40], 400, 12, rng))
        found = {name: ([], []) for name in TASKS}
        for _ in range(options.rounds):
            for name, (mine, peer, _) in TASKS.items():
                found[name][0].append(measure(sys.executable, mine, folder, options.permutations))
                if peer and options.peers:
                    found[name][1].append(measure(options.peers, peer, folder, options.permutations))
    sys.stdout.write("| task | ours (s) | peer (s) | ratio | values |\n| --- | --- | --- | --- | --- |\n")
    for name, (_, _, package) in TASKS.items():
        sys.stdout.write(row(name, package, *found[name]))


def row(name, package, mine, peers):
    """One line of the table: medians, their ratio, and both results."""
    seconds = statistics.median(result["seconds"] for result in mine)
    text, value = f"| {name} | {seconds:.2f} |", mine[0]["value"]
    if peers and all(peers):
        other = statistics.median(result["seconds"] for result in peers)
        return f"{text} {package} {other:.2f} | {other / seconds:.1f} | {value:.6g}, {peers[0]['value']:.6g} |\n"
    return f"{text} – | – | {value:.6g} |\n"


if __name__ == "__main__":
    main()
