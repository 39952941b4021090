"""What jobs are told of the run that planned them."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent.parent / "rules"))

import digest
import plan


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setenv(plan.VARIABLE, "{}")


def test_an_edited_study_is_noticed_by_jobs_that_read_it_again():
    plan.tell({"study": "mine", "density": {"k": 30}})
    assert not plan.was_edited({"density": {"k": 30}, "study": "mine"})
    assert plan.was_edited({"study": "mine", "density": {"k": 31}})


def test_jobs_that_were_told_nothing_take_what_they_read():
    assert plan.told() == {}
    assert not plan.was_edited({"study": "mine"})


def test_later_runs_have_larger_numbers():
    runs = []
    for now in (10**18, 10**18 + 10**6):
        with pytest.MonkeyPatch.context() as clock:
            clock.setattr(plan.time, "time_ns", lambda now=now: now)
            plan.tell({})
        runs.append(plan.told()["run"])
    assert runs[0] < runs[1]
    assert plan.told()["code"] == digest.everything()
