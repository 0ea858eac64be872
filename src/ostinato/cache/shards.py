"""Index and shards of one kind of the cache."""

import logging
import shutil
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ostinato.cache import store
from ostinato.cache.spec import Kind, Track
from ostinato.cache.worker import ShardTask
from ostinato.core import parallel
from ostinato.errors import OstinatoError, ReadError
from ostinato.io.files import read_json

log = logging.getLogger(__name__)

PERIOD = 5.0
"""Seconds of shards that a killed run may lose: the index, which names them, is written whole each time."""


class ShardIndex:
    """A kind's folder while it is filled: what its index says, shard by shard."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.folder = folder / kind.name
        self.shards: dict[int, list[store.Entry]] = {}
        self._digests: dict[int, str] = {}
        self._saved, self._is_saved = time.monotonic(), True
        self._open()

    def plan_update(self, shard: int, tracks: Sequence[Track]) -> ShardTask | None:
        """Return the task that updates a shard; None if it is up to date.

        Rows are added to a file only where no other name leads to it, as from a
        DVC cache that is linked.
        """
        before = self.shards.get(shard, [])
        asked = [(track.ordinal, track.track_id, track.content(self.kind.source)) for track in tracks]
        held = [(entry.ordinal, entry.track_id, entry.content_hash) for entry in before]
        if asked == held:
            return None
        path = store.shard_file(self.folder, shard)
        stays = before and held == asked[: len(held)] and path.stat().st_nlink == 1 and not path.is_symlink()
        known = {(entry.ordinal, entry.content_hash): entry for entry in before}
        return ShardTask(self.kind, self.folder, known, n_staying=len(before) if stays else 0)

    def settle(self, shard: int, written: store.Written, entries: list[store.Entry]) -> None:
        """Put a shard that a worker wrote in its place, unless the same stands there.

        The index may name it only later, see `save`, but at once if the shard has
        grown: its other rows would be lost with it.
        """
        if entries == self.shards.get(shard, []):
            written.drop()
            return
        if written.path != written.place:
            self.forget({shard} & set(self.shards))
        if not entries:
            written.drop()
            return
        kind = self.kind
        meta = {"kind": kind.name, "module": kind.module, "source": kind.source, "key": kind.key}
        rows = {"parameters": dict(kind.parameters), "dtype": written.dtype, "tail": list(written.tail)}
        store.write_meta(self.folder, meta | rows)
        written.put()
        self.shards[shard], self._digests[shard], self._is_saved = entries, written.digest, False
        if written.path == written.place or time.monotonic() - self._saved >= PERIOD:
            self.save()

    def forget(self, shards: Collection[int]) -> None:
        """Remove shards; the index never speaks of rows that are not there."""
        if not shards:
            return
        for shard in shards:
            del self.shards[shard]
            self._digests.pop(shard, None)
        self._is_saved = False
        self.save()
        for shard in shards:
            store.shard_file(self.folder, shard).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Clear away what workers left that were lost."""
        files = {store.shard_file(self.folder, shard).name for shard in self.shards}
        leave_only(self.folder, files | {"meta.json", "index.parquet"})

    def save(self) -> None:
        """Have the index name the shards that are in their place."""
        if self._is_saved:
            return
        entries = (entry for entries in self.shards.values() for entry in entries)
        store.write_index(self.folder, entries, self._digests)
        self._saved, self._is_saved = time.monotonic(), True

    def _open(self) -> None:
        """Read what stands there; clear away what belongs to another key, was cut off or is broken."""
        try:
            current = read_json(self.folder / "meta.json")["key"] == self.kind.key
            entries = store.read_index(self.folder) if current else []
            self._digests = store.read_digests(self.folder) if current else {}
        except ReadError:
            raise
        except (OstinatoError, KeyError):
            current, entries = False, []
            if self.folder.exists():
                log.warning("%s: its description is broken, and it is made again", self.folder)
        if not current:
            shutil.rmtree(self.folder, ignore_errors=True)
        for entry in entries:
            self.shards.setdefault(entry.shard, []).append(entry)
        with ThreadPoolExecutor(parallel.cores()) as pool:  # hashing frees the interpreter
            whole = dict(zip(self.shards, pool.map(self._is_whole, self.shards), strict=True))
        broken = [shard for shard in self.shards if not whole[shard]]
        for shard in broken:
            log.warning("%s: is broken and is made again", store.shard_file(self.folder, shard))
        self.forget(broken)
        self.tidy()

    def _is_whole(self, shard: int) -> bool:
        path = store.shard_file(self.folder, shard)
        try:
            n_rows = len(store.open_rows(path))
        except ReadError:
            raise
        except OstinatoError:
            return False
        return n_rows == sum(e.n_rows for e in self.shards[shard]) and store.is_whole(path, self._digests.get(shard))


def leave_only(folder: Path, names: Collection[str]) -> None:
    """Remove everything else from a folder."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
