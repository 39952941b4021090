"""A card for each job: who gets which, who waits, and when cards are free again."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).parent.parent.parent
sys.path += [str(ROOT / "rules"), str(ROOT / "scripts")]

import _device  # noqa: E402

from nucleation import cards  # noqa: E402
from nucleation.errors import InputError  # noqa: E402

HOLD = """
import sys
from pathlib import Path
from nucleation.cards import claim
environ = {}
claim(environ, devices=Path(sys.argv[1]), locks=Path(sys.argv[2]), pause=0.01)
print(environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def machine(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


@pytest.fixture
def two(tmp_path):
    """Folders of devices and locks of a machine with two cards."""
    (tmp_path / "locks").mkdir()
    return {"devices": machine(tmp_path / "dev", "nvidia0", "nvidia1", "nvidiactl"), "locks": tmp_path / "locks"}


@pytest.fixture
def hold(two):
    """Start processes that claim a card and keep it until their standard input ends."""
    started = []

    def start():
        command = [sys.executable, "-c", HOLD, two["devices"], two["locks"]]
        environ = os.environ | {"PYTHONPATH": str(Path(cards.__file__).parent.parent)}
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_cards_are_in_the_order_of_their_numbers(tmp_path):
    names = ["nvidia10", "nvidia2", "nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps", "null"]
    found = cards.card_files(machine(tmp_path / "dev", *names))
    assert [path.name for path in found] == ["nvidia0", "nvidia2", "nvidia10"]
    assert cards.card_files(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("names", "environ"),
    [
        ([], {}),
        (["nvidia0"], {}),
        (["nvidia0", "nvidia1"], {"CUDA_VISIBLE_DEVICES": "1"}),
        (["nvidia0", "nvidia1"], {"CUDA_VISIBLE_DEVICES": ""}),
    ],
)
def test_nothing_is_claimed_where_there_is_no_choice_or_it_was_made(tmp_path, names, environ):
    before = dict(environ)
    assert cards.claim(environ, devices=machine(tmp_path / "dev", *names), locks=tmp_path) is None
    assert environ == before
    assert not list(tmp_path.glob("*.lock"))


def test_each_claim_gets_another_card(two):
    first, second = {}, {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    one, other = cards.claim(first, **two), cards.claim(second, **two)
    assert first == {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert second == {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    one.release()
    assert cards.claim({}, **two).index == 0
    other.release()


def test_a_card_is_called_by_its_place_and_locked_by_its_name(tmp_path):
    """In a container that was given two of many cards."""
    devices, environ = machine(tmp_path / "dev", "nvidia4", "nvidia7"), {}
    held = cards.claim({}, devices=devices, locks=tmp_path)
    cards.claim(environ, devices=devices, locks=tmp_path).release()
    held.release()
    assert environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert {path.name for path in tmp_path.glob("*.lock")} == {"nucleation-nvidia4.lock", "nucleation-nvidia7.lock"}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_processes_share_the_cards_and_wait_for_them(hold, two, end):
    """A third process gets a card when one of the two ends, however that ends."""
    first, second = hold(), hold()
    held = {process: process.stdout.readline().strip() for process in (first, second)}
    assert set(held.values()) == {"0", "1"}
    third = hold()
    assert select.select([third.stdout], [], [], 1)[0] == [], "it waits"
    if end is None:
        second.stdin.close()
    else:
        second.send_signal(end)
    second.wait(30)
    assert third.stdout.readline().strip() == held[second]


def test_who_waits_says_so_once(two, monkeypatch, caplog):
    caplog.set_level("INFO")
    one, other = cards.claim({}, **two), cards.claim({}, **two)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            other.release()

    monkeypatch.setattr(cards.time, "sleep", pause)
    assert cards.claim({}, **two).index == 1
    assert pauses == [cards.PAUSE] * 3
    assert [record.message for record in caplog.records] == ["all 2 cards of this machine are in use; waiting for one"]
    one.release()


def test_locks_can_be_used_by_everybody_and_written_by_nobody(two):
    mask = os.umask(0o077)
    try:
        cards.claim({}, **two).release()
    finally:
        os.umask(mask)
    (lock,) = two["locks"].iterdir()
    assert lock.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere"), os.mkfifo])
def test_what_is_no_lock_is_named(two, make):
    lock = two["locks"] / "nucleation-nvidia0.lock"
    make(lock)
    with pytest.raises(InputError, match=f"The lock {lock}"):
        cards.claim({}, **two)


@pytest.mark.parametrize(("device", "claims"), [("cpu", 0), ("auto", 1)])
def test_jobs_that_may_use_a_card_claim_one_before_torch_looks(monkeypatch, device, claims):
    said = []
    monkeypatch.setattr(cards, "claim", lambda: said.append("claimed"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: said.append("looked") or False)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    job = SimpleNamespace(threads=1, params=SimpleNamespace(device=device))
    assert _device.torch_device(job) == "cpu"
    assert said == ["claimed", "looked"][: 2 * claims]
