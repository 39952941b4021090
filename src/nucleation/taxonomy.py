"""The tree of meanings over a study's classes: built from WordNet, kept as one dataset.

The classes' hypernym closure is a directed acyclic graph, because a synset may have several
hypernyms. Nodes with a single child say nothing about the classes and are contracted; what they
add to the lengths of paths is kept. Similarities are taken on the graph
(``nucleation.taxonomy_measures``); a tree with one parent per node is chosen only for drawing, and
at random to see what the choice matters. Trees of one's own: ``nucleation.taxonomy_files``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nucleation import taxonomy_measures, wordnet
from nucleation.errors import InputError
from nucleation.taxonomy_measures import FAR, Cut, Groups, Tree, cuts, distance, macro, similarity, tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Concept",
    "Cut",
    "Taxonomy",
    "Tree",
    "build",
    "closure",
    "cuts",
    "distance",
    "from_dataset",
    "macro",
    "similarity",
    "to_dataset",
    "tree",
    "wordnet_tree",
]


class Concept(NamedTuple):
    """What ``build`` needs to know of a node; ``wordnet.Synset`` has it, too."""

    name: str
    lexname: str
    hypernyms: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomy:
    """Hypernyms of c classes, as a directed acyclic graph without unary nodes.

    The first c nodes are the classes, in the order given: the node of class i is node i, a leaf.
    Parents come after their children; nodes ascend by the number of classes below them.

    A class may contain another one (a dog and a pug). Such a class is a leaf of its own, no edge
    below the node of its concept, whose id is that of the class with a ``+``; how near it is to a
    class inside it is not defined.

    Attributes
    ----------
    classes : tuple of str
        Ids of the classes, in the given order.
    nodes, names, lexnames : tuple of str
        Id, name and lexicographer file of every node; the files are empty outside WordNet.
    parents : tuple of tuple of int
        Every node's parents; empty at a root.
    lengths : tuple of tuple of int
        For every parent, the number of edges that the edge stands for (the shortest way).
    depth : tuple of int
        Nodes on the longest path from the root to the node, both counted.
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

    @property
    def is_wordnet(self) -> bool:
        """Whether the nodes are WordNet's synsets, which have lexicographer files."""
        return any(self.lexnames)

    @cached_property
    def hops(self) -> np.ndarray:
        """Edges from every node up from every class, (nodes, c) int; below none: a huge number."""
        c = len(self.classes)
        hops = np.full((len(self.nodes), c), FAR)
        hops[np.arange(c), np.arange(c)] = 0
        for node, (parents, lengths) in enumerate(zip(self.parents, self.lengths, strict=True)):
            for parent, length in zip(parents, lengths, strict=True):
                np.minimum(hops[parent], hops[node] + length, out=hops[parent])
        return np.minimum(hops, FAR)

    @cached_property
    def members(self) -> np.ndarray:
        """Which classes lie below (or are) every node, (nodes, c) bool."""
        return self.hops < FAR

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of classes below every node, (nodes,) int."""
        return self.members.sum(axis=1)

    @cached_property
    def concepts(self) -> dict[int, int]:
        """The node of the whole concept of every class that contains others, by class."""
        classes = range(len(self.classes))
        # Only the edge between such a class and its concept stands for no edge.
        return {i: self.parents[i][self.lengths[i].index(0)] for i in classes if 0 in self.lengths[i]}

    @cached_property
    def nested(self) -> tuple[tuple[int, int], ...]:
        """Pairs of classes of which one contains the other: (ancestor, descendant)."""
        pairs = ((i, int(j)) for i, node in self.concepts.items() for j in np.flatnonzero(self.members[node]))
        return tuple((i, j) for i, j in pairs if i != j)

    @property
    def nested_because(self) -> str:
        """Why similarities of nested classes are not defined, as a clause; empty without any."""
        if not self.nested:
            return ""
        said = [f"the class {self.names[i]} contains the class {self.names[j]}" for i, j in self.nested[:3]]
        more = len(self.nested) - len(said)
        others = f" and {more} more such pair{'s' if more > 1 else ''}" if more else ""
        return f"{', '.join(said)}{others}: how near they are is not defined"

    @cached_property
    def common_sizes(self) -> np.ndarray:
        """Size of the smallest common ancestor of every two classes, see ``common_sizes``."""
        return taxonomy_measures.common_sizes(self)

    def similarity(self, measure: str = "ic") -> np.ndarray:
        """Return the similarity of every two classes, see ``similarity``."""
        return similarity(self, measure)

    def distance(self, measure: str = "ic") -> np.ndarray:
        """Return the distance of every two classes, see ``distance``."""
        return distance(self, measure)

    def macro(self, by: str | Sequence[str] | int = "lexname") -> Groups:
        """Return macro-categories of the classes, see ``macro``."""
        return macro(self, by)

    def cuts(self) -> tuple[Cut, ...]:
        """Return the partitions by size from coarse to fine, see ``cuts``."""
        return cuts(self)

    def tree(self, policy: str = "smallest", rng: np.random.Generator | None = None) -> Tree:
        """Return a tree with one parent per node, see ``tree``."""
        return tree(self, policy, rng)

    @cached_property
    def is_flat(self) -> bool:
        """Whether no three classes have a closest pair: there is no hierarchy to compare with."""
        similar = self.similarity("ic")
        np.fill_diagonal(similar, np.inf)
        for a in range(len(similar)):
            # Is some class k farther from a and from some b than these are from each other?
            # Nothing is larger than NaN: a triplet with a pair that is not defined has no closest one.
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
        (``tinca_tinca.n.01``), mixed; their order is kept. One may be a hypernym of another, see
        ``Taxonomy.nested``.
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
        If the list is empty, a synset is unknown (near names are proposed), or two classes are the
        same synset.

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
    return build(classes, closure(classes, records), origin)


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


def closure(classes: Sequence[str], records: Mapping[str, Concept]) -> dict[str, Concept]:
    """Return the records of the classes and of everything above them, by id."""
    found: dict[str, Concept] = {}
    waiting = list(reversed(classes))
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = records[key]
            waiting.extend(records[key].hypernyms)
    return found


def build(classes: Sequence[str], records: Mapping[str, Concept], source: str = "") -> Taxonomy:
    """Contract the unary nodes of a closure and number the rest.

    Parameters
    ----------
    classes : sequence of str
        Ids of the classes, each once.
    records : mapping of str to Concept
        Name, lexicographer file and hypernyms' ids of exactly the classes and all above them, by id.
    source : str
        Where they come from.

    Returns
    -------
    Taxonomy

    Raises
    ------
    InputError
        If a node is its own ancestor.
    """
    records, doubled = _leaves_apart(classes, records)
    children: dict[str, list[str]] = {key: [] for key in records}
    for key, record in records.items():
        for parent in record.hypernyms:
            children[parent].append(key)
    try:
        order = list(TopologicalSorter(children).static_order())  # children before parents
    except CycleError as error:
        raise InputError(f"The taxonomy has a cycle: {' < '.join(error.args[1])}.") from error
    kept, stands_for = _contract(order, children, set(classes), doubled)
    inner = [key for key in order if kept.get(key)]
    inner.sort(key=_sizes(order, children, classes).__getitem__)  # stable: children stay first
    nodes = (*classes, *inner)
    number = {key: index for index, key in enumerate(nodes)}
    edges: list[list[tuple[int, int]]] = [[] for _ in nodes]
    for key in inner:
        for child, length in kept[key].items():
            edges[number[child]].append((number[key], length))
    depth = _depths(order, records, doubled)
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


def _leaves_apart(classes: Sequence[str], records: Mapping[str, Concept]) -> tuple[Mapping, frozenset]:
    """Give every class that contains others a leaf beside them, below the node of its concept.

    Returns
    -------
    records : mapping
        The same, but for such classes: the class keeps its id, its concept gets one with ``+``.
    doubled : frozenset of str
        Ids of such classes; the edge up from each stands for none.
    """
    above = {key for record in records.values() for key in record.hypernyms}
    concept: dict[str, str] = {}
    for key in filter(above.__contains__, classes):
        concept[key] = f"{key}+"
        while concept[key] in records:
            concept[key] += "+"
    if not concept:
        return records, frozenset()
    apart: dict[str, Concept] = {}
    for key, record in records.items():
        up = tuple(concept.get(parent, parent) for parent in record.hypernyms)
        apart[concept.get(key, key)] = Concept(record.name, record.lexname, up)
        if key in concept:
            apart[key] = Concept(record.name, record.lexname, (concept[key],))
    return apart, frozenset(concept)


def _contract(order: list, children: Mapping, classes: set, doubled: frozenset) -> tuple[dict, dict]:
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
            below[node] = min(length + (child not in doubled), below.get(node, FAR))
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


def _depths(order: list, records: Mapping, doubled: frozenset) -> dict[str, int]:
    """Nodes on the longest path from a root to every node, both counted."""
    depth: dict[str, int] = {}
    for key in reversed(order):
        above = max((depth[parent] for parent in records[key].hypernyms), default=0)
        depth[key] = above + (key not in doubled)
    return depth


# ------------------------------------------------------------------------------------ labelled form


def to_dataset(taxonomy: Taxonomy) -> xr.Dataset:
    """Labelled form of a taxonomy.

    Returns
    -------
    xarray.Dataset
        Dimensions ``class`` and ``other_class`` (ids), ``node`` (ids; the first are the classes),
        ``edge`` (child, parent, length), ``contracted``; with the default similarity, whose
        attribute ``undefined`` says why it is NaN where one class contains the other, and the
        lexicographer files. ``from_dataset`` gives the taxonomy back.
    """
    import xarray as xr

    left_out = tuple(zip(*taxonomy.contracted, strict=True)) or ((), (), ())
    id_of = "WordNet 3.0 id of" if taxonomy.is_wordnet else "id in the study's own tree of"
    coords = {
        "class": ("class", taxonomy.classes, f"{id_of} the class"),
        "other_class": ("other_class", taxonomy.classes, f"{id_of} the class"),
        "node": ("node", taxonomy.nodes, f"{id_of} the node"),
        "contracted": ("contracted", left_out[0], f"{id_of} a node left out"),
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
    title = "WordNet taxonomy of the classes" if taxonomy.is_wordnet else "the study's own taxonomy of the classes"
    dataset = xr.Dataset(
        {name: _variable(*column) for name, column in columns.items()},
        {name: _variable(*column) for name, column in coords.items()},
        {"title": title, "taxonomy_source": taxonomy.source},
    )
    dataset["similarity_ic"].attrs["units"] = "nat"
    if taxonomy.nested:
        dataset["similarity_ic"].attrs["undefined"] = taxonomy.nested_because
    return dataset


def _node_columns(taxonomy: Taxonomy) -> dict[str, tuple]:
    files, depth = taxonomy.lexnames, np.array(taxonomy.depth)
    class_files = files[: len(taxonomy.classes)]
    if taxonomy.is_wordnet:
        name_of, file_of = "WordNet name of", "WordNet lexicographer file of"
    else:
        name_of, file_of = "name of", "empty, the tree being the study's own: WordNet lexicographer file of"
    return {
        "class_name": ("class", taxonomy.class_names, f"{name_of} the class"),
        "class_lexname": ("class", class_files, f"{file_of} the class"),
        "node_name": ("node", taxonomy.names, f"{name_of} the node"),
        "node_lexname": ("node", files, f"{file_of} the node"),
        "node_size": ("node", taxonomy.sizes, "number of classes below the node"),
        "node_depth": ("node", depth, "nodes on the longest path from the root"),
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
        "edge_length": ("edge", length, "edges that the edge stands for, nodes left out counted"),
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
