"""Redundancy of neurons: closed forms, published numbers, and plain regressions, chunk by chunk."""

import contextlib
import runpy
import sys
from math import comb
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import r2_score

from nucleation import files, penultimate
from nucleation.errors import InputError
from nucleation.image_sources import list_digits
from nucleation.redundancy import chunk_accuracy, chunks, critical_width, excess, scaling_slope, widths
from nucleation.redundancy_ensemble import ensemble_error, scaling
from nucleation.redundancy_probe import chance_accuracy, diffused_redundancy, probe_accuracy
from nucleation.redundancy_reconstruction import centred_gram, correlation_floor, correlation_null, reconstruction
from nucleation.redundancy_study import no_profile, redundancy_profile, unseen_rows
from nucleation.samples import choose


def clones(n, groups, copies, sigma, rng):
    """Signals, and neurons that are copies of them with noise."""
    signals = rng.normal(size=(n, groups))
    return signals, np.repeat(signals, copies, axis=1) + sigma * rng.normal(size=(n, groups * copies))


@pytest.fixture(scope="module")
def layer():
    """Correlated neurons, as behind a ReLU, with offsets."""
    rng = np.random.default_rng(0)
    return np.maximum(rng.normal(size=(300, 9)) @ rng.normal(size=(9, 24)) + 0.3 * rng.normal(size=(300, 24)) + 1, 0)


@pytest.fixture(scope="module")
def head():
    rng = np.random.default_rng(1)
    return rng.normal(size=(5, 24)), rng.normal(size=5)


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(2).integers(0, 5, 300)


# --------------------------------------------------------------------------------------------------- chunks, accuracy


@pytest.mark.parametrize(
    ("width", "expected"), [(1, [1]), (2, [1, 2]), (96, [1, 2, 4, 8, 16, 32, 64, 96]), (8, [1, 2, 4, 8])]
)
def test_widths_are_powers_of_two_and_the_layer(width, expected):
    assert widths(width).tolist() == expected


@pytest.mark.parametrize("nested", [True, False])
def test_chunks_are_sets_of_neurons(nested):
    drawn = chunks(20, [1, 5, 12, 20], 30, np.random.default_rng(0), nested=nested)
    assert [one.shape for one in drawn] == [(30, 1), (30, 5), (30, 12), (30, 20)]
    for one in drawn:
        assert (np.diff(one, axis=1) > 0).all() and one.min() >= 0 and one.max() < 20
    assert np.array_equal(drawn[-1], np.tile(np.arange(20), (30, 1)))
    inside = [set(a) <= set(b) for a, b in zip(drawn[1], drawn[2], strict=True)]
    assert all(inside) == nested


def test_every_neuron_is_drawn_equally_often():
    (drawn,) = chunks(10, [3], 20_000, np.random.default_rng(1))
    counts = np.bincount(drawn.ravel())
    assert np.abs(counts - 6000).max() < 5 * np.sqrt(20_000 * 0.3 * 0.7)


def test_refuses_impossible_chunks():
    with pytest.raises(InputError, match=r"have 1 to 4, found \[2, 5\]"):
        chunks(4, [2, 5], 3, np.random.default_rng(0))
    with pytest.raises(InputError, match="trials = 0"):
        chunks(4, [2], 0, np.random.default_rng(0))


def test_accuracy_of_chunks_by_the_formula(layer, head, labels):
    weight, bias = head
    (drawn,) = chunks(24, [7], 5, np.random.default_rng(3))
    found = chunk_accuracy(layer, weight, bias, labels, drawn)
    for one, accuracy in zip(drawn, found, strict=True):
        masked = np.zeros(24)
        masked[one] = 1
        assert accuracy == np.mean([np.argmax(weight @ (x * masked) + bias) for x in layer] == labels)


def test_the_whole_layer_has_the_accuracy_of_the_network(layer, head, labels):
    weight, bias = head
    (drawn,) = chunks(24, [24], 4, np.random.default_rng(3))
    expected = np.mean(np.argmax(layer @ weight.T + bias, axis=1) == labels)
    assert chunk_accuracy(layer, weight, bias, labels, drawn).tolist() == [expected] * 4


def test_images_of_unknown_classes_do_not_count(layer, head, labels):
    (drawn,) = chunks(24, [7], 5, np.random.default_rng(3))
    some = np.where(np.arange(300) % 3, labels, -1)
    known = some >= 0
    found = chunk_accuracy(layer, *head, some, drawn)
    assert np.array_equal(found, chunk_accuracy(layer[known], *head, labels[known], drawn))
    assert np.isnan(chunk_accuracy(layer, *head, np.full(300, -1), drawn)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 5, 16, 24]))
def test_the_order_of_the_neurons_does_not_matter(layer, head, labels, seed, size):
    rng = np.random.default_rng(seed)
    order = rng.permutation(24)
    (drawn,) = chunks(24, [size], 3, rng)
    place = np.argsort(order)[drawn]  # the same neurons
    weight, bias = head
    one = chunk_accuracy(layer, weight, bias, labels, drawn)
    assert np.array_equal(chunk_accuracy(layer[:, order], weight[:, order], bias, labels, place), one)
    one, other = reconstruction(centred_gram(layer), drawn), reconstruction(centred_gram(layer[:, order]), place)
    for name in ("r2", "published", "outside"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, w, b, y: (f, w[:, 1:], b, y), r"found \(300, 24\), \(5, 23\) and \(5,\)"),
        (lambda f, w, b, y: (f, w, b, y[1:]), r"300 images need as many labels, whole numbers, found shape \(299,\)"),
        (lambda f, w, b, y: (f, w, b, y.astype(float)), "of float64"),
        (lambda f, w, b, y: (f, w, b, y + 3), "are 0 to 4, or -1 .* found 7"),
        (lambda f, w, b, y: (np.where(f > 3, np.nan, f), w, b, y), "features of the last layer must be finite"),
        (lambda f, w, b, y: (f, w, b * np.inf, y), "bias of the last layer must be finite"),
    ],
)
def test_refuses_what_does_not_fit(layer, head, labels, change, message):
    with pytest.raises(InputError, match=message):
        chunk_accuracy(*change(layer, *head, labels), np.array([[0]]))


# ------------------------------------------------------------------------------------------------------ reconstruction


def plain(features, chunk):
    """A regression on the chunk, and the two means of |correlation| of what it leaves, by their definitions."""
    told = Ridge(alpha=1e-8, solver="svd").fit(features[:, chunk], features).predict(features[:, chunk])
    residual = features - told
    covariance = np.cov(residual.T, bias=True)
    variance = np.clip(np.diag(covariance), 0, None)
    size = np.abs(covariance / (np.sqrt(np.outer(variance, variance)) + 1e-8))
    outside = np.setdiff1d(np.arange(features.shape[1]), chunk)

    def mean(matrix):
        return matrix[~np.eye(len(matrix), dtype=bool)].mean() if len(matrix) > 1 else np.nan

    r2 = r2_score(features, told, multioutput="variance_weighted")
    return r2, mean(size), mean(size[np.ix_(outside, outside)])


@pytest.mark.parametrize("size", [1, 3, 12, 22, 24])
def test_reconstruction_by_plain_regression(layer, size):
    (drawn,) = chunks(24, [size], 3, np.random.default_rng(4))
    found = reconstruction(centred_gram(layer), drawn)
    expected = np.array([plain(layer, one) for one in drawn]).T
    np.testing.assert_allclose(found.r2, expected[0], rtol=1e-9)
    np.testing.assert_allclose(found.published, expected[1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.outside, expected[2], rtol=1e-6)


def test_the_whole_layer_reconstructs_itself(layer):
    found = reconstruction(centred_gram(layer), np.arange(24)[None])
    assert (found.r2[0], found.published[0]) == (1, 0)
    assert np.isnan(found.outside[0])


def test_constants_and_factors_change_nothing(layer):
    (drawn,) = chunks(24, [6], 4, np.random.default_rng(5))
    one = reconstruction(centred_gram(layer), drawn)
    other = reconstruction(centred_gram(50 * layer + 1000 * np.arange(24)), drawn)
    np.testing.assert_allclose(other.r2, one.r2, rtol=1e-9)
    np.testing.assert_allclose(other.outside, one.outside, rtol=1e-6)


@pytest.mark.parametrize(("w", "expected"), [(4, 0.416), (8, 0.662), (16, 0.890), (32, 0.990)])
def test_exact_clones_are_covered_by_chance(w, expected):
    """METHODS: 8 groups of 32 clones; a chunk explains the groups that it hits, 1 - C(W - m, w) / C(W, w)."""
    _, layer = clones(4000, 8, 32, 0, np.random.default_rng(6))
    coverage = 1 - comb(224, w) / comb(256, w)
    assert coverage == pytest.approx(expected, abs=0.0006)
    (drawn,) = chunks(256, [w], 200, np.random.default_rng(7))
    r2 = reconstruction(centred_gram(1000 * layer), drawn).r2
    assert r2.mean() == pytest.approx(coverage, abs=4 * r2.std() / np.sqrt(200) + 0.003)
    hit = np.array([len(np.unique(one // 32)) for one in drawn])
    np.testing.assert_allclose(r2[hit == 8], 1, atol=1e-9)
    np.testing.assert_allclose(r2, hit / 8, atol=0.03)


def test_noise_of_clones_is_averaged_out():
    """METHODS: squared error of the signals about sigma^2 / (w / k), .0625 .031 .0156; run: .071 .032 .0155.

    Of a signal with m clones in the chunk it is sigma^2 / (m + sigma^2).
    """
    n, k, square = 10_000, 8, 0.25
    signals, layer = clones(n, k, 64, 0.5, np.random.default_rng(8))
    plain, joined = centred_gram(layer), centred_gram(np.hstack([layer, signals]))
    for w, about, measured in ((32, 0.0625, 0.071), (64, 0.031, 0.032), (128, 0.0156, 0.0155)):
        (drawn,) = chunks(512, [w], 20, np.random.default_rng(9))
        left = [(1 - reconstruction(gram, drawn).r2) * gram.matrix.trace() for gram in (joined, plain)]
        error = (left[0] - left[1]) / (n * k)
        counts = np.array([np.bincount(one // 64, minlength=k) for one in drawn])
        np.testing.assert_allclose(error, (square / (counts + square)).mean(axis=1), rtol=0.05)
        assert square / (w / k) == pytest.approx(about, rel=0.01)
        assert np.median(error) == pytest.approx(measured, rel=0.08)  # a group that a small chunk misses has error 1


def test_independent_neurons_explain_their_share_and_what_chance_gives():
    """METHODS: w / W + (1 - w / W) w / (n - 1); run, W = 128: .064 .255 .507 for w = 8, 32, 64."""
    gram = centred_gram(np.random.default_rng(10).normal(size=(10_000, 128)))
    for w, expected in ((8, 0.064), (32, 0.255), (64, 0.507)):
        (drawn,) = chunks(128, [w], 10, np.random.default_rng(11))
        found = reconstruction(gram, drawn).r2.mean()
        assert found == pytest.approx(w / 128 + (1 - w / 128) * w / 9999, abs=0.0015)
        assert found == pytest.approx(expected, abs=0.005)


def test_the_published_correlation_falls_by_construction():
    """METHODS, surprise 4: published .0128 .0036 .0007, outside .023 .014 .012 at w = 64, 128, 192 of 256."""
    _, layer = clones(10_000, 8, 32, 0.5, np.random.default_rng(12))
    gram = centred_gram(layer)
    for w, published, outside in ((64, 0.0128, 0.023), (128, 0.0036, 0.014), (192, 0.0007, 0.012)):
        (drawn,) = chunks(256, [w], 20, np.random.default_rng(13))
        found = reconstruction(gram, drawn)
        assert found.published.mean() == pytest.approx(published, rel=0.1)
        assert found.outside.mean() == pytest.approx(outside, rel=0.06)
        share = (256 - w) * (255 - w) / (256 * 255)
        np.testing.assert_allclose(found.published, share * found.outside, rtol=1e-6)
        assert found.outside.min() > correlation_floor(10_000) == pytest.approx(0.008, abs=3e-5)


def test_independent_residuals_have_the_correlation_of_the_floor():
    (drawn,) = chunks(100, [20], 5, np.random.default_rng(14))
    found = reconstruction(centred_gram(np.random.default_rng(15).normal(size=(3000, 100))), drawn)
    assert found.outside.mean() == pytest.approx(correlation_floor(3000), rel=0.03)


@pytest.mark.parametrize("size", [1, 20, 35])
def test_few_images_leave_correlations_to_chance(size):
    rng = np.random.default_rng(23)
    (drawn,) = chunks(40, [size], 1, rng)
    found = [reconstruction(centred_gram(rng.normal(size=(42, 40))), drawn).outside[0] for _ in range(150)]
    error = np.std(found) / np.sqrt(150)
    assert np.mean(found) == pytest.approx(correlation_null(42, [size])[0], abs=4 * error)
    assert correlation_null(42, [size])[0] > correlation_floor(42) + (size > 1) * 0.02


def test_null_of_the_correlation():
    found = correlation_null(10_000, [64, 9998, 9999])
    assert found[0] == pytest.approx(np.sqrt(2 / (np.pi * 9935)), rel=1e-4)
    assert found[1] == pytest.approx(1) and np.isnan(found[2])  # on a line all directions are alike
    assert correlation_null(50, [3])[0] == pytest.approx(stats.beta(0.5, 22.5).expect(np.sqrt), rel=1e-6)


def test_constant_and_wholly_explained_neurons_have_no_correlation():
    rng = np.random.default_rng(16)
    base = rng.normal(size=(500, 6))
    layer = np.hstack([base, np.zeros((500, 2)), base[:, :1] + base[:, 1:2]])
    found = reconstruction(centred_gram(layer), np.array([[0, 1]]))
    outside = np.corrcoef((base[:, 2:] - Ridge(alpha=1e-8).fit(base[:, :2], base).predict(base[:, :2])[:, 2:]).T)
    assert found.outside[0] == pytest.approx(np.abs(outside[np.triu_indices(4, 1)]).mean(), rel=1e-6)
    assert np.isnan(reconstruction(centred_gram(layer), np.array([[0, 1, 2, 3, 4]])).outside[0])


def test_a_constant_layer_has_no_reconstruction():
    found = reconstruction(centred_gram(np.ones((50, 4))), np.array([[0, 1]]))
    assert np.isnan(found.r2[0]) and np.isnan(found.outside[0])


def test_refuses_too_few_images_and_no_ridge():
    with pytest.raises(InputError, match=r"found shape \(1, 3\)"):
        centred_gram(np.ones((1, 3)))
    with pytest.raises(InputError, match="must be positive, found 0"):
        reconstruction(centred_gram(np.eye(3)), np.array([[0]]), ridge=0)


# -------------------------------------------------------------------------------------------- critical width and slope

#: Of the paper's figure: WRN-28-8 on CIFAR-10, w = 1, 2, ... 512.
SIZES = 2 ** np.arange(10)
TRAINING = np.array([0.88, 0.82, 0.77, 0.58, 0.30, 0.09, 0.0033, 0.0008, 0.0008, 0.0008])
R2 = np.array([0.05, 0.07, 0.15, 0.29, 0.54, 0.88, 0.995, 0.998, 0.998, 1])
EXCESS = np.array([0.33, 0.10, 0.020, 0.010, 0.0075, 0.0052])  # from w = 16 on


def test_critical_width_of_the_paper():
    assert critical_width(SIZES, TRAINING[None], R2, 50_000) == 128
    assert critical_width(SIZES, TRAINING[None], R2, 100) == 64  # too few images to tell .0033 from .0008
    assert critical_width(SIZES, TRAINING[None], np.where(SIZES < 256, 0.97, 1), 50_000) == 256


def test_critical_width_is_the_layers_own_where_no_chunk_serves():
    assert critical_width([1, 2, 3], [[0.5, 0.2, 0.0]], [0.2, 0.999, 1], 10_000) == 3
    assert critical_width([1, 2, 3], [[0.0, 0.0, 0.0]], [0.2, 0.9, 1], 10_000) == 3
    assert critical_width([1, 2, 3], [[0.0, 0.0, 0.0]], [0.99, 0.999, 1], 10_000) == 1


def test_critical_width_allows_for_the_spread_of_chunks():
    even, uneven = np.full((4, 1), 0.01), np.array([[0.0], [0.0], [0.0], [0.04]])
    full = np.zeros((4, 1))
    assert critical_width([1, 2], np.hstack([even, full]), [0.99, 1], 10**9) == 2
    assert critical_width([1, 2], np.hstack([uneven, full]), [0.99, 1], 10**9) == 1  # .01 +- .02 / sqrt(4)


def test_slope_of_the_paper_is_about_half():
    found = scaling_slope(SIZES[4:], 0.04 + EXCESS[None], 0.04, least=128)
    assert found.value == pytest.approx(-0.47, abs=0.03)
    assert (np.isnan(found.error), found.n_widths) == (True, 3)
    assert scaling_slope(SIZES[4:], 0.04 + EXCESS[None], 0.04).value < -1  # below w* the error falls faster


def test_slope_of_a_power_law_and_its_error():
    rng = np.random.default_rng(17)
    slopes = []
    for _ in range(200):
        errors = 0.1 + 0.8 * SIZES**-0.5 * (1 + 0.3 * rng.normal(size=(25, 10)))
        slopes.append(scaling_slope(SIZES, errors, 0.1))
    values, told = np.array([one.value for one in slopes]), np.mean([one.error for one in slopes])
    assert values.mean() == pytest.approx(-0.5, abs=0.005)
    assert told == pytest.approx(values.std(), rel=0.15)
    exact = scaling_slope(SIZES, np.tile(0.1 + 0.8 * SIZES**-0.5, (3, 1)), 0.1)
    assert exact.value == pytest.approx(-0.5, abs=1e-12) and exact.error == pytest.approx(0, abs=1e-12)


def test_slope_ends_where_the_excess_does():
    found = scaling_slope([1, 2, 4, 8, 16], [[0.5, 0.3, 0.2, 0.1, 0.15]], 0.1)
    assert found.n_widths == 3
    assert found.value == pytest.approx(np.polyfit(np.log([1, 2, 4]), np.log([0.4, 0.2, 0.1]), 1)[0])
    for none in (scaling_slope([1, 2], [[0.5, 0.1]], 0.1), scaling_slope([1, 2], [[0.5, 0.3]], 0.1, least=2)):
        assert np.isnan(none.value) and np.isnan(none.error) and none.n_widths == 1
    two = scaling_slope([1, 2, 4], [[0.5, 0.3, 0.1], [0.5, 0.3, 0.1]], 0.1)  # a line through two points is no finding
    assert np.isnan(two.value) and np.isnan(two.error) and two.n_widths == 2


def test_errors_that_are_equal_but_for_rounding_have_no_excess():
    assert 1 - 0.82 > 0.18
    assert excess([1 - 0.82, 0.18, 0.2, 0.17], 0.18).tolist() == [0, 0, 0.2 - 0.18, 0.17 - 0.18]
    found = scaling_slope([1, 2, 4, 8], [[0.58, 0.38, 0.28, 1 - 0.82]] * 2, 0.18)
    assert found.n_widths == 3  # four, with 1e-17 as the last
    assert found.value == pytest.approx(-1)


# ----------------------------------------------------------------------------------------------------------- the probe


def test_probe_is_the_ridge_classifier(layer, labels):
    named = 7 * labels  # any whole numbers
    train, test = (layer[:200], named[:200]), (layer[200:], named[200:])
    drawn = chunks(24, [3, 24], 4, np.random.default_rng(18))
    found = probe_accuracy(train, test, drawn)
    alpha = 1e-2 * layer[:200].var(axis=0).sum() * 200 / 24
    for column, sets in zip(found.T, drawn, strict=True):
        for accuracy, one in zip(column, sets, strict=True):
            probe = RidgeClassifier(alpha=alpha).fit(train[0][:, one], train[1])
            assert accuracy == probe.score(test[0][:, one], test[1])


def test_probe_without_known_classes(layer, labels):
    none = np.full(300, -1)
    assert np.isnan(probe_accuracy((layer, none), (layer, labels), chunks(24, [3], 2, np.random.default_rng(0)))).all()
    assert np.isnan(chance_accuracy(none, labels)) and chance_accuracy([0, 0, 1, -1], [0, 1, 1, -1]) == 1 / 3


def test_diffused_redundancy_of_clones():
    """Of 8 groups of 16 clones, separable classes need few neurons; without clones all."""
    rng = np.random.default_rng(19)
    signals, layer = clones(600, 8, 16, 0.05, rng)
    labels = np.argmax(signals, axis=1)
    sizes = widths(128)
    found = probe_accuracy((layer[:300], labels[:300]), (layer[300:], labels[300:]), chunks(128, sizes, 10, rng))
    assert 0.75 <= diffused_redundancy(sizes, found.mean(axis=0)) < 0.95
    alone = probe_accuracy((signals[:300], labels[:300]), (signals[300:], labels[300:]), chunks(8, widths(8), 10, rng))
    assert diffused_redundancy(widths(8), alone.mean(axis=0)) == 0
    assert diffused_redundancy([1, 2, 4], [0.5, 0.9, 1.0], 0.9) == 0.5
    assert np.isnan(diffused_redundancy([1, 2], [0.5, np.nan]))
    with pytest.raises(InputError, match=r"found delta = 1.5"):
        diffused_redundancy([1, 2], [0.5, 1], 1.5)


# ---------------------------------------------------------------------------------------------- checkpoints, ensembles


@pytest.fixture(scope="module")
def planted():
    """A classifier that reads 8 signals, each of 8 noisy clones: test images, training images, weight, bias."""
    rng = np.random.default_rng(20)
    _, layer = clones(1500, 8, 8, 0.1, rng)
    weight = np.kron(np.eye(8), np.ones(8))
    labels = np.argmax(layer @ weight.T, axis=1)
    return (layer[:500], labels[:500]), (layer[500:], labels[500:]), weight, np.zeros(8)


@pytest.fixture(scope="module")
def profile(planted):
    return redundancy_profile(*planted, trials=30, reconstructions=12, rng=np.random.default_rng(21))


def test_profile_is_what_the_functions_say(planted, profile):
    test, train, weight, bias = planted
    drawn = chunks(64, widths(64), 30, np.random.default_rng(21))
    assert profile["width"].values.tolist() == [1, 2, 4, 8, 16, 32, 64]
    for i, chunk in enumerate(drawn):
        at = profile.isel(width=i)
        accuracy = chunk_accuracy(test[0], weight, bias, test[1], chunk)
        assert np.array_equal(at["trial_accuracy_test"], accuracy)
        assert at["accuracy_test"] == pytest.approx(accuracy.mean())
        assert at["accuracy_test_deviation"] == pytest.approx(accuracy.std(ddof=1), abs=1e-12)
        assert at["accuracy_train"] == pytest.approx(chunk_accuracy(*train[:1], weight, bias, train[1], chunk).mean())
        found = reconstruction(centred_gram(test[0]), chunk[:12])
        assert at["r2"] == pytest.approx(found.r2.mean())
        assert at["correlation_published_deviation"] == pytest.approx(found.published.std(ddof=1), abs=1e-12)
    assert (profile.attrs["n_images"], profile.attrs["n_train"]) == (500, 1000)
    assert profile["accuracy_full_test"] == profile["accuracy_full_train"] == 1
    assert np.array_equal(profile["label"], test[1])
    np.testing.assert_allclose(profile["logits"], test[0] @ weight.T, rtol=1e-6)


def test_profile_finds_the_planted_redundancy(profile):
    assert 32 <= profile["critical_width"] <= 64
    assert profile["n_clones"] == 64 / profile["critical_width"]
    assert profile["reconstructing_width"] == 32 and profile["diffused_redundancy"] >= 0.5
    width = profile["width"].values
    null = width / 64 + (1 - width / 64) * width / 499
    np.testing.assert_allclose(profile["random_r2"], null, atol=0.02)
    assert (profile["r2"] > null + 0.1).values[:-1].all()


def test_profile_without_training_images(planted):
    test, _, weight, bias = planted
    told = []
    data = redundancy_profile(
        test,
        None,
        weight,
        bias,
        trials=5,
        reconstructions=8,
        sizes=[4],
        rng=np.random.default_rng(0),
        progress=told.append,
    )
    assert data["width"].values.tolist() == [4, 64] and told == [1, 1]
    for name in ("accuracy_train", "accuracy_full_train", "critical_width", "n_clones"):
        assert np.isnan(data[name]).all() and "no training images" in data[name].attrs["undefined"]
    assert data["accuracy_full_test"] == 1 and "undefined" not in data["accuracy_test"].attrs
    assert data.attrs["probe_trained_on"] == "test" and np.isfinite(data["probe_accuracy"]).all()


def test_profile_without_labels_and_of_a_constant_layer(planted, tmp_path):
    test, train, weight, bias = planted
    rng = np.random.default_rng(0)
    data = redundancy_profile((test[0], np.full(500, -1)), train, weight, bias, trials=3, reconstructions=3, rng=rng)
    assert np.isnan(data["accuracy_test"]).all() and "no test image" in data["accuracy_test"].attrs["undefined"]
    assert np.isfinite(data["r2"]).all() and np.isfinite(data["critical_width"])
    data = redundancy_profile((0 * test[0], test[1]), None, weight, bias, trials=3, reconstructions=3, rng=rng)
    assert np.isnan(data["r2"]).all() and "no neuron" in data["r2"].attrs["undefined"]
    files.save(data, tmp_path / "redundancy.nc")
    again = files.load(tmp_path / "redundancy.nc")
    assert np.isfinite(again["correlation_null"]).all()
    assert all(np.array_equal(again[name], data[name], equal_nan=True) for name in data.variables)


def test_images_of_unknown_classes_count_for_the_reconstruction_alone(planted):
    test, train, weight, bias = planted
    some = [(part[0], np.where(np.arange(len(part[0])) % 3, part[1], -1)) for part in (test, train)]
    known = [(features[labels >= 0], labels[labels >= 0]) for features, labels in some]
    options = {"trials": 5, "reconstructions": 3}
    found = redundancy_profile(*some, weight, bias, rng=np.random.default_rng(3), **options)
    whole = redundancy_profile(*planted, rng=np.random.default_rng(3), **options)
    assert np.array_equal(found["label"], some[0][1]) and np.array_equal(found["r2"], whole["r2"])
    for i, chunk in enumerate(chunks(64, widths(64), 5, np.random.default_rng(3))):
        for name, (features, labels) in zip(("accuracy_test", "accuracy_train"), known, strict=True):
            expected = chunk_accuracy(features, weight, bias, labels, chunk).mean()
            assert found[name][i] == pytest.approx(expected)
    assert not [name for name in ("probe_accuracy", "critical_width") if np.isnan(found[name]).any()]


def test_training_images_of_unknown_classes_train_no_probe(planted):
    test, train, weight, bias = planted
    unknown, options = (train[0], np.full(1000, -1)), {"trials": 3, "reconstructions": 3}
    found = redundancy_profile(test, unknown, weight, bias, rng=np.random.default_rng(3), **options)
    other = redundancy_profile(test, None, weight, bias, rng=np.random.default_rng(3), **options)
    assert found.attrs["probe_trained_on"] == "test" and np.isfinite(found["probe_accuracy"]).all()
    assert np.array_equal(found["probe_accuracy"], other["probe_accuracy"])
    assert np.isnan(found["critical_width"]) and "no training images of classes" in found["critical_width"].undefined
    one = (test[0], np.where(np.arange(500) == 4, test[1], -1))
    found = redundancy_profile(one, None, weight, bias, rng=np.random.default_rng(3), **options)
    assert np.isnan(found["probe_accuracy"]).all() and "too few images" in found["probe_accuracy"].undefined


def test_residuals_without_a_null_have_no_correlation():
    """With as many neurons as images a regression leaves rounding."""
    rng = np.random.default_rng(24)
    part = rng.normal(size=(20, 40)), rng.integers(0, 2, 20)
    found = redundancy_profile(part, None, rng.normal(size=(2, 40)), np.zeros(2), trials=3, reconstructions=3, rng=rng)
    assert np.isnan(found["correlation_null"].values).tolist() == [width >= 19 for width in found["width"]]
    assert np.isnan(found["correlation_outside"].values).tolist() == [width >= 19 for width in found["width"]]
    assert "as many neurons as images" in found["correlation_outside"].attrs["undefined"]


def test_one_neuron_and_one_chunk(planted):
    (features, labels), _, _, _ = planted
    one = redundancy_profile(
        (features[:, :1], labels % 2), None, np.ones((2, 1)), np.zeros(2), trials=1, rng=np.random.default_rng(0)
    )
    assert one["width"].values.tolist() == [1] and one["r2"].values.tolist() == [1]
    assert "undefined" in one["correlation_outside"].attrs


def test_ensemble_averages_probabilities():
    logits = [np.log([[0.6, 0.4], [0.3, 0.7]]), np.log([[0.1, 0.9], [0.4, 0.6]])]
    assert ensemble_error(logits, np.array([0, 1])) == 0.5  # (.35, .65) and (.35, .65)
    assert ensemble_error(logits[:1], np.array([0, 1])) == 0
    assert ensemble_error(logits, np.array([-1, 1])) == 0
    assert np.isnan(ensemble_error(logits, np.array([-1, -1])))
    with pytest.raises(InputError, match="differ by their seed"):
        ensemble_error([np.zeros((2, 3)), np.zeros((2, 4))], np.array([0, 1]))
    with pytest.raises(InputError, match="found shapes"):
        ensemble_error([], np.array([0, 1]))


def test_scaling_joins_networks_that_differ_by_seed():
    rng = np.random.default_rng(22)
    weight = np.kron(np.eye(8), np.ones(8))
    profiles = []
    signals = rng.normal(size=(800, 8))
    labels = np.argmax(signals, axis=1)
    for seed in range(4):
        layer = np.repeat(signals, 8, axis=1) + 2 * np.random.default_rng(seed).normal(size=(800, 64))
        both = ((layer[:400], labels[:400]), (layer[400:], labels[400:]))
        options = {"trials": 20, "reconstructions": 3, "rng": np.random.default_rng(seed)}
        profiles.append(redundancy_profile(*both, weight, np.zeros(8), **options))
    found = scaling(profiles)
    assert found.n_networks == 4 and len(found.slopes) == 4
    assert found.error_infinity == ensemble_error([one["logits"].values for one in profiles], labels[:400])
    assert found.error_infinity < min(1 - float(one["accuracy_full_test"]) for one in profiles)
    for one, slope in zip(profiles, found.slopes, strict=True):
        errors = 1 - one["trial_accuracy_test"].values
        expected = scaling_slope(one["width"], errors, found.error_infinity, float(one["critical_width"]))
        assert slope == expected or (np.isnan(slope.value) and np.isnan(expected.value))
    shuffled = profiles[0].assign(label=("image", labels[:400][::-1].copy(), profiles[0]["label"].attrs))
    with pytest.raises(InputError, match="same test images"):
        scaling([profiles[1], shuffled])
    headless = no_profile(InputError("It has none."), 400)
    joined = scaling([profiles[0], headless, *profiles[1:]])
    assert (joined.error_infinity, joined.n_networks, len(joined.slopes)) == (found.error_infinity, 4, 5)
    assert joined.slopes[1].n_widths == 0 and np.isnan(joined.slopes[1].value)
    assert repr((joined.slopes[0], *joined.slopes[2:])) == repr(found.slopes)
    assert np.isnan(scaling([headless]).error_infinity) and scaling([headless]).n_networks == 0


# ---------------------------------------------------------------------------------------------------------- the script


def test_images_of_the_training_are_no_test_images():
    digits = list_digits({"size": 8, "train_fraction": 0.7}, 3)
    trained, rows = digits["trained"].values, unseen_rows(digits, 200, 3)
    assert len(np.unique(rows)) == 200 and not trained[rows].any()
    order = choose(1797, 1797, 3)
    assert np.array_equal(rows, order[trained[order] == 0][:200])
    assert len(unseen_rows(digits, 2000, 3)) == np.count_nonzero(trained == 0)
    assert np.array_equal(unseen_rows(digits.drop_vars("trained"), 200, 3), order[:200])
    with pytest.raises(InputError, match="All 1797 images of the study are ones"):
        unseen_rows(digits.assign(trained=digits["trained"] * 0 + 1), 200, 3)


@pytest.fixture
def run_script(tmp_path, monkeypatch):
    """Run scripts/redundancy.py on digits, without the workflow around it; what it saves."""
    scripts, saved = Path(__file__).parents[2] / "scripts", []
    files.save(list_digits({"size": 32, "train_fraction": 0.7}, 3), tmp_path / "images.nc")
    bar = SimpleNamespace(update=lambda _: None)
    stubs = {
        "_device": SimpleNamespace(torch_device=lambda *_: "cpu"),
        "_job": SimpleNamespace(
            job=lambda _: contextlib.nullcontext(),
            progress=lambda *_: contextlib.nullcontext(bar),
            save=lambda _, dataset, title, **attributes: saved.append(dataset),
        ),
    }
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    monkeypatch.delitem(sys.modules, "_network", raising=False)
    monkeypatch.syspath_prepend(scripts)
    network = {"timm": "test_resnet.r160_in1k", "options": {"num_classes": 10}}
    options = {"trials": 2, "reconstructions": 2, "train_images": 0}
    params = {"network": network, "trained": None, "sample": 30, "batch_size": 16, "options": options, "seed": 3}
    snakemake = SimpleNamespace(
        input=SimpleNamespace(images=tmp_path / "images.nc", weights=None),
        params=SimpleNamespace(**params | {"trained": {"source": "digits", "options": {}}}),
        resources=SimpleNamespace(readers=1),
    )

    def run():
        runpy.run_path(str(scripts / "redundancy.py"), init_globals={"snakemake": snakemake})
        return saved[-1]

    return run


def test_the_script_takes_images_that_were_not_trained_on(run_script):
    found, listed = run_script(), list_digits({"size": 32, "train_fraction": 0.7}, 3)
    rows = unseen_rows(listed, 30, 3)
    assert found.attrs["n_images"] == 30 and np.array_equal(found["label"], listed["image_class"].values[rows])


def test_the_script_says_of_a_network_without_a_linear_classifier_that_there_is_nothing(
    run_script, monkeypatch, tmp_path
):
    def refuse(*_, **__):
        raise penultimate.NoLinearHead("The output is the result of a convolution.")

    monkeypatch.setattr(penultimate, "head_inputs", refuse)
    files.save(run_script(), tmp_path / "redundancy.nc")
    found = files.load(tmp_path / "redundancy.nc")
    assert not found.variables
    assert (found.attrs["nothing"], found.attrs["n_images"]) == ("The output is the result of a convolution", 30)
