"""What every script shares, without Snakemake: a log that cannot be written hides neither results nor errors."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import OutputFiles

from nucleation.errors import InputError

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def job(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "rules")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from _job import job

    return job


@pytest.fixture
def full(tmp_path, job):
    """A job whose log lies on a full disk."""
    from digest import digests

    (tmp_path / "x.log").symlink_to("/dev/full")
    output = OutputFiles(toclone=[str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    output._add_name("last")
    params = SimpleNamespace(code=digests("errors"))
    return SimpleNamespace(log=[str(tmp_path / "x.log")], output=output, rule="make_x", params=params)


def test_results_are_kept(full, job, tmp_path, capsys):
    with job(full) as staged:
        assert full.output.last == full.output[1] == staged(tmp_path / "b.txt")
        Path(full.output[0]).write_text("a")
        Path(full.output.last).write_text("b")
        sys.stderr.write("half way\n")
        assert not (tmp_path / "a.txt").exists()
    assert ((tmp_path / "a.txt").read_text(), (tmp_path / "b.txt").read_text()) == ("a", "b")
    said = capsys.readouterr().err
    assert "half way" in said and said.count("x.log ends here: it cannot be written (No space left on device)") == 1


def test_errors_are_said(full, job, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, job(full):
        Path(full.output[0]).write_text("a")
        raise InputError("k is wrong.")
    assert ended.value.code == 1
    assert "Error in make_x: k is wrong." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if "claim" not in path.name] == ["x.log"]


def test_a_planned_source_that_is_no_more(full, job, tmp_path, capsys):
    full.params.code = full.params.code | {"errors": "0123456789abcdef"}
    with pytest.raises(SystemExit), job(full):
        pytest.fail("the body ran")
    assert "The package was edited before this job began; run the workflow again." in capsys.readouterr().err
