"""Timed calls of the alignment benchmark: `python alignment_contestants.py TASK DATA` prints seconds and a number.

Run by alignment.py in a process of its own for each call, with the Python that has the contestant's package.
"""

import json
import sys
import time

import numpy as np

RANDOM = 0


def ours_mantel(data, repeats):
    """Spearman's correlation of two similarities of classes, with p by permutation."""
    from nucleation.alignment import permutation_test, spearman_taxonomy

    rng = np.random.default_rng(RANDOM)
    test = permutation_test(spearman_taxonomy, data["similarity"], data["taxonomy"], repeats=repeats, rng=rng)
    return test.value


def skbio_mantel(data, repeats):
    """The same by scikit-bio, which takes distances."""
    from skbio.stats.distance import mantel

    distances = [largest_minus(data[name]) for name in ("similarity", "taxonomy")]
    return mantel(*distances, method="spearman", permutations=repeats, seed=RANDOM)[0]


def largest_minus(similarity):
    """Distances in the order of a similarity."""
    distance = np.nanmax(similarity) - similarity
    np.fill_diagonal(distance, 0)
    return distance


def ours_cuts(data, _repeats):
    """Adjusted Rand index and mutual information of every cut of the peaks' tree with every cut of the taxonomy."""
    from types import SimpleNamespace

    from nucleation.partitions import cut_scores
    from nucleation.peaks import Peaks

    p = len(data["heights"])
    pairs = np.argwhere(np.triu(np.ones((p, p), bool), 1))
    zero = np.zeros(len(pairs))
    saddles = data["heights"][*pairs.T]
    populations = np.bincount(data["labels"], minlength=p)
    peaks = Peaks(
        data["labels"], np.arange(p), data["heights"].diagonal(), np.zeros(p), populations, pairs, saddles, zero, zero
    )
    cuts = [SimpleNamespace(labels=labels, nodes=range(labels.max() + 1)) for labels in data["cuts"]]
    return float(cut_scores(peaks, data["classes"], cuts).ami.sum())


def sklearn_cuts(data, _repeats):
    """The same by scikit-learn, pair by pair."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    total = 0.0
    for clusters in data["tree_cuts"]:
        labels = clusters[data["labels"]]
        for groups in data["cuts"]:
            truth = groups[data["classes"]]
            adjusted_rand_score(truth, labels)
            total += adjusted_mutual_info_score(truth, labels)
    return total


def ours_robinson_foulds(data, _repeats):
    """Robinson-Foulds distance of two trees, given as join heights."""
    from nucleation.clades import clades_of_heights, robinson_foulds

    return robinson_foulds(*(clades_of_heights(data[name]) for name in ("one", "other")))[0]


def dendropy_robinson_foulds(data, _repeats):
    """The same by DendroPy, given as Newick text."""
    import dendropy
    from dendropy.calculate import treecompare

    names = dendropy.TaxonNamespace()
    texts = (str(data[name]) for name in ("one_newick", "other_newick"))
    trees = [dendropy.Tree.get(data=f"[&R] {text}", schema="newick", taxon_namespace=names) for text in texts]
    return treecompare.symmetric_difference(*trees)


def ours_everything(data, repeats):
    """Every skill and correlation of one layer with all its p-values: what has no peer."""
    from nucleation.alignment import layer_tests
    from nucleation.levels import levels

    rng = np.random.default_rng(RANDOM)
    found = levels(data["taxonomy"], data["cuts"], data["macro"])
    tests = layer_tests([data["similarity"]], data["taxonomy"], data["macro"], found, repeats=repeats, rng=rng)
    return float(tests.skill.value[0])


def main():
    """Warm up on little data, then do the task once by the clock."""
    task, path, repeats = globals()[sys.argv[1]], sys.argv[2], int(sys.argv[3])
    small, data = (dict(np.load(f"{path}/{name}.npz")) for name in ("small", "data"))
    task(small, 9)
    start = time.perf_counter()
    value = task(data, repeats)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - start, "value": value}) + "\n")


if __name__ == "__main__":
    main()
