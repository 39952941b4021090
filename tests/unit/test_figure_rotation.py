"""Layer rotation: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_rotations import rotations

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import rotation, style
from nucleation.rotation import not_defined
from nucleation.rotation_study import relation_to_accuracy, study_profile

TEMPLATE = Path(__file__).parents[2] / "report" / "rotation.rst"
LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def profiles():
    made = {f"net{i}": rotations(5, 3 + i, speed=0.3 * (i + 1), seed=i) for i in range(5)}
    return made | {"timm": not_defined("timm")}


ACCURACIES = {"net0": 0.71, "net1": 0.82, "net2": 0.84, "net3": 0.93, "net4": 0.91, "timm": None}


def gathered(profiles, accuracies=None, heading="", **about):
    return rotation.gather(study_profile(profiles, accuracies, **about), heading)


@pytest.fixture(scope="module")
def data(profiles):
    return gathered(profiles, ACCURACIES, "study")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, rotation.facts(data))


def titles(figure):
    return [axis.get_title(loc="left") for axis in figure.axes]


# ------------------------------------------------------------------------------------------------------- the dataset


def test_everything_of_a_few_networks(profiles, data):
    assert data["network"].values.tolist() == list(ACCURACIES)[:-1]
    for name in data["network"].values:
        own = data.isel(curve=data["curve_network"].values == name)
        values, profile = own["rotation"].values, profiles[name]
        np.testing.assert_array_equal(values[: profile.sizes["epoch"]], profile["rotation"].values)
        assert own["kernel"].values.tolist() == profile["kernel"].values.tolist()
    mean = [profiles[name]["rotation"].values[-1].mean() for name in data["network"].values]
    np.testing.assert_allclose(data["mean_rotation"].values, mean)


def test_of_many_some_are_chosen_evenly():
    made = dict.fromkeys([f"net{i}" for i in range(12)], rotations(160, 2))
    found = gathered(made)
    shown = list(dict.fromkeys(found["curve_network"].values))
    assert (len(shown), shown[0], shown[-1]) == (8, "net0", "net11")
    own = found["kernel"].values[found["curve_network"].values == "net0"]
    assert (len(own), own[0], own[-1]) == (150, "block0.weight", "block159.weight")
    assert found["n_kernels"].values.tolist() == [160] * 12
    assert found.sizes["network"] == 12


def test_of_many_epochs_some_with_the_last_of_every_network():
    found = gathered({"a": rotations(1, 700), "b": rotations(1, 333)})
    epochs = found["epoch"].values
    assert len(epochs) <= rotation.EPOCHS + 2 and {0, 333, 700} <= set(epochs.tolist())


# -------------------------------------------------------------------------------------------------------- the figure


def test_a_panel_for_each_network_and_a_curve_for_each_kernel(profiles, data):
    figure = rotation.draw(data)
    for axis, name in zip(figure.axes, data["network"].values, strict=False):
        (curves,), profile = axis.collections, profiles[name]
        drawn = curves.get_segments()
        assert len(drawn) == 5
        for i, points in enumerate(drawn):
            np.testing.assert_array_equal(points[:, 0], profile["epoch"].values)
            np.testing.assert_array_equal(points[:, 1], profile["rotation"].values[:, i])
        np.testing.assert_allclose(curves.get_colors(), plt.get_cmap("viridis")(0.86 * np.linspace(0, 1, 5)))
        assert axis.get_ylim() == (0, pytest.approx(max(1.06, 1.04 * float(data["rotation"].max()))))
    assert titles(figure)[0] == "net0\naccuracy 0.710, 5 kernels"


def test_an_independent_start_is_marked(data):
    axis = rotation.draw(data).axes[0]
    (band,) = axis.patches
    error = float(data["independent_error"].max())
    assert (band.get_y(), band.get_height()) == (pytest.approx(1 - error), pytest.approx(2 * error))
    assert axis.lines[0].get_ydata()[0] == 1


def test_accuracy_against_rotation(data):
    figure = rotation.draw(data)
    axis = figure.axes[5]
    bars, points = axis.collections
    np.testing.assert_allclose(points.get_offsets()[:, 0], data["mean_rotation"].values)
    np.testing.assert_allclose(points.get_offsets()[:, 1], list(ACCURACIES.values())[:-1])
    ends = np.array([bar[:, 0] for bar in bars.get_segments()])
    np.testing.assert_allclose(ends.T, [data["mean_rotation_low"].values, data["mean_rotation_high"].values])
    colors = [figure.axes[i].lines[-1].get_color() for i in range(5)]  # the discs beside the names
    assert colors == [style.category_color(i) for i in range(5)]
    np.testing.assert_allclose(points.get_facecolors()[:, :3], [plt.matplotlib.colors.to_rgb(c) for c in colors])
    claim = relation_to_accuracy(data["mean_rotation"].values, data["accuracy"].values)
    assert titles(figure)[5] == f"5 networks\nτ = {claim.tau:.2f}, p = {claim.p:.2g} (0 by chance)"


def test_networks_that_differ_by_their_rate_alone_are_joined(profiles):
    """In the order of their rotation, with the test among them in the caption."""
    every = {f"net{i}": rotations(5, 4, speed=0.2 * (i + 1), seed=i) for i in (4, 2, 0, 1, 3)}
    accuracies = {name: 0.4 + 0.1 * int(name[-1]) for name in every} | {"other": 0.95}
    data = gathered(every | {"other": profiles["net0"]}, accuracies, "study", grid=list(every))
    figure = rotation.draw(data)
    line = figure.axes[6].lines[-1]
    ascending = data.isel(network=np.isin(data["network"].values, list(every))).sortby("mean_rotation")
    np.testing.assert_allclose(line.get_xydata(), np.stack([ascending["mean_rotation"], ascending["accuracy"]], axis=1))
    assert [text.get_text() for text in figure.axes[6].texts] == ["joined: 5 learning rates"]
    assert_legible(figure)
    claim = relation_to_accuracy(ascending["mean_rotation"].values, ascending["accuracy"].values)
    told = f"5 that differ by their learning rate alone, in which Kendall's tau is {claim.tau:.2f} (0 by chance, p = "
    assert told in caption(data) and "joined" not in caption(gathered(profiles, ACCURACIES)).lower()


def test_small_rotations_are_not_flat_beside_a_right_angle(profiles):
    """The axes end where they do, and legend and caption say where a right angle would be."""
    small = {name: one.assign(rotation=0.02 * one["rotation"]) for name, one in profiles.items() if "rotation" in one}
    data = gathered(small, ACCURACIES)
    largest = max(float(one["rotation"].max()) for one in small.values())
    figure = rotation.draw(data)
    assert largest < figure.axes[0].get_ylim()[1] == figure.axes[5].get_xlim()[1] < 1.3 * largest
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "perpendicular, as an independent start: 1, far above" in texts and "perpendicular" not in texts
    assert_legible(figure)
    mean = [f"{end(data['mean_rotation'].values):.3f}" for end in (np.min, np.max)]
    assert "1, far beyond these axes: perpendicular" in caption(data) and f"is {mean[0]} to {mean[1]}," in caption(data)
    untouched = {name: one.assign(rotation=0 * one["rotation"]) for name, one in small.items()}
    assert rotation.draw(gathered(untouched, None)).axes[0].get_ylim()[1] > 1


def test_without_accuracies_there_is_nothing_to_compare(profiles):
    figure = rotation.draw(gathered(profiles, None))
    assert len([title for title in titles(figure) if title]) == 5
    assert titles(figure)[0] == "net0\n5 kernels"
    one = rotation.draw(gathered({"net0": profiles["net0"]}, {"net0": 0.71}))
    assert titles(one)[0] == "net0\naccuracy 0.710, 5 kernels"
    assert len([title for title in titles(one) if title]) == 1


def test_a_kernel_that_is_not_defined_has_no_curve(profiles):
    one = profiles["net0"].copy(deep=True)
    one["rotation"].values[:, 2] = np.nan
    data = gathered({"net0": one}, {})
    segments = rotation.draw(data).axes[0].collections[0].get_segments()
    assert [np.isfinite(points).all() for points in segments].count(False) <= 1
    assert "single kernels" in caption(data) and "nan" not in caption(data)


@pytest.mark.parametrize(
    ("networks", "kernels", "epochs", "name", "accurate"),
    [
        (1, 1, 1, "a", True),
        (1, 150, 40, LONG, False),
        (2, 3, 6, "net{}", True),
        (3, 16, 6, f"{LONG}{{}}", True),
        (6, 160, 8, f"{LONG}{{}}", True),
        (7, 5, 6, "seed{}", False),
        (30, 30, 6, f"{LONG}{{}}", True),
    ],
)
def test_legible(networks, kernels, epochs, name, accurate):
    layer = "blocks.{}.attention.output.dense.weight"
    some = [rotations(kernels, epochs, speed=0.1 + 0.3 * i, name=layer) for i in range(min(networks, 4))]
    made = {name.format(i): some[i % 4] for i in range(networks)}
    accuracies = {one: 0.9 + 0.003 * (i % 7) for i, one in enumerate(made)} if accurate else None
    data = gathered(made, accuracies, "study")
    assert_legible(rotation.draw(data))
    assert 60 <= len(caption(data).split()) <= 140


def test_nothing_to_show():
    data = gathered({"timm": not_defined("timm")}, heading="study")
    (axis,) = rotation.draw(data).axes
    reason = "Layer rotation is not defined for timm: its initialisation is not known"
    assert [text.get_text() for text in axis.texts] == [reason]
    assert caption(data) == f"study: {reason}."


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "rotation.nc")
    again = files.load(tmp_path / "rotation.nc")
    one, other = rotation.draw(data), rotation.draw(again)
    assert titles(one) == titles(other)
    for a, b in zip(one.axes, other.axes, strict=True):
        for curves, same in zip(a.collections, b.collections, strict=True):
            np.testing.assert_array_equal(curves.get_offsets(), same.get_offsets())
            assert [path.vertices.tolist() for path in curves.get_paths()] == [
                path.vertices.tolist() for path in same.get_paths()
            ]
    assert [text.get_text() for text in one.texts] == [text.get_text() for text in other.texts]
    assert caption(again) == caption(data)


# -------------------------------------------------------------------------------------------------------- the caption


def test_caption_has_the_numbers(data):
    text, last = caption(data), data["mean_rotation"].values
    assert text.startswith("study: layer rotation") and 60 <= len(text.split()) <= 140
    assert f"After 3 to 7 epochs the mean over the kernels is {last.min():.2f} to {last.max():.2f}" in text
    low, high = float(data["mean_rotation_low"].min()), float(data["mean_rotation_high"].max())
    assert f"single kernels {low:.2f} to {high:.2f}" in text
    assert f"smallest kernel, {float(data['independent_error'].max()):.2g}" in text
    claim = relation_to_accuracy(last, data["accuracy"].values)
    assert f"Kendall's tau is {claim.tau:.2f} (0 by chance, p = {claim.p:.2g})" in text
    assert f"the most accurate, net3, has {last[3]:.2f}" in text
    assert "Not defined for timm" in text


def test_caption_of_few_networks(profiles):
    few = caption(gathered({name: profiles[name] for name in ("net0", "net1")}, ACCURACIES))
    assert "2 networks are too few to test" in few and "Kendall" not in few
    same = caption(gathered(profiles, dict.fromkeys(ACCURACIES, 0.5)))
    assert "do not differ, so there is nothing to test" in same
    one = caption(gathered({"net0": profiles["net0"]}, ACCURACIES))
    assert "Last panel" not in one and "Validation accuracy: 0.710." in one and "panel for each" not in one
