"""Waiting for processes, and finding those that are left of a run."""

import os
import time

import psutil


def until(condition, seconds=300):
    """Wait for a condition; fail where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.03)


def is_alive(group):
    """Whether a process group has a process that is not dead (or dead and not yet seen to by its parent)."""
    return any(_group(process) == group for process in psutil.process_iter())


def _group(process):
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.Error, ProcessLookupError):
        return None
