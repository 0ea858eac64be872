"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("OSTINATO_SHARED", Path(__file__).parents[2] / "shared")) / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """Give a generator that is the same in every run."""
    return np.random.default_rng(440)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real audio and tables, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: set OSTINATO_SHARED to a folder that holds data/ with real audio")
    return SHARED
