"""Detect faults in DVC's files after a killed run or a lost file, each with what to do."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from ostinato.core.counts import format_count
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.dvc_config import read_dvc_config
from ostinato.io.locks import HOLDER, Holder
from ostinato.pipeline.dvc_files import LOCK_ADVICE, Stage

DAMAGED = "damaged"
GLANCE_SECONDS = 0.1
"""DVC writes its locks in far less."""
MIN_UNLISTED = 2
"""A single stage that dvc.lock lacks was killed, and runs again."""


def find_faults(paths: Paths, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List faults that hinder the next run, or would make it repeat finished stages.

    Parameters
    ----------
    paths : Paths
    stages : mapping of str to Stage
        Stages of dvc.yaml.
    lock : mapping
        Entries of dvc.lock.

    Returns
    -------
    list of str
        One line each, with what to do.
    """
    lost, unlisted = _find_uncached(paths.root, stages, lock), _find_unlisted(paths.root, stages, lock)
    faults = [*_find_orphans(paths), *_find_stale_locks(paths.root)]
    if len(unlisted) >= MIN_UNLISTED:
        faults.append(
            f"dvc.lock lacks {len(unlisted)} stages whose outputs are present, such as {unlisted[0]}: it was truncated "
            f"or belongs to another version; {LOCK_ADVICE}"
        )
    if lost:
        faults.append(
            f"DVC's cache lacks {format_count(len(lost), 'output')} that are present, such as {lost[0]}: "
            "`dvc commit --force` stores them again"
        )
    return faults


def _find_orphans(paths: Paths) -> Iterator[str]:
    """Find running stages whose run is gone."""
    for path in sorted(paths.locks.glob(f"*{HOLDER}")):
        holder = Holder.read(path)
        if holder is not None and holder.is_orphan:
            pid = holder.process.pid
            yield f"{path.stem}: process {pid} outlived the run that started it; wait for it or stop it: `kill {pid}`"


def _find_stale_locks(project: Path) -> Iterator[str]:
    """Find DVC's locks whose process id now belongs to another program; DVC drops those of ended processes."""
    path = _get_lock_file(project)
    locks = _read_locks(path, GLANCE_SECONDS)
    if locks is None:
        return
    try:
        writers = list(locks.get("write", {}).values())
        entries = [*writers, *(entry for readers in locks.get("read", {}).values() for entry in readers)]
        pids = {int(entry["pid"]): str(entry["cmd"]) for entry in entries}
    except (LookupError, TypeError, ValueError, AttributeError):
        yield f"{path}: is truncated or damaged; delete it when no `dvc` is running"
        return
    for pid, command in sorted(pids.items()):
        try:
            command_line = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if not set(command.split()[1:]) <= set(command_line):
            yield (
                f"{path}: a lock is held by process {pid}, which is now another program "
                f"({Path(command_line[0]).name if command_line else 'unknown'}); delete that file"
            )


def drop_damaged_lock(project: Path, seconds: float = 1.0) -> bool:
    """Delete DVC's file of locks if a kill left it empty or truncated, since DVC then refuses to run.

    Parameters
    ----------
    project : Path
    seconds : float
        A file that is whole after this time was being written, and stays.

    Returns
    -------
    bool
        Whether it was deleted. It held no lock that can be read.
    """
    path = _get_lock_file(project)
    is_damaged = _read_locks(path, seconds) == DAMAGED
    if is_damaged:
        path.unlink(missing_ok=True)
    return is_damaged


def _get_lock_file(project: Path) -> Path:
    return project / ".dvc" / "tmp" / "rwlock"


def _read_locks(path: Path, seconds: float) -> Any:
    """Read DVC's locks, again after some time if they are damaged; None if there is no file."""
    for wait in (seconds, 0.0):
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            return None
        except ValueError:
            time.sleep(wait)
    return DAMAGED


def _find_unlisted(project: Path, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List the stages that dvc.lock lacks although all their outputs are present."""
    return [
        name
        for name, stage in stages.items()
        if name not in lock and stage.outs and all((project / out).exists() for out in stage.outs)
    ]


def _find_uncached(project: Path, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List the outputs of dvc.lock that are present but not in DVC's cache."""
    cache = _find_cache(project) / "files" / "md5"
    lost = []
    for name, stage in stages.items():
        for out in (lock.get(name) or {}).get("outs") or ():
            path, digest = out["path"], str(out.get("md5") or "")
            is_cached = path in stage.cached and digest
            if is_cached and (project / path).exists() and not (cache / digest[:2] / digest[2:]).exists():
                lost.append(path)
    return lost


def _find_cache(project: Path) -> Path:
    """Return the folder of DVC's cache, as set in its configuration."""
    try:
        path = read_dvc_config(project).get("cache", "dir", fallback="cache")
    except OstinatoError:
        path = "cache"
    return project / ".dvc" / path.strip("\"'")
