"""Count every step by which a process changes its disk, and have a fault happen at one of them.

A step is one call of the system: to open a file for writing, to write, to cut, to force to the disk,
to rename, link or remove, to make or remove a folder. What a library writes by itself, without Python's
files, is no step; the step that forces the file to the disk then leaves half of it.
"""

import builtins
import errno
import io
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

NAMES = ("mkdir", "rename", "replace", "link", "symlink", "unlink", "remove", "rmdir", "truncate", "ftruncate", "utime")
GROWING = ("open", "write", "mkdir", "link", "symlink")
"""Steps that a full disk refuses."""
Half = Callable[[], object] | None
Fault = Callable[["Disk", str, Path, Half], None]


class KilledError(BaseException):
    """Stand for SIGKILL: nothing that runs afterwards belongs to the process."""


class File(io.FileIO):
    """A file below the watched folder; what it reads and writes passes here."""

    disk: "Disk"
    place: Path

    def write(self, data: Any) -> int:
        """Write, as one step."""
        view = memoryview(data).cast("B")
        self.disk.step("write", self.place, lambda: super(File, self).write(view[: len(view) // 2]))
        self.disk.note_change(self.fileno())
        return super().write(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut, as one step."""
        self.disk.step("truncate", self.place)
        self.disk.note_change(self.fileno())
        return super().truncate(size)

    def readinto(self, buffer: Any) -> int:
        """Read."""
        self.disk.read(self.place)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        """Read all that is left."""
        self.disk.read(self.place)
        return super().readall()


class Disk:
    """Stand between this process and the files below a folder.

    Parameters
    ----------
    root : Path
        Other files are let alone.
    patch : callable
        As `setattr`, or that of a MonkeyPatch.
    fault : callable, optional
        Called before each step with this disk, the step's name, the path, and what does half of it.

    Attributes
    ----------
    n_steps : int
    opened : list of Path
        Files that were opened to be read, in order, each once.
    unreadable : int or None
        Place in `opened` of the file that the disk does not give back.
    unsynced : set of tuple
        Device and inode of files with content that the disk may lose at a power cut.
    unsynced_folders : set of Path
        Folders with names that the disk may lose.
    """

    def __init__(self, root: Path, patch: Callable[[Any, str, Any], None] = setattr, fault: Fault | None = None):
        self.root, self.fault, self.n_steps = str(root), fault, 0
        self.opened: list[Path] = []
        self.unreadable: int | None = None
        self.unsynced: set[tuple[int, int]] = set()
        self.unsynced_folders: set[Path] = set()
        self._begin, self._synced = time.time_ns(), dict[tuple[int, int], int]()
        self._plain = {name: getattr(os, name) for name in (*NAMES, "open", "write", "sendfile", "fsync")}
        self._open, self._write_table = io.open, pq.write_table
        for name in NAMES:
            patch(os, name, self._wrap(name))
        patch(os, "open", self._open_descriptor)
        patch(os, "write", self._write)
        patch(os, "sendfile", self._send)
        patch(os, "fsync", self._sync)
        patch(os, "fdatasync", self._sync)
        for module in (builtins, io):
            patch(module, "open", self._open_file)
        patch(pq, "write_table", self._write_parquet)

    def step(self, name: str, path: Path, half: Half = None) -> None:
        """Count a step, and let the fault happen."""
        self.n_steps += 1
        if self.fault is not None:
            self.fault(self, name, path, half)

    def read(self, path: Path) -> None:
        """Refuse to read a file that the disk does not give back."""
        if self.unreadable is not None and path in self.opened[self.unreadable : self.unreadable + 1]:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    def note_change(self, descriptor: int) -> None:
        """Note that a file has content that is not forced to the disk."""
        status = os.fstat(descriptor)
        self.unsynced.add((status.st_dev, status.st_ino))

    def lose_unsynced(self) -> None:
        """Cut the files that were not forced to the disk to half of their length, as a power cut may."""
        for path in Path(self.root).rglob("*"):
            status = path.lstat()
            if (status.st_dev, status.st_ino) in self.unsynced and path.is_file():
                self._plain["truncate"](path, status.st_size // 2)

    def _find(self, path: Any, folder: int | None = None) -> Path | None:
        """Return the absolute path; None if it is not below the root."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        name = os.fsdecode(path)
        if folder is not None and not os.path.isabs(name):
            name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
        name = os.path.abspath(name)
        return Path(name) if name.startswith(f"{self.root}{os.sep}") else None

    def _wrap(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *others: Any, **options: Any) -> Any:
            folder = options.get("dir_fd", options.get("src_dir_fd"))
            if (place := self._find(path, folder)) is not None:
                if name == "truncate" and others:
                    self.unsynced.add(identify(place))
                self.step(name, place)
            value = self._plain[name](path, *others, **options)
            if place is not None:
                self.unsynced_folders.add(place.parent)
                if name in ("rename", "replace", "link") and (target := self._find(others[0])) is not None:
                    self.unsynced_folders.add(target.parent)
            return value

        return call

    def _open_descriptor(self, path: Any, flags: int, *others: Any, **options: Any) -> int:
        place = self._find(path, options.get("dir_fd"))
        if place is not None and flags & (os.O_CREAT | os.O_TRUNC):
            self.step("open", place)
        return self._plain["open"](path, flags, *others, **options)

    def _write(self, descriptor: int, data: Any) -> int:
        if (place := self._find(descriptor)) is not None:
            self.step("write", place, lambda: self._plain["write"](descriptor, data[: len(data) // 2]))
            self.note_change(descriptor)
        return self._plain["write"](descriptor, data)

    def _send(self, target: int, source: int, offset: int, count: int) -> int:
        if (place := self._find(target)) is not None:
            n_half = min(count, max(0, os.fstat(source).st_size - offset)) // 2
            self.step("write", place, lambda: n_half and self._plain["sendfile"](target, source, offset, n_half))
            self.note_change(target)
        return self._plain["sendfile"](target, source, offset, count)

    def _sync(self, descriptor: int) -> None:
        if (place := self._find(descriptor)) is not None:
            status = os.fstat(descriptor)
            is_new = place.is_file() and status.st_mtime_ns > self._synced.get(identify(place), self._begin)
            half = (lambda: self._plain["truncate"](place, status.st_size // 2)) if is_new else None
            self.step("fsync", place, half)
            self.unsynced.discard(identify(place))
            self.unsynced_folders.discard(place)
            self._synced[identify(place)] = status.st_mtime_ns
        self._plain["fsync"](descriptor)

    def _open_file(self, file: Any, mode: str = "r", buffering: int = -1, *text: Any, **options: Any) -> Any:
        place = None if isinstance(file, int) else self._find(file)
        if place is None or "opener" in options or place.is_dir():
            return self._open(file, mode, buffering, *text, **options)
        is_written = not set("wax+").isdisjoint(mode)
        if is_written:
            self.step("open", place)
            self.unsynced_folders.add(place.parent)
        elif place not in self.opened and place.exists():
            self.opened.append(place)
        raw = File(file, mode.replace("b", "").replace("t", ""))
        raw.disk, raw.place = self, place
        if buffering == 0:
            return raw
        buffer = io.BufferedRandom if "+" in mode else io.BufferedWriter if is_written else io.BufferedReader
        if "b" in mode:
            return buffer(raw)
        stream: Any = io.TextIOWrapper(buffer(raw), *text, **options | {"line_buffering": buffering == 1})
        stream.mode = mode
        return stream

    def _write_parquet(self, table: Any, where: Any, *others: Any, **options: Any) -> None:
        """Write by Python's files what Arrow writes by its own."""
        if not isinstance(where, str | Path):
            return self._write_table(table, where, *others, **options)
        content = io.BytesIO()
        self._write_table(table, content, *others, **options)
        with self._open_file(where, "wb") as file:
            file.write(content.getvalue())
        return None


def identify(path: Path) -> tuple[int, int]:
    """Return device and inode of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def kill_in_place(at: int, *, with_power: bool = True) -> Fault:
    """Return the fault that ends all work of this process at a step, half way through it.

    Parameters
    ----------
    at : int
        Counted from 1.
    with_power : bool
        False: the power goes, too, and with it what was not forced to the disk.
    """

    def fault(disk: Disk, name: str, path: Path, half: Half) -> None:
        if disk.n_steps == at:
            if half is not None:
                half()
            if not with_power:
                disk.lose_unsynced()
        if disk.n_steps >= at:
            raise KilledError

    return fault


def kill_at_every_step(
    folder: Path, start: Path, call: Callable[[], object], check: Callable[[], object], *, with_power: bool = True
) -> int:
    """Call again and again, killed one step later each time, until a call ends; check what each kill left.

    Parameters
    ----------
    folder : Path
        Made anew from `start` before each call; steps below it count.
    start : Path
    call, check : callable
    with_power : bool
        False: what was not forced to the disk is lost with each kill.

    Returns
    -------
    int
        How many calls there were: one more than there are steps.
    """
    at, is_reached = 0, True
    while is_reached:
        at += 1
        shutil.rmtree(folder)
        shutil.copytree(start, folder)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(folder, patch.setattr, kill_in_place(at, with_power=with_power))
            with suppress(KilledError):
                call()
            is_reached = disk.n_steps >= at
        check()
    return at
