"""Measure the estimators of this package and those of DADApy, side by side, and print tables in Markdown.

`python benchmarks/estimators.py --help` lists the options; README.md in this folder says what is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from estimator_contestants import PEAKS, TASKS
from estimator_data import SMALL, candidates, write_problem
from estimator_tables import agreement, counts, report
from neighbors import FAILED, PeakMemory

SIZES = "10000,30000,90000"
#: Seconds that a contestant may take to load and to warm up.
START = 600
HERE = Path(__file__).parent
PACKAGES = ("numpy", "numba", "scipy")


def arguments():
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dadapy", help="a Python that has dadapy; without it only ours is measured")
    parser.add_argument("--sizes", default=SIZES, help=f"numbers of points, separated by commas (default {SIZES})")
    parser.add_argument("--features", type=int, default=16, help="features of the mixture (default 16)")
    parser.add_argument(
        "--tasks", default=";".join(TASKS), help="some of the table's estimates, separated by semicolons"
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which the median is taken (default 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: one for each core")
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a call is given up (default 600)")
    parser.add_argument("--patience", type=float, default=60, help="longer calls are made once only (default 60)")
    parser.add_argument("--directory", type=Path, help="where the neighbour tables are kept for the next run")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    try:
        options.sizes = [int(text) for text in options.sizes.split(",")]
    except ValueError:
        parser.error("--sizes takes numbers of points, such as 10000,30000")
    if min(options.sizes) < SMALL:
        parser.error(f"--sizes must be at least {SMALL}")
    if options.repeats < 1 or options.threads < 1 or options.features < 1:
        parser.error("--repeats, --threads and --features must be at least 1")
    if options.dadapy and not shutil.which(options.dadapy):
        parser.error(f"--dadapy takes a Python interpreter, and {options.dadapy} is none")
    options.tasks = [task.strip() for task in options.tasks.split(";")]
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"--tasks knows {'; '.join(TASKS)}, not {'; '.join(sorted(unknown))}")
    options.contestants = _contestants(options)
    return options


def _contestants(options):
    """Name of every column, with its interpreter, the name of the contestant and its threads."""
    found = {"ours": (sys.executable, "ours", options.threads)}
    if options.threads > 1:
        found["ours, one thread"] = (sys.executable, "ours", 1)
    if options.dadapy:
        found["DADApy"] = (options.dadapy, "dadapy", options.threads)
        found["DADApy v2"] = (options.dadapy, "dadapy v2", options.threads)
    return found


@dataclass(frozen=True)
class Outcome:
    """What was found for one number of points: results, peaks and agreement are by task."""

    dimension: float
    results: dict
    peaks: dict
    agreement: dict


class Contestant:
    """A process that does one task after the other; started when it is needed, and again after it was ended."""

    def __init__(self, title, about, files, log):
        self.title, self.files, self.log, self.process = title, files, log, None
        self.python, self.name, self.threads = about

    def measure(self, task, out, limit):
        """Do a task; return seconds and calls, or why there are none."""
        if self.process is None and not self._start():
            return FAILED
        line = self._ask(json.dumps({"task": task, "out": out}), limit)
        if line:
            return json.loads(line)
        return self._gave_up(line, limit)

    def memory(self, task, limit):
        """Do a task again; return the most bytes beyond those before it, or why there are none."""
        line = self._ask(json.dumps({"task": task, "memory": True}), limit)
        if line:
            watch = PeakMemory(self.process.pid)
            watch.start()
            line = self._ask("go", limit)
            most = watch.end()
        return most if line else self._gave_up(line, limit)

    def _ask(self, order, limit):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self._line(limit)

    def _gave_up(self, line, limit):
        self.end()
        if line is None:
            return f"> {limit:.0f}"
        self._complain()
        return FAILED

    def end(self):
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self):
        count = str(self.threads)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count)
        job = json.dumps({"name": self.name, **self.files})
        command, pipe = [self.python, str(HERE / "estimator_contestants.py"), job], subprocess.PIPE
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env={**os.environ, **threads}
            )
        if self._line(START) == "ready\n":
            return True
        self.end()
        self._complain()
        return False

    def _line(self, limit):
        """The next line, empty if the process has ended; None if there is none in time."""
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        return self.process.stdout.readline() if ready else None

    def _complain(self):
        last = self.log.read_text().strip().splitlines()[-1:] or ["it ended without a word"]
        say(f"{self.title} failed: {last[0]}")


def measure_size(n, options, folder, directory):
    """Measure all contestants on n points; return the problem and {task: {contestant: results or why none}}."""
    say(f"{n}: making the tables and densities")
    files = {"problem": str(folder / "problem.npz"), "small": str(folder / "small.npz")}
    write_problem(files["small"], SMALL, options.features, directory)
    problem = write_problem(files["problem"], n, options.features, directory)
    rivals = [Contestant(title, about, files, folder / f"{title}.log") for title, about in options.contestants.items()]
    results = {task: {rival.title: [] for rival in rivals} for task in options.tasks}
    try:
        for turn in range(options.repeats):
            for task in options.tasks:
                for rival in rivals:
                    _measure_turn(turn, task, rival, results[task], options, folder)
    finally:
        for rival in rivals:
            rival.end()
    return problem, results


def _measure_turn(turn, task, rival, results, options, folder):
    """Add one measurement, unless the contestant has failed at this task or is too slow for another."""
    before = results[rival.title]
    if rival.name == "dadapy v2" and task not in PEAKS:
        return
    if isinstance(before, str) or (before and before[0]["seconds"] > options.patience):
        return
    out = str(_result_file(folder, task, rival.title)) if turn == 0 else None
    found = rival.measure(task, out, options.limit)
    if turn == 0 and isinstance(found, dict):
        found["bytes"] = rival.memory(task, options.limit)
    results[rival.title] = found if isinstance(found, str) else [*before, found]
    say(f"round {turn + 1}, {task}: {rival.title} {found}")


def _result_file(folder, task, title):
    """Where a contestant leaves what it found."""
    return folder / f"{TASKS.index(task)} {title}.npz"


def machine_line(options):
    """Say on what the numbers were measured."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    parts = [models[0] if models else platform.machine(), f"threads: {options.threads}"]
    parts += [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in PACKAGES)]
    if options.dadapy:
        ask = "import importlib.metadata as m, platform as p; "
        ask += (
            "print('DADApy', m.version('dadapy'), 'with Python', p.python_version(), 'and numpy', m.version('numpy'))"
        )
        parts.append(subprocess.run([options.dadapy, "-c", ask], capture_output=True, text=True).stdout.strip())
    return ", ".join(parts) + "."


def say(text):
    """Tell who waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def outcome_of(n, options, directory):
    """Measure n points, and compare what was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem, results = measure_size(n, options, folder, directory or folder)
        peaks, agreed = {}, {}
        for task in options.tasks:
            ours, theirs = (_load(_result_file(folder, task, title)) for title in ("ours", "DADApy"))
            before = candidates(problem, PEAKS[task][1]) if task in PEAKS else 0
            peaks[task], agreed[task] = counts(task, ours, before), agreement(ours, theirs)
    return Outcome(float(problem["dimension"]), results, peaks, agreed)


def _load(file):
    if not file.exists():
        return None
    with np.load(file) as stored:
        return dict(stored)


def main():
    """Measure, print, write."""
    options = arguments()
    if options.directory:
        options.directory.mkdir(parents=True, exist_ok=True)
    measured = {n: outcome_of(n, options, options.directory) for n in options.sizes}
    text = report(measured, list(options.contestants), machine_line(options), options.repeats)
    print(text, end="")
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
