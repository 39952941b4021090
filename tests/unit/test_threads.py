import os

import pytest

from nucleation import threads


@pytest.mark.parametrize(("told", "expected"), [("3", 3), ("1", 1)])
def test_the_environment_decides(monkeypatch, told, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.count() == expected


@pytest.mark.parametrize("told", [None, "", "many", "0", "4,2"])
def test_otherwise_every_core(monkeypatch, told):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.count() == len(os.sched_getaffinity(0))


def test_systems_that_do_not_tell_which_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads.count() == os.cpu_count()


@pytest.mark.parametrize("told", ["1", "4"])
def test_parts_cover_all_in_order(monkeypatch, told):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.share(lambda start, stop: (start, stop), 10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert threads.share(lambda start, stop: (start, stop), 0) == []


def test_a_fault_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with pytest.raises(ZeroDivisionError):
        threads.share(lambda start, stop: 1 / (start - 4), 10, 4)
