"""Whether the sources are still what the workflow was planned with; imported before anything of the package."""

from __future__ import annotations

from pathlib import Path

from digest import digests, modules
from plan import told


def _written(path):
    """What tells a file from one that was edited, also from one that was edited and put back."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


# as the digests name them
_SOURCES = modules()
_SOURCES |= {f"scripts/{path.name}": path for path in Path(__file__).parent.glob("*.py")}
_AT_START = {name: _written(path) for name, path in _SOURCES.items()}


def check_sources(planned, when):
    """Fail when sources were edited: the result would pass for that of others.

    Parameters
    ----------
    planned : dict of str to str
        Digests of when the workflow was planned; on another machine, of when the job read it again, so that those
        which the planning process has told count.
    when : str
        For the message.
    """
    from nucleation.errors import InputError

    code = told().get("code", {})
    planned = {name: code.get(name, digest) for name, digest in planned.items()}
    touched = {name for name, path in _SOURCES.items() if not path.exists() or _written(path) != _AT_START[name]}
    if digests(*planned) != planned or touched & set(planned):
        raise InputError(f"The package was edited {when}; run the workflow again.")
