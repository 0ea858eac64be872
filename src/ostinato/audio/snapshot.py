"""Copies of files for decoders, with the hash of exactly the bytes read.

A read error, such as of a network share that is briefly unavailable, says nothing about
the file. Decoders written in C take it for the end of the file, so they get a complete
copy, in memory, or on disk if it is large.
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
"""Larger files are copied to the temporary folder."""
PIECE = 2**20
MAX_INODE = 2**63 - 1
"""The largest integer in tables."""
ABSENCE = "is not there"


@dataclass(frozen=True)
class Identity:
    """File status that changes whenever the file is written.

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
        """Create it from a file's status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & MAX_INODE)


@dataclass(frozen=True)
class Snapshot:
    """A copy of a file.

    Parameters
    ----------
    path : Path
        Of the copy, which is deleted after the block.
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
    """Copy a file, retrying read errors.

    Parameters
    ----------
    path : Path
    content_hash : str, optional
        Expected SHA-256.

    Yields
    ------
    Snapshot
        Errors name the file's path instead of the copy's. Files larger than `MAX_BYTES` are hashed but not copied,
        since no decoder accepts them.

    Raises
    ------
    ReadError
        If the file cannot be read, or changes meanwhile.
    ChangedError
        If its hash is not `content_hash`.
    """
    with ExitStack() as stack:
        try:
            copy, digest, identity = retry_reading(lambda: _read(path, stack))
        except OSError as error:
            reason = ABSENCE if error.errno == errno.ENOENT else f"cannot be read ({error.strerror or error})"
            raise ReadError(f"{path}: {reason}") from error
        if content_hash is not None and digest != content_hash:
            raise ChangedError(f"{path}: is not the file that was measured; run `dvc repro`, which measures it again")
        try:
            yield Snapshot(copy, digest, identity)
        except DataError as error:
            kind = ReadError if getattr(error.__cause__, "errno", None) == errno.ENOMEM else type(error)
            raise kind(str(error).replace(str(copy), str(path))) from error


def _read(path: Path, stack: ExitStack) -> tuple[Path, str, Identity]:
    """Copy a file and hash it."""
    with open(path, "rb") as file:
        before, digest = Identity.of(os.fstat(file.fileno())), hashlib.sha256()
        copy = stack.enter_context(_open_copy(before.n_bytes)) if before.n_bytes <= MAX_BYTES else None
        while block := file.read(PIECE):
            digest.update(block)
            if copy is not None:
                copy.write(block)
        if copy is not None:
            copy.flush()
            path = Path(f"/proc/self/fd/{copy.fileno()}") if _has_proc() else Path(copy.name)
        if Identity.of(os.fstat(file.fileno())) != before:
            raise BlockingIOError(errno.EBUSY, "another program writes it")
    return path, digest.hexdigest(), before


def _has_proc() -> bool:
    return Path("/proc/self/fd").is_dir()


def _open_copy(n_bytes: int) -> IO[bytes]:
    """Open an empty temporary file, in memory unless it will be large."""
    if not _has_proc():
        return tempfile.NamedTemporaryFile(prefix="ostinato-")  # type: ignore[return-value]
    if n_bytes <= MEMORY_BYTES and hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("ostinato"), "w+b")
    return tempfile.TemporaryFile()
