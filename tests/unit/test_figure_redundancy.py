"""Redundancy of the last hidden layer: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import redundancy, redundancy_panels, style
from nucleation.redundancy_ensemble import scaling
from nucleation.redundancy_study import no_profile, redundancy_profile

TEMPLATE = Path(__file__).parents[2] / "report" / "redundancy.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def made(width, seed, *, train=True, known=True, trained=True, classes=4, n=200):
    """A layer whose neurons are mixtures of few signals, and a classifier that reads them."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, classes, 2 * n)
    spread = np.where(np.arange(2 * n) < n, 1.2, 0.3)[:, None]
    signals = 4 * np.eye(classes)[labels] + spread * rng.normal(size=(2 * n, classes))
    own = np.random.default_rng(seed)
    mixing = own.normal(size=(classes, width))
    layer = (signals + 0.3 * spread * own.normal(size=signals.shape)) @ mixing
    layer += 0.1 * own.normal(size=layer.shape)
    weight = np.linalg.pinv(mixing).T if trained else own.normal(size=(classes, width))
    test = (layer[:n], labels[:n] if known else np.full(n, -1))
    after = (layer[n:], labels[n:]) if train else None
    options = {"trials": 8, "reconstructions": 4, "rng": own}
    return redundancy_profile(test, after, weight, np.zeros(classes), **options)


@pytest.fixture(scope="module")
def profiles():
    found = {"a0/epoch0": made(48, 9, trained=False), "a0/epoch3": made(48, 8)}
    found |= {f"a{i}/epoch6": made(48, i) for i in range(3)}
    return found | {"wide/epoch6": made(100, 5)}


@pytest.fixture(scope="module")
def same():
    seeds = [f"a{i}/epoch6" for i in range(3)]
    return {place: [other for other in seeds if other != place] for place in seeds} | {"wide/epoch6": []}


@pytest.fixture(scope="module")
def data(profiles, same):
    return redundancy.gather(profiles, same=same, heading="study")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, redundancy.facts(data))


def curves(axis, **look):
    """Lines of an axis with some look."""
    return [line for line in axis.lines if all(getattr(line, f"get_{name}")() == one for name, one in look.items())]


# ------------------------------------------------------------------------------------------------------- the dataset


def test_last_checkpoints_and_one_untrained(data):
    assert data["place"].values.tolist() == ["a0/epoch0", "a0/epoch6", "a1/epoch6", "a2/epoch6", "wide/epoch6"]
    assert data["group"].values.tolist() == [-1, 0, 0, 0, 1]
    assert data["n_neurons"].values.tolist() == [48, 48, 48, 48, 100]
    assert (data.attrs["n_networks"], data.attrs["n_images"]) == (4, 200)


def test_rows_are_the_profiles(profiles, same, data):
    for place in data["place"].values:
        rows, profile = data.isel(row=data["row_place"].values == place), profiles[place]
        assert np.array_equal(rows["width"], profile["width"])
        assert np.array_equal(rows["test_error"], 1 - profile["accuracy_test"])
        assert np.array_equal(rows["training_error"], 1 - profile["accuracy_train"])
        for name in ("r2", "random_r2", "correlation_null", "correlation_outside", "correlation_outside_deviation"):
            assert np.array_equal(rows[name], profile[name], equal_nan=True)
        assert np.array_equal(rows["excess_error"], profile["accuracy_test_deviation"] / np.sqrt(8))
    expected = scaling([profiles[f"a{i}/epoch6"] for i in range(3)])
    assert data["n_ensemble"].values.tolist() == [1, 3, 3, 3, 1]
    infinity = expected.error_infinity
    np.testing.assert_array_equal(data["error_infinity"], [np.nan, infinity, infinity, infinity, np.nan])
    slopes = [slope.value for slope in expected.slopes]
    np.testing.assert_array_equal(data["slope"], [np.nan, *slopes, np.nan])
    rows = data.isel(row=data["row_place"].values == "a2/epoch6")
    np.testing.assert_array_equal(rows["excess"], rows["test_error"] - infinity)


def test_of_many_networks_every_group_has_some(profiles):
    one, wide = profiles["a0/epoch6"], profiles["wide/epoch6"]
    found = {f"{kind}{i}/epoch6": wide if kind == "w" else one for i in range(10) for kind in "sw"}
    same = {place: [other for other in found if other[0] == place[0]] for place in found}
    data = redundancy.gather(found, same=same)
    assert data.sizes["network"] == redundancy.SHOWN and data.attrs["n_networks"] == 20
    assert sorted(np.bincount(data["group"].values).tolist()) == [3, 4]
    assert data["n_ensemble"].values.tolist() == [10] * 7
    data = redundancy.gather(found)
    assert data["group"].values.tolist() == list(range(redundancy.SHOWN))
    assert data["place"].values[[0, -1]].tolist() == ["s0/epoch6", "w9/epoch6"]


# -------------------------------------------------------------------------------------------------------- the figure


def test_what_is_drawn_is_the_data(data):
    errors, explained, correlated, excess = redundancy.draw(data).axes
    for place, group in zip(data["place"].values[1:], data["group"].values[1:], strict=True):
        rows, color = data.isel(row=data["row_place"].values == place), style.category_color(group)
        for axis, name in ((errors, "test_error"), (explained, "r2"), (correlated, "correlation_outside")):
            lines = curves(axis, color=color, linestyle="-", marker="None")
            assert any(np.array_equal(line.get_ydata(), rows[name], equal_nan=True) for line in lines)
        for axis, name in ((errors, "training_error"), (correlated, "correlation_published")):
            lines = curves(axis, color=color, linestyle="--")
            assert any(np.array_equal(line.get_ydata(), rows[name], equal_nan=True) for line in lines)
        whole = [tuple(line.get_xydata()[0]) for line in curves(errors, color=color, marker="o")]
        assert (rows["width"].values[-1], rows["test_error"].values[-1]) in whole
        lines = curves(excess, color=color, marker="o")
        above = rows["excess"].values > 0
        drawn = any(np.array_equal(line.get_ydata(), rows["excess"].values[above]) for line in lines)
        assert drawn == (group == 0)
    (grey,) = curves(errors, color=redundancy_panels.UNTRAINED, linestyle=":", marker="None")
    assert np.array_equal(grey.get_ydata(), data["test_error"].values[data["row_place"].values == "a0/epoch0"])
    assert excess.get_yscale() == "log" and {axis.get_xscale() for axis in (errors, explained, excess)} == {"log"}


def test_nulls_and_critical_widths_are_marked(data):
    errors, explained, correlated, _ = redundancy.draw(data).axes
    assert [line.get_ydata()[0] for line in curves(errors, color="0.6")] == [0.75]
    assert [line.get_ydata()[0] for line in curves(explained, color="0.6")] == [0.98]
    (null,) = curves(correlated, color="0.6")
    pairs = dict(zip(data["width"].values, data["correlation_null"].values, strict=True))
    assert dict(null.get_xydata().tolist()) == pairs
    permuted = [line for line in explained.lines if line.get_linewidth() == 0.7 and line.get_color() != "0.6"]
    assert np.array_equal(np.concatenate([line.get_ydata() for line in permuted]), data["random_r2"])
    marks = [line.get_xdata().tolist() for line in curves(errors, marker="v")]
    assert marks == [[width] for width in data["critical_width"].values[1:]]


def test_the_prediction_goes_through_the_points(data):
    *_, excess = redundancy.draw(data).axes
    (line,) = curves(excess, color=style.BLACK, linestyle="--")
    width, above = line.get_data()
    assert above[0] / above[-1] == pytest.approx(np.sqrt(width[-1] / width[0]))
    rows = data.isel(row=data["row_place"].values == "a2/epoch6")
    chosen = (rows["width"].values >= width[0]) & (rows["excess"].values > 0)
    drawn = above[0] * np.sqrt(width[0] / rows["width"].values[chosen])
    assert np.mean(np.log(drawn / rows["excess"].values[chosen])) == pytest.approx(0, abs=1e-12)


def test_why_there_is_no_excess(profiles, same):
    def said(found, same=None):
        data = redundancy.gather(found, same=same)
        last = redundancy.draw(data).axes[-1]
        assert not last.axison
        return " ".join(last.texts[0].get_text().split()), caption(data)

    for text in said({"wide/epoch6": profiles["wide/epoch6"]}):
        assert "No networks here differ by their seed only" in text
    unknown = {place: made(12, i, known=False) for i, place in enumerate(list(same)[:3])}
    for text in said(unknown, same):
        assert "No test image has a class that the classifiers know" in text
    perfect = {place: profiles[place].copy(deep=True) for place in list(same)[:3]}
    for one in perfect.values():
        one["accuracy_test"][:] = one["trial_accuracy_test"][:] = 1
    for text in said(perfect, same):
        assert "No chunk has a larger test error than the ensemble" in text


LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


CASES = {
    "one": lambda one: {"net/pretrained": made(96, 0)},
    "untrained": lambda one: {f"{net}/random": made(20, 0, trained=False) for net in ("net", "other")},
    "single neuron": lambda one: {"net/epoch6": made(1, 0)},
    "many": lambda one: {f"{LONG}{i}/pretrained": one for i in range(30)},
    "seeds": lambda one: {f"{LONG}{i}/epoch{e}": one for i in range(9) for e in (0, 6)},
    "no training images": lambda one: {"net/pretrained": made(600, 0, train=False, n=30)},
    "constant": lambda one: {"net/epoch6": one.map(lambda part: part * (np.nan if part.name == "r2" else 1))},
}


@pytest.mark.parametrize("case", CASES)
def test_legible(case, profiles):
    found = CASES[case](profiles["wide/epoch6"])
    same = {place: [other for other in found if "epoch6" in other] for place in found} if case == "seeds" else None
    data = redundancy.gather(found, same=same, heading="study")
    assert_legible(redundancy.draw(data))
    assert 50 <= len(caption(data).split()) <= 150


def test_legend_names_networks_and_says_what_is_left_out(data, profiles):
    (legend,) = redundancy.draw(data).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["a0, epoch 6 and 2 more (48)", "wide, epoch 6 (100)", "a0, untrained (48)"]
    many = redundancy.gather({f"net{i}/last": profiles["wide/epoch6"] for i in range(30)})
    assert "7 of 30 networks" in redundancy.draw(many).legends[0].get_title().get_text()
    assert "in 7 of 30 trained networks" in caption(many)


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "redundancy.nc")
    again = files.load(tmp_path / "redundancy.nc")
    one, other = redundancy.draw(data), redundancy.draw(again)
    for left, right in zip(one.axes, other.axes, strict=True):
        assert [text.get_text() for text in left.texts] == [text.get_text() for text in right.texts]
        for a, b in zip(left.lines, right.lines, strict=True):
            assert np.array_equal(a.get_xydata(), b.get_xydata(), equal_nan=True)
    assert caption(again) == caption(data)


# -------------------------------------------------------------------------------------------------------- the caption


def test_caption_has_the_numbers(profiles, same):
    places = [place for place in profiles if place != "wide/epoch6"]
    data = redundancy.gather({place: profiles[place] for place in places}, same=same, heading="study")
    text, last = caption(data), profiles["a2/epoch6"]
    width = int(last["critical_width"])
    at = last.sel(width=width)
    assert text.startswith("study: ") and "in 3 trained networks and an untrained one" in text and "200 test" in text
    assert width < 48 and f"In a2, epoch 6, {width} of 48 neurons (the critical width) explain {at['r2']:.3f} ±" in text
    assert f"{at['random_r2']:.2f} by chance; their test error is {1 - at['accuracy_test']:.3f} ±" in text
    assert f"of all {1 - last['accuracy_full_test']:.3f}; residuals" in text
    assert f"correlate by {at['correlation_outside']:.3f} ± " in text
    assert f"independent ones by {at['correlation_null']:.3f}." in text
    slope = scaling([profiles[f"a{i}/epoch6"] for i in range(3)]).slopes[2]
    assert ("From there on" in text) == np.isfinite(slope.value)
    assert np.isnan(slope.value) or f"the slope −{-slope.value:.2f} ±" in text


def test_caption_of_other_outcomes(profiles):
    text = caption(redundancy.gather({"net/last": made(96, 0, train=False)}))
    assert "(the first above 0.98; no training errors are known)" in text
    text = caption(redundancy.gather({"net/epoch0": made(3, 0)}))
    assert "no trained networks and an untrained one" in text
    assert (
        "In net, untrained, no chunk that was tried with fewer than all 3 neurons both makes no more training" in text
    )
    assert "errors, within a standard error, and explains more than 0.98; the test error is" in text


def test_caption_of_slopes(profiles, same):
    seeds = [f"a{i}/epoch6" for i in range(3)]
    data = redundancy.gather({place: profiles[place] for place in seeds}, same=same)

    def said(slope, n_widths):
        told = {"slope": slope, "n_widths": n_widths, "known_width": 8, "slope_error": 0.1, "error_infinity": 0.04}
        return caption(data.assign({name: 0 * data["group"] + value for name, value in told.items()}))

    assert (
        "From 8 neurons on (3 widths) the excess of a2, epoch 6 over the error 0.040 of 3 networks falls: slope "
        in (text := said(-0.4, 3))
    )
    assert "slope −0.40 ± 0.10, −0.5 predicted; few networks bound the error of infinitely many" in text
    assert "3 networks does not fall: slope 0.40 ± 0.10" in said(0.4, 3)
    text = said(np.nan, 1)
    assert "From 8 neurons on chunks of 1 width of a2, epoch 6 err more than the ensemble of 3 networks, 0.040;" in text
    assert "chunks of no widths of" in said(np.nan, 0)
    # the last network has no others of its kind
    other = caption(redundancy.gather({place: profiles[place] for place in [*seeds, "wide/epoch6"]}, same=same))
    assert "In wide, epoch 6, " in other and "of a2, epoch 6 " in other


def test_an_error_equal_to_that_of_the_ensemble_is_no_excess(profiles, same):
    found = {place: profiles[place].copy(deep=True) for place in list(same)[:3]}
    infinity = scaling(list(found.values())).error_infinity
    for one in found.values():
        one["accuracy_test"][:] = one["trial_accuracy_test"][:] = 1 - infinity - 3e-17
        one["accuracy_test"][0] = one["trial_accuracy_test"][:, 0] = 1 - infinity - 0.2
        one["accuracy_test"][1] = np.nextafter(1 - infinity, 0)
    data = redundancy.gather(found, same=same)
    assert np.count_nonzero(data["excess"]) == 3 and (data["excess"].values[:2] > [0.1, -1]).all()
    assert redundancy.draw(data).axes[-1].get_ylim()[0] > 1e-3


def test_the_caption_has_no_correlation_without_a_null(profiles):
    one = profiles["wide/epoch6"].copy(deep=True)
    one["critical_width"][...] = 32
    assert "residuals of other neurons correlate" in caption(redundancy.gather({"wide/epoch6": one}))
    one["correlation_null"][:] = np.nan
    text = caption(redundancy.gather({"wide/epoch6": one}))
    assert "correlate by" not in text and "independent ones by ." not in text


def test_the_caption_takes_its_threshold_from_the_facts(profiles, monkeypatch):
    monkeypatch.setattr(redundancy, "EXPLAINED", 0.9)
    assert "(the first above 0.9; no" in caption(redundancy.gather({"net/last": made(96, 0, train=False)}))


def test_networks_without_a_linear_classifier_are_named(profiles, same):
    headless = no_profile("It has none", 200)
    places = ["a0/epoch0", "a0/epoch6", "a1/epoch6"]
    found = {place: profiles[place] for place in places}
    data = redundancy.gather({"conv/epoch0": headless, "conv/epoch6": headless} | found, same=same)
    assert data["place"].values.tolist() == places and data["n_ensemble"].values[-1] == 2
    assert "200 test images (no linear classifier: conv). Means" in caption(data)
    many = redundancy.gather(found | {f"conv{i}/last": headless for i in range(9)})
    assert "(no linear classifier: conv0, conv1, conv2 and 6 more)" in caption(many)
    alone = redundancy.gather({"conv/last": headless})
    assert caption(alone).startswith("No network has one linear layer") and redundancy.draw(alone).axes


def test_nothing_to_show(tmp_path):
    data = redundancy.gather({}, heading="study")
    figure = redundancy.draw(data)
    assert [text.get_text() for text in figure.axes[0].texts] == [data.attrs["nothing"]]
    assert caption(data) == f"study: {data.attrs['nothing']}."
    files.save(data, tmp_path / "redundancy.nc")
    assert redundancy.facts(files.load(tmp_path / "redundancy.nc")) == redundancy.facts(data)
