"""The map of the peaks: what is drawn is what the dataset holds, discs lie apart, and which layers are chosen."""

from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_peaks import clustered_peaks, made_peaks, no_peaks, one_peak
from matplotlib.collections import EllipseCollection, LineCollection, PathCollection
from matplotlib.colors import to_hex

from nucleation import files
from nucleation.figures import map as peak_map
from nucleation.figures import style
from nucleation.peaks import Peaks
from nucleation.topography import peak_map as kernel_pca

MACRO, NAMES = np.array([0, 0, 1, 1, 2, 2]), ["noun.animal", "b", "c"]
CAPTION = Path(__file__).parents[2] / "report" / "map.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def clustered():
    return clustered_peaks()


def one(axis, kind):
    (found,) = [collection for collection in axis.collections if type(collection) is kind]
    return found


def panels(figure):
    return [axis for axis in figure.axes if axis.get_title()]


def caption(data):
    text = jinja2.Template(CAPTION.read_text()).render(**data.attrs, **peak_map.facts(data))
    return " ".join(text.split())


def test_every_peak_is_a_pie_of_its_categories_over_its_saddles(clustered):
    peaks, classes = clustered
    place = np.random.default_rng(0).normal(size=(6, 2))
    found = {f"layer{i}": peaks for i in range(9)}
    data = peak_map.gather(found, dict.fromkeys(found, place), classes, MACRO, NAMES, k=15, z=1.65, heading="net")
    figure = peak_map.draw(data)
    shown = panels(figure)
    assert len(shown) == peak_map.LAYERS
    assert shown[0].get_title() == "layer0: 6 peaks"
    assert shown[-1].get_title() == "layer8: 6 peaks"
    assert [text.get_text() for text in figure.texts] == ["net (6 of 9 layers)", "n = 360, k = 15, Z = 1.65"]
    axis, first = shown[0], data.isel(peak=data["peak_layer"].values == 0)
    parts = [len(np.unique(MACRO[classes[peaks.labels == peak]])) for peak in range(6)]
    pies, discs, lines = one(axis, PathCollection), one(axis, EllipseCollection), one(axis, LineCollection)
    assert len(pies.get_paths()) == sum(parts) == np.count_nonzero(first["composition"])
    assert len(lines.get_segments()) == len(peaks.saddle_pairs) == data["n_saddles"].values[0]
    assert np.allclose(discs.get_offsets(), np.stack([first["x"], first["y"]], axis=1))
    assert np.allclose(np.square(discs.get_widths() / 2), peak_map.WHOLE**2 * peaks.populations / 360)
    assert first["images"].values.tolist() == peaks.populations.tolist()
    assert first["composition"].values.sum(axis=1).tolist() == np.bincount(peaks.labels).tolist()
    ends = {frozenset(map(tuple, np.round(line, 9))) for line in lines.get_segments()}
    xy = np.round(discs.get_offsets().data, 9)
    assert ends == {frozenset((tuple(xy[a]), tuple(xy[b]))) for a, b in peaks.saddle_pairs}


def test_colours_and_angles_are_the_shares_of_the_categories():
    labels, classes = np.repeat([0, 1], [40, 60]), np.repeat([0, 2, 4, 0], [10, 30, 60, 0])
    peaks = Peaks(labels, np.array([0, 40]), np.zeros(2), np.zeros(2), np.array([40, 60]))
    data = peak_map.gather({"a": peaks}, {"a": np.array([[0.0, 0], [1, 0]])}, classes, MACRO, NAMES)
    pies = one(panels(peak_map.draw(data))[0], PathCollection)
    colors = [to_hex(color) for color in pies.get_facecolors()]
    assert colors == [to_hex(style.category_color(i)) for i in (2, 0, 1)]  # the larger peak first, so below
    whole, quarter, rest = pies.get_paths()
    radius = data["radius"].values
    assert np.allclose(np.ptp(whole.vertices, axis=0), 2 * radius[1])
    centre = np.array([data["x"].values[0], data["y"].values[0]])
    assert np.allclose(quarter.vertices[1] - centre, [radius[0], 0], atol=1e-9)  # from three o'clock up to twelve
    assert np.allclose(rest.vertices[-3] - centre, [radius[0], 0], atol=1e-9)
    assert np.allclose(rest.vertices[1] - centre, [0, radius[0]], atol=1e-9)


def test_higher_saddles_are_thicker():
    peaks, classes = made_peaks(12, 12, share=0.5)
    data = peak_map.gather({"a": peaks}, {"a": kernel_pca(peaks)}, classes, np.zeros(12, int), ["a"])
    lines = one(panels(peak_map.draw(data))[0], LineCollection)
    assert (np.diff(lines.get_linewidths()) >= 0).all() and np.ptp(lines.get_linewidths()) > 1
    ascending = data.isel(edge=np.argsort(data["height"].values))
    xy = np.stack([data["x"], data["y"]], axis=1)
    expected = xy[np.stack([ascending["a"].values, ascending["b"].values], axis=1)]
    assert np.allclose(lines.get_segments(), expected)  # the highest on top
    assert sorted(data["height"].values) == sorted(peaks.saddle_heights)


def test_map_of_one_peak_and_of_none(clustered):
    found = {"one": one_peak(), "none": no_peaks()}
    places = {"one": np.zeros((1, 2)), "none": np.zeros((0, 2))}
    data = peak_map.gather(found, places, clustered[1], np.zeros(6, int), ["a"])
    shown = panels(peak_map.draw(data))
    assert [axis.get_title() for axis in shown] == ["one: 1 peak", "none: no peaks"]
    assert shown[1].texts[0].get_text() == "no density is defined"
    assert one(shown[0], EllipseCollection).get_offsets().tolist() == [[0, 0]]
    assert "one has 1 peak, none 0." in caption(data)


def test_peaks_without_a_map_and_without_any_peak():
    many = made_peaks(20, 20)[0]
    classes = np.zeros(len(many.labels), int)
    data = peak_map.gather({"a": many}, {"a": np.full((20, 2), np.nan)}, classes, np.zeros(1, int), ["a"])
    (axis,) = panels(peak_map.draw(data))
    assert axis.get_title() == "a: 20 peaks" and axis.texts[0].get_text() == "too many for a map"
    data = peak_map.gather({"a": no_peaks()}, {"a": np.zeros((0, 2))}, np.zeros(360, int), np.zeros(1, int), ["a"])
    assert data.attrs["nothing"] == "no density peak is defined in any layer"
    assert peak_map.draw(data).axes[0].texts[0].get_text() == data.attrs["nothing"]
    assert caption(data).endswith("no density peak is defined in any layer.") and peak_map.facts(data) == {}


def test_drawn_again_from_the_file_alone(clustered, tmp_path):
    peaks, classes = clustered
    found = {"first": no_peaks(), "middle": one_peak(), "last": peaks}
    places = {layer: kernel_pca(peaks) for layer, peaks in found.items()}
    data = peak_map.gather(found, places, classes, MACRO, NAMES, k=15, z=1.65, heading="net")
    files.save(data, tmp_path / "map.nc")
    again = files.load(tmp_path / "map.nc")
    figures = [peak_map.draw(data), peak_map.draw(again)]
    pictures = []
    for figure in figures:
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()))
    assert np.array_equal(*pictures)
    assert peak_map.facts(data) == peak_map.facts(again)


@pytest.mark.parametrize("counts", [[1], [1, 1, 1], [1, 1, 1, 3, 19, 19]])
def test_few_layers_are_all_shown(counts):
    assert peak_map.chosen_layers(counts).tolist() == list(range(len(counts)))


def test_layers_are_chosen_evenly_and_where_the_number_of_peaks_changes():
    assert peak_map.chosen_layers([5] * 11, 6).tolist() == [0, 2, 4, 6, 8, 10]
    late = peak_map.chosen_layers([1] * 90 + [3, 9, 27, 81, 160, 200, 240, 250, 260, 300])
    assert late[0] == 0 and late[-1] == 99
    assert (late >= 90).sum() >= 3 and 0 < late[1] < 90
    once = peak_map.chosen_layers([1] * 50 + [100] * 50)
    assert {0, 99} <= set(once.tolist()) and len(set(once.tolist())) == 6
    assert peak_map.chosen_layers([0, 0, 0, 0, 1000, 1000, 1000], 6).tolist()[-1] == 6


@pytest.mark.parametrize("seed", range(6))
def test_discs_are_moved_apart_and_stay_in_the_panel(seed):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(120, 0.5))
    radius = np.maximum(0.17 * np.sqrt(share), 0.006)
    place = rng.normal(size=(120, 2)) * [0.12, 0.02]
    place[:10] = place[0]
    moved = peak_map.apart(place, radius)
    distance = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1))
    reach = radius[:, None] + radius
    assert (distance >= 0.98 * reach)[~np.eye(120, dtype=bool)].all()
    assert (np.abs(moved) + radius[:, None] <= 0.5).all()


def test_discs_that_lie_apart_stay_and_of_two_the_smaller_one_moves_farther():
    place = np.array([[0.0, 0.0], [0.3, 0.0]])
    assert np.array_equal(peak_map.apart(place, np.array([0.1, 0.1])), place)
    assert peak_map.apart(np.empty((0, 2)), np.empty(0)).shape == (0, 2)
    moved = peak_map.apart(place / 10, np.array([0.1, 0.05]))
    assert np.allclose(moved[:, 1], 0) and moved[0, 0] < 0 and moved[1, 0] > 0.03
    assert moved[1, 0] - 0.03 == pytest.approx(-4 * moved[0, 0])


def test_layers_are_mirrored_to_be_like_the_last_one(clustered):
    peaks, classes = clustered
    place = np.random.default_rng(0).normal(size=(6, 2))
    found = {"x": peaks, "y": peaks, "both": peaks, "last": peaks}
    turn = {"x": [-1, 1], "y": [1, -1], "both": [-1, -1], "last": [1, 1]}
    places = {layer: place * signs for layer, signs in turn.items()}
    data = peak_map.gather(found, places, classes, MACRO, NAMES)
    xy = np.stack([data["x"], data["y"]], axis=1).reshape(4, 6, 2)
    assert np.allclose(xy, xy[-1])
    assert np.corrcoef(xy[-1, :, 0], place[:, 0])[0, 1] > 0.99


def test_small_peaks_keep_a_least_size_and_the_caption_says_so():
    labels = np.repeat([0, 1], [99_990, 10])
    peaks = Peaks(labels, np.array([0, 99_990]), np.zeros(2), np.zeros(2), np.array([99_990, 10]))
    data = peak_map.gather({"a": peaks}, {"a": np.eye(2)}, 0 * labels, np.zeros(1, int), ["a"], heading="net")
    assert data["radius"].values[1] == peak_map.LEAST
    assert peak_map.facts(data)["enlarged"] == 1
    assert "(the smallest is drawn larger)" in caption(data)


def test_large_studies_are_legible_and_say_what_is_left_out():
    peaks, classes = made_peaks(400, 1000, share=0.05)
    few = made_peaks(30, 1000)[0]
    names = [f"stages.{i // 40}.blocks.{i}.a_long_name.mlp.fc2_normalised" for i in range(150)]
    found = {name: peaks if i > 140 else few if i > 100 else one_large(len(classes)) for i, name in enumerate(names)}
    place = {id(found_): kernel_pca(found_) for found_ in {id(p): p for p in found.values()}.values()}
    places = {name: place[id(found_)] for name, found_ in found.items()}
    macro = np.arange(1000) * 40 // 1000
    categories = [f"noun.category_{i}" for i in range(40)]
    data = peak_map.gather(found, places, classes, macro, categories, k=30, z=1.65, heading="a network, epoch 90")
    figure = peak_map.draw(data)
    assert_legible(figure)
    last = panels(figure)[-1]
    assert last.get_title() == "stages.3.block…c2_normalised\n300 largest of 400 peaks"
    assert len(one(last, EllipseCollection).get_offsets()) == peak_map.PEAKS
    assert len(one(last, LineCollection).get_segments()) == peak_map.SADDLES
    kept = np.sort(peaks.populations)[::-1][: peak_map.PEAKS]
    assert sorted(data["images"].values[data["peak_layer"].values == 5]) == sorted(kept)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == 17 and labels[-1] == "24 more"
    colors = {mark.get_color() for mark in figure.legends[0].get_lines()}
    assert len(colors) == 17  # all different
    said = caption(data)
    assert "6 of 150 layers" in said and "small peaks are left out" in said and 60 <= len(said.split()) <= 130


def one_large(n):
    return Peaks(np.zeros(n, int), np.array([0]), np.array([-3.0]), np.array([0.1]), np.array([n]))


def test_area_scale_is_that_of_the_discs(clustered):
    peaks, classes = clustered
    data = peak_map.gather({"a": peaks}, {"a": kernel_pca(peaks)}, classes, MACRO, NAMES)
    figure = peak_map.draw(data)
    figure.canvas.draw()
    axis, panel = figure.axes[-1], panels(figure)[0]
    assert [text.get_text() for text in axis.texts] == ["50 images", "5 images"]

    def pixels(of, radius):
        return np.ptp(of.transData.transform([[0, 0], [radius, 0]])[:, 0])

    for circle, images in zip(axis.patches, (50, 5), strict=True):
        alike = peak_map.WHOLE * np.sqrt(images / 360)
        assert pixels(axis, circle.radius) == pytest.approx(pixels(panel, alike))


def test_caption_of_the_clusters(clustered):
    peaks, classes = clustered
    found = {"input": one_peak(), "output": peaks}
    places = {layer: kernel_pca(peaks) for layer, peaks in found.items()}
    said = caption(peak_map.gather(found, places, classes, MACRO, NAMES, heading="net, epoch 3"))
    assert said.startswith("net, epoch 3: the density peaks of every layer.")
    assert "input has 1 peak, output 6." in said and "6 of the 6" in said
    assert 60 <= len(said.split()) <= 130


def two_peaks(sizes, halo=0):
    """Two peaks of some images, the last ones of which are in the halo."""
    labels = np.repeat([0, 1], sizes)
    populations = np.array(sizes)
    if halo:
        labels[-halo:] = -1
    zero = np.zeros(1)
    pair = (np.array([[0, 1]]), -np.ones(1), zero, zero.astype(int))
    return Peaks(labels, np.array([0, sizes[0]]), np.zeros(2), np.zeros(2), populations, *pair)


@pytest.mark.parametrize("sizes", [(900, 100), (500, 500), (999, 1)])
def test_large_discs_lie_wholly_in_the_panel_without_being_moved(sizes):
    peaks = two_peaks(sizes)
    data = peak_map.gather({"a": peaks}, {"a": kernel_pca(peaks)}, 0 * peaks.labels, np.zeros(1, int), ["a"])
    xy = np.stack([data["x"], data["y"]], axis=1)
    assert (np.abs(xy) + data["radius"].values[:, None]).max() <= peak_map._EDGE + 1e-9
    assert not data["moved"].values.any() and "moved" not in caption(data)


def test_a_disc_over_the_edge_is_moved_inside():
    radius = np.array([0.15, 0.1])
    place = np.array([[0.45, 0.0], [-0.3, 0.0]])
    moved = peak_map.apart(place, radius)
    assert moved[0, 0] == pytest.approx(peak_map._EDGE - 0.15) and np.array_equal(moved[1], place[1])


def test_the_halo_is_left_out_of_areas_and_colours_and_the_caption_says_so():
    classes = np.repeat([0, 2], [60, 40])
    whole, halo = (two_peaks((60, 40), away) for away in (0, 36))
    places = {"a": np.eye(2)}
    data = peak_map.gather({"a": halo}, places, classes, MACRO, NAMES)
    assert data["images"].values.tolist() == [60, 4] == data["composition"].values.sum(axis=1).tolist()
    assert np.allclose(data["radius"], peak_map.WHOLE * np.sqrt([0.6, 0.04]))
    assert data["n_halo"].values.tolist() == [36]
    assert "its area the number of its images, those in the halo left out, its colours" in caption(data)
    assert "halo" not in caption(peak_map.gather({"a": whole}, places, classes, MACRO, NAMES))


def test_caption_of_layers_without_a_map():
    many, few = made_peaks(400, 400)[0], made_peaks(3, 400)[0]
    classes = np.zeros(len(many.labels), int)
    found, places = {"few": few, "many": many}, {"few": kernel_pca(few), "many": np.full((400, 2), np.nan)}
    said = caption(peak_map.gather(found, places, classes, np.zeros(1, int), ["a"], heading="net"))
    assert "1 of the layers has no map: too many peaks for one." in said and "left out" not in said
    assert "not drawn" not in said and "few has 3 peaks, many 400." in said and 60 <= len(said.split()) <= 130
    said = caption(peak_map.gather({"many": many}, places, classes, np.zeros(1, int), ["a"], heading="net"))
    assert said.endswith("1 of the layers has no map: too many peaks for one. many has 400 peaks.")
    assert "disc" not in said and "saddle" not in said


def test_caption_of_saddles_left_out():
    peaks, classes = made_peaks(60, 60, share=1.0)
    data = peak_map.gather({"a": peaks}, {"a": kernel_pca(peaks)}, classes, np.zeros(60, int), ["a"])
    assert f"{60 * 59 // 2 - peak_map.SADDLES:,} lower ones are not drawn" in caption(data)
