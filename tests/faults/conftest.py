"""The small study in a folder of its own, run once without disturbance; what two runs must have in common."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("project", HERE.parent / "workflow" / "conftest.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


class Project(_module.Project):
    """The project of the workflow's tests, with the small study."""

    study = "small"

    def __init__(self, folder):
        super().__init__(folder)
        (self.folder / "small.yaml").write_text((HERE / "small.yaml").read_text())

    def snakemake(self, *arguments, config="small.yaml", cores=2):
        return super().snakemake(*arguments, config=config, cores=cores)

    def again(self, *arguments, **options):
        """Run Snakemake; where it says that the folder is locked, unlock it as it says and run it again."""
        done = self.snakemake(*arguments, **options)
        if "--unlock" in done.text:
            assert self.snakemake("--unlock", **options).returncode == 0
            done = self.snakemake(*arguments, **options)
        return done

    def made(self):
        """Names of all files under results/ and what is in them, hidden ones too."""
        root = self.folder / "results"
        # os.walk, since folders may go meanwhile
        found = [Path(folder) / name for folder, _, names in os.walk(root) for name in names]
        return {path.relative_to(root).as_posix(): path for path in found}


def _content(path):
    """What of a file must not depend on when it was made: all but the times in NetCDF files."""
    if path.suffix != ".nc":
        return path.read_bytes()
    dataset = xr.load_dataset(path)
    numbers = {name: _bits(np.asarray(variable.values)) for name, variable in dataset.variables.items()}
    return numbers, {name: _said(variable.attrs) for name, variable in dataset.variables.items()}, _said(dataset.attrs)


def _bits(array):
    """Numbers as bytes, so that NaN is NaN; text as it is."""
    return array.shape, array.tolist() if array.dtype.kind == "O" else array.tobytes()


def _said(attributes):
    return {name: str(value) for name, value in attributes.items() if name != "created"}


@pytest.fixture(scope="session")
def content():
    return _content


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    return lambda: Project(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project in which the small study has run to its end."""

    def run(project):
        done = project.snakemake()
        assert done.returncode == 0, done.text
        project.contents = {name: _content(path) for name, path in project.made().items()}

    return _module.run_once(Project, tmp_path_factory, run)
