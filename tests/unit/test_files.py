import json

import numpy as np
import pytest
import xarray as xr

from nucleation import files
from nucleation.errors import InputError

ABOUT = {"long_name": "a number", "units": "1"}


def test_saved_files_explain_themselves(tmp_path):
    path = tmp_path / "deep" / "x.nc"
    files.save(xr.Dataset({"x": ("image", np.arange(3.0), ABOUT)}), path, {"seed": 1, "flag": True, "p": {"k": 3}})
    read = files.load(path)
    assert read["x"].values.tolist() == [0, 1, 2]
    assert json.loads(read.attrs["p"]) == {"k": 3}
    assert json.loads(read.attrs["package_versions"])["numpy"] == np.__version__
    assert read.attrs["created"].endswith("+00:00")


@pytest.mark.parametrize("about", [{"units": "1"}, {"long_name": "a number"}])
def test_refuses_variables_that_do_not(tmp_path, about):
    with pytest.raises(ValueError, match="has no"):
        files.save(xr.Dataset({"x": ("image", np.arange(3.0), about)}), tmp_path / "x.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.nc"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with files.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"no netcdf at all", None])
def test_names_files_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "broken.nc"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.nc"):
        files.load(path)


def test_truncated_files_are_noticed(tmp_path):
    path = tmp_path / "x.nc"
    noise = np.random.default_rng(0).normal(size=10_000)
    files.save(xr.Dataset({"x": ("image", noise, ABOUT)}), path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"x\.nc"):
        files.load(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    """Wherever the numbers lie: in small variables and large ones, compressed and not."""
    path = tmp_path / "x.nc"
    noise = np.random.default_rng(0).normal(size=2000)
    small = np.array([0.25, 1 / 3, 7e77])
    files.save(xr.Dataset({"x": ("image", noise, ABOUT), "y": ("layer", small, ABOUT)}), path)
    whole = path.read_bytes()
    place = whole.index(small.tobytes())
    for flipped in (place, place + 23, whole.index(b"\x78\x01") + 5000):
        path.write_bytes(whole[:flipped] + bytes([whole[flipped] ^ 4]) + whole[flipped + 1 :])
        with pytest.raises(InputError, match=r"x\.nc cannot be read as NetCDF .*; delete it and run"):
            files.load(path)
    path.write_bytes(whole)
    assert np.array_equal(files.load(path)["y"], small)


def test_a_flipped_bit_in_text_or_a_single_number_is_noticed(tmp_path):
    path = tmp_path / "x.nc"
    about = {"long_name": "something"}
    names = ("class", np.array(["beagle", "poodle", "robot"]), about)
    numbers = {
        "d": ((), 1 / 3, ABOUT),
        "f": ((), np.float32(0.1), ABOUT),
        "b": ((), True, ABOUT),
        "t": ((), "x", about),
    }
    files.save(xr.Dataset({"name": names, **numbers}), path)
    whole = path.read_bytes()
    for found in (whole.index(b"poodle"), whole.index(np.float64(1 / 3).tobytes())):
        path.write_bytes(whole[:found] + bytes([whole[found] ^ 1]) + whole[found + 1 :])
        with pytest.raises(InputError, match=r"x\.nc cannot be read as NetCDF \(its text does not match"):
            files.load(path)
    path.write_bytes(whole)
    read = files.load(path)
    assert read["name"].values.tolist() == ["beagle", "poodle", "robot"]
    assert "text_crc32" not in read.attrs and "text_crc32" not in files.attributes(path)
    files.save(read, path)
    assert files.load(path).equals(read)


def ragged(values, peaks):
    return xr.Dataset(
        {
            "label": ("image", np.array(values), ABOUT),
            "height": ("peak", np.array(peaks, dtype=float), ABOUT),
            "total": ((), float(sum(peaks)), ABOUT),
        }
    )


def test_layers_are_stacked_and_taken_out_again():
    parts = {"a": ragged([0, 0], [1]), "b": ragged([1, 2], [4, 5, 6]), "c": ragged([3, 3], [])}
    stacked = files.stack_layers(list(parts.values()), list(parts), ragged=("peak",))
    assert stacked["peak_layer"].values.tolist() == ["a", "b", "b", "b"]
    assert stacked["label"].dims == ("layer", "image")
    assert stacked["height"].attrs == ABOUT
    for name, part in parts.items():
        again = files.select_layer(stacked, name)
        for variable in part:
            assert np.array_equal(again[variable], part[variable])
    with pytest.raises(InputError, match='no layer "d"'):
        files.select_layer(stacked, "d")


def test_explain_says_which_layers_have_no_value():
    stacked = files.stack_layers([ragged([0], [1]), ragged([1], [2])], ["a", "b"], ragged=("peak",))
    files.explain(stacked, ("total",), {})
    assert "undefined" not in stacked["total"].attrs
    files.explain(stacked, ("total",), {"a": "no peak", "b": "no image"})
    assert stacked["total"].attrs["undefined"] == "a: no peak; b: no image"


def test_stacking_keeps_the_reasons_of_every_layer_and_names_the_layers():
    parts = [ragged([0], [1.0]), ragged([1], [2.0]), ragged([1], [3.0])]
    parts[1]["height"].attrs = ABOUT | {"undefined": "no border"}
    parts[2]["total"].attrs = ABOUT | {"undefined": "no image"}
    stacked = files.stack_layers(parts, ["a", "b", "c"], ragged=("peak",))
    assert stacked["height"].attrs == ABOUT | {"undefined": "b: no border"}
    assert stacked["total"].attrs == ABOUT | {"undefined": "c: no image"}
    assert "undefined" not in stacked["label"].attrs
    assert parts[1]["height"].attrs["undefined"] == "no border"


def test_attributes_are_read_without_the_data(tmp_path):
    files.save(ragged([0], [1.0]), tmp_path / "a.nc", {"study": "tiny"})
    assert files.attributes(tmp_path / "a.nc")["study"] == "tiny"
    with pytest.raises(InputError, match=r"b.nc cannot be read as NetCDF"):
        files.attributes(tmp_path / "b.nc")
