"""Workers of the cache: they compute the rows of a shard and write it."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.cache import store
from ostinato.cache.spec import Kind, Track
from ostinato.cache.writer import StagedFile, Writer
from ostinato.core import registry
from ostinato.core.malloc import keep_freed
from ostinato.curation import side_inputs
from ostinato.errors import DataError, ReadError


class ShardTask(NamedTuple):
    """The update of a kind in one shard.

    Parameters
    ----------
    kind : Kind
    folder : Path
        Folder of the kind.
    entries : mapping of (int, str) to Entry
        Entries of the existing shard by ordinal and content hash.
    n_kept : int
        Number of first tracks whose rows stay in the file, to which the others are appended;
        0: write a new file.
    """

    kind: Kind
    folder: Path
    entries: Mapping[tuple[int, str], store.Entry]
    n_kept: int

    def list_kept(self) -> list[store.Entry]:
        """List the entries whose rows stay in the file."""
        return list(self.entries.values())[: self.n_kept]

    def open_writer(self, shard: int) -> Writer:
        """Open the shard's file for appending, or a temporary one."""
        return Writer(store.shard_file(self.folder, shard), sum(entry.n_rows for entry in self.list_kept()))

    def needs(self, track: Track) -> bool:
        """Return whether a track's rows must be computed."""
        return (track.ordinal, track.content(self.kind.source)) not in self.entries


class Job(NamedTuple):
    """A shard to write.

    Parameters
    ----------
    root : Path
        Folder that the paths of the tracks are relative to.
    shard : int
    tracks : tuple of Track
        By ordinal.
    tasks : tuple of ShardTask
        One per kind that changes.
    """

    root: Path
    shard: int
    tracks: tuple[Track, ...]
    tasks: tuple[ShardTask, ...]

    def list_new(self) -> list[Track]:
        """List the tracks for which a kind must be computed."""
        return [track for track in self.tracks if any(task.needs(track) for task in self.tasks)]


class ShardResult(NamedTuple):
    """A finished shard.

    Parameters
    ----------
    files : tuple of (StagedFile, list of Entry)
        One per task of the job.
    n_computed : int
        Number of tracks that were computed without errors.
    failed, unread : dict of str to str
        Tracks that cannot be decoded, or could not be read, with the reasons.
    """

    files: tuple[tuple[StagedFile, list[store.Entry]], ...]
    n_computed: int
    failed: dict[str, str]
    unread: dict[str, str]


def write_shard(job: Job) -> ShardResult:
    """Write a shard, decoding each track that needs it once.

    Parameters
    ----------
    job : Job

    Returns
    -------
    ShardResult
        A track with a source that cannot be decoded or read is left out of the kinds of
        that source only.
    """
    keep_freed()
    failed: dict[str, str] = {}
    unread: dict[str, str] = {}
    n_computed = 0
    entries = [task.list_kept() for task in job.tasks]
    with ExitStack() as stack:
        writers = [stack.enter_context(task.open_writer(job.shard)) for task in job.tasks]
        for i, track in enumerate(job.tracks):
            reader = _TrackReader(job.root, track)
            for task, writer, task_entries in zip(job.tasks, writers, entries, strict=True):
                rows = reader.get_rows(task) if i >= task.n_kept else None
                if rows is not None:
                    task_entries.append(track.entry(task.kind.source, job.shard, writer.n_rows, len(rows)))
                    writer.append(rows)
            n_computed += bool(reader.has_computed and not reader.errors and not reader.unread)
            for reasons, errors in ((failed, reader.errors), (unread, reader.unread)):
                if errors:
                    reasons[track.path or track.track_id] = "; ".join(errors.values()).replace(f"{job.root}/", "")
        files = [writer.finish() for writer in writers]
    return ShardResult(tuple(zip(files, entries, strict=True)), n_computed, failed, unread)


class _TrackReader:
    """The rows of one track, each source decoded at most once; errors by source."""

    def __init__(self, root: Path, track: Track) -> None:
        self.has_computed = False
        self.errors: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        self._root, self._track = root, track
        self._sources: dict[str, Any] = {}

    def get_rows(self, task: ShardTask) -> np.ndarray | None:
        """Return the rows of a kind, from the existing shard or computed; None after an error."""
        kind = task.kind
        if not task.needs(self._track):
            entry = task.entries[self._track.ordinal, self._track.content(kind.source)]
            return store.open_rows(store.shard_file(task.folder, entry.shard))[entry.start :][: entry.n_rows]
        if kind.source in self.errors or kind.source in self.unread:
            return None
        self.has_computed = True
        try:
            rows = registry.load("ostinato.features", kind.module).compute(self._load(kind.source), **kind.parameters)
        except ReadError as error:
            self.unread[kind.source] = str(error)
            return None
        except DataError as error:
            self.errors[kind.source] = str(error)
            return None
        return np.asarray(rows)

    def _load(self, source: str) -> Any:
        """Load a source, once."""
        if source not in self._sources:
            self._sources[source] = (
                AudioContext(*audio.load(self._root / (self._track.path or ""), content_hash=self._track.content_hash))
                if source == "audio"
                else side_inputs.read(self._track.side_inputs[source])
            )
        return self._sources[source]
