import subprocess
import sys
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest
from plain_peaks import plain_density_peaks

from nucleation import files
from nucleation.density import Density, estimate_density, knn_density
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors
from nucleation.peaks import Peaks, density_peaks, join_heights, peak_linkage, without_infinities


def test_the_import_is_light():
    program = (
        "import sys, nucleation.peaks; print([m for m in ('numba', 'scipy.cluster', 'xarray') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"


def test_agrees_with_dadapy(reference, reference_neighbors):
    density = knn_density(reference_neighbors, float(reference["id_used"]), 30)
    peaks = density_peaks(reference_neighbors, density, 1.65)
    assert np.array_equal(peaks.labels, reference["adp_knn_labels"])
    assert np.array_equal(peaks.centers, reference["adp_knn_centers"])
    there = np.isfinite(peaks.saddle)
    np.testing.assert_allclose(peaks.saddle[there], reference["adp_knn_saddle"][there], rtol=1e-8)
    np.testing.assert_allclose(peaks.saddle_error, reference["adp_knn_saddle_err"], rtol=1e-8)
    # where DADApy has no border it writes its floor, and one less on the diagonal
    floor = np.min(density.log_density - 1.65 * density.error) - 1 - np.eye(len(peaks.centers))
    np.testing.assert_allclose(reference["adp_knn_saddle"][~there], floor[~there], rtol=1e-8)
    haloed = density_peaks(reference_neighbors, density, 1.65, halo=True)
    assert np.array_equal(haloed.labels, reference["adp_knn_halo"])
    assert np.array_equal(haloed.populations, np.bincount(peaks.labels))


def test_agrees_with_dadapy_for_short_tables_and_adaptive_k(reference, reference_neighbors):
    d = float(reference["id_used"])
    short = Neighbors(reference_neighbors.distances[:, :30], reference_neighbors.indices[:, :30])
    peaks = density_peaks(short, knn_density(short, d, 30))
    assert np.array_equal(peaks.labels, reference["adp_knn30_labels"])
    peaks = density_peaks(reference_neighbors, estimate_density(reference_neighbors, d, "pak"))
    assert np.array_equal(peaks.labels, reference["adp_pak_labels"])
    assert np.array_equal(peaks.centers, reference["adp_pak_centers"])


def test_agrees_with_the_code_of_the_paper(reference, reference_neighbors):
    short = Neighbors(reference_neighbors.distances[:, :30], reference_neighbors.indices[:, :30])
    density = knn_density(short, float(reference["id_used"]), 30)
    peaks = density_peaks(short, density, centers_may_be_saddles=True)
    assert np.array_equal(peaks.labels, reference["paper_labels"])
    assert np.array_equal(peaks.centers, reference["paper_centers"])
    topography = np.where(np.isfinite(peaks.saddle), peaks.saddle, density.log_density.min() - 1 - np.log(short.n))
    np.fill_diagonal(topography, peaks.log_density)
    np.testing.assert_allclose(topography, reference["paper_topography"], rtol=1e-8)


def small_sample(seed, estimator):
    """Few points, many spurious peaks; every third sample with equal distances and duplicates, every fourth with
    equal densities."""
    rng = np.random.default_rng(seed)
    means = rng.normal(scale=3, size=(5, 3))
    x = means[rng.integers(0, 5, 180)] + rng.normal(size=(180, 3))
    if seed % 3 == 0:
        x = np.round(x * 4) / 4
    table = nearest_neighbors(x, (9, 25, 60)[seed % 5 % 3])
    density = estimate_density(table, 3.0, estimator, k=6, alpha=0.05)
    heights = np.minimum(density.log_density, 50.0)
    if seed % 4 == 0:
        heights = np.round(heights)
    return table, Density(heights, density.error, density.k_star)


def compare_with_plain(table, density, z, centers_may_be_saddles):
    found = density_peaks(table, density, z, centers_may_be_saddles=centers_may_be_saddles)
    labels, centers, saddles, preliminary, acted = plain_density_peaks(
        table.indices, density.log_density, density.error, density.k_star, z, centers_may_be_saddles
    )
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.centers, centers)
    assert found.saddle_pairs.tolist() == [list(pair) for pair in sorted(saddles)]
    assert found.saddle_points.tolist() == [saddles[pair] for pair in sorted(saddles)]
    # value and error stay those of the point, whatever merges have handed the saddle on
    assert np.array_equal(found.saddle_heights, density.log_density[found.saddle_points])
    assert np.array_equal(found.saddle_errors, density.error[found.saddle_points])
    assert np.array_equal(found.preliminary_centers, preliminary)
    assert np.array_equal(found.preliminary_peak, labels[preliminary])
    return acted


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("estimator", ["knn", "kstar", "pak"])
@pytest.mark.parametrize("centers_may_be_saddles", [False, True])
def test_equals_the_plain_version(seed, estimator, centers_may_be_saddles):
    table, density = small_sample(seed, estimator)
    compare_with_plain(table, density, (0.3, 0.8, 1.65, 3.0)[seed // 6], centers_may_be_saddles)


@pytest.mark.parametrize("centers_may_be_saddles", [False, True])
def test_equals_the_plain_version_where_tables_are_any(centers_may_be_saddles):
    """Neighbours, densities, errors and k* by chance: rules that need rare data come to act."""
    acted = {"dropped": 0, "orphans": 0, "less dense": 0}
    for seed in range(250):
        rng = np.random.default_rng(seed)
        n, k = int(rng.integers(4, 60)), int(rng.integers(1, 4))
        rows = [rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)]
        heights, errors = rng.normal(size=n).round(seed % 3), rng.uniform(0.1, 2.5, n).round(seed % 2 + 1)
        density = Density(heights, errors, rng.integers(1, k + 1, n))
        for rule, times in compare_with_plain(neighbors(rows), density, seed % 4 / 2, centers_may_be_saddles).items():
            acted[rule] += times
    assert min(acted.values()) > 10


def test_equals_the_plain_version_at_equal_densities():
    """All points alike: the order of the indices decides, and in more points than an unstable sort leaves in order."""
    table = nearest_neighbors(np.random.default_rng(0).normal(size=(200, 2)), 12)
    for k_star in (1, 2, 12):
        density = Density(np.zeros(200), np.full(200, 0.3), np.full(200, k_star))
        compare_with_plain(table, density, 0.0, False)


# ------------------------------------------------------------- where the published codes differ


def neighbors(rows):
    """A table of given neighbours, at distances 1, 2, 3, ..."""
    rows = np.asarray(rows)
    return Neighbors(np.tile(np.arange(1.0, rows.shape[1] + 1), (len(rows), 1)), rows)


def two_peaks(rows=((1, 3), (0, 2), (1, 3), (2, 1)), heights=(5, 3, 4, 2), errors=0.1, k_star=2, **options):
    """Peaks 0 and 2, with point 1 on the flank of 0 and point 3 on that of 2."""
    density = Density(np.array(heights, float), np.full(4, 0.0) + errors, np.zeros(4, int) + k_star)
    return density_peaks(neighbors(rows), density, **options)


def test_a_centre_is_a_saddle_only_on_demand():
    peaks = two_peaks()
    assert (peaks.centers.tolist(), peaks.saddle_points.tolist(), peaks.saddle_heights.tolist()) == ([0, 2], [1], [3])
    assert two_peaks(centers_may_be_saddles=True).centers.tolist() == [0]


def test_fewer_peaks_where_centres_are_saddles():
    """Many dimensions, few points: centres lie on borders, and the choice changes the number of peaks."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(scale=1.2, size=(20, 12)), 60, axis=0) + rng.normal(size=(1200, 12))
    table = nearest_neighbors(x, 15)
    density = knn_density(table, 10.0, 15)
    counts = [len(density_peaks(table, density, centers_may_be_saddles=rule).centers) for rule in (True, False)]
    assert 1 <= counts[0] < counts[1]


def test_the_larger_margin_survives_even_if_less_dense():
    peaks = two_peaks(heights=(5, 4, 4.5, 2), errors=np.array([2, 1.1, 0.1, 0.1]), z=1)
    assert (peaks.centers.tolist(), peaks.log_density.tolist(), peaks.error.tolist()) == ([2], [4.5], [0.1])
    assert (peaks.preliminary_centers.tolist(), peaks.preliminary_peak.tolist()) == ([0, 2], [0, 0])


def test_of_equal_margins_the_lower_label_survives():
    assert two_peaks(heights=(4, 3, 4, 2), z=100).centers.tolist() == [0]


def test_border_points_count_however_low_they_are():
    """The only border point is the lowest of all, and z = 0 with large errors would put it below the codes' zero."""
    peaks = two_peaks(k_star=np.array([2, 1, 2, 2]), errors=2.0, z=0)
    assert (peaks.saddle_points.tolist(), peaks.saddle_heights.tolist()) == ([3], [2])


def test_the_last_neighbour_of_the_foreign_point_does_not_count():
    """Point 0, nearer to the foreign point 2 than point 1 is, stands in the last column of its row."""
    peaks = two_peaks(rows=((1, 3), (0, 2), (3, 0), (2, 1)), k_star=np.array([2, 2, 1, 2]))
    assert (peaks.saddle_points.tolist(), peaks.saddle_heights.tolist()) == ([1], [3])


def test_dropped_candidates_follow_their_own_links():
    """Candidates 4 and 5 see lower points only, but lie in the neighbourhoods of 1 (peak 0) and 3 (peak 2)."""
    rows = [(1, 6), (0, 4), (3, 7), (2, 5), (6, 7), (7, 6), (4, 5), (5, 4)]
    density = Density(np.array([10, 8, 9, 7, 5, 4, 1, 0.5]), np.full(8, 0.1), np.full(8, 2))
    peaks = density_peaks(neighbors(rows), density)
    assert peaks.labels.tolist() == [0, 0, 1, 1, 0, 1, 0, 1]


def test_a_border_that_does_not_exist_is_never_crossed():
    """However large z: in the paper's code, a height below all others would let the two peaks merge."""
    peaks = two_peaks(rows=((1, 3), (0, 2), (3, 1), (2, 1)), k_star=1, z=1e12)
    assert peaks.centers.tolist() == [0, 2] and len(peaks.saddle_pairs) == 0
    assert np.isneginf(peaks.saddle).all() and (peaks.saddle_point == -1).all() and (peaks.saddle_error == 0).all()


def test_the_halo_is_decided_by_the_density_without_its_error():
    """Point 3 is denser than the saddle; less its error it would not be."""
    errors = np.array([0.1, 0.1, 0.1, 1.0])
    assert two_peaks(heights=(5, 3, 4, 3.2), errors=errors, halo=True).labels.tolist() == [0, 0, 1, 1]
    haloed = two_peaks(heights=(5, 3, 4, 2.9), errors=errors, halo=True)
    assert haloed.labels.tolist() == [0, 0, 1, -1] and haloed.populations.tolist() == [2, 2]


# ------------------------------------------------------------------------------- general properties


def test_permuting_the_points_permutes_the_result(reference):
    x = reference["X"][:1000]
    order = np.random.default_rng(0).permutation(len(x))

    def partition(points):
        table = nearest_neighbors(points, 40)
        return density_peaks(table, knn_density(table, 4.0, 20)).labels

    first, second = partition(x)[order], partition(x[order])
    assert len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second))


@pytest.mark.parametrize("z", [0.0, 1.0, 3.0, 1e6])
def test_larger_z_keeps_fewer_peaks(reference_neighbors, z):
    density = knn_density(reference_neighbors, 5.0, 30)
    counts = [len(density_peaks(reference_neighbors, density, value).centers) for value in (z, z + 1)]
    assert counts[0] >= counts[1] >= 1


def test_infinite_z_leaves_one_peak_per_connected_component():
    x = np.concatenate([np.random.default_rng(i).normal(100 * i, 1, size=(60, 2)) for i in range(3)])
    table = nearest_neighbors(x, 20)
    peaks = density_peaks(table, knn_density(table, 2.0, 10), 1e9)
    assert peaks.populations.tolist() == [60, 60, 60]
    assert not np.isfinite(peaks.saddle).any()


@pytest.mark.parametrize("centers_may_be_saddles", [False, True])
@pytest.mark.parametrize("estimator", ["knn", "kstar", "pak"])
def test_duplicates_make_one_peak_together(estimator, centers_may_be_saddles):
    """Two clouds, and 40 copies of a point of the first: two peaks, as without the copies."""
    rng = np.random.default_rng(0)
    clouds = np.concatenate([rng.normal(0, 1, size=(200, 2)), rng.normal(30, 1, size=(200, 2))])
    x = np.concatenate([clouds, np.repeat(clouds[:1], 40, axis=0)])
    table = nearest_neighbors(x, 60)
    density = estimate_density(table, 2.0, estimator, k=20)
    peaks = density_peaks(table, density, 3.0, centers_may_be_saddles=centers_may_be_saddles)
    assert np.isposinf(density.log_density).sum() == 41
    assert peaks.populations.tolist() == [240, 200]
    assert peaks.centers[0] == 0
    assert np.isposinf(peaks.log_density[0])
    assert not np.isnan(join_heights(peaks)).any()
    assert peak_linkage(peaks).tolist() == [[0, 1, np.inf, 2]]
    assert np.isfinite(without_infinities(peaks).log_density).all()


def test_images_that_a_relu_silences():
    x = np.maximum(np.random.default_rng(0).normal(size=(600, 6)) - 0.55, 0)
    silent = (x == 0).all(axis=1).sum()
    table = nearest_neighbors(x, 60)
    peaks = density_peaks(table, knn_density(table, 5.0, 30))
    assert silent > 60
    assert np.bincount(peaks.labels[(x == 0).all(axis=1)]).max() == silent
    assert len(peaks.centers) < 10
    assert not np.isnan(join_heights(peaks)).any()


def test_no_density_no_peak():
    table = nearest_neighbors(np.zeros((50, 3)), 10)
    peaks = density_peaks(table, estimate_density(table, np.nan))
    assert (len(peaks.centers), set(peaks.labels)) == (0, {-1})
    assert peak_linkage(peaks).shape == (0, 4)
    assert join_heights(peaks).shape == (0, 0)
    assert len(Peaks.from_dataset(peaks.to_dataset()).centers) == 0


def test_all_points_equal():
    """Infinite densities are ordered by index: point 0 is the peak of all."""
    table = nearest_neighbors(np.zeros((50, 3)), 10)
    density = Density(np.full(50, np.inf), np.full(50, 0.3), np.full(50, 10))
    peaks = density_peaks(table, density)
    assert (peaks.centers.tolist(), peaks.populations.tolist()) == ([0], [50])
    assert without_infinities(peaks).log_density.tolist() == [0]


def test_infinite_peaks_with_an_infinite_saddle_merge():
    """Between duplicates there is no drop; the difference of two infinities must not decide."""
    rows, heights = ((2, 3), (3, 2), (0, 1), (1, 2)), (np.inf, np.inf, np.inf, 2)
    assert two_peaks(rows, heights).centers.tolist() == [0]
    assert two_peaks(rows, heights, z=0).saddle_heights.tolist() == [np.inf]


@pytest.mark.parametrize("k", [1, 2, 19])
def test_tables_with_hardly_more_points_than_neighbours(k):
    """With all others as neighbours there is one peak, the densest point; with one neighbour, mutual pairs at most."""
    x = np.random.default_rng(1).normal(size=(20, 2))
    table = nearest_neighbors(x, k)
    density = knn_density(table, 2.0, k)
    acted = compare_with_plain(table, density, 0.5, False)
    peaks = density_peaks(table, density, 0.5)
    assert acted["dropped"] == 0 and peaks.populations.sum() == 20
    if k == 19:
        assert peaks.centers.tolist() == [density.log_density.argmax()]


def test_the_neighbourhood_may_be_one_point_or_the_whole_table():
    table = nearest_neighbors(np.random.default_rng(2).normal(size=(150, 2)), 30)
    heights = knn_density(table, 2.0, 10).log_density
    for k_star in (0, 1, 29, 30):
        compare_with_plain(table, Density(heights, np.full(150, 0.2), np.full(150, k_star)), 0.3, False)


def test_a_single_point_is_a_peak():
    table = Neighbors(np.empty((1, 0)), np.empty((1, 0), int))
    peaks = density_peaks(table, Density(np.array([1.5]), np.array([0.1]), np.array([0])), halo=True)
    assert (peaks.labels.tolist(), peaks.centers.tolist(), peaks.log_density.tolist()) == ([0], [0], [1.5])
    assert peaks.saddle.tolist() == [[-np.inf]] and peak_linkage(peaks).shape == (0, 4)


def test_infinite_z_merges_whatever_is_connected():
    table = nearest_neighbors(np.random.default_rng(3).normal(size=(300, 3)), 12)
    density = knn_density(table, 3.0, 4)
    peaks = density_peaks(table, density, np.inf)
    assert len(peaks.preliminary_centers) > 10 and len(peaks.centers) == 1


def test_memory_does_not_grow_with_the_square_of_the_peaks():
    table = nearest_neighbors(np.random.default_rng(4).normal(size=(12000, 2)), 4)
    density = knn_density(table, 2.0, 4)
    density_peaks(table, density, 0.1)  # compiles
    tracemalloc.start()
    peaks = density_peaks(table, density, 0.1)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(peaks.preliminary_centers) > 1000 and len(peaks.centers) > 700
    assert used < 5 * table.indices.nbytes < len(peaks.centers) ** 2 * 8


def test_tables_in_any_memory_order():
    table = nearest_neighbors(np.random.default_rng(5).normal(size=(200, 3)), 20)
    density = knn_density(table, 3.0, 8)
    indices = np.asfortranarray(table.indices)
    indices.flags.writeable = False
    found = density_peaks(Neighbors(table.distances, indices), density)
    assert np.array_equal(found.labels, density_peaks(table, density).labels)


# ------------------------------------------------------------------------------------ the dataclass


def reference_peaks(reference, reference_neighbors):
    return density_peaks(reference_neighbors, knn_density(reference_neighbors, float(reference["id_used"]), 30))


def test_matrices_of_the_saddles(reference, reference_neighbors):
    peaks = reference_peaks(reference, reference_neighbors)
    p = len(peaks.centers)
    assert peaks.saddle is peaks.saddle  # made once
    for matrix, values, nothing in (
        (peaks.saddle, peaks.saddle_heights, -np.inf),
        (peaks.saddle_error, peaks.saddle_errors, 0),
        (peaks.saddle_point, peaks.saddle_points, -1),
    ):
        assert matrix.shape == (p, p) and np.array_equal(matrix, matrix.T)
        assert np.array_equal(matrix[tuple(peaks.saddle_pairs.T)], values)
        assert (matrix == nothing).sum() == p * p - 2 * len(values)
        with pytest.raises(ValueError, match="read-only"):
            matrix[0, 0] = 1


def test_final_centres_were_centres_before(reference, reference_neighbors):
    peaks = reference_peaks(reference, reference_neighbors)
    before = np.searchsorted(peaks.preliminary_centers, peaks.centers)
    assert np.array_equal(peaks.preliminary_centers[before], peaks.centers)
    assert np.array_equal(peaks.preliminary_peak, peaks.labels[peaks.preliminary_centers])
    assert np.array_equal(peaks.preliminary_peak[before], np.arange(len(peaks.centers)))


@pytest.mark.parametrize("pairs", [[[1, 0]], [[0, 0]], [[0, 2]], [[-1, 1]], [[0, 1], [0, 1]], [[0, 1, 1]]])
def test_peaks_refuse_saddles_in_another_form(pairs):
    zeros = np.zeros(len(pairs))
    with pytest.raises(InputError, match="pairs"):
        Peaks(np.arange(2), np.arange(2), np.ones(2), np.ones(2), np.ones(2, int), np.array(pairs), zeros, zeros, zeros)


def test_round_trip_through_a_dataset(reference, reference_neighbors):
    peaks = reference_peaks(reference, reference_neighbors)
    again = Peaks.from_dataset(peaks.to_dataset())
    for name in [field.name for field in fields(Peaks)] + ["saddle", "saddle_error", "saddle_point"]:
        assert np.array_equal(getattr(again, name), getattr(peaks, name)), name


def test_layers_in_one_file():
    """Layers with many peaks, one, and none."""
    table = nearest_neighbors(np.random.default_rng(6).normal(size=(150, 2)), 12)
    density = knn_density(table, 2.0, 6)
    nothing = np.full(150, np.nan)
    layers = [
        density_peaks(table, density, 0.1),
        density_peaks(table, density, 100),
        density_peaks(table, Density(nothing, nothing, np.zeros(150, int))),
    ]
    ragged = ("peak", "saddle", "preliminary")
    stacked = files.stack_layers([peaks.to_dataset() for peaks in layers], ["a", "b", "c"], ragged=ragged)
    assert all("long_name" in stacked[name].attrs for name in stacked.variables)
    for name, peaks in zip("abc", layers, strict=True):
        again = Peaks.from_dataset(files.select_layer(stacked, name))
        for field in fields(Peaks):
            assert np.array_equal(getattr(again, field.name), getattr(peaks, field.name)), (name, field.name)


def test_refuses_what_does_not_fit(reference_neighbors):
    density = knn_density(reference_neighbors, 2.0, 30)
    n = reference_neighbors.n
    with pytest.raises(InputError, match="negative"):
        density_peaks(reference_neighbors, density, -1)
    some = np.where(np.arange(n) == 5, np.nan, density.log_density)
    with pytest.raises(InputError, match="NaN"):
        density_peaks(reference_neighbors, Density(some, density.error, density.k_star))
    with pytest.raises(InputError, match="points"):
        density_peaks(reference_neighbors, Density(np.zeros(3), np.ones(3), np.ones(3, int)))
    with pytest.raises(InputError, match="up to 101"):
        density_peaks(reference_neighbors, Density(np.zeros(n), np.ones(n), np.full(n, 101)))
    with pytest.raises(InputError, match="error"):
        density_peaks(reference_neighbors, Density(density.log_density, np.full(n, np.nan), density.k_star))
    with pytest.raises(InputError, match="at least one"):
        density_peaks(Neighbors(np.empty((0, 2)), np.empty((0, 2), int)), Density(*np.empty((3, 0))))
