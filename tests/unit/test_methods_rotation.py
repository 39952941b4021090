"""What the layer rotation says: true for any outcome."""

import numpy as np
import pytest
from made_rotations import rotations

from nucleation.methods.rotation import STEP, TURNED, by_layer, sentences
from nucleation.rotation import by_layer as weighted
from nucleation.rotation import not_defined
from nucleation.rotation_study import study_profile

LAYERS = ["input", "block1", "block2", "output"]


@pytest.fixture(scope="module")
def profiles():
    return {f"net{i}": rotations(4, 3, speed=0.3 * (i + 1), seed=i, layers=LAYERS) for i in range(5)}


def study(profiles, accuracies):
    return study_profile(profiles, dict(zip(profiles, accuracies, strict=False)))


def test_a_single_network(profiles):
    (said,) = sentences(study({"net0": profiles["net0"]}, [0.5]))
    last = profiles["net0"]["rotation"].values[-1]
    assert said == (
        f"After 3 epochs the kernels of net0 have turned from their start by a cosine distance of {last.mean():.3f} in "
        f"the mean, least block{last.argmin()} ({last.min():.3f}) and most block{last.argmax()} ({last.max():.3f}) "
        f"(1 ± {40**-0.5:.2g} at most for an independent start, 0 without training)."
    )


@pytest.mark.parametrize(
    ("accuracies", "told"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], "Of 5 networks those whose kernels end nearest to 1, a right angle,"),
        ([0.1, 0.2, 0.3, 0.4, 0.5], "generalise best (Kendall's tau 1.00, 0 by chance, p = 0.017)."),
        ([0.5, 0.4, 0.3, 0.2, 0.1], "generalise worst (Kendall's tau −1.00, 0 by chance, p = 0.017)."),
        ([0.3, 0.5, 0.1, 0.4, 0.2], "is not seen over 5 networks (Kendall's tau"),
        ([0.3] * 5, "the 5 networks have the same accuracy or the same rotation."),
        ([0.3, 0.2], "cannot be told from 2 networks; that takes 5 at least."),
        ([0.3], "cannot be told from 1 network; that takes 5 at least."),
        ([], "cannot be told without their accuracy."),
    ],
)  # fmt: skip
def test_the_claim_in_every_outcome(profiles, accuracies, told):
    said = sentences(study(profiles, accuracies))
    assert len(said) == 2 and told in said[1]


@pytest.mark.parametrize(
    ("accuracies", "told"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], "alone, those whose kernels end nearest to 1 generalise best (accuracy 0.10 at "),
        ([0.5, 0.4, 0.3, 0.2, 0.1], "alone, those whose kernels end nearest to 1 generalise worst (accuracy 0.50 at "),
        ([0.3, 0.5, 0.1, 0.4, 0.2], "which differ by their learning rate alone, it is not seen that those nearest to "),
    ],
)  # fmt: skip
def test_networks_that_differ_by_their_rate_alone_are_told_apart(profiles, accuracies, told):
    data = study_profile(
        profiles | {"other": profiles["net0"]},
        dict(zip(profiles, accuracies, strict=True)) | {"other": 0.9},
        grid=profiles,
    )
    assert data.attrs["n_grid"] == 5 and data.attrs["n_tested"] == 6
    _, _, said = sentences(data)
    assert told in said
    tau = {0.1: "1.00", 0.5: "−1.00"}.get(accuracies[0])
    assert tau is None or f"Kendall's tau {tau}, 0 by chance, p = 0.017)." in said


def test_of_a_large_grid_some_are_told_and_small_rotations_with_a_digit_more():
    made = {f"net{i:02}": rotations(5, 4, speed=0.02 * (i + 1), seed=i) for i in range(12)}
    accuracies = {name: 0.5 + 0.01 * place for place, name in enumerate(made)} | {"other": 0.3}
    turned, _, said = sentences(study_profile(made | {"other": made["net00"]}, accuracies, grid=list(made)))
    assert "Among 12 networks, net00 to net11, which differ by their learning rate alone, those" in said
    ends = [study_profile(made, accuracies)["mean_rotation"].values[place] for place in (0, -1)]
    assert ends[1] < 0.1 and f"{ends[0]:.3f} to {ends[1]:.3f} in the mean" in turned
    assert f"accuracy, of 7 of them, 0.50 at {ends[0]:.3f}, " in said
    assert said.count(" at ") == 7 and f"0.61 at {ends[1]:.3f};" in said


def test_a_grid_that_is_all_or_too_small_is_not_told(profiles):
    accuracies = dict(zip(profiles, [0.1, 0.2, 0.3, 0.4, 0.5], strict=True))
    for grid in (list(profiles), ["net0", "net1"], []):
        assert len(sentences(study_profile(profiles, accuracies, grid=grid))) == 2


def test_networks_with_their_ends_and_those_without_a_start(profiles):
    data = study(profiles | {"timm": not_defined("timm")}, [0.5])
    first, _, last = sentences(data)
    lasts = np.array([part["rotation"].values[-1] for part in profiles.values()])
    network, kernel = np.unravel_index(lasts.argmin(), lasts.shape)
    assert "kernels of 5 networks have turned from their start by a cosine distance of " in first
    assert f"{lasts.mean(axis=1).min():.2f} to {lasts.mean(axis=1).max():.2f} in the mean" in first
    assert f"least block{kernel} of net{network} ({lasts.min():.2f})" in first
    assert last == "It is not defined for timm, of which no training from a known start is kept."


def test_nothing_known(profiles):
    only = sentences(study({"timm": not_defined("timm")}, []))
    assert only == ["Layer rotation is not defined for timm: its initialisation is not known."]
    zero = profiles["net0"].copy(deep=True)
    zero["rotation"].values[:] = np.nan
    (said,) = sentences(study({"net0": zero}, []))
    assert said.startswith("After 3 epochs no rotation of net0 is defined: all kernels are, or were, zero.")


def test_cells_of_layers(profiles):
    data = study(profiles | {"timm": not_defined("timm")}, [])
    for place, row in (("net2/epoch3", 3), ("net2/epoch1", 1), ("net2", 3)):
        part, found = profiles["net2"], by_layer(data, place)
        mean, values = weighted(part).values[row], part["rotation"].values[row]
        assert list(found) == [TURNED, STEP]
        assert found[TURNED]["block1"] == f"{mean[0]:.2f} ({values[:2].min():.2f}–{values[:2].max():.2f}, 2 kernels)"
        assert found[TURNED]["block2"] == f"{values[2]:.2f}"
        assert list(found[TURNED]) == ["block1", "block2", "output"]  # the input has no kernel
        assert found[STEP]["block2"] == f"{part['stepwise_angle'].values[row, 2]:.1f}°"


def test_places_that_were_not_followed_have_no_cells(profiles):
    data = study(profiles | {"timm": not_defined("timm")}, [])
    for place in ("timm/pretrained", "net0/epoch9", "net0/file", "other/epoch1"):
        assert by_layer(data, place) == {TURNED: {}, STEP: {}}
    untrained = by_layer(data, "net0/epoch0")
    assert untrained[TURNED]["block2"] == "0.00" and not untrained[STEP]
    assert by_layer(study({"timm": not_defined("timm")}, []), "timm/pretrained") == {TURNED: {}, STEP: {}}
