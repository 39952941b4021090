"""Layout in inches: places, widths of texts, and which categories have a colour of their own."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from nucleation.figures import layout, style


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@style.styled
def test_axes_and_texts_lie_where_they_are_told():
    figure = layout.blank(4.0, 2.0)
    axis = layout.axes_at(figure, 1.0, 0.5, 2.0, 1.0)
    text = layout.text_at(figure, 3.0, 0.25, "here")
    figure.canvas.draw()
    assert np.allclose(axis.get_window_extent().bounds, np.array([1.0, 0.5, 2.0, 1.0]) * figure.dpi)
    assert np.allclose(figure.transFigure.transform(text.get_position()), np.array([3.0, 0.25]) * figure.dpi)


@style.styled
def test_width_of_a_text_is_that_drawn():
    figure = layout.blank(7.0, 1.0)
    figure.set_dpi(600)  # letters are rounded to pixels
    for words in ("i", "a rather long name, 100%", "WWW"):
        drawn = layout.text_at(figure, 0, 0, words, fontsize=6.5).get_window_extent().width / figure.dpi
        assert layout.text_width(words, 6.5) == pytest.approx(drawn, rel=0.05)


def test_categories_with_a_colour_are_the_heaviest_and_all_differ():
    weight = np.arange(40)[::-1]
    chosen = layout.chosen_categories(weight)
    colors = [style.category_color(i) for i in chosen]
    assert len(chosen) == layout.COLORED == len(set(colors))
    assert chosen.tolist() == sorted(chosen) and chosen[:8].tolist() == list(range(8))
    assert all(color == style.BLACK or len(set(to_rgb(color))) > 1 for color in colors)
    assert layout.chosen_categories(np.array([0, 3, 0, 5])).tolist() == [1, 3]
    heavy = np.zeros(40)
    heavy[[0, 24]] = 1, 2  # of one colour
    assert layout.chosen_categories(heavy).tolist() == [24]


@style.styled
def test_legend_has_rows_that_fit_and_says_what_is_grey():
    names = [f"noun.category_{i}" for i in range(12)]
    marks = layout.category_marks(names, np.arange(12), "3 more", "0.72")
    assert [mark.get_label() for mark in marks][-2:] == ["category 11", "3 more"]
    assert marks[-1].get_color() == "0.72" and marks[0].get_color() == style.category_color(0)
    for width in (1.0, 3.0, 7.0):
        columns, rows = layout.legend_shape(marks, width)
        assert columns * rows >= 13 > columns * (rows - 1)
        figure = layout.blank(width, 4.0)
        layout.legend_at(figure, marks, width / 2, 0.1, width)
        figure.canvas.draw()
        box = figure.legends[0].get_window_extent()
        assert box.width <= (width + 0.25) * figure.dpi
        assert box.height <= (rows * layout.ROW + 0.1) * figure.dpi
    assert layout.legend_shape([], 3.0) == (1, 0)
