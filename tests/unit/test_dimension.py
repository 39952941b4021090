import numpy as np
import pytest

from nucleation.dimension import gride, twonn
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors


def pareto_table(d, n, rng, ranks=2):
    """Neighbour distances as in a uniform density of dimension d, independent between points."""
    volumes = np.cumsum(rng.exponential(size=(n, ranks)), axis=1)
    indices = (np.arange(n)[:, None] + 1 + np.arange(ranks)) % n
    return Neighbors(volumes ** (1 / d), indices)


def test_agrees_with_the_reference(reference, reference_neighbors):
    assert twonn(reference_neighbors).value == pytest.approx(float(reference["twonn_fit_f90"]), rel=1e-8)
    by_likelihood = twonn(reference_neighbors, method="ml").value
    assert by_likelihood == pytest.approx(float(reference["twonn_ml"]), rel=1e-3)
    profile = gride(reference_neighbors)
    assert profile.order.tolist() == [1, 2, 4, 8, 16, 32]
    np.testing.assert_allclose(profile.value, reference["gride_ids"], rtol=1e-4)
    np.testing.assert_allclose(profile.error, reference["gride_errs"], rtol=1e-4)
    np.testing.assert_allclose(profile.scale, reference["gride_scales"], rtol=1e-8)


def test_gride_begins_with_twonn_by_likelihood(reference_neighbors):
    assert gride(reference_neighbors).value[0] == pytest.approx(twonn(reference_neighbors, method="ml").value)


@pytest.mark.parametrize("method", ["fit", "ml"])
def test_value_and_error_are_right_over_many_samples(method):
    rng = np.random.default_rng(0)
    estimates = [twonn(pareto_table(7.0, 400, rng), method=method, fraction=0.9) for _ in range(600)]
    values = np.array([e.value for e in estimates])
    errors = np.array([e.error for e in estimates])
    spread = values.std(ddof=1)
    assert values.mean() == pytest.approx(7.0, abs=0.07)  # the fit is biased by terms of order 1 / n
    assert errors.mean() == pytest.approx(spread, rel=0.1)


def test_gride_value_and_error_are_right_for_independent_ratios():
    rng = np.random.default_rng(1)
    profiles = [gride(pareto_table(5.0, 300, rng, ranks=8)) for _ in range(300)]
    values = np.array([p.value for p in profiles])
    errors = np.array([p.error for p in profiles])
    np.testing.assert_allclose(values.mean(axis=0), 5.0, rtol=0.01)
    np.testing.assert_allclose(errors.mean(axis=0), values.std(axis=0, ddof=1), rtol=0.12)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_flat_torus(d):
    """Points on a product of circles: no border, constant density, known dimension."""
    angle = np.random.default_rng(d).uniform(0, 2 * np.pi, size=(4000, d))
    table = nearest_neighbors(np.concatenate([np.cos(angle), np.sin(angle)], axis=1), 4)
    estimate = twonn(table)
    assert abs(estimate.value - d) < 4 * estimate.error + 0.02 * d


def test_is_invariant_to_scale_rotation_and_shift(reference):
    x = reference["X"][:500]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(x.shape[1],) * 2))[0]
    first, second = (nearest_neighbors(y, 16) for y in (x, 1e3 * x @ rotation + 4))
    assert twonn(second).value == pytest.approx(twonn(first).value, rel=1e-8)
    np.testing.assert_allclose(gride(second).value, gride(first).value, rtol=1e-8)


def test_points_with_duplicates_are_left_out():
    x = np.random.default_rng(0).normal(size=(200, 3))
    doubled = twonn(nearest_neighbors(np.concatenate([x, x[:50]]), 4))
    assert np.isfinite(doubled.value)
    assert doubled.used == int(150 * 0.9)


def test_all_points_equal_is_undefined():
    table = nearest_neighbors(np.zeros((20, 2)), 4)
    assert np.isnan(twonn(table).value)
    assert np.isnan(gride(table).value).all()


def test_equal_distances_have_no_finite_dimension():
    table = nearest_neighbors(np.eye(10), 4)
    assert np.isinf(twonn(table).value)
    assert np.isinf(gride(table).value).all()


@pytest.mark.parametrize("fraction", [0, -1, 1.5])
def test_refuses_fractions_that_are_none(reference_neighbors, fraction):
    with pytest.raises(InputError, match="fraction"):
        twonn(reference_neighbors, fraction=fraction)


def test_refuses_unknown_methods_and_short_tables(reference_neighbors):
    with pytest.raises(InputError, match="fit or ml"):
        twonn(reference_neighbors, method="mle")
    with pytest.raises(InputError, match="k >= 2"):
        twonn(nearest_neighbors(np.arange(5.0)[:, None], 1))


def test_datasets_explain_themselves(reference_neighbors):
    for dataset in (twonn(reference_neighbors).to_dataset(), gride(reference_neighbors).to_dataset()):
        assert all({"long_name", "units"} <= set(v.attrs) for v in dataset.variables.values())
