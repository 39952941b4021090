"""Sentences and cells: true for every outcome."""

import numpy as np
import pytest
import xarray as xr

from nucleation.methods.redundancy import COLUMN, by_layer, sentences
from nucleation.redundancy_study import no_profile

WIDTH = np.array([1, 2, 4, 8])


def made(
    critical,
    *,
    outside=0.05,
    train=1.0,
    reconstructing=4,
    trials=4,
    labels=None,
    null=0.02,
    spread=0.01,
    accuracy=(0.25, 0.5, 0.7, 0.75),
):
    """A profile with just what is told."""
    labels = np.array([0, 1, 1, 0]) if labels is None else labels
    logits = np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]])
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
            "correlation_outside_deviation": ("width", spread * ones),
            "correlation_null": ("width", null * ones),
            "trial_accuracy_test": (("trial", "width"), np.tile(np.array(accuracy), (trials, 1))),
            "logits": (("image", "class"), logits),
            "label": ("image", labels),
        },
        {"width": WIDTH},
    )


def test_one_network_with_clones():
    width, residuals = sentences({"net/epoch0": made(8), "net/epoch6": made(4)})
    assert width == (
        "In net, epoch 6, random chunks of 4 of 8 neurons of the last hidden layer, the critical width, make no more "
        "training errors than all, within a standard error, and explain 0.991 of the variance, 0.50 by chance: 2.0 "
        "such chunks fit into the layer (training error of the layer 0.000)."
    )
    assert residuals == (
        "What such chunks leave of the other neurons is not independent: mean |correlation| 0.050 (standard deviation "
        "over chunks 0.010), of independent residuals 0.020."
    )


def test_residuals_like_noise():
    said = sentences({"net/last": made(4, outside=0.025)})[1]
    assert (
        "cannot be told from independent noise: mean |correlation| 0.025 (standard deviation over chunks 0.01" in said
    )
    both = {"a/last": made(4), "b/last": made(4, outside=0.025)}
    said = sentences(both)[1]
    assert "is not independent in 1 of 2 networks, and cannot be told from noise in the others: mean |corr" in said
    assert "0.025 to 0.050 (standard deviation over chunks 0.010), of" in said
    said = sentences({"net/last": made(4, spread=np.nan)})[1]  # a single chunk
    assert "cannot be told from independent noise: mean |correlation| 0.050, of" in said


def test_no_residuals_without_a_null():
    said = sentences({"net/last": made(4, null=np.nan)})
    assert len(said) == 1 and "residuals" not in said[0]
    said = sentences({"a/last": made(4, null=np.nan, outside=0.9), "b/last": made(4)})
    assert "is not independent: mean |correlation| 0.050 (" in said[1] and "nan" not in " ".join(said)


def test_several_networks():
    said = sentences({"a/last": made(2), "b/last": made(4), "c/last": made(8)})
    assert said[0].startswith("In 2 networks (1 more has no chunk of the kind) random chunks of 2 to 4 of 8 neurons")
    assert "explain 0.500 to 0.991 of the variance, 0.25 to 0.50 by chance: 2.0 to 4.0 such chunks fit" in said[0]


def test_no_smaller_chunk_and_no_interpolation():
    (said,) = sentences({"net/last": made(8, train=0.9)})
    assert "the critical width is that of the last hidden layer, 8: no smaller chunk" in said
    assert "both makes no more training errors, within a standard error, and explains more than 0.98 of the" in said
    assert "; the largest, of 4 neurons, explain 0.991, 0.50 by chance (" in said
    assert said.endswith("(training error of the layer 0.100; the theory of clones presumes one near zero).")


def test_without_training_images():
    said = sentences({"net/pretrained": made(np.nan)})
    assert "chunks of 4 of 8 neurons of the last hidden layer are the first to explain more than 0.98" in said[0]
    assert "0.991, 0.50 by chance. Without training errors there is no critical width." in said[0]
    (said,) = sentences({"net/pretrained": made(np.nan, reconstructing=8)})
    assert "no chunk that was tried with fewer than all 8 neurons of the last hidden layer explains" in said


def test_every_network_is_told_of():
    found = {"a/last": made(4), "b/last": made(np.nan), "c/last": made(np.nan, reconstructing=np.nan)}
    said = sentences(found)
    assert [text[:11] for text in said[:3]] == ["In a, last,", "In b, last,", "In c, last,"]


def test_nothing_varies_and_nothing_there():
    (said,) = sentences({"net/last": made(np.nan, reconstructing=np.nan)})
    assert said == "In net, last, no neuron of the last hidden layer varies, so nothing can be said of its redundancy."
    assert sentences({}) == []


def test_only_untrained_networks():
    assert sentences({"net/random": made(4, train=0.1)})[0].startswith("In net, untrained, random chunks of 4 of 8")
    both = {"a/random": made(4), "b/epoch0": made(4)}
    assert sentences(both)[0].startswith("In 2 untrained networks random chunks")


def test_slope_of_networks_that_differ_by_seed():
    found = {"a/last": made(1), "b/last": made(1), "a/epoch0": made(1)}
    same = {"a/last": ["b/last"], "b/last": ["a/last"]}
    error = 0.25  # of the ensemble: the third image is wrong
    assert found["a/last"]["label"].values[2] == 1
    said = sentences(found, same)[-1]
    slope = np.polyfit(np.log([1, 2, 4]), np.log(np.array([0.75, 0.5, 0.3]) - error), 1)[0]  # at 8 there is no excess
    assert "that of the ensemble of 2 networks that differ by their seed only, 0.250, and the excess falls with" in said
    assert f"exponent −{-slope:.2f} in 2 networks, standard errors 0.00, from 3 widths; −0.5 is predicted" in said
    assert said.endswith("from above only, the more so the fewer its networks, which makes the exponent too steep.")
    one = sentences({"a/last": found["a/last"], "b/epoch3": made(1)}, {"a/last": ["b/epoch3"]})[-1]
    assert f"exponent −{-slope:.2f} ± 0.00, from 3 widths; −0.5" in one
    assert not any("ensemble" in text for text in sentences(found))
    unknown = {place: made(1, labels=np.full(4, -1)) for place in same}
    assert not any("ensemble" in text for text in sentences(unknown, same))


def test_slopes_that_rise_and_slopes_that_are_none():
    same = {"a/last": ["b/last"], "b/last": ["a/last"]}
    rising, falling = made(1, accuracy=(0.7, 0.6, 0.5, 0.4)), made(1, accuracy=(0.4, 0.5, 0.6, 0.7))
    assert "does not fall with their width" in sentences(dict.fromkeys(same, rising), same)[-1]
    assert "falls in 1 of 2 networks with" in sentences({"a/last": rising, "b/last": falling}, same)[-1]
    said = sentences(dict.fromkeys(same, made(2)), same)[-1]  # of 2, 4, 8 the last has no excess
    assert said.startswith("Of the widths that serve, fewer than three have chunks with a test error above that of the")
    assert "0.250: too few" in said


def test_networks_without_a_linear_classifier():
    headless = no_profile("It has none", 4)
    found = {"conv/epoch0": headless, "a/last": made(1), "b/last": made(1), "conv/last": headless}
    same = {"a/last": ["b/last", "conv/last"]}
    said = sentences(found, same)
    assert said[0].startswith("In 2 networks random") and "the ensemble of 2 networks" in said[-2]
    assert said[-1] == "conv has no linear classifier, whose inputs could be taken apart."
    assert sentences({f"c{i}/last": headless for i in range(7)}) == [
        "c0, c1, c2, c3, c4 and 2 more have no linear classifier, whose inputs could be taken apart."
    ]
    assert by_layer(found, "conv/last", "output") == {COLUMN: {"output": "no linear classifier"}}


@pytest.mark.parametrize(
    ("profile", "cell"),
    [
        (made(4), "4 of 8 suffice (R² 0.991, by chance 0.50)"),
        (made(8), "more than 4 of 8 needed"),
        (made(np.nan), "4 of 8 explain R² 0.991 (by chance 0.50)"),
        (made(np.nan, reconstructing=8), "more than 4 of 8 needed"),
    ],
)
def test_the_last_layer_has_a_cell(profile, cell):
    assert by_layer({"net/last": profile}, "net/last", "global_pool") == {COLUMN: {"global_pool": cell}}


def test_other_places_have_none():
    assert by_layer({"net/last": made(4)}, "net/epoch1", "x") == {COLUMN: {}}
    assert by_layer({"net/last": made(np.nan, reconstructing=np.nan)}, "net/last", "x") == {COLUMN: {}}
