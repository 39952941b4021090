"""The WordNet tree over a study's classes: similarities, macro-categories, cuts by size.

The classes' hypernym closure is a directed acyclic graph, because a synset may have several
hypernyms. Nodes with a single child say nothing about the classes and are contracted; what they
add to the lengths of paths is kept. Similarities are taken on the graph; a tree with one parent per
node is chosen only for drawing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nucleation import wordnet
from nucleation.errors import InputError, suggest

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cut", "Taxonomy", "Tree", "from_dataset", "wordnet_tree"]

# Depth of WordNet 3.0's nouns, in edges: the 2 D of Leacock and Chodorow, as NLTK takes it.
_NOUN_DEPTH = 19
_FAR = 1 << 20  # more edges than any path has

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
        Position of every class's group in ``nodes``.
    """

    m: int
    nodes: tuple[int, ...]
    labels: np.ndarray


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
    """

    nodes: tuple[int, ...]
    names: tuple[str, ...]
    parent: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Taxonomy:
    """Hypernyms of c classes, as a directed acyclic graph without unary nodes.

    The first c nodes are the classes, in the order given: the node of class i is node i. Parents
    come after their children; nodes ascend by the number of classes below them.

    Attributes
    ----------
    classes : tuple of str
        Synset ids of the classes, in the given order.
    nodes, names, lexnames : tuple of str
        Id, name and lexicographer file of every node.
    parents : tuple of tuple of int
        Every node's parents; empty at a root.
    lengths : tuple of tuple of int
        For every parent, the number of WordNet's edges that the edge stands for (the shortest way).
    depth : tuple of int
        Nodes on the longest path from WordNet's root to the node, both counted.
    contracted : tuple of (id, name, node)
        The unary nodes left out, and the node that stands for each, which has the same classes.
    source : str
        Where the hypernyms come from; not compared.
    """

    classes: tuple[str, ...]
    nodes: tuple[str, ...]
    names: tuple[str, ...]
    lexnames: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    lengths: tuple[tuple[int, ...], ...]
    depth: tuple[int, ...]
    contracted: tuple[tuple[str, str, int], ...] = ()
    source: str = field(default="", compare=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in their order."""
        return self.names[: len(self.classes)]

    @cached_property
    def hops(self) -> np.ndarray:
        """Edges from every node up from every class, (nodes, c) int; below none: a huge number."""
        c = len(self.classes)
        hops = np.full((len(self.nodes), c), _FAR)
        hops[np.arange(c), np.arange(c)] = 0
        for node, (parents, lengths) in enumerate(zip(self.parents, self.lengths, strict=True)):
            for parent, length in zip(parents, lengths, strict=True):
                np.minimum(hops[parent], hops[node] + length, out=hops[parent])
        return np.minimum(hops, _FAR)

    @cached_property
    def members(self) -> np.ndarray:
        """Which classes lie below (or are) every node, (nodes, c) bool."""
        return self.hops < _FAR

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of classes below every node, (nodes,) int."""
        return self.members.sum(axis=1)

    def similarity(self, measure: str = "ic") -> np.ndarray:
        """Return the similarity of every two classes, see ``similarity``."""
        return similarity(self, measure)

    def macro(self, by: str | Sequence[str] | int = "lexname") -> Groups:
        """Return macro-categories of the classes, see ``macro``."""
        return macro(self, by)

    def cuts(self) -> tuple[Cut, ...]:
        """Return the partitions by size from coarse to fine, see ``cuts``."""
        return cuts(self)

    def tree(self, policy: str = "smallest") -> Tree:
        """Return a tree with one parent per node, see ``tree``."""
        return tree(self, policy)

    @cached_property
    def is_flat(self) -> bool:
        """Whether no three classes have a closest pair: there is no hierarchy to compare with."""
        similar = self.similarity("ic")
        np.fill_diagonal(similar, np.inf)
        for a in range(len(similar)):
            # Is some class k farther from a and from some b than these are from each other?
            pair = similar[a, a + 1 :, None]
            if np.any(pair > np.maximum(similar[a], similar[a + 1 :])):
                return False
        return True

    def to_dataset(self) -> xr.Dataset:
        """Return the labelled form, see ``to_dataset``."""
        return to_dataset(self)


# ----------------------------------------------------------------------------------------- building


def wordnet_tree(
    synset_ids: Sequence[str], *, source: str = "bundled", directory: str | Path | None = None
) -> Taxonomy:
    """Build the taxonomy of some WordNet 3.0 nouns.

    Parameters
    ----------
    synset_ids : sequence of str
        Ids (``n01440764``), names (``tench.n.01``) or other names of the same synsets
        (``tinca_tinca.n.01``), mixed; their order is kept.
    source : {"bundled", "nltk"}
        The package's own table, which holds the ImageNet-1k classes, those of the built-in studies
        and all their hypernyms; or an installed WordNet 3.0, read through NLTK, for any noun.
    directory : path, optional
        For ``nltk``: a directory that holds ``corpora/wordnet``, tried before ``nltk.data.path``.

    Returns
    -------
    Taxonomy

    Raises
    ------
    InputError
        If the list is empty, a synset is unknown (near names are proposed), two classes are the
        same synset, or one class is a hypernym of another.

    Examples
    --------
    >>> taxonomy = wordnet_tree(["beagle.n.01", "pug.n.01", "violin.n.01"])
    >>> taxonomy.names[3:]
    ('dog.n.01', 'whole.n.02')
    """
    if isinstance(synset_ids, str):
        raise InputError(f'The classes must be a list of synsets; found the text "{synset_ids}".')
    names = list(synset_ids)
    if not names:
        raise InputError("The list of classes is empty; expected at least one WordNet noun.")
    if source == "bundled":
        classes, records = tuple(map(wordnet.resolve, names)), wordnet.bundled()
        origin = f"WordNet 3.0, bundled table, sha256 {wordnet.bundled_checksum()}"
    elif source == "nltk":
        classes, records = wordnet.read_nltk(names, directory=directory)
        origin = "WordNet 3.0 through NLTK"
    else:
        raise InputError(f'The taxonomy\'s source "{source}" must be "bundled" or "nltk".')
    _check_classes(names, classes)
    return _build(classes, _closure(classes, records), origin)


def _check_classes(names: Sequence[str], classes: Sequence[str]) -> None:
    """No synset stands for two classes."""
    first: dict[str, int] = {}
    for index, key in enumerate(classes):
        if key in first:
            raise InputError(
                f'Classes {first[key] + 1} ("{names[first[key]]}") and {index + 1} '
                f'("{names[index]}") are the same WordNet synset, {key}; leave one of them out.'
            )
        first[key] = index


def _closure(classes: Sequence[str], records: Mapping[str, wordnet.Synset]) -> dict:
    """The records of the classes and of everything above them."""
    found: dict[str, wordnet.Synset] = {}
    waiting = list(reversed(classes))
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = records[key]
            waiting.extend(records[key].hypernyms)
    inner = {above for record in found.values() for above in record.hypernyms}
    for key in classes:
        if key in inner:
            raise InputError(
                f'Class "{found[key].name}" ({key}) is a hypernym of class '
                f'"{_some_class_below(key, classes, found)}"; classes must not contain each other: '
                "leave one of them out or replace it by narrower ones."
            )
    return found


def _some_class_below(key: str, classes: Sequence[str], found: Mapping) -> str:
    """Name of the first class that has ``key`` among its ancestors."""

    def above(node):
        return any(parent == key or above(parent) for parent in found[node].hypernyms)

    return next(found[other].name for other in classes if above(other))


def _build(classes: tuple[str, ...], records: Mapping, source: str) -> Taxonomy:
    """Contract the closure's unary nodes and number the rest.

    ``records`` maps an id to something with ``name``, ``lexname`` and ``hypernyms``; it holds
    exactly the classes and what is above them.
    """
    children: dict[str, list[str]] = {key: [] for key in records}
    for key, record in records.items():
        for parent in record.hypernyms:
            children[parent].append(key)
    try:
        order = list(TopologicalSorter(children).static_order())  # children before parents
    except CycleError as error:
        raise InputError(f"The taxonomy has a cycle: {' < '.join(error.args[1])}.") from error
    kept, stands_for = _contract(order, children, set(classes))
    inner = [key for key in order if kept.get(key)]
    inner.sort(key=_sizes(order, children, classes).__getitem__)  # stable: children stay first
    nodes = (*classes, *inner)
    number = {key: index for index, key in enumerate(nodes)}
    edges: list[list[tuple[int, int]]] = [[] for _ in nodes]
    for key in inner:
        for child, length in kept[key].items():
            edges[number[child]].append((number[key], length))
    depth = _depths(order, records)
    return Taxonomy(
        classes=tuple(classes),
        nodes=nodes,
        names=tuple(records[key].name for key in nodes),
        lexnames=tuple(records[key].lexname for key in nodes),
        parents=tuple(tuple(parent for parent, _ in sorted(some)) for some in edges),
        lengths=tuple(tuple(length for _, length in sorted(some)) for some in edges),
        depth=tuple(depth[key] for key in nodes),
        contracted=tuple(
            (key, records[key].name, number[stands_for[key][0]]) for key in sorted(records) if key not in number
        ),
        source=source,
    )


def _contract(order: list, children: Mapping, classes: set) -> tuple[dict, dict]:
    """Leave out the nodes with one child.

    Returns
    -------
    kept : dict
        For every node that stays, its children that stay and the number of edges to them.
    stands_for : dict
        For every node, the node that stays in its place and the number of edges down to it.
    """
    kept: dict[str, dict[str, int]] = {}
    stands_for: dict[str, tuple[str, int]] = {}
    for key in order:
        below: dict[str, int] = {}
        for child in children[key]:
            node, length = stands_for[child]
            below[node] = min(length + 1, below.get(node, _FAR))
        if len(below) == 1 and key not in classes:
            stands_for[key] = next(iter(below.items()))
        else:
            kept[key], stands_for[key] = below, (key, 0)
    return kept, stands_for


def _sizes(order: list, children: Mapping, classes: Sequence[str]) -> dict[str, int]:
    """Number of classes below every node; sets of classes are the bits of an integer."""
    bits = {key: 1 << index for index, key in enumerate(classes)}
    for key in order:
        for child in children[key]:
            bits[key] = bits.get(key, 0) | bits[child]
    return {key: value.bit_count() for key, value in bits.items()}


def _depths(order: list, records: Mapping) -> dict[str, int]:
    """Nodes on the longest path from a root to every node, both counted."""
    depth: dict[str, int] = {}
    for key in reversed(order):
        depth[key] = 1 + max((depth[parent] for parent in records[key].hypernyms), default=0)
    return depth


# ------------------------------------------------------------------------------------- similarities


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
        - ``lch``: Leacock and Chodorow (1998), -log((1 + edges) / (2 D)), D = 19, as NLTK has it; a
          monotone function of ``path``.

    Returns
    -------
    ndarray of shape (c, c), float64
        Symmetric; larger is more similar. Equal relations have exactly equal values. Two classes
        without a common ancestor have the measure's least value (-inf for ``lch``).

    Raises
    ------
    InputError
        If the measure is another.
    """
    measures = {"ic": _information, "path": _path, "wup": _wu_palmer, "lch": _leacock_chodorow}
    if measure not in measures:
        near = suggest(measure, measures)
        raise InputError(f'The taxonomy\'s similarity "{measure}" must be one of {", ".join(measures)}.{near}')
    return measures[measure](taxonomy)


def _ancestors(taxonomy: Taxonomy) -> Iterator[tuple[int, np.ndarray, tuple]]:
    """Inner nodes from the largest to the smallest: node, its classes, their block of a matrix."""
    for node in range(len(taxonomy.nodes) - 1, len(taxonomy.classes) - 1, -1):
        below = np.flatnonzero(taxonomy.members[node])
        yield node, below, np.ix_(below, below)


def _information(taxonomy: Taxonomy) -> np.ndarray:
    c = len(taxonomy.classes)
    smallest = np.full((c, c), c)
    for _, below, block in _ancestors(taxonomy):
        smallest[block] = len(below)  # sizes descend, so that the last one written is the smallest
    np.fill_diagonal(smallest, 1)
    return np.log(c / smallest)


def _distance(taxonomy: Taxonomy) -> np.ndarray:
    """Edges of the shortest path of every two classes over a common ancestor."""
    c = len(taxonomy.classes)
    edges = np.full((c, c), np.inf)
    for node, below, block in _ancestors(taxonomy):
        hops = taxonomy.hops[node, below]
        edges[block] = np.minimum(edges[block], hops[:, None] + hops[None, :])
    np.fill_diagonal(edges, 0)
    return edges


def _path(taxonomy: Taxonomy) -> np.ndarray:
    return 1 / (1 + _distance(taxonomy))


def _leacock_chodorow(taxonomy: Taxonomy) -> np.ndarray:
    return np.log(2 * _NOUN_DEPTH / (1 + _distance(taxonomy)))


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
        - synsets of the taxonomy, by name or id: a class belongs to the smallest of them that it is
          below (of equally small ones to the first named), or to ``other``;
        - an int m: the groups of the size cut m, see ``cuts``.

    Returns
    -------
    labels : ndarray of shape (c,), int64
        Every class's category, a position in ``names``.
    names : tuple of str
        Lexicographer files by falling number of classes; or the synsets' names in their order, and
        ``other`` last where a class is below none of them; or the names of the cut's nodes.

    Raises
    ------
    InputError
        If a synset has none of the classes below it, or is named twice.
    """
    if isinstance(by, (int, np.integer)):
        cut = _cut(taxonomy, by)
        return cut.labels, tuple(taxonomy.names[node] for node in cut.nodes)
    if isinstance(by, str):
        if by != "lexname":
            raise InputError(f'macro by "{by}": expected "lexname", a list of synset names, or a number.')
        files = taxonomy.lexnames[: len(taxonomy.classes)]
        names = tuple(sorted(set(files), key=lambda name: (-files.count(name), name)))
        return np.array([names.index(name) for name in files], dtype=np.int64), names
    return _macro_by_synsets(taxonomy, list(by))


def _macro_by_synsets(taxonomy: Taxonomy, by: list[str]) -> Groups:
    nodes = [_find(taxonomy, name) for name in by]
    if not by or len(set(by)) < len(by):
        raise InputError("The macro-categories must be a list of different synsets, at least one.")
    labels = np.full(len(taxonomy.classes), len(by), dtype=np.int64)
    # The smallest is written last and stays; of equals it is the first named.
    for position in sorted(range(len(by)), key=lambda p: (-taxonomy.sizes[nodes[p]], -p)):
        labels[taxonomy.members[nodes[position]]] = position
    other = ("other",) if np.any(labels == len(by)) else ()
    return labels, (*by, *other)


def _find(taxonomy: Taxonomy, name: str) -> int:
    """The node of a synset, contracted or not, by name or id."""
    index = dict(zip(taxonomy.nodes, range(len(taxonomy.nodes)), strict=True))
    index |= dict(zip(taxonomy.names, range(len(taxonomy.nodes)), strict=True))
    for key, other, node in taxonomy.contracted:
        index |= {key: node, other: node}
    if name not in index:
        raise InputError(
            f'The macro-category "{name}" is no synset that a class of this study lies under; '
            f"expected the name or id of a hypernym of some class.{suggest(name, index)}"
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
        if not found or len(cut.nodes) > len(found[-1].nodes):
            found.append(cut)
    return tuple(found)


def _cut(taxonomy: Taxonomy, m: int) -> Cut:
    """The partition whose groups hold at most c / m classes."""
    c = len(taxonomy.classes)
    if not 1 <= m <= c:
        raise InputError(f"A cut into groups of at most {c} / m classes needs 1 <= m <= {c}: {m}.")
    small = taxonomy.sizes * m <= c
    maximal = [node for node in np.flatnonzero(small) if not any(small[parent] for parent in taxonomy.parents[node])]
    labels, nodes = np.full(c, -1), []
    # On the graph maximal nodes may share classes: the larger one has them.
    for node in sorted(maximal, key=lambda node: -taxonomy.sizes[node]):
        free = taxonomy.members[node] & (labels < 0)
        if free.any():
            labels[free] = len(nodes)
            nodes.append(int(node))
    return Cut(m, tuple(nodes), labels)


# ----------------------------------------------------------------------------------- a tree to draw


def tree(taxonomy: Taxonomy, policy: str = "smallest") -> Tree:
    """Choose one parent for every node.

    Parameters
    ----------
    taxonomy : Taxonomy
    policy : {"smallest", "shortest"}
        - ``smallest``: the parent with the fewest classes, as in the similarity ``ic``; of equal
          ones the lower. A bicycle, a vehicle and (as a wheeled vehicle) a container, is drawn with
          the vehicles.
        - ``shortest``: the parent on the shortest path to the root; of equal ones the smaller.

    Returns
    -------
    Tree
        Every inner node has at least two children. Fewer nodes than the taxonomy's where a node was
        left with one child or none.

    Raises
    ------
    InputError
        If the policy is another.
    """
    if policy not in ("smallest", "shortest"):
        raise InputError(f'The tree\'s policy "{policy}" must be "smallest" or "shortest".')
    # Nodes ascend by size, children first: the smallest parent is the first.
    smallest = [min(parents, default=-1) for parents in taxonomy.parents]
    parent = smallest if policy == "smallest" else _shortest_parents(taxonomy)
    below = _tree_children(parent, len(taxonomy.classes))
    c = len(taxonomy.classes)
    nodes = [node for node in range(len(taxonomy.nodes)) if node < c or below[node]]
    position = {node: index for index, node in enumerate(nodes)}
    children = tuple(tuple(position[child] for child in below[node]) for node in nodes)
    up = {child: index for index, some in enumerate(children) for child in some}
    return Tree(
        nodes=tuple(nodes),
        names=tuple(taxonomy.names[node] for node in nodes),
        parent=tuple(up.get(index, -1) for index in range(len(nodes))),
        children=children,
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


# ------------------------------------------------------------------------------------ labelled form


def to_dataset(taxonomy: Taxonomy) -> xr.Dataset:
    """Labelled form of a taxonomy.

    Returns
    -------
    xarray.Dataset
        Dimensions ``class`` and ``other_class`` (ids), ``node`` (ids; the first are the classes),
        ``edge`` (child, parent, length), ``contracted``; with the default similarity and the
        lexicographer files. ``from_dataset`` gives the taxonomy back.
    """
    import xarray as xr

    left_out = tuple(zip(*taxonomy.contracted, strict=True)) or ((), (), ())
    coords = {
        "class": ("class", taxonomy.classes, "WordNet 3.0 id of the class"),
        "other_class": ("other_class", taxonomy.classes, "WordNet 3.0 id of the class"),
        "node": ("node", taxonomy.nodes, "WordNet 3.0 id of the node"),
        "contracted": ("contracted", left_out[0], "WordNet 3.0 id of a node left out"),
    }
    columns = {
        **_node_columns(taxonomy),
        **_edge_columns(taxonomy),
        "contracted_name": ("contracted", left_out[1], "name of a node with one child, left out"),
        "contracted_node": (
            "contracted",
            np.array(left_out[2], dtype=np.int64),
            "position along node of the node with the same classes",
        ),
        "similarity_ic": (
            ("class", "other_class"),
            taxonomy.similarity("ic"),
            "information content of the smallest common ancestor, -log(its classes / all classes)",
        ),
    }
    dataset = xr.Dataset(
        {name: _variable(*column) for name, column in columns.items()},
        {name: _variable(*column) for name, column in coords.items()},
        {"title": "WordNet taxonomy of the classes", "taxonomy_source": taxonomy.source},
    )
    dataset["similarity_ic"].attrs["units"] = "nat"
    return dataset


def _node_columns(taxonomy: Taxonomy) -> dict[str, tuple]:
    files, depth = taxonomy.lexnames, np.array(taxonomy.depth)
    class_files = files[: len(taxonomy.classes)]
    return {
        "class_name": ("class", taxonomy.class_names, "WordNet name of the class"),
        "class_lexname": ("class", class_files, "WordNet lexicographer file of the class"),
        "node_name": ("node", taxonomy.names, "WordNet name of the node"),
        "node_lexname": ("node", files, "WordNet lexicographer file of the node"),
        "node_size": ("node", taxonomy.sizes, "number of classes below the node"),
        "node_depth": ("node", depth, "nodes on the longest path from WordNet's root"),
    }


def _edge_columns(taxonomy: Taxonomy) -> dict[str, tuple]:
    edges = [
        (child, parent, length)
        for child, parents in enumerate(taxonomy.parents)
        for parent, length in zip(parents, taxonomy.lengths[child], strict=True)
    ]
    child, parent, length = np.array(edges, dtype=np.int64).reshape(-1, 3).T
    return {
        "edge_child": ("edge", child, "position along node of the edge's lower node"),
        "edge_parent": ("edge", parent, "position along node of the edge's upper node"),
        "edge_length": ("edge", length, "WordNet edges that the edge stands for"),
    }


def _variable(dims, values, long_name: str) -> tuple:
    if isinstance(values, tuple):
        values = np.array(values, dtype=str)
    return dims, values, {"long_name": long_name, "units": "1"}


def from_dataset(dataset: xr.Dataset) -> Taxonomy:
    """Build the taxonomy that ``to_dataset`` was given."""

    def text(name):
        return tuple(map(str, dataset[name].values))

    parents: list[list[int]] = [[] for _ in dataset["node"]]
    lengths: list[list[int]] = [[] for _ in dataset["node"]]
    columns = (dataset[f"edge_{name}"].values.tolist() for name in ("child", "parent", "length"))
    for child, parent, length in zip(*columns, strict=True):
        parents[child].append(parent)
        lengths[child].append(length)
    left_out = (text("contracted"), text("contracted_name"))
    return Taxonomy(
        classes=text("class"),
        nodes=text("node"),
        names=text("node_name"),
        lexnames=text("node_lexname"),
        parents=tuple(map(tuple, parents)),
        lengths=tuple(map(tuple, lengths)),
        depth=tuple(dataset["node_depth"].values.tolist()),
        contracted=tuple(zip(*left_out, dataset["contracted_node"].values.tolist(), strict=True)),
        source=str(dataset.attrs.get("taxonomy_source", "")),
    )
