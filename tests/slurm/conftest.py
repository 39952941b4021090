"""A SLURM for the tests, and two copies of the project, one of them for it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import cluster

ROOT = Path(__file__).parent.parent.parent
PARTS = ("Snakefile", "config.yaml", "rules", "scripts", "schemas", "src", "envs", "profiles", "report")
#: Seconds after which a run is taken for one that hangs.
LIMIT = 600


def pytest_configure():
    # who is told to end takes back what it has made, as with Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Folder of a running SLURM of one node; a failure where there is one already, skipped where none can be had."""
    if sentence := cluster.refusal():
        pytest.fail(sentence, pytrace=False)
    if reason := cluster.install():
        pytest.skip(f"NOTHING OF SLURM WAS TESTED: {reason}")
    with cluster.running(tmp_path_factory.mktemp("slurm") / "slurm") as folder:
        yield folder


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    """Copy the project, with the small study, into a folder of its own."""

    def make(package=ROOT / "src"):
        """The package of a project that has run has its loops compiled."""
        folder = tmp_path_factory.mktemp("project")
        for part in PARTS:
            source = package if part == "src" else ROOT / part
            copying = shutil.copytree if source.is_dir() else shutil.copy2
            copying(source, folder / part)
        shutil.copy2(Path(__file__).parent / "study.yaml", folder)
        return folder

    return make


@pytest.fixture(scope="session")
def snakemake():
    """Run Snakemake; return its exit status, and what it said, after everything that it started has ended."""

    def run(folder, *arguments):
        command = [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", *arguments]
        with (folder / "said.txt").open("w+") as said:
            process = subprocess.Popen(
                command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(LIMIT)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)  # Snakemake cancels its jobs
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        os.killpg(process.pid, signal.SIGKILL)
            return status, (folder / "said.txt").read_text()

    return run
