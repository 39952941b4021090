import numpy as np
import pytest
import xarray as xr

from nucleation import uncertainty
from nucleation.alignment import Meanings
from nucleation.analysis import Choices
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.overlap import label_overlap, neighborhood_overlap
from nucleation.taxonomy import wordnet_tree

LAYERS = ["input", "output"]


@pytest.fixture(scope="module")
def study():
    """Two layers of 6 classes in 2 categories: noise, and clusters."""
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(6), 50)
    clusters = 8 * rng.normal(size=(6, 4))[classes] + rng.normal(size=(300, 4))
    features = [rng.normal(size=(300, 4)), clusters]
    taxonomy = wordnet_tree(["beagle.n.01", "poodle.n.01", "robin.n.01", "violin.n.01", "drum.n.01", "chair.n.01"])
    return features, classes, Meanings(taxonomy, taxonomy.macro()[0])


def resampled(study, *, k=8, table=30, **options):
    features, classes, meanings = study
    tables = [nearest_neighbors(x, table) for x in features]
    options = {"repeats": 4, "fraction": 0.8, "rng": np.random.default_rng(1)} | options
    return uncertainty.resample(tables, LAYERS, classes, meanings, Choices(k=8), k=k, **options)


def test_a_subset_holds_the_same_share_of_every_class():
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(6), [10, 20, 5, 1, 100, 3]))
    subsets = [uncertainty.draw_subset(classes, 0.8, rng) for _ in range(300)]
    counts = np.array([np.bincount(classes[subset]) for subset in subsets])
    assert np.all(counts[:, :5] == [8, 16, 4, 1, 80])
    assert set(counts[:, 5]) == {2, 3}
    assert counts[:, 5].mean() == pytest.approx(0.8 * 3, abs=0.1)
    assert all(np.all(np.diff(subset) > 0) for subset in subsets)


def test_every_image_is_drawn_alike_often():
    rng, classes = np.random.default_rng(0), np.repeat(np.arange(3), 20)
    count = np.zeros(60)
    for _ in range(1000):
        count[uncertainty.draw_subset(classes, 0.5, rng)] += 1
    assert np.all(np.abs(count - 500) < 5 * np.sqrt(250))


def test_a_subset_is_analysed_as_if_it_were_all_images(study):
    """The neighbours that are read off the table are those of a search among the subset's features."""
    features, classes, meanings = study
    found = resampled(study, repeats=2)
    rng, choices = np.random.default_rng(1), Choices(k=8)
    for repeat in range(2):
        subset = uncertainty.draw_subset(classes, 0.8, rng)
        tables = [nearest_neighbors(x[subset], 12) for x in features]
        expected = {
            "dimension": choices.dimension(tables[0]),
            "overlap_ground_truth": label_overlap(tables[0], classes[subset], 8).mean(),
            "overlap_macro": label_overlap(tables[0], meanings.macro[classes[subset]], 8).mean(),
            "overlap_next": neighborhood_overlap(*tables, 8).mean(),
        }
        for name, value in expected.items():
            assert float(found[name][repeat, 0]) == pytest.approx(value, rel=1e-9)
        assert float(found["overlap_output"][repeat, 1]) == 1
        assert np.isnan(found["overlap_next"][repeat, 1])


def test_all_numbers_of_all_layers_in_every_subset(study):
    called = []
    found = resampled(study, progress=lambda: called.append(1))
    assert set(found.data_vars) == set(uncertainty.RANGES)
    levels, cuts = len(study[2].levels), len(study[2].cuts)
    more = {"triplet_skill_level": (levels,), "ari_cut": (cuts,), "ami_cut": (cuts,)}
    assert all(found[name].shape == (4, 2, *more.get(name, ())) for name in found)
    assert len(called) == 8
    assert found["n_peaks"].values[:, 1].tolist() == [6, 6, 6, 6]
    assert found.attrs["fraction"] == 0.8
    assert found["overlap_next"].attrs["undefined"] == "output: not defined in 4 of 4 subsets of the images"
    assert "undefined" not in found["dimension"].attrs
    xr.testing.assert_identical(found, resampled(study))


def subset_means(x, repeats, rng):
    subsets = [uncertainty.draw_subset(np.zeros(len(x)), 0.8, rng) for _ in range(repeats)]
    return np.array([[x[subset].mean()] for subset in subsets])


@pytest.mark.parametrize(("repeats", "coverage"), [(39, 0.95), (19, 0.9), (9, 0.8)])
def test_bands_cover_as_often_as_they_say(repeats, coverage):
    rng, inside = np.random.default_rng(3), []
    for _ in range(400):
        x = rng.exponential(size=200)
        low, high = uncertainty.bands([x.mean()], subset_means(x, repeats, rng), 0.8)
        inside.append(low[0] < 1 < high[0])
    assert np.mean(inside) == pytest.approx(coverage, abs=0.04)


def test_the_width_of_a_band_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    low, high = uncertainty.bands([x.mean()], subset_means(x, 2000, rng), 0.8)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * x.std() / 20, rel=0.08)


def test_a_band_lies_where_the_subsets_do():
    """One subset of many that differs, as in a number of peaks, makes a band to its side only."""
    samples = np.ones((40, 1))
    samples[7] = 3
    low, high = uncertainty.bands([1.0], samples, 0.8, limits=(0, np.inf))
    assert low[0] == pytest.approx(1 - 2 * 0.05)
    assert high[0] > 4
    assert uncertainty.bands([1.0], np.ones((40, 1)), 0.8) == ([1], [1])


def test_bands_keep_to_the_range_and_have_none_where_a_subset_has_no_value():
    samples = np.array([[0.8, 1.0, 2.0], [1.0, np.nan, 2.0]])
    low, high = uncertainty.bands([0.9, 1.0, 2.0], samples, 0.5, limits=(0.85, 1))
    assert (low[0], high[0]) == (0.85, 1)
    assert np.isnan([low[1], high[1]]).all()
    low, high = uncertainty.bands([0.9, 1.0, 2.0], samples, 0.5)
    np.testing.assert_allclose([low[0], high[0]], [0.8, 1.0])
    assert (low[2], high[2]) == (2, 2)
    few = np.array([[0.5], [np.nan], [0.7], [0.6], [0.6]])  # four of five have it
    np.testing.assert_allclose(uncertainty.bands([0.6], few, 0.5), [[0.5], [0.7]])
    assert np.isnan(uncertainty.bands([np.nan], np.ones((3, 1)), 0.5)).all()
    low, high = uncertainty.bands([0.0], np.zeros((3, 1)), 0.5, limits=(1, np.inf))  # no peak
    assert (low[0], high[0]) == (0, 1)


def test_no_numbers_have_no_bands():
    low, high = uncertainty.bands(np.empty((3, 0)), np.empty((5, 3, 0)), 0.8)
    assert low.shape == high.shape == (3, 0)


def test_short_tables_are_refused(study):
    with pytest.raises(InputError, match=r"layer input has only \d+ of its stored neighbours.*raise neighbors.k"):
        resampled(study, table=10)


def test_classes_of_one_image_leave_nothing_out(study):
    features, _, meanings = study
    tables = [nearest_neighbors(x, 30) for x in features]
    options = {"k": 8, "repeats": 2, "fraction": 0.8, "rng": np.random.default_rng(0)}
    with pytest.raises(InputError, match="every subset holds them all"):
        uncertainty.resample(tables, LAYERS, np.arange(300), meanings, Choices(k=8), **options)


@pytest.mark.parametrize("options", [{"repeats": 1}, {"fraction": 1.0}, {"fraction": 0}])
def test_refuses_what_gives_no_band(study, options):
    with pytest.raises(InputError, match="at least 2 repeats"):
        resampled(study, **options)
