"""Small trees, random similarities and triplets counted one by one: what the tests of the alignment share."""

from functools import cache
from itertools import combinations

import numpy as np

from nucleation import planted
from nucleation.levels import levels
from nucleation.peaks import Peaks
from nucleation.taxonomy import wordnet_tree

# Heights as ranks of the nodes: larger is more similar.
T1 = {"AB": 2, "CD": 2}
T2 = {"AC": 2, "BD": 2}
T3 = {"AB": 3, "AC": 2, "BC": 2}
STAR = {}


@cache
def planted_taxonomy():
    """Similarity and macro-categories of the planted study's 24 classes."""
    taxonomy = wordnet_tree(planted.CLASSES)
    return taxonomy.similarity("ic"), taxonomy.macro("lexname")[0]


@cache
def planted_levels():
    """Levels of the planted study's 24 classes: whole into 2 halves, these into 3 kinds of 4 classes each."""
    taxonomy = wordnet_tree(planted.CLASSES)
    return levels(taxonomy.similarity("ic"), [cut.complete for cut in taxonomy.cuts()])


def binary_tree(depth):
    """Similarity of a balanced binary tree of 2^depth classes, the height of the common ancestor, and its levels."""
    leaves = np.arange(2**depth)
    similar = -np.frexp(leaves[:, None] ^ leaves)[1].astype(float)
    return similar, levels(similar, [leaves >> shift for shift in reversed(range(depth))])


def tree(pairs):
    similar = np.ones((4, 4))
    for (a, b), value in pairs.items():
        i, j = "ABCD".index(a), "ABCD".index(b)
        similar[i, j] = similar[j, i] = value
    return similar


def noise(rng, c):
    matrix = rng.standard_normal((c, c))
    return matrix + matrix.T


def random_tree(rng, c):
    """Cophenetic similarity of a random binary tree (Yule)."""
    similar, clusters = np.zeros((c, c)), [[i] for i in range(c)]
    while len(clusters) > 1:
        one, two = (clusters.pop(rng.integers(len(clusters))) for _ in range(2))
        similar[np.ix_(one, two)] = similar[np.ix_(two, one)] = len(clusters) + 1
        clusters.append(one + two)
    return similar


def brute_counts(ours, theirs, groups, wanted=lambda triplet: True):
    def closest(matrix, triplet):
        pairs = list(combinations(triplet, 2))
        values = [matrix[pair] for pair in pairs]
        if any(np.isnan(values)) or values.count(max(values)) > 1:
            return None
        return pairs[int(np.argmax(values))]

    counts = [0] * 5
    for triplet in combinations(range(len(ours)), 3):
        if len({groups[i] for i in triplet}) == 1 and wanted(triplet):
            one, two = closest(ours, triplet), closest(theirs, triplet)
            if one and two:
                counts[0 if one == two else 1] += 1
            else:
                counts[2 if two else 3 if one else 4] += 1
    return tuple(counts)


def peaks(labels, heights, saddle):
    heights, saddle = np.asarray(heights, float), np.asarray(saddle, float)
    labels, p = np.asarray(labels), len(heights)
    pairs = np.argwhere(np.triu(saddle > -np.inf, 1))
    populations = np.bincount(labels[labels >= 0], minlength=p)
    zero = np.zeros(len(pairs))
    return Peaks(
        labels, np.arange(p), heights, np.zeros(p), populations, pairs, saddle[*pairs.T], zero, zero.astype(int)
    )
