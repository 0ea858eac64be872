"""Graph of the stages from DVC: their dependencies, and what has changed.

Before a run DVC is called on the command line, so that nothing depends on its Python
interface; read-only commands read its files (see `read_cached`).
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

from ostinato.errors import OstinatoError
from ostinato.pipeline import dvc_files
from ostinato.pipeline.dvc_files import ALWAYS_CHANGED, Stage

Upstream: TypeAlias = dict[str, frozenset[str]]
Changes: TypeAlias = dict[str, list[Any]]

ADVICE = {
    "not inside of a DVC repository": "run it in a clone, or make the folder a project: "
    "`dvc init`, outside a git clone `dvc init --no-scm`",
    "is not a git repository": "outside a git clone run `dvc config --local core.no_scm true`, or `dvc init --no-scm` "
    "where there is no .dvc yet",
}
"""Advice by error message of DVC."""

_NODE = re.compile(r'^"(?P<name>[^"]+)";$')
_EDGE = re.compile(r'^"(?P<before>[^"]+)" -> "(?P<after>[^"]+)";$')


def dvc(*arguments: str) -> list[str]:
    """Build a DVC command for this Python that waits for the repository's lock."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]


def environment() -> dict[str, str]:
    """Return an environment in which ``python`` is this interpreter."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def upstream(project: Path, target: str | None = None) -> Upstream:
    """Ask DVC for the direct dependencies of each stage.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    target : str, optional
        Only this stage, or every entry of this ``foreach`` group, with all stages
        that it depends on; default: the whole pipeline.

    Returns
    -------
    dict of str to frozenset of str
        Each stage with its direct dependencies, in topological order.

    Raises
    ------
    OstinatoError
        If the folder is not a DVC project or has no such stage.
    """
    return parse(_ask(project, "dag", "--dot", *([target] if target else [])))


def changes(project: Path) -> Changes:
    """Ask DVC what has changed since the last run.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.

    Returns
    -------
    dict of str to list
        Changes of each changed stage. A stage that only depends on a changed one
        is not included: see `find_stale`.

    Raises
    ------
    OstinatoError
        If the folder is not a DVC project.
    """
    return json.loads(_ask(project, "status", "--json"))


def read_cached(
    project: Path, cache: Path, stages: Mapping[str, Stage] | None = None, lock: Mapping[str, Any] | None = None
) -> tuple[Upstream, Changes]:
    """Return `upstream` and `changes` of the whole pipeline, from files, without DVC and its locks.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    cache : Path
        File of cached hashes; safe to delete.
    stages, lock : mapping, optional
        Contents of dvc.yaml and dvc.lock, if they have been read.

    Returns
    -------
    upstream : dict of str to frozenset of str
    changes : dict of str to list

    Raises
    ------
    OstinatoError
        If a file of the project is missing, truncated or not YAML.
    """
    stages = dvc_files.read_stages(project) if stages is None else stages
    lock = dvc_files.read_lock(project) if lock is None else lock
    hashes = dvc_files.Hashes(project, cache)
    changed = dvc_files.find_changes(stages, lock, hashes)
    hashes.save()
    return dvc_files.find_upstream(stages), changed


def parse(dot: str) -> Upstream:
    r"""Read the graph that ``dvc dag --dot`` prints.

    Parameters
    ----------
    dot : str

    Returns
    -------
    dict of str to frozenset of str
        Each stage with its direct dependencies, in topological order; data of a
        ``.dvc`` file only if a stage reads it.

    Examples
    --------
    >>> parse('strict digraph {\n"ingest";\n"train@a";\n"ingest" -> "train@a";\n}')
    {'ingest': frozenset(), 'train@a': frozenset({'ingest'})}
    """
    before: dict[str, set[str]] = {}
    for line in map(str.strip, dot.splitlines()):
        if edge := _EDGE.match(line):
            before.setdefault(edge["after"], set()).add(edge["before"])
        elif node := _NODE.match(line):
            before.setdefault(node["name"], set())
    read = set().union(*before.values())
    graph = {name: names for name, names in before.items() if name in read or not name.endswith(".dvc")}
    return {name: frozenset(graph[name]) for name in TopologicalSorter(graph).static_order()}


def find_stale(graph: Mapping[str, Iterable[str]], changed: Mapping[str, list[Any]]) -> list[str]:
    """List the stages that changed or depend on a changed one.

    Parameters
    ----------
    graph : mapping of str to iterable of str
        Dependencies of each stage, in topological order.
    changed : mapping of str to list
        From `changes`. A stage that only runs in every run does not count as changed.

    Returns
    -------
    list of str
        In topological order.

    Examples
    --------
    >>> find_stale({"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}, {"a": ALWAYS_CHANGED, "b": ["changed command"]})
    ['b', 'c']
    """
    stages: dict[str, None] = {}
    for stage, before in graph.items():
        if changed.get(stage, ALWAYS_CHANGED) != ALWAYS_CHANGED or any(name in stages for name in before):
            stages[stage] = None
    return list(stages)


def ancestors(graph: Mapping[str, Iterable[str]], stage: str) -> list[str]:
    """List the direct and indirect dependencies of a stage.

    Parameters
    ----------
    graph : mapping of str to iterable of str
        Dependencies of each stage.
    stage : str

    Returns
    -------
    list of str
        In alphabetical order.

    Examples
    --------
    >>> ancestors({"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}, "c")
    ['a', 'b']
    """
    names: set[str] = set()
    stack = list(graph[stage])
    while stack:
        name = stack.pop()
        if name not in names:
            names.add(name)
            stack.extend(graph[name])
    return sorted(names)


def _ask(project: Path, *arguments: str) -> str:
    process = subprocess.run(dvc(*arguments), cwd=project, env=environment(), capture_output=True, text=True)
    if process.returncode:
        message = process.stderr.strip() or process.stdout.strip()
        advice = next((f"; {advice}" for words, advice in ADVICE.items() if words in message), "")
        raise OstinatoError(f"{project}: `dvc {' '.join(arguments)}`: {message}{advice}")
    return process.stdout
