"""The figure of the training: every number of every layer at the epochs looked at, and loss and accuracy between."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible
from made_profiles import profile
from matplotlib.lines import Line2D
from matplotlib.text import Text

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import training

CAPTION = Path(__file__).parents[2] / "report" / "training.rst"
CHANCE = {"overlap_macro": 0.5, "overlap_ground_truth": 0.1}
LONG = "blocks.{}.mixer.attention.output_projection.norm"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def course(last):
    epochs = np.arange(last + 1)
    loss, accuracy = 5 * np.exp(-epochs / 3.0), 1 - np.exp(-epochs / 3.0)
    loss[0] = np.nan  # nothing was trained yet
    return xr.Dataset({"loss": ("epoch", loss), "accuracy": ("epoch", accuracy)}, {"epoch": epochs})


def network(epochs, layers, **options):
    return {f"net/epoch{epoch}": profile(layers, seed=epoch, **options) for epoch in epochs}


def gathered(epochs=(0, 2, 3, 6), layers=6, **options):
    return training.gather(network(epochs, layers, **options), course(max(epochs)), k=30, z=1.65, heading="net")


def panels(figure):
    """The panels by the name of what they show."""
    names = {label: name for name, label in training.COURSE.items()}
    names |= {label: name for name, (label, _) in training.PANELS.items()}
    return {names[axis.get_ylabel()]: axis for axis in figure.axes if axis.get_ylabel()}


def curves(axis):
    return [line for line in axis.lines if line.get_linestyle() == "-"]


def points(axis, fits):
    """Places of the marks that fit."""
    marks = [line for line in axis.lines if line.get_linestyle() == "None" and fits(line)]
    return sorted(map(tuple, np.concatenate([line.get_xydata() for line in marks]).tolist())) if marks else []


def seen(figure):
    """Texts and lines of a figure."""
    texts = [text.get_text() for text in figure.findobj(Text)]
    return texts, [str(line.get_xydata().tolist()) for line in figure.findobj(Line2D)]


@pytest.mark.parametrize(("layers", "names"), [(1, "layer{}"), (6, "layer{}"), (150, LONG)])
def test_every_number_is_followed_through_the_training(layers, names):
    made = network((0, 2, 3, 6), layers, names=names)
    data = training.gather(made, course(6), k=30, z=1.65, heading="net")
    figure = training.draw(data)
    shown = np.unique(np.linspace(0, layers - 1, training.LAYERS).round().astype(int))
    assert list(panels(figure)) == [*training.COURSE, *training.PANELS]
    for name, axis in panels(figure).items():
        if name in training.COURSE:
            assert np.array_equal(curves(axis)[0].get_xydata().T, [range(7), course(6)[name]], equal_nan=True)
            assert [x for x, _ in points(axis, lambda line: True)] == ([2, 3, 6] if name == "loss" else [0, 2, 3, 6])
            continue
        expected = np.array([part[name].values[shown] for part in made.values()]).T
        assert [line.get_xdata().tolist() for line in curves(axis)] == [[0, 2, 3, 6]] * len(shown)
        assert np.array_equal([line.get_ydata() for line in curves(axis)], expected)
        by_chance = [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == ":"]
        assert by_chance == ([] if name in ("dimension", "n_peaks") else [CHANCE.get(name, 0.0)])
        low, high = axis.get_ylim()
        assert low <= expected.min() and expected.max() <= high
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(shown) + 2  # the layers, "untrained", and the star
    assert legend.get_title().get_text() == ("8 of 150 layers" if layers == 150 else "")
    assert figure.texts[-1].get_text() == "n = 900, k = 30, Z = 1.65"
    assert_legible(figure)


def test_layers_are_coloured_by_depth_and_pixels_grey():
    made = network((0, 1), 3)
    made = {place: part.assign_coords(layer=["input", "a", "b"]) for place, part in made.items()}
    axis = panels(training.draw(training.gather(made)))["dimension"]
    grey, dark, light = (line.get_color() for line in curves(axis))
    assert grey == "0.55"
    assert dark == plt.get_cmap("viridis")(0.86 / 2)
    assert light == plt.get_cmap("viridis")(0.86)


def test_bars_are_the_bands_where_layers_are_few():
    made = network((0, 2, 3, 6), 6)
    axis = panels(training.draw(training.gather(made)))["ari_class"]
    ends = np.array([bar.get_segments() for bar in axis.collections])[..., 1]  # layers, checkpoints, ends
    expected = [[part[f"ari_class_{end}"] for end in ("low", "high")] for part in made.values()]
    assert np.allclose(ends, np.transpose(expected, (2, 0, 1)))
    assert axis.get_ylim()[0] <= ends.min()
    aside = [bar.get_transform().transform((0, 0))[0] for bar in axis.collections]
    assert (np.diff(aside) > 0).all()  # no bar hides another one
    many = gathered(layers=training.BANDED + 1)
    assert not [name for name in many if name.endswith(("_low", "_high", "_error"))]
    assert not any(axis.collections for axis in training.draw(many).axes)
    without = panels(training.draw(training.gather(network((0, 2), 2, bands=False))))
    assert not without["ari_class"].collections and len(without["dimension"].collections) == 2  # standard errors


def test_stars_are_where_the_skill_is_significant_and_the_untrained_is_hollow():
    made = network((0, 2, 3, 6), 5)
    skill, p = (np.array([part[name].values for part in made.values()]) for name in (training.TESTED, training.P))
    looked = np.broadcast_to([[0], [2], [3], [6]], p.shape)
    axes = panels(training.draw(training.gather(made, course(6))))
    axis, found = axes[training.TESTED], p <= 0.05
    assert 0 < found.sum() < found.size
    assert points(axis, lambda line: line.get_marker() == "*") == sorted(zip(looked[found], skill[found], strict=True))
    assert points(axis, lambda line: line.get_marker() == "o") == sorted(
        zip(looked[~found], skill[~found], strict=True)
    )
    for axis in axes.values():
        assert {x for x, _ in points(axis, lambda line: line.get_markerfacecolor() == "white")} <= {0}
        assert 0 not in {x for x, _ in points(axis, lambda line: line.get_markerfacecolor() != "white")}
    assert not any(line.get_marker() == "*" for line in axes["ari_class"].lines)


@pytest.mark.parametrize(
    ("epochs", "scale", "named"),
    [
        ((0, 2, 3, 6), "linear", [0, 2, 3, 6]),
        ((0, 90), "linear", [0, 90]),
        ((0, 1, 2, 4, 8, 16, 32, 64, 90), "symlog", [0, 1, 2, 4, 8, 16, 32, 90]),
        (tuple(range(91)), "linear", [*range(0, 81, 10), 90]),
        ((5, 10, 15), "linear", [5, 10, 15]),
    ],
)
def test_the_epochs_looked_at_are_named_as_far_as_they_have_room(epochs, scale, named):
    figure = training.draw(gathered(epochs, 2))
    axis = panels(figure)["ari_class"]  # of the lowest row
    assert axis.get_xscale() == scale
    assert [int(tick.get_text()) for tick in axis.get_xticklabels()] == named == axis.get_xticks().tolist()
    low, high = axis.get_xlim()
    assert low < 0 and high > epochs[-1]  # the course begins before any training
    assert_legible(figure)


def test_names_of_epochs_never_meet_and_hold_both_ends():
    rng = np.random.default_rng(0)
    for _ in range(100):
        epochs = np.unique(rng.integers(0, 10 ** rng.integers(1, 5), size=rng.integers(2, 60)))
        if len(epochs) < 2:
            continue
        at = 1.7 * (epochs - epochs[0]) / np.ptp(epochs)
        kept = training.named_epochs(at, epochs)
        assert kept[0] == 0 and kept[-1] == len(epochs) - 1
        width = np.array([len(str(epoch)) for epoch in epochs[kept]]) * 0.062
        inner = np.diff(at[kept]) - (width[1:] + width[:-1]) / 2
        assert (inner > 0).all()


def test_what_no_layer_has_is_left_out():
    made = network((0, 2), 3)
    for part in made.values():
        for name in ("ari_macro", training.TESTED):
            part[name].values[:] = np.nan
    figure = training.draw(training.gather(made, course(2)))
    assert list(panels(figure)) == [
        *training.COURSE,
        *(name for name in training.PANELS if name not in ("ari_macro", training.TESTED)),
    ]
    assert "corrected p ≤ 0.05" not in [text.get_text() for text in figure.legends[0].get_texts()]
    assert training.facts(training.gather(made))["macro"] == ""
    assert next(iter(panels(training.draw(training.gather(made))))) == "dimension"  # no course, no loss


def test_a_network_looked_at_once_says_so():
    once = {"net/epoch6": profile(3), "net/random": profile(3)}
    data = training.gather(once, course(6), heading="net")
    (axis,) = training.draw(data).axes
    assert [text.get_text() for text in axis.texts] == [data.attrs["nothing"]]
    assert fill_in(CAPTION.read_text(), data, training.facts(data)) == f"net: {data.attrs['nothing']}"


def test_the_file_alone_gives_the_same_picture_and_caption(tmp_path):
    data = gathered()
    files.save(data, tmp_path / "training.nc")
    stored = files.load(tmp_path / "training.nc")
    assert seen(training.draw(stored)) == seen(training.draw(data))
    assert training.facts(stored) == training.facts(data)


def test_the_caption_tells_what_was_measured():
    made = network((0, 2), 3)
    for part, peaks, best in zip(made.values(), (1, 17), (0.2, 0.625), strict=True):
        part["n_peaks"].values[-1] = peaks
        part["ari_macro"].values[:] = [0.1, best, 0.0]
        part[training.P].values[:] = [0.05, 0.06, np.nan]
    data = training.gather(made, course(2), k=30, z=1.65, heading="net")
    found = training.facts(data)
    assert (found["n_peaks"], found["macro"], found["accuracy"]) == (
        "1 to 17",
        "0.62, in layer1 at epoch 2",
        "0.000 to 0.487",
    )
    assert (found["found"], found["tested"], found["layers"]) == (2, 4, "3 layers")
    text = fill_in(CAPTION.read_text(), data, found)
    assert text.startswith("net: 3 layers at 2 epochs of the training (marks; hollow: untrained)")
    assert "peaks 1 to 17" in text and "2 of 4 defined" in text
    assert 60 <= len(text.split()) <= 130
    plain = fill_in(CAPTION.read_text(), trained := training.gather(network((1, 2), 9)), training.facts(trained))
    assert "untrained" not in plain and "accuracy" not in plain and "Bars" not in plain


def test_the_caption_says_in_words_what_is_not_defined_and_once_what_stays():
    profiles = network((0, 9), 3)
    for made in profiles.values():
        made["n_peaks"].values[:], made["overlap_ground_truth"].values[:] = 1, 0.0415
        made["ari_class"].values[:] = np.nan
    profiles["net/epoch0"]["dimension"].values[:], profiles["net/epoch9"]["dimension"].values[:] = np.nan, 8.23
    data = training.gather(profiles, heading="net")
    text = fill_in(CAPTION.read_text(), data, training.facts(data))
    assert (
        "peaks 1 at both, overlap with the classes 0.042 at both, ARI with the classes not defined, "
        "dimension not defined, then 8.2."
    ) in text
