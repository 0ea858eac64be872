"""Reading of the graph and its changes by a flow: from DVC's files, or from DVC where they are not enough.

A stage whose command, dependencies, parameters and outputs equal its entry in dvc.lock is
up to date, and DVC, which takes a second to find that out, need not be called.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from ostinato.core.paths import Paths
from ostinato.pipeline import dvc_files, graph, recovery
from ostinato.pipeline.graph import Changes, Upstream


class Reading:
    """Stages of a project, and their changes since the last run.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    """

    def __init__(self, project: Path) -> None:
        self.project, self.paths = project, Paths(project)
        self.stages, self.lock = dvc_files.read_stages(project), dvc_files.read_lock(project)
        self._hashes = dvc_files.Hashes(project, self.paths.graph_cache)
        self._is_plain = (project / ".dvc").is_dir() and not self._reads_dvc_files()

    def find_faults(self) -> list[str]:
        """List the faults that a killed run left, one line each."""
        return recovery.find_faults(self.paths, self.stages, self.lock)

    def drop_damaged_lock(self) -> bool:
        """Delete DVC's file of locks if a kill left it damaged; return whether it was deleted."""
        return recovery.drop_damaged_lock(self.paths.root)

    def find_upstream(self, target: str | None = None) -> Upstream:
        """Find the direct dependencies of each stage, as `graph.upstream`."""
        names = [name for name in self.stages if target in (None, name, name.partition("@")[0])]
        if not self._is_plain or not names:
            return graph.upstream(self.project, target)
        upstream = dvc_files.find_upstream(self.stages)
        included = set(names).union(*(graph.ancestors(upstream, name) for name in names))
        return {name: before for name, before in upstream.items() if name in included}

    def find_changes(self) -> Changes:
        """Find what has changed since the last run, as `graph.changes`, by the present dvc.lock."""
        if not self._is_plain:
            return graph.changes(self.project)
        self.lock = dvc_files.read_lock(self.project)
        changes = dvc_files.find_changes(self.stages, self.lock, self._hashes)
        self._hashes.save()
        return changes

    def is_current(self, stage: str) -> bool:
        """Return whether a stage is up to date: all it reads and writes is unchanged since its last run."""
        if not self._is_plain or stage not in self.stages:
            return False
        return not dvc_files.find_changes({stage: self.stages[stage]}, self.lock, self._hashes)

    def hash_entries(self, stages: Iterable[str]) -> str:
        """Hash the entries of some stages in dvc.lock."""
        return hashlib.sha256(json.dumps([self.lock.get(name) for name in stages]).encode()).hexdigest()

    def _reads_dvc_files(self) -> bool:
        """Return whether a stage reads data that a .dvc file describes, so that the graph has more than stages."""
        paths = {str(path) for s in self.stages.values() for d in s.deps for path in _with_parents(d)}
        return any((self.project / f"{path}.dvc").is_file() for path in paths)


def _with_parents(path: str) -> list[Any]:
    return [path, *map(str, list(PurePosixPath(path).parents)[:-1])]
