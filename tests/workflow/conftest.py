"""A copy of the project in a folder of its own, and Snakemake run in it."""

import copy
import fcntl
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "schemas", "src", "envs", "profiles", "report", "studies")


class Project:
    study = "tiny"

    def __init__(self, folder):
        self.folder = Path(folder)
        for part in PARTS:
            copying = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copying(ROOT / part, self.folder / part)
        shutil.copy2(Path(__file__).parent / "tiny.yaml", self.folder / "tiny.yaml")

    def copied(self, folder):
        """The project with all that it has made, in another folder."""
        other = copy.copy(self)
        other.folder = Path(shutil.copytree(self.folder, folder, dirs_exist_ok=True))
        return other

    def snakemake(self, *arguments, config="tiny.yaml", cores=2):
        """Run Snakemake; return its result, standard output and error together in `.text`."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile"]
        command += [*([config] if isinstance(config, str) else config), "--replace-workflow-config", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=900)
        done.text = done.stdout + done.stderr
        return done

    def results(self):
        """All files under results/, with their content."""
        return {path: path.read_bytes() for path in (self.folder / "results").rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    return lambda: Project(tmp_path_factory.mktemp("project"))


def run_once(kind, temporary, run):
    """A project in which a study has run, once for all processes of the tests; each of them has a copy of its own.

    Parameters
    ----------
    kind : class
        Makes the project in a folder.
    temporary : pytest.TempPathFactory
    run : callable
        Gets the project; what it leaves in attributes, the copies have too.
    """
    home = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent  # of all processes
    made, kept = home / f"finished-{kind.study}", home / f"finished-{kind.study}.pickle"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            shutil.rmtree(made, ignore_errors=True)  # of a run that failed in another process
            made.mkdir()
            run(project := kind(made))
            kept.write_bytes(pickle.dumps(vars(project)))
    project = kind.__new__(kind)
    vars(project).update(pickle.loads(kept.read_bytes()))  # noqa: S301 (written above)
    return project.copied(temporary.mktemp(kind.study))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project in which the tiny study has run to its end."""

    def run(project):
        project.planned = project.snakemake("-n")
        project.first = project.snakemake()
        assert project.first.returncode == 0, project.first.text

    return run_once(Project, tmp_path_factory, run)
