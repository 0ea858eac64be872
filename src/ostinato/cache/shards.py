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
from ostinato.cache.writer import StagedFile
from ostinato.core import parallel
from ostinato.errors import OstinatoError, ReadError
from ostinato.io.files import read_json

log = logging.getLogger(__name__)

SAVE_SECONDS = 5.0
"""Time between writes of the index; a killed run loses at most the shards of that time."""


class ShardIndex:
    """The index of a kind while its folder is updated, and its shards.

    Opening it removes what has another key or is damaged.

    Parameters
    ----------
    folder : Path
        Contains a folder per kind.
    kind : Kind
    """

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.folder = folder / kind.name
        self.shards: dict[int, list[store.Entry]] = {}
        self._digests: dict[int, str] = {}
        self._save_time, self._is_saved = time.monotonic(), True
        self._open()

    def plan_update(self, shard: int, tracks: Sequence[Track]) -> ShardTask | None:
        """Return the task that updates a shard; None if it is up to date.

        Rows are appended only to a file without other links, such as those of a linked DVC cache.
        """
        entries = self.shards.get(shard, [])
        target = [(track.ordinal, track.track_id, track.content(self.kind.source)) for track in tracks]
        current = [(entry.ordinal, entry.track_id, entry.content_hash) for entry in entries]
        if target == current:
            return None
        path = store.shard_file(self.folder, shard)
        appends = entries and current == target[: len(entries)] and path.stat().st_nlink == 1 and not path.is_symlink()
        by_content = {(entry.ordinal, entry.content_hash): entry for entry in entries}
        return ShardTask(self.kind, self.folder, by_content, n_kept=len(entries) if appends else 0)

    def commit(self, shard: int, file: StagedFile, entries: list[store.Entry]) -> None:
        """Replace a shard by the one that a worker wrote, unless its entries are unchanged.

        The index is written at most every `SAVE_SECONDS`, but at once after rows were
        appended: otherwise a kill would lose the shard's other rows, too.
        """
        if entries == self.shards.get(shard, []):
            file.discard()
            return
        if file.path != file.target:
            self.remove({shard} & set(self.shards))
        if not entries:
            file.discard()
            return
        kind = self.kind
        meta = {"kind": kind.name, "module": kind.module, "source": kind.source, "key": kind.key}
        rows = {"parameters": dict(kind.parameters), "dtype": file.dtype, "tail": list(file.tail)}
        store.write_meta(self.folder, meta | rows)
        file.commit()
        self.shards[shard], self._digests[shard], self._is_saved = entries, file.digest, False
        if file.path == file.target or time.monotonic() - self._save_time >= SAVE_SECONDS:
            self.save()

    def remove(self, shards: Collection[int]) -> None:
        """Remove shards, from the index first, so that it never lists missing rows."""
        if not shards:
            return
        for shard in shards:
            del self.shards[shard]
            self._digests.pop(shard, None)
        self._is_saved = False
        self.save()
        for shard in shards:
            store.shard_file(self.folder, shard).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove the temporary files of killed workers."""
        files = {store.shard_file(self.folder, shard).name for shard in self.shards}
        remove_others(self.folder, files | {"meta.json", "index.parquet"})

    def save(self) -> None:
        """Write the index if it changed."""
        if self._is_saved:
            return
        entries = (entry for entries in self.shards.values() for entry in entries)
        store.write_index(self.folder, entries, self._digests)
        self._save_time, self._is_saved = time.monotonic(), True

    def _open(self) -> None:
        """Read the index; remove shards that have another key, are truncated or damaged."""
        try:
            is_current = read_json(self.folder / "meta.json")["key"] == self.kind.key
            entries = store.read_index(self.folder) if is_current else []
            self._digests = store.read_digests(self.folder) if is_current else {}
        except ReadError:
            raise
        except (OstinatoError, KeyError):
            is_current, entries = False, []
            if self.folder.exists():
                log.warning("%s: its description is damaged; the kind is computed again", self.folder)
        if not is_current:
            shutil.rmtree(self.folder, ignore_errors=True)
        for entry in entries:
            self.shards.setdefault(entry.shard, []).append(entry)
        with ThreadPoolExecutor(parallel.cores()) as pool:  # hashing releases the GIL
            intact = dict(zip(self.shards, pool.map(self._is_intact, self.shards), strict=True))
        damaged = [shard for shard in self.shards if not intact[shard]]
        for shard in damaged:
            log.warning("%s: is damaged and computed again", store.shard_file(self.folder, shard))
        self.remove(damaged)
        self.remove_leftovers()

    def _is_intact(self, shard: int) -> bool:
        path = store.shard_file(self.folder, shard)
        try:
            n_rows = len(store.open_rows(path))
        except ReadError:
            raise
        except OstinatoError:
            return False
        return n_rows == sum(e.n_rows for e in self.shards[shard]) and store.is_intact(path, self._digests.get(shard))


def remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove everything but some files and folders from a folder."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
