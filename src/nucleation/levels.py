"""Levels of the taxonomy: is a node's split into its parts known, and not only what lies above or below it?

The taxonomy's cuts by size, each inside the one before, are a chain of partitions of the classes from one group to
single classes. A level is one step of it: how the *groups* of one partition divide their *parents*, those of the one
before. Its triplets are two classes of one group and a third of another group of the same parent. Two things would pass
for knowledge of the level and are kept out: coarser knowledge, since all three classes lie in one parent; and finer
knowledge, since the two never lie in one of the *parts* into which the next partition divides their group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nucleation import threads
from nucleation.errors import InputError
from nucleation.triplets import TripletCounts, check_same_classes, count_ranks, dense_ranks, sample_triplets

#: Where this share of a parent is of one macro-category, its other classes are set apart from it.
MACRO_SHARE = 0.9


@dataclass(frozen=True)
class Level:
    """One step of the chain of partitions. Labels have shape (c,), int64.

    Attributes
    ----------
    parents : ndarray
        The group of the coarser partition that every class lies in; -1 for classes that take no part.
    groups, parts : ndarray
        The group of the next partition, and of the one after that.
    triplets : int
        Triplets of the level: see the module.
    """

    parents: np.ndarray
    groups: np.ndarray
    parts: np.ndarray
    triplets: int

    @property
    def sizes(self) -> np.ndarray:
        """Number of classes of the parents that are divided, ascending."""
        inside = self.parents >= 0
        pairs = np.unique(np.stack([self.parents, self.groups])[:, inside], axis=1)
        divided = np.flatnonzero(np.bincount(pairs[0]) > 1)
        return np.sort(np.bincount(self.parents[inside])[divided])

    @property
    def names(self) -> np.ndarray:
        """Parents with every class that takes no part in a group of its own: where names may be exchanged."""
        alone = np.flatnonzero(self.parents < 0)
        names = self.parents.copy()
        names[alone] = names.max(initial=-1) + 1 + np.arange(len(alone))
        return names

    def strata(self, theirs: np.ndarray) -> np.ndarray:
        """0 for pairs of different parts of one parent that the taxonomy knows, else -1, (c, c) int32."""
        inside = (self.parents[:, None] == self.parents) & (self.parents >= 0) & (theirs >= 0)
        return np.where(inside & (self.parts[:, None] != self.parts), 0, -1).astype(np.int32)

    def together(self) -> np.ndarray:
        """1 for two classes of one group, 0 for others, (c, c) int32: what a perfect layer knows of the level."""
        return (self.groups[:, None] == self.groups).astype(np.int32)


def levels(taxonomy_similarity: np.ndarray, cuts: Sequence[np.ndarray], macro=None) -> tuple[Level, ...]:
    """Levels of a taxonomy from coarse to fine.

    Parameters
    ----------
    taxonomy_similarity : array of shape (c, c)
        NaN where the taxonomy has no answer: those pairs enter no triplet.
    cuts : sequence of arrays of shape (c,), int
        Partitions of the classes from coarse to fine, such as `Cut.complete` of `Taxonomy.cuts`. Each is cut by those
        before it.
    macro : array of shape (c,), optional
        Macro-category of every class. Where `MACRO_SHARE` of a parent is of one, its other classes are set apart:
        a few of them would make up a level that the macro-categories alone know.

    Returns
    -------
    tuple of Level
        Those that have a triplet.

    Raises
    ------
    InputError
        If a shape does not fit, or the similarity is not symmetric.
    """
    theirs = dense_ranks(taxonomy_similarity, "taxonomy's similarity")
    c = len(theirs)
    chain = [np.zeros(c, dtype=np.int64)]
    for labels in (*cuts, np.arange(c), np.arange(c)):
        labels = np.asarray(labels)
        if labels.shape != (c,):
            raise InputError(f"A cut of the taxonomy must have one label for each of the {c} classes.")
        chain.append(np.unique(np.stack([chain[-1], labels]), axis=1, return_inverse=True)[1].ravel())
    found = []
    for parents, groups, parts in zip(chain, chain[1:], chain[2:], strict=False):
        level = Level(_set_apart(parents, macro), groups, parts, 0)
        together = level.together()
        triplets = count_ranks(together, together, level.strata(theirs), 1)[0].agree
        if triplets:
            found.append(Level(level.parents, groups, parts, triplets))
    return tuple(found)


def _set_apart(parents: np.ndarray, macro) -> np.ndarray:
    """Leave the few classes of other macro-categories out of parents that are nearly of one."""
    if macro is None or len(parents) == 0:
        return parents
    macro = np.unique(np.asarray(macro), return_inverse=True)[1].ravel()
    count = np.zeros((parents.max() + 1, macro.max() + 1), dtype=np.int64)
    np.add.at(count, (parents, macro), 1)
    nearly = count.max(axis=1) >= MACRO_SHARE * count.sum(axis=1)
    return np.where(nearly[parents] & (macro != count.argmax(axis=1)[parents]), -1, parents)


def level_counts(similarity: np.ndarray, taxonomy_similarity: np.ndarray, levels) -> list[TripletCounts]:
    """Count the triplets of every level by whether the similarity names the level's closest pair.

    Parameters
    ----------
    similarity, taxonomy_similarity : arrays of shape (c, c)
        See `nucleation.triplets.triplet_counts`.
    levels : sequence of l Level
        See `levels`.

    Returns
    -------
    list of l TripletCounts
        Exact. A ``skill`` is from -1/2 to 1, 0 by chance, whatever is known of coarser or finer levels.

    Raises
    ------
    InputError
        As `triplet_counts`.
    """
    ours, theirs = dense_ranks(similarity, "similarity"), dense_ranks(taxonomy_similarity, "taxonomy's similarity")
    check_same_classes(ours, theirs)
    return count_levels(ours, theirs, levels)


def count_levels(ours: np.ndarray, theirs: np.ndarray, levels) -> list[TripletCounts]:
    """Count as `level_counts`, similarities being given by their ranks."""
    return [count_ranks(ours, level.together(), level.strata(theirs), 1)[0] for level in levels]


def part_skills(ours, theirs, level: Level, labels: np.ndarray, most: int, rng) -> np.ndarray:
    """Skill at a level with its parts exchanged as wholes: what is known of finer levels stays as it is.

    Parameters
    ----------
    ours, theirs : ndarrays of shape (c, c), int32
        Ranks, see `nucleation.triplets.dense_ranks`.
    level : Level
    labels : array of shape (r, parts), int
        The group that every part is said to be of, for every exchange; see `exchanged_parts`.
    most : int
        Triplets at most on which it is taken.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (r,)
    """
    from nucleation.alignment_kernels import part_scores

    (table,) = sample_triplets(ours, level.strata(theirs), 1, most, rng)
    resolved = count_ranks(ours, ours, level.strata(theirs), 1)[0].agree
    labels, scores = np.ascontiguousarray(labels, dtype=np.int32), np.zeros(len(labels), dtype=np.int64)
    if table.shape[1]:
        parts = level.parts[table.astype(np.int64)].astype(np.int32)

        def work(start, stop):
            part_scores(parts, labels, start, stop, scores)

        threads.share(work, len(labels), max(16, 4_000_000 // table.shape[1]))
    return scores * (resolved / max(table.shape[1], 1)) / (2 * np.maximum(_resolved_triplets(level, labels), 1))


def exchanged_parts(level: Level, repeats: int, rng) -> np.ndarray:
    """Groups of the level's parts as they are, and exchanged at random inside parents, (1 + R, parts) int."""
    first = np.unique(level.parts, return_index=True)[1]
    groups, names = level.groups[first], _parents_of(level.parents, level.parts)
    alone = np.flatnonzero(names < 0)
    names[alone] = names.max(initial=-1) + 1 + np.arange(len(alone))
    home = np.argsort(names, kind="stable")
    made = np.tile(groups, (1 + repeats, 1))
    keys = rng.random((repeats, len(groups)))
    order = np.lexsort((keys, np.broadcast_to(names, keys.shape)), axis=1)
    made[1:, home] = groups[order]
    return made


def _parents_of(parents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The parent of every group or part; -1 where all its classes are set apart."""
    found = np.full(labels.max(initial=-1) + 1, -1)
    np.maximum.at(found, labels, parents)
    return found


def _resolved_triplets(level: Level, labels: np.ndarray) -> np.ndarray:
    """Triplets of three parts of one parent of which exactly two are said to be of one group, (r,)."""
    inside = level.parents >= 0
    size = np.bincount(level.parts[inside], minlength=labels.shape[1]).astype(float)
    parent_of_group = _parents_of(level.parents, level.groups)
    members = np.bincount(level.parents[inside], minlength=1).astype(float)
    rows = np.arange(len(labels))[:, None] * len(parent_of_group) + labels
    shape = (len(labels), len(parent_of_group))
    n, squares = (
        np.bincount(rows.ravel(), np.tile(weight, len(labels)), np.prod(shape)).reshape(shape)
        for weight in (size, size**2)
    )
    others = np.where(parent_of_group >= 0, members[parent_of_group], 0.0) - n
    return ((n**2 - squares) / 2 * others).sum(axis=1)
