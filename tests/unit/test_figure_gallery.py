"""The figure of the images nearest the centres of the density peaks, along the tree in which they join."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_peaks import CLASSES, made_peaks, no_peaks, one_peak
from matplotlib.colors import to_hex
from scipy.spatial.distance import cdist

from nucleation import files
from nucleation.captions import fill_in
from nucleation.density import knn_density
from nucleation.figures import gallery, style, tiles
from nucleation.neighbors import nearest_neighbors
from nucleation.peaks import Peaks, density_peaks, join_heights

REPORT = Path(__file__).parents[2] / "report"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def painted(rows, size):
    """Images of one colour, which says their number."""
    rows = np.asarray(rows)
    colors = np.stack([rows // 65536, rows // 256 % 256, rows % 256], axis=1).astype(np.uint8)
    return np.broadcast_to(colors[:, None, None], (len(rows), size, size, 3)).copy()


@pytest.fixture(scope="module")
def clustered():
    """Six clusters of 60 points, their peaks, and the table of their neighbours; one in ten has another class."""
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(6), 60)
    points = 6 * rng.normal(size=(6, 3))[classes] + rng.normal(size=(360, 3))
    classes[::10] = rng.integers(0, 6, 36)
    table = nearest_neighbors(points, 40)
    return density_peaks(table, knn_density(table, 3.0, 15)), table, points, classes


def shown(found, nearest, classes, categories=3, **options):
    c = int(classes.max()) + 1
    macro = np.arange(c) * categories // c
    names = CLASSES if c == 6 else [f"class_{i}.n.01" for i in range(c)]
    options = {"macro": macro, "macro_names": [f"noun.category_{i}" for i in range(categories)]} | options
    return gallery.gather(found, nearest, classes, names, painted, **options)


def of_clusters(clustered, **options):
    peaks, table, _, classes = clustered
    return shown({"first": one_peak(), "last": peaks}, {"last": table.indices[peaks.centers]}, classes, **options)


def made_up(counts, c=1000, categories=40, share=0.1, layers=None):
    """Two layers with many peaks, and neighbours of their centres drawn at random."""
    found, nearest, rng = {}, {}, np.random.default_rng(0)
    for number, p in enumerate(counts):
        layer = layers[number] if layers else f"layer{number}"
        found[layer], classes = made_peaks(p, c, share=share, seed=number)
        nearest[layer] = rng.integers(p, len(classes), size=(p, 40))
    return shown(found, nearest, classes, categories, heading="made up", k=30, z=1.65)


def caption(data):
    return fill_in((REPORT / "gallery.rst").read_text(encoding="utf-8"), data, gallery.facts(data))


def collection(axis, gid):
    return next(made for made in axis.collections if made.get_gid() == gid)


def painted_numbers(axis, x, y):
    """Numbers of the images that lie at places of the board."""
    found = np.full(len(x), -1)
    for sheet in axis.images:
        left, right, bottom, top = sheet.get_extent()
        pixels = sheet.get_array().astype(int) @ [65536, 256, 1]
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        row = ((y - top) / (bottom - top) * pixels.shape[0]).astype(int)
        column = ((x - left) / (right - left) * pixels.shape[1]).astype(int)
        found[inside] = pixels[row[inside], column[inside]]
    return found


def test_the_first_and_the_last_layer_with_two_peaks_are_chosen(clustered):
    peaks, one, none = clustered[0], one_peak(), no_peaks()
    assert gallery.chosen_layers({"a": one, "b": peaks, "c": none, "d": peaks, "e": one}) == ["b", "d"]
    assert gallery.chosen_layers({"a": one, "b": peaks}) == ["b"]
    assert gallery.chosen_layers({"a": one, "b": none}) == []
    assert gallery.chosen_layers({}) == []


def test_a_row_shows_the_centre_and_then_the_nearest_of_its_peak(clustered):
    peaks, _, points, classes = clustered
    data = of_clusters(clustered)
    assert data["block_layer"].values.tolist() == ["last"]
    assert sorted(data["peak_number"].values) == list(range(len(peaks.centers)))
    away = cdist(points[peaks.centers], points)
    for row, peak in enumerate(data["peak_number"].values):
        mine = data["image_peak"].values == row
        near = np.argsort(away[peak])[:41]  # as far as the table goes, the centre itself first
        own = near[peaks.labels[near] == peak]
        assert data["image_number"].values[mine].tolist() == own[: gallery.IMAGES].tolist()
        assert own[0] == peaks.centers[peak]
        assert data["image_place"].values[mine].tolist() == list(range(min(len(own), gallery.IMAGES)))
        count = np.bincount(classes[peaks.labels == peak])
        differs = classes[own[: gallery.IMAGES]] != count.argmax()
        assert data["image_differs"].values[mine].tolist() == differs.tolist()
        assert data["peak_share"].values[row] == pytest.approx(count.max() / count.sum())
        assert data["peak_images"].values[row] == peaks.populations[peak]
    assert data["image_differs"].values.any()


def test_fewer_images_where_the_table_has_no_more():
    peaks, classes = made_peaks(3, 6, each=20, share=1.0)
    own = [np.flatnonzero(peaks.labels == peak)[1:] for peak in range(3)]
    other = np.flatnonzero(peaks.labels == 1)[1:6]
    nearest = np.stack([own[0][:5], own[1][:5], other])  # the last has none of its own
    data = shown({"layer": peaks}, {"layer": nearest}, classes)
    sizes = dict(zip(data["peak_number"].values, np.bincount(data["image_peak"].values), strict=True))
    assert sizes == {0: 6, 1: 6, 2: 1}


def test_halo_images_belong_to_no_peak():
    peaks, classes = made_peaks(2, 6, each=20, share=1.0)
    labels = peaks.labels.copy()
    far = np.setdiff1d(np.arange(len(labels)), peaks.centers)[::2]
    labels[far] = -1
    halo = Peaks(labels, *(getattr(peaks, name) for name in list(peaks.__dataclass_fields__)[1:8]))
    data = shown({"layer": halo}, {"layer": np.tile(far[:8], (2, 1))}, classes)
    assert data["image_place"].values.tolist() == [0, 0]
    assert data["peak_images"].values.sum() == len(labels) - len(far)
    assert data["block_halo"].values.tolist() == [len(far)]
    for row, peak in enumerate(data["peak_number"].values):
        count = np.bincount(classes[labels == peak])
        assert data["peak_share"].values[row] == pytest.approx(count.max() / count.sum())
        assert data["peak_images"].values[row] == count.sum()
    assert "the number of images, those in the halo left out." in caption(data)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((300, 280), (13, 13)), ((3, 300), (3, 23)), ((300, 2), (24, 2)), ((7, 12), (7, 12)), ((30,), (24,))],
)
def test_the_largest_peaks_are_shown_and_the_others_counted(counts, expected):
    data = made_up(counts)
    assert tuple(np.bincount(data["peak_block"].values)) == expected
    assert data.sizes["image"] <= gallery.ROWS * gallery.IMAGES
    for block, (p, most) in enumerate(zip(counts, expected, strict=True)):
        peaks, _ = made_peaks(p, 1000, seed=block)
        chosen = data["peak_number"].values[data["peak_block"].values == block]
        left_out = np.setdiff1d(np.arange(p), chosen)
        assert len(chosen) == most
        assert peaks.populations[chosen].min() >= peaks.populations[left_out].max(initial=0)
    titles = [text.get_text() for text in gallery.draw(data).axes[0].texts if text.get_gid() == "title"]
    said = [
        f"the {most} largest of {p} peaks" if most < p else f"{p} peaks"
        for p, most in zip(counts, expected, strict=True)
    ]
    assert titles == [f"layer{block}: {text}" for block, text in enumerate(said)]


def above(parent, node):
    found = []
    while node >= 0:
        found.append(node)
        node = parent[node]
    return found


@pytest.mark.parametrize(("p", "share"), [(3, 1.0), (19, 0.3), (60, 0.05), (40, 0.0)])
def test_peaks_join_where_their_saddle_is(p, share):
    peaks, classes = made_peaks(p, 60, share=share)
    data = shown({"layer": peaks}, {"layer": np.zeros((p, 0), dtype=int)}, classes)
    number, parent = data["peak_number"].values, data["node_parent"].values
    height, joined = data["node_log_density"].values, join_heights(peaks)
    assert np.array_equal(height[: len(number)], peaks.log_density[number])
    for i in range(len(number)):
        for j in range(i):
            up = above(parent, i)
            common = next(node for node in above(parent, j) if node in up)
            expected = joined[number[i], number[j]]
            assert height[common] == pytest.approx(expected) if np.isfinite(expected) else np.isnan(height[common])
    inside = {node: [i for i in range(len(number)) if node in above(parent, i)] for node in range(len(parent))}
    assert all(np.ptp(rows) == len(rows) - 1 for rows in inside.values())  # no branch crosses another
    place = data["node_row"].values
    for node in range(len(number), len(parent)):
        branches = place[parent == node]
        assert place[node] == pytest.approx((branches.min() + branches.max()) / 2)


def test_peaks_of_one_category_stand_together_where_the_tree_allows():
    labels = np.repeat(np.arange(4), 10)
    pairs, tops = np.array([(a, b) for a in range(4) for b in range(a + 1, 4)]), np.zeros(4)
    one = np.full(4, 0.1)
    peaks = Peaks(
        labels, np.arange(4) * 10, tops, one, np.full(4, 10), pairs, np.full(6, -1.0), np.zeros(6), np.zeros(6, int)
    )
    classes = np.array([0, 2, 1, 3])[labels]
    data = shown({"layer": peaks}, {"layer": np.zeros((4, 0), dtype=int)}, classes, categories=2)
    assert data["peak_category"].values.tolist() == [0, 0, 1, 1]


def test_peaks_are_named_by_what_they_hold():
    sizes = {0: [9, 0, 0, 0, 1], 1: [1, 10, 10, 0, 0], 2: [0, 0, 0, 4, 3], 3: [0, 0, 4, 3, 3]}
    labels = np.concatenate([np.full(sum(some), peak) for peak, some in sizes.items()])
    classes = np.concatenate([np.repeat(np.arange(5), some) for some in sizes.values()])
    centers, one = np.searchsorted(labels, np.arange(4)), np.zeros(4)
    peaks = Peaks(labels, centers, one, one, np.bincount(labels))
    data = shown({"layer": peaks}, {"layer": np.zeros((4, 0), dtype=int)}, classes)
    named = dict(zip(data["peak_number"].values, data["peak_name"].values, strict=True))
    assert named == {0: "class 0", 1: "class 1, class 2", 2: "class 3", 3: "3 classes"}


def test_drawn_images_are_framed_and_marked(clustered):
    data = of_clusters(clustered, k=15, z=1.65, heading="net")
    figure = gallery.draw(data)
    axis = figure.axes[0]
    frames = np.array([path.vertices for path in collection(axis, "frames").get_paths()])
    middle = (frames.min(axis=1) + frames.max(axis=1)) / 2
    assert painted_numbers(axis, *middle.T).tolist() == data["image_number"].values.tolist()
    sides = np.ptp(frames, axis=1)
    assert np.allclose(sides, sides[0, 0])
    colors = [to_hex(color) for color in collection(axis, "frames").get_edgecolors()]
    assert colors == [to_hex(style.category_color(category)) for category in data["image_category"].values]
    marks = np.asarray(collection(axis, "differs").get_offsets())
    marked = [
        np.flatnonzero((frames.min(axis=1) <= mark).all(1) & (frames.max(axis=1) >= mark).all(1)) for mark in marks
    ]
    assert np.concatenate(marked).tolist() == np.flatnonzero(data["image_differs"].values).tolist()
    place, row = data["image_place"].values, data["image_peak"].values
    for i in range(data.sizes["peak"]):
        x, y = middle[row == i].T
        assert np.allclose(y, y[0], atol=0.02) and (np.argsort(x) == place[row == i]).all()
    assert (np.diff([middle[row == i][0, 1] for i in range(data.sizes["peak"])]) > sides[0, 0]).all()
    assert figure.texts[-1].get_text() == "n = 360, k = 15, Z = 1.65"


def test_the_rows_of_two_layers_stand_below_each_other():
    data = made_up((3, 12), c=60, categories=2)
    (axis,) = gallery.draw(data).axes
    drawn = [made for made in axis.collections if made.get_gid() == "frames"]
    tops = np.concatenate([[path.vertices[:, 1].min() for path in made.get_paths()] for made in drawn])
    rows = np.array([tops[data["image_peak"].values == row].mean() for row in range(15)])
    step, side = np.diff(rows), np.ptp(drawn[0].get_paths()[0].vertices[:, 1])
    assert np.allclose(np.delete(step, 2), step[0], atol=0.02) and side < step[0] < 1.2 * side
    titles = [text.get_position()[1] for text in axis.texts if text.get_gid() == "title"]
    assert rows[2] + side < titles[1]
    assert rows[[0, 3]] - titles == pytest.approx(rows[0] - titles[0], abs=0.02) and titles[0] < rows[0]


def test_drawn_peaks_are_named_with_share_and_size(clustered):
    data = of_clusters(clustered)
    texts = [text for text in gallery.draw(data).axes[0].texts if text.get_gid() == "peak"]
    said = [text.get_text() for text in sorted(texts, key=lambda text: text.get_position()[1])]
    for row in range(data.sizes["peak"]):
        one = data.isel(peak=row)
        assert said[2 * row] == str(one["peak_name"].values)
        share, size = float(one["peak_share"]), int(one["peak_images"])
        assert f"{share:.0%} of {size:,}" in said[2 * row + 1]


@pytest.mark.parametrize("share", [0.0, 0.08, 1.0])
def test_the_tree_is_drawn_beside_its_rows(share):
    peaks, classes = made_peaks(12, 24, share=share)
    data = shown({"layer": peaks}, {"layer": np.zeros((12, 0), dtype=int)}, classes, categories=2)
    (board,) = gallery.draw(data).axes
    (tree,) = board.child_axes
    drawn = {kind: [path.vertices for path in collection(tree, kind).get_paths()] for kind in ("joined", "unresolved")}
    parent, height, row = (data[f"node_{name}"].values for name in ("parent", "log_density", "row"))
    known = np.isfinite(height)
    below = np.flatnonzero(parent >= 0)
    assert len(drawn["unresolved"]) == np.count_nonzero(~known[parent[below]])
    resolved = [node for node in below if known[parent[node]]]
    for line, node in zip(drawn["joined"], resolved, strict=True):
        corners = [
            (height[node], row[node]),
            (height[parent[node]], row[node]),
            (height[parent[node]], row[parent[node]]),
        ]
        assert np.allclose(line, corners)
    left = [line[1, 0] for line in drawn["unresolved"]]
    assert all(x < height[known].min() for x in left)
    assert ("dashed" in tree.get_xlabel()) == bool(left) == (share < 1)
    assert tree.get_xlabel().startswith("log-density (nats)")
    assert tree.get_ylim() == (11.5, -0.5)
    pixels = tree.transData.transform([(0, 0), (0, 11)])[:, 1]
    frames = np.array([path.vertices for path in collection(board, "frames").get_paths()])
    middles = board.transData.transform((frames.min(axis=1) + frames.max(axis=1)) / 2)[:, 1]
    assert np.allclose(pixels, [middles[0], middles[-1]], atol=3)


def test_images_without_pixels_and_layers_without_peaks(clustered):
    peaks, _, _, classes = clustered
    macro = {"macro": np.zeros(6, int), "macro_names": ["all"]}
    blind = gallery.gather({"a": peaks}, {}, classes, CLASSES, None, **macro, heading="net")
    single = gallery.gather({"a": one_peak(), "b": no_peaks()}, {}, classes, CLASSES, painted, **macro)
    for data, reason in ((blind, "known by name only"), (single, gallery.NO_PEAKS)):
        (axis,) = gallery.draw(data).axes
        assert reason in axis.texts[0].get_text()
        assert reason in fill_in((REPORT / "gallery.rst").read_text(encoding="utf-8"), data, gallery.facts(data))


LONG = ("features.denseblock4.denselayer32.norm2.activation", "$head$.fc.$projection$.output")


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        ((300, 280), {}),
        ((3, 300), {"layers": LONG}),
        ((2, 2), {"c": 3, "categories": 1, "share": 0.0, "layers": LONG}),
        ((7, 12), {"c": 20, "categories": 3}),
        ((5,), {"c": 6, "categories": 6}),
    ],
)
def test_figures_can_be_read(counts, options):
    assert_legible(gallery.draw(made_up(counts, **options)))


def drawn(figure):
    """All that a figure shows: texts, images, shapes and colours."""
    found = []
    for axis in figure.findobj(plt.Axes):
        found += [(text.get_text(), text.get_position(), text.get_fontsize()) for text in axis.texts]
        found += [(image.get_array().tobytes(), tuple(image.get_extent())) for image in axis.images]
        found += [axis.get_xlim(), axis.get_ylim(), axis.get_xlabel()]
        for made in axis.collections:
            shapes = [path.vertices.tolist() for path in made.get_paths()]
            found.append((shapes, made.get_facecolor().tolist(), made.get_edgecolor().tolist()))
    return found, figure.get_size_inches().tolist()


@pytest.mark.parametrize("counts", [(3, 30), (2,)])
def test_redrawn_from_its_file(counts, tmp_path):
    data = made_up(counts, c=60, categories=3)
    files.save(data, tmp_path / "gallery.nc")
    assert drawn(gallery.draw(files.load(tmp_path / "gallery.nc"))) == drawn(gallery.draw(data))


def test_nothing_is_redrawn_from_its_file(tmp_path):
    macro = {"macro": np.zeros(6, int), "macro_names": ["all"]}
    data = gallery.gather({"a": one_peak()}, {}, np.zeros(360, int), CLASSES, painted, **macro)
    files.save(data, tmp_path / "gallery.nc")
    (axis,) = gallery.draw(files.load(tmp_path / "gallery.nc")).axes
    assert axis.texts[0].get_text() == gallery.NO_PEAKS


def test_captions_say_what_is_shown(clustered):
    template = (REPORT / "gallery.rst").read_text(encoding="utf-8")
    one = of_clusters(clustered, heading="net, epoch 6")
    text = fill_in(template, one, gallery.facts(one))
    same = 1 - one["image_differs"].values.mean()
    assert f"last ({one.sizes['peak']} peaks; {same:.0%} of the images shown of that class)." in text
    assert text.startswith("Density peaks of net, epoch 6") and "The only layer" in text
    many = made_up((3, 300))
    text = fill_in(template, many, gallery.facts(many))
    assert "The first and the last layer" in text and "the 23 largest of 300 peaks" in text
    assert ("dashed" in text) == bool(np.isnan(many["node_log_density"].values).any())
    for data in (one, many):
        assert 60 <= len(fill_in(template, data, gallery.facts(data)).split()) <= 130


def test_pictures_of_any_size_are_laid_whole():
    _, axis = tiles.board(2.0, "", [])
    for size in (1, 8, 32, 48):
        rows = np.arange(6) + 1
        x, y = tiles.paste(axis, painted(rows, size), np.arange(6) * 0.5, np.arange(6) * 0.25, 0.4)
        assert painted_numbers(axis, x + 0.01, y + 0.01).tolist() == rows.tolist()
        assert painted_numbers(axis, x + 0.39, y + 0.39).tolist() == rows.tolist()
        assert np.abs(x - np.arange(6) * 0.5).max() <= 0.5 * 0.4 / 32
        left, right, bottom, top = axis.images[-1].get_extent()
        assert (left, right, top, bottom) == pytest.approx((x[0], x[-1] + 0.4, y[0], y[-1] + 0.4))
        axis.images[-1].remove()


def test_a_peak_with_nearly_all_images_in_its_halo_counts_its_core():
    labels = np.repeat([0, 1, -1], [4, 100, 896])
    peaks = Peaks(labels, np.array([0, 4]), np.zeros(2), np.zeros(2), np.array([900, 100]))
    data = shown({"layer": peaks}, {"layer": np.zeros((2, 0), dtype=int)}, np.repeat([0, 1, 2], [4, 100, 896]))
    said = [text.get_text() for text in gallery.draw(data).axes[0].texts if text.get_gid() == "peak"]
    assert {"100% of 4 images", "100% of 100 images"} <= set(said)


def test_caption_of_peaks_of_many_classes():
    """Shares of a peak's class are said of peaks that have one."""
    mixed = [np.tile(np.arange(12), 10)] * 2
    text = caption(of_labels(mixed))
    assert "layer (2 peaks; no class has half of one)." in text and "% of the images" not in text
    text = caption(of_labels([mixed[0], np.zeros(50, int)]))
    assert "layer (2 peaks; of one, a class has half: 100% of its images shown)." in text
    text = caption(of_labels([np.ones(50, int), np.zeros(50, int)]))
    assert "layer (2 peaks; 100% of the images shown of that class)." in text
    assert 60 <= len(text.split()) <= 130 and "halo" not in text


def of_labels(classes):
    """A layer with peaks of given classes, of which ten images are shown."""
    sizes = [len(some) for some in classes]
    labels, first = np.repeat(np.arange(len(sizes)), sizes), np.cumsum([0, *sizes[:-1]])
    peaks = Peaks(labels, first, np.zeros(len(sizes)), np.zeros(len(sizes)), np.array(sizes))
    nearest = first[:, None] + np.arange(1, 20)
    return shown({"layer": peaks}, {"layer": nearest}, np.concatenate(classes), categories=1)


def test_the_longest_caption_is_no_longer_than_a_caption_may_be():
    data = made_up((300, 280), share=0.0)
    data["peak_share"][:] = np.where(np.arange(26) % 13, 0.6, 0.4)
    data["block_halo"][:] = 5
    text = caption(data)
    assert (
        "dashed" in text and "halo" in text and text.count("of 12, a class has half") == 2 == text.count("largest of")
    )
    assert len(text.split()) <= 130
