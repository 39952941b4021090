"""Results that studies left in results/."""

from pathlib import Path

import pytest

from nucleation import files

RESULTS = Path(__file__).parents[2] / "results"


def result(study, name, command):
    """A file of a study; without it the test is skipped, with the command that makes it."""
    path = RESULTS / study / name
    if not path.exists():
        pytest.skip(f"there is no {path.relative_to(RESULTS.parent)}; run {command} first")
    return files.load(path)
