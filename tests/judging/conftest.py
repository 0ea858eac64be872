"""A small project for every test of judging and use."""

import pytest
from judging_project import Project


@pytest.fixture
def project(tmp_path) -> Project:
    """Give a project with tables and no predictions yet."""
    return Project(tmp_path)
