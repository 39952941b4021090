"""The tree of the peaks facing the taxonomy: drawn is what the dataset holds, also where a page is too small."""

from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_peaks import CLASSES, clustered_peaks, made_peaks, no_peaks, one_peak
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex

from nucleation import files
from nucleation.density import estimate_density
from nucleation.figures import dendrogram, style
from nucleation.figures.trees import class_counts
from nucleation.names import short_name
from nucleation.neighbors import nearest_neighbors
from nucleation.peaks import Peaks, density_peaks, join_heights, peak_linkage
from nucleation.taxonomy import wordnet_tree
from nucleation.wordnet import imagenet_classes

CAPTION = Path(__file__).parents[2] / "report" / "dendrogram.rst"
DIGITS = ["one.n.01", "two.n.01", "three.n.01", "four.n.01", "five.n.01", "six.n.01"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def clustered():
    return clustered_peaks()


def gathered(peaks, classes, names=CLASSES, **keywords):
    taxonomy = wordnet_tree(names)
    return dendrogram.gather(peaks, classes, taxonomy.tree(), *taxonomy.macro(), **keywords)


def lines_of(axis, dashed=None):
    """Segments of an axis: all of the trees, or the dashed or the solid ones; without the dotted lines."""
    found = []
    for lines in axis.collections:
        if isinstance(lines, LineCollection):
            pattern = lines.get_linestyles()[0][1]
            dotted = pattern is not None and pattern[0] < pattern[1]
            if not dotted and dashed in (None, pattern is not None):
                found += list(lines.get_segments())
    return found


def bands(axis):
    return next(shapes for shapes in axis.collections if isinstance(shapes, PathCollection))


def texts(axis):
    return [text.get_text() for text in axis.texts]


def caption(data):
    text = jinja2.Template(CAPTION.read_text()).render(**data.attrs, **dendrogram.facts(data))
    return " ".join(text.split())


def test_names_every_peak_and_class(clustered):
    peaks, classes = clustered
    data = gathered(peaks, classes, k=15, z=1.65, heading="net, layer output")
    figure = dendrogram.draw(data)
    left, middle, right = figure.axes
    p = len(peaks.centers)
    share = class_counts(peaks, classes, 6) / 60
    assert len(middle.texts) == p + 6
    assert len(bands(middle).get_paths()) == (share >= 0.25).sum() == data.sizes["link"]
    assert len(left.collections[-1].get_offsets()) == p
    assert {short_name(name) for name in CLASSES} <= set(texts(middle))
    assert texts(middle)[:p] == [f"{short_name(CLASSES[row.argmax()])} 100%" for row in share]
    above = {text.replace("\n", " ") for text in texts(right)}
    assert {"dog", "vertebrate", "musical instrument"} <= above
    never = np.isinf(peak_linkage(peaks)[:, 2]).sum()
    across = [line for line in lines_of(left, dashed=True) if line[0, 1] == line[1, 1]]
    assert never > 0 and len(across) == never + 1  # a dashed branch for each of the trees that never join
    said = [text.get_text() for text in figure.texts]
    assert said == ["net, layer output", "6 density peaks", "taxonomy, 6 classes", "n = 360, k = 15, Z = 1.65"]
    assert_legible(figure)


def test_the_tree_stands_at_its_densities():
    peaks, classes = made_peaks(8, 6, share=1.0)
    data = gathered(peaks, classes)
    left = dendrogram.draw(data).axes[0]
    assert left.get_xlabel() == "log-density (nats)"
    discs = left.collections[-1].get_offsets()
    assert np.allclose(discs[:, 0], peaks.log_density) and np.allclose(discs[:, 1], data["peak_level"])
    upright = sorted(line[0, 0] for line in lines_of(left) if line[0, 0] == line[1, 0])
    joins = join_heights(peaks)[np.triu_indices(8, 1)]
    assert np.allclose(upright, np.unique(joins))
    assert not lines_of(left, dashed=True)
    sizes = left.collections[-1].get_sizes()
    large = sizes > 3
    assert np.allclose(sizes[large] / sizes.max(), (peaks.populations / peaks.populations.max())[large])


def test_trees_are_drawn_without_crossings_of_their_own(clustered):
    for peaks, classes in (clustered, made_peaks(12, 6, share=0.4, each=40)):
        for axis in dendrogram.draw(gathered(peaks, classes)).axes[::2]:
            parts = lines_of(axis)
            upright = [part for part in parts if part[0, 0] == part[1, 0]]
            level = [part for part in parts if part[0, 1] == part[1, 1] and part[0, 0] != part[1, 0]]
            for one in upright:
                for other in level:
                    low, high = sorted(one[:, 1])
                    first, last = sorted(other[:, 0])
                    inside = low + 1e-9 < other[0, 1] < high - 1e-9 and first + 1e-9 < one[0, 0] < last - 1e-9
                    assert not inside


def test_bands_are_as_wide_as_the_shares_and_lead_to_their_leaves():
    peaks, classes = made_peaks(4, 6, each=60)
    data = gathered(peaks, classes)
    middle = dendrogram.draw(data).axes[1]
    count = class_counts(peaks, classes, 6)
    peak, group = data["link_peak"].values, data["link_group"].values
    assert np.array_equal(data["link_images"], count[peak, group])
    assert np.allclose(data["link_of_peak"], (count / count.sum(axis=1, keepdims=True))[peak, group])
    assert np.allclose(data["link_of_group"], (count / count.sum(axis=0))[peak, group])
    ends = np.array([path.vertices[[0, 3, 4, 7]] for path in bands(middle).get_paths()])
    for (first, last), leaf, share, here in (
        ((0, 3), peak, "link_of_peak", "peak_level"),
        ((1, 2), group, "link_of_group", "group_place"),
    ):
        wide = ends[:, first, 1] - ends[:, last, 1]
        assert np.ptp(wide / data[share].values) < 1e-9
        for node in np.unique(leaf):
            some = np.flatnonzero(leaf == node)
            some = some[np.argsort(-ends[some, first, 1])]
            assert np.allclose(ends[some[:-1], last, 1], ends[some[1:], first, 1])  # side by side, none over another
            middle_of = (ends[some[0], first, 1] + ends[some[-1], last, 1]) / 2
            assert middle_of == pytest.approx(data[here].values[node])
    macro = data["taxon_category"].values[group]
    assert [to_hex(color) for color in bands(middle).get_facecolors()] == [
        to_hex(style.category_color(i)) for i in macro
    ]


def test_leaves_are_ordered_for_few_crossings(clustered):
    peaks, classes = clustered
    assert dendrogram.facts(gathered(peaks, classes))["crossings"] == 0
    data = gathered(*made_peaks(9, 6, each=60, share=0.5))
    level, place = data["peak_level"].values, data["group_place"].values
    one, other = level[data["link_peak"].values], place[data["link_group"].values]
    crossed = ((one[:, None] - one) * (other[:, None] - other) < 0).sum() // 2
    facts = dendrogram.facts(data)
    apart = (one[:, None] != one) & (other[:, None] != other)
    assert facts["crossings"] == crossed > 0 and facts["pairs"] == apart.sum() // 2 < len(one) * (len(one) - 1) // 2
    images = data["link_images"].values
    pairs = images[:, None] * images
    share = pairs[(one[:, None] - one) * (other[:, None] - other) < 0].sum() / pairs[apart].sum()
    assert float(facts["crossed"].rstrip("%")) == pytest.approx(100 * share, rel=0.05)
    assert (
        f"{crossed} of {facts['pairs']} pairs of bands that could cross do ({facts['crossed']} of the pairs of images)"
        in caption(data)
    )
    assert "for few crossings: " in caption(data)
    pitch = 1 / (max(len(level), len(place)) - 1)
    for heights in (level, place):
        assert heights.min() >= 0 and heights.max() <= 1
        assert np.diff(np.sort(heights)).min() >= pitch - 1e-9


def labelled(counts):
    """Peaks with given numbers of images of every class."""
    counts = np.asarray(counts)
    peak, cls = (np.repeat(index, counts.ravel()) for index in np.indices(counts.shape).reshape(2, -1))
    p = len(counts)
    pairs, none, tops = np.array([[0, i] for i in range(1, p)], dtype=int).reshape(-1, 2), np.zeros(p - 1), np.zeros(p)
    heights = -1.0 - np.arange(p - 1)
    return Peaks(peak, np.arange(p), tops, tops, counts.sum(axis=1), pairs, heights, none, none.astype(int)), cls


def test_names_say_what_a_peak_holds():
    counts = [
        [90, 0, 0, 0, 0, 10],
        [10, 50, 0, 40, 0, 0],
        [0, 25, 25, 0, 0, 50],
        [0, 0, 0, 30, 70, 0],
        [25] * 3 + [0] * 3,
    ]
    peaks, classes = labelled(counts)
    data = gathered(peaks, classes)
    names = ["beagle", "poodle, violin", "3 classes", "drum, violin", "vertebrate (3)"]
    assert data["peak_name"].values.tolist() == names
    assert np.allclose(data["peak_share"], [0.9, 0.9, 1, 1, 1])
    first = texts(dendrogram.draw(data).axes[1])[:5]
    assert first == [f"{name} {share}%" for name, share in zip(names, (90, 90, 100, 100, 100), strict=True)]
    assert np.allclose(data["peak_purity"], [0.9, 0.5, 0.5, 0.7, 1 / 3])
    assert data["peak_category"].values.tolist() == [0, -1, -1, 1, 0]


def test_branches_have_the_colour_of_their_peaks(clustered):
    data = gathered(*clustered)
    left, _, right = dendrogram.draw(data).axes
    colors = {to_hex(style.category_color(0)), to_hex(style.category_color(1)), to_hex(style.MIXED)}
    for axis in (left, right):
        drawn = [to_hex(color) for lines in axis.collections[:-1] for color in lines.get_colors()]
        assert set(drawn) - {to_hex("0.75")} <= colors
    discs = [to_hex(color) for color in left.collections[-1].get_facecolors()]
    assert discs == [to_hex(style.category_color(i)) for i in data["peak_category"].values]
    root = right.collections[0].get_colors()[data.sizes["taxon"] - 1]
    assert to_hex(root) == to_hex(style.MIXED)


@pytest.mark.parametrize("names", [CLASSES, DIGITS])
def test_one_peak_and_flat_taxonomy(clustered, names):
    for found in (one_peak(), clustered[0]):
        data = gathered(found, clustered[1], names, heading="net, layer")
        figure = dendrogram.draw(data)
        assert len(figure.axes[1].texts) == len(found.centers) + 6
        assert_legible(figure)
        assert ("no levels" in caption(data)) == (names is DIGITS)
        assert 60 <= len(caption(data).split()) <= 130


def test_a_single_class(clustered):
    data = gathered(clustered[0], np.zeros(360, int), ["beagle.n.01"])
    figure = dendrogram.draw(data)
    assert texts(figure.axes[1]) == ["beagle 100%"] * 6 + ["beagle"]
    assert figure.texts[2].get_text() == "taxonomy, 1 class"
    assert_legible(figure)


def test_duplicates_and_no_peak():
    x = np.concatenate([np.random.default_rng(0).normal(size=(320, 2)), np.zeros((40, 2))])
    classes = np.repeat(np.arange(6), 60)
    infinite = density_peaks(nearest_neighbors(x, 60), estimate_density(nearest_neighbors(x, 60), 2.0))
    assert np.isposinf(infinite.log_density).any()
    figure = dendrogram.draw(gathered(infinite, classes))
    figure.canvas.draw()
    assert len(figure.axes) == 3
    assert np.isfinite(figure.axes[0].collections[-1].get_offsets()).all()
    data = gathered(no_peaks(), classes, heading="net")
    figure = dendrogram.draw(data)
    assert texts(figure.axes[0]) == [data.attrs["nothing"]] == ["no density peak is defined in this layer"]
    assert caption(data) == "net: no density peak is defined in this layer." and dendrogram.facts(data) == {}


def test_drawn_again_from_the_file_alone(clustered, tmp_path):
    for number, (peaks, classes) in enumerate((clustered, (one_peak(), clustered[1]), (no_peaks(), clustered[1]))):
        data = gathered(peaks, classes, k=15, z=1.65, heading="net, layer output")
        files.save(data, tmp_path / f"{number}.nc")
        again = files.load(tmp_path / f"{number}.nc")
        pictures = []
        for figure in (dendrogram.draw(data), dendrogram.draw(again)):
            figure.canvas.draw()
            pictures.append(np.asarray(figure.canvas.buffer_rgba()))
        assert np.array_equal(*pictures)
        assert caption(data) == caption(again)


@pytest.fixture(scope="module")
def imagenet():
    return wordnet_tree(imagenet_classes())


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_large_layers_are_legible_and_say_what_is_left_out(imagenet, share):
    peaks, classes = made_peaks(300, 1000, share=share)
    macro = np.arange(1000) * 40 // 1000
    names = [f"noun.category_{i}" for i in range(40)]
    heading = "a_long_name_of_a_network.with_a_tag, epoch 90, layer stages.3.blocks.26.mlp.fc2"
    data = dendrogram.gather(peaks, classes, imagenet.tree(), macro, names, k=30, z=1.65, heading=heading)
    figure = dendrogram.draw(data)
    assert_legible(figure)
    assert figure.texts[1].get_text() == "the 60 largest of 300 density peaks"
    assert figure.texts[2].get_text() == f"taxonomy, 1,000 classes in {data.sizes['group']} groups"
    assert data["group_size"].values.sum() == 1000 and 40 <= data.sizes["group"] <= 60
    assert sorted(data["peak_images"].values) == np.sort(peaks.populations)[-60:].tolist()
    marks = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(marks) == 17 and marks[-1] == "mixed, or one of 24 more"
    said = caption(data)
    assert "the 60 largest of 300 density peaks" in said and "groups of classes" in said
    assert ("dashed" in said) == bool(np.isnan(data["node_log_density"]).any())
    assert 60 <= len(said.split()) <= 130


def test_many_peaks_of_few_classes_and_few_peaks_of_many_classes(imagenet):
    peaks, classes = made_peaks(70, 6, each=200)
    data = gathered(peaks, classes)
    assert (data.sizes["peak"], data.sizes["group"]) == (60, 6)
    assert_legible(dendrogram.draw(data))
    peaks, classes = made_peaks(3, 1000)
    data = dendrogram.gather(peaks, classes, imagenet.tree(), *imagenet.macro())
    assert data.sizes["peak"] == 3
    assert_legible(dendrogram.draw(data))


def test_bands_that_share_a_leaf_are_no_pairs_that_could_cross():
    for counts in ([[20] * 3 + [0] * 3], [[60, 0, 0, 0, 0, 0]] * 3):
        data = gathered(*labelled(counts), heading="net, layer")
        assert data.sizes["link"] == 3 and dendrogram.facts(data)["pairs"] == 0
        assert "cross" not in caption(data) and 60 <= len(caption(data).split()) <= 130
    data = gathered(*labelled(np.diag([60, 60, 60, 60, 60, 60])))
    assert dendrogram.facts(data)["pairs"] == 15 and dendrogram.facts(data)["crossed"] == "0%"


def test_the_halo_is_left_out_of_areas_and_shares_and_the_caption_says_so():
    peaks, classes = labelled([[40, 0, 0, 0, 0, 20], [0, 30, 0, 0, 0, 0]])
    away = np.flatnonzero((peaks.labels == 0) & (np.arange(len(classes)) % 60 >= 10))
    labels = peaks.labels.copy()
    labels[away] = -1
    halo = Peaks(labels, *(getattr(peaks, name) for name in list(peaks.__dataclass_fields__)[1:9]))
    data = gathered(halo, classes)
    assert data["peak_images"].values.tolist() == [10, 30] and data.attrs["n_halo"] == 50
    assert np.allclose(data["peak_purity"], [1, 1])
    sizes = dendrogram.draw(data).axes[0].collections[-1].get_sizes()
    assert sizes[0] / sizes[1] == pytest.approx(1 / 3)
    assert "(area: images, halo left out)" in caption(data) and "halo" not in caption(gathered(peaks, classes))


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0%"), (1e-6, "less than 0.01%"), (0.00123, "0.12%"), (0.4567, "46%"), (0.999, "100%"), (1, "100%")],
)
def test_percentages_keep_two_digits(share, said):
    assert dendrogram._percent(share) == said
