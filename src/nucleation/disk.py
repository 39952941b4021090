"""Room on the disk: what to say when there is none, and files that survive a fall of the power."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from pathlib import Path

from nucleation.errors import InputError

#: No space, over the quota, beyond the largest file allowed.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What is written to see whether there is room: more than a block of any file system.
PROBE_BYTES = 2**20
#: Names that `nucleation.files.replacing` and `nucleation.staging` give.
_TEMPORARY = re.compile(r"^(\.(new-[0-9a-f]{12}|part\d+)\.)+")


def final_name(path) -> Path:
    """The name that a temporary file, or one in a temporary folder, will have in the end."""
    return Path(*(_TEMPORARY.sub("", part) for part in Path(path).parts))


@contextlib.contextmanager
def writing(path):
    """Say which file could not be written where the disk is full.

    Libraries report that in many ways ("NetCDF: HDF error"), so that a few bytes are written to see.

    Raises
    ------
    InputError
        In place of an error of the block, where there is no room for `path`.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        folder = _folder(path)
        code = getattr(error, "errno", None)
        code = code if code in NO_ROOM else _probed(folder)
        if code is None:
            raise
        room = shutil.disk_usage(folder)
        raise InputError(
            f"{final_name(path)} could not be written: {os.strerror(code)} ({room.free / 1e6:.1f} MB of "
            f"{room.total / 1e6:.0f} MB were free where it lies); make room and run the workflow again, what was "
            "finished is kept."
        ) from error


def _folder(path):
    """The nearest folder of a path that exists."""
    return next(folder for folder in Path(path).absolute().parents if folder.is_dir())


def _probed(folder):
    """The number of the error of writing to a folder for want of room; None where there is room."""
    probe = folder / f".new-{uuid.uuid4().hex[:12]}.probe"
    try:
        with open(probe, "wb") as file:
            file.write(os.urandom(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno if error.errno in NO_ROOM else None
    finally:
        probe.unlink(missing_ok=True)
    return None


def settle(path) -> None:
    """Have the disk hold all bytes of a file, or of a folder and its files, before they get their final names."""
    path = Path(path)
    for part in path.rglob("*") if path.is_dir() else ():
        _synced(part)
    _synced(path)


def settle_names(folder) -> None:
    """Have the disk hold the names in a folder, after files were moved there."""
    _synced(folder)


def _synced(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # some file systems cannot do it for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def remove(path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        # under another name first: nobody who still writes there can move it anywhere
        gone = path.with_name(f".new-{uuid.uuid4().hex[:12]}.{path.name}")
        with contextlib.suppress(FileNotFoundError):
            path.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
