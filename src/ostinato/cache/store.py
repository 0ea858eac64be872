"""The feature cache: per kind a few large memory-mapped arrays and an index.

A kind's folder holds ``meta.json``, ``index.parquet`` and ``shard-00000.npy``,
``shard-00001.npy``, ... A shard holds the rows of the tracks whose ordinals fall
into its range, one track after another in order of ordinal. The rows of audio
are frames in half precision; integers (text, pixels) and doubles stay what they
are. The index holds a digest of each shard, made while the shard is written and compared
before its rows are kept or first read. A joint of kinds, such as ``mel+cqt``, holds ``meta.json`` alone, which says
what its kinds hold; a kind that no track has holds it to say so.
"""

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.errors import OstinatoError, ReadError
from ostinato.io.files import check_footer, raise_refusal, read_json, write_json, write_parquet

BLOCK = 1 << 15
PIECE = 1 << 20
DIGESTS = b"digests"
"""Of the shards, in the metadata of the index, so that index and digests change at one moment."""
_WHOLE: set[tuple[Any, ...]] = set()
SCHEMA = pa.schema(
    [
        pa.field("ordinal", pa.int64()),
        pa.field("track_id", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("shard", pa.int64()),
        pa.field("start", pa.int64()),
        pa.field("n_rows", pa.int64()),
    ]
)


class Entry(NamedTuple):
    """Where a track's rows lie."""

    ordinal: int
    track_id: str
    content_hash: str
    shard: int
    start: int
    n_rows: int


class Store:
    """Read one kind of the cache.

    Parameters
    ----------
    folder : Path
        Such as ``data/features/mel``.

    Raises
    ------
    OstinatoError
        If the folder holds no cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.meta: dict[str, Any] = read_json(self.folder / "meta.json")
        self._entries = {entry.track_id: entry for entry in read_index(self.folder)}
        self._digests = read_digests(self.folder)
        self._shards: dict[int, np.ndarray] = {}

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.folder,)

    def __contains__(self, track_id: object) -> bool:
        return track_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def tail(self) -> tuple[int, ...]:
        """Shape of one row: (bins,) for audio."""
        return tuple(self.meta["tail"])

    def n_rows(self, track_id: str) -> int:
        """Count a track's rows: frames, for audio.

        Raises
        ------
        OstinatoError
            If the cache lacks the track.
        """
        return self._entry(track_id).n_rows

    def read(self, track_id: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return rows of a track without copying them.

        Parameters
        ----------
        track_id : str
        start, stop : int
            First row, and the row after the last; default: all.

        Returns
        -------
        np.ndarray [shape=(rows, *tail)]
            A read-only view of the file.

        Raises
        ------
        OstinatoError
            If the cache lacks the track.
        """
        entry = self._entry(track_id)
        rows = self._shard(entry.shard)[entry.start : entry.start + entry.n_rows]
        return rows if start == 0 and stop is None else rows[start:stop]

    def _entry(self, track_id: str) -> Entry:
        try:
            return self._entries[track_id]
        except KeyError:
            raise OstinatoError(
                f"{self.folder}: has no track {track_id!r}; run `dvc repro featurize`, or see there why it was left out"
            ) from None

    def _shard(self, shard: int) -> np.ndarray:
        if shard not in self._shards:
            path = shard_file(self.folder, shard)
            rows = open_rows(path)
            if not is_whole(path, self._digests.get(shard)):
                raise OstinatoError(f"{path}: is damaged; run `ostinato featurize`, which makes it anew, alone")
            self._shards[shard] = rows
        return self._shards[shard]


def shard_file(folder: Path, shard: int) -> Path:
    """Name a shard's file."""
    return folder / f"shard-{shard:05d}.npy"


def open_rows(path: Path) -> np.ndarray:
    """Map a file of rows into memory.

    No descriptor stays open, unlike that of ``np.load``, so that the limit of open files bounds no collection.

    Parameters
    ----------
    path : Path

    Returns
    -------
    np.ndarray [shape=(rows, *tail)]
        Read-only.

    Raises
    ------
    OstinatoError
        If the file is absent, cut or no array.
    """
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            n_head = file.tell()
        with pa.memory_map(str(path)) as mapped:
            content = mapped.read_buffer()
        return np.frombuffer(content, dtype, math.prod(shape), n_head).reshape(shape)
    except (OSError, ValueError, EOFError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); run `ostinato featurize` to mend the cache") from error


def compute_digest(path: Path) -> str:
    """Compute the digest of a shard: SHA-256 of the SHA-256 of its rows, and its head.

    The head, which counts the rows, is written last, so the rows are summed up first.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Raises
    ------
    OstinatoError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            n_head = file.tell()
            rows = hashlib.file_digest(file, "sha256")
            file.seek(0)
            return _seal(rows.digest(), file.read(n_head))
    except (OSError, ValueError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); run `ostinato featurize` to mend the cache") from error


def _seal(rows: bytes, head: bytes) -> str:
    return hashlib.sha256(rows + head).hexdigest()


def is_whole(path: Path, digest: str | None) -> bool:
    """Return whether a shard matches its digest; the answer is kept while the file stays the same.

    Parameters
    ----------
    path : Path
    digest : str or None
        As the index has it; None where it has none.

    Returns
    -------
    bool

    Raises
    ------
    ReadError
        If the file cannot be read at this moment.
    """
    try:
        status = path.stat()
        known = (str(path.absolute()), digest, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if known not in _WHOLE:
            if digest is None or compute_digest(path) != digest:
                return False
            _WHOLE.add(known)
    except ReadError:
        raise
    except (OSError, OstinatoError):
        return False
    return True


def find_obstacle(folder: Path) -> str | None:
    """Return why no track has a kind, if none has; None too if the folder is not there.

    Parameters
    ----------
    folder : Path
    """
    path = folder / "meta.json"
    reason = read_json(path).get("lacking") if path.exists() else None
    return None if reason is None else str(reason)


def read_by(cache: Path, name: str, feature: str, parameters: Mapping[str, Any]) -> Path | None:
    """Find the kind of the cache that an input of a network reads; a member's is that of its feature.

    Parameters
    ----------
    cache : Path
        Has a folder a kind.
    name : str
        Of the input.
    feature : str
        The module that computes the kind.
    parameters : mapping
        Of the kind; a folder of the feature's name may hold it with others.

    Returns
    -------
    Path or None
        None if the cache does not hold it.
    """
    own, place = cache / name, cache / feature
    if (own / "meta.json").exists():
        return own
    meta = place / "meta.json"
    return place if meta.exists() and read_json(meta).get("parameters") == dict(parameters) else None


def read_index(folder: Path) -> list[Entry]:
    """List what a kind's folder holds, by ordinal; nothing if it has no index yet.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Entry

    Raises
    ------
    OstinatoError
        If the index is no Parquet file.
    """
    path = folder / "index.parquet"
    if not path.exists():
        return []
    try:
        check_footer(path)
        table = pq.read_table(path, schema=SCHEMA, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); delete {folder} and run `dvc repro`") from error
    return [Entry(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def read_digests(folder: Path) -> dict[int, str]:
    """Read the digest of each shard of a kind's folder; nothing if it has no index yet, or one without digests."""
    path = folder / "index.parquet"
    if not path.exists():
        return {}
    try:
        digests = json.loads((pq.read_schema(path).metadata or {}).get(DIGESTS, b"{}"))
        return {int(shard): str(digest) for shard, digest in digests.items()}
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); delete {folder} and run `dvc repro`") from error


def write_index(folder: Path, entries: Iterable[Entry], digests: Mapping[int, str] | None = None) -> None:
    """Replace a kind's index.

    Parameters
    ----------
    folder : Path
    entries : iterable of Entry
        In any order.
    digests : mapping of int to str, optional
        Of each shard; default: of the files that are there.
    """
    entries = sorted(entries)
    if digests is None:
        digests = {shard: compute_digest(shard_file(folder, shard)) for shard in sorted({e.shard for e in entries})}
    table = pa.Table.from_pylist([entry._asdict() for entry in entries], schema=SCHEMA)
    noted = json.dumps({str(shard): digests[shard] for shard in sorted(digests)})
    write_parquet(folder / "index.parquet", table.replace_schema_metadata({DIGESTS: noted.encode()}))


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Replace a kind's description, unless it says the same."""
    path = folder / "meta.json"
    if not path.exists() or read_json(path) != meta:
        write_json(path, meta)


class Written(NamedTuple):
    """Rows in a file beside their place, or in their place if they were added to others."""

    path: Path
    place: Path
    dtype: str
    tail: tuple[int, ...]
    digest: str

    def put(self) -> None:
        """Put them in their place."""
        if self.path != self.place:
            os.replace(self.path, self.place)

    def drop(self) -> None:
        """Take them away, if they are not in their place."""
        if self.path != self.place:
            self.path.unlink()


class Writer:
    """Write one array of rows, some rows at a time: beside its place, or after rows that are there.

    Parameters
    ----------
    path : Path
        Its place, which ends in ``.npy``.
    n_kept : int
        How many rows are there and stay; 0: a file beside it is written.

    Raises
    ------
    OstinatoError
        If the disk refuses the write. Unless all goes well, the place is as it was
        and nothing is left beside it.
    """

    def __init__(self, path: Path, n_kept: int = 0) -> None:
        self.n_rows = self._n_kept = n_kept
        self._place = path
        self._path = path if n_kept else path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        self._dtype: np.dtype[Any] = np.dtype(np.float16)
        self._tail: tuple[int, ...] = (0,)
        self._is_begun = self._is_finished = False
        self._digest = hashlib.sha256()

    def __enter__(self) -> "Writer":
        with self._refusals():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "r+b" if self._n_kept else "xb")
            if self._n_kept:
                self._go_on()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(OSError) if kind else self._refusals():
            self._file.close()
        if kind and self._n_kept:
            self._restore()
        elif kind or not self._is_finished:
            self._path.unlink(missing_ok=True)

    def _go_on(self) -> None:
        """Stand after the rows that are there; a run that was killed may have left some that no index names."""
        np.lib.format.read_magic(self._file)
        shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._file)
        self._tail, self._is_begun = tuple(shape)[1:], True
        self._end = self._file.tell() + self._n_kept * self._dtype.itemsize * math.prod(self._tail)
        left = self._end - self._file.tell()
        while left > 0 and (piece := self._file.read(min(left, PIECE))):
            self._digest.update(piece)
            left -= len(piece)
        if self._file.seek(0, os.SEEK_END) > self._end:
            self._file.truncate(self._end)
        self._file.seek(self._end)

    def _restore(self) -> None:
        """Leave the rows that were there."""
        self.n_rows = self._n_kept
        with open(self._path, "r+b") as self._file:
            self._head()
            self._file.truncate(self._end)

    def append(self, rows: np.ndarray) -> None:
        """Write rows after those that are there.

        Parameters
        ----------
        rows : np.ndarray [shape=(rows, *tail)]
            Of the dtype and tail of the others; single precision becomes half.
        """
        rows = half(rows) if rows.dtype == np.float32 else np.ascontiguousarray(rows)
        with self._refusals():
            if not self._is_begun:
                self._dtype, self._tail, self._is_begun = rows.dtype, rows.shape[1:], True
                self._head()
            self._file.write(rows.data)
        self._digest.update(rows.data)
        self.n_rows += len(rows)

    def finish(self) -> Written:
        """Return how many rows there are, and leave the file.

        It is not forced to the disk: a shard that a power cut shortened is found and made again.
        """
        with self._refusals():
            if self.n_rows > self._n_kept:
                self._file.seek(0)
                self._head()
            self._file.flush()
        self._is_finished = True
        head = BytesIO()
        self._write_head(head)
        digest = _seal(self._digest.digest(), head.getvalue())
        return Written(self._path, self._place, self._dtype.name, tuple(self._tail), digest)

    def _head(self) -> None:
        """Write the head, whose length does not depend on the number of rows."""
        self._write_head(self._file)

    def _write_head(self, file: IO[bytes]) -> None:
        shape = (self.n_rows, *self._tail)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OstinatoError(
                f"{self._place}: cannot be written ({error.strerror or error}); free some disk and run again"
            ) from error


def half(x: np.ndarray) -> np.ndarray:
    """Round to half precision, as ``astype`` does for finite values below 65520, in under half its time.

    A float32 times 2**-112 carries the exponent of the float16, so what is left
    is to round the significand to nearest even and to move the bits.

    Parameters
    ----------
    x : np.ndarray
        Floats.

    Returns
    -------
    np.ndarray
        Shape of `x`, dtype float16.

    Examples
    --------
    >>> half(np.float32([1.0, -80.3, 0.0]))
    array([  1. , -80.3,   0. ], dtype=float16)
    """
    flat = np.ascontiguousarray(x, np.float32).reshape(-1)
    bits = np.empty(flat.size, np.uint16)
    for start in range(0, flat.size, BLOCK):
        scaled = (flat[start : start + BLOCK] * np.float32(2.0**-112)).view(np.uint32)
        rounded = scaled >> np.uint32(13)
        rounded &= np.uint32(1)
        rounded += scaled
        rounded += np.uint32(0x0FFF)
        rounded >>= np.uint32(13)
        rounded &= np.uint32(0x7FFF)
        scaled >>= np.uint32(16)
        scaled &= np.uint32(0x8000)
        bits[start : start + BLOCK] = rounded | scaled
    return bits.view(np.float16).reshape(x.shape)
