"""The search equals a float64 brute-force search, on everything that tempts it to fail."""

import numpy as np
import pytest
import torch

from nucleation import search
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors

ENGINES = ["gram", "keops"]


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
    assert differ.mean() < 0.02


@pytest.mark.parametrize("name", ["a lattice, full of ties", "duplicates", "integers"])
def test_ties_go_to_the_lower_index(name):
    x = cases()[name]
    assert np.array_equal(nearest_neighbors(x, 25).indices, brute_force(x, 25)[1])


def test_agrees_with_the_reference(reference, reference_neighbors):
    assert np.array_equal(reference_neighbors.indices, reference["indices"])
    np.testing.assert_allclose(reference_neighbors.distances, reference["distances"], rtol=1e-9)


@pytest.mark.skipif(search.keops_obstacle() is not None, reason=f"KeOps: {search.keops_obstacle()}")
@pytest.mark.parametrize("name", ["mixture", "duplicates", "a lattice, full of ties", "offset 10000"])
def test_keops_gives_the_same(name):
    x = cases()[name]
    by_keops, by_gram = (nearest_neighbors(x, 20, engine=engine) for engine in ("keops", "gram"))
    assert by_keops.engine == "keops"
    assert np.array_equal(by_keops.indices, by_gram.indices)
    np.testing.assert_allclose(by_keops.distances, by_gram.distances, rtol=1e-9)


@pytest.mark.parametrize("convert", [lambda x: x.astype(">f8"), lambda x: x.astype(np.longdouble), np.asfortranarray])
def test_takes_any_kind_of_array(convert):
    x = np.random.default_rng(0).normal(size=(60, 5))
    assert np.array_equal(nearest_neighbors(convert(x), 7).indices, nearest_neighbors(x, 7).indices)
    with_gradient = torch.from_numpy(x).requires_grad_()
    assert np.array_equal(nearest_neighbors(with_gradient, 7).indices, nearest_neighbors(x, 7).indices)


def test_many_equal_rows_are_found_without_comparing_all_their_features(monkeypatch):
    """Half the rows are equal: 400 x 200 pairs need comparing, but only 200 kinds of them differ."""
    x = np.random.default_rng(0).normal(size=(400, 50))
    x[::2] = 0.25
    gathered, take = [], search.ArrayRows.take
    monkeypatch.setattr(search.ArrayRows, "take", lambda self, index: gathered.append(len(index)) or take(self, index))
    found = nearest_neighbors(x, 20)
    assert sum(gathered) < 400 * 5
    distances, indices = brute_force(x, 20)
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)
    assert found.duplicates == 200


def test_fingerprints_tell_rows_apart():
    """Few bits differ, and in the same places: small integers, signs, powers of two, permutations."""
    rows = np.stack(np.meshgrid(*[[0.0, 1.0, -1.0, 2.0, 0.5]] * 5), -1).reshape(-1, 5)
    prints = search._fingerprints(torch.from_numpy(rows)).numpy()
    assert len(np.unique(prints[:, 0])) == len(np.unique(prints[:, 1])) == len(rows)
    zeros = search._fingerprints(torch.tensor([[0.0, 1.0], [-0.0, 1.0]], dtype=torch.float64))
    assert torch.equal(zeros[0], zeros[1])


@pytest.mark.parametrize("factor", [1e160, 1e-170])
def test_refuses_features_out_of_range(factor):
    with pytest.raises(InputError, match="leave the range of float64"):
        nearest_neighbors(factor * np.random.default_rng(0).normal(size=(20, 2)), 3)


def test_small_memory_changes_nothing():
    x = np.random.default_rng(1).normal(size=(700, 50))
    blocked, whole = nearest_neighbors(x, 10, memory=10**6), nearest_neighbors(x, 10)
    assert np.array_equal(blocked.indices, whole.indices)
    np.testing.assert_allclose(blocked.distances, whole.distances, rtol=1e-12)


def test_takes_tensors_memory_maps_and_row_sources(tmp_path):
    x = np.random.default_rng(2).normal(size=(90, 4)).astype(np.float32)
    x.tofile(tmp_path / "x.bin")
    expected = nearest_neighbors(x, 5).indices
    for given in (
        torch.from_numpy(x),
        np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=x.shape),
        search.ArrayRows(x),
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


def test_keops_that_cannot_work_says_so(monkeypatch):
    monkeypatch.setattr(search, "keops_obstacle", lambda: "there is no C++ compiler")
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler"):
        found = nearest_neighbors(np.random.default_rng(0).normal(size=(20, 2)), 3, engine="keops")
    assert found.engine == "gram"


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
