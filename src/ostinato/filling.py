"""Filling the feature cache: a track's kinds come from one decode, and settle in shards.

Workers leave each track's rows in a scratch folder; when the last track of a
shard is done, the shard is written from these rows and from those it held. At
any moment the index tells the truth about the shards, so a run that was killed
is completed by the next one, which takes over what lies in scratch. What stands
at the end depends on tracks and kinds alone, not on what stood there before.
"""

import hashlib
import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
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

    def note(self, track: Track, error: str | None) -> None:
        """Count one track that a worker has done with."""
        if error is None:
            self.n_computed += 1
        else:
            self.failed[track.path or track.track_id] = error


class Job(NamedTuple):
    """A track to decode, what it has beside audio, and per kind its module, its parameters and where its rows go."""

    path: Path
    others: Mapping[str, Material]
    parts: tuple[tuple[str, Mapping[str, Any], Path], ...]


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
    scratch: Path,
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
        Has a folder a kind, such as ``data/features``.
    scratch : Path
        Where work under way is kept; gone at the end. A cluster must see it.
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
    books = [_Book(folder, scratch, kind) for kind in kinds]
    _leave_only(scratch, {book.parts.name for book in books})

    lacking = {shard: [t for t in shards[shard] if any(b.lacks(t) for b in books)] for shard in sorted(shards)}
    jobs = [_job(root, track, books) for group in lacking.values() for track in group]
    decoded = any(kind.source not in READY for kind in kinds)
    summary = Summary(sum(map(len, shards.values())))
    with (
        closing(compute.map(extract, jobs, settings, least=FEW if decoded else len(jobs) + 1)) as errors,
        tqdm(desc="featurize", total=len(jobs), unit=" tracks", disable=not jobs) as progress,
        ThreadPoolExecutor(1) as writer,
    ):
        settling: Future[None] | None = None
        for shard in sorted({*shards, *(s for book in books for s in book.shards)}):
            for track in lacking.get(shard, ()):
                summary.note(track, next(errors))
                progress.update()
            if settling is not None:
                settling.result()
            settling = writer.submit(_settle, books, shard, shards.get(shard, ()))
        if settling is not None:
            settling.result()
    shutil.rmtree(scratch, ignore_errors=True)
    for name in joints:
        _say(folder / name, _joined(folder, name))
    _report(summary)
    return summary


def extract(job: Job) -> str | None:
    """Decode one track once and leave the rows of its kinds in scratch.

    Parameters
    ----------
    job : Job

    Returns
    -------
    str or None
        Why something of the track cannot be decoded; None if all is well. The
        kinds that are made of something else are left all the same.
    """
    opened: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, parameters, part in job.parts:
        module = registry.load("ostinato.features", name)
        if module.SOURCE in errors:
            continue
        try:
            if module.SOURCE not in opened:
                opened[module.SOURCE] = _opened(job, module.SOURCE)
            rows = module.compute(opened[module.SOURCE], **parameters)
        except DataError as error:
            errors[module.SOURCE] = str(error)
            continue
        store.write_part(part, rows)
    return "; ".join(errors.values()) or None


def _opened(job: Job, source: str) -> Any:
    """Read what a track's kinds are computed from."""
    return AudioContext(*audio.load(job.path)) if source == "audio" else materials.read(job.others[source])


class _Source(NamedTuple):
    """Where rows lie now that shall lie in a shard."""

    path: Path
    start: int
    n_rows: int

    def read(self) -> np.ndarray:
        return store.open_rows(self.path)[self.start : self.start + self.n_rows]


class _Book:
    """A kind's folder while it is filled: what its index says, shard by shard."""

    def __init__(self, folder: Path, scratch: Path, kind: Kind) -> None:
        self.kind = kind
        self.folder = folder / kind.name
        self.parts = scratch / f"{kind.name}-{kind.key[:16]}"
        self.shards: dict[int, list[store.Entry]] = {}
        self._open()
        self._held = {(e.ordinal, e.content_hash) for entries in self.shards.values() for e in entries}

    def lacks(self, track: Track) -> bool:
        """Whether a track's rows lie neither in a shard nor in scratch."""
        return (track.ordinal, track.content(self.kind.source)) not in self._held and self._finished(track) is None

    def part(self, track: Track) -> Path:
        """Name the file in which a worker leaves a track's rows."""
        return self.parts / f"{track.ordinal:08d}-{track.content(self.kind.source)[:16]}.npy"

    def settle(self, shard: int, tracks: Sequence[Track]) -> None:
        """Make a shard hold what there is of these tracks; touch no file if it does."""
        before = self.shards.get(shard, [])
        held = {(e.ordinal, e.content_hash): e for e in before}
        entries: list[store.Entry] = []
        sources: list[_Source] = []
        start = 0
        for track in tracks:
            source = self._source(shard, track, held)
            if source is not None:
                entries.append(track.entry(self.kind.source, shard, start, source.n_rows))
                sources.append(source)
                start += source.n_rows
        if entries != before:
            self._replace(shard, entries, sources)
        for track in tracks:
            self.part(track).unlink(missing_ok=True)

    def _source(self, shard: int, track: Track, held: Mapping[tuple[int, str], store.Entry]) -> _Source | None:
        entry = held.get((track.ordinal, track.content(self.kind.source)))
        if entry is not None:
            return _Source(store.shard_file(self.folder, shard), entry.start, entry.n_rows)
        finished = self._finished(track)
        return None if finished is None else _Source(self.part(track), 0, len(finished))

    def _finished(self, track: Track) -> np.ndarray | None:
        part = self.part(track)
        try:
            return store.open_rows(part) if part.exists() else None
        except OstinatoError:
            part.unlink()
            return None

    def _replace(self, shard: int, entries: list[store.Entry], sources: list[_Source]) -> None:
        """Forget the shard, write it, remember it: the index never speaks of rows that are not there."""
        if self.shards.pop(shard, None):
            self._write_index()
        path = store.shard_file(self.folder, shard)
        if not entries:
            path.unlink(missing_ok=True)
            return
        first = sources[0].read()
        kind = self.kind
        meta = {"kind": kind.name, "module": kind.module, "source": kind.source, "key": kind.key}
        rows = {"parameters": dict(kind.parameters), "dtype": first.dtype.name, "tail": list(first.shape[1:])}
        store.write_meta(self.folder, meta | rows)
        store.write_rows(path, (source.read() for source in sources), sum(entry.n_rows for entry in entries))
        self.shards[shard] = entries
        self._write_index()

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
            del self.shards[shard]
        if broken:
            self._write_index()
        files = {store.shard_file(self.folder, shard).name for shard in self.shards}
        _leave_only(self.folder, files | {"meta.json", "index.parquet"})

    def _is_whole(self, shard: int) -> bool:
        try:
            rows = store.open_rows(store.shard_file(self.folder, shard))
        except OstinatoError:
            return False
        return len(rows) == sum(entry.n_rows for entry in self.shards[shard])


def _job(root: Path, track: Track, books: Sequence[_Book]) -> Job:
    wanted = ((b.kind.module, b.kind.parameters, b.part(track)) for b in books if b.lacks(track))
    return Job(root / (track.path or ""), track.others, tuple(wanted))


def _settle(books: Iterable[_Book], shard: int, tracks: Sequence[Track]) -> None:
    for book in books:
        book.settle(shard, tracks)


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
