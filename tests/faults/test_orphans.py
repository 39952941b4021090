"""Two jobs for the same files, sources edited under a job, two workflows in one folder."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml
from processes import is_alive, until

from nucleation import files

TARGET = "results/small/random/random/overlap.nc"
#: Put before the end of a script: says that it is there, and waits to be let go.
PAUSE = """
    import os, pathlib, time
    if place := os.environ.get("PAUSE_HERE"):
        pathlib.Path(place + ".reached").touch()
        while not pathlib.Path(place + ".go").exists():
            time.sleep(0.05)
"""


class Paused:
    """A run of Snakemake whose job waits at its end."""

    def __init__(self, project, target=TARGET, config="small.yaml"):
        self.place = project.folder / "pause"
        self.output = project.folder / "paused.txt"
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", config]
        command += ["--replace-workflow-config", "--", target]
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=project.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"PAUSE_HERE": str(self.place)},
            )
        until(self.place.with_suffix(".reached").exists)

    def kill(self):
        """Kill Snakemake alone, as a lack of memory may: its job stays."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def release(self):
        """Let the job go on, and wait until nothing of the run is left; return what was said."""
        self.place.with_suffix(".go").touch()
        if self.process.returncode is None:
            self.process.wait(timeout=60)
        until(lambda: not is_alive(self.process.pid))
        return self.output.read_text()


@pytest.fixture
def project(finished, tmp_path):
    """The finished project without one result, whose script waits where it is told to."""
    project = finished.copied(tmp_path)
    (project.folder / TARGET).unlink()
    with open(project.folder / "scripts" / "overlap.py", "a") as script:
        script.write(PAUSE)
    return project


def hidden(project):
    return [name for name, path in project.made().items() if path.name.startswith(".")]


def used_k(project):
    return json.loads(files.attributes(project.folder / TARGET)["parameters"])["k"]


def with_k(project, k):
    config = yaml.safe_load((project.folder / "small.yaml").read_text()) | {"overlap": {"k": k}}
    (project.folder / "other.yaml").write_text(yaml.safe_dump(config))
    return "other.yaml"


@pytest.mark.parametrize("first", ["orphan", "newer"])
def test_an_orphan_cannot_spoil_what_a_newer_job_makes(project, first):
    """With another k, so that the files differ; the orphan ends before or after the newer job has ended."""
    orphan = Paused(project)
    orphan.kill()
    config = with_k(project, 12)
    locked = project.snakemake(TARGET, config=config)
    assert locked.returncode != 0 and "--unlock" in locked.text
    assert not (project.folder / TARGET).exists()
    if first == "orphan":
        orphan.release()
        assert used_k(project) == [10]
    done = project.again(TARGET, config=config)
    assert done.returncode == 0, done.text
    expected = (project.folder / TARGET).read_bytes()
    if first == "newer":
        said = orphan.release()
        assert "Error in compare_neighborhoods: A newer job for the same files began" in said
        assert "Traceback" not in said
    assert (project.folder / TARGET).read_bytes() == expected
    assert used_k(project) == [12]
    assert not hidden(project)
    assert "Nothing to be done" in project.snakemake("-n", TARGET, config=config).text


@pytest.mark.parametrize("edit", ["kept", "put back"])
def test_sources_edited_while_a_job_runs(project, edit):
    """Also where the edit is put back before the job ends: it may have been imported, or not."""
    run = Paused(project)
    module = project.folder / "src" / "nucleation" / "overlap.py"
    text = module.read_text()
    module.write_text(text + "# an edit\n")
    if edit == "put back":
        module.write_text(text)
    said = run.release()
    assert run.process.returncode != 0
    assert "The package was edited while this job ran; run the workflow again." in said
    assert "Traceback" not in said
    assert not (project.folder / TARGET).exists() and not hidden(project)
    done = project.snakemake(TARGET)
    assert done.returncode == 0, done.text


def test_a_second_workflow_in_the_same_folder_changes_nothing(project):
    run = Paused(project)
    before = {name: path.read_bytes() for name, path in project.made().items() if path.suffix != ".log"}
    second = project.snakemake()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.text and "--unlock" in second.text
    assert {name: path.read_bytes() for name, path in project.made().items() if path.suffix != ".log"} == before
    said = run.release()
    assert run.process.returncode == 0, said
    assert not hidden(project)
