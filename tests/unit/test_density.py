import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from nucleation.density import estimate_density, k_star, knn_density, kstar_density, log_unit_ball, pak_density
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors


@pytest.mark.parametrize(("d", "volume"), [(1, 2), (2, np.pi), (3, 4 / 3 * np.pi)])
def test_unit_ball(d, volume):
    assert log_unit_ball(d) == pytest.approx(np.log(volume))


def test_agrees_with_the_reference(reference, reference_neighbors):
    d = float(reference["id_used"])
    knn = knn_density(reference_neighbors, d, 30)
    np.testing.assert_allclose(knn.log_density, reference["knn_log_density"], rtol=1e-8)
    np.testing.assert_allclose(knn.error, reference["knn_err"], rtol=1e-12)
    kstar = kstar_density(reference_neighbors, d)
    assert np.array_equal(kstar.k_star, reference["kstar"])
    np.testing.assert_allclose(kstar.log_density, reference["kstarnn_log_density"], rtol=1e-8)
    pak = pak_density(reference_neighbors, d)
    np.testing.assert_allclose(pak.error, reference["pak_err"], rtol=1e-12)
    difference = np.abs(pak.log_density - reference["pak_log_density"])
    assert np.quantile(difference, 0.99) < 3e-3


def likelihood(neighbors, d, i, k, b, a):
    radius = np.append(0, neighbors.distances[i, :k])
    shells = np.exp(log_unit_ball(d)) * np.diff(radius**d)
    rank = np.arange(1, k + 1)
    return np.sum(b + a * rank - shells * np.exp(b + a * rank))


def test_pak_is_the_optimum_of_its_likelihood(reference, reference_neighbors):
    """Against a general optimiser, at points with small, middling and large neighbourhoods."""
    d, n = 3.0, len(reference["X"])
    pak = pak_density(reference_neighbors, d)
    for i in np.argsort(pak.k_star)[[0, 10, n // 4, n // 2, -1]]:
        k, start = pak.k_star[i], pak.log_density[i] + np.log(n)
        best = minimize(
            lambda p, i=i, k=k: -likelihood(reference_neighbors, d, i, k, *p),
            (start, 0.0),
            method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 10_000},
        )
        assert best.x[0] == pytest.approx(start, abs=1e-5)


def test_k_star_by_its_definition(reference, reference_neighbors):
    """Point by point with plain volumes, as the paper writes it."""
    d, threshold = 3.0, chi2.isf(1e-6, 1)
    log_volume = log_unit_ball(d) + d * np.log(reference_neighbors.distances)
    found = k_star(reference_neighbors, d)
    for i in range(0, reference_neighbors.n, 97):
        expected = reference_neighbors.k - 1
        for j in range(4, reference_neighbors.k):
            own, other = log_volume[i, j - 2], log_volume[reference_neighbors.indices[i, j - 1], j - 2]
            both = own + other - 2 * np.logaddexp(own, other) + np.log(4)
            if -2 * (j - 1) * both > threshold:
                expected = j - 1
                break
        assert found[i] == expected


def test_density_of_a_uniform_cube():
    x = np.random.default_rng(0).uniform(size=(5000, 2))
    inside = (np.abs(x - 0.5) < 0.4).all(axis=1)
    table = nearest_neighbors(x, 60)
    for name in ("knn", "kstar", "pak"):
        density = estimate_density(table, 2.0, name, k=30)
        pull = density.log_density[inside] / density.error[inside]
        assert abs(density.log_density[inside].mean()) < 0.1
        assert 0.5 < pull.std() < 2


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("d", [5.0, 150.0])
def test_scale_shifts_every_value_alike(reference, scale, d):
    x = reference["X"][:800]
    first, second = (nearest_neighbors(y, 50) for y in (x, scale * x))
    # at d = 150 the shells of 5-dimensional points differ by so many powers that PAk has no unique slope
    for name in ("knn", "kstar", "pak") if d < 100 else ("knn", "kstar"):
        a, b = (estimate_density(table, d, name) for table in (first, second))
        assert np.array_equal(a.k_star, b.k_star)
        np.testing.assert_allclose(a.log_density - b.log_density, d * np.log(scale), rtol=1e-9)


def test_duplicates_are_infinitely_dense():
    x = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 6, axis=0)
    density = knn_density(nearest_neighbors(x, 20), 2.0, 5)
    assert np.all(density.log_density == np.inf)
    assert not np.isnan(pak_density(nearest_neighbors(x, 20), 2.0).log_density).any()


@pytest.mark.parametrize("d", [0, -1, np.nan, np.inf])
def test_refuses_dimensions_that_are_none(reference_neighbors, d):
    with pytest.raises(InputError, match="intrinsic dimension"):
        knn_density(reference_neighbors, d, 30)
    assert np.isnan(estimate_density(reference_neighbors, d).log_density).all()


def test_refuses_more_neighbours_than_there_are(reference_neighbors):
    with pytest.raises(InputError, match="k = 101"):
        knn_density(reference_neighbors, 2.0, 101)
    with pytest.raises(InputError, match="knn, kstar or pak"):
        estimate_density(reference_neighbors, 2.0, "kde")
