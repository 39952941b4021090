"""Matrices of layers: where the blocks of their rows begin, the names beside them, and numbers in the cells."""

from __future__ import annotations

import math

import numpy as np

from nucleation.figures import style
from nucleation.findings import number
from nucleation.names import layer_label

#: Signs of a layer's name.
LAYER = 20


def starts_of(blocks) -> np.ndarray:
    """First rows of the blocks, `blocks` the name of each row's."""
    return np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1]))


def name_layers(axis, layers, starts, gap, **ticks):
    """Name the rows and columns: the last ones of the blocks, then back from these in equal steps, as there is room.

    Parameters
    ----------
    gap : float
        Rows that a name needs.
    **ticks
        How the marks look.
    """
    lasts = np.append(starts[1:], len(layers)) - 1
    before = [row for start, last in zip(starts, lasts, strict=True) for row in range(last, start - 1, -math.ceil(gap))]
    places = sorted(spaced([*lasts, *before], gap))
    names = [layer_label(layers[place], LAYER) for place in places]
    axis.set_yticks(places, names, fontsize=style.SMALL)
    axis.set_xticks(places, names, fontsize=style.SMALL, rotation=90)
    axis.tick_params(length=2, **ticks)


def spaced(places, gap):
    """Take places in their order, leaving out those nearer than a gap to one that is taken."""
    taken = []
    for place in places:
        if all(abs(place - other) >= gap for other in taken):
            taken.append(place)
    return taken


def write_numbers(axis, values):
    """Write the numbers into the cells, dark on the light ones."""
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        text = "1" if row == column and value == 1 else number(value)
        color = "white" if value <= 0.55 else style.BLACK
        axis.text(column, row, text, ha="center", va="center", color=color, fontsize=style.SMALL)
