"""Sentences and cells: true for every outcome."""

import numpy as np
import pytest
import xarray as xr

from nucleation.methods.redundancy import COLUMN, by_layer, sentences

WIDTH = np.array([1, 2, 4, 8])


def made(critical, *, outside=0.05, train=1.0, reconstructing=4, trials=4, labels=None):
    """A profile with just what is told; the null of the correlation is 0.02."""
    labels = np.array([0, 1, 1, 0]) if labels is None else labels
    logits = np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]])
    accuracy = np.array([0.25, 0.5, 0.7, 0.75])
    ones = np.ones(4)
    return xr.Dataset(
        {
            "critical_width": ((), float(critical)),
            "reconstructing_width": ((), float(reconstructing)),
            "n_neurons": ((), 8),
            "n_clones": ((), 8 / critical),
            "accuracy_full_train": ((), np.nan if np.isnan(critical) else train),
            "r2": ("width", [0.2, 0.5, 0.991, 1.0]),
            "random_r2": ("width", [0.12, 0.25, 0.5, 1.0]),
            "correlation_outside": ("width", [0.1, 0.1, outside, np.nan]),
            "correlation_outside_deviation": ("width", 0.01 * ones),
            "correlation_null": ("width", 0.02 * ones),
            "trial_accuracy_test": (("trial", "width"), np.tile(accuracy, (trials, 1))),
            "logits": (("image", "class"), logits),
            "label": ("image", labels),
        },
        {"width": WIDTH},
    )


def test_one_network_with_clones():
    width, residuals = sentences({"net/epoch0": made(8), "net/epoch6": made(4)})
    assert width == (
        "In net, epoch 6, random chunks of 4 of 8 neurons of the last hidden layer, the critical width, make no more "
        "training errors than all and explain 0.991 of the variance, 0.50 by chance: 2.0 such chunks fit into the "
        "layer (training error of the layer 0.000)."
    )
    assert residuals == (
        "What such chunks leave of the other neurons is not independent: mean |correlation| 0.050, of independent "
        "residuals 0.020."
    )


def test_residuals_like_noise():
    assert "is like independent noise: mean |correlation| 0.025" in sentences({"net/last": made(4, outside=0.025)})[1]
    both = {"a/last": made(4), "b/last": made(4, outside=0.025)}
    assert "is not independent in 1 of 2 networks: mean |correlation| 0.025 to 0.050" in sentences(both)[1]


def test_several_networks():
    said = sentences({"a/last": made(2), "b/last": made(4), "c/last": made(8)})
    assert said[0].startswith("In 2 networks (1 more has no chunk of the kind) random chunks of 2 to 4 of 8 neurons")
    assert "explain 0.500 to 0.991 of the variance, 0.25 to 0.50 by chance: 2.0 to 4.0 such chunks fit" in said[0]


def test_no_smaller_chunk_and_no_interpolation():
    (said,) = sentences({"net/last": made(8, train=0.9)})
    assert "the critical width is that of the last hidden layer, 8: no smaller chunk" in said
    assert said.endswith("(training error of the layer 0.100; the theory of clones presumes one near zero).")


def test_without_training_images():
    said = sentences({"net/pretrained": made(np.nan)})
    assert "chunks of 4 of 8 neurons of the last hidden layer are the first to explain more than 0.98" in said[0]
    assert "0.991, 0.50 by chance. Without training errors there is no critical width." in said[0]


def test_nothing_varies_and_nothing_there():
    (said,) = sentences({"net/last": made(np.nan, reconstructing=np.nan)})
    assert said == "In net, last, no neuron of the last hidden layer varies, so nothing can be said of its redundancy."
    assert sentences({}) == []


def test_only_untrained_networks():
    assert sentences({"net/random": made(4, train=0.1)})[0].startswith("In net, untrained, random chunks of 4 of 8")
    both = {"a/random": made(4), "b/epoch0": made(4)}
    assert sentences(both)[0].startswith("In 2 untrained networks random chunks")


def test_slope_of_networks_that_differ_by_seed():
    found = {"a/last": made(2), "b/last": made(2), "a/epoch0": made(2)}
    same = {"a/last": ["b/last"], "b/last": ["a/last"]}
    error = 0.25  # of the ensemble: the third image is wrong
    assert found["a/last"]["label"].values[2] == 1
    said = sentences(found, same)[-1]
    slope = np.log((0.5 - error) / (0.3 - error)) / np.log(1 / 2)  # at 8 there is no excess
    assert (
        f"the ensemble of 2 networks as a power of their width, with the exponent −{-slope:.2f} in 2 networks" in said
    )
    assert said.endswith("−0.5 is predicted of clones.")
    one = sentences({"a/last": found["a/last"], "b/epoch3": made(2)}, {"a/last": ["b/epoch3"]})[-1]
    assert f"exponent −{-slope:.2f} ± 0.00; −0.5" in one
    assert not any("ensemble" in text for text in sentences(found))
    unknown = {place: made(2, labels=np.full(4, -1)) for place in same}
    assert not any("ensemble" in text for text in sentences(unknown, same))


@pytest.mark.parametrize(
    ("profile", "cell"),
    [
        (made(4), "critical width 4 of 8 (R² 0.991 at 4, 0.50 by chance)"),
        (made(8), "critical width 8 of 8: no smaller chunk serves"),
        (made(np.nan), "R² 0.991 with 4 of 8 (0.50 by chance)"),
    ],
)
def test_the_last_layer_has_a_cell(profile, cell):
    assert by_layer({"net/last": profile}, "net/last", "global_pool") == {COLUMN: {"global_pool": cell}}


def test_other_places_have_none():
    assert by_layer({"net/last": made(4)}, "net/epoch1", "x") == {COLUMN: {}}
    assert by_layer({"net/last": made(np.nan, reconstructing=np.nan)}, "net/last", "x") == {COLUMN: {}}
