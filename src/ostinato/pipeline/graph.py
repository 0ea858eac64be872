"""Graph of the stages as DVC gives it: which follows from which, and what has changed.

Before a run DVC is asked through its command line, so that nothing here depends on its
Python interface; who only looks reads its files (see `read_cached`).
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
from ostinato.pipeline.dvc_files import ALWAYS, Stage

Upstream: TypeAlias = dict[str, frozenset[str]]
Changes: TypeAlias = dict[str, list[Any]]

MENDS = {
    "not inside of a DVC repository": "run it in a clone, or make the folder a project: "
    "`dvc init`, outside a git clone `dvc init --no-scm`",
    "is not a git repository": "outside a git clone run `dvc config --local core.no_scm true`, or `dvc init --no-scm` "
    "where there is no .dvc yet",
}
"""What to do about what DVC says."""

_NODE = re.compile(r'^"(?P<name>[^"]+)";$')
_EDGE = re.compile(r'^"(?P<before>[^"]+)" -> "(?P<after>[^"]+)";$')


def dvc(*arguments: str) -> list[str]:
    """Build a DVC command for this Python that waits for the repository's lock."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]


def environment() -> dict[str, str]:
    """Return the variables under which stages find this very Python as ``python``."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]), "PYTHONUNBUFFERED": "1"}


def upstream(project: Path, target: str | None = None) -> Upstream:
    """Ask which stages a stage reads from.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    target : str, optional
        Keep this stage, or every entry of this ``foreach`` group, and what it
        follows from; default: the whole pipeline.

    Returns
    -------
    dict of str to frozenset of str
        Each stage with those it follows from directly, in an order in which
        they can run.

    Raises
    ------
    OstinatoError
        If the folder is no DVC project or has no such stage.
    """
    return parse(_ask(project, "dag", "--dot", *([target] if target else [])))


def changes(project: Path) -> Changes:
    """Ask what differs from the last run.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.

    Returns
    -------
    dict of str to list
        Each stage that differs with what DVC says of it. A stage that only
        follows from a changed one is not among them: see `stale`.

    Raises
    ------
    OstinatoError
        If the folder is no DVC project.
    """
    return json.loads(_ask(project, "status", "--json"))


def read_cached(
    project: Path, kept: Path, stages: Mapping[str, Stage] | None = None, lock: Mapping[str, Any] | None = None
) -> tuple[Upstream, Changes]:
    """Return what `upstream` and `changes` say of the whole pipeline, read from files without DVC and its locks.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    kept : Path
        Where hashes of files are remembered; safe to delete.
    stages, lock : mapping, optional
        Of dvc.yaml and dvc.lock, where they have been read.

    Returns
    -------
    upstream : dict of str to frozenset of str
    changes : dict of str to list

    Raises
    ------
    OstinatoError
        If a file of the project is absent, cut off or no YAML.
    """
    stages = dvc_files.read_stages(project) if stages is None else stages
    lock = dvc_files.read_lock(project) if lock is None else lock
    hashes = dvc_files.Hashes(project, kept)
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
        Each stage with those it follows from directly, in an order in which
        they can run; data of a ``.dvc`` file only where a stage reads it.

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
    kept = {name: names for name, names in before.items() if name in read or not name.endswith(".dvc")}
    return {name: frozenset(kept[name]) for name in TopologicalSorter(kept).static_order()}


def stale(graph: Mapping[str, Iterable[str]], changed: Mapping[str, list[Any]]) -> list[str]:
    """List the stages that changed or follow from a changed one.

    Parameters
    ----------
    graph : mapping of str to iterable of str
        Each stage with those it follows from, in an order in which they can run.
    changed : mapping of str to list
        What `changes` answers. A stage that merely looks again in every run is
        not a changed one.

    Returns
    -------
    list of str
        In an order in which they can run.

    Examples
    --------
    >>> stale({"a": [], "b": ["a"], "c": ["b"], "d": ["a"]}, {"a": ALWAYS, "b": ["changed command"]})
    ['b', 'c']
    """
    found: dict[str, None] = {}
    for stage, before in graph.items():
        if changed.get(stage, ALWAYS) != ALWAYS or any(name in found for name in before):
            found[stage] = None
    return list(found)


def ancestors(graph: Mapping[str, Iterable[str]], stage: str) -> list[str]:
    """List all stages that a stage follows from, near or far.

    Parameters
    ----------
    graph : mapping of str to iterable of str
        Each stage with those it follows from.
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
    found: set[str] = set()
    ahead = list(graph[stage])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(graph[name])
    return sorted(found)


def _ask(project: Path, *arguments: str) -> str:
    answer = subprocess.run(dvc(*arguments), cwd=project, env=environment(), capture_output=True, text=True)
    if answer.returncode:
        said = answer.stderr.strip() or answer.stdout.strip()
        mend = next((f"; {mend}" for words, mend in MENDS.items() if words in said), "")
        raise OstinatoError(f"{project}: `dvc {' '.join(arguments)}`: {said}{mend}")
    return answer.stdout
