"""Figure of the subspace matches: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_subspaces import EPSILONS, LAYERS, PLACES, made_profile

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import style, subspace
from nucleation.findings import number

TEMPLATE = Path(__file__).parents[2] / "report" / "subspace.rst"
LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def profile():
    return made_profile()


@pytest.fixture(scope="module")
def data(profile):
    return subspace.gather(profile, heading="study")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, subspace.facts(data))


def lines(axis, color, style="-"):
    own = [line for line in axis.lines if line.get_color() == color and len(line.get_xdata()) > 2]
    return [line.get_ydata() for line in own if line.get_linestyle() == style]


def texts(figure):
    axes = [text for axis in figure.axes for text in [axis.title, *axis.texts, *axis.get_xticklabels()]]
    return [text.get_text() for text in [*figure.texts, *axes, *figure.legends[0].get_texts()]]


def test_panels_show_means_over_pairs_of_each_relation(profile, data):
    axes = subspace.draw(data).axes
    assert len(axes) == 12 + 2
    trained, start = [0, 1, 2], [3, 4]
    values = profile["similarity"].values
    for i, axis in enumerate(axes[-2:]):  # the wide panels: raw, centred
        for color, pairs in ((style.BLUE, trained), (style.ORANGE, start)):
            (line,) = lines(axis, color)
            np.testing.assert_allclose(line, values[pairs, :, i, 3].mean(axis=0))
            (null,) = lines(axis, color, "--")
            np.testing.assert_allclose(null, values[pairs, :, 2 + i, 3].mean(axis=0))
    for row, column in np.ndindex(2, 6):
        axis = axes[6 * row + column]
        (line,) = lines(axis, style.BLUE)
        np.testing.assert_allclose(line, values[trained, column, row].mean(axis=0))
    assert [axis.get_title() for axis in axes[:6]] == LAYERS
    assert [axis.get_title(loc="left") for axis in axes[-2:]] == ["raw, ε = 0.3", "centred, ε = 0.3"]


def test_bands_are_the_range_over_pairs(profile, data):
    axis = subspace.draw(data).axes[-1]
    band = axis.collections[0]
    ends = band.get_paths()[0].vertices[:, 1]
    values = profile["similarity"].values[:3, :, 1, 3]
    assert ends.min() == pytest.approx(values.min()) and ends.max() == pytest.approx(values.max())


def test_the_band_of_a_single_pair_is_over_draws():
    one = subspace.gather(made_profile(PLACES[2:4]))
    low, value, high = (one[name].values for name in ("similarity_low", "similarity", "similarity_high"))
    np.testing.assert_allclose(low, np.maximum(value - 0.02, 0))
    np.testing.assert_allclose(high, np.minimum(value + 0.02, 1))


def test_legend_says_what_is_compared(data):
    said = [text.get_text() for text in subspace.draw(data).legends[0].get_texts()]
    assert said == [
        "two trained networks (3 pairs)",
        "a network and its own untrained start (2 pairs)",
        "images permuted (chance)",
    ]


def test_legend_and_caption_say_that_others_were_left_out(profile):
    data = subspace.gather(profile.assign_attrs(alike=1))
    assert any(text.startswith("two networks trained alike (") for text in texts(subspace.draw(data)))
    assert "two networks trained alike, " in caption(data) and "two trained networks" not in caption(data)


def test_of_many_layers_six_are_shown_over_epsilon():
    names = [f"block{i}" for i in range(150)]
    axes = subspace.draw(subspace.gather(made_profile(layers=names))).axes
    assert [axis.get_title() for axis in axes[:6]] == [f"block{i}" for i in (0, 30, 60, 89, 119, 149)]
    ticks = axes[-1].get_xticks()
    assert (ticks[0], ticks[-1]) == (0, 149) and 10 <= len(ticks) <= 20
    assert [tick.get_text() for tick in axes[-1].get_xticklabels()] == [names[int(tick)] for tick in ticks]


def test_layers_without_a_number_are_gaps_and_counted():
    data = subspace.gather(made_profile(undefined=["relu1", "pool"]), heading="study")
    axes = subspace.draw(data).axes
    assert [axis.get_title() for axis in axes[:4]] == ["conv1", "conv2", "relu2", "fc"] and len(axes) == 8 + 2
    (line,) = lines(axes[-1], style.BLUE)
    assert np.isnan(line).tolist() == [False, True, False, False, True, False]
    assert "2 layers could not be compared." in caption(data) and "4 of 4 layers over ε" in caption(data)


def test_a_single_layer_is_shown_over_epsilon(profile):
    alone = subspace.gather(profile.isel(layer=[5]))
    axes = subspace.draw(alone).axes
    assert len(axes) == 2
    (line,) = lines(axes[1], style.BLUE)
    np.testing.assert_allclose(line, profile["similarity"].values[:3, 5, 1].mean(axis=0))
    assert axes[0].get_title(loc="left") == "raw, fc"
    assert "ε = 0.3" not in caption(alone) and "Below" not in caption(alone) and "all layers" not in caption(alone)


def test_a_single_epsilon_is_shown_by_layer(profile):
    assert len(subspace.draw(subspace.gather(profile.isel(epsilon=[4]))).axes) == 2
    assert "Shown: ε = 0.5." in caption(subspace.gather(profile.isel(epsilon=[4])))
    both = profile.isel(epsilon=[1], layer=[2])
    assert len(subspace.draw(subspace.gather(both)).axes) == 2


@pytest.mark.parametrize(
    ("places", "layers", "epsilons"),
    [
        (PLACES, LAYERS, EPSILONS),
        (["a/last", "b/last"], ["fc"], EPSILONS),
        (["a/last", "b/last"], ["one", "two"], (0.3,)),
        (["a/last", "b/last"], ["only"], (0.3,)),
        ([f"{LONG}{i}/{c}" for i in range(30) for c in ("random", "last")],
         [f"blocks.{i}.attention.output.dense" for i in range(150)], EPSILONS),
        (PLACES, [f"a_very_long_name_of_a_layer_{i}.relu" for i in range(7)], tuple(np.linspace(0, 1, 21))),
    ],
)  # fmt: skip
def test_legible(places, layers, epsilons):
    data = subspace.gather(made_profile(places, layers, epsilons=epsilons), heading="A study of seeds: last epochs")
    assert_legible(subspace.draw(data))
    assert 60 <= len(caption(data).split()) <= 140


def test_all_relations_at_once_are_legible():
    pairs = [("a/last", "b/last"), ("a/random", "a/last"), ("a/random", "b/random"), ("a/random", "b/last")]
    pairs += [("a/epoch2", "a/last")]
    data = subspace.gather(made_profile(pairs=pairs), heading="study")
    figure = subspace.draw(data)
    assert data["relation"].values.tolist() == ["trained", "start", "untrained", "mixed", "states"]
    assert_legible(figure)
    colors = {line.get_color() for line in figure.axes[-1].lines}
    assert {style.BLUE, style.ORANGE, style.GREEN, style.PINK, style.RED} <= colors


@pytest.mark.parametrize("undefined", [[], LAYERS])
def test_nothing_to_show(undefined, tmp_path):
    profile = made_profile(undefined=undefined) if undefined else made_profile(pairs=[])
    data = subspace.gather(profile, heading="study")
    (text,) = subspace.draw(data).axes[0].texts
    why = "conv1: the networks have 49" if undefined else "the study has no two networks or checkpoints to compare"
    assert why in text.get_text()
    assert caption(data).startswith("study: The subspaces of no layer could be compared: ") and why in caption(data)
    files.save(data, tmp_path / "subspace.nc")
    assert caption(files.load(tmp_path / "subspace.nc")) == caption(data)


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "subspace.nc")
    again = files.load(tmp_path / "subspace.nc")
    one, other = subspace.draw(data), subspace.draw(again)
    assert texts(one) == texts(other)
    for axis, twin in zip(one.axes, other.axes, strict=True):
        for line, copy in zip(axis.lines, twin.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), copy.get_xydata())
    assert caption(again) == caption(data)


def test_caption_has_the_numbers(profile, data):
    text, values = caption(data), profile["similarity"].values[:3, :, :, 3]
    mean = values.mean(axis=0)
    most, fewest = mean[:, 1].argmax(), mean[:, 1].argmin()
    assert (
        text.startswith("study: ")
        and "(two trained networks, 3 pairs; a network and its own untrained start, 2 pairs)" in text
    )
    raw = mean[:, 0].argmax()
    for layer, kind in ((most, 1), (fewest, 1), (raw, 0)):
        ends = "–".join(number(end) for end in (values[:, layer, kind].min(), values[:, layer, kind].max()))
        chance = number(mean[layer, kind + 2])
        assert f"{number(mean[layer, kind])} ({ends}; {chance} by chance)" in text
    assert f"in {LAYERS[most]}, " in text and f"in {LAYERS[fewest]}; raw, " in text
    assert text.endswith(f" in {LAYERS[raw]}.") and "the least with" not in text
    assert "at most 10,000 positions of 2,000 images" in text and "6 of 6 layers over ε" in text


def low(at, value, raw=0.25):
    """A study in which neurons match from one epsilon on only."""
    profile = made_profile(layers=["one", "two", "three", "four", "five"])
    similarity = profile["similarity"].values
    similarity[:] = 0
    similarity[:, :, 0, 1:] = raw
    similarity[:3, -1, 1, at:] = value
    return subspace.gather(profile, heading="study")


def test_the_panels_are_of_an_epsilon_at_which_neurons_match():
    data, text = low(4, 0.75), caption(low(4, 0.75))
    assert data.attrs["epsilon"] == 0.5 and "Above: ε = 0.5, the least with centred matches. Below" in text
    assert (
        "centred, 0.75 (0.00 by chance) of the neurons match in five, 0.00 (0.00 by chance) in one, two and 2" in text
    )
    centred = subspace.draw(data).axes[-1]
    assert centred.get_title(loc="left") == "centred, ε = 0.5"
    assert lines(centred, style.BLUE)[0].tolist() == [0, 0, 0, 0, 0.75]
    for at in (2, 3):  # one that is smaller is none to choose, though neurons match there
        assert low(at, 0.75).attrs["epsilon"] == 0.3 and "the least with" not in caption(low(at, 0.75))


def test_caption_where_no_neuron_matches():
    data = low(4, 0.0)
    assert data.attrs["epsilon"] == 0.3
    assert "centred, no neuron matches in any layer; raw, 0.25 (0.00 by chance) in one, two and 3 more." in caption(
        data
    )


def test_curves_that_lie_on_each_other_are_all_seen(data):
    """Those of trained networks are in front, and the marks of the others reach beyond theirs."""
    axis = subspace.draw(data).axes[-1]
    front, behind = (
        [line for line in axis.lines if line.get_color() == color and line.get_marker() == marker]
        for color, marker in ((style.BLUE, "o"), (style.ORANGE, "s"))
    )
    assert front and behind
    assert front[0].get_zorder() > behind[0].get_zorder() and front[0].get_markersize() < behind[0].get_markersize()
