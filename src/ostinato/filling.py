"""Filling the feature cache: a track's kinds come from one decode, and lie in shards.

A worker writes a whole shard beside the one that stands there, from the rows that
one holds and from those of the tracks it decodes; then the shard is put in place.
At any moment the index tells the truth about the shards, so a run that was killed
is completed by the next one. What stands at the end depends on tracks and kinds
alone, not on what stood there before.
"""

import hashlib
import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ostinato import audio, compute, features, materials, registry, store
from ostinato.errors import DataError, OstinatoError
from ostinato.features._shared import AudioContext
from ostinato.files import read_json
from ostinato.materials import Material
from ostinato.params import parts

log = logging.getLogger(__name__)

DOORS = {"audio": "ostinato.audio", "attributes": "ostinato.attributes"}
"""Where a source is read, if not in `ostinato.materials`."""
READY = ("table", "attributes")
"""Sources that need no decoding: other processes would cost more than they save."""
FEW = 16
"""As many tracks to decode are worth one more process."""
SHOWN = 10


class Track(NamedTuple):
    """A track whose rows shall stand in the cache; `path` is relative to the dataset's root.

    `others` holds what it has beside audio, by source.
    """

    ordinal: int
    track_id: str
    content_hash: str
    path: str | None
    others: Mapping[str, Material] = {}

    def entry(self, source: str, shard: int, start: int, n_rows: int) -> store.Entry:
        """Say where the rows made of a source lie."""
        return store.Entry(self.ordinal, self.track_id, self.content(source), shard, start, n_rows)

    def content(self, source: str) -> str:
        """Give the hash of a source."""
        return self.content_hash if source == "audio" else self.others[source].content_hash


@dataclass(frozen=True)
class Kind:
    """A kind that shall stand in the cache.

    Parameters
    ----------
    name : str
    parameters : mapping
        Keyword arguments of its ``compute``.
    key : str
        Changes when anything that its rows depend on changes, the tracks aside.
    module : str
        Of `ostinato.features`.
    source : str
        What of a track it is made of.
    """

    name: str
    parameters: Mapping[str, Any]
    key: str
    module: str
    source: str


@dataclass
class Summary:
    """What a run did: tracks asked for, tracks computed, and why others were left out."""

    n_tracks: int = 0
    n_computed: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def note(self, made: "Made") -> None:
        """Count the tracks of a shard that a worker has done with."""
        self.n_computed += made.n_computed
        self.failed |= made.failed


class Wanted(NamedTuple):
    """A kind's share of a shard: what it shall hold, where its folder is, and which rows the present shard has."""

    kind: Kind
    folder: Path
    held: Mapping[tuple[int, str], store.Entry]

    def lacks(self, track: Track) -> bool:
        """Whether a track's rows must be computed."""
        return (track.ordinal, track.content(self.kind.source)) not in self.held


class Job(NamedTuple):
    """A shard to write: its tracks by ordinal, and the kinds of which it changes."""

    root: Path
    shard: int
    tracks: tuple[Track, ...]
    kinds: tuple[Wanted, ...]

    @property
    def lacking(self) -> list[Track]:
        """The tracks of which something must be computed."""
        return [track for track in self.tracks if any(wanted.lacks(track) for wanted in self.kinds)]


class Made(NamedTuple):
    """A shard that lies beside the present one: per kind its file and its entries, and what became of the tracks."""

    written: tuple[tuple[store.Written, list[store.Entry]], ...]
    n_computed: int
    failed: dict[str, str]


def describe(name: str, departures: Mapping[str, Any], *, sample_rate: int, shard_tracks: int) -> Kind:
    """Describe a kind and all that its rows depend on.

    Parameters
    ----------
    name : str
        What the cache calls it.
    departures : mapping
        What params.yaml says of it.
    sample_rate : int
        In Hz, where the kind does not set its own.
    shard_tracks : int
        Ordinals of a shard.

    Returns
    -------
    Kind

    Raises
    ------
    OstinatoError
        If the kind or a parameter is not known.
    """
    parameters, module = features.parameters(name, departures, sample_rate), features.module(name, departures)
    source = registry.load("ostinato.features", module).SOURCE
    door = DOORS.get(source, "ostinato.materials")
    code = [features.fingerprint(f"ostinato.features.{module}"), features.fingerprint(door)]
    described = json.dumps([name, parameters, code, shard_tracks], sort_keys=True)
    return Kind(name, parameters, hashlib.sha256(described.encode()).hexdigest(), module, source)


def fill(
    folder: Path,
    root: Path,
    tracks: Iterable[Track],
    kinds: Sequence[Kind],
    settings: compute.Settings,
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
        Ordinals of a shard.
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
    """
    shards: dict[int, list[Track]] = defaultdict(list)
    for track in sorted(tracks):
        shards[track.ordinal // shard_tracks].append(track)
    _leave_only(folder, {*(kind.name for kind in kinds), *(absent or {}), *joints})
    for name, reason in (absent or {}).items():
        _say(folder / name, {"kind": name, "lacking": reason})
    books = [_Book(folder, kind) for kind in kinds]
    for book in books:
        book.forget(set(book.shards) - set(shards))
    summary = Summary(sum(map(len, shards.values())))
    _write(_jobs(root, shards, books), books, settings, summary)
    for book in books:
        book.tidy()
    for name in joints:
        _say(folder / name, _joined(folder, name))
    _report(summary)
    return summary


def _jobs(root: Path, shards: Mapping[int, Sequence[Track]], books: Sequence["_Book"]) -> list[Job]:
    """List the shards that do not hold what they shall."""
    jobs = []
    for shard in sorted(shards):
        wanted = tuple(w for book in books if (w := book.wanted(shard, shards[shard])) is not None)
        if wanted:
            jobs.append(Job(root, shard, tuple(shards[shard]), wanted))
    return jobs


def _write(jobs: Sequence[Job], books: Iterable["_Book"], settings: compute.Settings, summary: Summary) -> None:
    """Have workers write the shards, and put each in its place."""
    named = {book.kind.name: book for book in books}
    n_lacking = sum(len(job.lacking) for job in jobs)
    slow = any(wanted.kind.source not in READY for job in jobs for wanted in job.kinds)
    least = -(-FEW * len(jobs) // max(n_lacking, 1)) if slow else len(jobs) + 1
    with (
        closing(compute.map(make, jobs, settings, least=least)) as results,
        tqdm(desc="featurize", total=n_lacking, unit=" tracks", disable=not jobs) as progress,
    ):
        for job, made in zip(jobs, results, strict=True):
            for wanted, (written, entries) in zip(job.kinds, made.written, strict=True):
                named[wanted.kind.name].settle(job.shard, written, entries)
            summary.note(made)
            progress.update(len(job.lacking))


def make(job: Job) -> Made:
    """Write a shard beside the present one, decoding each track that needs it once.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Made
        A track of which something cannot be decoded has a reason; the kinds that
        are made of something else hold it all the same.
    """
    failed, n_computed = {}, 0
    entries: list[list[store.Entry]] = [[] for _ in job.kinds]
    with ExitStack() as open_files:
        writers = [open_files.enter_context(store.Writer(store.shard_file(w.folder, job.shard))) for w in job.kinds]
        for track in job.tracks:
            opened = _Opened(job.root, track)
            for wanted, writer, held in zip(job.kinds, writers, entries, strict=True):
                rows = opened.rows(wanted)
                if rows is not None:
                    held.append(track.entry(wanted.kind.source, job.shard, writer.n_rows, len(rows)))
                    writer.append(rows)
            n_computed += bool(opened.computed and not opened.errors)
            if opened.errors:
                failed[track.path or track.track_id] = "; ".join(opened.errors.values())
        written = [writer.finish() for writer in writers]
    return Made(tuple(zip(written, entries, strict=True)), n_computed, failed)


class _Opened:
    """A track under way: what has been decoded of it, what cannot be, and whether a kind was computed."""

    def __init__(self, root: Path, track: Track) -> None:
        self.computed = False
        self.errors: dict[str, str] = {}
        self._root, self._track = root, track
        self._sources: dict[str, Any] = {}

    def rows(self, wanted: Wanted) -> np.ndarray | None:
        """Give the rows of a kind, out of the present shard or computed; None if they cannot be."""
        kind = wanted.kind
        if not wanted.lacks(self._track):
            entry = wanted.held[self._track.ordinal, self._track.content(kind.source)]
            return store.open_rows(store.shard_file(wanted.folder, entry.shard))[entry.start :][: entry.n_rows]
        if kind.source in self.errors:
            return None
        self.computed = True
        try:
            rows = registry.load("ostinato.features", kind.module).compute(self._source(kind.source), **kind.parameters)
        except DataError as error:
            self.errors[kind.source] = str(error)
            return None
        return np.asarray(rows)

    def _source(self, source: str) -> Any:
        """Read what kinds are computed from, once."""
        if source not in self._sources:
            self._sources[source] = (
                AudioContext(*audio.load(self._root / (self._track.path or "")))
                if source == "audio"
                else materials.read(self._track.others[source])
            )
        return self._sources[source]


class _Book:
    """A kind's folder while it is filled: what its index says, shard by shard."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.folder = folder / kind.name
        self.shards: dict[int, list[store.Entry]] = {}
        self._open()

    def wanted(self, shard: int, tracks: Sequence[Track]) -> Wanted | None:
        """Say what a shard shall hold and which of it it has; None if it holds just that."""
        before = self.shards.get(shard, [])
        asked = [(track.ordinal, track.track_id, track.content(self.kind.source)) for track in tracks]
        if asked == [(entry.ordinal, entry.track_id, entry.content_hash) for entry in before]:
            return None
        return Wanted(self.kind, self.folder, {(entry.ordinal, entry.content_hash): entry for entry in before})

    def settle(self, shard: int, written: store.Written, entries: list[store.Entry]) -> None:
        """Put a shard that a worker wrote in its place, unless the same stands there."""
        if entries == self.shards.get(shard, []):
            written.drop()
            return
        self.forget({shard} & set(self.shards))
        if not entries:
            written.drop()
            return
        kind = self.kind
        meta = {"kind": kind.name, "module": kind.module, "source": kind.source, "key": kind.key}
        rows = {"parameters": dict(kind.parameters), "dtype": written.dtype, "tail": list(written.tail)}
        store.write_meta(self.folder, meta | rows)
        written.put()
        self.shards[shard] = entries
        self._write_index()

    def forget(self, shards: Collection[int]) -> None:
        """Remove shards; the index never speaks of rows that are not there."""
        if not shards:
            return
        for shard in shards:
            del self.shards[shard]
        self._write_index()
        for shard in shards:
            store.shard_file(self.folder, shard).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Clear away what workers left that were lost."""
        files = {store.shard_file(self.folder, shard).name for shard in self.shards}
        _leave_only(self.folder, files | {"meta.json", "index.parquet"})

    def _write_index(self) -> None:
        store.write_index(self.folder, (entry for entries in self.shards.values() for entry in entries))

    def _open(self) -> None:
        """Read what stands there; clear away what belongs to another key, was cut off or is broken."""
        try:
            current = store.Store(self.folder).meta["key"] == self.kind.key
        except (OstinatoError, KeyError):
            current = False
        if not current:
            shutil.rmtree(self.folder, ignore_errors=True)
        for entry in store.read_index(self.folder):
            self.shards.setdefault(entry.shard, []).append(entry)
        broken = [shard for shard in self.shards if not self._is_whole(shard)]
        for shard in broken:
            log.warning("%s: is broken and is made again", store.shard_file(self.folder, shard))
        self.forget(broken)
        self.tidy()

    def _is_whole(self, shard: int) -> bool:
        try:
            rows = store.open_rows(store.shard_file(self.folder, shard))
        except OstinatoError:
            return False
        return len(rows) == sum(entry.n_rows for entry in self.shards[shard])


def _joined(folder: Path, name: str) -> dict[str, Any]:
    """Describe a joint of kinds that have been filled by what each holds."""
    content = {}
    for part in parts(name):
        digest = hashlib.sha256((folder / part / "meta.json").read_bytes())
        for entry in store.read_index(folder / part):
            digest.update(repr(entry).encode())
        content[part] = digest.hexdigest()
    reasons = [reason for part in parts(name) if (reason := store.lacking(folder / part))]
    return {"kind": name, "content": content} | ({"lacking": reasons[0]} if reasons else {})


def _say(folder: Path, said: dict[str, Any]) -> None:
    """Make a folder hold a description and nothing else; touch no file if it does."""
    _leave_only(folder, {"meta.json"})
    path = folder / "meta.json"
    if not path.exists() or read_json(path) != said:
        store.write_meta(folder, said)


def _leave_only(folder: Path, names: Collection[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _report(summary: Summary) -> None:
    """Name the tracks that were left out; complain if that is all of them."""
    named = "; ".join(f"{path} ({error})" for path, error in list(summary.failed.items())[:SHOWN])
    if len(summary.failed) == summary.n_tracks:
        raise OstinatoError(f"featurize: there is no track that can be decoded: {named or 'the table is empty'}")
    if summary.failed:
        more = f"; and {len(summary.failed) - SHOWN} more" if len(summary.failed) > SHOWN else ""
        log.warning("%d of %d tracks are not in the cache: %s%s", len(summary.failed), summary.n_tracks, named, more)
