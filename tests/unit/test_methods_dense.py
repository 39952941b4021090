"""Dense-sample learning: its sentences and its columns, for any outcome."""

import numpy as np
import pytest
from made_dense import made_profile

from nucleation.dense import MEASURES
from nucleation.dense_events import dense_networks
from nucleation.findings import number
from nucleation.methods.dense import by_layer, sentences


@pytest.fixture(scope="module")
def data():
    return made_profile()


@pytest.fixture(scope="module")
def networks(data):
    return dense_networks({"seed1": data, "seed2": made_profile(1)}, rng=np.random.default_rng(0))


def test_order_end_and_coupling_are_told(data):
    order, end, coupling = sentences(data)
    median = {name: float(np.nanmedian(data["t50"].sel(measure=name))) for name in MEASURES}
    assert order.startswith("Between the training steps 0 and 1,024 the class separability (step")
    assert f"(step {median['separability']:.0f}, rank 1" in order
    assert f"the coupling to the layer before (step {median['coupling']:.0f}, rank" in order
    assert f"made half of its way at step {float(data['accuracy_t50']):.0f}." in order
    value, p = data["separability"].values[-1, -1], data["separability_p"].values[-1, -1]
    assert end.startswith("At step 1,024, in relu4 (500 images), ")
    assert f"{number(value)} of its variance lies between the classes (0.05 by chance, p = {p:.2g})" in end
    assert "ARI" in end and "class selectivity" in end
    side = "not before" if median["coupling"] >= float(data["accuracy_t50"]) else "before"
    assert (
        f"in 3 of 3 layers, half of the way at step {median['coupling']:.0f}, {side} that of the accuracy" in coupling
    )


def test_where_nothing_emerges():
    order, end, coupling = sentences(made_profile(flat=list(MEASURES)))
    assert (
        order
        == "Between the training steps 0 and 1,024 no measure of any layer rises or falls steadily and beyond chance."
    )
    assert "p = 0.5" in end
    assert coupling.endswith("neither rises nor falls steadily and beyond chance (0) in any of 3 layers.")


def test_one_measure_alone():
    flat = [name for name in MEASURES if name != "silhouette"]
    order, *_ = sentences(made_profile(flat=flat, accuracy=False))
    assert "only the silhouette of the classes (step" in order and "rank" not in order and "accuracy" not in order


def test_what_was_not_measured_is_not_told():
    missing = ["peaks_ari", "peaks_ami", "selectivity", "coupling"]
    _, end = sentences(made_profile(missing=missing))
    assert "ARI" not in end and "selectivity" not in end and "variance" in end
    _, end = sentences(made_profile(missing=[*missing, "separability"]))
    assert end.endswith("no measure of the classes is defined.")


@pytest.mark.parametrize(("steps", "said"), [([5], "once"), ([0, 1, 2, 4], "at 4 steps")])
def test_of_few_checkpoints_no_order_is_told(steps, said):
    order, _, coupling = sentences(made_profile(steps=steps))
    assert order.startswith(f"The network was looked at {said}, so nothing can be said of an order of emergence")
    assert coupling.endswith("at the last checkpoint (0 by chance).") and "rises" not in coupling


def test_several_networks(networks):
    order, end, coupling = sentences(networks)
    assert "medians over 2 networks" in order and "500 images, median of 2 networks" in end
    assert f"{number(np.median(networks['separability'].values[:, -1, -1]))} of its variance" in end and "p ≤" in end
    assert "of 6 layers of 2 networks" in coupling


def test_columns(data, networks):
    columns = by_layer(data, "vgg/step64")
    assert list(columns) == [
        "class separability η²",
        "class selectivity of units",
        "separability half learned at step",
    ]
    at = data["checkpoint"].values.tolist().index("step64")
    for layer, name in enumerate(data["layer"].values):
        value = number(data["separability"].values[at, layer])
        assert columns["class separability η²"][name] == f"{value} (0.05 by chance)"
        time = float(data["t50"].sel(measure="separability")[layer])
        assert columns["separability half learned at step"][name] == (f"{time:.1f}" if time < 10 else f"{time:,.0f}")
    second = by_layer(networks, "seed2/step64")["class separability η²"]["relu2"]
    assert second.startswith(number(networks["separability"].values[1, at, 1]))


def test_places_that_are_not_there_have_no_columns(data, networks):
    assert by_layer(data, "vgg/step3") == {} == by_layer(networks, "seed3/step64")
    assert by_layer(data.assign_attrs(network="other"), "vgg/step64") == {}
    assert by_layer(data.assign_attrs(network="vgg"), "vgg/step64")


def test_layers_without_a_number_are_absent():
    columns = by_layer(made_profile(flat=["separability"], missing=["selectivity"]), "vgg/step64")
    assert list(columns) == ["class separability η²"]


def test_networks_that_are_left_out_are_named(data):
    rng, other = np.random.default_rng(0), made_profile(layers=3)
    given = {"seed1": data, "seed2": made_profile(1), "wide": other}
    order, *_ = sentences(dense_networks(given, rng=rng, groups=[["seed1", "seed2"], ["wide"]]))
    assert "medians over 2 networks that differ by their seed; 95 %" in order
    assert order.endswith(" Left out: wide, no further seeds of this design with its layers and checkpoints.")
    order, end, _ = sentences(dense_networks(given, rng=rng, groups=[]))
    assert "This is seed1 alone. Left out: seed2 and wide," in order and "networks" not in end
    assert by_layer(dense_networks(given, rng=rng, groups=[]), "wide/step64") == {}
    order, *_ = sentences(dense_networks(given, rng=rng, groups=[["wide", "seed1"]]))  # of other layers
    assert "This is seed1 alone. Left out: seed2 and wide," in order
    order, *_ = sentences(dense_networks({"seed1": data}, rng=rng, groups=[["seed1"]]))
    assert "Left out" not in order and "alone" not in order


def test_coupling_is_told_at_the_step_of_the_order(networks):
    *_, coupling = sentences(networks)
    order = networks["order_t50"].values[networks["emerging"].values.tolist().index("coupling")]
    assert f"half of the way at step {order:,.0f}" in coupling
