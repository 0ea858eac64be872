"""The cache brought up to date: shards handed to workers, and put in place as they come back."""

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
from ostinato.cache.shards import ShardIndex, leave_only
from ostinato.cache.spec import Kind, Track, assign_shard
from ostinato.cache.worker import Job, ShardResult, make
from ostinato.core import parallel
from ostinato.core.params.kinds import parts
from ostinato.errors import OstinatoError, ReadError

log = logging.getLogger(__name__)

READY = ("table", "attributes")
"""Sources that need no decoding: other processes would cost more than they save."""
FEW = 16
"""As many tracks to decode are worth one more process."""
SHOWN = 10


@dataclass
class Summary:
    """What a run did: tracks asked for, tracks computed, and why others cannot be decoded or read."""

    n_tracks: int = 0
    n_computed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def note(self, made: ShardResult) -> None:
        """Count the tracks of a shard that a worker has done with."""
        self.n_computed += made.n_computed
        self.failed |= made.failed
        self.unread |= made.unread


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
    """Make the cache hold these kinds of these tracks and nothing else.

    Parameters
    ----------
    folder : Path
        Has a folder a kind, such as ``data/features``. A cluster must see it.
    root : Path
        What the tracks' paths are relative to.
    tracks : iterable of Track
    kinds : sequence of Kind
    settings : compute.Settings
        How many processes, or which cluster.
    shard_tracks : int
        Ordinals of each of the first shards, see `assign_shard`.
    absent : mapping of str to str, optional
        Kinds that no track has, and why; their folders say so.
    joints : sequence of str
        Joints of kinds, such as ``mel+cqt``; their folders say what the kinds hold.

    Returns
    -------
    Summary
        Names the tracks that cannot be decoded; they are left out.

    Raises
    ------
    OstinatoError
        If there is no track that can be decoded, or the disk is full.
    ReadError
        If files cannot be read or are not those that were measured; the cache holds all
        others, so that the next run computes these alone.
    """
    shards: dict[int, list[Track]] = defaultdict(list)
    for track in sorted(tracks):
        shards[assign_shard(track.ordinal, shard_tracks)].append(track)
    leave_only(folder, {*(kind.name for kind in kinds), *(absent or {}), *joints})
    for name, reason in (absent or {}).items():
        _say(folder / name, {"kind": name, "lacking": reason})
    books = [ShardIndex(folder, kind) for kind in kinds]
    for book in books:
        book.forget(set(book.shards) - set(shards))
    summary = Summary(sum(map(len, shards.values())))
    try:
        _write(_jobs(root, shards, books), books, settings, summary)
    finally:
        for book in books:
            book.save()
    for book in books:
        book.tidy()
    for name in joints:
        _say(folder / name, _describe_joint(folder, name))
    _report(summary)
    return summary


def _jobs(root: Path, shards: Mapping[int, Sequence[Track]], books: Sequence[ShardIndex]) -> list[Job]:
    """List the shards that do not hold what they shall."""
    jobs = []
    for shard in sorted(shards):
        wanted = tuple(w for book in books if (w := book.plan_update(shard, shards[shard])) is not None)
        if wanted:
            jobs.append(Job(root, shard, tuple(shards[shard]), wanted))
    return jobs


def _write(jobs: Sequence[Job], books: Iterable[ShardIndex], settings: parallel.Settings, summary: Summary) -> None:
    """Have workers write the shards, and put each in its place."""
    named = {book.kind.name: book for book in books}
    n_lacking = sum(len(job.tracks_to_compute) for job in jobs)
    slow = any(wanted.kind.source not in READY for job in jobs for wanted in job.kinds)
    least = -(-FEW * len(jobs) // max(n_lacking, 1)) if slow else len(jobs) + 1
    with (
        closing(parallel.map(make, jobs, settings, least=least)) as results,
        tqdm(desc="featurize", total=n_lacking, unit=" tracks", disable=not jobs) as progress,
    ):
        for job, made in zip(jobs, results, strict=True):
            for wanted, (written, entries) in zip(job.kinds, made.written, strict=True):
                named[wanted.kind.name].settle(job.shard, written, entries)
            summary.note(made)
            progress.update(len(job.tracks_to_compute))


def _describe_joint(folder: Path, name: str) -> dict[str, Any]:
    """Describe a joint of kinds that have been filled by what each holds."""
    content = {}
    for part in parts(name):
        digest = hashlib.sha256((folder / part / "meta.json").read_bytes())
        for entry in store.read_index(folder / part):
            digest.update(repr(entry).encode())
        content[part] = digest.hexdigest()
    reasons = [reason for part in parts(name) if (reason := store.find_obstacle(folder / part))]
    return {"kind": name, "content": content} | ({"lacking": reasons[0]} if reasons else {})


def _say(folder: Path, said: dict[str, Any]) -> None:
    """Make a folder hold a description and nothing else; touch no file if it does."""
    leave_only(folder, {"meta.json"})
    store.write_meta(folder, said)


def _report(summary: Summary) -> None:
    """Name the tracks that were left out; complain if that is all of them, or if some could not be read."""
    if summary.unread:
        raise ReadError(
            f"featurize: {len(summary.unread)} of {summary.n_tracks} tracks cannot be read: {_name(summary.unread)}; "
            "what is done is kept: restore them and run again"
        )
    if len(summary.failed) == summary.n_tracks:
        named = _name(summary.failed) or "the table is empty"
        raise OstinatoError(f"featurize: there is no track that can be decoded: {named}")
    if summary.failed:
        n_failed, n_tracks = len(summary.failed), summary.n_tracks
        log.warning("%d of %d tracks are not in the cache: %s", n_failed, n_tracks, _name(summary.failed))


def _name(reasons: Mapping[str, str]) -> str:
    """Put the first tracks and their reasons in one line."""
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return "; ".join(f"{path} ({reason})" for path, reason in list(reasons.items())[:SHOWN]) + more
