"""Safe unpacking of untrusted archives: no path outside the folder, no links, no bombs.

An archive is read twice: all names, types and sizes are checked before the first byte
is written, and the unpacked sizes are compared with them. It is unpacked into a scratch
folder and moved when complete, so that a refused or interrupted archive leaves nothing
behind.
"""

import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ostinato.errors import DataError

MAX_FILES = 500_000
MAX_RATIO = 200
FREE_BYTES = 2**20  # small archives may have any ratio
BLOCK = 2**20
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError, OverflowError),
)
"""Errors that the libraries raise for damaged archives."""

Source = zipfile.ZipFile | tarfile.TarFile
Member = tuple[str, int, zipfile.ZipInfo | tarfile.TarInfo]


def unpack(archive: Path, folder: Path, *, max_bytes: int, max_files: int = MAX_FILES) -> list[str]:
    """Unpack a zip or tar archive into a folder.

    Parameters
    ----------
    archive : Path
    folder : Path
        Created if missing; existing files are replaced.
    max_bytes : int
        Limit for all files together.
    max_files : int

    Returns
    -------
    list of str
        Paths below `folder`, in the archive's order.

    Raises
    ------
    DataError
        If it is not an archive, is damaged, or has forbidden paths, types or sizes;
        then nothing is unpacked.
    """
    scratch = folder / f".{archive.name}.unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        with _open(archive) as source:
            members = _check_members(archive, source, max_bytes, max_files)
            for name, size, member in members:
                _write(archive, _read(archive, source, member), scratch / name, size)
        for name, _, _ in members:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / name).parent.resolve().is_relative_to(folder.resolve()):
                raise DataError(f"{folder / name}: is behind a link that leads out of {folder}; remove the link")
            os.replace(scratch / name, folder / name)
    except DAMAGE as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and download it again") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [name for name, _, _ in members]


@contextmanager
def _open(archive: Path) -> Iterator[Source]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as source:
            yield source
    else:
        with tarfile.open(archive) as source:
            yield source


def _check_members(archive: Path, source: Source, max_bytes: int, max_files: int) -> list[Member]:
    """List the files of an archive, or refuse it."""
    members: dict[str, Member] = {}
    total = 0
    for name, size, member in _entries(archive, source):
        path = _inside(archive, name)
        if path in members:
            raise DataError(f"{archive}: has {path!r} twice; it cannot be trusted")
        total += size
        members[path] = (path, size, member)
        if len(members) > max_files:
            raise DataError(f"{archive}: has more than {max_files:,} files; it cannot be trusted")
        if total > max_bytes:
            raise DataError(f"{archive}: would unpack to more than {max_bytes:,} bytes; it cannot be trusted")
    if total > max(MAX_RATIO * archive.stat().st_size, FREE_BYTES):
        raise DataError(f"{archive}: would unpack to more than {MAX_RATIO} times its size; it cannot be trusted")
    return list(members.values())


def _entries(archive: Path, source: Source) -> Iterator[Member]:
    """Yield the files of an archive; skip folders and refuse anything else."""
    if isinstance(source, zipfile.ZipFile):
        for info in source.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{archive}: {info.filename!r} is a link or a device; it cannot be trusted")
            if not info.is_dir():
                yield info.filename, info.file_size, info
        return
    for member in source:
        if not (member.isreg() or member.isdir()):
            raise DataError(f"{archive}: {member.name!r} is a link or a device; it cannot be trusted")
        if member.isreg():
            yield member.name, member.size, member


def _inside(archive: Path, name: str) -> str:
    """Return a name as a plain path below the folder, or refuse the archive."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    invalid = not parts or path.is_absolute() or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]
    if invalid or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts):
        raise DataError(f"{archive}: {name!r} leads out of the folder or is not a file name; it cannot be trusted")
    return str(PurePosixPath(*parts))


def _read(archive: Path, source: Source, member: zipfile.ZipInfo | tarfile.TarInfo) -> IO[bytes]:
    if isinstance(source, zipfile.ZipFile):
        return source.open(member)  # type: ignore[arg-type]
    stream = source.extractfile(member)  # type: ignore[arg-type]
    if stream is None:
        raise DataError(f"{archive}: {member!r} cannot be read; it cannot be trusted")
    return stream


def _write(archive: Path, stream: IO[bytes], target: Path, size: int) -> None:
    """Copy a file; refuse it if its length is not that in the archive."""
    target.parent.mkdir(parents=True, exist_ok=True)
    n_bytes = 0
    with stream, open(target, "xb") as file:
        while block := stream.read(BLOCK):
            n_bytes += len(block)
            if n_bytes > size:
                break
            file.write(block)
    if n_bytes != size:
        raise DataError(f"{archive}: {target.name!r} is not as long as the archive says; it cannot be trusted")
