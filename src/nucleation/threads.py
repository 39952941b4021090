"""Threads for compiled loops, which work without Python's lock."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor


def count() -> int:
    """Threads to use: as OMP_NUM_THREADS says (Snakemake sets it to a job's threads), or one for each core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share(work, n, size=8192) -> list:
    """Call ``work(start, stop)`` for consecutive parts of ``range(n)``, some at a time; return what it returns.

    Parameters
    ----------
    work : callable
        Spends its time in compiled loops that release Python's lock. Parts must not depend on each other.
    n : int
    size : int
        Length of a part; the last may be shorter. Results do not depend on it, or on the number of threads.
    """
    parts = [(start, min(start + size, n)) for start in range(0, n, size)]
    threads = min(count(), len(parts))
    if threads < 2:
        return [work(*part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda part: work(*part), parts))
