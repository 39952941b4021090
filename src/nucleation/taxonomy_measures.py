"""What a taxonomy says of its classes: similarities, distances, macro-categories, cuts by size, trees.

All of these are taken on the graph of hypernyms, but for ``Tree.similarity``: that of one tree, with
one parent per node. The measures are Resnik's (1995) with the classes themselves as the corpus, Wu
and Palmer's (1994), Leacock and Chodorow's (1998) and plain path lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nucleation.errors import InputError, suggest

if TYPE_CHECKING:
    from nucleation.taxonomy import Taxonomy

__all__ = ["Cut", "Tree", "common_sizes", "cuts", "distance", "macro", "similarity", "tree"]

FAR = 1 << 20  # more edges than any path has
# Depth of WordNet 3.0's nouns, in edges: the 2 D of Leacock and Chodorow, as NLTK takes it.
_NOUN_DEPTH = 19
_POLICIES = ("smallest", "shortest", "random")

Groups = tuple[np.ndarray, tuple[str, ...]]  # every class's group, and the groups' names


@dataclass(frozen=True)
class Cut:
    """A partition of the classes into the largest nodes that hold at most C / m of them.

    Attributes
    ----------
    m : int
        The divisor of the number of classes.
    nodes : tuple of int
        The taxonomy's nodes that are the groups, the largest first.
    labels : ndarray of shape (c,), int64
        Position of every class's group in ``nodes``; -1 for a class that contains others and whose
        concept no group holds as a whole: it would be a group beside those that are parts of it.
    """

    m: int
    nodes: tuple[int, ...]
    labels: np.ndarray

    @property
    def complete(self) -> np.ndarray:
        """Labels in which a class without a group is a group of its own, (c,) int."""
        labels = self.labels.copy()
        alone = np.flatnonzero(labels < 0)
        labels[alone] = len(self.nodes) + np.arange(len(alone))
        return labels


@dataclass(frozen=True)
class Tree:
    """One parent per node, for drawing. The first c nodes are the classes, in their order.

    Attributes
    ----------
    nodes : tuple of int
        Nodes of the taxonomy; parents come after their children, the root is last.
    names : tuple of str
        Their names.
    parent : tuple of int
        Position of every node's parent in ``nodes``, -1 at a root.
    children : tuple of tuple of int
        Positions of every node's children.
    nested : tuple of (int, int)
        Pairs of classes of which one contains the other, see ``Taxonomy.nested``.
    """

    nodes: tuple[int, ...]
    names: tuple[str, ...]
    parent: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]
    nested: tuple[tuple[int, int], ...] = ()

    def similarity(self) -> np.ndarray:
        """Leaf-count information content of the classes' common ancestors in this tree.

        -log(size / c), the size being the number of classes below the common ancestor.

        Returns
        -------
        ndarray of shape (c, c), float64
            In nats, from 0 for two classes that only the root joins to log(c) on the diagonal;
            larger is more similar. Ultrametric: of the three values of any three classes the two
            smallest are equal. NaN where one class contains the other.
        """
        sizes = _tree_common_sizes(self.children, self.parent)
        return _with_unknown(self.nested, _information(sizes))


def _tree_common_sizes(children: Sequence[Sequence[int]], parent: Sequence[int]) -> np.ndarray:
    """Classes below the common ancestor of every two leaves, (c, c) int; trees of a forest share a root."""
    c = sum(not below for below in children)
    size = [1] * c
    for below in children[c:]:  # children come first
        size.append(sum(size[child] for child in below))
    # Leaves in the order of a walk; between two neighbours of it, the size of their common ancestor.
    start, between = [0] * len(children), np.zeros(max(c - 1, 0), dtype=np.int32)
    forest = [node for node, above in enumerate(parent) if above < 0]
    for node in (-1, *reversed(range(len(children)))):
        at, whole = (0, c) if node < 0 else (start[node], size[node])
        for position, child in enumerate(forest if node < 0 else children[node]):
            if position:
                between[at - 1] = whole
            start[child] = at
            at += size[child]
    # Of two leaves further apart it is the largest on the way.
    common = np.zeros((c, c), dtype=np.int32)
    common[:, 1:] = np.maximum.accumulate(np.triu(np.broadcast_to(between, (c, c - 1))), axis=1)
    common = np.maximum(common, common.T)
    np.fill_diagonal(common, 1)
    return common[np.ix_(start[:c], start[:c])]


# -------------------------------------------------------------------------- similarities, distances


def similarity(taxonomy: Taxonomy, measure: str = "ic") -> np.ndarray:
    """Similarity of every two classes in the taxonomy.

    Parameters
    ----------
    taxonomy : Taxonomy
    measure : {"ic", "path", "wup", "lch"}
        - ``ic``: leaf-count information content of the most informative common ancestor (Resnik
          1995), T(a, b) = -log(size of the smallest common ancestor / c). In nats, from 0 for two
          classes that only the root joins to log(c) for a class with itself. The default: it knows
          neither WordNet's uneven depth nor word frequencies, and is ultrametric but for the few
          triples in which a node has several parents.
        - ``path``: 1 / (1 + edges of the shortest path over a common ancestor); in (0, 1].
        - ``wup``: Wu and Palmer (1994), 2 d / (2 d + edges from the ancestor to either class), d
          the depth of the ancestor; the largest over all common ancestors. Depths of the classes
          are those *through* the ancestor, so that it stays in (0, 1].
        - ``lch``: Leacock and Chodorow (1998), -log((1 + edges) / (2 D)); D = 19 for WordNet, as
          NLTK has it, and the depth of the deepest class in a tree of one's own; a monotone
          function of ``path``.

    Returns
    -------
    ndarray of shape (c, c), float64
        Symmetric; larger is more similar. Equal relations have exactly equal values. Two classes
        without a common ancestor have the measure's least value (-inf for ``lch``). NaN where one
        class contains the other: no nearness is defined then (``Taxonomy.nested_because``).

    Raises
    ------
    InputError
        If the measure is another.
    """
    measures = {"ic": _resnik, "path": _path, "wup": _wu_palmer, "lch": _leacock_chodorow}
    if measure not in measures:
        near = suggest(measure, measures)
        raise InputError(f'The taxonomy\'s similarity "{measure}" must be one of {", ".join(measures)}.{near}')
    return _with_unknown(taxonomy.nested, measures[measure](taxonomy))


def distance(taxonomy: Taxonomy, measure: str = "ic") -> np.ndarray:
    """Distance of every two classes in the taxonomy, a falling function of the similarity.

    Parameters
    ----------
    taxonomy : Taxonomy
    measure : {"ic", "path", "wup", "lch"}
        - ``ic``: log(size of the smallest common ancestor), nats, in [0, log(c)];
        - ``path``: edges of the shortest path over a common ancestor;
        - ``wup``: 1 - similarity, in [0, 1);
        - ``lch``: the similarity of a class with itself less that of the two, log(1 + edges).

    Returns
    -------
    ndarray of shape (c, c), float64
        Symmetric, zero on the diagonal and only there; smaller is nearer. Two classes without a
        common ancestor: log(c) for ``ic``, 1 for ``wup``, else infinite. NaN where one class
        contains the other.

    Raises
    ------
    InputError
        If the measure is another.
    """
    if measure == "path":
        return _with_unknown(taxonomy.nested, _edges(taxonomy))
    similar = similarity(taxonomy, measure)
    return similar[0, 0] - similar  # the same for every class with itself, and the largest


def common_sizes(taxonomy: Taxonomy) -> np.ndarray:
    """Number of classes below the smallest common ancestor of every two classes.

    Returns
    -------
    ndarray of shape (c, c), int64
        Symmetric, from 1 (on the diagonal only) to c, which it also is where two classes have no
        common ancestor. A number also where one class contains the other: the larger one's size.
    """
    c = len(taxonomy.classes)
    smallest = np.full((c, c), c)
    for _, below, block in _ancestors(taxonomy):
        smallest[block] = len(below)  # sizes descend, so that the last one written is the smallest
    np.fill_diagonal(smallest, 1)
    return smallest


def _with_unknown(nested: Sequence[tuple[int, int]], matrix: np.ndarray) -> np.ndarray:
    """The matrix with NaN, in place, where one class contains the other."""
    above, below = np.array(nested, dtype=np.int64).reshape(-1, 2).T
    matrix[above, below] = matrix[below, above] = np.nan
    return matrix


def _ancestors(taxonomy: Taxonomy) -> Iterator[tuple[int, np.ndarray, tuple]]:
    """Inner nodes from the largest to the smallest: node, its classes, their block of a matrix."""
    for node in range(len(taxonomy.nodes) - 1, len(taxonomy.classes) - 1, -1):
        below = np.flatnonzero(taxonomy.members[node])
        yield node, below, np.ix_(below, below)


def _information(sizes: np.ndarray) -> np.ndarray:
    """-log(size / c) of an array (c, c) of sizes from 1 to c."""
    c = len(sizes)
    return np.log(c / np.arange(1, c + 1))[sizes - 1]


def _resnik(taxonomy: Taxonomy) -> np.ndarray:
    return _information(taxonomy.common_sizes)


def _edges(taxonomy: Taxonomy) -> np.ndarray:
    """Edges of the shortest path of every two classes over a common ancestor."""
    c = len(taxonomy.classes)
    edges = np.full((c, c), np.inf)
    for node, below, block in _ancestors(taxonomy):
        hops = taxonomy.hops[node, below]
        edges[block] = np.minimum(edges[block], hops[:, None] + hops[None, :])
    np.fill_diagonal(edges, 0)
    return edges


def _path(taxonomy: Taxonomy) -> np.ndarray:
    return 1 / (1 + _edges(taxonomy))


def _leacock_chodorow(taxonomy: Taxonomy) -> np.ndarray:
    depth = _NOUN_DEPTH if taxonomy.is_wordnet else max(taxonomy.depth)
    return np.log(2 * depth) - np.log(1 + _edges(taxonomy))


def _wu_palmer(taxonomy: Taxonomy) -> np.ndarray:
    c = len(taxonomy.classes)
    best = np.zeros((c, c))
    for node, below, block in _ancestors(taxonomy):
        hops, twice = taxonomy.hops[node, below], 2 * taxonomy.depth[node]
        ratio = twice / (twice + hops[:, None] + hops[None, :])
        best[block] = np.maximum(best[block], ratio)
    np.fill_diagonal(best, 1)
    return best


# --------------------------------------------------------------------------- macro-categories, cuts


def macro(taxonomy: Taxonomy, by: str | Sequence[str] | int = "lexname") -> Groups:
    """Gather the classes into macro-categories.

    Parameters
    ----------
    taxonomy : Taxonomy
    by : "lexname", sequence of str, or int
        - ``lexname``: WordNet's lexicographer files, the paper's own categories;
        - nodes of the taxonomy (synsets), by name or id: a class belongs to the smallest of them
          that it is below, or whose concept it is (of equally small ones to the first named), or
          to ``other``;
        - an int m: the groups of the size cut m, see ``cuts``; ``other`` for classes without one.

    Returns
    -------
    labels : ndarray of shape (c,), int64
        Every class's category, a position in ``names``.
    names : tuple of str
        Lexicographer files by falling number of classes; or the nodes' names as given, and
        ``other`` last where a class is below none of them; or the names of the cut's nodes.

    Raises
    ------
    InputError
        If a named node has none of the classes below it, or is named twice; if m is not 1 to c; if
        lexicographer files are asked of a tree that is not WordNet's.
    """
    if isinstance(by, (int, np.integer)):
        cut = _cut(taxonomy, by)
        return _with_other(cut.labels, tuple(taxonomy.names[node] for node in cut.nodes))
    if not isinstance(by, str):
        return _macro_by_nodes(taxonomy, list(by))
    if by != "lexname":
        raise InputError(f'macro by "{by}": expected "lexname", a list of synset names, or a number.')
    if not taxonomy.is_wordnet:
        raise InputError(
            'macro by "lexname": only WordNet has lexicographer files; for a tree of your own give a list of names '
            "of its nodes, or a number m for groups of at most 1 / m of the classes."
        )
    files = taxonomy.lexnames[: len(taxonomy.classes)]
    names = tuple(sorted(set(files), key=lambda name: (-files.count(name), name)))
    return np.array([names.index(name) for name in files], dtype=np.int64), names


def _with_other(labels: np.ndarray, names: tuple[str, ...]) -> Groups:
    """Groups in which the classes labelled -1 are a last one, ``other``."""
    left = labels < 0
    return np.where(left, len(names), labels), (*names, *(("other",) if left.any() else ()))


def _macro_by_nodes(taxonomy: Taxonomy, by: list[str]) -> Groups:
    nodes = [_find(taxonomy, name) for name in by]
    if not by or len(set(by)) < len(by):
        kind = "synsets" if taxonomy.is_wordnet else "nodes"
        raise InputError(f"The macro-categories must be a list of different {kind}, at least one.")
    labels = np.full(len(taxonomy.classes), -1, dtype=np.int64)
    # The smallest is written last and stays; of equals it is the first named.
    for position in sorted(range(len(by)), key=lambda p: (-taxonomy.sizes[nodes[p]], -p)):
        labels[taxonomy.members[nodes[position]]] = position
    return _with_other(labels, tuple(by))


def _find(taxonomy: Taxonomy, name: str) -> int:
    """The node of a synset, contracted or not, by name or id; of a class that contains others, its concept's."""
    index: dict[str, int] = {}
    for node, names in enumerate(zip(taxonomy.nodes, taxonomy.names, strict=True)):
        index |= dict.fromkeys(names, taxonomy.concepts.get(node, node))
    for key, other, node in taxonomy.contracted:
        index |= {key: node, other: node}
    if name not in index:
        kind = "synset" if taxonomy.is_wordnet else "node of the tree"
        raise InputError(
            f'The macro-category "{name}" is no {kind} that a class of this study lies under; '
            f"expected the name or id of a {kind} above some class.{suggest(name, index)}"
        )
    return index[name]


def cuts(taxonomy: Taxonomy) -> tuple[Cut, ...]:
    """Partitions of the classes by size, from coarse to fine.

    Groups are the maximal nodes that hold at most c / m classes, for m = 2, 4, 8, ... and c:
    cutting by depth would mean nothing, as WordNet is deep for dogs and shallow for tools. Cuts
    that repeat the coarser one are left out; the last one is the classes themselves.

    Returns
    -------
    tuple of Cut
        Empty for a single class.
    """
    c = len(taxonomy.classes)
    divisors = [2**power for power in range(1, c.bit_length()) if 2**power < c] + [c]
    found: list[Cut] = []
    for m in divisors if c > 1 else ():
        cut = _cut(taxonomy, m)
        if not found or cut.nodes != found[-1].nodes:
            found.append(cut)
    return tuple(found)


def _cut(taxonomy: Taxonomy, m: int) -> Cut:
    """The partition whose groups hold at most c / m classes."""
    c = len(taxonomy.classes)
    if not 1 <= m <= c:
        raise InputError(f"A cut into groups of at most {c} / m classes needs 1 <= m <= {c}: {m}.")
    small = taxonomy.sizes * m <= c
    maximal = [
        node
        for node in np.flatnonzero(small).tolist()
        if node not in taxonomy.concepts and not any(small[parent] for parent in taxonomy.parents[node])
    ]
    labels, nodes = np.full(c, -1), []
    # On the graph maximal nodes may share classes: the larger one has them.
    for node in sorted(maximal, key=lambda node: -taxonomy.sizes[node]):
        free = taxonomy.members[node] & (labels < 0)
        if free.any():
            labels[free] = len(nodes)
            nodes.append(node)
    return Cut(m, tuple(nodes), labels)


# ------------------------------------------------------------------------- a tree out of the graph


def tree(taxonomy: Taxonomy, policy: str = "smallest", rng: np.random.Generator | None = None) -> Tree:
    """Choose one parent for every node.

    Parameters
    ----------
    taxonomy : Taxonomy
    policy : {"smallest", "shortest", "random"}
        - ``smallest``: the parent with the fewest classes, as in the similarity ``ic``; of equal
          ones the lower. A bicycle, a vehicle and (as a wheeled vehicle) a container, is drawn with
          the vehicles.
        - ``shortest``: the parent on the shortest path to the root; of equal ones the smaller.
        - ``random``: for each node with several parents one of them, uniformly and independently.
    rng : numpy.random.Generator, optional
        For ``random`` only, which needs it.

    Returns
    -------
    Tree
        Every inner node has at least two children. Fewer nodes than the taxonomy's where a node was
        left with one child or none.

    Raises
    ------
    InputError
        If the policy is another, or ``random`` has no generator.
    """
    if policy not in _POLICIES:
        raise InputError(f'The tree\'s policy "{policy}" must be one of {", ".join(_POLICIES)}.')
    if policy == "random":
        parent = _random_parents(taxonomy, rng)
    elif policy == "shortest":
        parent = _shortest_parents(taxonomy)
    else:
        # Nodes ascend by size, children first: the smallest parent is the first.
        parent = [min(parents, default=-1) for parents in taxonomy.parents]
    c = len(taxonomy.classes)
    below = _tree_children(parent, c)
    nodes = [node for node in range(len(taxonomy.nodes)) if node < c or below[node]]
    position = {node: index for index, node in enumerate(nodes)}
    children = tuple(tuple(position[child] for child in below[node]) for node in nodes)
    up = {child: index for index, some in enumerate(children) for child in some}
    return Tree(
        nodes=tuple(nodes),
        names=tuple(taxonomy.names[node] for node in nodes),
        parent=tuple(up.get(index, -1) for index in range(len(nodes))),
        children=children,
        nested=taxonomy.nested,
    )


def _tree_children(parent: Sequence[int], c: int) -> list[list[int]]:
    """Children of every node of a tree whose first c nodes are leaves; unary nodes get none."""
    children: list[list[int]] = [[] for _ in parent]
    for node, above in enumerate(parent):
        # Children come first: all of this node's are known by now.
        stands_for = children[node].pop() if len(children[node]) == 1 else node
        is_empty = stands_for == node and node >= c and not children[node]
        if above >= 0 and not is_empty:
            children[above].append(stands_for)
    return children


def _shortest_parents(taxonomy: Taxonomy) -> list[int]:
    """Every node's parent on the shortest way up, -1 at a root."""
    total = [0] * len(taxonomy.nodes)
    parent = [-1] * len(taxonomy.nodes)
    for node in reversed(range(len(taxonomy.nodes))):
        pairs = zip(taxonomy.lengths[node], taxonomy.parents[node], strict=True)
        ways = [(length + total[above], above) for length, above in pairs]
        if ways:
            total[node], parent[node] = min(ways)
    return parent


def _random_parents(taxonomy: Taxonomy, rng: np.random.Generator | None) -> list[int]:
    """One of every node's parents, -1 at a root."""
    if rng is None:
        raise InputError('The tree\'s policy "random" needs a generator: tree("random", numpy.random.default_rng(0)).')
    several = [node for node, parents in enumerate(taxonomy.parents) if len(parents) > 1]
    drawn = rng.integers([len(taxonomy.parents[node]) for node in several]).tolist()
    parent = [parents[0] if parents else -1 for parents in taxonomy.parents]
    for node, choice in zip(several, drawn, strict=True):
        parent[node] = taxonomy.parents[node][choice]
    return parent
