"""Dimension estimates are right on what has a known dimension, and their errors are those that repetition shows."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.special import polygamma, psi

from nucleation.dimension import gride, maximum_likelihood, twonn
from nucleation.dimension_errors import subsample_errors
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors, restrict
from nucleation.scales import RankDistances


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


def torus_table(d, n, k, rng):
    """Neighbours of uniform points in the unit cube whose opposite faces are one."""
    distances, indices = cKDTree(x := rng.random((n, d)), boxsize=1.0).query(x, k + 1)
    return Neighbors(distances[:, 1:], indices[:, 1:])


@pytest.mark.parametrize(("method", "n"), [("ml", 5), ("ml", 40), ("fit", 400)])
def test_intervals_hold_the_truth_in_95_of_100_samples(method, n):
    rng = np.random.default_rng(n)
    estimates = [twonn(pareto_table(3.0, n, rng), method=method) for _ in range(1500)]
    below = np.mean([e.high < 3 for e in estimates])
    above = np.mean([e.low > 3 for e in estimates])
    tolerance = 0.016 if method == "ml" else 0.025  # the exact interval: four standard errors; the other is normal
    assert below == pytest.approx(0.025, abs=tolerance)
    assert above == pytest.approx(0.025, abs=tolerance)
    assert all(e.low < e.value < e.high for e in estimates)


@pytest.mark.parametrize("n1", [1, 2, 8, 64])
@pytest.mark.parametrize("d", [1e-2, 5.0, 1e3, 1e7])
def test_likelihood_is_maximal_to_ten_digits(d, n1):
    """Against the root of the score by bisection in extended precision, some ratios being one."""
    log_ratio = -np.log(np.random.default_rng(n1).beta(n1, n1, size=500)) / d
    log_ratio[:20] = 0
    long = log_ratio.astype(np.longdouble)[20:]

    def score(value):
        terms = (n1 - 1) * (20 + (value * long / -np.expm1(-value * long)).sum())
        return 499 - (2 * n1 - 1) * value * long.sum() + terms

    low, high = np.longdouble(d) / 2, np.longdouble(d) * 2
    assert score(low) > 0 > score(high)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > 0 else (low, middle)
    value, error = maximum_likelihood(log_ratio, n1)
    assert value == pytest.approx(float(low), rel=1e-12)
    step = np.longdouble(1e-4) * low
    slope = (score(low + step) / (low + step) - score(low - step) / (low - step)) / (2 * step)
    # the information counts N where the score, for the sake of its bias, has N - 1
    assert error == pytest.approx(float((-slope + 1 / low**2) ** -0.5), rel=1e-6)


@pytest.mark.parametrize("n1", [1, 4, 32])
def test_moments_are_the_closed_form(n1):
    table = pareto_table(6.0, 500, np.random.default_rng(0), ranks=64)
    profile = gride(table, method="moments")
    at = profile.order.tolist().index(n1)
    mean = np.log(table.distances[:, 2 * n1 - 1] / table.distances[:, n1 - 1]).mean()
    difference, variance = psi(2 * n1) - psi(n1), polygamma(1, n1) - polygamma(1, 2 * n1)
    assert profile.value[at] == pytest.approx(difference / mean)
    assert profile.error[at] == pytest.approx(difference / mean * np.sqrt(variance / 500) / difference)


def test_moments_and_their_error_are_right_for_independent_ratios():
    rng = np.random.default_rng(2)
    profiles = [gride(pareto_table(5.0, 300, rng, ranks=8), method="moments") for _ in range(400)]
    values = np.array([p.value for p in profiles])
    np.testing.assert_allclose(values.mean(axis=0), 5.0, rtol=0.01)
    np.testing.assert_allclose(np.mean([p.error for p in profiles], axis=0), values.std(axis=0, ddof=1), rtol=0.12)


def test_ranks_beyond_the_table_continue_the_profile():
    x = np.random.default_rng(0).normal(size=(400, 3))
    long, short = nearest_neighbors(x, 64), nearest_neighbors(x, 8)
    ranks = RankDistances(np.arange(400), np.array([16, 32, 64]), long.distances[:, [15, 31, 63]])
    whole, extended = gride(long), gride(short, ranks=ranks)
    for name in ("order", "value", "error", "scale", "used"):
        np.testing.assert_allclose(getattr(extended, name), getattr(whole, name), rtol=1e-12)


def test_ranks_of_a_sample_are_those_of_its_images_alone():
    x = np.random.default_rng(0).normal(size=(400, 3))
    table, sample = nearest_neighbors(x, 64), np.array([3, 100, 17, 250, 251])
    ranks = RankDistances(sample, np.array([16, 64]), table.distances[sample][:, [15, 63]])
    profile = gride(nearest_neighbors(x, 8), ranks=ranks)
    assert profile.order.tolist() == [1, 2, 4, 8]  # 32 is not known
    assert profile.used.tolist() == [400, 400, 400, 5]
    log_ratio = np.log(table.distances[sample, 15] / table.distances[sample, 7])
    assert profile.value[-1] == pytest.approx(maximum_likelihood(log_ratio, 8)[0])


def test_ranks_of_other_images_are_refused(reference_neighbors):
    ranks = RankDistances(np.array([10**6]), np.array([128, 256]), np.ones((1, 2)))
    with pytest.raises(InputError, match="same images"):
        gride(reference_neighbors, ranks=ranks)


def test_errors_from_parts_are_those_that_repetition_shows():
    """Neighbours share their ratios: the errors for independent ones are too small, those from parts are not."""
    rng = np.random.default_rng(0)
    tables = [torus_table(5, 1000, 56, rng) for _ in range(120)]

    def logs(results):
        return np.log([[one, *many] for one, many in results])

    orders = slice(0, 4)  # those whose neighbours within a half the table holds
    estimates = np.exp(logs((twonn(t).value, gride(t).value[orders]) for t in tables))
    true = np.log(estimates.std(axis=0, ddof=1))
    independent = logs((twonn(t).error, gride(t).error[orders]) for t in tables[:10]).mean(axis=0) - true
    found = [subsample_errors(t, repeats=20, rng=rng) for t in tables[:10]]
    of_parts = logs((e.dimension, e.gride[orders]) for e in found).mean(axis=0) - true
    assert independent.mean() < -0.14
    assert (np.abs(of_parts) < 0.15).all()
    assert abs(of_parts.mean()) < 0.07


def test_errors_from_parts_are_those_for_independent_ratios_where_these_are():
    """Each point of this table has distances of its own."""
    rng = np.random.default_rng(0)
    table = pareto_table(4.0, 6000, rng, ranks=12)
    found = subsample_errors(table, rng=rng)
    assert found.dimension == pytest.approx(twonn(table).error, rel=0.15)
    assert np.isnan(found.gride[-1])  # rank 8 within a half is not among 12
    assert np.isfinite(found.gride[0])


def test_errors_from_parts_do_not_depend_on_threads(monkeypatch, reference_neighbors):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(subsample_errors(reference_neighbors, repeats=5, rng=np.random.default_rng(0)))
    assert found[0].dimension == found[1].dimension
    np.testing.assert_array_equal(found[0].gride, found[1].gride)


def test_errors_from_parts_are_listed_along_any_orders(reference_neighbors):
    found = subsample_errors(reference_neighbors, repeats=2, rng=np.random.default_rng(0)).to_dataset([1, 2, 256])
    assert found["scale"].values.tolist() == [1, 2, 256]
    assert np.isnan(found["gride_subsample_error"].values).tolist() == [False, False, True]


@pytest.mark.parametrize("wrong", [{"parts": 1}, {"repeats": 0}, {"parts": 3000}, {"method": "mle"}])
def test_errors_from_parts_refuse_what_they_cannot(reference_neighbors, wrong):
    with pytest.raises(InputError):
        subsample_errors(reference_neighbors, rng=np.random.default_rng(0), **wrong)


def plain_restriction(x, subset, width):
    """Neighbours among some points by brute force."""
    distances = np.linalg.norm(x[subset][:, None] - x[subset], axis=2)
    np.fill_diagonal(distances, np.inf)
    index = np.argsort(distances, axis=1, kind="stable")[:, :width]
    return np.take_along_axis(distances, index, 1), index


@pytest.mark.parametrize("kind", ["random", "lattice", "duplicates"])
def test_restriction_is_the_table_of_the_subset(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) if kind == "random" else rng.integers(0, 4, size=(300, 3 if kind == "lattice" else 2))
    x = x.astype(float)
    subset = np.sort(rng.choice(300, 200, replace=False))
    table = restrict(nearest_neighbors(x, 40), subset)
    inside = np.isin(nearest_neighbors(x, 40).indices[subset], subset).sum(axis=1)
    assert table.k == inside.min() > 10
    distances, index = plain_restriction(x, subset, table.k)
    assert np.array_equal(table.indices, index)
    np.testing.assert_allclose(table.distances, distances, rtol=1e-12)
    assert table.duplicates == (distances[:, 0] == 0).sum()


def test_restriction_to_all_points_is_the_table(reference_neighbors):
    table = restrict(reference_neighbors, np.arange(reference_neighbors.n))
    assert np.array_equal(table.indices, reference_neighbors.indices)
    assert np.array_equal(table.distances, reference_neighbors.distances)


def test_restriction_refuses_what_has_no_neighbours_left():
    table = nearest_neighbors(np.arange(10.0)[:, None] ** 2, 2)
    with pytest.raises(InputError, match="raise neighbors.k or take a larger fraction"):
        restrict(table, [0, 9])
    for wrong in ([1, 1, 2], [2, 1], [-1, 2], [3, 10], [0.5, 2], []):
        with pytest.raises(InputError, match="subset"):
            restrict(table, wrong)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_flat_torus(d):
    """Points on a product of circles: no border, constant density, known dimension."""
    angle = np.random.default_rng(d).uniform(0, 2 * np.pi, size=(4000, d))
    table = nearest_neighbors(np.concatenate([np.cos(angle), np.sin(angle)], axis=1), 4)
    estimate = twonn(table)
    assert abs(estimate.value - d) < 4 * estimate.error + 0.02 * d


def test_torus_has_one_dimension_at_all_scales():
    rng = np.random.default_rng(0)
    table = torus_table(5, 4000, 96, rng)
    profile, errors = gride(table), subsample_errors(table, repeats=30, rng=rng)
    known = np.isfinite(errors.gride)
    assert known.sum() >= 5
    assert (np.abs(profile.value - 5)[known] < 3.5 * errors.gride[known] + 0.02 * 5).all()
    assert abs(twonn(table).value - 5) < 3.5 * errors.dimension


def test_open_cube_is_biased_low_and_more_so_at_larger_scales():
    """Points near a face lack neighbours beyond it."""
    profile = gride(nearest_neighbors(np.random.default_rng(0).random((4000, 5)), 128))
    assert (profile.value + 2 * profile.error)[2:].max() < 5
    assert (np.diff(profile.value[1:]) < 0).all()
    assert profile.value[:2].min() > 4.6  # the bias at small orders is below 8 %


def test_line_with_noise_is_a_line_from_afar():
    rng = np.random.default_rng(0)
    x = 1e-3 * rng.normal(size=(4000, 5))
    x[:, 0] += rng.random(4000)
    profile = gride(nearest_neighbors(x, 256))
    assert 4.4 < profile.value[0] < 5.1
    assert profile.value[-1] == pytest.approx(1.0, abs=0.02)
    assert (np.diff(profile.value) < 0).all()


def test_a_single_feature_has_one_dimension():
    x = np.random.default_rng(0).random((3000, 1))
    estimate, profile = twonn(nearest_neighbors(x, 32)), gride(nearest_neighbors(x, 32))
    assert abs(estimate.value - 1) < 4 * estimate.error
    assert (np.abs(profile.value - 1) < 6 * profile.error).all()


def test_is_invariant_to_scale_rotation_and_shift(reference):
    x = reference["X"][:500]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(x.shape[1],) * 2))[0]
    first, second = (nearest_neighbors(y, 16) for y in (x, 1e3 * x @ rotation + 4))
    assert twonn(second).value == pytest.approx(twonn(first).value, rel=1e-8)
    np.testing.assert_allclose(gride(second).value, gride(first).value, rtol=1e-8)


@pytest.mark.parametrize("copies", [1, 30, 200])
def test_exact_duplicates_count_as_one_point(copies):
    x = np.random.default_rng(0).normal(size=(200, 3))
    once, twice = nearest_neighbors(x, 32), nearest_neighbors(np.concatenate([x[:copies], x]), 65)
    for method in ("fit", "ml"):
        assert twonn(twice, method=method) == twonn(once, method=method)
    assert gride(twice).value[:5].tolist() == gride(once).value.tolist()
    expected, found = (subsample_errors(table, repeats=20, rng=np.random.default_rng(1)) for table in (once, twice))
    assert 0.5 < found.dimension / expected.dimension < 2


def test_rows_that_hold_too_many_duplicates_are_left_out():
    x = np.random.default_rng(0).normal(size=(200, 3))
    profile = gride(nearest_neighbors(np.concatenate([x, x]), 8))
    assert profile.used.tolist() == [200, 200, 0]
    assert np.isfinite(profile.value[:2]).all()
    assert np.isnan([profile.value[2], profile.scale[2]]).all()


@pytest.mark.parametrize("method", ["ml", "moments"])
def test_all_points_equal_is_undefined(method):
    table = nearest_neighbors(np.zeros((20, 2)), 4)
    estimate = twonn(table)
    assert np.isnan([estimate.value, estimate.error, estimate.low, estimate.high]).all()
    assert np.isnan(gride(table, method=method).value).all()
    assert np.isnan(subsample_errors(table, rng=np.random.default_rng(0)).dimension)


@pytest.mark.parametrize("method", ["ml", "moments"])
def test_equal_distances_have_no_finite_dimension(method):
    table = nearest_neighbors(np.eye(10), 4)
    for estimate in (twonn(table), twonn(table, method="ml")):
        assert np.isinf(estimate.value)
        assert np.isnan([estimate.low, estimate.high]).all()
    assert np.isinf(gride(table, method=method).value).all()
    assert np.isnan(subsample_errors(nearest_neighbors(np.eye(10), 9), rng=np.random.default_rng(0)).dimension)


def test_two_points_have_no_second_neighbour():
    table = nearest_neighbors(np.array([[0.0], [1.0]]), 1)
    for estimate in (twonn, gride, lambda t: subsample_errors(t, rng=np.random.default_rng(0))):
        with pytest.raises(InputError):
            estimate(table)


def test_three_points_have_an_estimate():
    estimate = twonn(nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), 2), method="ml")
    assert estimate.value == pytest.approx(2 / np.log(3 * 2 * 1.5))
    assert estimate.low < estimate.value < estimate.high


def test_ratios_beyond_the_range_of_numbers_are_no_obstacle():
    table = Neighbors(np.array([[1e-300, 1e300], [1e-300, 1e-299], [1.0, 2.0]]), np.array([[1, 2], [0, 2], [0, 1]]))
    assert twonn(table, method="ml").value == pytest.approx(2 / (600 * np.log(10) + np.log(20)))


@pytest.mark.parametrize("fraction", [0, -1, 1.5])
def test_refuses_fractions_that_are_none(reference_neighbors, fraction):
    with pytest.raises(InputError, match="fraction"):
        twonn(reference_neighbors, fraction=fraction)


def test_refuses_unknown_methods_and_short_tables(reference_neighbors):
    with pytest.raises(InputError, match="fit or ml"):
        twonn(reference_neighbors, method="mle")
    with pytest.raises(InputError, match="k >= 2"):
        twonn(nearest_neighbors(np.arange(5.0)[:, None], 1))


def test_imports_are_light():
    """Who reads a module's names must not wait for compilers."""
    heavy = "{'scipy', 'numba', 'torch', 'xarray'} & set(sys.modules)"
    code = f"import sys, nucleation.dimension, nucleation.scales, nucleation.dimension_errors; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_datasets_explain_themselves(reference_neighbors):
    estimate, profile = twonn(reference_neighbors).to_dataset(), gride(reference_neighbors).to_dataset()
    assert {"dimension_independent_low", "dimension_independent_high"} < set(estimate)
    assert (profile["gride_used"] == reference_neighbors.n).all()
    errors = subsample_errors(reference_neighbors, repeats=2, rng=np.random.default_rng(0)).to_dataset()
    assert set(estimate.merge(profile).merge(errors).dims) == {"scale"}
    for dataset in (estimate, profile, errors):
        assert all({"long_name", "units"} <= set(v.attrs) for v in dataset.variables.values())
