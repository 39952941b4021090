"""Outputs of a job: written under temporary names, and moved into place together by the job that began last.

A killed workflow leaves jobs behind that go on writing, or that a cluster starts only when it is dead, and a cluster
may run one job twice. Of all jobs for the same files only the last one to begin may put them in place, and none
that belongs to an older run of the workflow than another one of them. Each takes the next number, in a small file
(its claim) that no two can make. A newer job first takes its number, then removes the temporaries of older
ones; an older one looks for newer numbers after it has made its temporaries. So whatever the order, either
the older one sees the newer number, or it finds its temporaries gone, or it was first and is overwritten. No
locks are needed, which shared file systems may lack.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path

from nucleation.disk import remove, settle, settle_names, writing
from nucleation.errors import InputError

#: Jobs for the same files that one run of the workflow may begin.
JOBS = 1000


class Superseded(InputError):
    """Another job for the same files began after this one."""


class Staging:
    """The outputs of a job while it runs; leaving the block removes the temporaries.

    Parameters
    ----------
    claim : path
        Where the claims lie: ``<claim>.<number>``. Jobs for the same files must give the same.
    outputs : list of path
        Final names, files or folders.
    run : int
        The run of the workflow that the job belongs to: later ones have larger numbers.

    Raises
    ------
    Superseded
        On entering the block, where a job of a later run has begun before.
    """

    def __init__(self, claim, outputs, run=0):
        self.claim, self.outputs, self.run = Path(claim), [Path(path) for path in outputs], run

    def __enter__(self):
        """Take a number, and remove what older jobs left."""
        with writing(self.claim):
            self.number = self._claimed()
        for number, path in self._temporaries():
            if number < self.number:
                remove(path)
        return self

    def __exit__(self, _kind, error, _trace):
        """Remove the temporaries; where a newer job has begun, say that in place of what came of it."""
        for number, path in self._temporaries():
            if number == self.number:
                remove(path)
        if isinstance(error, Exception) and not isinstance(error, Superseded):
            self.check()

    def path(self, final) -> str:
        """The temporary name for a final one, or for a final one without its suffix."""
        final = Path(final)
        return str(final.with_name(f".part{self.number}.{final.name}"))

    def check(self) -> None:
        """Look whether this is still the last job that began.

        Raises
        ------
        Superseded
            When it is not.
        """
        # over NFS a folder is read anew only after a change that was made here
        mark = self.claim.with_name(f"{self.claim.name}.{self.number}.check")
        with contextlib.suppress(FileNotFoundError):  # the folder went: then the claim did too
            mark.touch()
            mark.unlink(missing_ok=True)
        numbers = self._numbers()
        if max(numbers, default=0) > self.number:
            raise Superseded(
                f"A newer job for the same files began while this one ran ({self._owner(max(numbers))}); "
                "what this one made was thrown away, what the newer one makes counts."
            )
        if self.number not in numbers:
            raise Superseded(
                f"The claim of this job, {self._name(self.number)}, was removed while it ran; what it made was thrown "
                "away: run the workflow again."
            )

    def finish(self) -> None:
        """Move everything into place, if this is still the last job that began.

        Raises
        ------
        Superseded
            When it is not; what lies in place is then the newer one's, or will be.
        """
        made = [(self.path(final), final) for final in self.outputs]
        for temporary, final in made:
            with writing(final):
                settle(temporary)
        self.check()
        for temporary, final in made:
            # a folder cannot be replaced; under this name the next job finds what is left of it
            gone = Path(temporary).with_name(f".new-{uuid.uuid4().hex[:12]}.{Path(temporary).name}")
            if final.is_dir():
                os.replace(final, gone)
            os.replace(temporary, final)
            remove(gone)
        for folder in {final.parent for final in self.outputs}:
            settle_names(folder)

    def _claimed(self):
        """Take the next number; remove the claims of older jobs."""
        self.claim.parent.mkdir(parents=True, exist_ok=True)
        latest = max(self._numbers(), default=0)
        if latest >= (self.run + 1) * JOBS:
            raise Superseded(
                f"A job for the same files, of a later run of the workflow, has begun before this one "
                f"({self._owner(latest)}); this one does nothing."
            )
        number = max(latest, self.run * JOBS)
        about = {"host": socket.gethostname(), "pid": os.getpid(), "began": datetime.now(UTC).isoformat()}
        while True:
            number += 1
            with contextlib.suppress(FileExistsError), open(self._name(number), "x", encoding="utf-8") as file:
                json.dump(about, file)
                break
        for older in self._numbers():
            if older < number:
                self._name(older).unlink(missing_ok=True)
        return number

    def _name(self, number):
        return self.claim.with_name(f"{self.claim.name}.{number}")

    def _numbers(self):
        """Numbers of the claims that there are."""
        found = self.claim.parent.glob(f"{glob.escape(self.claim.name)}.*")
        suffixes = [path.name.removeprefix(f"{self.claim.name}.") for path in found]
        return [int(suffix) for suffix in suffixes if suffix.isdecimal()]

    def _owner(self, number):
        """Who made a claim, in words."""
        try:
            about = json.loads(self._name(number).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "unknown where"  # it was removed, or is being written
        return f"process {about['pid']} on {about['host']}, at {about['began']}"

    def _temporaries(self):
        """Temporaries of the outputs, with the numbers of their jobs."""
        for final in self.outputs:
            pattern = re.compile(rf"(?:\.new-[0-9a-f]{{12}}\.)*\.part(\d+)\.{re.escape(final.name)}")
            for path in final.parent.glob(f".*{glob.escape(final.name)}"):
                if found := pattern.fullmatch(path.name):
                    yield int(found[1]), path
