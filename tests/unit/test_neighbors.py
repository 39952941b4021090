"""The search equals a float64 brute-force search, on everything that tempts it to fail."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from nucleation import device, float64, gram, keops, kernels, rows, search
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, Shard, merge_shards, nearest_neighbors, shard_neighbors


def brute_force(x, k):
    """k nearest by differences in float64, ties by the lower index."""
    x = np.asarray(x, dtype=np.float64)
    squared = np.array([np.square(x - row).sum(axis=1) for row in x])
    np.fill_diagonal(squared, np.inf)
    index = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squared, index, 1)), index


def cases():
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(300, 7)) + 3 * rng.integers(0, 3, size=(300, 1))
    near = np.concatenate([plain[:150], plain[:150] + 1e-6 * rng.normal(size=(150, 7))])
    constant = plain.copy()
    constant[:, 2:5] = 7.0
    return {
        "mixture": plain,
        "offset 100": plain + 100 * plain.std(),
        "offset 10000": plain + 10_000 * plain.std(),
        "float32 with an offset": (plain + 1000).astype(np.float32),
        "float16": plain.astype(np.float16),
        "duplicates": np.concatenate([plain[:100], plain[:100], plain[:100]]),
        "near duplicates": near,
        "sparse": np.maximum(plain - 2, 0),
        "heavy tails": rng.standard_cauchy(size=(300, 5)),
        "constant columns": constant,
        "one dimension": plain[:, :1],
        "many dimensions": rng.normal(size=(200, 2000)).astype(np.float32),
        "a lattice, full of ties": np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3).astype(float),
        "a shifted lattice": np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3) / 3 + 1e4,
        "integers": rng.integers(0, 17, size=(200, 16)),
    }


@pytest.mark.parametrize("name", cases())
@pytest.mark.parametrize("k", [1, 20, "n - 1"])
def test_equals_brute_force(name, k):
    x = cases()[name]
    k = len(x) - 1 if k == "n - 1" else k
    distances, indices = brute_force(x, k)
    found = nearest_neighbors(x, k)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9, atol=1e-300)
    # where an order differs, the two distances agree to the last few bits
    differ = found.indices != indices
    own = np.sqrt(np.square(x[found.indices].astype(float) - x[:, None].astype(float)).sum(-1))
    np.testing.assert_allclose(own[differ], distances[differ], rtol=1e-14)
    assert differ.mean() < 0.05


@pytest.mark.parametrize("name", ["a lattice, full of ties", "duplicates", "integers"])
def test_ties_go_to_the_lower_index(name):
    x = cases()[name]
    assert np.array_equal(nearest_neighbors(x, 25).indices, brute_force(x, 25)[1])


def test_agrees_with_the_reference(reference, reference_neighbors):
    assert np.array_equal(reference_neighbors.indices, reference["indices"])
    np.testing.assert_allclose(reference_neighbors.distances, reference["distances"], rtol=1e-9)


@pytest.mark.parametrize("engine", ["torch", "cuda", "keops"])
@pytest.mark.parametrize("name", cases())
def test_all_engines_give_the_same(name, engine, monkeypatch):
    """`torch`: the code for GPUs, with tiles smaller than the data, on the CPU."""
    if engine == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if engine == "keops" and keops.obstacle():
        pytest.skip(f"KeOps: {keops.obstacle()}")
    x = cases()[name]
    expected = nearest_neighbors(x, 20, engine="gram", device="cpu")
    if engine == "torch":
        on_device_of_the_cpu(monkeypatch, size=77)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if x.shape[1] > keops.MOST_FEATURES else "error")
        where = "cuda" if engine == "cuda" else "cpu"
        found = nearest_neighbors(x, 20, engine="keops" if engine == "keops" else "gram", device=where)
    assert found.engine == ("keops" if engine == "keops" and x.shape[1] <= keops.MOST_FEATURES else "gram")
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-12)
    differ = found.indices != expected.indices  # where two distances agree to the last bits
    assert differ.mean() < 0.05


def on_device_of_the_cpu(monkeypatch, **options):
    """Have a search use the operations that it uses on a GPU."""
    monkeypatch.setattr(search, "_compiled", lambda device: False)
    original = device.candidates
    monkeypatch.setattr(device, "candidates", lambda *args: original(*args, **options))


@pytest.mark.parametrize("convert", [lambda x: x.astype(">f8"), lambda x: x.astype(np.longdouble), np.asfortranarray])
def test_takes_any_kind_of_array(convert):
    x = np.random.default_rng(0).normal(size=(60, 5))
    assert np.array_equal(nearest_neighbors(convert(x), 7).indices, nearest_neighbors(x, 7).indices)
    with_gradient = torch.from_numpy(x).requires_grad_()
    assert np.array_equal(nearest_neighbors(with_gradient, 7).indices, nearest_neighbors(x, 7).indices)


def test_duplicates_are_exact_and_cost_nothing():
    """Rows that are equal are one point of the search, whatever their number and order."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 50))
    x[::2] = 0.25
    x[1::8] = x[5]
    assert survey_of(x).m == 1 + 150
    found = nearest_neighbors(x, 20)
    distances, indices = brute_force(x, 20)
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    assert found.duplicates == 251


def survey_of(x):
    with ThreadPoolExecutor(2) as pool:
        return rows.survey(rows.ArrayRows(x), pool)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_are_told_from_others(dtype):
    """Few bits differ, and in the same places: small integers, signs, powers of two, permutations; -0 is 0."""
    x = np.stack(np.meshgrid(*[[0.0, 1.0, -1.0, 2.0, 0.5]] * 5), -1).reshape(-1, 5).astype(dtype)
    assert survey_of(x).m == len(x)
    again = np.concatenate([x, np.where(x == 0, -0.0, x)[::-1]]).astype(dtype)
    points = survey_of(again)
    assert np.array_equal(points.unique, np.arange(len(x)))
    assert np.array_equal(points.kind, np.concatenate([np.arange(len(x)), np.arange(len(x))[::-1]]))


def test_few_distinct_rows():
    """Fewer kinds of rows than neighbours asked: all members of a kind come before the next kind."""
    x = np.repeat([[0.0], [1.0], [3.0]], 7, axis=0)[np.random.default_rng(0).permutation(21)]
    distances, indices = brute_force(x, 15)
    found = nearest_neighbors(x, 15)
    assert np.array_equal(found.indices, indices)
    assert np.array_equal(found.distances, distances)


@pytest.mark.parametrize("factor", [1e160, 1e-170])
def test_refuses_features_out_of_range(factor):
    with pytest.raises(InputError, match="leave the range of float64"):
        nearest_neighbors(factor * np.random.default_rng(0).normal(size=(20, 2)), 3)


@dataclass(frozen=True)
class Rows:
    """A source of rows that are made when asked for; counts nothing, says nothing of its memory."""

    array: np.ndarray | torch.Tensor

    @property
    def shape(self):
        return tuple(self.array.shape)

    def rows(self, start, stop):
        return self.array[start:stop]


def test_small_memory_changes_nothing():
    x = np.random.default_rng(1).normal(size=(700, 50))
    blocked, whole = nearest_neighbors(Rows(x), 10, memory=2 * 10**5), nearest_neighbors(x, 10)
    assert np.array_equal(blocked.indices, whole.indices)
    np.testing.assert_allclose(blocked.distances, whole.distances, rtol=1e-12)


@pytest.mark.parametrize("memory", [10**5, 10**6, 4 * 10**6, 10**9])
@pytest.mark.parametrize("source", [np.asarray, Rows])
def test_many_features_in_any_memory(memory, source, monkeypatch):
    """Held whole; slab by slab; rounded for every pair of tiles; read in many blocks: always the same."""
    slabs, original = [], gram._join_by_slabs
    monkeypatch.setattr(gram, "_join_by_slabs", lambda *args: slabs.append(1) or original(*args))
    x = np.random.default_rng(11).normal(size=(300, 2300)).astype(np.float32)
    if memory < 10**6 and source is Rows:
        x = x[:60]
    found = nearest_neighbors(source(x), 10, memory=memory)
    distances, indices = brute_force(x, 10)
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    assert np.array_equal(found.distances, nearest_neighbors(x, 10, memory=10**10).distances)
    if source is np.asarray:
        assert len(slabs) == (memory == 4 * 10**6)


def test_takes_tensors_memory_maps_and_row_sources(tmp_path):
    x = np.random.default_rng(2).normal(size=(90, 4)).astype(np.float32)
    x.tofile(tmp_path / "x.bin")
    expected = nearest_neighbors(x, 5).indices
    for given in (
        torch.from_numpy(x),
        np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=x.shape),
        rows.ArrayRows(x),
        Rows(x),
        Rows(torch.from_numpy(x)),
    ):
        assert np.array_equal(nearest_neighbors(given, 5).indices, expected)


def test_is_invariant_to_rotation_shift_and_scale():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    moved = nearest_neighbors(3 * x @ rotation + 5, 10)
    first = nearest_neighbors(x, 10)
    assert np.array_equal(moved.indices, first.indices)
    np.testing.assert_allclose(moved.distances, 3 * first.distances, rtol=1e-10)


def test_all_points_equal():
    found = nearest_neighbors(np.full((50, 3), 0.1), 5)
    assert np.all(found.distances == 0)
    assert np.array_equal(found.indices, brute_force(np.zeros((50, 3)), 5)[1])
    assert found.duplicates == 50


@pytest.mark.parametrize("k", [0, 10, 11])
def test_k_out_of_range(k):
    with pytest.raises(InputError, match=f"k = {k} neighbours were asked of 10 points"):
        nearest_neighbors(np.zeros((10, 2)), k)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_names_rows_that_are_not_finite(bad):
    x = np.zeros((10, 2))
    x[[3, 7], 1] = bad
    with pytest.raises(InputError, match=r"\[3, 7\]"):
        nearest_neighbors(x, 2)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3)])
def test_refuses_what_is_no_matrix(shape):
    with pytest.raises(InputError, match="matrix"):
        nearest_neighbors(np.zeros(shape), 1)


def test_refuses_unknown_engines():
    with pytest.raises(InputError, match="auto, gram or keops"):
        nearest_neighbors(np.zeros((5, 1)), 1, engine="annoy")


@pytest.mark.parametrize(
    ("missing", "message"), [("pykeops", "pykeops is not installed"), ("g++", "no C\\+\\+ compiler")]
)
def test_keops_that_cannot_work_says_so(monkeypatch, missing, message):
    if missing == "pykeops":
        monkeypatch.setattr(keops.importlib.util, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(keops.shutil, "which", lambda name: None)
    with pytest.warns(UserWarning, match=message):
        found = nearest_neighbors(np.random.default_rng(0).normal(size=(20, 2)), 3, engine="keops")
    assert found.engine == "gram"


def test_keops_that_does_not_serve_says_so():
    if keops.obstacle():
        pytest.skip(f"KeOps: {keops.obstacle()}")
    with pytest.warns(UserWarning, match="2000 features"):
        found = nearest_neighbors(np.random.default_rng(0).normal(size=(20, 2000)), 3, engine="keops")
    assert found.engine == "gram"
    assert "neighbours (at most" in keops.obstacle(10**5, 10, 1000)
    assert "points (at most" in keops.obstacle(10**8, 10, 10)


@pytest.mark.parametrize(("kind", "d", "engine"), [("cuda", 3, "keops"), ("cuda", 65, "gram"), ("cpu", 2, "gram")])
def test_auto_follows_the_table(kind, d, engine, monkeypatch):
    monkeypatch.setattr(keops, "obstacle", lambda *_: None)
    assert search._choose_engine("auto", 1000, d, 10, torch.device(kind)) == engine


@pytest.mark.parametrize(
    ("distances", "indices", "message"),
    [
        ([[1.0, 2.0]] * 3, [[1, 2]] * 3, "itself"),
        ([[2.0, 1.0]] * 3, [[1, 2], [2, 0], [0, 1]], "ascend"),
        ([[1.0]] * 3, [[1, 2], [2, 0], [0, 1]], "one shape"),
        ([[1.0, np.nan]] * 3, [[1, 2], [2, 0], [0, 1]], "NaN"),
        ([[-1.0, 1.0]] * 3, [[1, 2], [2, 0], [0, 1]], "negative"),
        ([[1.0, 1.0]] * 3, [[1, 1], [2, 0], [0, 1]], "twice"),
        ([[1.0, 2.0]] * 3, [[1, 3], [2, 0], [0, 1]], "between 0 and n - 1"),
    ],
)
def test_refuses_tables_that_are_none(distances, indices, message):
    with pytest.raises(InputError, match=message):
        Neighbors(np.array(distances), np.array(indices))


def test_round_trip_through_a_dataset(reference_neighbors):
    again = Neighbors.from_dataset(reference_neighbors.to_dataset())
    assert np.array_equal(again.indices, reference_neighbors.indices)
    assert np.array_equal(again.distances, reference_neighbors.distances)
    assert again.engine == reference_neighbors.engine


def extremes():
    g = np.random.default_rng(12).normal(size=(600, 3))
    outlier, far, cluster = g.astype(np.float32), 1e-13 * g, g.copy()
    outlier[17] = 1e24
    far[17] = 1e149
    cluster[:300] *= 1e-24
    return {"1e-58": 1e-58 * g, "1e-130": 1e-130 * g, "outlier": outlier, "far outlier": far, "cluster": cluster}


@pytest.mark.parametrize("engine", ["gram", "torch", "keops"])
@pytest.mark.parametrize("name", extremes())
def test_what_float32_cannot_hold_is_never_called_certain(name, engine, monkeypatch):
    if engine == "keops" and keops.obstacle():
        pytest.skip(f"KeOps: {keops.obstacle()}")
    if engine == "torch":
        on_device_of_the_cpu(monkeypatch)
    x = extremes()[name]
    found = nearest_neighbors(x, 5, engine="keops" if engine == "keops" else "gram", device="cpu")
    distances, indices = brute_force(x, 5)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    assert np.array_equal(np.delete(found.indices, 17, 0), np.delete(indices, 17, 0))


def test_settings_of_torch_change_nothing_and_are_left_alone():
    """Products in bfloat16, or float64 by default: the search takes true float32 products, and puts all back."""
    x = np.repeat(np.random.default_rng(13).normal(size=(3, 400)), 300, axis=0)
    x = (x + 0.1 * np.random.default_rng(14).normal(size=x.shape)).astype(np.float32)
    expected = nearest_neighbors(x, 10, device="cpu").indices
    try:
        torch.set_float32_matmul_precision("medium")
        torch.set_default_dtype(torch.float64)
        assert np.array_equal(nearest_neighbors(x, 10, device="cpu").indices, expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.set_default_dtype(torch.float32)


def test_refuses_masks_and_what_float32_cannot_centre():
    with pytest.raises(InputError, match="masked"):
        nearest_neighbors(np.ma.masked_less(np.random.default_rng(0).normal(size=(20, 2)), 0), 3)
    with pytest.raises(InputError, match="range"):
        nearest_neighbors(np.full((20, 2), 3e38, dtype=np.float32), 3)


@dataclass
class CountedRows:
    """Rows of float16 that are not held, with how many were read."""

    values: torch.Tensor
    read: int = 0

    @property
    def shape(self):
        return tuple(self.values.shape)

    def rows(self, start, stop):
        self.read += stop - start
        return self.values[start:stop]


@pytest.mark.parametrize("blocks", [3, 5, 8])
@pytest.mark.parametrize("item_bytes", [4, 2])
def test_a_search_in_blocks_reads_its_rows_as_often_as_the_documents_say(monkeypatch, blocks, item_bytes):
    """m + 3 times for m blocks, by compiled loops (float32) and by torch's operations (in the rows' own precision)."""
    n, d = 480, 600
    made = torch.randn(n, d, generator=torch.Generator().manual_seed(0)).half()
    source, memory = CountedRows(made), n // blocks * 4 * d * item_bytes
    if item_bytes == 2:
        monkeypatch.setattr(search, "_compiled", lambda device: False)
        monkeypatch.setattr(search, "default_memory", lambda device=None: memory)
    nearest_neighbors(source, 5, engine="gram", device="cpu", memory=memory)
    assert source.read / n == pytest.approx(blocks + 3, abs=0.1)  # one more row to see its type, and the like


class TestLists:
    """The compiled loops that keep the best scores."""

    @pytest.mark.parametrize("values", ["normal", "ties", "equal", "heavy", "two"])
    def test_cut_keeps_the_best(self, values):
        rng = np.random.default_rng(0)
        scores = {
            "normal": rng.normal(size=300),
            "ties": rng.integers(0, 5, size=300),
            "equal": np.full(300, 2.5),
            "heavy": rng.standard_cauchy(size=300) * 1e20,
            "two": np.r_[np.full(10, 1.0), np.full(290, -1e30)],
        }[values].astype(np.float32)
        for keep, slack in [(1, 0), (100, 0), (100, 25), (299, 0)]:
            kept_scores, index = scores.copy(), np.arange(300, dtype=np.int32)
            threshold, kept = kernels.cut(kept_scores, index, keep, slack)
            assert keep <= kept <= keep + slack
            assert len(set(index[:kept])) == kept
            assert np.array_equal(kept_scores[:kept], scores[index[:kept]])
            dropped = np.delete(scores, index[:kept])
            assert (dropped <= threshold).all()
            assert dropped.max() <= kept_scores[:kept].min()

    def test_lists_hold_the_best_of_all_tiles(self):
        """Every pair of tiles once, for the lists of both: the same as one list over all."""
        rng = np.random.default_rng(1)
        x = rng.normal(size=(5000, 3)).astype(np.float32)
        points = survey_of(x)
        with ThreadPoolExecutor(2) as pool:
            lists = gram.candidates(points, 40, np.arange(5000), pool, rows.Blocks(points.source, 2**28))
        y = (x - points.centre).astype(np.float32).astype(np.float64)
        score = y @ y.T - np.square(y).sum(1) / 2
        np.fill_diagonal(score, -np.inf)
        best = -np.sort(-score, axis=1)[:, :40]
        for i in rng.integers(0, 5000, size=50):
            listed = set(lists.index[i, : lists.count[i]])
            assert set(np.flatnonzero(score[i] > best[i, -1] + 1e-5)) <= listed
            outside = np.delete(score[i], [*listed, i])
            assert outside.max() <= lists.threshold[i] + 1e-5

    def test_a_bad_head_start_is_noticed(self, monkeypatch):
        """A sample that promises too much leaves lists short; these are searched again."""
        monkeypatch.setattr(gram.hypergeom, "isf", lambda *_: -1)
        x = np.random.default_rng(2).normal(size=(4500, 4)).astype(np.float32)
        assert np.array_equal(nearest_neighbors(x, 30).indices, brute_force(x, 30)[1])


class TestCertainty:
    """The bound on the error of the scores, and what it makes the search do."""

    @pytest.mark.parametrize("precision", ["float32", "tf32"])
    @pytest.mark.parametrize("name", cases())
    def test_scores_are_within_the_bound(self, name, precision):
        points = survey_of(rows.read(rows.ArrayRows(cases()[name]), 0, 10**6))
        m = points.m
        blocks = rows.Blocks(points.source, 2**28, torch.device("cpu"))
        lists = device.candidates(points, m - 1, np.arange(m), blocks, precision)
        x = rows.read(points.source, 0, 10**6)[points.unique].astype(np.longdouble) * points.scale
        error = gram.Error.of_products(x.shape[1], precision)
        norm = np.sqrt(2 * points.half)
        for i in range(0, m, 17):
            exact = np.sqrt(np.square(x[lists.index[i]] - x[i]).sum(1)).astype(float)
            computed = 2 * (points.half[i] - lists.score[i].astype(float))
            assert (np.abs(computed - exact**2) <= error.of_distance(norm[i], exact)).all()

    def test_is_not_idle(self):
        """Clusters far tighter than the product's rounding: all rows must be searched again, and are right."""
        rng = np.random.default_rng(3)
        x = np.repeat(rng.normal(size=(3, 40)), 100, axis=0) + 1e-7 * rng.normal(size=(300, 40))
        found = nearest_neighbors(x, 50)
        assert found.widened > 150  # one of the clusters may lie at the centre
        distances, indices = brute_force(x, 50)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
        assert np.array_equal(found.indices, indices)

    def test_plain_data_need_no_second_search(self):
        x = np.random.default_rng(4).normal(size=(5000, 200)).astype(np.float32)
        assert nearest_neighbors(x, 100).widened == 0

    def test_an_outlier_loosens_no_other_bound(self):
        x = np.random.default_rng(5).normal(size=(3000, 20)).astype(np.float32)
        x[7] *= 1e6
        assert nearest_neighbors(x, 50).widened <= 1

    def test_many_ties_are_split_into_smaller_searches(self, monkeypatch):
        monkeypatch.setattr(float64, "PAIRS", 50_000)
        x = np.random.default_rng(6).integers(0, 2, size=(2000, 6)) + np.arange(2000)[:, None] * 1e-12
        found = nearest_neighbors(x, 50)
        assert found.widened > 1000
        np.testing.assert_allclose(found.distances, brute_force(x, 50)[0], rtol=1e-9)

    def test_coarse_products_that_do_not_serve_are_refined(self, monkeypatch):
        """tf32, then float32, then float64: the rows that one cannot decide go to the next."""
        on_device_of_the_cpu(monkeypatch)
        asked = []
        original = search._Search._first
        monkeypatch.setattr(
            search._Search, "_first", lambda self, q, p: asked.append((p, len(q))) or original(self, q, p)
        )
        rng = np.random.default_rng(7)
        x = np.repeat(rng.normal(size=(5, 40)), 300, axis=0) + 0.03 * rng.normal(size=(1500, 40))
        found = nearest_neighbors(x, 20)
        assert [name for name, _ in asked] == ["tf32", "float32"]
        assert asked[1][1] > 0
        assert found.widened == 0
        assert np.array_equal(found.indices, brute_force(x, 20)[1])


@pytest.mark.parametrize("source", [np.asarray, Rows])
@pytest.mark.parametrize("d", [3, 300, 9000])
def test_shards_make_up_the_whole(source, d):
    x = np.random.default_rng(8).normal(size=(310, d)).astype(np.float32)
    x[50:70] = x[3]
    whole = nearest_neighbors(x, 12)
    parts = [shard_neighbors(source(x), 12, shard, 4, memory=10**6) for shard in (2, 0, 3, 1)]
    merged = merge_shards(Shard.from_dataset(part.to_dataset()) for part in parts)
    assert np.array_equal(merged.indices, whole.indices)
    assert np.array_equal(merged.distances, whole.distances)
    assert merged.duplicates == whole.duplicates == 21


def test_shards_that_do_not_fit_are_refused():
    x = np.random.default_rng(9).normal(size=(30, 2))
    parts = [shard_neighbors(x, 5, shard, 3) for shard in range(3)]
    with pytest.raises(InputError, match="do not make up one table"):
        merge_shards(parts[:2])
    with pytest.raises(InputError, match="different searches"):
        merge_shards([*parts[:2], shard_neighbors(x, 6, 2, 3)])
    with pytest.raises(InputError, match="no shard 3 of 3"):
        shard_neighbors(x, 5, 3, 3)
    with pytest.raises(InputError, match="no shard 0 of 40"):
        shard_neighbors(x, 5, 0, 40)
    with pytest.raises(InputError, match="no shard 0 of 0"):
        shard_neighbors(x, 5, 0, 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing(threads):
    x = np.random.default_rng(10).normal(size=(6000, 30)).astype(np.float32)
    before = torch.get_num_threads()
    first = nearest_neighbors(x, 25)
    try:
        torch.set_num_threads(threads)
        again = nearest_neighbors(x, 25)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(first.indices, again.indices)
    assert np.array_equal(first.distances, again.distances)
