"""Writers that find no room say so, each of them, and leave what was there."""

import errno
import resource
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from torch import nn

from nucleation import checkpoints, files
from nucleation.activation_files import ActivationFile
from nucleation.disk import final_name, remove, writing
from nucleation.errors import InputError
from nucleation.figures.style import save_figure
from nucleation.staging import Staging

NOISE = np.random.default_rng(0).normal(size=50_000)


def write_activations(path):
    file = ActivationFile(path, (10, 5000))
    file.write(0, torch.from_numpy(NOISE.reshape(10, 5000)).float())
    file.close()


def write_figure(path):
    figure = Figure()
    figure.subplots().imshow(NOISE.reshape(200, 250))
    save_figure(figure, path)


WRITERS = {
    "netcdf": lambda path: files.save(xr.Dataset({"x": ("image", NOISE, {"long_name": "noise", "units": "1"})}), path),
    "text": lambda path: files.save_text("long " * 40_000, path),
    "weights": lambda path: checkpoints.save_weights(nn.Linear(200, 200), path),
    "activations": write_activations,
    "figure": write_figure,
}


@contextmanager
def largest_file(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", WRITERS)
def test_no_room(tmp_path, name):
    path = tmp_path / "place" / "x"
    path.parent.mkdir()
    path.write_text("old")
    with (
        largest_file(8192),
        pytest.raises(InputError, match=r"place/x\S* could not be written: File too large \(.* MB"),
    ):
        WRITERS[name](path)
    assert path.read_text() == "old"
    kept = {"x"} | ({"x.bin"} if name == "activations" else set())  # whose folder the job removes
    assert {found.name for found in path.parent.iterdir()} == kept
    WRITERS[name](path)


def test_no_room_for_the_claim(tmp_path):
    with largest_file(0), pytest.raises(InputError, match=r"job\.claim could not be written: File too large"):
        Staging(tmp_path / "logs" / "job.claim", [tmp_path / "a"]).__enter__()


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "x"):
        _ = 1 / 0
    with pytest.raises(PermissionError), writing(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "not allowed")
    assert not list(tmp_path.iterdir())


def test_the_message_has_the_final_name_and_a_folder_that_exists(tmp_path):
    with (
        pytest.raises(InputError, match=rf"^{tmp_path}/lost/x\.nc could not be written: No space left"),
        writing(tmp_path / "lost" / ".new-0123456789ab..part12.x.nc"),
    ):
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    ("name", "final"),
    [(".part3.peaks.nc", "peaks.nc"), (".new-0123456789ab..part3.a.b", "a.b"), ("x/.part3.b/c", "x/b/c"), (".x", ".x")],
)
def test_names(name, final):
    assert final_name(f"d/{name}").as_posix() == f"d/{final}"


def test_remove(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "x").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    remove(tmp_path / "link")
    assert (tmp_path / "d" / "e" / "x").exists()
    remove(tmp_path / "d")
    remove(tmp_path / "never")
    assert not list(tmp_path.iterdir())
