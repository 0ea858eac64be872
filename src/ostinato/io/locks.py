"""Locks that the system frees when their holder ends, and who holds them: a process by number and start."""

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
"""Beside a lock: who holds it."""
LOOK = 0.5  # seconds; longer than anyone who only looks holds a lock
SHELLS = ("sh", "bash", "dash", "zsh", "fish")
TOLERANCE = 2.0
"""Seconds by which the start of one process may differ from one look to the next, as after the clock was set."""


@dataclass(frozen=True)
class Process:
    """A process that ran at some time.

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
        """Find the process that has a number now."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def is_alive(self) -> bool:
        """Return whether it still runs; a process that has its number by now is another one."""
        now = Process.find(self.pid)
        return now is not None and abs(now.started - self.started) <= TOLERANCE


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, and who started it.

    Parameters
    ----------
    process : Process
    parent : Process or None
        The nearest one above it that is no shell, such as ``dvc repro``.
    """

    process: Process
    parent: Process | None

    @classmethod
    def of_this(cls) -> "Holder":
        """Describe this process."""
        own = Process.find(os.getpid())
        assert own is not None
        for above in psutil.Process().parents():
            with suppress(psutil.Error):
                if above.name() not in SHELLS and above.pid > 1:
                    return cls(own, Process.find(above.pid))
        return cls(own, None)

    @classmethod
    def read(cls, path: Path) -> "Holder | None":
        """Read what `write` wrote; None if that is not there or its process is gone."""
        try:
            content: dict[str, Any] = read_json(path)
            parent = content["parent"] and Process(**content["parent"])
            holder = cls(Process(**content["process"]), parent)
        except (OstinatoError, KeyError, TypeError):
            return None
        return holder if holder.process.is_alive() else None

    def write(self, path: Path) -> None:
        """Write it beside the lock."""
        write_json(path, asdict(self))

    @property
    def is_orphan(self) -> bool:
        """Return whether the process that started the holder has exited."""
        return self.parent is not None and not self.parent.is_alive()

    def __str__(self) -> str:
        """Name it."""
        return f"process {self.process.pid}" + (", which outlived the run that started it" if self.is_orphan else "")


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold a lock that the system frees when the process ends, however it ends.

    Parameters
    ----------
    lock : Path
        A file that stands for the work, such as ``train@time_mel.lock``.

    Raises
    ------
    OstinatoError
        If another process is at the same work.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    guard, about = FileLock(lock, timeout=LOOK), lock.with_suffix(HOLDER)
    try:
        guard.acquire()
    except Timeout as error:
        holder = Holder.read(about)
        who = f" ({holder})" if holder else ""
        kill = f": `kill {holder.process.pid}`" if holder else ""
        raise OstinatoError(
            f"{lock.stem}: another run is at the same work{who}; wait for it or stop it{kill}"
        ) from error
    try:
        Holder.of_this().write(about)
        yield
    finally:
        about.unlink(missing_ok=True)
        guard.release()


def is_locked(lock: Path) -> bool:
    """Return whether some process holds a lock.

    Parameters
    ----------
    lock : Path
        As given to `exclusive`.

    Returns
    -------
    bool
    """
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
