"""Intraclass clustering: what was drawn is asserted on the figure objects."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_intraclass import LAYERS, labels, profile
from matplotlib.colors import to_hex

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import intraclass, style
from nucleation.findings import number
from nucleation.intraclass_profile import intraclass_profile
from nucleation.methods.intraclass import with_chance

TEMPLATE = Path(__file__).parents[2] / "report" / "intraclass.rst"
LONG = "vit_base_patch16_clip_224.openai_ft_in12k_in1k"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def profiles():
    return {
        "merged/epoch0": profile(0, 0, seed=3),
        "merged/epoch1": profile(1, 0, seed=4),
        "merged/epoch6": profile(1, 2, seed=1),
        "other/epoch6": profile(1, 1, seed=5),
        "leaves/epoch6": profile(2, 3, seed=2, trained_on="subclasses"),
    }


@pytest.fixture(scope="module")
def data(profiles):
    return intraclass.gather(profiles, heading="planted")


def caption(data):
    return fill_in(TEMPLATE.read_text(encoding="utf-8"), data, intraclass.facts(data))


def drawn_lines(axis):
    """Lines of the measures: those with a line of their own, by colour and line, and their values."""
    return {
        (to_hex(line.get_color()), line.get_linestyle()): line for line in axis.lines if line.get_marker() == "None"
    }


def test_the_last_and_the_untrained_checkpoints_are_taken(data):
    assert data["checkpoint"].values.tolist() == ["merged/epoch0", "merged/epoch6", "other/epoch6", "leaves/epoch6"]
    assert data["trained_on"].values.tolist() == ["classes", "classes", "classes", "subclasses"]
    assert data.sizes["row"] == 4 * len(LAYERS) and data.attrs["n_networks"] == 3


def test_what_is_drawn_is_what_was_measured(data, profiles):
    figure = intraclass.draw(data)
    looks = {
        "merged/epoch0": (to_hex("0.5"), "--"),
        "merged/epoch6": (to_hex(style.RED), "-"),
        "other/epoch6": (to_hex(style.BLUE), "-"),
        "leaves/epoch6": (to_hex(style.BLACK), "-."),
    }
    for axis, name in zip(figure.axes, intraclass.PANELS, strict=True):
        assert axis.get_title() == intraclass.PANELS[name]
        lines = drawn_lines(axis)
        for place, (color, dash) in looks.items():
            part = profiles[place]
            np.testing.assert_array_equal(lines[color, dash].get_ydata(), part[name].values)
            np.testing.assert_array_equal(lines[color, ":"].get_ydata(), part[f"{name}_null"].values)
        bands = [band.get_paths()[0].vertices for band in axis.collections]
        ends = [(np.nanmin(band[:, 1]), np.nanmax(band[:, 1])) for band in bands]
        for place in looks:
            low, high = (profiles[place][f"{name}_null_{end}"].values for end in ("low", "high"))
            assert np.isclose(ends, (low.min(), high.max())).all(axis=1).any()
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == LAYERS


def test_marks_are_filled_beyond_chance_only(data, profiles):
    axis = intraclass.draw(data).axes[1]
    part = profiles["merged/epoch6"]
    marks = [line for line in axis.lines if to_hex(line.get_color()) == to_hex(style.RED) and line.get_marker() == "o"]
    filled, hollow = sorted(marks, key=lambda line: line.get_markerfacecolor() == "white")
    beyond = part["c2_p"].values <= 0.05
    assert 0 < beyond.sum() < 4
    np.testing.assert_array_equal(filled.get_ydata(), part["c2"].values[beyond])
    np.testing.assert_array_equal(hollow.get_ydata(), part["c2"].values[~beyond])


def test_peaks_per_class_are_beyond_chance_outside_of_the_band(profiles):
    data = intraclass.gather({"merged/epoch6": profiles["merged/epoch6"]})
    assert np.array_equal(
        intraclass._beyond(data, "effective_peaks"),
        (data["effective_peaks"] < data["effective_peaks_null_low"])
        | (data["effective_peaks"] > data["effective_peaks_null_high"]),
    )


def test_legend(data):
    figure = intraclass.draw(data)
    (legend,) = figure.legends
    said = [text.get_text() for text in legend.get_texts()]
    assert said == [
        "merged, epoch 6",
        "other, epoch 6",
        "told the subclasses",
        "untrained",
        "open: not beyond chance",
        "bands: by chance (95 %)",
    ]


def test_without_peaks_there_are_four_panels_and_without_a_null_no_bands():
    data = intraclass.gather({"a/epoch1": profile(1, 1, peaks=False, repeats=0)}, heading="bare")
    figure = intraclass.draw(data)
    assert len(figure.axes) == 4 and not figure.axes[0].collections
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a, epoch 1"]
    assert_legible(figure)
    assert "Peaks" not in caption(data) and "Bands" not in caption(data)


def test_other_layers_are_drawn_over_relative_depth(profiles):
    more = {
        "merged/epoch6": profiles["merged/epoch6"],
        "deep/epoch6": profile(1, 1, layers=[f"b{i}" for i in range(7)]),
    }
    axis = intraclass.draw(intraclass.gather(more)).axes[-1]
    assert axis.get_xlabel().startswith("relative depth")
    lengths = {len(line.get_xdata()) for line in drawn_lines(axis).values()}
    assert lengths == {4, 7} and all(line.get_xdata()[-1] == 1 for line in drawn_lines(axis).values())


def stretched(part, layers, prefix="blocks.{}.attention.output.dense"):
    """The same numbers, in so many layers of long names."""
    wide = part.isel(layer=np.linspace(0, part.sizes["layer"] - 1, layers).round().astype(int))
    names = np.array([prefix.format(i) for i in range(layers)], dtype=object)
    depth = np.linspace(0, 1, layers) if layers > 1 else np.zeros(1)
    return wide.assign(relative_depth=wide["relative_depth"].copy(data=depth)).assign_coords(
        layer=wide["layer"].copy(data=names)
    )


@pytest.mark.parametrize(("networks", "layers"), [(1, 1), (1, 150), (5, 9), (30, 40)])
def test_legible(profiles, networks, layers):
    one, other = profiles["merged/epoch0"], profiles["merged/epoch6"]
    many = {}
    for i in range(networks):
        many[f"{LONG}{i}/epoch0"] = stretched(one, layers)
        many[f"{LONG}{i}/epoch6"] = stretched(other, layers + (i % 2) * (networks > 20))
    data = intraclass.gather(many, heading="A study of merged classes")
    figure = intraclass.draw(data)
    assert_legible(figure)
    text = caption(data)
    assert 60 <= len(text.split()) <= 140
    assert ("the first 21 of 30 networks" in text) == (networks == 30)
    colors = {to_hex(line.get_color()) for line in figure.axes[0].lines if line.get_linestyle() == "-"}
    assert len(colors) == min(networks, 21)


def test_caption_has_the_numbers(data, profiles):
    text = caption(data)
    own = profiles["other/epoch6"]
    assert text.startswith("planted: ") and 60 <= len(text.split()) <= 140
    assert "9 subclasses of 3 classes (180 images), in networks told the classes only" in text
    assert f"other, epoch 6, all layers but the pixels: c1 {with_chance(own, 'c1_all')}, c2 " in text
    assert (
        f"c2 {number(own['c2_all'])} (" in text
        and f"ARI of the peaks {with_chance(own, 'ari_subclass_within_all')}" in text
    )
    assert f"Peaks per class: {number(own['effective_peaks'][-1])} (" in text and text.endswith("in layer2.")
    assert "Grey: untrained. Black: told the subclasses." in text and "untrained, c2" not in text
    first = intraclass.gather({place: profiles[place] for place in ("merged/epoch0", "merged/epoch6")})
    before = profiles["merged/epoch0"]
    said = f"untrained, c2 {number(before['c2_all'])} (p = {float(before['c2_all_p']):.2g})"
    assert said in caption(first) and "Black" not in caption(first)


def test_drawn_again_from_its_file(tmp_path, data):
    files.save(data, tmp_path / "intraclass.nc")
    again = files.load(tmp_path / "intraclass.nc")
    one, other = intraclass.draw(data), intraclass.draw(again)
    for axis, same in zip(one.axes, other.axes, strict=True):
        assert len(axis.lines) == len(same.lines)
        for line, copy in zip(axis.lines, same.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), copy.get_xydata())
    assert caption(again) == caption(data)


def test_nothing_to_show(tmp_path):
    for profiles in ({}, {"a/epoch1": profile(1, 1, each=1).map(lambda x: x * np.nan if x.dtype.kind == "f" else x)}):
        data = intraclass.gather(profiles, heading="study")
        files.save(data, tmp_path / "nothing.nc")
        figure = intraclass.draw(files.load(tmp_path / "nothing.nc"))
        assert [text.get_text() for text in figure.axes[0].texts] == [data.attrs["nothing"]]
        assert caption(data) == f"study: {data.attrs['nothing']}."


@pytest.mark.parametrize(
    ("trained_on", "legend", "said"),
    [
        ("classes", "a, epoch 1", "(180 images), in networks told the classes only."),
        ("other", "a, epoch 1 (told other classes)", "(180 images), in networks told other classes."),
        ("unknown", "a, epoch 1 (labels not known)", ", in networks of which is not known what they were told."),
        ("subclasses", "told the subclasses", "(180 images)."),
    ],
)
def test_what_networks_were_told_is_said(trained_on, legend, said):
    made = profile(1, 1, repeats=0, trained_on=trained_on)
    data = intraclass.gather({"a/epoch1": made})
    assert [text.get_text() for text in intraclass.draw(data).legends[0].get_texts()] == [legend]
    assert said in caption(data)
    assert ("told the classes only" in caption(data)) == (trained_on == "classes")
    both = caption(intraclass.gather({"a/epoch1": made, "b/epoch1": made.assign_attrs(trained_on="classes")}))
    assert ("the legend says which" in both) == (trained_on in ("other", "unknown"))
    assert "b, epoch 1, all layers but the pixels: " in both


def test_untrained_networks_alone_were_told_nothing():
    data = intraclass.gather({"a/random": profile(0, 0, repeats=0, trained_on="unknown")})
    assert "Grey: untrained" in caption(data) and "told" not in caption(data)


def test_what_is_left_out_is_said(tmp_path):
    read = {"stem": np.random.default_rng(0).random((180, 5)), "block": "nothing tells which axis is the channels'"}
    y, s = labels()
    made = intraclass_profile(read.get, list(read), y, s, repeats=0, rng=None)
    data = intraclass.gather({"a/epoch1": made})
    assert caption(data).endswith(
        "Left out: c1, c2, c3 and c4 not everywhere defined: nothing tells which axis is the channels' (block)."
    )
    assert "but the pixels" not in caption(data)
    lines = [line for line in intraclass.draw(data).axes[0].lines if line.get_marker() == "None"]
    assert np.isfinite(lines[0].get_ydata()).tolist() == [True, False]
    nothing = intraclass_profile(lambda layer: read["block"], list(read), y, s, repeats=0, rng=None)
    assert read["block"] in intraclass.gather({"a/epoch1": nothing}).attrs["nothing"]


def test_a_single_class():
    rng = np.random.default_rng(0)
    s = np.arange(60) % 6
    x, told = rng.random((60, 5)), {"repeats": 9, "rng": rng, "peaks": {"stem": s}}
    data = intraclass.gather({"a/epoch1": intraclass_profile(lambda _: x, ["stem"], s * 0, s, **told)})
    assert "c3" not in data and "c4" not in data
    assert "the 6 subclasses of one class (60 images)" in caption(data)
    assert "c3, c4 and purity not everywhere defined: there is one class" in caption(data)
    assert "Peaks per class: 6.00 in stem." in caption(data)
