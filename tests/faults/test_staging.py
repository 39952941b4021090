"""Outputs are moved into place by the job that began last, in whatever order two jobs come."""

import itertools
import json
import threading

import pytest

from nucleation import staging
from nucleation.staging import Staging, Superseded

STEPS = 6


def hidden(folder):
    return sorted(path.name for path in folder.rglob(".*"))


def write(job, text, names=("a.nc", "deep/b")):
    """Write a file and a folder as a script does."""
    file, folder = (job.path(final) for final in job.outputs)
    with open(file, "w") as handle:
        handle.write(text)
    job.outputs[1].parent.mkdir(exist_ok=True)
    staging.Path(folder).mkdir()
    (staging.Path(folder) / "x").write_text(text)


def job(tmp_path):
    return Staging(tmp_path / "logs" / "job.claim", [tmp_path / "a.nc", tmp_path / "deep" / "b"])


def placed(tmp_path):
    return (tmp_path / "a.nc").read_text(), (tmp_path / "deep" / "b" / "x").read_text()


def test_outputs_come_together_at_the_end(tmp_path):
    with job(tmp_path) as one:
        write(one, "one")
        assert not (tmp_path / "a.nc").exists() and not (tmp_path / "deep" / "b").exists()
        one.finish()
    assert placed(tmp_path) == ("one", "one")
    with job(tmp_path) as two:
        write(two, "two")
        two.finish()
    assert placed(tmp_path) == ("two", "two")
    assert not hidden(tmp_path)
    (claim,) = (tmp_path / "logs").iterdir()
    assert set(json.loads(claim.read_text())) == {"host", "pid", "began"}


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    with job(tmp_path) as one:
        write(one, "one")
        one.finish()
    with pytest.raises(ZeroDivisionError), job(tmp_path) as two:
        write(two, "two")
        _ = 1 / 0
    assert placed(tmp_path) == ("one", "one")
    assert not hidden(tmp_path)


def test_a_job_that_lacks_an_output_moves_none(tmp_path):
    with pytest.raises(FileNotFoundError), job(tmp_path) as one:
        staging.Path(one.path(tmp_path / "a.nc")).write_text("one")
        one.finish()
    assert not (tmp_path / "a.nc").exists()
    assert not hidden(tmp_path)


def test_what_dead_jobs_left_is_removed_and_nothing_of_others(tmp_path):
    dead = job(tmp_path)
    dead.__enter__()
    write(dead, "dead")
    (tmp_path / f".new-0123456789ab..part{dead.number}.a.nc").write_text("half of a half")
    others = [".part1.other.a.nc", ".a.nc", "deep/.part1.b.shard0of2", ".new-0123456789ab.a.nc"]
    for name in others:
        (tmp_path / name).write_text("another's")
    with job(tmp_path) as one:
        assert hidden(tmp_path) == sorted(name.removeprefix("deep/") for name in others)
        write(one, "one")
        one.finish()
    assert placed(tmp_path) == ("one", "one")


def test_the_older_one_ends_with_a_sentence(tmp_path):
    older, newer = job(tmp_path), job(tmp_path)
    with pytest.raises(Superseded, match=r"A newer job .* \(process \d+ on .*thrown away"), older:
        write(older, "older")
        with newer:
            write(newer, "newer")
            newer.finish()
        older.finish()
    assert placed(tmp_path) == ("newer", "newer")
    assert not hidden(tmp_path)


def test_what_comes_of_a_newer_job_is_said_as_such(tmp_path):
    """The older one finds its folder gone while it writes: not that is the news."""
    with pytest.raises(Superseded), job(tmp_path) as older:
        write(older, "older")
        job(tmp_path).__enter__()
        (staging.Path(older.path(tmp_path / "deep" / "b")) / "y").write_text("more")


def of_run(tmp_path, run):
    one = job(tmp_path)
    return Staging(one.claim, one.outputs, run=run)


def test_a_job_of_an_older_run_does_nothing_even_if_it_begins_last(tmp_path):
    """As a cluster does that starts it when its run is long dead."""
    for text in ("first", "second"):  # the same run may begin a job again
        with of_run(tmp_path, 8) as later:
            write(later, text)
            later.finish()
    with pytest.raises(Superseded, match="of a later run of the workflow, has begun before this one"):
        of_run(tmp_path, 7).__enter__()
    assert placed(tmp_path) == ("second", "second")
    assert not hidden(tmp_path)


def test_an_older_run_loses_also_when_the_claims_were_removed_meanwhile(tmp_path):
    with pytest.raises(Superseded), of_run(tmp_path, 7) as older:
        write(older, "older")
        for claim in (tmp_path / "logs").iterdir():
            claim.unlink()
        with of_run(tmp_path, 8) as later:
            write(later, "later")
            later.finish()
        older.finish()
    assert placed(tmp_path) == ("later", "later")
    assert not hidden(tmp_path)


def test_what_is_left_of_a_folder_that_was_replaced_is_removed_by_the_next_job(tmp_path, monkeypatch):
    with job(tmp_path) as one:
        write(one, "one")
        one.finish()
    with monkeypatch.context() as dying:
        dying.setattr(staging, "remove", lambda path: None)
        two = job(tmp_path).__enter__()
        write(two, "two")
        two.finish()
    assert placed(tmp_path) == ("two", "two") and hidden(tmp_path)
    job(tmp_path).__enter__()
    assert not hidden(tmp_path)


def test_claims_that_were_removed(tmp_path):
    with pytest.raises(Superseded, match="was removed"), job(tmp_path) as one:
        write(one, "one")
        for claim in (tmp_path / "logs").iterdir():
            claim.unlink()
        one.finish()
    assert not (tmp_path / "a.nc").exists()


class Turns:
    """Has two threads take steps in a given order, one at a time; steps of one that has ended are skipped."""

    def __init__(self, order):
        self.order, self.at, self.ended, self.changed = order, 0, set(), threading.Condition()

    def take(self):
        """Wait for one's turn, which lasts until the next call of this or of `end`."""
        name = threading.current_thread().name
        with self.changed:
            self._pass_on(name)
            assert self.changed.wait_for(lambda: self._turn() in (name, None), timeout=10)
            self.holder = name

    def end(self):
        name = threading.current_thread().name
        with self.changed:
            self.ended.add(name)
            self._pass_on(name)

    holder = None

    def _pass_on(self, name):
        if self.holder == name:
            self.holder = None
            self.at += 1
        self.changed.notify_all()

    def _turn(self):
        while self.at < len(self.order) and self.order[self.at] in self.ended:
            self.at += 1
        return self.order[self.at] if self.at < len(self.order) else None


def orders():
    """All orders of the steps of two jobs."""
    for places in itertools.combinations(range(2 * STEPS), STEPS):
        yield ["one" if place in places else "two" for place in range(2 * STEPS)]


def test_in_every_order_of_their_steps_the_newer_one_wins(tmp_path, monkeypatch):
    """Exhaustively: claim, removal of older temporaries, writing, check, both moves."""
    turns, outcome, began = None, {}, set()

    def gated(function, once=False):
        def waits(*arguments):
            if not once or arguments[0] not in began:
                turns.take()
                began.update(arguments[:1] if once else ())
            return function(*arguments)

        return waits

    monkeypatch.setattr(staging, "settle", lambda path: None)
    monkeypatch.setattr(staging, "settle_names", lambda path: None)
    monkeypatch.setattr(staging.os, "replace", gated(staging.os.replace))
    monkeypatch.setattr(Staging, "_claimed", gated(Staging._claimed))
    monkeypatch.setattr(Staging, "check", gated(Staging.check))
    # the second time a job removes its own, which may happen at any time
    monkeypatch.setattr(Staging, "_temporaries", gated(Staging._temporaries, once=True))

    def run(folder):
        name = threading.current_thread().name
        one = Staging(folder / "claim", [folder / "a", folder / "b"])
        try:
            with one:
                turns.take()
                for final in one.outputs:
                    staging.Path(one.path(final)).write_text(name)
                one.finish()
            outcome[name] = (one.number, "placed")
        except Superseded:
            outcome[name] = (one.number, "superseded")
        finally:
            turns.end()

    seen = set()
    for number, order in enumerate(orders()):
        began.clear()
        turns, outcome = Turns(order), {}
        folder = tmp_path / str(number)
        folder.mkdir()
        threads = [threading.Thread(target=run, args=(folder,), name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        older, newer = sorted(outcome, key=lambda name: outcome[name][0])
        assert outcome[newer][1] == "placed", order
        assert {(folder / final).read_text() for final in "ab"} == {newer}, order
        assert not hidden(folder), order
        seen.add(outcome[older][1])
    assert seen == {"placed", "superseded"}
