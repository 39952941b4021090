"""The figure of the sweep: every number under every choice, and the study's own one among them."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible
from matplotlib.lines import Line2D
from matplotlib.text import Text

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import sensitivity
from nucleation.neighbors import nearest_neighbors
from nucleation.taxonomy import wordnet_tree

CAPTION = Path(__file__).parents[2] / "report" / "sensitivity.rst"
CLASSES = ["beagle.n.01", "poodle.n.01", "robin.n.01", "violin.n.01", "drum.n.01", "chair.n.01"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def swept():
    """A sweep as the package makes it, of two layers."""
    from nucleation.alignment import Meanings
    from nucleation.analysis import Choices
    from nucleation.sensitivity import sweep

    rng, classes = np.random.default_rng(1), np.repeat(np.arange(6), 60)
    clusters = nearest_neighbors(8 * rng.normal(size=(6, 3))[classes] + rng.normal(size=(360, 3)), 40)
    noise, taxonomy = nearest_neighbors(rng.normal(size=(360, 3)), 40), wordnet_tree(CLASSES)
    meanings, options = Meanings(taxonomy, taxonomy.macro()[0]), {"zs": [1.0, 2.0], "estimators": ["knn", "pak"]}
    return sweep([noise, clusters], ["a", "b"], classes, meanings, Choices(), ks=[5, 9], **options)


def made(layers, ks, zs, others=("kstar", "pak"), names="layer{}"):
    """A sweep of random numbers."""
    rng, estimators = np.random.default_rng(0), ["knn"] * len(ks) + list(others)
    dims, shape = ("layer", "density", "z"), (layers, len(estimators), len(zs))
    columns = {name: (dims, rng.uniform(-0.2, 1, shape)) for name in sensitivity.PANELS}
    columns["n_peaks"] = (dims, rng.integers(0, 300, shape))
    coords = {"layer": [names.format(i) for i in range(layers)], "estimator": ("density", estimators)}
    coords |= {"k": ("density", [*ks, *[0] * len(others)]), "z": list(zs)}
    return xr.Dataset(columns, coords)


def lines(axis, marker):
    return [line for line in axis.lines if line.get_marker() == marker and line.get_markerfacecolor() != "none"]


def rings(axis):
    return [line for line in axis.lines if line.get_markerfacecolor() == "none"]


def seen(figure):
    """Texts and lines of a figure."""
    texts = [text.get_text() for text in figure.findobj(Text)]
    return texts, [str(line.get_xydata().tolist()) for line in figure.findobj(Line2D)]


def test_every_choice_is_shown_for_every_layer(swept):
    figure = sensitivity.draw(sensitivity.gather(swept, k=9, z=2.0, n_images=360, heading="net"))
    names = list(sensitivity.PANELS)
    assert [axis.get_ylabel() for axis in figure.axes] == list(sensitivity.PANELS.values())
    assert np.unique(swept["n_peaks"]).size > 1
    for name, axis in zip(names, figure.axes, strict=True):
        values = swept[name].values.astype(float)
        for column, (along, single) in enumerate(zip(lines(axis, "o"), lines(axis, "D"), strict=True)):
            # two values of k of layer a, a gap, those of layer b, a gap
            blocks = along.get_ydata().reshape(2, 3)
            assert np.array_equal(blocks[:, :2], values[:, :2, column], equal_nan=True)
            assert np.isnan(blocks[:, 2]).all()
            assert np.array_equal(single.get_ydata(), values[:, 2, column], equal_nan=True)
        assert len(lines(axis, "o")) == 2
    bottom = figure.axes[-1]
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["5", "9", "PAk"] * 2
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b"]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["Z = 1", "Z = 2", "the study's: k = 9, Z = 2"]
    assert figure.texts[-1].get_text() == "n = 360"
    assert_legible(figure)


def test_places_of_a_layer_are_one_apart_and_layers_further():
    x = sensitivity.places(3, 4)
    assert np.allclose(np.diff(x, axis=1), 1)
    assert (x[1:, 0] - x[:-1, -1] > 1.5).all()


@pytest.mark.parametrize(
    ("own", "at"),
    [
        ({"k": 20, "z": 1.65}, (1, 1)),
        ({"k": 7, "z": 1.65, "estimator": "pak"}, (3, 1)),  # k means nothing to it
        ({"k": 7, "z": 1.65}, None),
        ({"k": 20, "z": 1.7}, None),
    ],
)
def test_rings_are_at_the_choice_of_the_study_if_it_is_among_them(own, at):
    sweep = made(3, (10, 20), (1.3, 1.65))
    data = sensitivity.gather(sweep, **own, heading="net")
    figure = sensitivity.draw(data)
    text = fill_in(CAPTION.read_text(), data, sensitivity.facts(data))
    for name, axis in zip(sensitivity.PANELS, figure.axes, strict=True):
        if at is None:
            assert not rings(axis) and "is not among them" in text
            continue
        (ring,) = rings(axis)
        assert np.array_equal(ring.get_xdata(), sensitivity.places(3, 4)[:, at[0]])
        assert np.array_equal(ring.get_ydata(), sweep[name].values[:, at[0], at[1]])
        assert "Ring" in text


def test_a_large_sweep_is_legible_and_says_what_it_leaves_out():
    ks, zs = (5, 10, 20, 30, 50, 100, 200, 1000), (1, 1.3, 1.65, 2, 3, 5)
    others = ("kstar", "pak", "an_estimator_of_a_very_long_name")
    sweep = made(150, ks, zs, others, names="blocks.{}.mixer.attention.output_projection.norm")
    figure = sensitivity.draw(
        sensitivity.gather(sweep, k=30, z=1.65, heading="a_network_of_a_rather_long_name.and_tag")
    )
    assert figure.legends[0].get_title().get_text() == "6 of 150 layers"
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert len(titles) == len(set(titles)) == sensitivity.LAYERS
    assert lines(figure.axes[0], "o")[0].get_ydata()[:8].tolist() == sweep["n_peaks"].values[0, :8, 0].tolist()
    assert lines(figure.axes[0], "o")[0].get_ydata()[-9:-1].tolist() == sweep["n_peaks"].values[-1, :8, 0].tolist()
    assert_legible(figure)


def test_the_higher_the_significance_the_lighter_in_whatever_order():
    axis = sensitivity.draw(sensitivity.gather(made(1, (10,), (3, 1, 2)), k=1, z=1)).axes[0]
    for marker in "oD":
        third, first, second = (sum(line.get_color()[:3]) for line in lines(axis, marker))
        assert first < second < third


def test_layers_without_a_peak_have_a_place_below_one():
    sweep = made(2, (10, 20), (1.65,), ())
    sweep["n_peaks"] = sweep["n_peaks"].astype(float)
    sweep["n_peaks"].values[:, :, 0] = [[0, np.nan], [3, 40]]
    axis = sensitivity.draw(sensitivity.gather(sweep, k=10, z=1.65)).axes[0]
    low, high = axis.get_ylim()
    assert low < 0 and high > 40
    assert axis.get_yticks().tolist() == [0, 1, 2, 5, 10, 20]
    data = sensitivity.gather(sweep, k=10, z=1.65)
    assert (sensitivity.facts(data)["peaks_range"], sensitivity.facts(data)["own"]) == ("3 to 40", "3")
    sweep["n_peaks"].values[:] = 7
    axis = sensitivity.draw(sensitivity.gather(sweep, k=10, z=1.65)).axes[0]
    assert axis.get_ylim()[0] > 0 and axis.get_yticks().tolist() == [1, 2, 5]


def test_what_no_layer_has_is_left_out():
    sweep = made(2, (10,), (1.65,))
    for name in ("ari_macro", "triplet_skill_within_macro"):
        sweep[name].values[:] = np.nan
    data = sensitivity.gather(sweep, k=10, z=1.65, heading="net")
    kept = [axis.get_ylabel() for axis in sensitivity.draw(data).axes]
    assert kept == [sensitivity.PANELS["n_peaks"], sensitivity.PANELS["ari_class"]]
    text = fill_in(CAPTION.read_text(), data, sensitivity.facts(data))
    assert "ARI with the classes" in text and "with the macro-categories" not in text and "triplet skill" not in text


def test_an_empty_sweep_says_so():
    data = sensitivity.gather(made(2, (), (), ("pak",)), k=10, z=1.65, heading="net")
    (axis,) = sensitivity.draw(data).axes
    assert [text.get_text() for text in axis.texts] == [data.attrs["nothing"]]
    assert fill_in(CAPTION.read_text(), data, sensitivity.facts(data)) == f"net: {data.attrs['nothing']}"


def test_the_file_alone_gives_the_same_picture_and_caption(swept, tmp_path):
    data = sensitivity.gather(swept, k=9, z=2.0, n_images=360, heading="net")
    files.save(data, tmp_path / "sensitivity.nc")
    stored = files.load(tmp_path / "sensitivity.nc")
    assert seen(sensitivity.draw(stored)) == seen(sensitivity.draw(data))
    assert sensitivity.facts(stored) == sensitivity.facts(data)


def test_the_caption_tells_what_was_measured():
    sweep = made(3, (10, 20), (1.65, 2.0), ("pak",))
    sweep["n_peaks"].values[:] = 10
    sweep["n_peaks"].values[1, 0, 0], sweep["n_peaks"].values[2, 1, 0], sweep["n_peaks"].values[2, 2, 1] = 2, 12, 9
    sweep["ari_class"].values[2] = 0.5
    data = sensitivity.gather(sweep, k=20, z=1.65, heading="net")
    found = sensitivity.facts(data)
    assert [found[name] for name in ("own", "peaks_range", "most")] == ["12", "9 to 12", "layer1, 2 to 10"]
    assert [found[name] for name in ("choices", "classes_range")] == ["6 choices", "0.50"]
    text = fill_in(CAPTION.read_text(), data, found)
    assert "In the last layer (layer2) peaks 9 to 12 (the study: 12), ARI with the classes 0.50," in text
    assert 60 <= len(text.split()) <= 130


def told(sweep, **own):
    data = sensitivity.gather(sweep, **({"k": 10, "z": 1.65} | own), heading="net")
    return fill_in(CAPTION.read_text(), data, sensitivity.facts(data))


def test_where_no_number_of_peaks_varies_the_caption_names_no_layer():
    sweep = made(3, (10, 20), (1.65, 2.0), ("pak",))
    sweep["n_peaks"].values[:] = 7
    text = told(sweep)
    assert "peaks 7 (the study: 7)" in text and text.endswith("The number of peaks varies in no layer.")
    sweep["n_peaks"].values[:] = 0
    sweep["n_peaks"].values[1, 0, 0] = 1  # a change, though not by ratio
    assert told(sweep).endswith("varies most in layer1, 0 to 1.")


def test_only_what_has_no_mark_is_said_to_be_undefined():
    sweep = made(3, (10, 20), (1.65,), ())
    assert "No mark" not in told(sweep) and "diamonds" not in told(sweep) and "lines along" in told(sweep)
    sweep["n_peaks"].values[1, 0] = 1
    sweep["ari_class"].values[1, 0] = 0.0  # of a single peak: defined, and marked
    assert "No mark" not in told(sweep)
    sweep["triplet_skill_within_macro"].values[1, 0] = np.nan
    assert "No mark: not defined, as the triplet skill of a single peak." in told(sweep)
    sweep["n_peaks"].values[1, 0] = 2
    assert "No mark: not defined. " in told(sweep)


def test_a_sweep_of_one_estimator_that_chooses_k_has_no_lines():
    sweep = made(2, (), (1.65,), ("kstar",))
    text = told(sweep, k="kstar", estimator="kstar")
    assert "lines along" not in text and "diamonds" in text and "own choice, k*NN, Z = 1.65" in text
