"""Rendered corpora of former settings, which nothing reads any more."""

import re
from collections.abc import Iterator
from pathlib import Path

from ostinato import datasets
from ostinato.core import params, registry
from ostinato.core.paths import Paths
from ostinato.pipeline.leftovers import Leftover, make_leftovers

OLD = "rendered with other settings or by another version; ingest renders it again if they come back"
_EDITION = re.compile(r"[0-9a-f]{12}")


def find_old_corpora(paths: Paths) -> list[Leftover]:
    """Find folders of a dataset that renders its audio, other than those of the project's and its runs' params.yaml.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    list of Leftover
        By path; only below the project's own ``data/raw``, never where a link leads elsewhere.

    Raises
    ------
    ParamsError
        If a params.yaml cannot be read, so that nothing that it needs is removed.
    """
    corpora = {
        edition: OLD
        for folder in _children(paths.raw(""))
        if folder.name in registry.names("ostinato.datasets") and folder.resolve().is_relative_to(paths.root.resolve())
        if hasattr(registry.load("ostinato.datasets", folder.name), "edition")
        for edition in _children(folder)
        if _EDITION.fullmatch(edition.name)
    }
    if not corpora:
        return []
    current = {folder.resolve() for folder in _find_current(paths)}
    return make_leftovers(paths, {folder: why for folder, why in corpora.items() if folder.resolve() not in current})


def _find_current(paths: Paths) -> Iterator[Path]:
    """Yield the folders that the project and its runs render to."""
    for project in (paths, *(Paths(file.parent) for file in sorted(paths.root.glob(f"runs/*/{paths.params.name}")))):
        settings = params.load(project.params)
        plugin, options = datasets.load(settings.dataset)
        if hasattr(plugin, "edition"):
            yield datasets.dataset_root(project, settings.dataset) / plugin.edition(options, settings.seed)


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
