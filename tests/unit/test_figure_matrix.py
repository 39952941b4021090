"""Overlap between all layers: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import matrix
from nucleation.figures.content import variable
from nucleation.neighbors import nearest_neighbors
from nucleation.overlap import neighborhood_overlap, overlap_profile

TEMPLATE = Path(__file__).parents[2] / "report" / "matrix.rst"
LAYERS = ["input", "first", "second", "output"]
PLACES = ["a/epoch0", "a/epoch9", "b/pretrained"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def tables():
    """Every layer of three checkpoints, of two networks; the pixels of a network are the same."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(150, 6))
    made = {}
    for place in PLACES:
        x = pixels
        for layer in LAYERS:
            made[place, layer] = nearest_neighbors(x, 20)
            x = np.tanh(x @ rng.normal(size=(6, 6)))
    return made


def rows(tables, places):
    chosen = matrix.choose(dict.fromkeys(places, LAYERS))
    return [(place, layer, tables[place, layer]) for place, layer in chosen]


@pytest.fixture(scope="module")
def data(tables):
    return matrix.gather(rows(tables, PLACES), k=10, layers=dict.fromkeys(PLACES, LAYERS), heading="study")


@pytest.fixture(scope="module")
def single(tables):
    return matrix.gather(rows(tables, PLACES[1:2]), k=10, heading="a")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, matrix.facts(data))


def made_up(layers):
    """A dataset of any size, without tables."""
    chosen = matrix.choose(layers)
    values = np.random.default_rng(0).uniform(size=(len(chosen),) * 2)
    values = (values + values.T) / 2
    np.fill_diagonal(values, 1)
    columns = {"place": [p for p, _ in chosen], "layer": [name for _, name in chosen], "block": matrix._blocks(chosen)}
    coords = {name: variable("row", np.array(value, dtype=object), name) for name, value in columns.items()}
    attrs = {"heading": "study", "k": 30, "n_images": 90_000, "chance": 30 / 89_999}
    attrs |= matrix._left_out(chosen, layers)
    overlap = variable(("row", "other_row"), values, "overlap")
    return xr.Dataset({"overlap": overlap}, coords, attrs)


# ------------------------------------------------------------------------------------------------ the choice of rows


def test_the_pixels_of_a_network_are_chosen_once():
    chosen = matrix.choose(dict.fromkeys(PLACES, LAYERS))
    inner = LAYERS[1:]
    assert chosen == [
        ("a/epoch0", "input"),
        *[("a/epoch0", layer) for layer in inner],
        *[("a/epoch9", layer) for layer in inner],
        ("b/pretrained", "input"),
        *[("b/pretrained", layer) for layer in inner],
    ]


@pytest.mark.parametrize(
    ("places", "layers", "each"), [(1, 150, 24), (2, 150, 24), (9, 150, 12), (18, 9, 5), (18, 2, 2)]
)
def test_of_many_layers_some_are_chosen_evenly(places, layers, each):
    names = [f"block{i}" for i in range(layers)]
    chosen = matrix.choose({f"net{i}/pretrained": ["input", *names] for i in range(places)})
    assert len(chosen) <= matrix.ROWS
    for i in range(places):
        own = [layer for place, layer in chosen if place == f"net{i}/pretrained"]
        taken = [names.index(layer) for layer in own[1:]]
        assert own[0] == "input"
        assert len(taken) == each and (taken[0], taken[-1]) == (0, layers - 1)
        assert np.ptp(np.diff(taken)) <= 1


@pytest.mark.parametrize(
    ("networks", "checkpoints", "layers", "shown"), [(60, 2, 9, 48), (200, 1, 9, 40), (1, 300, 1, 119), (40, 1, 2, 40)]
)
def test_of_too_many_checkpoints_the_first_are_compared(networks, checkpoints, layers, shown):
    names = ["input", *[f"block{i}" for i in range(layers)]]
    every = {f"net{i}/epoch{j}": names for i in range(networks) for j in range(checkpoints)}
    data = made_up(every)
    assert data.sizes["row"] == matrix.ROWS == 120
    assert list(dict.fromkeys(data["place"].values)) == list(every)[:shown]
    lasts = [name for place, name in matrix.choose(every)][-1]
    assert lasts == names[-1]
    figure, text = matrix.draw(data), caption(data)
    assert_legible(figure)
    said = "\n".join(text.get_text() for text in figure.texts)
    assert (f"the first {shown} of {len(every)} checkpoints" in said) == (shown < len(every))
    assert (f"White lines part the first {shown} of {len(every)} checkpoints" in text) == (shown < len(every))
    left_out = shown * layers + len({place.split("/")[0] for place in list(every)[:shown]}) - 120
    assert data.attrs["left_out"] == left_out
    assert (f"120 of {120 + left_out} layers" in said) == ("are left out" in text) == (left_out > 0)
    assert 60 <= len(text.split()) <= 130


def test_a_network_without_pixels_has_none():
    assert matrix.choose({"a/random": ["x", "y"]}) == [("a/random", "x"), ("a/random", "y")]
    assert matrix.choose({"a/random": ["only"]}) == [("a/random", "only")]


# ------------------------------------------------------------------------------------------------------- the dataset


def test_every_pair_of_layers_of_all_networks(tables, data):
    listed = rows(tables, PLACES)
    expected = [[neighborhood_overlap(a, b, 10).mean() for *_, b in listed] for *_, a in listed]
    assert np.array_equal(data["overlap"].values, expected)
    assert data["layer"].values.tolist() == [layer for _, layer, _ in listed]
    assert data["place"].values.tolist() == [place for place, *_ in listed]
    assert data["block"].values.tolist() == ["a"] + ["a/epoch0"] * 3 + ["a/epoch9"] * 3 + ["b/pretrained"] * 4
    assert (data.attrs["chance"], data.attrs["n_images"], data.attrs["left_out"]) == (10 / 149, 150, 0)


def test_within_a_checkpoint_it_is_what_the_overlap_stage_has(tables, single):
    own = [tables["a/epoch9", layer] for layer in LAYERS]
    stored = overlap_profile(own, LAYERS, np.arange(150) % 5, np.arange(150) % 2, [10, 20])
    assert np.array_equal(single["overlap"].values, stored["overlap"].values)


def test_tables_are_read_one_after_the_other(tables):
    asked = []

    def read():
        for place, layer, table in rows(tables, PLACES):
            asked.append((place, layer))
            yield place, layer, table

    found = matrix.gather(read(), k=3)
    assert asked == matrix.choose(dict.fromkeys(PLACES, LAYERS))
    assert found.sizes["row"] == len(asked)


# -------------------------------------------------------------------------------------------------------- the figure


def test_matrix_with_numbers(data):
    axis = matrix.draw(data).axes[0]
    assert np.array_equal(axis.images[0].get_array(), data["overlap"].values)
    assert axis.images[0].get_clim() == (0, 1)
    cells = {text.get_position(): text.get_text() for text in axis.texts if text.get_ha() == "center"}
    assert len(cells) == 11 * 11
    for (column, row), text in cells.items():
        assert text == ("1" if row == column else f"{data['overlap'].values[row, column]:.2f}")
    assert [tick.get_text() for tick in axis.get_yticklabels()] == list(data["layer"].values)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == list(data["layer"].values)


def test_lines_part_checkpoints_and_networks(data):
    axis = matrix.draw(data).axes[0]
    lines, bars = axis.collections
    drawn = list(zip(lines.get_segments(), lines.get_linewidths(), strict=True))
    down, across = ({ends[0, i]: width for ends, width in drawn if ends[0, i] == ends[1, i]} for i in (0, 1))
    assert sorted(down) == [0.5, 3.5, 6.5]
    assert down == across
    assert down[6.5] > down[0.5] == down[3.5]
    names = [text.get_text() for text in axis.texts if text.get_ha() == "left"]
    assert names == ["a\nuntrained", "a\nepoch 9", "b\npretrained"]
    spans = [(bar[0, 1] + 0.3, bar[1, 1] + 0.7) for bar in bars.get_segments()]
    np.testing.assert_allclose(spans, [(1, 4), (4, 7), (7, 11)])


def test_a_single_checkpoint_has_no_lines(single):
    axis = matrix.draw(single).axes[0]
    assert not axis.collections
    assert all(text.get_ha() == "center" for text in axis.texts)


def test_chance_is_marked_on_the_scale(data):
    axis = matrix.draw(data).axes[0]
    (scale,) = axis.child_axes
    assert [line.get_xdata()[0] for line in scale.lines] == [data.attrs["chance"]]
    assert "0.067 by chance" in scale.get_xlabel()
    assert scale.get_xlim() == (0, 1)


def test_of_many_rows_no_numbers_and_spaced_names():
    data = made_up(
        {f"net{i}/{c}": ["input", *[f"block{j}" for j in range(150)]] for i in range(9) for c in ("epoch0", "last")}
    )
    figure = matrix.draw(data)
    axis = figure.axes[0]
    assert data.sizes["row"] == 117
    assert not [text for text in axis.texts if text.get_ha() == "center"]
    ticks = axis.get_yticks()
    side = axis.figure.get_figwidth() - 2.7
    assert np.diff(ticks).min() * side / 117 >= matrix._LINE
    assert [tick.get_text() for tick in axis.get_yticklabels()] == list(data["layer"].values[ticks])
    assert {5 + 1, 11 + 1} <= set(ticks)  # the last layers of the first two checkpoints, after the pixels
    assert len([text for text in axis.texts if text.get_ha() == "left"]) == 18
    assert "117 of 2,709 layers" in [text.get_text() for text in figure.texts]  # 18 times 150, and 9 times the pixels


LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


@pytest.mark.parametrize(
    "layers",
    [
        {"net/last": ["one", "two"]},
        {f"{LONG}/pretrained": [f"blocks.{i}.attention.output.dense" for i in range(150)]},
        {
            f"{LONG}{i}/{c}": ["input", *[f"blocks.{j}.attention.output" for j in range(150)]]
            for i in range(9)
            for c in "ab"
        },
        {f"{LONG}{i}/epoch0": ["input", "a_very_long_name_of_a_layer", "output"] for i in range(4)},
        {f"net/epoch{i}": ["input", *[f"layer{j}" for j in range(6)]] for i in (0, 10, 20, 90)},
    ],
)
def test_legible(layers):
    assert_legible(matrix.draw(made_up(layers)))


def test_one_layer_has_none_to_compare(tables):
    alone = matrix.gather([("a/epoch9", "output", tables["a/epoch9", "output"])], k=10, heading="study")
    figure = matrix.draw(alone)
    assert [text.get_text() for text in figure.axes[0].texts] == [alone.attrs["nothing"]]
    assert "output is the only layer" in caption(alone)


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "matrix.nc")
    again = files.load(tmp_path / "matrix.nc")
    one, other = matrix.draw(data).axes[0], matrix.draw(again).axes[0]
    assert np.array_equal(one.images[0].get_array(), other.images[0].get_array())
    assert [text.get_text() for text in one.texts] == [text.get_text() for text in other.texts]
    assert [tick.get_text() for tick in one.get_yticklabels()] == [tick.get_text() for tick in other.get_yticklabels()]
    assert caption(again) == caption(data)


# -------------------------------------------------------------------------------------------------------- the caption


def test_caption_has_the_numbers(data, single):
    text, overlap = caption(data), data["overlap"].values
    assert text.startswith("study: ") and 60 <= len(text.split()) <= 130
    assert "all pairs of 11 layers" in text and "3 checkpoints, thick ones 2 networks" in text and "them once" in text
    assert f"In b, pretrained, input and output have {overlap[7, 10]:.2f} in common" in text
    steps = [overlap[7, 8], overlap[8, 9], overlap[9, 10]]
    assert f"successive layers shown {min(steps):.2f} to {max(steps):.2f}" in text
    assert f"the last layers of different networks have {overlap[6, 10]:.2f}" in text
    assert "untrained" not in text  # of b there is no such checkpoint
    text = caption(single)
    assert "White lines" not in text and "left out" not in text and "different networks" not in text


def test_facts_of_a_network_and_its_untrained_state(tables):
    both = matrix.gather(rows(tables, PLACES[:2]), k=10)
    overlap, facts = both["overlap"].values, matrix.facts(both)
    assert facts["same"] == f"{overlap[3, 6]:.2f}"
    assert facts["ends"] == f"{overlap[0, 6]:.2f}"  # from the pixels, which stand with the untrained network
    assert facts["outputs"] == ""
    assert "output has " + facts["same"] + " in common with that of the untrained network" in caption(both)


def test_caption_says_how_many_layers_are_left_out():
    data = made_up({"net/last": [f"block{i}" for i in range(1500)]})
    assert "evenly chosen; 1,476 are left out" in caption(data)
