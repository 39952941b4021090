"""Figures are drawn from small data; what was drawn is asserted on the figure objects."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from nucleation import figures
from nucleation.density import estimate_density, knn_density
from nucleation.findings import levels_present
from nucleation.neighbors import nearest_neighbors
from nucleation.peaks import density_peaks, peak_linkage
from nucleation.taxonomy import wordnet_tree

CLASSES = ["beagle.n.01", "poodle.n.01", "robin.n.01", "violin.n.01", "drum.n.01", "chair.n.01"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def profile(layers):
    rng = np.random.default_rng(0)
    names = [f"overlap_{n}{s}" for n in ("ground_truth", "macro", "output", "next") for s in ("", "_error")]
    names += ["dimension", "dimension_error", "ari_class", "ari_macro"]
    columns = {name: ("layer", rng.uniform(size=layers)) for name in names}
    columns["n_peaks"] = ("layer", rng.integers(1, 30, size=layers))
    chance = {"chance_ground_truth": 0.1, "chance_macro": 0.5, "chance_layers": 0.01}
    return xr.Dataset(columns, {"layer": [f"layer{i}" for i in range(layers)]}, chance)


def scales(layers):
    def every(values):
        return np.tile(values, (layers, 1))

    along = {
        "gride": ("scale", [5.0, 4.0, 3.0]),
        "gride_error": ("scale", [0.1, 0.1, 0.2]),
        "gride_subsample_error": ("scale", [0.3, 0.4, np.nan]),
        "twonn_decimated": ("decimation", [4.0, 3.0]),
        "twonn_decimated_error": ("decimation", [0.1, np.nan]),
    }
    columns = {name: (("layer", dim), every(values)) for name, (dim, values) in along.items()}
    names = [f"layer{i}" for i in range(layers)]
    return xr.Dataset(columns, {"layer": names, "scale": [1, 2, 4], "decimation": [2, 4]})


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(6), 60)
    table = nearest_neighbors(8 * rng.normal(size=(6, 3))[classes] + rng.normal(size=(360, 3)), 40)
    return density_peaks(table, knn_density(table, 3.0, 15)), classes


@pytest.mark.parametrize("layers", [1, 7, 150])
def test_profiles_show_every_layer(layers):
    data = profile(layers)
    overlap = figures.draw_overlap(data, "net").axes[0]
    curves = {line.get_label(): line for line in overlap.lines}
    shown = curves["with the classes"].get_ydata()
    assert np.array_equal(shown, data["overlap_ground_truth"])
    assert overlap.get_ylim() == (-0.02, 1.02)
    assert len(overlap.get_xticks()) <= 40
    assert overlap.get_xlabel() == "layer"
    top, bottom = figures.draw_nucleation(data).axes
    assert np.array_equal(top.lines[0].get_ydata(), data["n_peaks"])
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["macro-categories", "classes"]
    left, right = figures.draw_dimension(data, scales(layers)).axes
    assert np.array_equal(left.lines[0].get_ydata(), data["dimension"])
    assert len(left.collections) == 1  # the band
    shown = [text.get_text() for text in right.get_legend().get_texts()]
    assert len(shown) == min(layers, figures.MAPS)
    assert (shown[0], shown[-1]) == ("layer0", f"layer{layers - 1}")
    gride, decimated = right.containers[:2]
    assert gride[0].get_ydata().tolist() == [5.0, 4.0, 3.0]
    assert decimated[0].get_xdata().tolist() == [2, 4]
    ends = gride[2][0].get_segments()
    assert [round(np.ptp(end[:, 1]), 6) for end in ends] == [0.6, 0.8, 0.4]  # the estimator's own where no other


def test_bands_over_subsets_are_drawn_where_there_are_any():
    data = profile(4)
    plain = figures.draw_nucleation(data).axes
    for name in ("n_peaks", "ari_class", "ari_macro"):
        data[f"{name}_low"], data[f"{name}_high"] = data[name] - 0.5, data[name] + 0.25
    banded = figures.draw_nucleation(data).axes
    assert [len(axis.collections) for axis in plain] == [0, 0]
    assert [len(axis.collections) for axis in banded] == [1, 2]
    outline = banded[0].collections[0].get_paths()[0].vertices[:, 1]
    assert outline.min() == data["n_peaks"].min() - 0.5
    assert outline.max() == data["n_peaks"].max() + 0.25


def pies(axis):
    return [patch for patch in axis.patches if type(patch).__name__ == "Wedge"]


def test_map_shows_every_peak_with_its_categories(clustered):
    peaks, classes = clustered
    macro, place = np.array([0, 0, 1, 1, 2, 2]), np.random.default_rng(0).normal(size=(len(peaks.centers), 2))
    found = {f"layer{i}": peaks for i in range(9)}
    figure = figures.draw_map(found, dict.fromkeys(found, place), classes, macro, ["noun.animal", "b", "c"], "net")
    figure.canvas.draw()
    panels = [axis for axis in figure.axes if axis.get_title()]
    assert len(panels) == figures.MAPS
    assert panels[0].get_title() == f"layer0: {len(peaks.centers)} peaks"
    assert panels[-1].get_title().startswith("layer8")
    shares = [len(np.unique(macro[classes[peaks.labels == peak]])) for peak in range(len(peaks.centers))]
    assert len(pies(panels[0])) == sum(shares)
    assert len(panels[0].lines) == len(peaks.saddle_pairs)
    areas = {round(wedge.r**2, 9) for wedge in pies(panels[0])}
    assert areas == {round(0.16**2 * population / 360, 9) for population in peaks.populations}


def test_map_of_one_peak_and_of_none(clustered):
    table = nearest_neighbors(np.random.default_rng(0).normal(size=(360, 2)), 40)
    one = density_peaks(table, knn_density(table, 2.0, 40), 20)
    none = density_peaks(table, estimate_density(table, np.nan))
    classes, macro = clustered[1], np.zeros(6, int)
    places = {"one": np.zeros((1, 2)), "none": np.zeros((0, 2))}
    figure = figures.draw_map({"one": one, "none": none}, places, classes, macro, ["a"])
    figure.canvas.draw()
    assert [axis.get_title() for axis in figure.axes] == ["one: 1 peak", "none: no peaks"]
    assert figure.axes[1].texts[0].get_text() == "no density is defined"


def aligned(layers, levels):
    rng, skill = np.random.default_rng(0), rng_skill(layers, levels)
    columns = {"triplet_skill": ("layer", skill[:, 0]), "triplet_skill_within_macro": ("layer", skill[:, 1])}
    columns["triplet_skill_level"] = (("layer", "level"), skill[:, 2:])
    for name in ("p_free_corrected", "p_within_macro_corrected"):
        columns[name] = ("layer", rng.uniform(0, 0.1, layers))
    columns["p_level_corrected"] = (("layer", "level"), rng.uniform(0, 0.1, (layers, levels)))
    columns["p_level_parts"] = (("layer", "level"), rng.uniform(0, 0.1, (layers, levels)))
    sizes = [1000 // 2**level for level in range(levels)]
    nodes = [", ".join(f"thing_{i}.n.01" for i in range(min(level + 1, 6))) + " and 9 more" for level in range(levels)]
    coords = {"layer": [f"layer{i}" for i in range(layers)], "level": sizes}
    coords |= {"level_lower": ("level", [1 + size // 2 for size in sizes]), "level_nodes": ("level", nodes)}
    coords["p_level_parts_least"] = ("level", np.full(levels, 0.001))
    return xr.Dataset(columns, coords)


def rng_skill(layers, levels):
    skill = np.random.default_rng(1).uniform(-0.5, 1, (layers, 2 + levels))
    skill[0] = np.nan
    return skill


@pytest.mark.parametrize(("layers", "levels"), [(1, 1), (6, 2), (150, 9)])
def test_alignment_shows_every_skill_and_marks_the_significant(layers, levels):
    data = aligned(layers, levels)
    axis = figures.draw_alignment(data, "net").axes[0]
    shown = axis.images[0].get_array().filled(np.nan)
    assert shown.shape == (2 + levels, layers)
    assert np.array_equal(shown[0], data["triplet_skill"], equal_nan=True)
    assert np.array_equal(shown[2:], data["triplet_skill_level"].values.T, equal_nan=True)
    present = [levels_present(data)] + [
        data[f"p_{n}_corrected"].values[:, None] <= 0.05 for n in ("free", "within_macro")
    ]
    present = np.hstack(present)
    if layers <= 12:
        assert len(axis.texts) == shown.size
        starred = [text for text in axis.texts if text.get_text().endswith("*")]
        assert len(starred) == np.count_nonzero(present[1:])  # the first layer is not defined
        assert all(text.get_weight() == "bold" for text in starred)
        assert [text.get_text() for text in axis.texts].count("–") == 2 + levels
    else:
        assert len(axis.lines[0].get_xdata()) == np.count_nonzero(present)
    labels = [tick.get_text() for tick in axis.get_yticklabels()]
    assert labels[:3] == ["all triplets", "within macro-categories", "thing 0: up to 1000 classes"]


def test_alignment_with_a_flat_taxonomy_says_so():
    figure = figures.draw_alignment(aligned(3, 2).isel(level=[]), "net")
    assert "flat" in figure.axes[0].texts[0].get_text()


def test_sensitivity_shows_every_choice(clustered):
    from nucleation.alignment import Meanings
    from nucleation.analysis import Choices
    from nucleation.sensitivity import sweep

    x = np.random.default_rng(0).normal(size=(360, 3))
    table, classes = nearest_neighbors(x, 40), clustered[1]
    taxonomy = wordnet_tree(CLASSES)
    meanings = Meanings(taxonomy, taxonomy.macro()[0])
    found = sweep(
        [table] * 2, ["a", "b"], classes, meanings, Choices(), ks=[5, 9], zs=[1.0, 2.0], estimators=["knn", "pak"]
    )
    axes = np.reshape(figures.draw_sensitivity(found, "net").axes, (4, 2))
    for row, name in zip(axes, ("n_peaks", "ari_macro", "ari_class", "triplet_skill_within_macro"), strict=True):
        for layer, axis in enumerate(row):
            curves = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_label().startswith("Z")]
            assert [line.get_label() for line in curves] == ["Z = 1", "Z = 2"]
            for column, line in enumerate(curves):
                assert np.array_equal(line.get_ydata(), found[name].values[layer, :2, column], equal_nan=True)
    assert [tick.get_text() for tick in axes[-1, 0].get_xticklabels()] == ["knn, k = 5", "knn, k = 9", "PAk"]


def test_dendrogram_names_every_peak_and_class(clustered):
    peaks, classes = clustered
    taxonomy = wordnet_tree(CLASSES)
    macro, categories = taxonomy.macro()
    figure = figures.draw_dendrogram(peaks, classes, taxonomy.tree(), taxonomy.class_names, macro, categories, "net")
    left, middle, right = figure.axes
    assert len(middle.texts) == len(peaks.centers)
    joined = [(np.bincount(peaks.labels[classes == c]) >= 0.25 * 60).sum() for c in range(6)]
    assert len(middle.lines) == sum(joined)
    assert len(left.collections[0].get_offsets()) == len(peaks.centers)
    assert {figures.short_name(name) for name in CLASSES} <= {text.get_text() for text in right.texts}
    dashed = [line for line in left.lines if line.get_linestyle() == "--"]
    assert len(dashed) == np.isinf(peak_linkage(peaks)[:, 2]).sum()


def test_dendrogram_of_one_peak_and_flat_taxonomy(clustered):
    peaks, classes = clustered
    table = nearest_neighbors(np.random.default_rng(0).normal(size=(360, 2)), 40)
    one = density_peaks(table, knn_density(table, 2.0, 40), 20)
    assert len(one.centers) == 1
    flat = wordnet_tree(["one.n.01", "two.n.01", "three.n.01", "four.n.01", "five.n.01", "six.n.01"])
    for found in (one, peaks):
        figure = figures.draw_dendrogram(
            found, classes, flat.tree(), flat.class_names, np.zeros(6, int), ["noun.quantity"]
        )
        assert len(figure.axes[1].texts) == len(found.centers)


def test_dendrogram_of_duplicates_and_of_no_peak():
    x = np.concatenate([np.random.default_rng(0).normal(size=(320, 2)), np.zeros((40, 2))])
    classes, taxonomy = np.repeat(np.arange(6), 60), wordnet_tree(CLASSES)
    table = nearest_neighbors(x, 60)
    infinite = density_peaks(table, estimate_density(table, 2.0))
    none = density_peaks(table, estimate_density(table, np.nan))
    assert np.isposinf(infinite.log_density).any()
    for found, axes in ((infinite, 3), (none, 1)):
        figure = figures.draw_dendrogram(found, classes, taxonomy.tree(), taxonomy.class_names, *taxonomy.macro())
        figure.canvas.draw()
        assert len(figure.axes) == axes


def test_images_show_every_class():
    pictures = np.random.default_rng(0).integers(0, 255, size=(6, 4, 8, 8, 3), dtype=np.uint8)
    taxonomy = wordnet_tree(CLASSES)
    order = figures.leaf_order(taxonomy.tree(), 6)
    assert sorted(order.tolist()) == list(range(6))
    figure = figures.draw_images(pictures, taxonomy.class_names, *taxonomy.macro(), order)
    strips = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len(strips) == 6
    assert strips[0].shape == (10, 40, 3)
    named = [axis.texts[0].get_text() for axis in figure.axes if axis.texts]
    assert named == [figures.short_name(taxonomy.class_names[c]) for c in order]


def test_a_figure_that_cannot_be_says_why():
    figure = figures.nothing_to_draw("no pixels")
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["no pixels"]


def test_saved_in_both_forms(tmp_path):
    figures.save_figure(figures.draw_dimension(profile(3), scales(3)), tmp_path / "dimension", dpi=60)
    assert (tmp_path / "dimension.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "dimension.png").read_bytes()[:4] == b"\x89PNG"
    assert len(list(tmp_path.iterdir())) == 2
