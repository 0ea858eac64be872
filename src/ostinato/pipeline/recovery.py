"""Detect what a killed run or a lost file left in DVC's files, each in one line with the mend."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.dvc_config import read_dvc_config
from ostinato.io.locks import HOLDER, Holder
from ostinato.pipeline.dvc_files import MEND_LOCK, Stage

FEW = 2
"""A single stage that dvc.lock lacks was merely killed, and runs again."""


def find_faults(paths: Paths, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List what hinders the next run, or would make it repeat what is done.

    Parameters
    ----------
    paths : Paths
    stages : mapping of str to Stage
        Of dvc.yaml.
    lock : mapping
        Of dvc.lock.

    Returns
    -------
    list of str
        A line each, with the mend.
    """
    lost, unlisted = _find_uncached(paths.root, stages, lock), _find_unlisted(paths.root, stages, lock)
    found = [*_find_orphans(paths), *_find_stale_locks(paths.root)]
    if len(unlisted) >= FEW:
        found.append(
            f"dvc.lock lacks {len(unlisted)} stages whose outputs are there, such as {unlisted[0]}: it was cut off, or "
            f"belongs to another version; {MEND_LOCK}"
        )
    if lost:
        found.append(
            f"DVC's cache lacks {len(lost)} outputs that are here, such as {lost[0]}: "
            "`dvc commit --force` takes them in again"
        )
    return found


def _find_orphans(paths: Paths) -> Iterator[str]:
    """Name the stages that go on though the run that started them is gone."""
    for about in sorted(paths.locks.glob(f"*{HOLDER}")):
        holder = Holder.read(about)
        if holder is not None and holder.is_orphan:
            pid = holder.process.pid
            yield f"{about.stem}: process {pid} outlived the run that started it; wait for it or stop it: `kill {pid}`"


def _find_stale_locks(project: Path) -> Iterator[str]:
    """Name DVC's locks whose process is another program by now; those of a process that is gone DVC drops itself."""
    path = project / ".dvc" / "tmp" / "rwlock"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return
    try:
        held = json.loads(text) if text.strip() else {}
        writers = list(held.get("write", {}).values())
        entries = [*writers, *(entry for readers in held.get("read", {}).values() for entry in readers)]
        pids = {int(entry["pid"]): str(entry["cmd"]) for entry in entries}
    except (ValueError, LookupError, TypeError, AttributeError):
        yield f"{path}: is cut off or damaged; delete it once no `dvc` runs"
        return
    for pid, command in sorted(pids.items()):
        try:
            now = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if not set(command.split()[1:]) <= set(now):
            yield (
                f"{path}: a lock is held by process {pid}, which is another program by now "
                f"({Path(now[0]).name if now else 'unknown'}); delete that file"
            )


def _find_unlisted(project: Path, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List the stages that dvc.lock lacks though all their outputs are there."""
    return [
        name
        for name, stage in stages.items()
        if name not in lock and stage.outs and all((project / out).exists() for out in stage.outs)
    ]


def _find_uncached(project: Path, stages: Mapping[str, Stage], lock: Mapping[str, Any]) -> list[str]:
    """List the outputs that are there but not in DVC's cache, though dvc.lock names them."""
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
    """Find DVC's cache, which its settings may lay elsewhere."""
    try:
        path = read_dvc_config(project).get("cache", "dir", fallback="cache")
    except OstinatoError:
        path = "cache"
    return project / ".dvc" / path.strip("\"'")
