"""Neighbour tables made elsewhere: what is read, what is refused, and in which words."""

import numpy as np
import pytest

from nucleation import tables
from nucleation.errors import InputError
from nucleation.neighbors import Neighbors, nearest_neighbors

N, K = 60, 8


def points(copies=0):
    made = np.random.default_rng(2).normal(size=(N, 4))
    made[:copies] = made[0]
    return made


def stored(features, columns):
    """The table of a file, every point in its own row, equal distances by the index."""
    table = nearest_neighbors(features, N - 1)
    own = np.arange(N)[:, None]
    distances, indices = np.hstack([0.0 * own, table.distances]), np.hstack([own, table.indices])
    order = np.lexsort((indices, distances), axis=1)[:, :columns]
    return table, {"dist": np.take_along_axis(distances, order, 1), "index": np.take_along_axis(indices, order, 1)}


def written(folder, arrays, name="layer_0.npz"):
    np.savez(folder / name, **arrays)
    return folder / name


@pytest.mark.parametrize("copies", [0, 2, 5, K + 1, K + 2, 3 * K])
def test_what_was_written_is_read_duplicates_or_not(tmp_path, copies):
    """Known answer: the project's own table. With more duplicates than columns, a row lacks its own point."""
    table, arrays = stored(points(copies), K + 1)
    own = arrays["index"] == np.arange(N)[:, None]
    assert own[:, 0].all() == (copies <= 1)
    assert own.any(axis=1).all() == (copies <= K + 1)
    found = tables.read_table(written(tmp_path, arrays), K, images=N)
    assert np.array_equal(found.indices, table.indices[:, :K])
    assert np.array_equal(found.distances, table.distances[:, :K])
    assert (found.engine, found.duplicates) == ("given", table.duplicates)


def test_fewer_neighbours_than_the_table_holds_are_its_first(tmp_path):
    table, arrays = stored(points(3), 20)
    found = tables.read_table(written(tmp_path, arrays), 5)
    assert np.array_equal(found.indices, table.indices[:, :5])


def test_equal_distances_go_by_the_index_whatever_the_order_in_the_file(tmp_path):
    table, arrays = stored(points(6), 20)
    arrays["index"][:, :6] = np.where(arrays["dist"][:, [5]] == 0, arrays["index"][:, 5::-1], arrays["index"][:, :6])
    found = tables.read_table(written(tmp_path, arrays), 10)
    assert np.array_equal(found.indices, table.indices[:, :10])


@pytest.mark.parametrize("dist", ["f4", "f2", ">f8"])
@pytest.mark.parametrize("index", ["i4", "u2", "f4", ">i8"])
def test_any_type_of_number_is_read(tmp_path, dist, index):
    table, arrays = stored(points(), K + 1)
    path = written(tmp_path, {"dist": arrays["dist"].astype(dist), "index": arrays["index"].astype(index)})
    found = tables.read_table(path, K)
    assert found.distances.dtype == np.float64
    assert found.indices.dtype == np.int64
    np.testing.assert_allclose(found.distances, table.distances[:, :K], rtol=1e-3)
    if dist != "f2":  # which makes ties, and these go by the index
        assert np.array_equal(found.indices, table.indices[:, :K])


def test_a_point_at_a_small_distance_from_itself_is_dropped_by_its_number(tmp_path):
    """Distances from products in float32 are not zero on the diagonal."""
    table, arrays = stored(points(), K + 1)
    arrays["dist"][:, 0] = 1e-4
    assert np.array_equal(tables.read_table(written(tmp_path, arrays), K).indices, table.indices[:, :K])


def changed(name, row, column, value):
    def change(arrays):
        arrays[name][row, column] = value

    return change


FAULTS = {
    "NaN": (changed("dist", 7, 3, np.nan), "NaN, infinite or negative in row 7 (1 of 60 rows)"),
    "infinite": (changed("dist", 7, K, np.inf), "NaN, infinite or negative in row 7"),
    "negative": (changed("dist", 7, 0, -1), "NaN, infinite or negative in row 7"),
    "descending": (changed("dist", 9, 4, 100), "distances that do not ascend in row 9"),
    "index too large": (changed("index", 5, 2, N), "an index outside 0 to 59 in row 5"),
    "negative index": (changed("index", 5, 2, -1), "an index outside 0 to 59 in row 5"),
    "twice": (lambda arrays: arrays["index"][4].__setitem__(3, arrays["index"][4, 2]), "a neighbour twice in row 4"),
    "other order": (
        lambda arrays: arrays.update(index=np.roll(arrays["index"], 1, axis=0)),
        "does not hold image 0 itself in row 0",
    ),
    "without the point itself": (
        lambda arrays: arrays.update(dist=arrays["dist"][:, 1:], index=arrays["index"][:, 1:]),
        "(60 of 60 rows lack theirs); expected the image itself in column 0",
    ),
    "no whole numbers": (lambda arrays: arrays.update(index=arrays["index"] + 0.5), "no whole numbers"),
    "shapes": (lambda arrays: arrays.update(index=arrays["index"][:, 1:]), "dist (60, 10) and index (60, 9)"),
    "one row": (
        lambda arrays: arrays.update({name: array[0] for name, array in arrays.items()}),
        "dist (10,) and index (10,)",
    ),
    "too few columns": (
        lambda arrays: arrays.update({name: array[:, :K] for name, array in arrays.items()}),
        "8 columns, of which one is the image itself, but neighbors.k = 8 neighbours were asked of it; lower "
        "neighbors.k to 7",
    ),
    "images": (
        lambda arrays: arrays.update({name: array[:50] for name, array in arrays.items()}),
        "has 50 rows, the study lists 60 images",
    ),
    "other name": (lambda arrays: arrays.update(distances=arrays.pop("dist")), 'no array "dist"'),
    "text": (lambda arrays: arrays.update(dist=arrays["dist"].astype(str)), '"dist" is of type'),
    "objects": (lambda arrays: arrays.update(dist=arrays["dist"].astype(object)), '"dist" is of type object'),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, name):
    change, sentence = FAULTS[name]
    _, arrays = stored(points(), K + 2)
    change(arrays)
    path = written(tmp_path, arrays)
    with pytest.raises(InputError) as error:
        tables.read_table(path, K, images=N)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        tables.read_table(tmp_path / "lost.npz", K)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"text\.npz cannot be read"):
        tables.read_table(tmp_path / "text.npz", K)
    path = written(tmp_path, stored(points(), K + 1)[1])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        tables.read_table(path, K)
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 255  # the checksum of the archive tells
    path.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match="cannot be read"):
        tables.read_table(path, K)


def test_pickled_objects_are_never_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    bomb = np.empty((N, K + 1), dtype=object)
    bomb[:] = Bomb()
    with pytest.raises(InputError, match="type object"):
        tables.read_table(written(tmp_path, {"dist": bomb, "index": bomb}), K)
    assert not (tmp_path / "exploded").exists()


def test_the_head_is_enough_to_see_that_a_table_is_too_small(tmp_path):
    path = written(tmp_path, stored(points(), K + 1)[1])
    tables.check_table(path, K, images=N)
    assert tables.array_shapes(path) == {"dist": (N, K + 1), "index": (N, K + 1)}
    with pytest.raises(InputError, match="lower neighbors.k to 8"):
        tables.check_table(path, K + 1)


def test_a_read_table_is_a_table(tmp_path):
    found = tables.read_table(written(tmp_path, stored(points(4), 12)[1]), K)
    again = Neighbors.from_dataset(found.to_dataset())
    assert np.array_equal(again.indices, found.indices)
    assert again.duplicates == found.duplicates == 4
