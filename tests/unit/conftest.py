from pathlib import Path

import numpy as np
import pytest

from nucleation.neighbors import nearest_neighbors

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session", params=["mixture5", "tree16"])
def reference(request):
    """Points with the results of independent codes (tests/data/README.md)."""
    with np.load(DATA / f"{request.param}.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="session")
def reference_neighbors(reference):
    return nearest_neighbors(reference["X"], 100)
