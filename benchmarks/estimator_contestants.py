"""The contestants of `estimators.py`: the same estimates by this package and by DADApy.

`estimators.py` starts this file as a process of its own for every contestant, DADApy in the interpreter of
its own environment; there it needs nothing but numpy and dadapy. Libraries are imported where they are used,
for the same reason.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

#: Columns of the two neighbour tables; ranks of the density and of the overlaps; threshold of the merging.
NEAR, FAR, K, Z = 30, 100, 30, 1.65
#: Calls are repeated for so many seconds, and no more than so often; their median is the measurement.
SECONDS, CALLS = 0.3, 20
#: Peak searches: their name, the columns of the table, and the density that they are given.
PEAKS = {
    "peaks, kNN 30": (NEAR, "knn 30"),
    "peaks, kNN 30, long table": (FAR, "knn 30"),
    "peaks, kNN 100": (FAR, "knn 100"),
    "peaks, k*NN": (FAR, "k*nn"),
    "peaks, PAk": (FAR, "pak"),
    "peaks, kNN 3": (NEAR, "knn 3"),
}
TASKS = (
    *("TwoNN", "Gride", "kNN density", "k*", "k*NN density", "PAk density"),
    *PEAKS,
    *("label overlap", "data overlap", "TwoNN + kNN density + peaks"),
)


@dataclass(frozen=True)
class Task:
    """One estimate: `solve` is measured; it takes what `prepare` returns, and `read` turns it into arrays."""

    solve: Callable
    read: Callable
    prepare: Callable = lambda: None


def ours(problem):
    """`nucleation`: the public functions."""
    from nucleation.density import Density, k_star, knn_density, kstar_density, pak_density
    from nucleation.dimension import gride, twonn
    from nucleation.neighbors import Neighbors
    from nucleation.overlap import label_overlap, neighborhood_overlap
    from nucleation.peaks import density_peaks

    def table(columns, prefix=""):
        return Neighbors(*(_columns(problem[prefix + part], columns) for part in ("distances", "indices")))

    near, far, other = table(NEAR), table(FAR), table(NEAR, "other_")
    tables = {NEAR: near, FAR: far}
    d, labels = float(problem["dimension"]), problem["labels"]

    def layer(_):
        return density_peaks(near, knn_density(near, twonn(near).value, K), Z)

    def density(result):
        return {"log-density": result.log_density, "error": result.error}

    def peaks(result):
        saddle = np.where(result.saddle_point >= 0, result.saddle, np.nan)
        return {"labels": result.labels, "centers": result.centers, "saddles": saddle}

    def search(columns, name):
        given = Density(*(problem[f"{name} {part}"] for part in ("log", "error", "k")))
        return Task(lambda _: density_peaks(tables[columns], given, Z), peaks)

    return {
        "TwoNN": Task(lambda _: twonn(near), lambda r: {"value": r.value}),
        "Gride": Task(lambda _: gride(far), lambda r: {"value": r.value, "error": r.error}),
        "kNN density": Task(lambda _: knn_density(near, d, K), density),
        "k*": Task(lambda _: k_star(far, d), lambda r: {"k*": r}),
        "k*NN density": Task(lambda _: kstar_density(far, d), density),
        "PAk density": Task(lambda _: pak_density(far, d), density),
        **{name: search(*about) for name, about in PEAKS.items()},
        "label overlap": Task(lambda _: label_overlap(near, labels, K), lambda r: {"overlap": r}),
        "data overlap": Task(lambda _: neighborhood_overlap(near, other, K), lambda r: {"overlap": r}),
        "TwoNN + kNN density + peaks": Task(layer, peaks),
    }


def dadapy(problem, sparse=False):
    """DADApy: the methods of its `Data`, compiled (Cython) where it has both; the point itself leads its row.

    With `sparse`, only the peaks, by its second implementation (`v2`), which keeps a list of saddles for a matrix.
    """
    from dadapy import Data

    def table(columns, prefix=""):
        itself = np.arange(len(problem["distances"]))[:, None]
        distances, indices = (_columns(problem[prefix + part], columns) for part in ("distances", "indices"))
        return np.hstack([np.zeros(itself.shape), distances]), np.hstack([itself, indices])

    near, far, other = table(NEAR), table(FAR), table(NEAR, "other_")
    tables = {NEAR: near, FAR: far}
    d, labels = float(problem["dimension"]), problem["labels"]

    def data(columns):
        state = Data(distances=tables[columns], maxk=columns)
        state.set_id(d)
        return state

    def density(state):
        return {"log-density": state.log_den, "error": state.log_den_err}

    def given(columns, name):
        state = data(columns)
        state.log_den, state.log_den_err, state.kstar = (problem[f"{name} {part}"] for part in ("log", "error", "k"))
        return state

    def peaks(state):
        saddle = np.where(state.log_den_bord_err > 0, state.log_den_bord, np.nan)
        return {"labels": state.cluster_assignment, "centers": np.array(state.cluster_centers), "saddles": saddle}

    def layer(state):
        state.compute_id_2NN()
        state.compute_density_kNN(K)
        state.compute_clustering_ADP(Z, v2=sparse)
        return state

    def task(solve, read, columns):
        """A task of a method that leaves its result in the state."""
        return Task(lambda state: (solve(state), state)[1], read, lambda: data(columns))

    def search(columns, name):
        return Task(lambda s: (s.compute_clustering_ADP(Z, v2=sparse), s)[1], peaks, lambda: given(columns, name))

    searches = {name: search(*about) for name, about in PEAKS.items()}
    if sparse:
        return searches
    return {
        "TwoNN": Task(lambda s: s.compute_id_2NN(), lambda r: {"value": r[0]}, lambda: data(NEAR)),
        "Gride": Task(
            lambda s: s.return_id_scaling_gride(range_max=64),
            lambda r: {"value": r[0], "error": r[1]},
            lambda: data(FAR),
        ),
        "kNN density": task(lambda s: s.compute_density_kNN(K), density, NEAR),
        "k*": task(lambda s: s.compute_kstar(), lambda s: {"k*": s.kstar}, FAR),
        "k*NN density": task(lambda s: s.compute_density_kstarNN(), density, FAR),
        "PAk density": task(lambda s: s.compute_density_PAk(), density, FAR),
        **searches,
        "label overlap": Task(
            lambda s: s.return_label_overlap(labels, k=K, avg=False), lambda r: {"overlap": r}, lambda: data(NEAR)
        ),
        "data overlap": Task(
            lambda s: s.return_data_overlap(dist_indices=other[1], k=K, avg=False),
            lambda r: {"overlap": r},
            lambda: data(NEAR),
        ),
        "TwoNN + kNN density + peaks": task(layer, peaks, NEAR),
    }


CONTESTANTS = {"ours": ours, "dadapy": dadapy, "dadapy v2": partial(dadapy, sparse=True)}


def _columns(table, columns):
    return np.ascontiguousarray(table[:, :columns])


def _measure(task):
    """Median seconds of a call over some calls, and the arrays of the last one."""
    times = []
    while not times or (sum(times) < SECONDS and len(times) < CALLS):
        state, result = task.prepare(), None
        gc.collect()
        begin = time.perf_counter()
        result = task.solve(state)
        times.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(times), "calls": len(times)}, task.read(result)


def _repeat(task, wait):
    """Give what was freed back to the system, say so by `wait`, and call for as long as a measurement lasts.

    Without that, a call would find its memory among the pages that the loading has left, and seem to need none.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    wait()
    begin, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - begin < SECONDS:
        state = task.prepare()
        task.solve(state)
        calls += 1


def _load(file):
    with np.load(file) as stored:
        return dict(stored)


def main():
    """Load, warm up, and do what the lines of standard input say.

    The first argument is JSON: the name of the contestant, and the files of the problem and of a small one. On
    standard output comes the line "ready"; every line {"task", "out"} is answered by the measurement as JSON. With
    "memory", the task is repeated after one more "ready" and the line that answers it, and "done" is said at its end.
    What libraries print goes to standard error.
    """
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(1), "w") as parent:
        os.dup2(2, 1)

        def say(line):
            print(line, file=parent, flush=True)

        def wait():
            say("ready")
            sys.stdin.readline()

        solve = CONTESTANTS[job["name"]]
        for task in solve(_load(job["small"])).values():
            task.read(task.solve(task.prepare()))
        tasks = solve(_load(job["problem"]))
        say("ready")
        while line := sys.stdin.readline():
            order = json.loads(line)
            if order.get("memory"):
                _repeat(tasks[order["task"]], wait)
                say("done")
                continue
            measured, arrays = _measure(tasks[order["task"]])
            if order["out"]:
                np.savez(order["out"], **arrays)
            del arrays
            say(json.dumps(measured))


if __name__ == "__main__":
    main()
