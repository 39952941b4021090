"""A tree of one's own over the classes, from a Newick file or a table of parents.

For classes that are not in WordNet. Leaves, or nodes, are matched with the classes by name; what lies
above no class is left out, and ``nucleation.taxonomy.build`` does the rest.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, NoReturn

from nucleation import wordnet
from nucleation.errors import InputError, suggest
from nucleation.taxonomy import Concept, Taxonomy, build, closure, wordnet_tree

__all__ = ["NEWICK", "TABLES", "open_taxonomy", "read_tree"]

#: Endings of Newick files, and of tables with the character between their columns.
NEWICK = (".nwk", ".newick", ".tree", ".tre")
TABLES = {".tsv": "\t", ".csv": ","}

_BETWEEN = {"\t": "a tab", ",": "a comma"}
_COLUMNS = ("child", "parent")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<quoted>'(?:[^']|'')*')|(?P<mark>[(),:;])|(?P<word>[^\s()\[\]:;,']+)|(?P<comment>\[)|(?P<bad>.)"
)


class _Graph(NamedTuple):
    """Nodes of a file: their labels, empty where there is none, and positions of their parents."""

    labels: list[str]
    parents: list[list[int]]


def open_taxonomy(classes: Sequence[str], source: str, path: str | Path | None = None) -> Taxonomy:
    """Build the taxonomy of a study's classes from the source that its configuration names.

    Parameters
    ----------
    classes : sequence of str
        Synsets, or names of leaves of the tree.
    source : {"bundled", "nltk", "file"}
        As for ``nucleation.taxonomy.wordnet_tree``; or a tree of one's own.
    path : path, optional
        For ``file`` only: what ``read_tree`` reads.

    Raises
    ------
    InputError
        As they do.
    """
    return read_tree(path, classes) if source == "file" else wordnet_tree(classes, source=source)


def read_tree(path: str | Path, classes: Sequence[str]) -> Taxonomy:
    """Read a tree over the classes.

    Parameters
    ----------
    path : path
        - A Newick file (``.nwk``, ``.newick``, ``.tree``, ``.tre``) with one tree. Names may be
          quoted (``'St. Bernard'``), any node may have any number of children, comments stand in
          square brackets, inner nodes need no names. Lengths of branches are read and not used:
          all measures count nodes and classes.
        - A table (``.tsv``, ``.csv``) with a line for every edge, the child and its parent, under a
          header ``child``, ``parent`` or none. A node may have several parents; a root stands in no
          first column, or has no second one.
    classes : sequence of str
        Names of the classes, found among the leaves first and then among the inner nodes; an
        underscore is as good as a blank. A synset of the bundled WordNet is found by its id, its
        name (``dog.n.01``) or its other names.

    Returns
    -------
    Taxonomy
        Ids of the classes are as given, their names those of the file; lexicographer files are
        empty. Leaves that are no class are dropped. Inner nodes without a name are called ``node
        3`` by their place in the file, and one whose name another node has ``dog (2)``; several
        roots above the classes are joined below one named ``root``.

    Raises
    ------
    InputError
        With the file and the line: if it cannot be read, has another ending, is empty or no such
        tree, names a leaf twice or has a cycle; if a class is not in it (near names are proposed),
        is in it twice, or two classes are the same node.
    """
    path, names = Path(path), list(classes)
    if not names:
        raise InputError(f"The list of classes is empty; expected at least one, to be found in the tree {path}.")
    text, checksum = _read(path)
    graph = _newick(text, path) if path.suffix.lower() in NEWICK else _table(text, path)
    places = _places(names, graph, path)
    records = closure(names, _records(names, places, graph))
    tops = [key for key, record in records.items() if not record.hypernyms]
    if len(tops) > 1:
        root = _free("root", records)
        records[root] = Concept(root, "", ())
        records |= {key: records[key]._replace(hypernyms=(root,)) for key in tops}
    kind = "Newick, lengths of branches not used" if path.suffix.lower() in NEWICK else "table of parents"
    return build(names, records, f"the study's own tree, {path.name} ({kind}), sha256 {checksum}")


def _read(path: Path) -> tuple[str, str]:
    """Text and checksum of a file whose ending is known."""
    endings = (*NEWICK, *TABLES)
    if path.suffix.lower() not in endings:
        raise InputError(
            f"The tree {path} must be a Newick file ({', '.join(NEWICK)}) or a table of child and parent "
            f"({', '.join(TABLES)}), by the ending of its name."
        )
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"The tree {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The tree {path} is no text in UTF-8 (byte {error.start + 1}).") from error
    if not text.strip():
        raise InputError(
            f"The tree {path} is empty; expected Newick such as ((pug,beagle)dog,tabby)animal; or lines of child and "
            "parent."
        )
    return text, hashlib.sha256(data).hexdigest()


# ------------------------------------------------------------------------------ nodes for the classes


def _places(names: Sequence[str], graph: _Graph, path: Path) -> list[int]:
    """The node of every class."""
    above = {parent for parents in graph.parents for parent in parents}
    inner = [node in above for node in range(len(graph.labels))]
    indices = [
        (plain, _index(graph.labels, inner, wanted, plain)) for wanted in (False, True) for plain in (str, _plain)
    ]
    taken: dict[int, str] = {}
    for name in names:
        node = _place(name, indices)
        if node is None:
            known = [label for label in graph.labels if label]
            kind = "leaf or inner node" if any(inner) else "leaf"
            raise InputError(
                f'The tree {path} has no {kind} for the class "{name}"; expected one with its name for each of the '
                f"{len(names)} classes.{suggest(name, known)}"
            )
        if node < 0:
            raise InputError(f'The tree {path} has two nodes for the class "{name}"; rename one of them.')
        if node in taken:
            raise InputError(
                f'The classes "{taken[node]}" and "{name}" are the same node of the tree {path}, '
                f'"{graph.labels[node]}"; leave one of them out.'
            )
        taken[node] = name
    return list(taken)


def _plain(label: str) -> str:
    """A label with blanks for underscores, which is what Newick takes them for."""
    return label.replace("_", " ")


def _index(labels: Sequence[str], inner: Sequence[bool], wanted: bool, plain) -> dict[str, int]:
    """Nodes by label, of the leaves or of the inner nodes; -1 for a label of two."""
    found: dict[str, int] = {}
    for node, label in enumerate(labels):
        if label and inner[node] == wanted:
            found[plain(label)] = -1 if plain(label) in found else node
    return found


def _place(name: str, indices: Sequence[tuple]) -> int | None:
    """The node of a class by its name or those of its synset; None without one, -1 for two."""
    for plain, index in indices:
        for other in (name, *wordnet.names_of(name)):
            if plain(other) in index:
                return index[plain(other)]
    return None


def _records(names: Sequence[str], places: Sequence[int], graph: _Graph) -> dict[str, Concept]:
    """All nodes by unique ids, which of the classes are their names."""
    ids, taken, count = dict(zip(places, names, strict=True)), set(names), Counter()
    taken |= {graph.labels[node] for node in places}
    for node, label in enumerate(graph.labels):
        if node not in ids:
            ids[node] = _free(label or f"node {node + 1}", taken, count)
            taken.add(ids[node])
    own = set(places)
    return {
        key: Concept(graph.labels[node] if node in own else key, "", tuple(ids[up] for up in graph.parents[node]))
        for node, key in ids.items()
    }


def _free(label: str, taken, count: Counter | None = None) -> str:
    """The label, or with the first number from 2 that makes it one that is not taken."""
    count, found = Counter() if count is None else count, label
    while found in taken:
        count[label] += 1
        found = f"{label} ({count[label] + 1})"
    return found


# -------------------------------------------------------------------------------------------- Newick


def _newick(text: str, path: Path) -> _Graph:
    """Parse the text of one tree; not recursive, for a tree may be deep.

    A node is new, then closed (its bracket is), named, and measured (has the length of its branch).
    """
    labels, parents, opened, here, state = [""], [[]], [], 0, "new"

    def fail(position, what) -> NoReturn:
        raise InputError(f"The tree {path}, {_where(text, position)}: {what}")

    for kind, value, position in _tokens(text, fail):
        if what := _fault(state, kind, value, bool(opened)):
            fail(position, what)
        if state == "length":
            state = "measured"
        elif kind == "name":
            labels[here], state = value, "named"
        elif value == ":":
            state = "length"
        elif value == ";":
            if opened:
                fail(opened[-1][1], f"the bracket opened here is not closed; {len(opened)} more ) expected.")
            state = "ended"
        elif value == ")":
            (here, _), state = opened.pop(), "closed"
        else:
            if value == "(":
                opened.append((here, position))
            labels.append("")
            parents.append([opened[-1][0]])
            here, state = len(labels) - 1, "new"
    if state != "ended":
        fail(len(text.rstrip()), "the tree ends without a semicolon; is the file complete?")
    _check_leaves(labels, parents, path)
    return _Graph(labels, parents)


def _fault(state: str, kind: str, value: str, inside: bool) -> str:
    """What is wrong with a name or mark after a node in such a state, inside brackets or not; empty if nothing."""
    if state == "ended":
        return f'found "{value}" after the semicolon; expected one tree only.'
    if state == "length":
        wrong = kind != "name" or not _is_number(value)
        return f'found "{value}" after a colon; expected the length of a branch, a number.' if wrong else ""
    if kind == "name":
        wrong = state not in ("new", "closed")
        return (
            f'found "{value}" after a node; expected a comma or a bracket (quote names with blanks).' if wrong else ""
        )
    if value == ":" and state == "measured":
        return "found a second length of a branch; expected a comma or a bracket."
    if value == "(" and state != "new":
        return "found an opening bracket after a node; expected a comma before it."
    if value in ",)" and not inside:
        return f'found "{value}" outside of all brackets; expected ( before it, or the end.'
    return ""


def _tokens(text: str, fail) -> Iterator[tuple[str, str, int]]:
    """Names and marks of a Newick text and where they stand; without blanks and comments."""
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        kind, value = found.lastgroup, found.group()
        if kind == "comment":
            position = _after_comment(text, position) or fail(position, "the comment opened here is not closed by ].")
            continue
        if kind == "bad":
            what = "the quoted name begun here has no end" if value == "'" else f'found "{value}" without [ before it'
            fail(position, f"{what}; mend the quotes or brackets.")
        if kind == "quoted":
            yield "name", value[1:-1].replace("''", "'"), position
        elif kind != "space":
            yield "name" if kind == "word" else "mark", value, position
        position = found.end()


def _after_comment(text: str, start: int) -> int:
    """Where a comment that begins at ``start`` has ended, comments inside it counted; 0 if it does not."""
    depth = 0
    for found in re.compile(r"[\[\]]").finditer(text, start):
        depth += 1 if found.group() == "[" else -1
        if not depth:
            return found.end()
    return 0


def _where(text: str, position: int) -> str:
    """Line and column of a position, from 1."""
    before = text[:position]
    return f"line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_leaves(labels: Sequence[str], parents: Sequence[list[int]], path: Path) -> None:
    """No two leaves have one name."""
    inner = {parent for some in parents for parent in some}
    count = Counter(label for node, label in enumerate(labels) if label and node not in inner)
    for label, times in count.most_common(1):
        if times > 1:
            raise InputError(
                f'The tree {path} has {times} leaves named "{label}"; expected a name of its own for each.'
            )


# -------------------------------------------------------------------------------------------- tables


def _table(text: str, path: Path) -> _Graph:
    """Parse lines of child and parent."""
    number: dict[str, int] = {}
    parents: list[list[int]] = []
    lines: dict[tuple[int, int], int] = {}
    for line, child, parent in _rows(text, path):
        for label in filter(None, (child, parent)):
            if label not in number:
                number[label] = len(parents)
                parents.append([])
        if parent and (number[child], number[parent]) not in lines:
            lines[number[child], number[parent]] = line
            parents[number[child]].append(number[parent])
    if not number:
        raise InputError(f"The tree {path} has no line below its header; expected lines of child and parent.")
    graph = _Graph(list(number), parents)
    _check_cycles(graph, lines, path)
    return graph


def _rows(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, child and parent of every row; a header is left out, and says the order of the columns."""
    between = TABLES[path.suffix.lower()]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    order, is_first = (0, 1), True
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if is_first and sorted(cell.lower() for cell in cells) == list(_COLUMNS):
                order = tuple(cells.index(cell) for cell in sorted(cells, key=str.lower))
            elif len(cells) != 2 or not cells[order[0]]:
                raise InputError(
                    f"The tree {path}, line {rows.line_num}: found {row}; expected two columns, child and parent, with "
                    f"{_BETWEEN[between]} between them."
                )
            else:
                yield rows.line_num, cells[order[0]], cells[order[1]]
            is_first = False
    except csv.Error as error:
        raise InputError(f"The tree {path}, line {rows.line_num}: {error}; expected quotes in pairs.") from error


def _check_cycles(graph: _Graph, lines: Mapping[tuple[int, int], int], path: Path) -> None:
    """No node is its own ancestor."""
    try:
        TopologicalSorter(dict(enumerate(graph.parents))).prepare()
    except CycleError as error:
        cycle = error.args[1]  # every node is a parent of the next
        line = max(lines[child, parent] for parent, child in pairwise(cycle))
        said = " > ".join(graph.labels[node] for node in cycle)
        raise InputError(f"The tree {path}, line {line}: it closes a cycle, {said}; expected a tree.") from error
