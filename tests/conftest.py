"""Fixtures that every test may use."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from declarations import write_metadata
from finished_project import Project

if "PYTEST_XDIST_WORKER" in os.environ:  # many tests import librosa at once; see ostinato.audio.lazy_librosa
    os.environ["NUMBA_CACHE_DIR"] = str(
        Path(__file__).parents[1] / ".pytest_cache" / "numba" / os.environ["PYTEST_XDIST_WORKER"]
    )

SHARED = Path(os.environ.get("OSTINATO_SHARED", Path(__file__).parents[2] / "shared")) / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that is the same in every run."""
    return np.random.default_rng(440)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real audio and tables, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: set OSTINATO_SHARED to a folder that holds data/ with real audio")
    return SHARED


@pytest.fixture(scope="session")
def musicnn_wheel(tmp_path_factory) -> Path:
    """Return the wheel of musicnn, fetched once from the package index; skip where that cannot be reached."""
    from ostinato.errors import DataError
    from ostinato.pretrained import wheel

    folder = tmp_path_factory.getbasetemp().parent / "ostinato-wheels"
    try:
        return wheel.download(folder)
    except DataError as error:
        pytest.skip(f"PyPI cannot be reached ({error}): put {wheel.FILE} into {folder}")


@pytest.fixture
def project(tmp_path) -> Project:
    """Return a project with tables and no predictions yet."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def copy_prepared(tmp_path_factory) -> Callable[[Path, Callable[[Project], object]], Project]:
    """Return a function that puts a copy of a prepared project into a folder, preparing it once a session."""
    known: dict[str, Path] = {}

    def copy(root: Path, prepare: Callable[[Project], object]) -> Project:
        if prepare.__name__ not in known:
            known[prepare.__name__] = tmp_path_factory.mktemp(prepare.__name__)
            prepare(Project(known[prepare.__name__]))
        project = Project(root)
        shutil.copytree(known[prepare.__name__], root, dirs_exist_ok=True)
        return project

    return copy


@pytest.fixture
def metadata(tmp_path, monkeypatch):
    """Have `ostinato.core.extras` read what pyproject.toml says."""
    from ostinato.core import extras

    monkeypatch.syspath_prepend(str(write_metadata(tmp_path / "metadata")))
    extras.read_extras.cache_clear()
    yield
    extras.read_extras.cache_clear()
