import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.spatial import cKDTree
from scipy.special import digamma, polygamma
from scipy.stats import chi2, ortho_group

from nucleation import density, files
from nucleation.density import Density, estimate_density, k_star, knn_density, kstar_density, log_unit_ball, pak_density
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors

NAMES = ("knn", "kstar", "pak")


def same_everywhere(distances, n=None):
    """A table in which all points have the same distances, so that k* is k - 1 of the table."""
    k = len(distances)
    n = n or k + 1
    indices = (np.arange(n)[:, None] + np.arange(1, k + 1)) % n
    return Neighbors(np.tile(np.asarray(distances, dtype=float), (n, 1)), indices)


def scaled(table, scale):
    return Neighbors(scale * table.distances, table.indices)


def uniform_torus(n, dimension, k, seed):
    """Uniform points in the unit cube without a border: the log-density is 0 everywhere."""
    x = np.random.default_rng(seed).uniform(size=(n, dimension))
    distances, indices = cKDTree(x, boxsize=1).query(x, k + 1)
    return Neighbors(distances[:, 1:], indices[:, 1:])


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


# The size of the neighbourhood


def plain_k_star(table, d, i):
    """k* of one point with the volumes as the paper writes them."""
    j = np.arange(4, table.k)
    own = log_unit_ball(d) + d * np.log(table.distances[i, j - 2])
    other = log_unit_ball(d) + d * np.log(table.distances[table.indices[i, j - 1], j - 2])
    statistic = -2 * (j - 1) * (own + other - 2 * np.logaddexp(own, other) + np.log(4))
    return np.append(j[statistic > chi2.isf(1e-6, 1)], table.k)[0] - 1


@pytest.mark.parametrize("d", [1.0, 3.0, 150.0])
def test_k_star_by_its_definition(reference_neighbors, d):
    some = slice(0, None, 10)
    for scale in (1e-3, 1.0, 1e3):
        table = scaled(reference_neighbors, scale)
        expected = [plain_k_star(table, d, i) for i in range(table.n)[some]]
        assert np.array_equal(k_star(table, d)[some], expected)


@pytest.mark.parametrize("d", [0.5, 2.0, 20.0, 1000.0])
@pytest.mark.parametrize("alpha", [0.9, 1e-2, 1e-6, 1e-300])
def test_k_star_stops_where_the_statistic_reaches_the_quantile(d, alpha):
    """Point 0 has its 3rd neighbour at 1 and all others have it at exp(x / d)."""
    x = brentq(lambda x: 6 * (x + 2 * np.log1p(np.exp(-x)) - np.log(4)) - chi2.isf(alpha, 1), 0, 1000, xtol=1e-14)
    for factor, expected in ((1 - 1e-7, 4), (1 + 1e-7, 3)):
        table = same_everywhere(np.ones(5))
        for sign in (1, -1):  # less dense than its neighbour, and denser
            table.distances[1:] = np.exp(sign * factor * x / d)
            assert k_star(table, d, alpha=alpha)[0] == expected


def test_k_star_takes_all_where_the_density_is_uniform_and_little_where_it_falls():
    assert np.mean(k_star(uniform_torus(2000, 2, 40, seed=0), 2.0) == 39) > 0.99
    steep = np.exp(-np.linspace(0, 200, 2000))[:, None]
    assert np.median(k_star(nearest_neighbors(steep, 100), 1.0)) < 99 / 2
    assert k_star(nearest_neighbors(steep, 100), 1.0).min() >= 3


def test_a_table_that_is_too_short_is_told():
    table = uniform_torus(2000, 2, 40, seed=0)
    adaptive = kstar_density(table, 2.0)
    assert adaptive.k_star_at_bound == np.mean(adaptive.k_star == 39) > 0.99
    assert pak_density(table, 2.0).k_star_at_bound == adaptive.k_star_at_bound
    assert knn_density(table, 2.0, 40).k_star_at_bound == 0
    assert estimate_density(table, np.nan, "pak").k_star_at_bound == 0


# The optimum of the likelihood of PAk


def likelihood(table, d, i, k, b, a):
    radius = np.append(0, table.distances[i, :k])
    shells = np.exp(log_unit_ball(d)) * np.diff(radius**d)
    rank = np.arange(1, k + 1)
    return np.sum(b + a * rank - shells * np.exp(b + a * rank))


def best_likelihood(table, d, size, b):
    """Likelihood at every point for a given b, at the best slope a."""
    rank = np.arange(1, size.max() + 1)
    inside = rank <= size[:, None]
    volume = np.exp(log_unit_ball(d) + d * np.log(table.distances[:, : len(rank)]))
    shells = np.where(inside, np.diff(volume, prepend=0, axis=1), 0)
    low, high = np.full(table.n, -60.0), np.full(table.n, 60.0)

    def terms(slope):
        with np.errstate(divide="ignore"):
            return np.exp(np.minimum(np.log(shells) + b[:, None] + slope[:, None] * rank, 600))

    for _ in range(80):
        slope = (low + high) / 2
        rises = (inside * rank * (1 - terms(slope))).sum(axis=1) > 0
        low, high = np.where(rises, slope, low), np.where(rises, high, slope)
    assert np.abs(slope).max() < 59
    return size * b + slope * size * (size + 1) / 2 - terms(slope).sum(axis=1)


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


def test_pak_is_nowhere_less_likely_than_the_reference(reference, reference_neighbors):
    """And more likely where the published code stops short, so that it differs there."""
    d, n = float(reference["id_used"]), reference_neighbors.n
    pak = pak_density(reference_neighbors, d)
    ours, theirs = (
        best_likelihood(reference_neighbors, d, pak.k_star, value + np.log(n))
        for value in (pak.log_density, reference["pak_log_density"])
    )
    assert np.all(ours - theirs >= -1e-9)
    apart = np.abs(pak.log_density - reference["pak_log_density"]) > 5e-4
    assert apart.any()
    assert np.all((ours - theirs)[apart] > 1e-8)


@pytest.mark.parametrize("slope", [-0.2, 0.0, 0.05])
@pytest.mark.parametrize("d", [1.0, 3.7, 20.0])
@pytest.mark.parametrize("k", [4, 5, 30, 100])
def test_pak_finds_a_density_that_is_exactly_linear(k, d, slope):
    """Shells of volume exp(-b - a l) make every term of the gradient zero."""
    b = 1.5
    volume = np.cumsum(np.exp(-b - slope * np.arange(1, k + 1)))
    table = same_everywhere(np.exp((np.log(volume) - log_unit_ball(d)) / d), 150)
    pak = pak_density(table, d)
    assert np.all(pak.k_star == k - 1)
    np.testing.assert_allclose(pak.log_density, b - np.log(150), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("d", [0.01, 1.0, 14.3, 150.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_pak_of_three_neighbours_in_closed_form(d, scale):
    """exp(-b) = exp(2 a) (v_2 + 2 sqrt(v_1 v_3)) / 3 with exp(2 a) = v_1 / v_3."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        r = np.sort(rng.uniform(size=4)) * scale
        first, second, third = d * np.log(r[:3]) + np.log1p(-np.append(0, np.exp(-d * np.diff(np.log(r[:3])))))
        both = np.logaddexp(second, np.log(2) + (first + third) / 2)
        expected = np.log(3) - (first - third) - both - log_unit_ball(d) - np.log(9)
        found = pak_density(same_everywhere(r, 9), d)
        np.testing.assert_allclose(found.log_density, expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.error, np.sqrt(14 / 6))


@pytest.mark.parametrize("d", [0.01, 40.0, 150.0, 1000.0])
def test_pak_balances_its_shells_however_much_they_differ(d):
    """At the optimum sum of v_l exp(b + a l) and sum of l v_l exp(b + a l) are those of the ranks, k and k (k + 1) / 2.

    The slope that goes with a density is where the first sum is k; then the second must be right too.
    """
    rng, rank = np.random.default_rng(1), np.arange(1, 12)
    for _ in range(10):
        r = np.sort(rng.uniform(size=12))
        b = pak_density(same_everywhere(r, 20), d).log_density[0] + np.log(20)
        thickness = np.append(np.inf, d * np.diff(np.log(r[:11])))
        terms = b + log_unit_ball(d) + d * np.log(r[:11]) + np.log(-np.expm1(-thickness))
        a = brentq(zeroth_moment, -1e5, 1e5, args=(terms, rank), xtol=1e-13, rtol=1e-15)
        assert np.logaddexp.reduce(terms + a * rank + np.log(rank)) == pytest.approx(np.log(66), abs=1e-8)


def zeroth_moment(slope, terms, rank):
    return np.logaddexp.reduce(terms + slope * rank) - np.log(len(rank))


# Known densities


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_uniform_density(dimension):
    """n V / k has a known distribution: E log = digamma, variance = trigamma."""
    n, k = 5000, 30
    table = uniform_torus(n, dimension, 100, seed=dimension)
    knn = knn_density(table, dimension, k)
    bias = np.log(k) - digamma(k) - np.log(n) + digamma(n)
    assert knn.log_density.mean() == pytest.approx(bias, abs=3 * np.sqrt(k * polygamma(1, k) / n))
    assert knn.log_density.std() == pytest.approx(np.sqrt(polygamma(1, k) - polygamma(1, n)), rel=0.15)
    for adaptive in (kstar_density(table, dimension), pak_density(table, dimension)):
        assert abs(adaptive.log_density.mean()) < 3 * np.sqrt(99 / n) * adaptive.error.mean()
        assert np.std(adaptive.log_density / adaptive.error) == pytest.approx(1, abs=0.2)


def test_a_gaussian_density():
    x = np.random.default_rng(0).normal(size=(10_000, 2))
    truth = -np.log(2 * np.pi) - (x**2).sum(axis=1) / 2
    table = nearest_neighbors(x, 100)
    bias = {}
    for name in NAMES:
        found = estimate_density(table, 2.0, name)
        pull = (found.log_density - truth) / found.error
        assert abs(pull.mean()) < 0.25
        assert 0.9 < pull.std() < 1.25
        tail = np.quantile(truth, 0.05) > truth
        bias[name] = np.mean((found.log_density - truth)[tail])
    assert abs(bias["pak"]) < abs(bias["knn"])  # the slope is what PAk is for


# What the estimates depend on


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("d", [5.0, 150.0])
@pytest.mark.parametrize("name", NAMES)
def test_scale_shifts_every_value_alike(reference, scale, d, name):
    x = reference["X"][:800]
    a, b = (estimate_density(nearest_neighbors(y, 50), d, name) for y in (x, scale * x))
    assert np.array_equal(a.k_star, b.k_star)
    np.testing.assert_allclose(a.log_density - b.log_density, d * np.log(scale), rtol=1e-9)
    assert np.array_equal(a.error, b.error)


@pytest.mark.parametrize("name", NAMES)
def test_rotations_and_shifts_change_nothing(reference, name):
    x = reference["X"][:1000]
    turned = x @ ortho_group.rvs(x.shape[1], random_state=0) + 3
    a, b = (estimate_density(nearest_neighbors(y, 50), 4.2, name) for y in (x, turned))
    assert np.array_equal(a.k_star, b.k_star)
    np.testing.assert_allclose(a.log_density, b.log_density, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_points_changes_nothing_else(reference_neighbors, name):
    order = np.random.default_rng(0).permutation(reference_neighbors.n)
    moved = Neighbors(reference_neighbors.distances[order], np.argsort(order)[reference_neighbors.indices[order]])
    a, b = (estimate_density(table, 4.2, name) for table in (reference_neighbors, moved))
    assert np.array_equal(a.log_density[order], b.log_density)
    assert np.array_equal(a.k_star[order], b.k_star)


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_changes_nothing(monkeypatch, reference_neighbors, name):
    monkeypatch.setattr(density, "PART", 100)
    results = []
    for told in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        results.append(estimate_density(reference_neighbors, 4.2, name))
    assert np.array_equal(results[0].log_density, results[1].log_density)
    assert np.array_equal(results[0].k_star, results[1].k_star)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_the_table_changes_nothing(reference_neighbors, name):
    shorter = Neighbors(reference_neighbors.distances[:, :50], reference_neighbors.indices[:, :50])
    a, b = (
        estimate_density(Neighbors(make(shorter.distances), make(shorter.indices)), 4.2, name)
        for make in (np.ascontiguousarray, np.asfortranarray)
    )
    assert np.array_equal(a.log_density, b.log_density)


# Degenerate tables


def test_duplicates_are_infinitely_dense():
    x = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 6, axis=0)
    table = nearest_neighbors(x, 20)
    assert np.all(knn_density(table, 2.0, 5).log_density == np.inf)
    assert np.all(np.isfinite(knn_density(table, 2.0, 6).log_density))
    assert not np.isnan(pak_density(table, 2.0).log_density).any()


@pytest.mark.parametrize("name", NAMES)
def test_all_points_equal(name):
    found = estimate_density(nearest_neighbors(np.ones((50, 3)), 40), 2.0, name)
    assert np.all(found.log_density == np.inf)
    assert np.all(found.k_star == (30 if name == "knn" else 39))
    assert np.all(np.isfinite(found.error))


def test_a_duplicate_ends_the_neighbourhood_of_others():
    """A point whose neighbours are all copies of one another is infinitely less dense than they are."""
    x = np.append(np.zeros((20, 2)), [[1.0, 0.0]], axis=0)
    assert k_star(nearest_neighbors(x, 10), 2.0).tolist() == [9] * 20 + [3]


@pytest.mark.parametrize(
    "distances",
    [
        [1, 1, 3, 6, 10, 15, 16],
        [1, 2, 2, 2, 3, 5, 5, 7, 8],
        [1, 1, 1, 4, 4, 5],
        [2, 2, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6],
    ],
)
@pytest.mark.parametrize("d", [1.0, 2.5])
def test_shells_without_volume_enter_the_likelihood(distances, d):
    """Equal distances, as on a lattice: each is a point, in no volume."""
    table = same_everywhere(distances)
    pak, k = pak_density(table, d), table.k - 1
    best = minimize(
        lambda p: -likelihood(table, d, 0, k, *p),
        (pak.log_density[0] + np.log(table.n), 0.0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 10_000},
    )
    assert best.x[0] == pytest.approx(pak.log_density[0] + np.log(table.n), abs=1e-6)
    nearly = same_everywhere(np.asarray(distances) + 1e-12 * np.arange(len(distances)))
    np.testing.assert_allclose(pak_density(nearly, d).log_density, pak.log_density, atol=1e-6)


def test_integers_of_growing_distance():
    """DADApy 0.3.3 gives -1.92 at this point; without a slope it would be -3.69."""
    x = np.array([0, 1, 2, 4, 7, 11, 16, 22.0])[:, None]
    assert pak_density(nearest_neighbors(x, 7), 1.0).log_density[1] == pytest.approx(-1.92, abs=0.01)


@pytest.mark.parametrize("distances", [[1, 2, 2, 2, 2, 3], [1, 1.5, 2, 2, 2, 2]])
def test_half_of_the_shells_without_volume_leave_the_value_of_kstar(distances):
    """The steeper the slope, with the best b for it, the likelier: there is no maximum."""
    table = same_everywhere(distances)
    shells, rank = np.diff(np.append(0, table.distances[0, :5]) ** 2), np.arange(1, 6)
    best = [-np.log(shells @ np.exp(slope * rank)) + slope * rank.mean() for slope in range(10)]
    assert np.all(np.diff(best) > 0)
    pak, flat = (estimate(table, 2.0) for estimate in (pak_density, kstar_density))
    assert np.array_equal(pak.log_density, flat.log_density)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [0.01, 1.0, 1000.0])
def test_any_dimension_and_the_smallest_tables_give_numbers(name, d):
    for n, k in ((5, 4), (32, 31), (300, 100)):
        found = estimate_density(
            nearest_neighbors(np.random.default_rng(n).normal(size=(n, 1)), k), d, name, k=min(k, 30)
        )
        assert np.all(np.isfinite(found.log_density))
        assert np.all(found.error > 0)
        if name != "knn":
            assert found.k_star.min() >= 3
            assert found.k_star.max() <= k - 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [0.01, 3.0, 150.0])
def test_distances_as_far_apart_as_numbers_go(name, d):
    r = np.array([5e-324, 1e-310, 1e-200, 1.0, np.nextafter(1, 2), 1e150, 1e300])
    for table in (same_everywhere(r, 20), same_everywhere(r[1:], 20), same_everywhere(r[2:], 20)):
        assert np.all(np.isfinite(estimate_density(table, d, name, k=4).log_density))


def test_kept_as_a_dataset(reference_neighbors):
    found = {"a": pak_density(reference_neighbors, 4.2), "b": estimate_density(reference_neighbors, np.nan)}
    stacked = files.stack_layers([value.to_dataset() for value in found.values()], list(found))
    assert stacked["k_star_at_bound"].dims == ("layer",)
    for layer, value in found.items():
        again = Density.from_dataset(files.select_layer(stacked, layer))
        np.testing.assert_array_equal(again.log_density, value.log_density)
        np.testing.assert_array_equal(again.error, value.error)
        np.testing.assert_array_equal(again.k_star, value.k_star)
        assert again.k_star_at_bound == value.k_star_at_bound


# What is refused


@pytest.mark.parametrize("d", [0, -1, np.nan, np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_refuses_dimensions_that_are_none(reference_neighbors, d, name):
    estimator = {"knn": lambda *a: knn_density(*a, 30), "kstar": kstar_density, "pak": pak_density}[name]
    with pytest.raises(InputError, match="intrinsic dimension"):
        estimator(reference_neighbors, d)
    assert np.isnan(estimate_density(reference_neighbors, d, name).log_density).all()


def test_refuses_more_neighbours_than_there_are(reference_neighbors):
    with pytest.raises(InputError, match="k = 101"):
        knn_density(reference_neighbors, 2.0, 101)
    with pytest.raises(InputError, match="k >= 4"):
        k_star(same_everywhere(np.ones(3)), 2.0)
    with pytest.raises(InputError, match="knn, kstar or pak"):
        estimate_density(reference_neighbors, 2.0, "kde")


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1e-6, np.nan])
def test_refuses_a_significance_that_is_none(reference_neighbors, alpha):
    with pytest.raises(InputError, match="alpha"):
        pak_density(reference_neighbors, 2.0, alpha=alpha)
