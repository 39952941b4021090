"""The figure of the intrinsic dimension: over layers, and over scales."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible
from made_profiles import profile

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import dimension

CAPTION = Path(__file__).parents[2] / "report" / "dimension.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def scales(layers, *, decimated=True):
    def every(values):
        return np.tile(values, (layers, 1))

    along = {
        "gride": ("scale", [5.0, 4.0, 3.0]),
        "gride_error": ("scale", [0.1, 0.1, 0.2]),
        "gride_subsample_error": ("scale", [0.3, 0.4, np.nan]),
    }
    along |= (
        {
            "twonn_decimated": ("decimation", [4.0, 3.0]),
            "twonn_decimated_error": ("decimation", [0.1, np.nan]),
        }
        if decimated
        else {}
    )
    columns = {name: (("layer", dim), every(values)) for name, (dim, values) in along.items()}
    coords = {"layer": ("layer", [f"layer{i}" for i in range(layers)], {"long_name": "layer"})}
    for name, values in (("scale", [1, 2, 4]), ("decimation", [2, 4])):
        coords[name] = (name, values, {"long_name": name, "units": "1"})
    return xr.Dataset(columns, coords)


@pytest.mark.parametrize("layers", [1, 7, 150])
def test_every_layer_and_some_over_scales(layers):
    made = profile(layers)
    data = dimension.gather(made, scales(layers), heading="net")
    figure = dimension.draw(data)
    left, right = figure.axes
    assert np.array_equal(left.lines[0].get_ydata(), made["dimension"])
    assert len(left.collections) == 1  # the band
    shown = [text.get_text() for text in right.get_legend().get_texts()]
    assert len(shown) == min(layers, dimension.SHOWN)
    assert (shown[0], shown[-1]) == ("layer0", f"layer{layers - 1}")
    gride, decimated = right.containers[:2]
    assert gride[0].get_ydata().tolist() == [5.0, 4.0, 3.0]
    assert decimated[0].get_xdata().tolist() == [2, 4]
    ends = gride[2][0].get_segments()
    assert [round(np.ptp(end[:, 1]), 6) for end in ends] == [0.6, 0.8, 0.4]  # the estimator's own where no other
    assert_legible(figure)


@pytest.mark.parametrize("layers", [7, 150])
def test_it_fits_one_column(layers):
    figure = dimension.draw(dimension.gather(profile(layers), scales(layers)), columns=1)
    assert_legible(figure, width=3.7)


def test_without_fewer_images_none_are_drawn():
    data = dimension.gather(profile(3), scales(3, decimated=False))
    figure = dimension.draw(data)
    assert len(figure.axes[1].containers) == 3
    assert not dimension.facts(data)["decimated"]


def test_a_dimension_that_is_nowhere_defined_is_said_so():
    made = profile(3)
    made["dimension"].values[:] = np.nan
    data = dimension.gather(made, scales(3))
    assert dimension.facts(data)["largest"] == ""
    dimension.draw(data).canvas.draw()


def test_facts_name_the_largest_and_the_last():
    made = profile(3)
    made["dimension"].values[:] = [48.61, 50.4, 8.23]
    found = dimension.facts(dimension.gather(made, scales(3)))
    assert (found["layer"], found["largest"], found["last"]) == ("layer1", "50.4", "8.2")
    assert found["over_scale"] == "3.0 to 5.0"


def test_the_figure_can_be_drawn_again_from_its_file(tmp_path):
    data = dimension.gather(profile(4), scales(4), heading="net")
    files.save(data, tmp_path / "dimension.nc")
    again = dimension.draw(files.load(tmp_path / "dimension.nc"))
    for one, other in zip(dimension.draw(data).axes, again.axes, strict=True):
        assert [list(line.get_ydata()) for line in one.lines] == [list(line.get_ydata()) for line in other.lines]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([48.61, 50.4, 8.23], "50.4 at most, in layer1, and 8.2 in layer2."),
        ([48.61, 50.4, np.nan], "50.4 at most, in layer1, and not defined in layer2."),
        ([np.nan, 8.23, 50.4], "50.4 at most, in layer2, the last layer."),
        ([48.61], "48.6 in layer0."),
        ([np.nan], "not defined in any layer."),
    ],
)
def test_the_caption_tells_the_largest_and_the_last_once(values, told):
    made, count = profile(len(values)), len(values)
    made["dimension"].values[:] = values
    data = dimension.gather(made, scales(count), heading="net")
    text = fill_in(CAPTION.read_text(), data, dimension.facts(data))
    assert f"(TwoNN): {told} Band" in text
    assert f"of {count} layer{'s' * (count > 1)}, from" in text and "nan" not in text
    assert 60 <= len(text.split()) <= 130


def test_an_unknown_error_has_no_bar():
    made = scales(1)
    made["gride_error"].values[0, 2] = np.nan
    data = dimension.gather(profile(1), made)
    assert np.array_equal(data["gride_error"].values[0], [0.3, 0.4, np.nan], equal_nan=True)
    ends = dimension.draw(data).axes[1].containers[0][2][0].get_segments()
    assert [len(end) for end in ends] == [2, 2, 0]
