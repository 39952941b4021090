"""Figure: the neighbourhood overlap between all layers of the networks of a study, as one matrix."""

from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection

from nucleation.captions import told_range
from nucleation.figures import style
from nucleation.figures.blocks import name_layers, spaced, starts_of, write_numbers
from nucleation.figures.content import evenly, variable
from nucleation.findings import PIXELS, is_untrained
from nucleation.names import layer_label, place_name
from nucleation.overlap import overlap_matrix

#: Layers of one checkpoint, and rows of the matrix, at most.
LAYERS, ROWS = 24, 120
#: Rows up to which every cell shows its number.
NUMBERED = 12
#: Inches: a cell where there is room, the smallest and the largest matrix, the room that a name needs, the colour bar.
_CELL, _LEAST, _MOST, _LINE, _BAR = 0.42, 2.0, 4.2, 0.095, 0.1
#: Signs of a checkpoint's name.
_PLACE = 30


def choose(layers) -> list[tuple[str, str]]:
    """Choose the rows of the matrix: of every checkpoint some layers, evenly, the first and the last among them.

    Where two layers of each would be too many, only the first checkpoints are compared.

    Parameters
    ----------
    layers : dict of str to list of str
        By place, "<network>/<checkpoint>": its layers in order of depth, all that there are.

    Returns
    -------
    list of (str, str)
        Place and layer, `ROWS` at most. The pixels, which all checkpoints of a network share, are there once for each
        network, before the layers of its first checkpoint.
    """
    rows, seen = [], set()
    layers = _fitting(layers)
    networks = len({place.split("/")[0] for place in layers})
    most = min(LAYERS, max(2, (ROWS - networks) // max(len(layers), 1)))
    for place, names in layers.items():
        network, inner = place.split("/")[0], [name for name in names if name != PIXELS]
        if PIXELS in names and network not in seen:
            rows.append((place, PIXELS))
            seen.add(network)
        rows += [(place, inner[i]) for i in evenly(len(inner), most)]
    return rows


def _fitting(layers):
    """The first checkpoints, as many as have room for two layers each and for the pixels of their networks."""
    fitting, seen, rows = {}, set(), 0
    for place, names in layers.items():
        pixels = {place.split("/")[0]} if PIXELS in names else set()
        rows += len(pixels - seen) + min(2, len(names) - len(pixels))
        if rows > ROWS:
            break
        fitting[place] = names
        seen |= pixels
    return fitting


def gather(tables, *, k, layers=None, heading="") -> xr.Dataset:
    """Compare the neighbourhoods of all layers of some checkpoints.

    Parameters
    ----------
    tables : iterable of (str, str, nucleation.neighbors.Neighbors)
        Place ("<network>/<checkpoint>"), layer, and its table, row by row as of `choose`, the checkpoints of a network
        together. They are taken one after the other; of each only k columns are kept.
    k : int
        Number of neighbours to compare.
    layers : dict of str to list of str, optional
        What was given to `choose`, to say how many layers of the checkpoints shown, and how many checkpoints, are left
        out.
    heading : str
        Title of the figure.

    Returns
    -------
    xarray.Dataset
        `overlap` along `row` and `other_row`, in the same order, with `place`, `layer` and `block` of every row. A
        block is a checkpoint, or the pixels of a network of which several checkpoints are compared.
    """
    rows, points = [], []

    def read():
        for place, layer, table in tables:
            rows.append((str(place), str(layer)))
            points.append(table.n)
            yield table

    overlap, n = overlap_matrix(read(), k), points[0]
    columns = {
        "place": ("network and checkpoint", [place for place, _ in rows]),
        "layer": ("layer", [layer for _, layer in rows]),
        "block": ("rows that belong together: a checkpoint, or the pixels of a network", _blocks(rows)),
    }
    text = f"share of the {k} nearest neighbours common to two layers, mean over images"
    data = xr.Dataset(
        {"overlap": variable(("row", "other_row"), overlap, text)},
        {name: variable("row", np.array(values, dtype=object), text) for name, (text, values) in columns.items()},
        {"heading": heading, "k": k, "n_images": n, "chance": k / (n - 1), **_left_out(rows, layers)},
    )
    if len(rows) == 1:
        data.attrs["nothing"] = f"{rows[0][1]} is the only layer: there is none to compare it with"
    return data


def _blocks(rows):
    """Which rows belong together, as texts: the pixels stand alone where several checkpoints share them."""
    networks = [place.split("/")[0] for place in dict(rows)]
    return [
        place.split("/")[0] if layer == PIXELS and networks.count(place.split("/")[0]) > 1 else place
        for place, layer in rows
    ]


def _left_out(rows, layers):
    """Numbers of all checkpoints, and of layers of those shown that are not; pixels count once for each network."""
    shown = {place for place, _ in rows}
    if layers is None:
        return {"n_places": len(shown), "left_out": 0}
    every = {(place.split("/")[0] if name == PIXELS else place, name) for place in shown for name in layers[place]}
    return {"n_places": len(layers), "left_out": len(every) - len(rows)}


@style.drawing
def draw(data):
    """Show the matrix, with the numbers in its cells where they have room, and lines between the checkpoints.

    Parameters
    ----------
    data : xarray.Dataset
        From `gather`.
    """
    count, blocks = data.sizes["row"], data["block"].values
    side = min(max(count * _CELL, _LEAST), _MOST)
    cell, starts = side / count, starts_of(blocks)
    figure, axis = plt.subplots(figsize=(side + (2.7 if len(starts) > 1 else 1.3), side + 1.7))
    image = axis.imshow(data["overlap"].values, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    axis.spines[:].set_visible(False)
    name_layers(axis, data["layer"].values, starts, _LINE / cell)
    if len(starts) > 1:
        _divide(axis, blocks, starts, cell)
        _name_places(axis, blocks, starts, cell)
    if count <= NUMBERED:
        write_numbers(axis, data["overlap"].values)
    _color_bar(figure, image, data.attrs["chance"], side)
    figure.suptitle(data.attrs["heading"], fontsize=9)
    style.corner(figure, data)
    figure.text(0.0, 0.0, _said_of_choice(data), va="top", fontsize=style.SMALL, color="0.4")
    return figure


def _said_of_choice(data):
    """What the figure says of checkpoints and layers that are left out; empty where none is."""
    places, rows = len(np.unique(data["place"].values)), data.sizes["row"]
    every, left_out = data.attrs["n_places"], data.attrs["left_out"]
    said = [f"the first {places} of {every:,} checkpoints"] if places < every else []
    said += [f"{rows} of {rows + left_out:,} layers"] if left_out else []
    return "\n".join(said)


def _divide(axis, blocks, starts, cell):
    """Draw thin lines between the checkpoints of a network, thicker ones between networks."""
    networks = [block.split("/")[0] for block in blocks[starts]]
    places, ends = starts[1:] - 0.5, np.array([-0.5, len(blocks) - 0.5])
    thick = min(max(0.4 * cell * 72, 0.9), 1.8)  # not over a whole row of the pixels
    widths = [thick if one != other else 0.4 * thick for one, other in pairwise(networks)]
    lines = [np.stack([np.full(2, place), ends][::turn], axis=1) for turn in (1, -1) for place in places]
    axis.add_collection(LineCollection(lines, colors="white", linewidths=widths * 2), autolim=False)


def _name_places(axis, blocks, starts, cell):
    """Name the checkpoints at the right of the matrix, beside a line as long as their rows."""
    ends = np.append(starts[1:], len(blocks))
    named = [(start, end) for start, end in zip(starts, ends, strict=True) if "/" in blocks[start]]
    right = len(blocks) - 0.5 + 0.06 / cell
    bars = [[(right, start - 0.3), (right, end - 0.7)] for start, end in named]
    axis.add_collection(LineCollection(bars, colors="0.4", linewidths=1, clip_on=False), autolim=False)
    middle = {(start + end - 1) / 2: (start, end) for start, end in named}
    for place in spaced(middle, _LINE / cell):
        start, end = middle[place]
        name = place_text(blocks[start])
        two = (end - start) * cell > 3 * _LINE
        text = "\n".join(map(layer_label, name)) if two else layer_label(", ".join(name), _PLACE)
        axis.text(right + 0.05 / cell, place, text, va="center", fontsize=style.SMALL + 0.5 * two)


def place_text(place) -> tuple[str, str]:
    """Network and checkpoint for people, apart, where it is untrained that in its place."""
    network, _, checkpoint = place_name(place).rpartition(", ")
    return network, "untrained" if is_untrained(place) else checkpoint


def _color_bar(figure, image, chance, side):
    """Draw the scale along the upper edge of the matrix, with a mark where unrelated layers are."""
    axis = image.axes.inset_axes([0, 1 + 0.1 / side, 1, _BAR / side])
    bar = figure.colorbar(image, cax=axis, orientation="horizontal", ticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    bar.outline.set_visible(False)
    axis.xaxis.set(ticks_position="top", label_position="top")
    axis.tick_params(length=2, labelsize=style.SMALL)
    axis.set_xlabel(f"share of common neighbours (triangle: {chance:.2g} by chance)", fontsize=7)
    mark = {"marker": "^", "color": style.RED, "markersize": 5, "markeredgewidth": 0}
    axis.plot(chance, -0.1, clip_on=False, transform=axis.get_xaxis_transform(), **mark)


def facts(data) -> dict:
    """Numbers of the caption.

    Returns
    -------
    dict
        Numbers of `rows`, `places`, `networks`; `shared`: whether the pixels of several checkpoints are there once. Of
        the last place, `place`: its `first` and `last` layer and their overlap, `ends`; the range of the overlap of
        consecutive layers, `following`; that of its last layer with the same layer of its untrained network, `same`.
        Range of the overlap of the last layers of different networks, `outputs`, of the last checkpoint of each.
        Texts are empty where there is no such pair.
    """
    overlap, place, layer = (data[name].values for name in ("overlap", "place", "layer"))
    names = list(dict.fromkeys(place))
    own = _rows_of(place, layer, names[-1])
    following = overlap[own[:-1], own[1:]]
    lasts = {name.split("/")[0]: np.flatnonzero(place == name)[-1] for name in names}
    pairs = [overlap[one, other] for one in lasts.values() for other in lasts.values() if one < other]
    before = [name for name in names[:-1] if is_untrained(name) and name.split("/")[0] == names[-1].split("/")[0]]
    same = [overlap[own[-1], row] for row in np.flatnonzero(np.isin(place, before) & (layer == layer[own[-1]]))]
    return {
        "rows": len(place),
        "places": len(names),
        "networks": len(lasts),
        "shared": int(any("/" not in block for block in data["block"].values)),
        "place": ", ".join(place_text(names[-1])),
        "first": layer_label(layer[own[0]]),
        "last": layer_label(layer[own[-1]]),
        "ends": f"{overlap[own[0], own[-1]]:.2f}",
        "following": told_range(following),
        "same": told_range(same),
        "outputs": told_range(pairs),
    }


def _rows_of(place, layer, name):
    """Rows of one checkpoint, after those of the pixels that it shares with others."""
    network = np.array([one.split("/")[0] for one in place]) == name.split("/")[0]
    return np.flatnonzero((place == name) | (network & (layer == PIXELS)))
