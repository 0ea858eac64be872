"""Locks that the system releases when their process ends, with the identity of their holder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from ostinato.errors import OstinatoError
from ostinato.io.files import read_json, write_json

HOLDER = ".holder"
"""Suffix of the file that describes a lock's holder."""
LOOK = 0.5  # seconds; longer than a check holds the lock
SHELLS = ("sh", "bash", "dash", "zsh", "fish")
TOLERANCE = 2.0
"""Seconds by which the start time of a process may appear to change, as when the clock is set."""


@dataclass(frozen=True)
class Process:
    """A process, past or present.

    Parameters
    ----------
    pid : int
    started : float
        In seconds since 1970.
    """

    pid: int
    started: float

    @classmethod
    def find(cls, pid: int) -> "Process | None":
        """Find the present process with a PID."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def is_alive(self) -> bool:
        """Return whether it still runs, even if its PID is in use again."""
        now = Process.find(self.pid)
        return now is not None and abs(now.started - self.started) <= TOLERANCE


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, and the process that started it.

    Parameters
    ----------
    process : Process
    parent : Process or None
        Its nearest ancestor that is not a shell, such as ``dvc repro``.
    """

    process: Process
    parent: Process | None

    @classmethod
    def of_this(cls) -> "Holder":
        """Describe this process."""
        process = Process.find(os.getpid())
        assert process is not None
        for parent in psutil.Process().parents():
            with suppress(psutil.Error):
                if parent.name() not in SHELLS and parent.pid > 1:
                    return cls(process, Process.find(parent.pid))
        return cls(process, None)

    @classmethod
    def read(cls, path: Path) -> "Holder | None":
        """Read a holder; None if there is none or its process has ended."""
        try:
            content: dict[str, Any] = read_json(path)
            parent = content["parent"] and Process(**content["parent"])
            holder = cls(Process(**content["process"]), parent)
        except (OstinatoError, KeyError, TypeError):
            return None
        return holder if holder.process.is_alive() else None

    def write(self, path: Path) -> None:
        """Write the holder beside the lock."""
        write_json(path, asdict(self))

    @property
    def is_orphan(self) -> bool:
        """Return whether the process that started the holder has exited."""
        return self.parent is not None and not self.parent.is_alive()

    def __str__(self) -> str:
        """Describe the holder."""
        return f"process {self.process.pid}" + (", which outlived the run that started it" if self.is_orphan else "")


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold a lock, which the system releases however the process ends.

    Parameters
    ----------
    lock : Path
        A file named after the task, such as ``train@time_mel.lock``.

    Raises
    ------
    OstinatoError
        If another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    guard, file = FileLock(lock, timeout=LOOK), lock.with_suffix(HOLDER)
    try:
        guard.acquire()
    except Timeout as error:
        holder = Holder.read(file)
        description = f" ({holder})" if holder else ""
        kill = f": `kill {holder.process.pid}`" if holder else ""
        raise OstinatoError(
            f"{lock.stem}: another run is doing the same{description}; wait for it or stop it{kill}"
        ) from error
    try:
        Holder.of_this().write(file)
        yield
    finally:
        file.unlink(missing_ok=True)
        guard.release()


def is_locked(lock: Path) -> bool:
    """Return whether a process holds a lock.

    Parameters
    ----------
    lock : Path
        As for `exclusive`.

    Returns
    -------
    bool
    """
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
