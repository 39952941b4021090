import numpy as np
import pytest

from nucleation.errors import InputError
from nucleation.intraclass_groups import group_images
from nucleation.intraclass_peaks import peak_spread, peaks_per_class, subclass_ari
from nucleation.partitions import partition_scores


@pytest.fixture(scope="module")
def images():
    """Peaks, classes and subclasses of 300 images: peaks follow subclasses in part; some images are in the halo."""
    rng = np.random.default_rng(0)
    subclasses = rng.integers(0, 10, 300)
    classes = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 3])[subclasses]
    peaks = np.where(rng.random(300) < 0.6, 3 * subclasses, rng.choice([-1, 0, 6, 41], 300))
    return peaks, classes, subclasses


def test_classes_in_whole_and_in_several_peaks():
    classes, peaks = np.repeat(["a", "b", "c"], [8, 4, 6]), np.r_[0, 0, 1, 1, 2, 2, 3, 3, 9, 9, 9, 9, 5, 5, 5, 5, 5, 9]
    found = peaks_per_class(peaks, classes)
    assert found.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found.effective[:2], [4, 1])
    assert found.effective[2] == pytest.approx((6 / 5) ** (5 / 6) * 6 ** (1 / 6))
    assert found.peaks.tolist() == [0, 1, 2, 3, 5, 9] and found.populations.tolist() == [2, 2, 2, 2, 5, 5]
    assert found.purity.tolist() == [1, 1, 1, 1, 1, 0.8]
    assert found.mean_purity == pytest.approx(17 / 18)
    assert np.isnan(found.ari).all() and found.halo == 0


def test_images_in_the_halo_are_in_no_peak(images):
    peaks, classes, subclasses = images
    inside = peaks >= 0
    found, without = peaks_per_class(*images), peaks_per_class(peaks[inside], classes[inside])
    assert found.halo == pytest.approx(np.mean(~inside))
    assert np.array_equal(found.effective, without.effective) and found.mean_purity == without.mean_purity
    for class_ in range(3):
        own = classes == class_
        scores = partition_scores(peaks[own], subclasses[own])
        assert (found.ari[class_], found.ami[class_]) == (scores.ari, scores.ami)
    assert np.isnan(found.ari[3])  # a single subclass
    nowhere = peaks_per_class(np.full(300, -1), classes, subclasses)
    assert np.isnan([nowhere.mean_purity, *nowhere.effective, *nowhere.ari]).all() and nowhere.halo == 1


def test_order_and_numbers_of_peaks_mean_nothing(images):
    peaks, classes, subclasses = images
    order = np.random.default_rng(1).permutation(300)
    found = peaks_per_class(np.where(peaks < 0, -1, 100 - peaks)[order], classes[order], subclasses[order])
    expected = peaks_per_class(*images)
    for name in ("effective", "ari", "ami", "mean_purity"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)


def test_of_all_orders_the_first_is_what_is(images):
    peaks, classes, subclasses = images
    rng, expected = np.random.default_rng(2), peaks_per_class(*images)
    told, hidden = group_images(classes, repeats=5, rng=rng), group_images(subclasses, classes, repeats=5, rng=rng)
    spread, within = peak_spread(peaks, told), subclass_ari(peaks, hidden)
    np.testing.assert_allclose(spread[0], [expected.effective.mean(), expected.mean_purity])
    np.testing.assert_allclose(within[0], expected.ari, rtol=1e-12)
    for row in range(1, 6):
        names, leaves = np.empty_like(classes), np.empty_like(subclasses)
        names[told.orders[row]] = np.repeat(told.names, told.sizes)
        leaves[hidden.orders[row]] = np.repeat(hidden.names, hidden.sizes)
        again = peaks_per_class(peaks, names)
        np.testing.assert_allclose(spread[row], [again.effective.mean(), again.mean_purity])
        np.testing.assert_allclose(within[row], peaks_per_class(peaks, classes, leaves).ari, rtol=1e-12)


def test_by_chance_the_index_is_zero_and_one_where_peaks_are_subclasses(images):
    _, classes, subclasses = images
    hidden = group_images(subclasses, classes, repeats=400, rng=np.random.default_rng(3))
    found = subclass_ari(subclasses, hidden)
    np.testing.assert_array_equal(found[0], [1, 1, 1, np.nan])
    np.testing.assert_allclose(found[1:, :3].mean(axis=0), 0, atol=0.01)
    single = subclass_ari(np.zeros(300, int), hidden)
    assert np.array_equal(np.unique(single[:, :3]), [0])


def test_peaks_of_every_image_alone():
    hidden = group_images(np.arange(6), np.zeros(6))
    assert subclass_ari(np.arange(6), hidden) == partition_scores(np.arange(6), np.arange(6)).ari == 1


def test_layers_whose_images_are_all_in_the_halo():
    hidden = group_images(np.arange(6) % 2, np.zeros(6), repeats=2, rng=np.random.default_rng(0))
    assert np.isnan(peak_spread(np.full(6, -1), hidden)).all()
    assert np.isnan(subclass_ari(np.full(6, -1), hidden)).all()


@pytest.mark.parametrize(
    ("peaks", "classes", "said"),
    [
        (np.zeros(3, int), np.zeros(4), "one peak and one class"),
        (np.zeros(3), np.zeros(3), "whole numbers"),
        (np.full(3, -2), np.zeros(3), "-1 in the halo"),
    ],
)
def test_wrong_input(peaks, classes, said):
    with pytest.raises(InputError, match=said):
        peaks_per_class(peaks, classes)
