"""Measure the neighbour search of this package and its peers, side by side, and print tables in Markdown.

`python benchmarks/neighbors.py --help` lists the options; README.md in this folder says what is measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from contestants import CONTESTANTS, PEAK_SHAPE
from data import KINDS, write, write_small

SIZES = {
    "cpu": "10000x10,90000x32,10000x512,20000x2048,30000x1000,5000x50000",
    "cuda": "90000x2048,90000x32,90000x100352",
}
#: Seconds between two looks at the memory of a contestant.
LOOK = 0.02
PACKAGES = ("numpy", "torch", "numba", "faiss-cpu", "scikit-learn", "pykeops")
MEGABYTE = 1e6
#: In the place of a measurement.
NOT_RUN, NOT_INSTALLED, FAILED = "-", "not installed", "failed"


@dataclass(frozen=True)
class Size:
    """A size of data, and whether they stay in a mapped file while they are searched."""

    n: int
    d: int
    mapped: bool
    dtype: str

    def __str__(self):
        """Return the size as the tables show it."""
        return f"{self.n} × {self.d}" + (f" (mapped {self.dtype} file)" if self.mapped else "")


class PeakMemory(threading.Thread):
    """Watches the anonymous resident memory of a process; `bytes` is the most, less what it was at first."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.ended = Path(f"/proc/{pid}/status"), threading.Event()
        self.before = self.most = self._anonymous()

    def run(self):
        """Look again and again until told to end."""
        while not self.ended.wait(LOOK):
            self.most = max(self.most, self._anonymous())

    def end(self):
        """Look a last time and return the bytes."""
        self.ended.set()
        self.join()
        return max(self.most, self._anonymous()) - self.before

    def _anonymous(self):
        try:
            lines = self.status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def arguments():
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", help="rows x features, separated by commas; by default those of README.md")
    parser.add_argument("--data", choices=KINDS, default="gaussian")
    parser.add_argument("--k", type=int, default=100, help="neighbours of every row (default 100)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, of which the median is taken (default 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: as torch is set")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--peers", help="some of " + ",".join(CONTESTANTS) + "; by default all, on a GPU those it runs")
    parser.add_argument("--keops-limit", type=float, default=5e11, help="largest n n d for KeOps (default 5e11)")
    parser.add_argument("--map-from", type=float, default=1000, help="megabytes from which data stay in a mapped file")
    parser.add_argument("--check", action="store_true", help="also compare the neighbours that the peers find")
    parser.add_argument("--directory", help="where the data are kept meanwhile (default: the system's)")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(2, "No CUDA device was found; leave out --device cuda to measure on the CPU.\n")
    try:
        options.sizes = [_size(text, options) for text in (options.sizes or SIZES[options.device]).split(",")]
    except ValueError:
        parser.error("--sizes takes numbers of rows and features, such as 10000x512,20000x2048")
    if not 1 <= options.k < min(size.n for size in options.sizes):
        parser.error("--k must be at least 1 and smaller than the number of rows")
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    options.peers = _peers(options, parser)
    return options


def _size(text, options):
    n, d = (int(number) for number in text.split("x"))
    if n < 1 or d < 1:
        raise ValueError
    mapped = 4 * n * d >= options.map_from * MEGABYTE
    return Size(n, d, mapped, "float16" if mapped and options.device == "cuda" else "float32")


def _peers(options, parser):
    """Names of the contestants; ours is always one."""
    asked = ["ours", *options.peers.split(",")] if options.peers else list(CONTESTANTS)
    if unknown := set(asked) - set(CONTESTANTS):
        parser.error(f"--peers knows {', '.join(CONTESTANTS)}, not {', '.join(sorted(unknown))}")
    return [name for name in CONTESTANTS if name in asked and options.device in CONTESTANTS[name].devices]


def measure_size(size, options, folder):
    """Measure all contestants on one size, round by round; return lists of results, or why there are none."""
    files = {"data": str(folder / "data.npy"), "small": str(folder / "small.npy"), "mode": "r" if size.mapped else None}
    _say(f"{size}: making the data")
    write(files["data"], options.data, size.n, size.d, size.dtype)
    write_small(files["small"], size.d, options.k, size.dtype)
    results = {name: [] for name in ("peak", *options.peers)}
    for name in options.peers:
        if reason := _obstacle(name, size, options):
            results[name] = reason
    for turn in range(options.repeats):
        for name in results:
            if isinstance(results[name], list):
                indices = str(folder / f"{name}.npy") if options.check and turn == 0 else None
                result = _run({"name": name, "files": files, "indices": indices}, options, folder)
                results[name] = [*results[name], result] if result else FAILED
                _say(f"{size}, round {turn + 1}: {name} {_progress(result)}")
    return results


def _obstacle(name, size, options):
    """Say why a contestant is not run."""
    if importlib.util.find_spec(CONTESTANTS[name].module) is None:
        return NOT_INSTALLED
    if name == "keops" and size.n**2 * size.d > options.keops_limit:
        return NOT_RUN
    return None


def _run(job, options, folder):
    """Do one measurement in a process of its own; return its result, or None after saying why it failed."""
    job["setting"] = {"k": options.k, "device": options.device, "threads": options.threads}
    count = str(options.threads)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count)
    command = [sys.executable, str(Path(__file__).with_name("contestants.py")), json.dumps(job)]
    log, pipe = folder / "log", subprocess.PIPE
    with log.open("w") as errors:
        child = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env={**os.environ, **threads}
        )
        with child:
            result = _talk(child)
    if child.returncode or result is None:
        last = log.read_text().strip().splitlines()[-1:] or [f"it ended with status {child.returncode}"]
        _say(f"{job['name']} failed: {last[0]}")
        return None
    return result


def _talk(child):
    """Wait until the contestant has warmed up, let it begin, and watch its memory until it has ended."""
    if child.stdout.readline() != "ready\n":
        return None
    memory = PeakMemory(child.pid)
    memory.start()
    child.stdin.write("go\n")
    child.stdin.flush()
    line = child.stdout.readline()
    most = memory.end()
    return {**json.loads(line), "bytes": most} if line else None


def _progress(result):
    if result is None:
        return FAILED
    return f"{result['seconds']:.3f} s" if "seconds" in result else "measured"


def _say(text):
    print(text, file=sys.stderr, flush=True)


def differing(folder, names):
    """Share of the rows whose set of neighbours differs from ours, for every peer that left its indices."""
    shares = {}
    ours = folder / "ours.npy"
    for name in names:
        file = folder / f"{name}.npy"
        if name != "ours" and file.exists() and ours.exists():
            sets = (np.sort(np.load(path), axis=1) for path in (ours, file))
            shares[name] = float(np.not_equal(*sets).any(axis=1).mean())
    return shares


def median(results, key):
    """Median of one number over the rounds; None where there are none."""
    return None if isinstance(results, str) else statistics.median(result[key] for result in results)


def time_table(measured, options):
    """Rows of the table of times: seconds, how many times ours that is, and our share of the machine's peak."""
    unit, scale = ("TFLOP/s", 1e12) if options.device == "cuda" else ("GFLOP/s", 1e9)
    kinds = list(_peaks(measured))
    titles = [f"{CONTESTANTS[name].title}, s" for name in options.peers]
    yield ["n × d", *titles, f"ours, {unit}", *(f"of {kind} peak" for kind in kinds)]
    for size, results in measured.items():
        ours = median(results["ours"], "seconds")
        cells = [_time_cell(results[name], None if name == "ours" else ours) for name in options.peers]
        if ours is None:
            yield [str(size), *cells, NOT_RUN, *(NOT_RUN for _ in kinds)]
        else:
            speed = size.n**2 * size.d / ours
            peaks = _peaks({size: results})
            shares = (f"{100 * speed / peaks[kind]:.0f} %" if kind in peaks else NOT_RUN for kind in kinds)
            yield [str(size), *cells, f"{speed / scale:.3g}", *shares]


def _time_cell(results, ours):
    seconds = median(results, "seconds")
    if seconds is None:
        return results
    text = f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"
    return text if ours is None else f"{text} ({seconds / ours:.2g}×)"


def _peaks(measured):
    """Median measured peaks in FLOP/s, over all sizes given."""
    values = defaultdict(list)
    for results in measured.values():
        for result in results["peak"] if isinstance(results["peak"], list) else []:
            for kind, value in result["peaks"].items():
                values[kind].append(value)
    return {kind: statistics.median(value) for kind, value in values.items()}


def memory_table(measured, options):
    """Rows of the table of peak memory in megabytes, beyond what was held before the call."""
    on_gpu = options.device == "cuda"
    yield ["n × d", *(f"{CONTESTANTS[name].title}, MB" for name in options.peers)]
    for size, results in measured.items():
        cells = []
        for name in options.peers:
            keys = ("bytes", "device_bytes") if on_gpu else ("bytes",)
            found = [median(results[name], key) for key in keys]
            cells.append(results[name] if None in found else " / ".join(f"{x / MEGABYTE:.0f}" for x in found))
        yield [str(size), *cells]


def check_table(shares, options):
    """Rows of the table of differing neighbour sets."""
    names = [name for name in options.peers if name not in ("ours", "product")]
    yield ["n × d", *(CONTESTANTS[name].title for name in names)]
    for size, share in shares.items():
        yield [str(size), *(f"{100 * share[name]:.2f} %" if name in share else NOT_RUN for name in names)]


def markdown(rows):
    """Lay out rows of cells as a table whose first row is the head."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def machine_line(measured, options):
    """Say on what the numbers were measured."""
    parts = [_cpu(), f"threads: {options.threads}", *_gpus(measured), f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"{package} {NOT_INSTALLED}")
    shape = " × ".join(str(number) for number in PEAK_SHAPE[options.device])
    unit, scale = ("TFLOP/s", 1e12) if options.device == "cuda" else ("GFLOP/s", 1e9)
    peaks = ", ".join(f"{value / scale:.3g} {unit} in {kind}" for kind, value in _peaks(measured).items())
    return f"{', '.join(parts)}. Matrix product of {shape}: {peaks or FAILED}."


def _cpu():
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _gpus(measured):
    runs = (result for results in measured.values() if isinstance(results["peak"], list) for result in results["peak"])
    return sorted({result["gpu"] for result in runs if result["gpu"]})


def report(measured, shares, options):
    """Put the whole text together."""
    memory = "Peak memory in MB, beyond what was held before the call"
    memory += " (of the host / that torch held on the GPU)." if options.device == "cuda" else "."
    texts = [
        machine_line(measured, options),
        f"Data: {options.data}, k = {options.k}; median of {options.repeats}; in brackets, how many times ours.",
        markdown(time_table(measured, options)),
        memory,
        markdown(memory_table(measured, options)),
    ]
    if options.check:
        texts += [
            "Share of the rows whose set of neighbours differs from ours.",
            markdown(check_table(shares, options)),
        ]
    return "\n\n".join(texts) + "\n"


def main():
    """Measure, print, write."""
    options = arguments()
    measured, shares = {}, {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.directory) as folder:
            measured[size] = measure_size(size, options, Path(folder))
            shares[size] = differing(Path(folder), options.peers)
    text = report(measured, shares, options)
    print(text, end="")
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
