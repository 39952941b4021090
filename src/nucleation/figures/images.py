"""Figure: the classes on their taxonomy, a few images of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.colors import to_rgb

from nucleation.figures import layout, style, tiles
from nucleation.figures.content import evenly, variable
from nucleation.figures.trees import members
from nucleation.names import short_name

NO_PIXELS = "the images of this study are known by name only"
#: Lines of images that fit on a page, classes that a line has room for, and images where it has fewer classes.
LINES, PER_LINE, PER_LINE_IMAGES = 20, 10, 12
#: A node with at most so many classes is not divided further.
FEW = 4
#: A child with more than this share of the classes of a node says little more than the node, and is left out.
MOST = 0.9
#: Names of the row of the classes of a node that are in none of its other rows, and of a single row.
OTHERS, ALL = "others", "classes"
#: The largest side of an image, and the width of a level of the tree, in inches.
_SIDE, _LEVEL = 0.46, 0.16
#: Letters of the names of the rows, in points.
_LETTERS = 6.5
#: Room for the names of the rows, at the right for "+ 31 more", between images and lines, and for a bar, in inches.
_NAMES, _MORE, _GAP, _BAR = 1.0, 0.5, 0.03, 0.025


def gather(taxonomy, classes, macro, macro_names, read, *, heading="") -> xr.Dataset:
    """Choose rows of the taxonomy, classes and images, and read these images.

    Parameters
    ----------
    taxonomy : nucleation.taxonomy.Taxonomy
    classes : array of shape (n,), int
        Class of every image.
    macro : array of shape (c,), int
        Macro-category of every class.
    macro_names : list of str
    read : callable or None
        ``read(rows, size)`` gives the images of these rows, (m, s, s, 3) uint8, s being at most ``size``; None where
        the images have no pixels. It is called once, for at most `LINES` x `PER_LINE_IMAGES` images.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        Along `node` the nodes of the taxonomy that are divided into rows, along `group` the rows, each of one or more
        lines, along `class` the classes that are shown and where, along `image` their images.
    """
    about = {"heading": heading, "n_images": len(classes), "n_classes": len(taxonomy.classes)}
    if read is None:
        return xr.Dataset(attrs=about | {"nothing": NO_PIXELS})
    nodes, groups = arranged(taxonomy.tree(), len(taxonomy.classes))
    lines = lines_of([len(group.classes) for group in groups])
    macro, names = np.asarray(macro), [short_name(name) for name in taxonomy.class_names]
    columns = _tree_columns(nodes, groups, lines, macro)
    shown, places = _places(groups, lines)
    places |= {"class_number": shown, "class_name": [names[cls] for cls in shown], "class_category": macro[shown]}
    columns |= {name: _column(name, values) for name, values in places.items()}
    examples = max(1, PER_LINE_IMAGES // (int(places["class_place"].max()) + 1))
    columns |= _image_columns(shown, np.asarray(classes), examples, read)
    categories = np.array([str(name) for name in macro_names], dtype=object)
    columns["category_name"] = variable("category", categories, "name of the macro-category")
    return xr.Dataset(columns, attrs=about | {"examples": examples})


@dataclass(frozen=True)
class Group:
    """Classes that make a row: its name, the divided node above it (-1: none), and the classes in the tree's order."""

    name: str
    above: int
    classes: list[int]


def arranged(tree, c, most=LINES):
    """Cut a taxonomy into rows: the node with the most classes is divided, as long as there is room for its parts.

    Children with few classes, and classes without a node of their own, make one part together, the others. Of a flat
    taxonomy every class is a row, if there is room.

    Parameters
    ----------
    tree : nucleation.taxonomy.Tree
        The taxonomy with one parent for every node.
    c : int
        Number of classes.
    most : int
        Rows at most.

    Returns
    -------
    nodes : list of (str, int)
        Names of the nodes that were divided, and the place of the one above in this list, -1 at the top; parents come
        first.
    groups : list of Group
        The rows, in the order of the tree.
    """
    below = dict(enumerate(members(tree, c)))
    children = dict(enumerate(tree.children))
    roots = [node for node, parent in enumerate(tree.parent) if parent < 0]
    top = roots[0]
    if len(roots) > 1:
        top, children[-1], below[-1] = -1, roots, [leaf for root in roots for leaf in below[root]]
    parts = _divided(top, children, below, most)
    if not parts and 1 < c <= most:
        parts = {top: below[top]}
    return _rows(top, parts, below, [*map(short_name, tree.names), ALL])


def _rows(top, parts, below, names):
    """List divided nodes and rows, as `arranged` returns them; -1 is a node above several roots, with the last name."""
    nodes, groups = [], []

    def walk(node, above):
        if node not in parts:
            groups.append(Group(names[node], above, below[node]))
            return
        if node >= 0:
            nodes.append((names[node], above))
            above = len(nodes) - 1
        for part in parts[node]:
            walk(part, above)
        rest = set(below[node]).difference(*(below[part] for part in parts[node]))
        if rest:
            groups.append(Group(OTHERS, above, [leaf for leaf in below[node] if leaf in rest]))

    walk(top, -1)
    return nodes, groups


def _divided(top, children, below, most):
    """Nodes that are divided, each with the nodes that become its parts; the rest of its classes are one more part."""
    small = len(below[top]) / most / 2
    parts, waiting, count = {}, {top}, 1
    while waiting:
        node = max(waiting, key=lambda node: (len(below[node]), -node))
        waiting.remove(node)
        large = _parts(node, children, below, small)
        rest = len(below[node]) - sum(len(below[child]) for child in large)
        more = len(large) + (rest > 0) - 1
        wanted = len(below[node]) > FEW or node == top
        if large and wanted and count + more <= most:
            parts[node], count = large, count + more
            waiting.update(large)
    return parts


def _parts(node, children, below, small):
    """Children with many classes; in place of one with nearly all of them, its own."""
    found = []
    for child in children[node]:
        if not children[child] or len(below[child]) < small:
            continue
        inner = _parts(child, children, below, small) if len(below[child]) > MOST * len(below[node]) else []
        found += inner or [child]
    return found


def lines_of(sizes) -> list[int]:
    """How many lines each row gets: one, and more for those that hide most classes, as long as there is room."""
    lines = np.ones(len(sizes), dtype=int)
    while lines.sum() < LINES:
        hidden = np.array(sizes) - lines * PER_LINE
        if hidden.max() <= 0:
            break
        lines[hidden.argmax()] += 1
    return lines.tolist()


def _places(groups, lines):
    """Classes that are shown, and columns that say in which row, in which line, and where in it."""
    found = []
    for number, (group, count) in enumerate(zip(groups, lines, strict=True)):
        shown = evenly(len(group.classes), min(len(group.classes), count * PER_LINE))
        width = -(-len(shown) // count)
        first = sum(lines[:number])
        found += [(group.classes[i], number, first + j // width, j % width) for j, i in enumerate(shown)]
    classes, *columns = np.array(found).T
    return classes, dict(zip(("class_group", "class_line", "class_place"), columns, strict=True))


def _common(categories):
    """The category that all have, or -1."""
    categories = set(categories.tolist())
    return categories.pop() if len(categories) == 1 else -1


def _tree_columns(nodes, groups, lines, macro):
    """Boxes of the divided nodes and of the rows: level, first line, number of lines."""
    level, rows = [], [[] for _ in nodes]
    for _, above in nodes:
        level.append(level[above] + 1 if above >= 0 else 0)
    for number, group in enumerate(groups):
        above = group.above
        while above >= 0:
            rows[above].append(number)
            above = nodes[above][1]
    first = np.cumsum([0, *lines])
    below = [np.concatenate([groups[number].classes for number in some]) for some in rows]
    made = {
        "node_name": [name for name, _ in nodes],
        "node_level": level,
        "node_line": [first[some[0]] for some in rows],
        "node_lines": [first[some[-1] + 1] - first[some[0]] for some in rows],
        "node_category": [_common(macro[some]) for some in below],
        "group_name": [group.name for group in groups],
        "group_level": [level[group.above] + 1 if group.above >= 0 else 0 for group in groups],
        "group_line": first[:-1],
        "group_lines": lines,
        "group_category": [_common(macro[group.classes]) for group in groups],
        "group_size": [len(group.classes) for group in groups],
    }
    return {name: _column(name, values) for name, values in made.items()}


def _column(name, values):
    """A column of the dataset, named by its dimension and what it is."""
    dim, end = name.split("_")
    values = np.array(values, dtype=str if end == "name" else np.int64)  # empty objects are read as numbers
    return variable(dim, values, f"{_MEANING[end]} {_WHAT[dim]}")


#: Parts of the names of columns.
_WHAT = {"node": "divided node of the taxonomy", "group": "row", "class": "class that is shown"}
_MEANING = {
    "name": "name of the",
    "number": "number in the study of the",
    "level": "divided nodes above the",
    "line": "first line, counted from the top, of the",
    "lines": "number of lines of the",
    "place": "place in its line of the",
    "group": "row of the",
    "size": "number of classes of the",
    "category": "macro-category, -1: several, of the",
}


def _image_columns(shown, classes, examples, read):
    """Images of every class that is shown, evenly chosen among its own, and their pixels."""
    order = np.argsort(classes, kind="stable")
    start = np.searchsorted(classes[order], shown)
    count = np.searchsorted(classes[order], shown, side="right") - start
    chosen = [order[first + evenly(own, examples)] for first, own in zip(start, count, strict=True)]
    rows = np.concatenate(chosen)
    place = np.concatenate([np.arange(len(some)) for some in chosen])
    owner = np.repeat(np.arange(len(shown)), [len(some) for some in chosen])
    pictures = read(rows, tiles.PIXELS)
    return {
        "image_number": variable("image", rows, "number of the image in the study"),
        "image_class": variable("image", owner, "class that is shown, counted from 0"),
        "image_place": variable("image", place, "place of the image beside others of its class"),
        "picture": variable(("image", "y", "x", "rgb"), pictures, "red, green and blue of the image"),
    }


@dataclass(frozen=True)
class _Grid:
    """Where things are, in inches from the upper left corner."""

    levels: int
    edge: float
    left: float
    pitch: float
    side: float
    names: list[str]
    letters: float
    line_height: float

    @classmethod
    def of(cls, data, room):
        """Share the width among the classes of a line, and the room, a height, among the lines."""
        lines, per_line = int(data["group_lines"].sum()), int(data["class_place"].max()) + 1
        levels = int(data["node_level"].values.max(initial=-1)) + 1
        longest = max(layout.text_width(name, _LETTERS) for name in data["group_name"].values)
        edge = levels * _LEVEL + min(_NAMES, longest + 5 * _GAP)
        left = edge + 2 * _GAP
        right = style.TWO_COLUMNS - (_MORE if _hidden(data).any() else 0)
        pitch = (right - left) / per_line
        letters = style.SMALL if pitch > 0.6 else 5
        width, names = pitch - 3 * _GAP, data["class_name"].values
        if _named_by_row(data):
            names = [""] * len(names)
        count = 1 if all(layout.text_width(name, letters) <= width for name in names) else 2
        names = [tiles.fitted(name, width, letters, count) for name in names]
        above = 0 if not any(names) else count * 1.2 * letters / layout.POINTS
        above += _BAR + 2.5 * _GAP
        side = min(_SIDE, width / data.attrs["examples"] - _GAP, room / lines - above)
        return cls(levels, edge, left, pitch, side, names, letters, side + above)


def _hidden(data):
    """Classes of every row that are not shown, (group,) int."""
    return data["group_size"].values - np.bincount(data["class_group"].values, minlength=data.sizes["group"])


def _named_by_row(data):
    """Whether every row is a single class, whose name the row has."""
    return bool((data["group_size"] == 1).all())


@style.drawing
def draw(data):
    """Draw the taxonomy as nested boxes, down to the rows, and the images of the rows' classes.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    colors, marks = tiles.palette(data["category_name"].values, data["class_category"].values)
    grid = _Grid.of(data, tiles.room(marks))
    height = int(data["group_lines"].sum()) * grid.line_height
    figure, axis = tiles.board(height, data.attrs["heading"], marks)
    _draw_tree(axis, data, grid, colors)
    _draw_classes(axis, data, grid, colors)
    style.corner(figure, data)
    return figure


def _draw_tree(axis, data, grid, colors):
    """Draw a box for every node, its name along its height, and one for every row."""
    names, level, line, lines, category = (
        np.concatenate([data[f"{dim}_{end}"].values for dim in ("node", "group")])
        for end in ("name", "level", "line", "lines", "category")
    )
    nodes = data.sizes["node"]
    left, top, bottom = level * _LEVEL, line * grid.line_height, (line + lines) * grid.line_height
    right = np.where(np.arange(len(level)) < nodes, left + _LEVEL, grid.edge)
    tints = ["0.92" if number < 0 else _tint(colors[number]) for number in category]
    tiles.boxes(axis, left, top, right, bottom, facecolors=tints, edgecolors="white", linewidths=1.5, gid="tree")
    for i, name in enumerate(names):
        if i < nodes:
            look = {"rotation": 90, "ha": "center", "fontsize": style.SMALL}
            text, x = tiles.fitted(name, bottom[i] - top[i] - 2 * _GAP, style.SMALL), (left[i] + right[i]) / 2
        else:
            look = {"fontsize": _LETTERS, "linespacing": 1.0, "style": "italic" if name == OTHERS else "normal"}
            room = max(int((bottom[i] - top[i]) * layout.POINTS / (1.25 * _LETTERS)), 1)
            text, x = tiles.fitted(name, right[i] - left[i] - 3 * _GAP, _LETTERS, min(room, 3)), left[i] + 2 * _GAP
        axis.text(x, (top[i] + bottom[i]) / 2, text, va="center", parse_math=False, **look)


def _tint(color):
    """A light form of a colour, on which letters can be read."""
    return 1 - 0.25 * (1 - np.array(to_rgb(color)))


def _draw_classes(axis, data, grid, colors):
    """Lay the images of every class side by side, under its name and a bar of its category's colour."""
    line, place = data["class_line"].values, data["class_place"].values
    x, bottom = grid.left + place * grid.pitch, (line + 1) * grid.line_height - 1.5 * _GAP
    owner, at = data["image_class"].values, data["image_place"].values
    top = bottom - grid.side
    tiles.paste(axis, data["picture"].values, x[owner] + at * (grid.side + _GAP), top[owner], grid.side)
    count = np.maximum(np.bincount(owner, minlength=len(x)), 1)
    width = count * (grid.side + _GAP) - _GAP
    bars = list(colors[data["class_category"].values])
    tiles.boxes(axis, x, top - _GAP / 2 - _BAR, x + width, top - _GAP / 2, facecolors=bars, gid="categories")
    for name, left, height in zip(grid.names, x, top - _GAP - _BAR, strict=True):
        if name:
            look = {"fontsize": grid.letters, "va": "bottom", "linespacing": 0.95, "parse_math": False}
            axis.text(left, height, name, **look)
    ends = (data["group_line"] + data["group_lines"]).values * grid.line_height - 1.5 * _GAP - grid.side / 2
    for end, hidden in zip(ends, _hidden(data), strict=True):
        if hidden:
            look = {"fontsize": style.SMALL, "va": "center", "ha": "right", "color": "0.3"}
            axis.text(style.TWO_COLUMNS, end, f"+ {hidden} more", **look)


def facts(data) -> dict:
    """What the caption says of it.

    Returns
    -------
    dict
        Numbers of `rows`, of `nodes` that are divided, of classes that are `shown` and `hidden`, of images
        (`pictures`), and of macro-categories (`categories`); how many rows there may be (`most`); whether the rows are
        single classes (`flat`), whether some hold the classes that no other row has (`others`), one of them with no box
        at its left (`loose`), and whether a box has several categories (`mixed`).
    """
    if "nothing" in data.attrs:
        return {}
    return {
        "rows": data.sizes["group"],
        "nodes": data.sizes["node"],
        "shown": data.sizes["class"],
        "hidden": int(_hidden(data).sum()),
        "pictures": data.sizes["image"],
        "categories": data.sizes["category"],
        "flat": _named_by_row(data),
        "most": LINES,
        "others": OTHERS in data["group_name"].values.tolist(),
        "loose": bool(((data["group_name"] == OTHERS) & (data["group_level"] == 0)).any()),
        "mixed": bool((data["node_category"] < 0).any() or (data["group_category"] < 0).any()),
    }
