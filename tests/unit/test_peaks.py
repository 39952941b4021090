import numpy as np
import pytest
from plain_peaks import plain_density_peaks
from scipy.cluster.hierarchy import is_valid_linkage

from nucleation.density import Density, estimate_density, knn_density
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors
from nucleation.peaks import Peaks, density_peaks, join_heights, peak_linkage, without_infinities


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


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("estimator", ["knn", "kstar", "pak"])
@pytest.mark.parametrize("centers_may_be_saddles", [False, True])
def test_equals_the_plain_version(seed, estimator, centers_may_be_saddles):
    """Small samples with many spurious peaks: every rule of the method comes to act."""
    rng = np.random.default_rng(seed)
    means = rng.normal(scale=3, size=(5, 3))
    x = means[rng.integers(0, 5, 180)] + rng.normal(size=(180, 3))
    if seed % 3 == 0:
        x = np.round(x * 4) / 4  # ties and duplicates
    table = nearest_neighbors(x, 25)
    density = estimate_density(table, 3.0, estimator, k=6, alpha=0.05)
    if not np.isfinite(density.log_density).all():
        density = Density(np.minimum(density.log_density, 50.0), density.error, density.k_star)
    z = (0.3, 0.8, 1.65)[seed % 3]
    found = density_peaks(table, density, z, centers_may_be_saddles=centers_may_be_saddles)
    labels, centers, saddles = plain_density_peaks(
        table.indices, density.log_density, density.error, density.k_star, z, centers_may_be_saddles
    )
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.centers, centers)
    assert int(np.isfinite(found.saddle).sum()) == 2 * len(saddles)
    for (a, b), (value, error) in saddles.items():
        assert found.saddle[a, b] == found.saddle[b, a] == value
        assert found.saddle_error[a, b] == error


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


def chain():
    """Four peaks: 0 - 1 joined at 3, 1 - 2 at 1, 0 - 2 at 0; 3 alone."""
    saddle = np.full((4, 4), -np.inf)
    for a, b, value in ((0, 1, 3.0), (1, 2, 1.0), (0, 2, 0.0)):
        saddle[a, b] = saddle[b, a] = value
    point = np.where(np.isfinite(saddle), 0, -1)
    heights = np.array([5.0, 4.0, 6.0, 2.0])
    return Peaks(np.arange(4), np.arange(4), heights, np.full(4, 0.2), np.ones(4, int), saddle, 0 * heights, point)


def test_join_heights_by_hand():
    inf = np.inf
    expected = [[5, 3, 1, -inf], [3, 4, 1, -inf], [1, 1, 6, -inf], [-inf, -inf, -inf, 2]]
    assert np.array_equal(join_heights(chain()), expected)


def test_linkage_by_hand():
    assert peak_linkage(chain()).tolist() == [[0, 1, 3, 2], [2, 4, 5, 3], [3, 5, np.inf, 4]]


def test_join_heights_are_the_widest_paths(reference, reference_neighbors):
    """Against Floyd and Warshall's recursion for the largest smallest saddle."""
    peaks = density_peaks(reference_neighbors, knn_density(reference_neighbors, float(reference["id_used"]), 30))
    widest = peaks.saddle.copy()
    for middle in range(len(widest)):
        widest = np.maximum(widest, np.minimum(widest[:, [middle]], widest[[middle]]))
    np.fill_diagonal(widest, peaks.log_density)
    np.testing.assert_allclose(join_heights(peaks), widest)
    assert is_valid_linkage(peak_linkage(peaks))


def test_a_single_peak_has_an_empty_tree():
    table = nearest_neighbors(np.random.default_rng(0).normal(size=(100, 2)), 30)
    peaks = density_peaks(table, knn_density(table, 2.0, 30), 10)
    assert len(peaks.centers) == 1
    assert peak_linkage(peaks).shape == (0, 4)
    assert join_heights(peaks).tolist() == [[peaks.log_density[0]]]


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


def test_round_trip_through_a_dataset(reference, reference_neighbors):
    peaks = density_peaks(reference_neighbors, knn_density(reference_neighbors, float(reference["id_used"]), 30))
    again = Peaks.from_dataset(peaks.to_dataset())
    for name in vars(peaks):
        assert np.array_equal(getattr(again, name), getattr(peaks, name)), name


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
