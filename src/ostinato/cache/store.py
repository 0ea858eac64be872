"""Reading of the feature cache: per kind a few large memory-mapped arrays and an index.

The folder of a kind contains ``meta.json``, ``index.parquet`` and ``shard-00000.npy``,
``shard-00001.npy``, ... A shard contains the rows of the tracks in its range of ordinals,
in the order of ordinals. Rows of audio are frames in half precision; integers (text,
pixels) and doubles keep their type. The index contains a digest of each shard, computed
while the shard is written and checked before its rows are reused or first read. The folder of
a joint of kinds, such as ``mel+cqt``, contains only ``meta.json``, with hashes of what its kinds
contain; so does that of a kind that no track has, with the reason.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.errors import OstinatoError, ReadError
from ostinato.io.files import check_footer, raise_refusal, read_json, write_json, write_parquet

DIGESTS = b"digests"
"""Key of the shards' digests in the metadata of the index, so that both are replaced at once."""
_INTACT: set[tuple[Any, ...]] = set()
"""Digests and identities of the shards that were checked."""
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
    """Location of a track's rows."""

    ordinal: int
    track_id: str
    content_hash: str
    shard: int
    start: int
    n_rows: int


class Store:
    """A kind of the cache, for reading.

    Parameters
    ----------
    folder : Path
        Such as ``data/features/mel``.

    Raises
    ------
    OstinatoError
        If the folder contains no cache.
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
        """Return the number of a track's rows: frames, for audio.

        Raises
        ------
        OstinatoError
            If the track is not in the cache.
        """
        return self._entry(track_id).n_rows

    def read(self, track_id: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return rows of a track, without a copy.

        Parameters
        ----------
        track_id : str
        start, stop : int
            First row, and the one after the last; default: all rows.

        Returns
        -------
        np.ndarray [shape=(rows, *tail)]
            A read-only view of the file.

        Raises
        ------
        OstinatoError
            If the track is not in the cache.
        """
        entry = self._entry(track_id)
        rows = self._shard(entry.shard)[entry.start : entry.start + entry.n_rows]
        return rows if start == 0 and stop is None else rows[start:stop]

    def _entry(self, track_id: str) -> Entry:
        try:
            return self._entries[track_id]
        except KeyError:
            raise OstinatoError(
                f"{self.folder}: has no track {track_id!r}; run `dvc repro featurize`, which lists what it leaves out"
            ) from None

    def _shard(self, shard: int) -> np.ndarray:
        if shard not in self._shards:
            path = shard_file(self.folder, shard)
            rows = open_rows(path)
            if not is_intact(path, self._digests.get(shard)):
                raise OstinatoError(f"{path}: is damaged; run `ostinato featurize`, which rewrites only this shard")
            self._shards[shard] = rows
        return self._shards[shard]


def shard_file(folder: Path, shard: int) -> Path:
    """Return the path of a shard."""
    return folder / f"shard-{shard:05d}.npy"


def open_rows(path: Path) -> np.ndarray:
    """Map a shard into memory.

    Unlike with ``np.load`` no file descriptor stays open, so that the limit of open files does not limit a collection.

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
        If the file is missing, truncated or not an array.
    """
    try:
        with open(path, "rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            n_header = file.tell()
        with pa.memory_map(str(path)) as mapping:
            content = mapping.read_buffer()
        return np.frombuffer(content, dtype, math.prod(shape), n_header).reshape(shape)
    except (OSError, ValueError, EOFError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); run `ostinato featurize` to repair it") from error


def compute_digest(path: Path) -> str:
    """Compute the digest of a shard: SHA-256 of the SHA-256 of its rows followed by its header.

    The header, which contains the number of rows, is written last, so the rows are hashed first.

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
            n_header = file.tell()
            rows = hashlib.file_digest(file, "sha256")
            file.seek(0)
            return combine_digest(rows.digest(), file.read(n_header))
    except (OSError, ValueError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: cannot be read ({error}); run `ostinato featurize` to repair it") from error


def combine_digest(rows: bytes, header: bytes) -> str:
    """Return the digest of a shard, from the SHA-256 of its rows and its header."""
    return hashlib.sha256(rows + header).hexdigest()


def is_intact(path: Path, digest: str | None) -> bool:
    """Return whether a shard matches its digest; the result is cached until the file changes.

    Parameters
    ----------
    path : Path
    digest : str or None
        From the index; None never matches.

    Returns
    -------
    bool

    Raises
    ------
    ReadError
        If the file cannot be read at the moment.
    """
    try:
        status = path.stat()
        key = (str(path.absolute()), digest, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in _INTACT:
            if digest is None or compute_digest(path) != digest:
                return False
            _INTACT.add(key)
    except ReadError:
        raise
    except (OSError, OstinatoError):
        return False
    return True


def find_obstacle(folder: Path) -> str | None:
    """Return the reason for which no track has a kind.

    Parameters
    ----------
    folder : Path
        Folder of the kind.

    Returns
    -------
    str or None
        None if tracks have it, or the folder is missing.
    """
    path = folder / "meta.json"
    reason = read_json(path).get("lacking") if path.exists() else None
    return None if reason is None else str(reason)


def find_folder(cache: Path, name: str, feature: str, parameters: Mapping[str, Any]) -> Path | None:
    """Find the folder of the kind that an input of a network reads; that of a member is named by its feature.

    Parameters
    ----------
    cache : Path
        Contains a folder per kind.
    name : str
        Name of the input.
    feature : str
        Module that computes the kind.
    parameters : mapping
        Parameters of the kind; the folder named by the feature may have others.

    Returns
    -------
    Path or None
        None if the kind is not in the cache.
    """
    if (cache / name / "meta.json").exists():
        return cache / name
    meta = cache / feature / "meta.json"
    return meta.parent if meta.exists() and read_json(meta).get("parameters") == dict(parameters) else None


def read_index(folder: Path) -> list[Entry]:
    """Read the entries of a kind by ordinal; empty without an index.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Entry

    Raises
    ------
    OstinatoError
        If the index is not a Parquet file.
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
    """Read the digest of each shard of a kind; empty without an index, or without digests in it."""
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
        Digest of each shard; default: computed from the files.
    """
    entries = sorted(entries)
    if digests is None:
        digests = {shard: compute_digest(shard_file(folder, shard)) for shard in sorted({e.shard for e in entries})}
    table = pa.Table.from_pylist([entry._asdict() for entry in entries], schema=SCHEMA)
    text = json.dumps({str(shard): digests[shard] for shard in sorted(digests)})
    write_parquet(folder / "index.parquet", table.replace_schema_metadata({DIGESTS: text.encode()}))


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Write a kind's description, unless it is unchanged."""
    path = folder / "meta.json"
    if not path.exists() or read_json(path) != meta:
        write_json(path, meta)
