"""Datasets: a module each, its file name is the dataset."""

import os
from pathlib import Path
from typing import Protocol

from ostinato.paths import Paths

VARIABLE = "OSTINATO_DATASET_PATH"


class Named(Protocol):
    """What `dataset_root` reads of the section ``dataset`` of params.yaml."""

    @property
    def name(self) -> str:
        """A module of this package."""

    @property
    def path(self) -> str | None:
        """Where its files lie."""


def dataset_root(paths: Paths, dataset: Named) -> Path:
    """Find the folder that a dataset's paths are relative to.

    Parameters
    ----------
    paths : Paths
    dataset : Named
        Its `path` counts first, from the project's root; then the environment's
        OSTINATO_DATASET_PATH; then ``data/raw/<name>``.

    Returns
    -------
    Path
        Whether or not it is there.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> dataset_root(Paths(Path("/music")), SimpleNamespace(name="folder", path="clips")).as_posix()
    '/music/clips'
    """
    given = dataset.path or os.environ.get(VARIABLE)
    return paths.root / Path(given).expanduser() if given else paths.raw(dataset.name)
