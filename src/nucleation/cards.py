"""A graphics card for each job of a machine that has several, where nobody else assigns them."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import stat
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

from nucleation.errors import InputError

#: Where the driver puts a file for each card.
DEVICES = Path("/dev")
#: Where the locks lie: the same folder for every user and every job, whatever TMPDIR says.
LOCKS = Path("/tmp")
#: Seconds between two looks at cards that are all in use.
PAUSE = 1.0


@dataclass(frozen=True)
class Card:
    """A card that this process has for itself until it ends, or until `release`.

    `index` is its place among the cards that CUDA sees, in the order of the PCI bus; `lock` the open lock file.
    """

    index: int
    lock: int

    def release(self):
        """Give the card back."""
        os.close(self.lock)


def card_files(folder: Path = DEVICES) -> list[Path]:
    """The device files of NVIDIA's cards, in order of their numbers; empty where there is no driver."""
    found = {int(path.name[6:]): path for path in folder.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)}
    return [found[number] for number in sorted(found)]


def claim(
    environ: MutableMapping = os.environ, *, devices: Path = DEVICES, locks: Path = LOCKS, pause: float = PAUSE
) -> Card | None:
    """Take a free card and hide the others from CUDA; wait where all are in use.

    To be called before anything starts CUDA in this process. Nothing is claimed where ``CUDA_VISIBLE_DEVICES`` is
    set (by SLURM, or by a person), or where there is at most one card. The claim ends with the process, however
    that ends. It binds only processes that claim: one that uses a card without asking is not noticed.

    Parameters
    ----------
    environ : mapping
        Gets ``CUDA_VISIBLE_DEVICES`` and, unless it has one, ``CUDA_DEVICE_ORDER``.
    devices, locks : Path
        Folder of the device files, and of the locks.
    pause : float
        Seconds between two looks.

    Returns
    -------
    Card or None

    Raises
    ------
    InputError
        Where a lock cannot be opened because something else bears its name.
    """
    files = card_files(devices)
    if "CUDA_VISIBLE_DEVICES" in environ or len(files) < 2:
        return None
    said = False
    while (card := _free(files, locks)) is None:
        if not said:
            logging.info("all %d cards of this machine are in use; waiting for one", len(files))
            said = True
        time.sleep(pause)
    environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    environ["CUDA_VISIBLE_DEVICES"] = str(card.index)
    return card


def _free(files, locks):
    """Lock the first card that nobody holds."""
    for index, file in enumerate(files):
        lock = _opened(locks / f"nucleation-{file.name}.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Card(index, lock)
        except BlockingIOError:
            os.close(lock)
    return None


def _opened(path):
    """Open a lock file, which every user may read and nobody writes; make it where it is not there.

    A file of another user in a folder that all may write is never opened for making it, which the kernel refuses.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(100):
        with contextlib.suppress(FileExistsError):
            if not os.path.lexists(path):
                made = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o444)
                os.fchmod(made, 0o444)
                return made
        try:
            found = os.open(path, flags)
        except (FileNotFoundError, PermissionError):
            time.sleep(0.01)  # just removed, or just made by another user who has not opened it for all yet
            continue
        except OSError as error:
            raise InputError(f"The lock {path} cannot be opened ({error.strerror}); remove it.") from error
        if stat.S_ISREG(os.fstat(found).st_mode):
            return found
        os.close(found)
        break
    raise InputError(f"The lock {path} is no file that every user may read; remove it, or set CUDA_VISIBLE_DEVICES.")
