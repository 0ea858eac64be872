"""Read a file once: into a copy that decoders read, with the hash of those very bytes.

An error of reading, such as of a share that is away for a moment, is no property of
the file. Decoders written in C take it for the end of the file, so they get a copy in
memory, or on the disk where it is large, which Python has read to the end.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ostinato.errors import ChangedError, DataError, ReadError
from ostinato.io.files import retry_reading

MAX_BYTES = 4 * 2**30
MEMORY_BYTES = 256 * 2**20
"""Larger files are copied to the folder of temporary files."""
PIECE = 2**20
MAX_INODE = 2**63 - 1
"""Tables hold no larger number."""
ABSENT = "is not there"


@dataclass(frozen=True)
class Identity:
    """What tells that a file is still the same: another writing changes one of them.

    Parameters
    ----------
    n_bytes, mtime_ns, ctime_ns, inode : int
    """

    n_bytes: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, status: os.stat_result) -> "Identity":
        """Take it from what the system says of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & MAX_INODE)


@dataclass(frozen=True)
class Snapshot:
    """A copy of a file.

    Parameters
    ----------
    path : Path
        Of the copy, which is gone after the block.
    content_hash : str
        SHA-256 of its bytes.
    identity : Identity
        Of the file.
    """

    path: Path
    content_hash: str
    identity: Identity


@contextmanager
def open_snapshot(path: Path, content_hash: str | None = None) -> Iterator[Snapshot]:
    """Copy a file, trying again where it cannot be read.

    Parameters
    ----------
    path : Path
    content_hash : str, optional
        Refuse any other.

    Yields
    ------
    Snapshot
        Errors that name the copy's path name the file's instead. What is larger than `MAX_BYTES` is hashed and
        not copied, since no decoder takes it.

    Raises
    ------
    ReadError
        If the file cannot be read, or changes while it is.
    ChangedError
        If its hash is not `content_hash`.
    """
    with ExitStack() as opened:
        try:
            place, digest, identity = retry_reading(lambda: _read(path, opened))
        except OSError as error:
            reason = ABSENT if error.errno == errno.ENOENT else f"cannot be read ({error.strerror or error})"
            raise ReadError(f"{path}: {reason}") from error
        if content_hash is not None and digest != content_hash:
            raise ChangedError(f"{path}: is not the file that was measured; run `dvc repro`, which measures it again")
        try:
            yield Snapshot(place, digest, identity)
        except DataError as error:
            kind = ReadError if getattr(error.__cause__, "errno", None) == errno.ENOMEM else type(error)
            raise kind(str(error).replace(str(place), str(path))) from error


def _read(path: Path, opened: ExitStack) -> tuple[Path, str, Identity]:
    """Copy a file and hash what is copied."""
    with open(path, "rb") as file:
        before, digest = Identity.of(os.fstat(file.fileno())), hashlib.sha256()
        copy = opened.enter_context(_open_copy(before.n_bytes)) if before.n_bytes <= MAX_BYTES else None
        while piece := file.read(PIECE):
            digest.update(piece)
            if copy is not None:
                copy.write(piece)
        if copy is not None:
            copy.flush()
            path = Path(f"/proc/self/fd/{copy.fileno()}") if _has_proc() else Path(copy.name)
        if Identity.of(os.fstat(file.fileno())) != before:
            raise BlockingIOError(errno.EBUSY, "another program writes it")
    return path, digest.hexdigest(), before


def _has_proc() -> bool:
    return Path("/proc/self/fd").is_dir()


def _open_copy(n_bytes: int) -> IO[bytes]:
    """Open an empty file that is gone with the process, in memory unless it shall be large."""
    if not _has_proc():
        return tempfile.NamedTemporaryFile(prefix="ostinato-")  # type: ignore[return-value]
    if n_bytes <= MEMORY_BYTES and hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("ostinato"), "w+b")
    return tempfile.TemporaryFile()
