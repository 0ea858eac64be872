"""Processes by number and start: a number alone is soon given to another program."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ostinato.errors import OstinatoError
from ostinato.files import read_json, write_json

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
        """Say whether it still runs; a process that has its number by now is another one."""
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
        """Whether who started it is gone."""
        return self.parent is not None and not self.parent.is_alive()

    def __str__(self) -> str:
        """Name it."""
        return f"process {self.process.pid}" + (", which outlived the run that started it" if self.is_orphan else "")
