"""Worker of the cache: it writes a shard beside the one that stands there."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ostinato import audio
from ostinato.audio.context import AudioContext
from ostinato.cache import store
from ostinato.cache.spec import Kind, Track
from ostinato.core import registry
from ostinato.core.malloc import keep_freed
from ostinato.curation import side_inputs
from ostinato.errors import DataError, ReadError


class ShardTask(NamedTuple):
    """A kind's share of a shard: where its folder is, which rows the present shard has, and how many tracks of it stay.

    Those that stay are the first of the shard, and new ones are added to its file;
    where none does, the shard is written anew.
    """

    kind: Kind
    folder: Path
    held: Mapping[tuple[int, str], store.Entry]
    n_staying: int

    @property
    def unchanged(self) -> list[store.Entry]:
        """What stays where it is."""
        return list(self.held.values())[: self.n_staying]

    def writer(self, shard: int) -> store.Writer:
        """Open the shard's file, or one beside it."""
        return store.Writer(store.shard_file(self.folder, shard), sum(entry.n_rows for entry in self.unchanged))

    def lacks(self, track: Track) -> bool:
        """Whether a track's rows must be computed."""
        return (track.ordinal, track.content(self.kind.source)) not in self.held


class Job(NamedTuple):
    """A shard to write: its tracks by ordinal, and the kinds of which it changes."""

    root: Path
    shard: int
    tracks: tuple[Track, ...]
    kinds: tuple[ShardTask, ...]

    @property
    def tracks_to_compute(self) -> list[Track]:
        """The tracks of which something must be computed."""
        return [track for track in self.tracks if any(wanted.lacks(track) for wanted in self.kinds)]


class ShardResult(NamedTuple):
    """A shard that was written: per kind its file and its entries, and what became of the tracks.

    `failed` says why tracks cannot be decoded, `unread` why they could not be read.
    """

    written: tuple[tuple[store.Written, list[store.Entry]], ...]
    n_computed: int
    failed: dict[str, str]
    unread: dict[str, str]


def make(job: Job) -> ShardResult:
    """Write a shard, decoding each track that needs it once.

    Parameters
    ----------
    job : Job

    Returns
    -------
    ShardResult
        A track of which something cannot be decoded or read has a reason; the kinds that
        are made of something else hold it all the same.
    """
    keep_freed()
    failed: dict[str, str] = {}
    unread: dict[str, str] = {}
    n_computed = 0
    entries = [wanted.unchanged for wanted in job.kinds]
    with ExitStack() as open_files:
        writers = [open_files.enter_context(wanted.writer(job.shard)) for wanted in job.kinds]
        for i, track in enumerate(job.tracks):
            opened = _Opened(job.root, track)
            for wanted, writer, held in zip(job.kinds, writers, entries, strict=True):
                rows = opened.rows(wanted) if i >= wanted.n_staying else None
                if rows is not None:
                    held.append(track.entry(wanted.kind.source, job.shard, writer.n_rows, len(rows)))
                    writer.append(rows)
            n_computed += bool(opened.computed and not opened.errors and not opened.unread)
            for reasons, reason in ((failed, opened.errors), (unread, opened.unread)):
                if reason:
                    reasons[track.path or track.track_id] = "; ".join(reason.values()).replace(f"{job.root}/", "")
        written = [writer.finish() for writer in writers]
    return ShardResult(tuple(zip(written, entries, strict=True)), n_computed, failed, unread)


class _Opened:
    """A track under way: what has been decoded of it, what cannot be, and whether a kind was computed."""

    def __init__(self, root: Path, track: Track) -> None:
        self.computed = False
        self.errors: dict[str, str] = {}
        self.unread: dict[str, str] = {}
        self._root, self._track = root, track
        self._sources: dict[str, Any] = {}

    def rows(self, wanted: ShardTask) -> np.ndarray | None:
        """Return the rows of a kind, out of the present shard or computed; None if they cannot be."""
        kind = wanted.kind
        if not wanted.lacks(self._track):
            entry = wanted.held[self._track.ordinal, self._track.content(kind.source)]
            return store.open_rows(store.shard_file(wanted.folder, entry.shard))[entry.start :][: entry.n_rows]
        if kind.source in self.errors or kind.source in self.unread:
            return None
        self.computed = True
        try:
            rows = registry.load("ostinato.features", kind.module).compute(self._source(kind.source), **kind.parameters)
        except ReadError as error:
            self.unread[kind.source] = str(error)
            return None
        except DataError as error:
            self.errors[kind.source] = str(error)
            return None
        return np.asarray(rows)

    def _source(self, source: str) -> Any:
        """Read what kinds are computed from, once."""
        if source not in self._sources:
            self._sources[source] = (
                AudioContext(*audio.load(self._root / (self._track.path or ""), content_hash=self._track.content_hash))
                if source == "audio"
                else side_inputs.read(self._track.others[source])
            )
        return self._sources[source]
