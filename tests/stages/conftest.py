"""A tiny project for the tests of training."""

import pytest
import torch

import tiny_project


@pytest.fixture
def project(tmp_path):
    """Give the paths of a project with one holdout."""
    torch.set_num_threads(1)
    return tiny_project.make(tmp_path / "project")


@pytest.fixture
def opened(project):
    """Give settings and inputs of the tiny network on that project."""
    from ostinato.stages import _candidate
    from ostinato.training.settings import resolve

    settings = resolve(tiny_project.settings(), "tiny_mel")
    return settings, _candidate.open_candidate(project, settings)
