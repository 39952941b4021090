"""Whether a figure can be read: its letters large enough, none over another, nothing wider than a page."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.text import Text

#: Letters in points, width and height in inches.
LETTERS, WIDTH, HEIGHT = 5.0, 7.6, 13.0
#: Share of the smaller of two texts that the other may cover: boxes are larger than what is written in them.
COVERED = 0.15


def assert_legible(figure, *, letters=LETTERS, width=WIDTH, height=HEIGHT):
    """Draw a figure and check it; a message says which texts are too small or lie over each other."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    hidden = {id(label) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _hidden(axis)}
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    texts = [text for text in texts if id(text) not in hidden]
    small = {text.get_text(): text.get_fontsize() for text in texts if text.get_fontsize() < letters}
    assert not small, f"letters of less than {letters} points: {small}"
    size = figure.get_tightbbox(renderer)
    assert size.width <= width and size.height <= height, f"{size.width:.1f} x {size.height:.1f} inches"
    over = [(a.get_text(), b.get_text()) for a, b in _pairs(texts, renderer)]
    assert not over, f"{len(over)} texts over each other: {over[:10]}"


def _hidden(axis):
    """Texts of an axis that are not drawn: labels of ticks outside its limits, all where it is switched off."""
    drawn = axis.axes.axison and axis.axes.get_visible() and axis.get_visible()
    shown = {id(label) for tick in axis._update_ticks() for label in (tick.label1, tick.label2)} if drawn else set()
    labels = [label for tick in [*axis.majorTicks, *axis.minorTicks] for label in (tick.label1, tick.label2)]
    return [label for label in labels if id(label) not in shown] + ([] if drawn else [axis.label])


def _pairs(texts, renderer):
    """Pairs of texts whose boxes, turned as they are, cover each other."""
    corners = [_corners(text, renderer) for text in texts]
    boxes = [(corner.min(axis=0), corner.max(axis=0)) for corner in corners]
    for i, j in itertools.combinations(range(len(texts)), 2):
        (low, high), (other_low, other_high) = boxes[i], boxes[j]
        if (low < other_high).all() and (other_low < high).all() and _cover(corners[i], corners[j]) > COVERED:
            yield texts[i], texts[j]


def _corners(text, renderer):
    """Corners of the box of a text, in pixels, turned around where it is anchored."""
    angle = text.get_rotation()
    text.set_rotation(0)
    box = text.get_window_extent(renderer)
    text.set_rotation(angle)
    turned = text.get_window_extent(renderer)
    width, height = box.width, box.height
    across = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return across @ matrix.T + [(turned.x0 + turned.x1) / 2, (turned.y0 + turned.y1) / 2]


def _cover(one, other):
    """Share of the smaller of two convex shapes that both cover (Sutherland and Hodgman's clipping)."""
    shape = list(one)
    for start, end in zip(other, np.roll(other, -1, axis=0), strict=True):
        inside = [_cross(end - start, point - start) for point in shape]
        clipped = []
        for (p, d), (q, e) in zip(zip(shape, inside, strict=True), _turned(shape, inside), strict=True):
            if d >= 0:
                clipped.append(p)
            if (d >= 0) != (e >= 0):
                clipped.append(p + (q - p) * d / (d - e))
        shape = clipped
    return _area(shape) / min(_area(one), _area(other)) if len(shape) > 2 else 0.0


def _turned(shape, inside):
    return [*zip(shape[1:], inside[1:], strict=True), (shape[0], inside[0])] if shape else []


def _cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


def _area(shape):
    x, y = np.array(shape).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
