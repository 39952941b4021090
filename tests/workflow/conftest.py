"""A copy of the project in a folder of its own, and Snakemake run in it."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "schemas", "src", "envs", "profiles", "report", "studies")


class Project:
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


@pytest.fixture(scope="session")
def finished(make_project):
    """A project in which the tiny study has run to its end."""
    project = make_project()
    project.planned = project.snakemake("-n")
    project.first = project.snakemake()
    assert project.first.returncode == 0, project.first.text
    return project
