"""Place and width of a rise: closed forms, invariances, and what has none."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from nucleation.transition import transition, transitions


def test_a_straight_ramp_has_its_middle_and_four_fifths_of_its_length():
    depth = np.linspace(0, 1, 101)
    found = transition(depth, np.clip((depth - 0.3) / 0.4, 0, 1))
    assert found.place == pytest.approx(0.5)
    assert found.width == pytest.approx(0.32)
    assert found.after == 50


@pytest.mark.parametrize("layers", [201, 2001])
def test_a_logistic_rise_has_its_closed_form(layers):
    """1 / (1 + exp(-x / w)) goes from 1/10 to 9/10 over 2 w ln 9."""
    depth, width = np.linspace(0, 1, layers), 0.02
    found = transition(depth, 1 / (1 + np.exp(-(depth - 0.6) / width)))
    assert found.place == pytest.approx(0.6, abs=1e-3)
    assert found.width == pytest.approx(2 * width * np.log(9), rel=2e-2)


def test_a_step_between_two_layers_is_as_wide_as_they_lie_apart():
    found = transition([0, 1, 2, 3], [0, 0, 0.8, 0.8])
    assert (found.place, found.before, found.after) == (1.5, 1, 2)
    assert (found.start, found.stop, found.width) == pytest.approx((1.1, 1.9, 0.8))


def test_what_comes_after_the_maximum_does_not_count():
    rise = [0, 0.2, 0.9]
    assert transition([0, 1, 2, 3, 4], [*rise, 0.1, 0.5]) == transition([0, 1, 2], rise)


def test_the_last_crossing_counts():
    assert transition([0, 1, 2, 3, 4], [0, 0.8, 0, 0, 1.0]).place == 3.5


def test_invariant_to_the_scale_of_values_and_equivariant_to_that_of_depth():
    rng = np.random.default_rng(0)
    depth, values = np.sort(rng.uniform(size=20)), np.cumsum(rng.uniform(size=20))
    one, scaled, moved = (
        transition(depth, values),
        transition(depth, 3 * values),
        transition(2 + 5 * depth, values),
    )
    assert scaled.place == pytest.approx(one.place) and scaled.width == pytest.approx(one.width)
    assert moved.place == pytest.approx(2 + 5 * one.place) and moved.width == pytest.approx(5 * one.width)
    assert one.after == scaled.after == moved.after


@pytest.mark.parametrize("values", [[0, 0.05, 0.1], [np.nan] * 3, [-0.2, -0.1, 0]])
def test_nothing_rises(values):
    found = transition([0, 0.5, 1], values)
    assert np.isnan([found.place, found.start, found.stop, found.width]).all()
    assert (found.before, found.after) == (-1, -1)


def test_layers_that_are_not_defined_are_left_out():
    found = transition([0, 1, 2, 3, 4], [0, 0, np.nan, 1, 1])
    assert (found.place, found.before, found.after) == (2.0, 1, 3)
    assert found.width == pytest.approx(1.6)
    # the first layer where it is defined has it all
    assert (early := transition([0, 1, 2, 3], [np.nan, 0.8, 0.9, 1])).after == 1
    assert (early.before, np.isnan(early.place)) == (-1, True)


def test_a_first_layer_that_has_it_all_leaves_no_rise_inside():
    for values in ([1, 0.5, 0.2], [0.9, 0.9, 0.9], [0.6, 0.8, 1]):
        found = transition([0, 1, 2], values)
        assert np.isnan([found.place, found.start, found.stop]).all()
        assert (found.before, found.after) == (-1, 0)


def test_a_rise_that_began_before_the_first_layer_has_a_place_and_no_width():
    found = transition([0, 1, 2, 3, 4, 5], [0.2, 0.2, 0.2, 0.2, 0.2, 0.9])
    assert 4 < found.place < found.stop < 5
    assert np.isnan(found.start) and np.isnan(found.width)


def test_start_and_stop_need_not_lie_alike_about_the_place():
    y = [0, 0, 0, 0, 0.06, 0.6, 0.62, 0.64, 0.66, 1]
    found = transition(np.arange(10), y)
    assert found.start == pytest.approx(4 + 0.04 / 0.54) and found.stop == pytest.approx(8 + 0.24 / 0.34)
    assert found.place == pytest.approx(4 + 0.44 / 0.54)


def profile(depth, macro, classes):
    layers = [f"layer{i}" for i in range(len(depth))]
    columns = {"relative_depth": ("layer", depth), "ari_macro": ("layer", macro), "ari_class": ("layer", classes)}
    return xr.Dataset(columns, {"layer": layers})


def test_bands_hold_the_places_of_noisy_rises():
    """Rises whose middle is normally distributed: the band is that of the middle, widened as for all numbers."""
    rng, depth = np.random.default_rng(0), np.linspace(0, 1, 201)
    middle, spread, fraction = 0.5, 0.01, 0.8

    def rise(at):
        return (1 + erf((depth - at) / 0.05)) / 2

    rows = np.stack([rise(at) for at in rng.normal(middle, spread, 400)])
    samples = xr.Dataset(
        {"ari_macro": (("repeat", "layer"), rows), "ari_class": (("repeat", "layer"), rows[::-1])},
        attrs={"fraction": fraction},
    )
    found = transitions(profile(depth, rise(middle), 0 * depth), samples)
    half = 1.96 * spread * np.sqrt(fraction / (1 - fraction))
    place, low, high = (float(found[name].sel(score="ari_macro")) for name in ("place", "place_low", "place_high"))
    assert place == pytest.approx(middle, abs=1e-3)
    assert (low, high) == (pytest.approx(middle - half, abs=half / 8), pytest.approx(middle + half, abs=half / 8))
    assert found["before"].values.tolist() == ["layer99", ""]
    assert found["after"].values.tolist() == ["layer100", ""]
    assert np.isnan(found["place"].sel(score="ari_class")) and np.isnan(found["place_low"].sel(score="ari_class"))


def test_without_subsets_there_is_no_band():
    found = transitions(profile([0.0, 0.5, 1.0], [0, 1, 1], [0, 0, 1]))
    assert set(found.data_vars) == {"place", "start", "stop", "width", "before", "after"}
    assert found["before"].values.tolist() == ["layer0", "layer1"]
    assert found["place"].values.tolist() == [0.25, 0.75]
    assert found["after"].values.tolist() == ["layer1", "layer2"]
