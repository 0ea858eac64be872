"""Reading of the graph and of what changed, by a flow: from DVC's files, or by asking DVC where they do not tell.

A stage whose command, dependencies, parameters and outputs are those of its entry in
dvc.lock has nothing to do, and DVC, which takes a second to say so, need not be asked.
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
    """Stages of a project and how they differ from their last run.

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
        """List what a killed run left, a line each."""
        return recovery.find_faults(self.paths, self.stages, self.lock)

    def find_upstream(self, target: str | None = None) -> Upstream:
        """Find which stages a stage reads from, as `graph.upstream`."""
        names = [name for name in self.stages if target in (None, name, name.partition("@")[0])]
        if not self._is_plain or not names:
            return graph.upstream(self.project, target)
        upstream = dvc_files.find_upstream(self.stages)
        wanted = set(names).union(*(graph.ancestors(upstream, name) for name in names))
        return {name: before for name, before in upstream.items() if name in wanted}

    def find_changes(self) -> Changes:
        """Find what differs from the last run, as `graph.changes`, by dvc.lock as it is now."""
        if not self._is_plain:
            return graph.changes(self.project)
        self.lock = dvc_files.read_lock(self.project)
        changes = dvc_files.find_changes(self.stages, self.lock, self._hashes)
        self._hashes.save()
        return changes

    def is_current(self, stage: str) -> bool:
        """Return whether a stage has nothing to do: all it reads and writes is as after its last run."""
        if not self._is_plain or stage not in self.stages:
            return False
        return not dvc_files.find_changes({stage: self.stages[stage]}, self.lock, self._hashes)

    def hash_entries(self, stages: Iterable[str]) -> str:
        """Hash what dvc.lock says of some stages."""
        return hashlib.sha256(json.dumps([self.lock.get(name) for name in stages]).encode()).hexdigest()

    def _reads_dvc_files(self) -> bool:
        """Return whether a stage reads data that a .dvc file describes, so that the graph has more than stages."""
        places = {str(path) for s in self.stages.values() for d in s.deps for path in _with_parents(d)}
        return any((self.project / f"{place}.dvc").is_file() for place in places)


def _with_parents(path: str) -> list[Any]:
    return [path, *map(str, list(PurePosixPath(path).parents)[:-1])]
