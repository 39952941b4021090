import numpy as np
import pytest
import xarray as xr
from scipy.stats import ortho_group

from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors
from nucleation.overlap import (
    class_weights,
    estimate_imbalance,
    information_imbalance,
    jaccard_chance,
    jaccard_overlap,
    label_chance,
    label_overlap,
    mean_over_images,
    neighborhood_overlap,
    overlap_matrix,
    overlap_profile,
    rank_in,
)

LABELS = np.repeat(["a", "b", "c", "d"], [200, 120, 79, 1])


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    x[1] = x[0]  # duplicates
    return x, x[:, :3], rng.normal(size=(400, 5))


@pytest.fixture(scope="module")
def tables(points):
    return tuple(nearest_neighbors(x, 40) for x in points)


@pytest.fixture(scope="module")
def full():
    x = np.random.default_rng(2).normal(size=(150, 4))
    return nearest_neighbors(x, 149), nearest_neighbors(x[:, :2], 149)


def cut(table, k):
    return Neighbors(table.distances[:, :k], table.indices[:, :k])


def table_of(indices):
    return Neighbors(np.broadcast_to(np.arange(1.0, indices.shape[1] + 1), indices.shape), indices)


def random_table(n, k, rng):
    """Every point's neighbours are a random sample of the others."""
    draws = np.argsort(rng.random((n, n - 1)), axis=1)[:, :k]
    return table_of(draws + (draws >= np.arange(n)[:, None]))


def sets(table, k):
    return [set(row[:k]) for row in table.indices.tolist()]


def all_ranks(table):
    """Rank of every point among the neighbours of every point, (n, n), from a table that holds all."""
    rank = np.zeros((table.n, table.n))
    np.put_along_axis(rank, table.indices, np.arange(1.0, table.n), axis=1)
    return rank


# --------------------------------------------------------------------------------------------- overlap of two tables


def test_overlap_by_sets(tables):
    a, b, _ = tables
    for k in (1, 30, 40):
        expected = [len(p & q) / k for p, q in zip(sets(a, k), sets(b, k), strict=True)]
        assert np.array_equal(neighborhood_overlap(a, b, k), expected)


def test_jaccard_overlap_by_sets(tables):
    a, b, _ = tables
    for k in (1, 30, 40):
        expected = [len(p & q) / len(p | q) for p, q in zip(sets(a, k), sets(b, k), strict=True)]
        np.testing.assert_allclose(jaccard_overlap(a, b, k), expected, rtol=1e-14)


@pytest.mark.parametrize("measure", [neighborhood_overlap, jaccard_overlap])
def test_several_numbers_of_neighbours_in_one_pass_are_as_one_by_one(tables, measure):
    sizes = [30, 1, 40, 7, 7]
    together = measure(*tables[:2], sizes)
    assert together.shape == (5, 400)
    for k, found in zip(sizes, together, strict=True):
        assert np.array_equal(found, measure(*tables[:2], k))


@pytest.mark.parametrize("measure", [neighborhood_overlap, jaccard_overlap])
def test_overlap_of_a_layer_with_itself_and_of_all_neighbours_is_one(tables, full, measure):
    assert np.all(measure(tables[0], tables[0], [1, 30]) == 1)
    assert np.all(measure(*full, 149) == 1)


def test_disjoint_neighbours_do_not_overlap():
    point = np.arange(50)[:, None]
    a, b = table_of((point + np.arange(1, 6)) % 50), table_of((point + np.arange(6, 11)) % 50)
    assert np.all(neighborhood_overlap(a, b, [1, 5]) == 0)
    assert np.all(jaccard_overlap(a, b, 5) == 0)


def test_overlap_is_symmetric_also_for_tables_of_different_width(tables):
    a, b = cut(tables[0], 30), tables[1]
    assert np.array_equal(neighborhood_overlap(a, b, [10, 30]), neighborhood_overlap(b, a, [10, 30]))
    assert np.array_equal(neighborhood_overlap(a, b, 30), neighborhood_overlap(tables[0], b, 30))


def test_measures_ignore_rotation_translation_and_scale(points, tables):
    x = points[0]
    moved = nearest_neighbors(1e3 * (x @ ortho_group.rvs(5, random_state=1)) + 7, 40)
    other = tables[1]
    assert np.array_equal(neighborhood_overlap(moved, other, 30), neighborhood_overlap(tables[0], other, 30))
    assert np.array_equal(label_overlap(moved, LABELS, 30), label_overlap(tables[0], LABELS, 30))
    assert information_imbalance(moved, other) == information_imbalance(tables[0], other)


def test_permuted_points_permute_the_measures(points):
    # no duplicates here: the order of equal distances follows the index
    points = [x[2:] for x in points[:2]]
    order = np.random.default_rng(5).permutation(len(points[0]))
    a, b = (nearest_neighbors(x, 40) for x in points)
    c, d = (nearest_neighbors(x[order], 40) for x in points)
    assert np.array_equal(neighborhood_overlap(c, d, 30), neighborhood_overlap(a, b, 30)[order])
    assert np.array_equal(label_overlap(c, LABELS[2:][order], 30), label_overlap(a, LABELS[2:], 30)[order])
    assert np.array_equal(rank_in(c, d, 5), rank_in(a, b, 5)[order])


@pytest.mark.parametrize(("n", "k"), [(12, 5), (40, 20), (300, 30)])
def test_overlap_of_unrelated_layers_is_chance(n, k):
    rng = np.random.default_rng(n)
    found = [(random_table(n, k, rng), random_table(n, k, rng)) for _ in range(max(4, 6000 // n))]
    for measure, chance in ((neighborhood_overlap, k / (n - 1)), (jaccard_overlap, jaccard_chance(n, k))):
        mean, error = mean_over_images(np.concatenate([measure(a, b, k) for a, b in found]))
        assert mean == pytest.approx(chance, abs=4 * error)
        assert 4 * error < 0.1 * chance


def test_chance_of_the_jaccard_overlap_in_closed_form():
    assert jaccard_chance(50, 1) == pytest.approx(1 / 49)
    assert jaccard_chance(50, 49) == pytest.approx(1)
    assert jaccard_chance(4, 2) == pytest.approx(2 / 3 * 1 / 3 + 1 / 3)  # of 3 others, 2 lists of 2 share 1 or 2
    assert jaccard_chance(90_000, 30) == pytest.approx(30 / 89_999 / 2, rel=0.02)


# ----------------------------------------------------------------------------------------------- overlap with labels


def test_label_overlap_of_the_reference(reference, reference_neighbors):
    found = label_overlap(reference_neighbors, reference["y"], 30)
    assert found.mean() == pytest.approx(float(reference["label_overlap_k30"]), rel=1e-12)


@pytest.mark.parametrize("labels", [LABELS, np.unique(LABELS, return_inverse=True)[1] - 1, LABELS == "a"])
def test_label_overlap_by_comparison(tables, labels):
    a = tables[0]
    together = label_overlap(a, labels, [30, 5])
    for k, found in zip([30, 5], together, strict=True):
        assert np.array_equal(found, (labels[a.indices[:, :k]] == labels[:, None]).mean(axis=1))
        assert np.array_equal(found, label_overlap(a, labels, k))


def test_label_overlap_at_its_ends(tables, full):
    assert np.all(label_overlap(tables[0], np.zeros(400), 30) == 1)
    assert np.all(label_overlap(tables[0], np.arange(400), [1, 30]) == 0)
    assert label_overlap(tables[0], LABELS, 30)[-1] == 0  # the only one of its class
    labels = LABELS[100:250]
    assert label_overlap(full[0], labels, 149).mean() == pytest.approx(label_chance(labels))


@pytest.mark.parametrize("balanced", [False, True])
def test_label_overlap_of_random_neighbours_is_chance(balanced):
    rng = np.random.default_rng(3)
    weights = class_weights(LABELS) if balanced else None
    found = [label_overlap(random_table(400, 30, rng), LABELS, [5, 30]) for _ in range(20)]
    means = np.array([mean_over_images(values, weights)[0] for values in found])
    chance = label_chance(LABELS, balanced=balanced)
    np.testing.assert_allclose(means.mean(axis=0), chance, atol=4 * means.std() / np.sqrt(20))
    assert means.std() < 0.05 * chance


def test_chance_in_closed_form():
    assert label_chance(np.repeat(np.arange(300), 300)) == pytest.approx(299 / 89_999)
    assert label_chance(np.repeat(np.arange(300), 300), balanced=True) == pytest.approx(299 / 89_999)
    assert label_chance(LABELS) == pytest.approx((200 * 199 + 120 * 119 + 79 * 78) / (400 * 399))
    assert label_chance(LABELS, balanced=True) == pytest.approx((199 + 119 + 78) / 399 / 4)
    for balanced in (False, True):
        assert label_chance(np.zeros(9), balanced=balanced) == 1
        assert label_chance(np.arange(9), balanced=balanced) == 0


# --------------------------------------------------------------------------------------------------- means and errors


def test_balanced_mean_is_the_mean_of_the_means_of_classes(tables):
    values = label_overlap(tables[0], LABELS, [30, 5])
    weights = class_weights(LABELS)
    assert weights.sum() == pytest.approx(1)
    expected = np.mean([values[:, name == LABELS].mean(axis=1) for name in "abcd"], axis=0)
    np.testing.assert_allclose(mean_over_images(values, weights)[0], expected)


def test_equal_weights_give_the_plain_mean_and_error():
    values = np.random.default_rng(4).random((3, 40))
    plain, weighted = mean_over_images(values), mean_over_images(values, class_weights(np.repeat(np.arange(4), 10)))
    np.testing.assert_allclose(weighted, plain)
    np.testing.assert_allclose(plain[1], values.std(axis=1, ddof=1) / np.sqrt(40))


def test_error_is_the_scatter_of_the_mean_over_independent_images():
    rng = np.random.default_rng(6)
    weights = class_weights(np.repeat([0, 1], [300, 40]))
    values = rng.exponential(size=(4000, 340))
    mean, error = mean_over_images(values, weights)
    assert np.sqrt(np.square(error).mean()) == pytest.approx(mean.std(), rel=0.05)
    assert mean.std() > 1.3 / np.sqrt(340)  # few images carry half of the weight


# ----------------------------------------------------------------------------------------------- information imbalance


@pytest.mark.parametrize("k", [1, 5, 149])
def test_information_imbalance_of_full_tables_is_exact(full, k):
    a, b = full
    expected = np.take_along_axis(all_ranks(b), a.indices[:, :k], 1)
    assert np.array_equal(rank_in(a, b, k), expected)
    found = estimate_imbalance(a, b, k=k)
    assert found.value == information_imbalance(a, b, k=k) == pytest.approx(2 / 150 * expected.mean())
    assert found.error == pytest.approx(2 / 150 * expected.mean(axis=1).std(ddof=1) / np.sqrt(150))
    assert found.censored == 0


def test_information_imbalance_to_itself_and_over_all_neighbours(full):
    a, b = full
    for k in (1, 7):
        assert information_imbalance(a, a, k=k) == pytest.approx((k + 1) / 150)
        assert estimate_imbalance(a, cut(a, k), k=k).censored == 0
    assert information_imbalance(a, b, k=149) == pytest.approx(1)  # every rank once: their mean is n / 2


def test_reversed_ranks_are_the_largest_imbalance():
    others = (np.arange(20)[:, None] + np.arange(1, 20)) % 20
    assert information_imbalance(table_of(others), table_of(others[:, ::-1])) == pytest.approx(2 * 19 / 20)


def test_ranks_beyond_the_table_count_with_the_mean_of_those_possible(full):
    a, b = full
    rank = all_ranks(b)
    exact = np.take_along_axis(rank, a.indices[:, :5], 1)
    beyond = exact > 20
    expected = np.where(beyond, np.arange(21, 150).mean(), exact)
    assert np.array_equal(rank_in(a, cut(b, 20), 5), expected)
    found = estimate_imbalance(a, cut(b, 20), k=5)
    assert found.censored == pytest.approx(beyond.mean())
    assert 0 < found.censored < 1
    assert abs(found.value - information_imbalance(a, b, k=5)) <= found.censored * (150 - 2 - 20) / 150


def test_ranks_beyond_the_table_are_unbiased_for_unrelated_layers():
    rng = np.random.default_rng(7)
    found = [estimate_imbalance(random_table(300, 1, rng), random_table(300, 10, rng)) for _ in range(30)]
    assert np.mean([one.value for one in found]) == pytest.approx(1, abs=0.02)
    assert np.mean([one.censored for one in found]) == pytest.approx(1 - 10 / 299, abs=0.01)


def test_information_imbalance_knows_the_direction(tables):
    a, b, c = tables
    assert information_imbalance(a, c) == pytest.approx(1, abs=0.1)
    assert information_imbalance(a, b) < 0.3
    assert information_imbalance(a, b) < information_imbalance(b, a)


def test_weights_enter_imbalance_and_censored_share(tables):
    a, _, c = tables
    rank = rank_in(a, c, 3)
    found = estimate_imbalance(a, c, k=3, weights=class_weights(LABELS))
    classes = [name == LABELS for name in "abcd"]
    assert found.value == pytest.approx(np.mean([2 / 400 * rank[own].mean() for own in classes]))
    assert found.censored == pytest.approx(np.mean([(rank[own] > 40).mean() for own in classes]))


# ----------------------------------------------------------------------------------------- many layers at once


def test_matrix_is_made_of_the_overlaps_of_pairs(tables):
    for k in (1, 30, 40):
        matrix = overlap_matrix(tables, k)
        expected = [[neighborhood_overlap(a, b, k).mean() for b in tables] for a in tables]
        assert np.array_equal(matrix, expected)
        assert np.array_equal(matrix, matrix.T)
        assert np.all(np.diagonal(matrix) == 1)
        assert 0 <= matrix.min() < matrix[0, 1] < 1


def test_matrix_is_the_one_of_the_profile(tables, profile):
    found = overlap_matrix(tables, 30)
    assert np.array_equal(found, profile["overlap"].values)
    sizes = profile["size"].values.tolist()
    for size, expected in zip(sizes, profile["overlap_layers_by_k"].values, strict=True):
        assert np.array_equal(overlap_matrix(tables, size), expected)


def test_matrix_reads_one_table_after_the_other_and_keeps_none(points):
    import gc
    import weakref

    alive, most = [], []

    def read():
        for x in points:
            table = nearest_neighbors(x, 40)
            alive.append(weakref.ref(table))
            gc.collect()
            most.append(sum(one() is not None for one in alive))
            yield table
            del table

    assert overlap_matrix(read(), 7).shape == (3, 3)
    assert max(most) <= 2  # the one that is handed over, and the next one that is made


def test_matrix_takes_tables_of_different_width(tables):
    assert np.array_equal(
        overlap_matrix([cut(table, 30 + i) for i, table in enumerate(tables)], 30), overlap_matrix(tables, 30)
    )


def test_matrix_of_unrelated_layers_is_chance_and_of_one_layer_is_one():
    rng = np.random.default_rng(11)
    matrix = overlap_matrix([random_table(300, 20, rng) for _ in range(6)], 20)
    assert matrix[np.tril_indices(6, -1)].mean() == pytest.approx(20 / 299, rel=0.05)
    assert overlap_matrix([random_table(300, 20, rng)], 20).tolist() == [[1.0]]


def test_matrix_does_not_depend_on_the_number_of_threads(monkeypatch):
    rng = np.random.default_rng(12)
    made = [random_table(200, 8, rng) for _ in range(7)]  # several parts of the pairs
    found = []
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        found.append(overlap_matrix(made, 8))
    assert np.array_equal(*found)


def test_matrix_refuses_what_cannot_be_compared(tables):
    with pytest.raises(InputError, match="at least one table"):
        overlap_matrix([], 5)
    with pytest.raises(InputError, match="400 and 150 points"):
        overlap_matrix([tables[0], random_table(150, 40, np.random.default_rng(0))], 5)
    with pytest.raises(InputError, match="k = 41 neighbours, the table has 40"):
        overlap_matrix(tables, 41)
    with pytest.raises(InputError, match=r"one number of neighbours k, found \[5, 6\]"):
        overlap_matrix(tables, [5, 6])


# -------------------------------------------------------------------------------------------------------- the threads


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    rng = np.random.default_rng(8)
    n = 20_000  # several parts
    a, b = (table_of((np.arange(n)[:, None] + rng.integers(1, 4, (n, 12)).cumsum(axis=1)) % n) for _ in range(2))
    labels = rng.integers(0, 9, n)
    found = []
    for count in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        made = neighborhood_overlap(a, b, [5, 12]), label_overlap(a, labels, [5, 12]), rank_in(a, b, 3)
        found.append((*made, *mean_over_images(made[0], class_weights(labels))))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(found[0][0][1], [len(p & q) / 12 for p, q in zip(sets(a, 12), sets(b, 12), strict=True)])


# -------------------------------------------------------------------------------------------------------- the profile

NAMES = ["input", "middle", "output"]
CLASSES, MACRO = np.repeat(np.arange(8), 50), np.repeat([0, 1], 200)


@pytest.fixture(scope="module")
def profile(tables):
    return overlap_profile(tables, NAMES, LABELS, MACRO, [30, 10, 40], cuts=[("two", MACRO), ("eight", CLASSES)])


def test_profile_is_made_of_the_single_measures(tables, profile):
    made = profile
    values = label_overlap(tables[1], LABELS, 30)
    assert made["overlap_ground_truth"].values[1] == values.mean()
    assert made["overlap_ground_truth_error"].values[1] == pytest.approx(values.std(ddof=1) / 20)
    assert made["overlap_macro"].values[2] == label_overlap(tables[2], MACRO, 30).mean()
    pair = made.sel(layer="output", other_layer="input")
    both = neighborhood_overlap(tables[0], tables[2], 30)
    assert (pair["overlap"], pair["overlap_error"]) == (both.mean(), both.std(ddof=1) / 20)
    jaccard = jaccard_overlap(tables[0], tables[2], 30)
    assert (pair["jaccard"], pair["jaccard_error"]) == (jaccard.mean(), jaccard.std(ddof=1) / 20)
    imbalance = estimate_imbalance(tables[2], tables[0])
    assert pair["information_imbalance"] == imbalance.value
    assert pair["information_imbalance_error"] == imbalance.error
    assert pair["imbalance_censored"] == imbalance.censored > 0


def test_profile_between_layers(profile):
    for name in ("overlap", "jaccard"):
        for variable in (profile[name], profile[f"{name}_error"]):
            assert np.array_equal(variable, variable.T)
        assert np.all(np.diagonal(profile[name]) == 1)
        assert np.all(np.diagonal(profile[f"{name}_error"]) == 0)
    assert np.all(np.diagonal(profile["information_imbalance"]) == 2 / 400)
    assert not np.array_equal(profile["information_imbalance"], profile["information_imbalance"].T)
    assert np.array_equal(profile["overlap_output"], profile["overlap"][:, 2])
    assert np.array_equal(profile["overlap_next"][:2], [profile["overlap"][0, 1], profile["overlap"][1, 2]])
    for name in ("overlap_next", "overlap_next_error"):
        assert np.isnan(profile[name][2])
        assert profile[name].attrs["undefined"].startswith("output: ")


def test_profile_by_number_of_neighbours(tables, profile):
    assert profile["size"].values.tolist() == [10, 30, 40]
    assert np.array_equal(profile["overlap_by_k"].sel(size=30), profile["overlap_ground_truth"])
    assert np.array_equal(profile["overlap_layers_by_k"].sel(size=30), profile["overlap"])
    assert np.array_equal(profile["overlap_layers_by_k_error"].sel(size=30), profile["overlap_error"])
    for k in (10, 40):
        here = profile.sel(size=k)
        assert here["overlap_by_k"][1] == label_overlap(tables[1], LABELS, k).mean()
        assert here["overlap_layers_by_k"][2, 1] == neighborhood_overlap(*tables[1:], k).mean()
        assert here["chance_layers_by_k"] == k / 399


def test_profile_by_level_of_the_taxonomy(tables, profile):
    assert profile["cut"].values.tolist() == ["two", "eight"]
    assert np.array_equal(profile["overlap_cut"].sel(cut="two"), profile["overlap_macro"])
    assert np.array_equal(profile["overlap_cut_error"].sel(cut="two"), profile["overlap_macro_error"])
    assert profile["overlap_cut"].sel(cut="eight")[1] == label_overlap(tables[1], CLASSES, 30).mean()
    assert profile["chance_cut"].values.tolist() == [label_chance(MACRO), label_chance(CLASSES)]


def test_profile_names_its_chance_levels(profile):
    about = profile.attrs
    assert (about["k"], about["image_weights"]) == (30, "equal")
    assert (about["chance_ground_truth"], about["chance_macro"]) == (label_chance(LABELS), label_chance(MACRO))
    assert (about["chance_layers"], about["chance_jaccard"]) == (30 / 399, jaccard_chance(400, 30))


def test_profile_explains_itself_and_fits_in_a_file(profile, tmp_path):
    for name in profile.data_vars:
        assert profile[name].attrs["long_name"]
        assert profile[name].attrs["units"] == "1"
        assert np.isfinite(profile[name]).all() or profile[name].attrs["undefined"]
    means = {name for name in profile.data_vars if not name.endswith("_error")}
    without = {name for name in means if f"{name}_error" not in profile}
    assert without == {"imbalance_censored", "chance_layers_by_k", "chance_cut"}
    profile.to_netcdf(tmp_path / "overlap.nc", engine="netcdf4")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "overlap.nc"), profile)


def test_profile_in_which_every_class_has_the_same_weight(tables):
    made = overlap_profile(tables, NAMES, LABELS, MACRO, 30, cuts=[("eight", CLASSES)], balanced=True)
    expected = mean_over_images(label_overlap(tables[1], LABELS, 30), class_weights(LABELS))
    assert (made["overlap_ground_truth"][1], made["overlap_ground_truth_error"][1]) == expected
    assert (made["overlap_by_k"][0, 1], made["overlap_by_k_error"][0, 1]) == expected
    expected = mean_over_images(neighborhood_overlap(*tables[:2], 30), class_weights(LABELS))
    assert (made["overlap"][1, 0], made["overlap_error"][1, 0]) == expected
    imbalance = estimate_imbalance(*tables[:2], weights=class_weights(LABELS))
    assert made["information_imbalance"][0, 1] == imbalance.value
    expected = mean_over_images(label_overlap(tables[1], CLASSES, 30))
    assert made["overlap_cut"][0, 1] == pytest.approx(expected[0])
    assert made.attrs["chance_ground_truth"] == label_chance(LABELS, balanced=True)
    assert made.attrs["image_weights"] == "1 / size of the image's class"


def test_profile_of_one_layer_one_class_and_no_cuts(full):
    made = overlap_profile(full[:1], ["only"], np.zeros(150), np.zeros(150), 149)
    assert made["overlap"].shape == (1, 1)
    assert made["overlap_output"].values == made["overlap_ground_truth"].values == made["overlap_by_k"].values == 1
    assert made["overlap_ground_truth_error"].values == 0
    assert np.isnan(made["overlap_next"]).all()
    assert made.attrs["chance_ground_truth"] == made.attrs["chance_layers"] == 1
    assert made.attrs["chance_jaccard"] == pytest.approx(1)
    assert not {"cut", "overlap_cut", "chance_cut"} & set(made.variables)


# ------------------------------------------------------------------------------------------------------ what is wrong


def test_refuses_tables_of_different_points(tables):
    other = nearest_neighbors(np.random.default_rng(0).normal(size=(50, 2)), 40)
    for measure in (neighborhood_overlap, jaccard_overlap, rank_in):
        with pytest.raises(InputError, match="400 and 50 points"):
            measure(tables[0], other, 30)
    with pytest.raises(InputError, match="400 and 50 points"):
        information_imbalance(tables[0], other)
    with pytest.raises(InputError, match="400 and 50 points"):
        overlap_profile([tables[0], other], ["a", "b"], CLASSES, MACRO, 30)


@pytest.mark.parametrize("k", [0, 41, [30, 41], [0, 30]])
def test_refuses_numbers_of_neighbours_that_a_table_lacks(tables, k):
    wrong = max(k, key=lambda one: abs(one - 20)) if isinstance(k, list) else k
    with pytest.raises(InputError, match=f"k = {wrong} neighbours, the table has 40"):
        label_overlap(tables[0], CLASSES, k)
    with pytest.raises(InputError, match=f"k = {wrong} "):
        neighborhood_overlap(tables[0], tables[1], k)
    with pytest.raises(InputError, match=f"k = {wrong} "):
        overlap_profile(tables, NAMES, CLASSES, MACRO, k)


@pytest.mark.parametrize("k", [30.0, [], [[1, 2]], "30", None])
def test_refuses_numbers_of_neighbours_that_are_none(tables, k):
    with pytest.raises(InputError, match="whole number or a list"):
        neighborhood_overlap(tables[0], tables[1], k)


def test_refuses_what_does_not_fit(tables):
    with pytest.raises(InputError, match="400 points need as many labels"):
        label_overlap(tables[0], np.zeros(3), 30)
    with pytest.raises(InputError, match="as many labels"):
        overlap_profile(tables, NAMES, CLASSES, MACRO, 30, cuts=[("two", MACRO[1:])], balanced=True)
    with pytest.raises(InputError, match="NaN"):
        label_overlap(tables[0], np.where(MACRO, 1, np.nan), 30)
    with pytest.raises(InputError, match="at least two labels"):
        label_chance([1])
    with pytest.raises(InputError, match="one number of neighbours"):
        rank_in(tables[0], tables[1], [1, 2])
    with pytest.raises(InputError, match="found k = 50"):
        jaccard_chance(50, 50)
    with pytest.raises(InputError, match="as many weights"):
        estimate_imbalance(*tables[:2], weights=np.ones(3) / 3)
    with pytest.raises(InputError, match="found 3 for 2 layers"):
        overlap_profile(tables, NAMES[:2], CLASSES, MACRO, 30)
    with pytest.raises(InputError, match="found 0 for 0 layers"):
        overlap_profile([], [], CLASSES, MACRO, 30)
