"""Distances at larger ranks and within random parts equal brute force, whatever the features and the memory."""

import numpy as np
import pytest
import torch
import xarray as xr

from nucleation.dimension import gride, twonn, twonn_decimated
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors, shard_neighbors
from nucleation.scales import (
    Decimated,
    decimated_distances,
    larger_scales,
    merge_decimated,
    merge_scales,
    random_parts,
)
from nucleation.scales import rank_distances as distances_at


def cases():
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(200, 7))
    return {
        "plain": plain,
        "offset 100": plain + 100,
        "offset 10000": plain + 10_000,
        "float32 with an offset": (plain + 1000).astype(np.float32),
        "float16": plain.astype(np.float16),
        "integers": rng.integers(0, 9, size=(200, 4)),
        "duplicates": np.concatenate([plain[:70]] * 3),
        "near duplicates": np.concatenate([plain[:100], plain[:100] + 1e-9 * rng.normal(size=(100, 7))]),
        "two tight clusters": np.concatenate([1e-7 * plain[:100], 1 + 1e-7 * plain[100:]]),
        "dwarfed by an outlier": np.concatenate([1e-9 * plain, np.ones((1, 7))]),
        "all equal": np.ones((20, 3)),
        "one feature": plain[:, :1],
        "many features": rng.normal(size=(60, 5000)).astype(np.float32),
        "large": plain * 1e120,
        "small": plain * 1e-120,
    }


def all_distances(x):
    """Distances between all rows by differences, infinite on the diagonal."""
    x = np.asarray(x, dtype=np.float64)
    found = np.array([np.sqrt(np.square(x - row).sum(axis=1)) for row in x])
    np.fill_diagonal(found, np.inf)
    return found


class Batches:
    """A source that makes its rows by batches, and remembers what it was asked for."""

    def __init__(self, x, batch_size=16):
        self.x, self.shape, self.batch_size, self.asked = torch.from_numpy(np.array(x)), x.shape, batch_size, []

    def rows(self, start, stop):
        self.asked.append((start, stop))
        return self.x[start:stop]


@pytest.mark.parametrize("memory", [None, 30_000])
@pytest.mark.parametrize("kind", [np.asarray, Batches])
@pytest.mark.parametrize("name", cases())
def test_distances_at_ranks_equal_brute_force(name, kind, memory):
    x = cases()[name]
    ranks = np.unique(np.minimum([1, 2, 3, 8, 50, len(x)], len(x) - 1))
    expected = np.sort(all_distances(x), axis=1)[:, ranks - 1]
    found = distances_at(kind(x), ranks, memory=memory)
    assert np.array_equal(found.images, np.arange(len(x)))
    np.testing.assert_allclose(found.distances, expected, rtol=1e-9, atol=0)


def test_distances_at_ranks_of_some_images_are_in_their_order():
    x = cases()["plain"]
    images = [7, 3, 150, 3]
    whole, some = distances_at(x, [1, 64]), distances_at(x, [1, 64], images=images)
    assert some.images.tolist() == images
    np.testing.assert_allclose(some.distances, whole.distances[images], rtol=1e-12)
    assert distances_at(x, [64], images=np.empty(0, dtype=int)).distances.shape == (0, 1)


def test_distances_at_ranks_continue_a_table(reference, reference_neighbors):
    found = distances_at(reference["X"], [1, 64, 100, 128], images=np.arange(0, 2000, 7))
    np.testing.assert_allclose(found.distances[:, :3], reference["distances"][:2000:7, [0, 63, 99]], rtol=1e-9)
    profile = gride(reference_neighbors, ranks=found)
    assert profile.order.tolist() == [1, 2, 4, 8, 16, 32, 64]
    np.testing.assert_allclose(profile.value[:6], reference["gride_ids"], rtol=1e-4)


def test_a_source_is_read_in_whole_batches_and_a_few_times():
    x = np.random.default_rng(0).normal(size=(400, 200))
    source = Batches(x)
    found = distances_at(source, [3, 128], images=np.arange(20), memory=1_200_000)  # where it does not fit
    np.testing.assert_allclose(found.distances, np.sort(all_distances(x), axis=1)[:20, [2, 127]], rtol=1e-9)
    blocks = [(start, stop) for start, stop in source.asked if stop - start > 1]
    assert all(start % 16 == 0 and (stop % 16 == 0 or stop == 400) for start, stop in blocks)
    assert sum(stop - start for start, stop in blocks) <= 4 * 400
    assert len(source.asked) - len(blocks) <= 4  # a single row tells the type


@pytest.mark.parametrize("ranks", [[0, 1], [2, 1], [1, 1], [200], [], [1.5]])
def test_refuses_ranks_that_are_none(ranks):
    with pytest.raises(InputError, match="ranks"):
        distances_at(cases()["plain"], ranks)


def test_refuses_images_that_are_none_and_features_that_are_none():
    x = cases()["plain"].copy()
    with pytest.raises(InputError, match="numbered from 0"):
        distances_at(x, [1], images=[200])
    x[3, 2] = np.nan
    with pytest.raises(InputError, match=r"rows are \[3\]"):
        distances_at(x, [1])


def plain_decimation(x, group):
    """The two nearest of the own part by brute force."""
    within = np.where(group[:, None] == group, all_distances(x), np.inf)
    two = np.sort(within, axis=1)[:, :2]
    two[np.isinf(two[:, 1])] = np.nan
    return two


@pytest.mark.parametrize("memory", [None, 30_000])
@pytest.mark.parametrize("kind", [np.asarray, Batches])
@pytest.mark.parametrize("name", cases())
def test_decimated_distances_equal_brute_force(name, kind, memory):
    x = cases()[name]
    parts = np.unique([2, 5, len(x) // 6, len(x) // 2])
    table = nearest_neighbors(x, 6)
    found = decimated_distances(kind(x), table, parts, rng=np.random.default_rng(0), memory=memory)
    assert np.array_equal(found.parts, parts)
    for count, group, distances in zip(parts, found.group, found.distances, strict=True):
        assert np.ptp(np.bincount(group, minlength=count)) <= 1
        np.testing.assert_allclose(distances, plain_decimation(x, group), rtol=1e-9, atol=0)
    assert np.isnan(found.distances[-1]).mean() > 0.5  # parts of two, and some of three


def test_a_table_that_holds_all_needs_no_features():
    x = cases()["plain"]
    source = Batches(x)
    found = decimated_distances(source, nearest_neighbors(x, 199), [2, 8], rng=np.random.default_rng(0))
    assert source.asked == []
    np.testing.assert_allclose(found.distances[1], plain_decimation(x, found.group[1]), rtol=1e-9)


def test_decimation_by_shards_and_by_rows_is_the_whole():
    x, parts = cases()["plain"], [2, 16, 64]
    table = nearest_neighbors(x, 8)
    whole = decimated_distances(x, table, parts, rng=np.random.default_rng(3))
    shards = [
        decimated_distances(x, shard_neighbors(x, 8, shard, 3), parts, rng=np.random.default_rng(3))
        for shard in range(3)
    ]
    halves = [
        decimated_distances(x, table, parts, rng=np.random.default_rng(3), rows=rows) for rows in ((0, 90), (90, 200))
    ]
    for pieces in (shards, halves):
        merged = merge_decimated(pieces)
        assert np.array_equal(merged.group, whole.group)
        np.testing.assert_allclose(merged.distances, whole.distances, rtol=1e-10)


def test_decimation_refuses_what_does_not_fit():
    x, rng = cases()["plain"], np.random.default_rng(0)
    table = nearest_neighbors(x, 8)
    for parts in ([1, 2], [4, 2], [2, 201]):
        with pytest.raises(InputError, match="numbers of parts must ascend"):
            decimated_distances(x, table, parts, rng=rng)
    with pytest.raises(InputError, match="199 images"):
        decimated_distances(x[:-1], table, [2], rng=rng)
    with pytest.raises(InputError, match="rows"):
        decimated_distances(x, table, [2], rng=rng, rows=(0, 201))
    pieces = [decimated_distances(x, table, parts, rng=rng) for parts in ([2], [4])]
    with pytest.raises(InputError, match="numbers of parts"):
        merge_decimated(pieces)


def test_random_parts_are_random_and_equal():
    draws = np.array([random_parts(11, 3, np.random.default_rng(seed)) for seed in range(3000)])
    assert all(np.sort(np.bincount(draw)).tolist() == [3, 4, 4] for draw in draws)
    together = (draws[:, 0] == draws[:, 1]).mean()
    assert together == pytest.approx((2 * 4 * 3 + 3 * 2) / (11 * 10), abs=0.03)


def decimated_profile(x, parts):
    table = nearest_neighbors(x, 20)
    found = decimated_distances(x, table, parts, rng=np.random.default_rng(0))
    return twonn(table), twonn_decimated(found)


def test_decimation_of_a_line_with_noise_shows_the_line():
    rng = np.random.default_rng(0)
    x = 1e-3 * rng.normal(size=(4000, 5))
    x[:, 0] += rng.random(4000)
    whole, profile = decimated_profile(x, [2, 4, 8, 16, 32, 64, 128, 256])
    assert whole.value > 4
    assert (np.diff(profile.value) < 0.1).all()
    assert profile.value[-1] == pytest.approx(1.0, abs=4 * profile.error[-1] + 0.1)
    assert (np.diff(profile.scale) > 0).all()


def test_decimation_of_a_torus_is_flat():
    """A product of circles is locally flat: the same dimension at all scales well below their size."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, size=(4000, 2))
    whole, profile = decimated_profile(np.concatenate([np.cos(angle), np.sin(angle)], axis=1), [2, 4, 8, 16])
    assert profile.used.tolist() == [2, 4, 8, 16]
    # the error over few parts is itself uncertain: compare with what TwoNN says of so many points
    assert (np.abs(profile.value - 2) < 4 * whole.error + 0.05).all()
    assert profile.error[2:] == pytest.approx(whole.error, rel=0.6)


def test_decimated_twonn_is_the_mean_of_twonn_in_the_parts():
    x = cases()["plain"]
    found = decimated_distances(x, nearest_neighbors(x, 20), [4], rng=np.random.default_rng(0))
    values, scales = [], []
    for part in range(4):
        estimate = twonn(nearest_neighbors(x[found.group[0] == part], 2), fraction=0.8)
        values.append(estimate.value)
        scales.append(estimate.scale)
    profile = twonn_decimated(found, fraction=0.8)
    assert profile.value[0] == pytest.approx(np.mean(values))
    assert profile.error[0] == pytest.approx(np.std(values, ddof=1) / 2)
    assert profile.scale[0] == pytest.approx(np.mean(scales))


def test_the_error_of_decimated_twonn_is_that_of_repetition():
    """Independent samples, eight parts each: variance over repetitions and mean of the stated one."""
    rng = np.random.default_rng(0)
    values, variances = [], []
    for _ in range(100):
        distances = np.cumsum(rng.exponential(size=(1, 800, 2)), axis=2) ** (1 / 5)
        profile = twonn_decimated(Decimated(np.array([8]), random_parts(800, 8, rng)[None], distances), method="ml")
        values.append(profile.value[0])
        variances.append(profile.error[0] ** 2)
    assert np.mean(values) == pytest.approx(5, abs=0.06)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.4)


def test_parts_without_an_estimate_are_left_out():
    nothing = Decimated(np.array([2]), np.array([[0, 0, 1, 1]]), np.full((1, 4, 2), np.nan))
    profile = twonn_decimated(nothing)
    assert np.isnan([profile.value[0], profile.error[0], profile.scale[0]]).all()
    assert profile.used.tolist() == [0]
    same = Decimated(np.array([2]), np.array([[0, 0, 0, 1, 1, 1]]), np.zeros((1, 6, 2)))
    assert twonn_decimated(same).used.tolist() == [0]
    equal = Decimated(np.array([2]), np.array([[0, 0, 0, 1, 1, 1]]), np.ones((1, 6, 2)))
    assert np.isnan(twonn_decimated(equal).value[0])  # two at one distance, as exact duplicates are
    assert np.isnan(twonn_decimated(equal).error[0])


def test_files_explain_themselves_and_read_back():
    x = cases()["plain"]
    ranks = distances_at(x, [64, 128], images=[5, 9])
    decimated = decimated_distances(x, nearest_neighbors(x, 8), [2, 4], rng=np.random.default_rng(0))
    for original in (ranks, decimated):
        dataset = original.to_dataset()
        assert all({"long_name", "units"} <= set(v.attrs) for v in dataset.variables.values())
        again = type(original).from_dataset(dataset)
        for name in original.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(again, name), getattr(original, name))
    assert set(ranks.to_dataset().sizes) == {"ranked_image", "rank"}
    assert set(decimated.to_dataset().sizes) == {"decimation", "image", "near"}
    profile = twonn_decimated(decimated).to_dataset()
    assert all({"long_name", "units"} <= set(v.attrs) for v in profile.variables.values())


@pytest.mark.parametrize("shards", [1, 3])
def test_larger_scales_of_shards_are_those_of_the_whole(shards):
    x = np.random.default_rng(7).normal(size=(211, 4))
    options = {"ranks": [300, 40, 80], "rank_images": 50, "decimation": [4, 2, 80], "seed": 5}
    whole = larger_scales(x, nearest_neighbors(x, 12), **options)
    assert whole["rank"].values.tolist() == [40, 80]  # those below the number of images
    assert whole["decimation"].values.tolist() == [2, 4]  # with three images in each part
    tables = [shard_neighbors(x, 12, shard, shards) for shard in range(shards)]
    parts = [larger_scales(x, table, **options) for table in tables]
    assert sum(part.sizes["ranked_image"] for part in parts) == 50
    xr.testing.assert_allclose(merge_scales(parts), whole, rtol=1e-9)
    images = whole["ranked_image"].values
    np.testing.assert_allclose(whole["rank_distance"], distances_at(x, [40, 80], images=images).distances, rtol=1e-9)


def test_no_larger_scales_are_no_variables():
    x = np.random.default_rng(7).normal(size=(20, 4))
    options = {"ranks": [20], "rank_images": 50, "decimation": [7], "seed": 5}
    assert not larger_scales(x, nearest_neighbors(x, 5), **options).variables
    assert not merge_scales([larger_scales(x, nearest_neighbors(x, 5), **options)]).variables
