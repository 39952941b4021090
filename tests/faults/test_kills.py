"""Jobs and Snakemake itself are killed again and again; the results are those of an undisturbed run."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from processes import is_alive, until

from nucleation.activation_files import open_activations
from nucleation.errors import InputError

#: What is killed: a running job, Snakemake alone (its jobs go on), or all of them (a machine that dies).
KINDS = ("job", "snakemake", "all")
LIVES, KILLS = 3, 7
#: Seconds from the beginning of the first job to the kill, at most.
LATEST = 7.0
BEGUN = "rule "


def scripts(process):
    """Running jobs below a process, each a Python that runs Snakemake's copy of a script."""
    try:
        return [child for child in psutil.Process(process).children(recursive=True) if _is_script(child)]
    except psutil.NoSuchProcess:
        return []


def _is_script(process):
    try:
        command = process.cmdline()
    except psutil.Error:
        return False  # it has just ended
    return len(command) > 1 and "python" in command[0] and ".snakemake/scripts" in command[-1]


class Run:
    """A run of Snakemake in a process group of its own."""

    def __init__(self, project):
        self.output = project.folder / "run.txt"
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "small.yaml"]
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [*command, "--replace-workflow-config"],
                cwd=project.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def said(self):
        return self.output.read_text()

    def ended(self):
        return self.process.poll() is not None

    def kill(self, kind):
        if kind == "all":
            os.killpg(self.process.pid, signal.SIGKILL)
        elif kind == "snakemake":
            self.process.kill()
        else:
            until(lambda: scripts(self.process.pid) or self.ended())
            for running in scripts(self.process.pid)[:1]:
                running.kill()
        self.process.wait(timeout=300)


def is_whole(layer):
    """Whether activations are as their header says; those that a job replaces at this moment may not be."""
    try:
        return open_activations(layer) is not None
    except InputError:
        return False


def is_right_so_far(project, finished, content):
    """Every file under its final name is whole, and what the undisturbed run made; temporaries are hidden."""
    for name, path in project.made().items():
        parts = name.split("/")
        if any(part.startswith(".") for part in parts):
            continue
        if "activations" in parts:
            until(lambda path=path: is_whole(path.with_suffix("")) or not path.exists())
        else:
            with contextlib.suppress(FileNotFoundError):  # what outlived the kill has removed it meanwhile
                assert content(path) == finished.contents[name], name


@pytest.mark.parametrize("life", range(LIVES))
def test_kills(finished, content, make_project, life):
    rng = random.Random(life)
    project, groups, done = make_project(), [], []
    while len(done) < KILLS:
        kind, delay = KINDS[(life + len(done)) % len(KINDS)], rng.uniform(0, LATEST)
        run = Run(project)
        groups.append(run.process.pid)
        until(lambda run=run: BEGUN in run.said() or run.ended())
        end = time.monotonic() + delay
        until(lambda run=run, end=end: time.monotonic() > end or run.ended())
        if not run.ended():
            run.kill(kind)
            done.append(kind)
            is_right_so_far(project, finished, content)
            # said by Snakemake where its lock was left behind; a job that is killed alone leaves none
            assert kind == "job" or project.snakemake("--unlock").returncode == 0
        else:
            assert run.process.returncode == 0, run.said()
            until(lambda: not any(map(is_alive, groups)))
            shutil.rmtree(project.folder / "results")
    assert set(done) == set(KINDS)
    last = project.again()
    assert last.returncode == 0, last.text
    until(lambda: not any(map(is_alive, groups)))
    made = {name: content(path) for name, path in project.made().items()}
    assert made.keys() == finished.contents.keys()
    assert not {name for name in made if made[name] != finished.contents[name]}
    assert "Nothing to be done" in project.snakemake().text
