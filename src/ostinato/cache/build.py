"""Update of the cache: workers write shards, which replace the existing ones as they arrive."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ostinato.cache import store
from ostinato.cache.shards import ShardIndex, remove_others
from ostinato.cache.spec import Kind, Track, assign_shard
from ostinato.cache.worker import Job, ShardResult, write_shard
from ostinato.core import parallel
from ostinato.core.counts import format_count
from ostinato.core.params.kinds import parts
from ostinato.errors import OstinatoError, ReadError

log = logging.getLogger(__name__)

IN_MEMORY = ("table", "attributes")
"""Sources that need no decoding: worker processes would cost more than they save."""
TRACKS_PER_PROCESS = 16
"""Tracks to decode for which one more process pays off."""
MAX_NAMES = 10
"""Tracks that a message names."""


@dataclass
class Summary:
    """The result of an update.

    Parameters
    ----------
    n_tracks, n_computed : int
        Number of all tracks, and of those that were computed without errors.
    failed, unread : dict of str to str
        Tracks that cannot be decoded, or could not be read, with the reasons.
    """

    n_tracks: int = 0
    n_computed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def add(self, result: ShardResult) -> None:
        """Add the tracks of a finished shard."""
        self.n_computed += result.n_computed
        self.failed |= result.failed
        self.unread |= result.unread


def fill(
    folder: Path,
    root: Path,
    tracks: Iterable[Track],
    kinds: Sequence[Kind],
    settings: parallel.Settings,
    *,
    shard_tracks: int,
    absent: Mapping[str, str] | None = None,
    joints: Sequence[str] = (),
) -> Summary:
    """Update the cache to contain exactly these kinds of these tracks.

    Parameters
    ----------
    folder : Path
        Contains a folder per kind, such as ``data/features``; shared with the cluster, if one is used.
    root : Path
        Folder that the tracks' paths are relative to.
    tracks : iterable of Track
    kinds : sequence of Kind
    settings : parallel.Settings
        Number of processes, or the address of a cluster.
    shard_tracks : int
        Ordinals in each of the first shards, see `assign_shard`.
    absent : mapping of str to str, optional
        Kinds that no track has, with the reasons, which are written to their folders.
    joints : sequence of str
        Joints of kinds, such as ``mel+cqt``; their folders contain hashes of the kinds.

    Returns
    -------
    Summary
        With the tracks that cannot be decoded; they are left out.

    Raises
    ------
    OstinatoError
        If no track can be decoded, or the disk is full.
    ReadError
        If files cannot be read or changed since they were measured; the cache contains all
        others, so that the next run computes only these.
    """
    shards: dict[int, list[Track]] = defaultdict(list)
    for track in sorted(tracks):
        shards[assign_shard(track.ordinal, shard_tracks)].append(track)
    remove_others(folder, {*(kind.name for kind in kinds), *(absent or {}), *joints})
    for name, reason in (absent or {}).items():
        _write_only_meta(folder / name, {"kind": name, "lacking": reason})
    indexes = [ShardIndex(folder, kind) for kind in kinds]
    for index in indexes:
        index.remove(set(index.shards) - set(shards))
    summary = Summary(sum(map(len, shards.values())))
    try:
        _write_shards(_list_jobs(root, shards, indexes), indexes, settings, summary)
    finally:
        for index in indexes:
            index.save()
    for index in indexes:
        index.remove_leftovers()
    for name in joints:
        _write_only_meta(folder / name, _describe_joint(folder, name))
    _report(summary)
    return summary


def _list_jobs(root: Path, shards: Mapping[int, Sequence[Track]], indexes: Sequence[ShardIndex]) -> list[Job]:
    """List the shards that are not up to date."""
    jobs = []
    for shard in sorted(shards):
        tasks = tuple(task for index in indexes if (task := index.plan_update(shard, shards[shard])) is not None)
        if tasks:
            jobs.append(Job(root, shard, tuple(shards[shard]), tasks))
    return jobs


def _write_shards(
    jobs: Sequence[Job], indexes: Iterable[ShardIndex], settings: parallel.Settings, summary: Summary
) -> None:
    """Let workers write shards, and replace the existing ones."""
    by_kind = {index.kind.name: index for index in indexes}
    n_new = sum(len(job.list_new()) for job in jobs)
    decodes = any(task.kind.source not in IN_MEMORY for job in jobs for task in job.tasks)
    per_process = -(-TRACKS_PER_PROCESS * len(jobs) // max(n_new, 1)) if decodes else len(jobs) + 1
    with (
        closing(parallel.map(write_shard, jobs, settings, items_per_process=per_process)) as results,
        tqdm(desc="featurize", total=n_new, unit=" tracks", disable=not jobs) as progress,
    ):
        for job, result in zip(jobs, results, strict=True):
            for task, (file, entries) in zip(job.tasks, result.files, strict=True):
                by_kind[task.kind.name].commit(job.shard, file, entries)
            summary.add(result)
            progress.update(len(job.list_new()))


def _describe_joint(folder: Path, name: str) -> dict[str, Any]:
    """Describe a joint by hashes of what its kinds contain."""
    content = {}
    for part in parts(name):
        digest = hashlib.sha256((folder / part / "meta.json").read_bytes())
        for entry in store.read_index(folder / part):
            digest.update(repr(entry).encode())
        content[part] = digest.hexdigest()
    reasons = [reason for part in parts(name) if (reason := store.find_obstacle(folder / part))]
    return {"kind": name, "content": content} | ({"lacking": reasons[0]} if reasons else {})


def _write_only_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Write a description and remove everything else; an unchanged file is not touched."""
    remove_others(folder, {"meta.json"})
    store.write_meta(folder, meta)


def _report(summary: Summary) -> None:
    """Warn of tracks that were left out; raise if some could not be read, or none can be decoded."""
    n = format_count(summary.n_tracks, "track")
    if summary.unread:
        raise ReadError(
            f"featurize: {len(summary.unread)} of {n} cannot be read: {_list(summary.unread)}; "
            "restore them and run again; finished tracks are kept"
        )
    if len(summary.failed) == summary.n_tracks:
        raise OstinatoError(
            f"featurize: no track can be decoded: {_list(summary.failed) or 'the table of tracks is empty'}"
        )
    if summary.failed:
        log.warning("%d of %s are not in the cache: %s", len(summary.failed), n, _list(summary.failed))


def _list(reasons: Mapping[str, str]) -> str:
    """List the first tracks with their reasons in one line."""
    more = f"; and {len(reasons) - MAX_NAMES} more" if len(reasons) > MAX_NAMES else ""
    return "; ".join(f"{path} ({reason})" for path, reason in list(reasons.items())[:MAX_NAMES]) + more
