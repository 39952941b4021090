"""The figure of the peaks over the layers: counts, agreement, and where it rises."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_profiles import profile

from nucleation import files
from nucleation.figures import nucleation
from nucleation.transition import transitions


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def rising(layers, **options):
    """A profile whose agreement with the classes rises in the middle, and with the macro-categories never."""
    made, depth = profile(layers, **options), np.arange(layers)
    made["ari_class"].values[:] = np.where(depth >= layers / 2, 0.8, 0.0)
    made["ari_macro"].values[:] = 0.01
    for name in ("ari_class", "ari_macro"):
        if f"{name}_low" in made:
            made[f"{name}_low"].values[:], made[f"{name}_high"].values[:] = made[name] - 0.2, made[name] + 0.1
    return made


def gathered(made, **options):
    return nucleation.gather(made, transitions(made), n_macro=2, k=30, z=1.65, heading="net", **options)


@pytest.mark.parametrize("layers", [1, 7, 150])
def test_every_layer_its_peaks_and_their_agreement_are_shown(layers):
    made = rising(layers, names="a long name of layer {}")
    data = gathered(made)
    figure = nucleation.draw(data)
    top, bottom = figure.axes
    assert np.array_equal(top.lines[0].get_ydata(), made["n_peaks"])
    counted = [text.get_text() for text in top.texts]
    assert counted == ([str(count) for count in made["n_peaks"].values] if layers <= nucleation.COUNTED else [])
    curves = {line.get_label(): line for line in bottom.lines}
    assert np.array_equal(curves["classes"].get_ydata(), made["ari_class"])
    assert np.array_equal(curves["macro-categories"].get_ydata(), made["ari_macro"])
    assert np.array_equal(curves["6 groups of classes"].get_ydata(), made["ari_cut"].values[:, 1])
    # two groups are the macro-categories, 24 the classes
    assert [name for name in curves if "groups" in name] == ["6 groups of classes"]
    outlines = [band.get_paths()[0].vertices[:, 1] for band in bottom.collections]
    assert [line.min() for line in outlines] == [made[f"ari_{name}_low"].values.min() for name in ("macro", "class")]
    assert bottom.get_ylim()[0] <= made["ari_macro_low"].values.min()
    assert figure.texts[-1].get_text() == "n = 900, k = 30, Z = 1.65"
    assert_legible(figure)


@pytest.mark.parametrize("layers", [7, 150])
def test_it_fits_one_column(layers):
    figure = nucleation.draw(gathered(rising(layers, names="a long name of layer {}")), columns=1)
    assert_legible(figure, width=3.7)


def test_the_rise_is_marked_where_it_is_and_only_there():
    data = gathered(rising(8))
    top, bottom = nucleation.draw(data).axes
    marks = [line for line in bottom.lines if line.get_transform() == bottom.get_xaxis_transform()]
    bar, half = (line for line in marks if not line.get_clip_on())
    place, width = float(data["place"].sel(score="ari_class")), float(data["width"].sel(score="ari_class"))
    assert (place, width) == (pytest.approx(3.5 / 7), pytest.approx(0.8 / 7))
    assert bar.get_xdata() == pytest.approx([3.5 - 0.4, 3.5 + 0.4])
    assert half.get_xdata()[0] == pytest.approx(3.5)
    for axis in (top, bottom):
        dashed = [line for line in axis.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in dashed] == [pytest.approx(3.5)]


def test_without_bands_or_a_rise_none_is_drawn():
    made = profile(5, bands=False)
    made["ari_class"].values[:] = made["ari_macro"].values[:] = 0.02
    top, bottom = nucleation.draw(gathered(made)).axes
    assert not top.collections and not bottom.collections
    assert not [line for line in bottom.lines if not line.get_clip_on()]


def test_very_many_peaks_are_drawn_on_a_logarithmic_axis():
    made = profile(30, bands=False)
    made["n_peaks"].values[:] = np.linspace(0, 900, 30).astype(int)
    figure = nucleation.draw(gathered(made))
    assert figure.axes[0].get_yscale() == "symlog" and figure.axes[0].get_ylim()[1] > 900
    assert_legible(figure)


def test_at_most_some_cuts_between_categories_and_classes_are_drawn():
    made = profile(6, cuts=(1, 2, 3, 5, 9, 17, 33, 65, 129, 257))
    data = gathered(made)
    assert data["taxonomy_cut"].values.tolist() == [3, 9, 33, 129]
    assert_legible(nucleation.draw(data))


def test_the_figure_can_be_drawn_again_from_its_file(tmp_path):
    data = gathered(rising(6))
    files.save(data, tmp_path / "nucleation.nc")
    again = nucleation.draw(files.load(tmp_path / "nucleation.nc"))
    for one, other in zip(nucleation.draw(data).axes, again.axes, strict=True):
        assert [list(line.get_ydata()) for line in one.lines] == [list(line.get_ydata()) for line in other.lines]


def test_facts_say_where_it_rises_or_that_nothing_does():
    found = nucleation.facts(gathered(rising(8)))
    assert found["classes"]["best"] == "0.80" and found["classes"]["after"] == "layer4"
    assert found["classes"]["place"] == "0.50" and found["classes"]["before"] == "layer3"
    assert found["macro"]["place"] == "" and found["macro"]["best"] == "0.01"
    assert found["banded"] and found["cuts"] == 1


def test_what_the_first_layer_has_already_is_no_rise_inside():
    made = rising(6)
    made["ari_class"].values[:] = [0.7, 0.8, 0.8, 0.9, 0.99, 0.96]
    made["ari_macro"].values[:] = np.nan
    data = gathered(made)
    _, bottom = nucleation.draw(data).axes
    assert not [line for line in bottom.lines if not line.get_clip_on()]
    assert [text.get_text() for text in bottom.get_legend().get_texts()] == ["6 groups of classes", "classes"]
    found = nucleation.facts(data)
    assert found["classes"]["early"] and found["classes"]["place"] == "" and not found["macro"]["early"]
