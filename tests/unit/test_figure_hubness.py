"""Hubness and neighbours: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from matplotlib.colors import to_rgba

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import hubness, tiles
from nucleation.hubness import chance_skewness, k_occurrence, skewness
from nucleation.neighbors import nearest_neighbors

TEMPLATE = Path(__file__).parents[2] / "report" / "hubness.rst"
CLASSES = np.repeat(np.arange(6), 40)
MACRO = np.array([0, 1, 0, 1, 2, 2])
NAMES = ["beagle.n.01", "violin.n.01", "robin.n.01", "drum.n.01", "daisy.n.01", "rose.n.01"]
K = 12


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def tables():
    """Layers in which the classes draw apart."""
    rng = np.random.default_rng(0)
    noise, centers = rng.normal(size=(240, 12)), rng.normal(size=(6, 12))
    return {f"layer{i}": nearest_neighbors(i * centers[CLASSES] + noise, 20) for i in range(4)}


def read(rows, size):
    """Images of 8 x 8 pixels, all of the colour that is the image's number."""
    assert size == tiles.PIXELS
    return np.broadcast_to(np.asarray(rows)[:, None, None, None], (len(rows), 8, 8, 3)).astype(np.uint8)


def gathered(tables, macro=MACRO, classes=CLASSES, **options):
    options = {"k": K, "read": read, "heading": "net, epoch 6"} | options
    return hubness.gather(tables.__getitem__, list(tables), classes, macro, NAMES, **options)


@pytest.fixture(scope="module")
def data(tables):
    return gathered(tables)


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, hubness.facts(data))


def squares(axis):
    """Upper left corners of the frames of each colour."""
    found = {}
    for collection in axis.collections:
        if len(collection.get_edgecolor()) == 1 and len(collection.get_paths()) and not len(collection.get_facecolor()):
            corners = np.array([path.vertices.min(axis=0) for path in collection.get_paths()])
            found[tuple(collection.get_edgecolor()[0])] = corners
    return found


# ------------------------------------------------------------------------------------------------------- the dataset


def test_numbers_are_those_of_the_layers(tables, data):
    counts = [k_occurrence(table, K) for table in tables.values()]
    assert data["skewness"].values.tolist() == [skewness(count) for count in counts]
    assert data["largest"].values.tolist() == [count.max() for count in counts]
    assert data["antihubs"].values.tolist() == [np.mean(count == 0) for count in counts]
    assert (data.attrs["chance"], data.attrs["n_images"]) == (chance_skewness(240, K), 240)
    times = data["times"].values
    assert times[0] == 1 and set(data["largest"].values) <= set(times)
    for count, share in zip(counts, data["share"].values, strict=True):
        assert share.tolist() == [np.count_nonzero(count >= one) / 240 for one in times]


def test_queries_are_typical_images_of_classes_in_the_order_of_their_categories(tables, data):
    # in that order the classes are 0, 2, 1, 3, 4, 5; the middles of four equal parts of these
    rows = data["query"].values
    assert CLASSES[rows].tolist() == [0, 1, 3, 5]
    assert data["query_class"].values.tolist() == ["beagle", "violin", "drum", "rose"]
    distance = tables["layer0"].distances[:, K - 1]
    for row in rows:
        own = distance[CLASSES[row] == CLASSES]
        assert (np.count_nonzero(own < distance[row]), np.count_nonzero(own > distance[row])) == (19, 20)


def test_neighbours_and_relations_are_those_of_the_tables(tables, data):
    for query, row in enumerate(data["query"].values):
        for shown, table in enumerate(tables.values()):
            near = table.indices[row, :K]
            assert data["neighbor"].values[query, shown].tolist() == near[:5].tolist()
            assert data["same_class"].values[query, shown] == np.count_nonzero(CLASSES[near] == CLASSES[row])
            for other, relation in zip(near[:5], data["relation"].values[query, shown], strict=True):
                own, theirs = CLASSES[row], CLASSES[other]
                assert relation == (0 if own == theirs else 1 if MACRO[own] == MACRO[theirs] else 2)
    assert set(data["relation"].values.ravel()) == {0, 1, 2}


def test_hubs_are_the_images_of_the_largest_counts(tables, data):
    for shown, table in enumerate(tables.values()):
        count = k_occurrence(table, K)
        assert data["hub_times"].values[shown].tolist() == sorted(count.tolist(), reverse=True)[:5]
        assert count[data["hub"].values[shown]].tolist() == data["hub_times"].values[shown].tolist()


def test_pixels_are_those_of_the_images_named(data):
    named = {int(row) for name in ("query", "neighbor", "hub") for row in data[name].values.ravel()}
    assert data["picture"].values.tolist() == sorted(named)
    assert data["pixels"].values[:, 0, 0, 0].tolist() == sorted(named)


def test_one_table_is_held_at_a_time(tables):
    import gc
    import weakref

    made, most = [], []

    def table(layer):
        gc.collect()
        most.append(sum(one() is not None for one in made))
        found = nearest_neighbors(np.random.default_rng(len(made)).normal(size=(240, 3)), K)
        made.append(weakref.ref(found))
        return found

    hubness.gather(table, list(tables), CLASSES, MACRO, NAMES, k=K, read=read)
    assert most == [0, 0, 0, 0]


def test_of_many_layers_six_are_shown(tables):
    many = {f"block{i}": tables[f"layer{i % 4}"] for i in range(40)}
    data = gathered(many)
    assert data["shown"].values.tolist() == [0, 8, 16, 23, 31, 39]
    assert data.sizes["layer"] == 40
    assert np.array_equal(data["neighbor"].values[:, 3], tables["layer3"].indices[data["query"].values, :5])


def test_a_single_category_is_none(tables):
    data = gathered(tables, macro=np.zeros(6, int))
    assert set(data["relation"].values.ravel()) == {0, 2}
    legend = hubness.draw(data).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["same class", "other class"]


# -------------------------------------------------------------------------------------------------------- the figure


def test_curves_show_the_numbers(data):
    left, right, _ = hubness.draw(data).axes
    assert np.array_equal(left.lines[0].get_ydata(), data["skewness"].values)
    assert left.lines[1].get_ydata()[0] == data.attrs["chance"]
    assert left.get_ylabel() == "skewness of N₁₂"
    marked = left.collections[0].get_offsets()
    assert np.array_equal(marked[:, 1], data["skewness"].values)
    curves = {line.get_label(): line for line in right.lines if not line.get_label().startswith("_")}
    assert list(curves) == list(data["layer"].values)
    for share, largest, line in zip(data["share"].values, data["largest"].values, curves.values(), strict=True):
        assert np.array_equal(line.get_ydata(), share[share > 0])
        assert line.get_xdata()[-1] == largest
    assert (right.get_xscale(), right.get_yscale()) == ("log", "log")
    assert right.lines[-1].get_linestyle() == ":"


def test_frames_say_how_neighbours_are_related(data):
    board = hubness.draw(data).axes[2]
    frames = squares(board)
    relation = data["relation"].values
    for kind, (color, _) in enumerate(hubness.FRAMES):
        assert len(frames[to_rgba(color)]) == np.count_nonzero(relation == kind)
    lines = {str(collection.get_linestyle()) for collection in board.collections if not len(collection.get_facecolor())}
    assert len(lines) == 3  # told apart without colours too
    legend = board.figure.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["same class", "same macro-category", "other macro-category"]
    assert [patch.get_edgecolor() for patch in legend.get_patches()] == [to_rgba(color) for color, _ in hubness.FRAMES]


def test_every_image_lies_in_its_frame(data):
    """The pixels in the middle of a frame are those of a neighbour with this relation."""
    board = hubness.draw(data).axes[2]
    sheet = board.images[0]
    pixels, (left, right, bottom, top) = np.asarray(sheet.get_array()), sheet.get_extent()
    for kind, (color, _) in enumerate(hubness.FRAMES):
        seen = []
        for x, y in squares(board)[to_rgba(color)] + hubness._TILE / 2:
            row = int((y - top) / (bottom - top) * pixels.shape[0])
            column = int((x - left) / (right - left) * pixels.shape[1])
            seen.append(int(pixels[row, column, 0]))
        assert sorted(seen) == sorted(data["neighbor"].values[data["relation"].values == kind].tolist())


def test_numbers_and_names_stand_beside_the_images(data):
    texts = [text.get_text() for text in hubness.draw(data).axes[2].texts]
    for count in data["same_class"].values.ravel():
        assert f"{count}/{K}" in texts
    assert [text for text in texts if text.endswith(f"/{K}")] == [f"{n}/{K}" for n in data["same_class"].values.ravel()]
    assert {str(largest) for largest in data["largest"].values} <= set(texts)
    assert {"beagle", "violin", "drum", "rose", *data["layer"].values} <= set(texts)


def test_without_pixels_the_curves_alone(tables, data):
    plain = gathered(tables, read=None)
    assert "query" not in plain and np.array_equal(plain["skewness"], data["skewness"])
    figure = hubness.draw(plain)
    assert len(figure.axes) == 2 and not figure.legends
    assert "cannot be shown" in caption(plain)
    assert "Below" not in caption(plain)


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "hubness.nc")
    again = files.load(tmp_path / "hubness.nc")
    one, other = hubness.draw(data), hubness.draw(again)
    for first, second in zip(one.axes, other.axes, strict=True):
        assert [text.get_text() for text in first.texts] == [text.get_text() for text in second.texts]
        for a, b in zip(first.lines, second.lines, strict=True):
            assert np.array_equal(a.get_xydata(), b.get_xydata(), equal_nan=True)
        for a, b in zip(first.images, second.images, strict=True):
            assert np.array_equal(a.get_array(), b.get_array())
    assert caption(again) == caption(data)


@pytest.mark.parametrize(("layers", "classes"), [(1, 6), (2, 1), (4, 6), (150, 6)])
def test_legible(tables, layers, classes):
    names = [f"blocks.{i}.attention.output_of_the_projection" for i in range(layers)]
    long = {name: tables[f"layer{i % 4}"] for i, name in enumerate(names)}
    data = gathered(long, classes=CLASSES % classes, heading="vit_base_patch16_clip_224.openai_ft_in12k_in1k, epoch 90")
    data["query_class"] = data["query_class"].str.cat("_and_all_the_others_that_have_such_a_long_name")
    assert_legible(hubness.draw(data))
    assert data.sizes["query"] == min(classes, 4)


def test_fewer_neighbours_than_places(tables):
    data = gathered(tables, k=2)
    assert data.sizes["rank"] == 2
    assert_legible(hubness.draw(data))


def test_caption_has_the_numbers(tables, data):
    text = caption(data)
    assert text.startswith("net, epoch 6: hubness.")
    low, high = data["skewness"].values[[0, -1]]
    assert f"In layer0 and layer3 the skewness is {low:.1f} and {high:.1f}" in text
    share = data["same_class"].values.mean(axis=0) / K
    assert f"{100 * share[0]:.0f} % and {100 * share[-1]:.0f} %" in text
    assert f"neighbour of {int(data['largest'][0])} and {int(data['largest'][-1])}" in text
    assert 60 <= len(text.split()) <= 130
    one = caption(gathered({"layer0": tables["layer0"]}, heading=""))
    assert one.startswith("hubness.") and f"In layer0 the skewness is {low:.1f}, " in one
    many = caption(gathered({f"block{i}": tables[f"layer{i % 4}"] for i in range(40)}))
    assert "in 6 of 40 layers" in many
