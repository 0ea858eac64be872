"""A small project for every test of judging and use."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from judging.judging_project import Project


@pytest.fixture
def project(tmp_path) -> Project:
    """Give a project with tables and no predictions yet."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Callable[[Path, Callable[[Project], object]], Project]:
    """Give a function that puts a copy of a prepared project into a folder, preparing it once a session."""
    known: dict[str, Path] = {}

    def copy(root: Path, prepare: Callable[[Project], object]) -> Project:
        if prepare.__name__ not in known:
            known[prepare.__name__] = tmp_path_factory.mktemp(prepare.__name__)
            prepare(Project(known[prepare.__name__]))
        project = Project(root)
        shutil.copytree(known[prepare.__name__], root, dirs_exist_ok=True)
        return project

    return copy
