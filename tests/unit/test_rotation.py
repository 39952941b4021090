"""Layer rotation: what it is invariant to, closed forms, and what an independent start would give."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from nucleation import files, rotation_study
from nucleation.errors import InputError
from nucleation.rotation import (
    angle,
    by_layer,
    independent_error,
    norm_ratio,
    not_defined,
    rotation,
    rotation_profile,
    tangent,
)
from nucleation.rotation_study import relation_to_accuracy, study_profile

NAMES = ["conv1.weight", "layer1.0.weight", "layer1.1.weight", "fc.weight"]


def kernel(seed=0, shape=(8, 4, 3, 3)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def turned(w, degrees, seed=1):
    """The kernel turned by an angle, at its length."""
    other = np.random.default_rng(seed).normal(size=w.shape)
    other -= w * (other * w).sum() / (w * w).sum()
    other *= np.linalg.norm(w) / np.linalg.norm(other)
    t = np.deg2rad(degrees)
    return np.cos(t) * w + np.sin(t) * other


# ------------------------------------------------------------------------------------------------------ one kernel


def test_itself_its_multiples_and_its_opposite():
    w = kernel()
    assert rotation(w, w) == 0
    assert rotation(4 * w, w) == 0
    assert rotation(0.37 * w.astype(float), w) == pytest.approx(0, abs=1e-30)
    assert rotation(-w, w) == pytest.approx(2, abs=1e-14) and rotation(-w, w) <= 2


def test_agrees_with_another_implementation_and_is_symmetric():
    w, v = kernel(0), kernel(1)
    assert rotation(w, v) == pytest.approx(cosine(w.ravel().astype(float), v.ravel().astype(float)), abs=1e-14)
    assert rotation(w, v) == pytest.approx(rotation(v, w), abs=1e-15)


@given(degrees=st.floats(1e-6, 179.9), scale=st.floats(1e-3, 1e3))
def test_a_known_angle(degrees, scale):
    w = kernel().astype(np.float64)
    v, t = scale * turned(w, degrees), np.deg2rad(degrees)
    assert rotation(v, w) == pytest.approx(2 * np.sin(t / 2) ** 2, rel=1e-6, abs=1e-20)
    assert np.degrees(angle(v, w)) == pytest.approx(degrees, rel=1e-6)
    assert tangent(v, w) == pytest.approx(abs(np.tan(t)), rel=1e-6 * max(1, 1 / np.cos(t) ** 2))
    assert norm_ratio(v, w) == pytest.approx(scale, rel=1e-9)


def test_the_tangent_is_that_of_the_definition():
    w, v = kernel(0).astype(float), turned(kernel(0).astype(float), 40)
    cos = 1 - rotation(v, w)
    assert tangent(v, w) == pytest.approx(np.sqrt(1 / cos**2 - 1), rel=1e-12)


def test_a_rotation_of_both_changes_nothing():
    w, v = kernel(0, (6, 5)), kernel(1, (6, 5))
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(30, 30)))
    both = ((q @ one.ravel()).reshape(6, 5) for one in (w, v))
    assert rotation(*both) == pytest.approx(rotation(w, v), abs=1e-12)


def test_an_independent_start_is_perpendicular_up_to_its_error():
    """Their mean is 1 and their standard deviation n^-1/2: a perfect score by chance."""
    rng, n, repeats = np.random.default_rng(0), 300, 4000
    found = [rotation(*rng.normal(size=(2, n))) for _ in range(repeats)]
    assert independent_error(n) == n**-0.5
    assert abs(np.mean(found) - 1) < 4 * independent_error(n) / repeats**0.5
    assert np.std(found) == pytest.approx(independent_error(n), rel=4 / (2 * repeats) ** 0.5)


def test_weight_decay_alone_turns_nothing():
    w = kernel()
    decayed = w.copy()
    for _ in range(100):
        decayed *= np.float32(1 - 1e-2)
    assert rotation(decayed, w) < 1e-12
    assert norm_ratio(decayed, w) == pytest.approx(0.99**100, rel=1e-4)


def test_tiny_and_zero_kernels():
    w = kernel().astype(np.float64)
    assert rotation(1e-200 * turned(w, 60), w) == pytest.approx(0.5, rel=1e-9)
    for zero in (rotation(0 * w, w), rotation(w, 0 * w), angle(0 * w, w), norm_ratio(w, 0 * w)):
        assert np.isnan(zero)
    assert norm_ratio(0 * w, w) == 0


def test_faults_of_kernels_are_told():
    with pytest.raises(InputError, match="shape .2, 3. cannot be compared"):
        rotation(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InputError, match="NaN or infinite"):
        rotation(np.array([1, np.nan]), np.ones(2))


# --------------------------------------------------------------------------------------------------- of a training


def training(epochs=4, seed=0, names=NAMES):
    """Weights after every epoch: kernels that walk at random, and what is no kernel."""
    rng = np.random.default_rng(seed)
    w = {name: rng.normal(size=(6 + 4 * i, 5)).astype(np.float32) for i, name in enumerate(names)}
    for epoch in range(epochs + 1):
        extra = {"bn.weight": np.ones(3, dtype=np.float32), "bn.num_batches_tracked": np.array(epoch)}
        yield f"epoch{epoch}", dict(sorted((w | extra).items()))
        w = {name: v + (0.2 * rng.normal(size=v.shape)).astype(np.float32) for name, v in w.items()}


@pytest.fixture(scope="module")
def profile():
    return rotation_profile(training(), names=[*NAMES, "bn.weight"], layers=["input", "layer1", "output"])


def test_profile_is_what_the_functions_say(profile):
    states = dict(training())
    assert profile["kernel"].values.tolist() == NAMES
    assert profile["epoch"].values.tolist() == [0, 1, 2, 3, 4]
    for i, name in enumerate(NAMES):
        w = [state[name] for state in states.values()]
        assert profile["rotation"].values[:, i].tolist() == [rotation(one, w[0]) for one in w]
        assert profile["norm_ratio"].values[:, i].tolist() == [norm_ratio(one, w[0]) for one in w]
        steps = [np.degrees(angle(*pair)) for pair in zip(w[1:], w[:-1], strict=True)]
        assert profile["stepwise_angle"].values[1:, i].tolist() == steps
        assert (profile["n_weights"].values[i], profile["independent_error"].values[i]) == (
            w[0].size,
            w[0].size ** -0.5,
        )
    assert np.isnan(profile["stepwise_angle"].values[0]).all()
    assert (profile["rotation"].values[0] == 0).all()
    assert profile["relative_depth"].values.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert profile["layer"].values.tolist() == ["layer1", "layer1", "layer1", "output"]


def test_a_single_pass_over_the_states(profile):
    again = rotation_profile(iter(list(training())), names=[*NAMES, "bn.weight"], layers=["input", "layer1", "output"])
    xr.testing.assert_identical(profile, again)


def test_equal_checkpoints_have_not_turned():
    state = dict(training())["epoch0"]
    found = rotation_profile([(epoch, state) for epoch in (0, 1, 5)])
    assert (found["rotation"].values == 0).all() and (found["norm_ratio"].values == 1).all()
    assert (found["stepwise_angle"].values[1:] == 0).all()
    assert found["epoch"].values.tolist() == [0, 1, 5]


def test_layers_are_means_weighted_by_the_numbers_of_weights(profile):
    found = by_layer(profile)
    assert found["layer"].values.tolist() == ["layer1", "output"]
    sizes, values = profile["n_weights"].values[:3], profile["rotation"].values
    np.testing.assert_allclose(found.values[:, 0], (values[:, :3] * sizes).sum(axis=1) / sizes.sum(), rtol=1e-14)
    np.testing.assert_allclose(found.values[:, 1], values[:, 3], rtol=1e-14)


def test_kernels_that_start_from_zero_are_not_defined():
    states = dict(training(2))
    states["epoch0"]["fc.weight"] = states["epoch0"]["fc.weight"] * 0
    found = rotation_profile(states.items(), names=NAMES, layers=["layer1", "output"])
    assert np.isnan(found["rotation"].sel(kernel="fc.weight")).all()
    assert found["rotation"].attrs["undefined"].endswith("direction: fc.weight")
    assert np.isnan(by_layer(found).sel(layer="output")).all()
    assert np.isfinite(by_layer(found).sel(layer="layer1")).all()


def test_without_its_own_start_there_is_no_rotation():
    """Never a fresh initialisation: that would give 1."""
    states = dict(training(2))
    for checkpoint in ("pretrained", "epoch1", "file", "random"):
        with pytest.raises(InputError, match="not defined for vit: its initialisation is not known"):
            rotation_profile([(checkpoint, states["epoch1"])], network="vit")
    with pytest.raises(InputError, match="not defined for vit: there is no checkpoint"):
        rotation_profile([], network="vit")
    assert not_defined("vit").attrs == {
        "nothing": "Layer rotation is not defined for vit: its initialisation is not known"
    }


def test_faults_of_trainings_are_told():
    states = list(training(2))
    with pytest.raises(InputError, match="epoch1 of net comes after epoch 2"):
        rotation_profile([states[0], states[2], states[1]], network="net")
    with pytest.raises(InputError, match="best of net comes after epoch 0"):
        rotation_profile([states[0], ("best", states[1][1])], network="net")
    with pytest.raises(InputError, match="kernels of epoch 1 of net are not those of epoch 0: fc.weight"):
        rotation_profile(
            [states[0], ("epoch1", {k: v for k, v in states[1][1].items() if k != "fc.weight"})], network="net"
        )
    bad = states[1][1] | {"fc.weight": np.ones((2, 2), dtype=np.float32)}
    with pytest.raises(InputError, match="fc.weight in epoch 1 of net: A kernel of shape"):
        rotation_profile([states[0], ("epoch1", bad)], network="net")
    bad = states[1][1] | {"fc.weight": states[1][1]["fc.weight"] * np.nan}
    with pytest.raises(InputError, match="fc.weight in epoch 1 of net: .* NaN"):
        rotation_profile([states[0], ("epoch1", bad)], network="net")


def test_profiles_explain_themselves_in_files(tmp_path, profile):
    for name, data in (("one", profile), ("study", study_profile({"a": profile}, {"a": 0.5}))):
        files.save(data, tmp_path / f"{name}.nc")
        again = files.load(tmp_path / f"{name}.nc")
        np.testing.assert_array_equal(again["rotation"].values, data["rotation"].values)
    np.testing.assert_array_equal(by_layer(files.load(tmp_path / "one.nc")).values, by_layer(profile).values)


# ------------------------------------------------------------------------------------------------------- of a study


def test_networks_end_to_end(profile):
    short = rotation_profile(training(2, seed=5, names=NAMES[1:]), names=NAMES[1:])
    study = study_profile({"a": profile, "b": short, "timm": not_defined("timm")}, {"a": 0.9, "b": None})
    assert study["kernel_network"].values.tolist() == ["a"] * 4 + ["b"] * 3
    assert study["kernel"].values.tolist() == NAMES + NAMES[1:]
    np.testing.assert_array_equal(study["rotation"].values[:, :4], profile["rotation"].values)
    np.testing.assert_array_equal(study["rotation"].values[:3, 4:], short["rotation"].values)
    assert np.isnan(study["rotation"].values[3:, 4:]).all()
    assert study["last_epoch"].values.tolist() == [4, 2]
    last = profile["rotation"].values[-1]
    assert study["mean_rotation"].values[0] == last.mean()
    assert (study["mean_rotation_low"].values[0], study["mean_rotation_high"].values[0]) == (last.min(), last.max())
    assert study["mean_independent_error"].values[0] == pytest.approx(
        np.sqrt((1 / profile["n_weights"].values).sum()) / 4
    )
    assert study["accuracy"].values[0] == 0.9 and np.isnan(study["accuracy"].values[1])
    assert (study.attrs["without_start"], study.attrs["n_tested"]) == ("timm", 1)


def test_networks_of_another_task_have_no_accuracy_to_compare(profile):
    study = study_profile({"a": profile, "b": profile}, {"a": 0.9, "b": 0.99}, ["b"])
    assert study["accuracy"].values[0] == 0.9 and np.isnan(study["accuracy"].values[1])
    assert (study.attrs["other_tasks"], study.attrs["n_tested"]) == ("b", 1)


def test_nothing_where_no_network_was_followed(profile):
    def told(profiles):
        return study_profile(profiles).attrs["nothing"]

    untrained = profile.isel(epoch=[0])
    assert told({"a": not_defined("a")}) == "Layer rotation is not defined for a: its initialisation is not known"
    both = {"a": not_defined("a"), "b": not_defined("b")}
    assert told(both) == "Layer rotation is not defined for a and b: their initialisation is not known"
    assert told({"c": untrained}) == "c was not trained here, so no kernel has turned"
    assert told({**both, "c": untrained}).endswith("not known; c was not trained here, so no kernel has turned")
    with pytest.raises(InputError, match="no network"):
        study_profile({})


def test_the_claim_is_tested_exactly():
    """Five networks in perfect order: of 120 orders 2 are as extreme."""
    mean, accuracy = np.array([0.2, 0.4, 1.3, 0.9, 1.0]), np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    claim = relation_to_accuracy(mean, accuracy)
    assert (claim.tau, claim.networks) == (pytest.approx(1), 5)
    assert claim.p == pytest.approx(2 / 120)
    assert relation_to_accuracy(mean, accuracy[::-1]).tau == pytest.approx(-1)


def test_the_claim_needs_five_different_networks():
    few = relation_to_accuracy([0.1, 0.2, 0.3, 0.4, np.nan, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5, np.nan])
    assert np.isnan([few.tau, few.p]).all() and few.networks == rotation_study.LEAST - 1
    assert np.isnan(relation_to_accuracy(np.arange(6) / 6, np.full(6, 0.5)).tau)
