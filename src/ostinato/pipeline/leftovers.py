"""Leftovers of removed candidates and of interrupted runs.

Some stages read whole folders, such as ``models/metrics``, so a leftover file there
changes their hash, and they run again on a machine without it. So the stage ``budget``,
which runs when candidates are added or removed, sets such files aside.
"""

import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ostinato.core.counts import format_count
from ostinato.core.params import get_sections
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths

NO_CANDIDATE = "not a candidate of params.yaml"
NO_EDGE = "not a member or number of params.yaml"
NO_KIND = "not in features.kinds"
PARTIAL_FILE = "incomplete: writing was interrupted"
REMOVED_OUTPUTS = "set aside when its candidate was removed"
RESUMABLE_STAGES = ("train", "tune", "member")
_RESUME_POINT = re.compile(r"(?P<name>.+)-[0-9a-f]{16}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leftover:
    """A file or folder that is no longer needed.

    Parameters
    ----------
    path : Path
    reason : str
    n_bytes : int
    is_tracked : bool
        Whether git tracks it.
    """

    path: Path
    reason: str
    n_bytes: int
    is_tracked: bool


def find_leftovers(paths: Paths, params: Params) -> list[Leftover]:
    """Find leftovers of removed candidates and kinds, and of interrupted runs.

    Parameters
    ----------
    paths : Paths
    params : Params
        With the sections ``candidates``, ``estimators``, ``stacked``, ``members``, ``numbers`` and ``features``.

    Returns
    -------
    list of Leftover
        Sorted by path; never below ``data/raw`` or ``models/released`` (for the former see `corpora`).
    """
    reasons = {**dict(_find_outputs(paths, params)), **dict(_find_state(paths, params))}
    kinds = set(params.features.kinds)
    reasons |= {path: NO_KIND for path in _children(paths.features) if path.is_dir() and path.name not in kinds}
    reasons |= {
        path: PARTIAL_FILE for path in _find_partials(paths) if not any(above in reasons for above in path.parents)
    }
    return make_leftovers(paths, reasons)


def make_leftovers(paths: Paths, reasons: Mapping[Path, str]) -> list[Leftover]:
    """Measure leftovers and find those that git tracks.

    Parameters
    ----------
    paths : Paths
    reasons : mapping of Path to str
        Why each is no longer needed.

    Returns
    -------
    list of Leftover
        Sorted by path.
    """
    tracked = _find_tracked(paths.root, reasons)
    return [Leftover(path, reasons[path], _measure(path), path in tracked) for path in sorted(reasons)]


def remove(leftovers: Iterable[Leftover]) -> None:
    """Remove files and folders."""
    for leftover in leftovers:
        if leftover.path.is_dir() and not leftover.path.is_symlink():
            shutil.rmtree(leftover.path)
        else:
            leftover.path.unlink(missing_ok=True)


def set_aside(paths: Paths, params: Params) -> list[Path]:
    """Move the outputs of removed candidates to a folder that no stage reads and `ostinato clean` lists.

    Parameters
    ----------
    paths : Paths
    params : Params
        With the sections ``candidates``, ``estimators``, ``stacked``, ``members`` and ``numbers``.

    Returns
    -------
    list of Path
        Their former paths.
    """
    moved = [path for path, _ in _find_outputs(paths, params)]
    for path in moved:
        target = paths.removed_outputs / path.relative_to(paths.root)
        if target.is_dir():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    if moved:
        examples = ", ".join(str(path.relative_to(paths.root)) for path in moved[:3])
        log.warning(
            "%s of candidates that are no longer in params.yaml, such as %s: moved to %s; commit the removal of those "
            "that git tracks, and delete the rest with `ostinato clean --yes`",
            format_count(len(moved), "output"),
            examples,
            paths.removed_outputs.relative_to(paths.root),
        )
    return moved


def _find_outputs(paths: Paths, params: Params) -> Iterator[tuple[Path, str]]:
    """Find outputs of removed candidates, stacks, members and numbers."""
    names = set(get_sections(params))
    files = (paths.tuning_result, paths.metrics, paths.test_scores, paths.gate_result, paths.budget, paths.robustness)
    folders = (paths.checkpoints, paths.predictions, paths.onnx)
    for locate in files:
        example = locate("x")
        for path in _children(example.parent):
            if path.suffix == example.suffix and not path.name.startswith(".") and path.stem not in names:
                yield path, NO_CANDIDATE
    for locate in folders:
        for path in _children(locate("x").parent):
            if path.is_dir() and path.name not in names:
                yield path, NO_CANDIDATE
    edges = {*params.members, *params.numbers}
    for stack in _children(paths.member_logits("x").parent):
        if stack.is_dir() and stack.name not in params.stacked:
            yield stack, NO_CANDIDATE
        elif stack.is_dir():
            parquet = (path for path in _children(stack) if path.suffix == ".parquet")
            yield from ((path, NO_EDGE) for path in parquet if f"{stack.name}.{path.stem}" not in edges)


def _find_state(paths: Paths, params: Params) -> Iterator[tuple[Path, str]]:
    """Find resume points and logs of removed candidates, and outputs that were set aside."""
    names = set(get_sections(params))
    for stage in RESUMABLE_STAGES:
        for path in _children(paths.state / stage):
            if (point := _RESUME_POINT.fullmatch(path.name)) and point["name"] not in names:
                yield path, NO_CANDIDATE
    yield from ((path, NO_CANDIDATE) for path in _children(paths.state / "dvclive") if path.name not in names)
    yield from ((path, REMOVED_OUTPUTS) for path in [paths.removed_outputs] if path.is_dir())


def _find_partials(paths: Paths) -> Iterator[Path]:
    """Find incomplete files of killed processes."""
    excluded = (paths.raw("x").parent, paths.releases)
    for top in (paths.root / "data", paths.root / "models", paths.state):
        for path in top.rglob("*.partial"):
            if not any(path.is_relative_to(folder) for folder in excluded):
                yield path


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _measure(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _find_tracked(project: Path, paths: Iterable[Path]) -> set[Path]:
    """Find the paths that git tracks, at least in part."""
    names = {str(path.relative_to(project)): path for path in paths}
    if not names:
        return set()
    command = ["git", "ls-files", "-z", "--", *names]
    try:
        output = subprocess.run(command, cwd=project, capture_output=True, text=True)
    except OSError:
        return set()
    files = [Path(name) for name in output.stdout.split("\0") if name]
    return {names[str(above)] for file in files for above in (file, *file.parents) if str(above) in names}
