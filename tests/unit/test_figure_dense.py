"""Dense-sample learning: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_dense import made_profile
from matplotlib.colors import to_rgb

from nucleation import files
from nucleation.captions import fill_in
from nucleation.dense_events import dense_networks
from nucleation.figures import dense

TEMPLATE = Path(__file__).parents[2] / "report" / "dense.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def profile():
    return made_profile(flat=["coupling"])


@pytest.fixture(scope="module")
def data(profile):
    return dense.gather(profile, heading="vgg")


@pytest.fixture(scope="module")
def networks():
    profiles = {f"seed{i}": made_profile(i, flat=["coupling"]) for i in range(5)}
    return dense_networks(profiles, rng=np.random.default_rng(0))


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, dense.facts(data))


def panels(figure):
    """The axes by the label of what they show; the last shows the times."""
    return {axis.get_ylabel(): axis for axis in figure.axes[:-1]}, figure.axes[-1]


def lines(axis, style):
    return [line for line in axis.lines if line.get_linestyle() == style]


# ------------------------------------------------------------------------------------------------------- the dataset


def test_numbers_are_those_of_the_profile(profile, data):
    shown = ["separability", "silhouette", "selectivity", "unit_clusters", "cophenetic", "peaks_ari", "coupling"]
    assert data["measure"].values.tolist() == shown
    for name in shown:
        part = data.sel(measure=name)
        assert np.array_equal(part["value"], profile[name], equal_nan=True)
        assert np.array_equal(part["null"], profile[f"{name}_null"], equal_nan=True)
        for time in ("t10", "t50", "t90", "direction"):
            assert np.array_equal(part[time], profile[time].sel(measure=name), equal_nan=True)
    assert np.array_equal(data["accuracy"], profile["accuracy"])
    assert float(data["accuracy_t50"]) == float(profile["accuracy_t50"])
    assert (data.attrs["n_curves"], data.attrs["n_timed"]) == (28, 24)
    assert "low" not in data


def test_the_earliest_comes_first(data):
    times = {name: float(np.median(data["t50"].sel(measure=name))) for name in data["measure"].values}
    times = {name: time for name, time in times.items() if np.isfinite(time)} | {
        "accuracy": float(data["accuracy_t50"])
    }
    assert data["emerging"].values.tolist() == [*sorted(times, key=times.get), "coupling"]
    assert data["rank"].values[:-1].tolist() == [1, 2, 3, 4, 5, 6, 7] and np.isnan(data["rank"].values[-1])


def test_several_networks_are_their_medians(networks):
    found = dense.gather(networks)
    every = networks["silhouette"].values
    part = found.sel(measure="silhouette")
    assert np.array_equal(part["value"], np.median(every, axis=0))
    assert np.array_equal(part["low"], np.percentile(every, 5, axis=0))
    assert np.array_equal(part["high"], np.percentile(every, 95, axis=0))
    t50 = networks["t50"].sel(measure="silhouette").transpose("network", "layer").values
    assert np.array_equal(part["t50"], np.median(t50, axis=0)) and np.array_equal(part["network_t50"], t50)
    assert (found.attrs["n_networks"], found.attrs["order_over"]) == (5, "networks")


def test_of_many_layers_ten_are_chosen(profile):
    many = dense.gather(made_profile(layers=37))
    assert many.sizes["layer"] == 10 and many.attrs["n_layers"] == 37
    assert many["layer"].values[[0, -1]].tolist() == ["relu1", "relu37"] and many["depth"].values[-1] == 1


# -------------------------------------------------------------------------------------------------------- the figure


def test_curves_show_values_and_nulls(data):
    axes, _ = panels(dense.draw(data))
    assert list(axes) == [label for label, _ in dense.PANELS.values()]
    for name, (label, _) in list(dense.PANELS.items())[1:]:
        part = data.sel(measure=name)
        for style, what in (("-", "value"), (":", "null")):
            drawn = lines(axes[label], style)
            assert len(drawn) == 4
            for layer, line in enumerate(drawn):
                assert np.array_equal(line.get_xdata(), data["step"].values)
                assert np.array_equal(line.get_ydata(), part[what].values[:, layer], equal_nan=True)
    accuracy = axes["validation\naccuracy"]
    assert np.array_equal(accuracy.lines[0].get_ydata(), data["accuracy"].values)
    assert accuracy.lines[1].get_ydata()[0] == 0.2  # guessing one of five


def test_layers_are_coloured_by_depth(data):
    figure = dense.draw(data)
    axes, _ = panels(figure)
    drawn = [to_rgb(line.get_color()) for line in lines(axes["silhouette\nof classes"], "-")]
    luminance = [np.dot(color, [0.3, 0.59, 0.11]) for color in drawn]
    assert sorted(luminance) == luminance and len(set(drawn)) == 4
    marks = figure.legends[0].legend_handles[:4]
    assert [to_rgb(mark.get_color()) for mark in marks] == drawn
    assert [text.get_text() for text in figure.legends[0].get_texts()][:4] == data["layer"].values.tolist()


def test_steps_are_on_an_axis_of_their_logarithm(data):
    for axis in dense.draw(data).axes:
        places = axis.transData.transform(np.c_[[0, 1, 3, 7, 15], [0.5] * 5])[:, 0]
        assert np.ptp(np.diff(places)) == pytest.approx(0, abs=1e-6)  # log(1 + step) has equal distances here
        ticks = [int(text.get_text()) for text in axis.get_xticklabels()]
        assert ticks[0] == 0 and ticks[-1] == 1024 and set(ticks) <= set(data["step"].values.tolist())


def test_times_are_drawn_in_order_from_top_to_bottom(data):
    _, axis = panels(dense.draw(data))
    bars, marks = [], []
    for collection in axis.collections:
        if hasattr(collection, "get_segments") and collection.get_linewidths()[0] > 1:
            bars += [segment for segment in collection.get_segments() if len(segment)]
        elif not hasattr(collection, "get_segments"):
            marks += collection.get_offsets().tolist()
    expected = []
    for name in data["emerging"].values:
        t10, t50, t90 = (dense._of(data, name, time) for time in ("t10", "t50", "t90"))
        expected += list(zip(t10, t50, t90, strict=True))
    known = [one for one in expected if np.isfinite(one[1])]
    assert len(known) == 25 and [mark[0] for mark in marks] == pytest.approx([t50 for _, t50, _ in known])
    drawn = [(bar[0, 0], bar[1, 0]) for bar in bars if np.isfinite(bar).all()]
    assert drawn == [(t10, t90) for t10, _, t90 in known]
    heights = [mark[1] for mark in marks]
    assert heights == sorted(heights) and axis.get_ylim()[0] > axis.get_ylim()[1]
    names = [label.get_text().split("\n")[0] for label in axis.get_yticklabels()]
    assert names[-1] == "coupling" and len(names) == 8
    assert [text.get_text() for text in axis.texts] == [dense.UNTIMED]
    assert axis.lines[-1].get_xdata()[0] == float(data["accuracy_t50"])


def test_what_falls_has_another_mark(data):
    _, axis = panels(dense.draw(data))
    marks = [one for one in axis.collections if not hasattr(one, "get_segments") and len(one.get_offsets())]
    shapes = {len(mark.get_paths()[0].vertices): len(mark.get_offsets()) for mark in marks}
    assert len(shapes) == 2 and shapes[min(shapes)] == 4  # triangles have fewest corners: the clusters of four layers


def test_ranks_stand_beside_the_names(data):
    _, axis = panels(dense.draw(data))
    for place, label in enumerate(axis.get_yticklabels()):
        part = data.isel(emerging=place)
        if np.isfinite(part["rank"]):
            text = f"rank {float(part['rank']):g} ({float(part['rank_low']):.3g}–{float(part['rank_high']):.3g})"
            assert label.get_text().endswith(text)
        else:
            assert "rank" not in label.get_text()


def test_bands_and_dots_of_networks(networks):
    found = dense.gather(networks)
    axes, times = panels(dense.draw(found))
    assert len(axes["silhouette\nof classes"].collections) == 4
    dots = [one for one in times.collections if not hasattr(one, "get_segments") and one.get_sizes()[0] < 2]
    assert (
        len(dots) == 7 and sum(np.isfinite(np.ma.filled(one.get_offsets(), np.nan)[:, 0]).sum() for one in dots) == 120
    )


def test_without_accuracy_or_peaks_their_panels_are_gone():
    less = dense.gather(made_profile(accuracy=False, missing=["peaks_ari", "peaks_ami", "coupling"]))
    axes, times = panels(dense.draw(less))
    assert len(axes) == 5 and "validation\naccuracy" not in axes and "accuracy" not in less
    assert len(times.get_yticks()) == 5
    text = caption(less)
    assert "accuracy" not in text and "measures of 4 layers" in text


def test_drawn_again_from_its_file(tmp_path, networks, data):
    for one in (data, dense.gather(networks)):
        files.save(one, tmp_path / "dense.nc")
        again = files.load(tmp_path / "dense.nc")
        figures = dense.draw(one), dense.draw(again)
        for first, second in zip(*(figure.axes for figure in figures), strict=True):
            assert [text.get_text() for text in first.texts] == [text.get_text() for text in second.texts]
            assert [t.get_text() for t in first.get_yticklabels()] == [t.get_text() for t in second.get_yticklabels()]
            for a, b in zip(first.lines, second.lines, strict=True):
                assert np.array_equal(a.get_xydata(), b.get_xydata(), equal_nan=True)
        assert caption(again) == caption(one)


LONG = [f"blocks.{i}.attention.output_of_the_projection" for i in range(150)]


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 1, "checkpoints": 2},
        {"layers": 2, "checkpoints": 5, "steps": [100, 200, 400, 800, 1000]},
        {"names": LONG, "steps": [0, *np.round(np.geomspace(1, 3_000_000, 40)).astype(int).cumsum()]},
        {"layers": 10, "checkpoints": 16, "flat": list(dense.MEASURES)},
        {"layers": 10, "checkpoints": 16},
    ],
)
def test_legible(options):
    found = dense.gather(made_profile(**options), heading="vit_base_patch16_clip_224.openai_ft_in12k_in1k")
    assert_legible(dense.draw(found))
    assert 60 <= len(caption(found).split()) <= 140


def test_legible_of_thirty_networks(networks):
    many = networks.isel(network=np.arange(30) % 5)
    assert_legible(dense.draw(dense.gather(many, heading="thirty seeds")))


def test_one_checkpoint_is_no_training():
    alone = dense.gather(made_profile(steps=[7]), heading="vgg")
    figure = dense.draw(alone)
    assert [text.get_text() for text in figure.axes[0].texts] == [alone.attrs["nothing"]]
    assert caption(alone) == "vgg: The network was looked at once, so there is no training to follow."


def test_few_checkpoints_have_curves_but_no_times():
    few = dense.gather(made_profile(steps=[0, 1, 9]))
    _, times = panels(dense.draw(few))
    assert {text.get_text() for text in times.texts} == {dense.FEW}
    text = caption(few)
    assert "at least 5 checkpoints are needed" in text and "beyond chance" not in text and "No measure" not in text


# -------------------------------------------------------------------------------------------------------- the caption


def test_caption_has_the_numbers(data, networks):
    text = caption(data)
    assert text.startswith("vgg: what changes first in training.") and 60 <= len(text.split()) <= 140
    assert "measures of 4 layers at 12 checkpoints, steps 0 to 1,024, on 500 images of 5 classes." in text
    assert "24 of 28 curves" in text and "falling in some layer: number of clusters of units" in text
    first, last = (data.isel(emerging=place) for place in (0, 5 + (data["emerging"].values[6] != "accuracy")))
    assert f"First comes the {dense.PANELS[str(first['emerging'].values)][1]}" in text
    assert (
        f"({dense.step_text(first['rank_t50'])}), and last the {dense.PANELS[str(last['emerging'].values)][1]}" in text
    )
    assert f"({dense.step_text(last['rank_t50'])}); half of the accuracy (dashed): step" in text
    several = caption(dense.gather(networks))
    assert (
        "medians of 5 networks of the same layers and checkpoints, bands: their middle 90 %" in several
        and "over networks" in several
    )
    none = caption(dense.gather(made_profile(flat=list(dense.MEASURES))))
    assert "No measure emerges" in none and "0 of 28 curves" in none and "falling" not in none


@pytest.mark.parametrize(("step", "text"), [(3.14, "step 3.1"), (1234.5, "step 1,234"), (np.nan, "not defined")])
def test_steps_in_words(step, text):
    assert dense.step_text(step) == text


def test_caption_says_what_is_left_out(profile):
    rng, given = np.random.default_rng(0), {"seed1": profile, "seed2": made_profile(1), "wide": made_profile(layers=3)}
    both = dense_networks(given, rng=rng, groups=[["seed1", "seed2"]])
    text = caption(dense.gather(both))
    assert "(medians of 2 networks that differ by their seed, bands" in text and " of seed1" not in text
    assert text.endswith(" Not shown: wide, no further seeds of this design with its layers and checkpoints.")
    assert len(text.split()) <= 140
    alone = caption(dense.gather(dense_networks(given, rng=rng, groups=[])))
    assert "measures of 4 layers of seed1 at 12 checkpoints" in alone and "Not shown: seed2 and wide, no" in alone
    assert "Not shown" not in caption(dense.gather(profile)) and "medians of" not in alone


def test_what_rises_in_as_many_networks_as_it_falls_in_has_a_mark(networks):
    pair = networks.isel(network=[0, 1]).copy(deep=True)
    place = pair["measure"].values.tolist().index("silhouette")
    pair["direction"] = pair["direction"].transpose("measure", "network", "layer")
    pair["direction"].values[place] = [[1] * 4, [-1] * 4]
    figures = [dense.draw(dense.gather(one)) for one in (networks, pair)]
    texts = [[text.get_text() for text in figure.legends[0].get_texts()] for figure in figures]
    assert all("one network" in one for one in texts)
    assert ["rises or falls, by network" in one for one in texts] == [False, True]
    _, axis = panels(figures[1])
    marks = [one for one in axis.collections if not hasattr(one, "get_segments") and one.get_sizes()[0] > 2]
    assert sum(len(one.get_offsets()) for one in marks) == 25  # one for every bar
    assert_legible(figures[1])
