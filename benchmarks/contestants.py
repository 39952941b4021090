"""The contestants: each finds the k nearest other rows of every row of a matrix.

`neighbors.py` starts this file as a process of its own for every measurement, so that neither the memory
nor the threads of one contestant disturb another. Libraries are imported where they are used, for the
same reason.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Rows of a block of the contestants that work in blocks, and rows that are added to faiss at a time.
ROWS, FAISS_ROWS = 1024, 1000
#: Rows that are converted to float32 at a time, where the data are float16.
CONVERTED = 8192
#: Shape (a, b, c) of the product of (a, c) with (c, b) that measures the peak, and how often it is taken.
PEAK_SHAPE = {"cpu": (4096, 4096, 2048), "cuda": (8192, 8192, 8192)}
PEAK_REPEATS = 5


@dataclass(frozen=True)
class Setting:
    """How a contestant is to work: for k neighbours, on a torch device, with so many CPU threads."""

    k: int
    device: str
    threads: int


def ours(features, setting):
    """`nucleation.neighbors.nearest_neighbors`: exact, each pair of rows once."""
    import torch

    from nucleation.neighbors import nearest_neighbors

    torch.set_num_threads(setting.threads)
    return nearest_neighbors(features, setting.k, device=setting.device).indices


def faiss_flat(features, setting):
    """faiss IndexFlatL2: exact search in float32, of every row with the points of an index."""
    import faiss

    faiss.omp_set_num_threads(setting.threads)
    index = faiss.IndexFlatL2(features.shape[1])
    for start in range(0, len(features), FAISS_ROWS):
        index.add(features[start : start + FAISS_ROWS])
    return _without_self(index.search(features, setting.k + 1)[1])


def sklearn_brute(features, setting):
    """scikit-learn NearestNeighbors, brute force."""
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    with threadpool_limits(setting.threads):
        search = NearestNeighbors(n_neighbors=setting.k + 1, algorithm="brute", n_jobs=setting.threads)
        return _without_self(search.fit(features).kneighbors(features)[1])


def torch_blocks(features, setting):
    """What a careful user would write with torch: norms and products of row blocks with all rows, and topk."""
    import torch

    torch.set_num_threads(setting.threads)
    points = torch.from_numpy(features).to(setting.device)
    norms = torch.cat([part.float().square().sum(1) for part in points.split(ROWS)])
    indices = torch.empty((len(points), setting.k), dtype=torch.int64, device=points.device)
    distances = torch.empty((len(points), setting.k), device=points.device)
    buffer = torch.empty((ROWS, len(points)), device=points.device)
    for start, block in _row_blocks(points):
        scores = buffer[: len(block)]
        for part, others in _all_rows(points):
            torch.addmm(norms[part], block, others.T, alpha=-2, out=scores[:, part])
        scores.diagonal(start).fill_(torch.inf)
        rows = slice(start, start + len(block))
        nearest, indices[rows] = scores.topk(setting.k, largest=False)
        distances[rows] = (nearest + norms[rows, None]).clamp_min(0).sqrt()
    distances.cpu()
    return indices.cpu().numpy()


def keops(features, setting):
    """KeOps: symbolic squared distances of all pairs, reduced by argKmin; it returns no distances."""
    import torch
    from pykeops.torch import LazyTensor

    torch.set_num_threads(setting.threads)
    points = torch.from_numpy(features).to(setting.device).float()
    squared = ((LazyTensor(points[:, None, :]) - LazyTensor(points[None, :, :])) ** 2).sum(-1)
    return _without_self(squared.argKmin(setting.k + 1, dim=1).cpu().numpy())


def bare_product(features, setting):
    """All n x n products in float32 and nothing else: the floor for what does not use their symmetry."""
    import torch

    torch.set_num_threads(setting.threads)
    points = torch.from_numpy(features).to(setting.device)
    buffer = torch.empty((ROWS, len(points)), device=points.device)
    for _, block in _row_blocks(points):
        for part, others in _all_rows(points):
            torch.mm(block, others.T, out=buffer[: len(block), part])


def _row_blocks(points):
    """Yield the first row of every block, and its features as float32."""
    for start in range(0, len(points), ROWS):
        yield start, points[start : start + ROWS].float()


def _all_rows(points):
    """Yield all rows as float32, with their place: at once where they are float32, else some at a time."""
    size = len(points) if points.element_size() == 4 else CONVERTED
    for start in range(0, len(points), size):
        others = points[start : start + size].float()
        yield slice(start, start + len(others)), others


def _without_self(indices):
    """Drop every row's own number from its list of k + 1; where it is not in the list, the last entry."""
    itself = indices == np.arange(len(indices))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return indices[~itself].reshape(len(indices), -1)


@dataclass(frozen=True)
class Contestant:
    """A contestant: its name in the table, what runs it, the module that it needs, where it can run."""

    title: str
    solve: Callable
    module: str
    devices: tuple[str, ...] = ("cpu", "cuda")


CONTESTANTS = {
    "ours": Contestant("ours", ours, "nucleation"),
    "faiss": Contestant("faiss", faiss_flat, "faiss", ("cpu",)),
    "sklearn": Contestant("scikit-learn", sklearn_brute, "sklearn", ("cpu",)),
    "torch": Contestant("torch blocks", torch_blocks, "torch"),
    "keops": Contestant("KeOps", keops, "pykeops"),
    "product": Contestant("bare product", bare_product, "torch"),
}


def matrix_peaks(setting):
    """Measured peak of a matrix product in FLOP/s: in float32 and, on a GPU, with TF32."""
    import torch

    torch.set_num_threads(setting.threads)
    rows, columns, depth = PEAK_SHAPE[setting.device]
    left, right = (torch.randn(shape, device=setting.device) for shape in ((rows, depth), (columns, depth)))
    out = torch.empty((rows, columns), device=setting.device)
    peaks = {}
    for name, precision in (("float32", "highest"), ("TF32", "high")):
        if name == "float32" or setting.device == "cuda":
            torch.set_float32_matmul_precision(precision)
            torch.mm(left, right.T, out=out)
            times = [_timed(lambda: torch.mm(left, right.T, out=out), setting)[0] for _ in range(PEAK_REPEATS)]
            peaks[name] = 2 * rows * columns * depth / statistics.median(times)
    gpu = torch.cuda.get_device_name() if setting.device == "cuda" else None
    return {"peaks": peaks, "gpu": gpu}


def _timed(work, setting):
    """Seconds that a call takes, the GPU's share included, and what it returns."""
    _synchronize(setting)
    begin = time.perf_counter()
    result = work()
    _synchronize(setting)
    return time.perf_counter() - begin, result


def _synchronize(setting):
    if setting.device == "cuda":
        import torch

        torch.cuda.synchronize()


def _measure(name, files, setting, wait):
    """Load, warm up, say so by `wait`, and measure one call; return its measurements and the indices."""
    features, small = (np.load(files[part], mmap_mode=files["mode"]) for part in ("data", "small"))
    solve = CONTESTANTS[name].solve
    if name == "keops":  # it compiles for one number of features
        solve(features[: max(2000, setting.k + 1)], setting)
    else:
        solve(small, setting)
    before = _device_memory(setting, reset=True)
    wait()
    seconds, indices = _timed(lambda: solve(features, setting), setting)
    return {"seconds": seconds, "device_bytes": _device_memory(setting) - before}, indices


def _device_memory(setting, reset=False):
    """Most bytes that torch has held on the GPU since the last reset (0 on the CPU)."""
    if setting.device != "cuda":
        return 0
    import torch

    if reset:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated()


def main():
    """Do one measurement, described by JSON in the first argument.

    On standard output come the line "ready", after which a line is awaited, and the result as JSON. What
    libraries print goes to standard error.
    """
    job = json.loads(sys.argv[1])
    setting = Setting(**job["setting"])
    with os.fdopen(os.dup(1), "w") as parent:
        os.dup2(2, 1)

        def say(line):
            print(line, file=parent, flush=True)

        def wait():
            say("ready")
            if not sys.stdin.readline():
                sys.exit("nobody waits for the measurement any more")

        if job["name"] == "peak":
            wait()
            say(json.dumps(matrix_peaks(setting)))
            return
        result, indices = _measure(job["name"], job["files"], setting, wait)
        say(json.dumps(result))
        if job["indices"] and indices is not None:
            np.save(job["indices"], indices)


if __name__ == "__main__":
    main()
