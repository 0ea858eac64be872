"""Receive a request's body as a file, within limits."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath

from fastapi import HTTPException, Request
from filelock import FileLock, Timeout

from ostinato.audio import SUFFIXES

PREFIX, LOCK = "ostinato-upload-", ".lock"
STALE_SECONDS = 3600.0
"""Age from which a folder without a lock is deleted."""
PART_SECONDS = 10.0
"""Time without data after which a body is refused."""
NO_ROOM = "the service has no room for the file; try again later"
FORM = "forms are not supported; send the file itself as the body, such as by curl --data-binary @song.mp3"


class Room:
    """Temporary storage of uploads, with a limit on their total size.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.n_bytes = max_bytes, 0

    @cached_property
    def folder(self) -> Path:
        """A temporary folder, locked while this process runs."""
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = FileLock(folder / LOCK)
        self._lock.acquire()
        return folder

    def close(self) -> None:
        """Delete the folder."""
        if "folder" in self.__dict__:
            self._lock.release()
            shutil.rmtree(self.__dict__.pop("folder"), ignore_errors=True)

    @contextmanager
    def count(self) -> Iterator[Callable[[int], None]]:
        """Count one upload until the block ends; the yielded function takes the size of each part."""
        n_bytes = 0

        def add(n: int) -> None:
            nonlocal n_bytes
            if self.n_bytes + n > self.max_bytes:
                raise HTTPException(503, NO_ROOM, headers={"Retry-After": "1"})
            self.n_bytes, n_bytes = self.n_bytes + n, n_bytes + n

        try:
            yield add
        finally:
            self.n_bytes -= n_bytes


@asynccontextmanager
async def receive(request: Request, name: str, max_bytes: int, seconds: float, room: Room) -> AsyncIterator[Path]:
    """Receive a body into a temporary file that is deleted when the block ends.

    Parameters
    ----------
    request : Request
    name : str
        The client's name of the file; its suffix selects the decoder to try first.
    max_bytes : int
        A larger body is refused by its Content-Length, or once received.
    seconds : float
        Time limit for receiving the body.
    room : Room
        Storage shared by all uploads.

    Yields
    ------
    Path

    Raises
    ------
    HTTPException
        400 without a body, 408 if slow, 413 if too large, 415 for a form, 503 without room.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise HTTPException(415, FORM)
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    with tempfile.TemporaryDirectory(dir=room.folder) as folder, room.count() as add:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        try:
            with open(path, "wb") as file:
                async for part in _parts(request, max_bytes, seconds):
                    add(len(part))
                    file.write(part)
        except OSError as error:
            raise HTTPException(503, NO_ROOM) from error
        if not path.stat().st_size:
            raise HTTPException(400, "the request has no body; send an audio file as the body")
        yield path


async def whole(request: Request, max_bytes: int, seconds: float) -> bytes:
    """Receive a small body into memory; see `receive`."""
    return b"".join([part async for part in _parts(request, max_bytes, seconds)])


def sweep() -> None:
    """Delete the folders of killed services: those whose locks are free."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Return whether no running service uses a folder."""
    try:
        if not (folder / LOCK).exists():  # a service is just creating it, or an older one left it
            return folder.stat().st_mtime < time.time() - STALE_SECONDS
        with FileLock(folder / LOCK, timeout=0):
            return True
    except (OSError, Timeout):
        return False


async def _parts(request: Request, max_bytes: int, seconds: float) -> AsyncIterator[bytes]:
    """Yield a body as it arrives, within limits of size and time."""
    content_length = request.headers.get("content-length", "0")
    n_bytes = int(content_length) if content_length.isdecimal() else 0
    if n_bytes > max_bytes:
        raise _too_large(max_bytes)
    stream, now, n_bytes = request.stream(), asyncio.get_running_loop().time, 0
    end = now() + seconds
    try:
        while True:
            async with asyncio.timeout_at(min(end, now() + PART_SECONDS)):
                part = await anext(stream, None)
            if part is None:
                return
            if now() > end:  # parts that are ready at once never trigger the timeout
                raise TimeoutError
            n_bytes += len(part)
            if n_bytes > max_bytes:
                raise _too_large(max_bytes)
            yield part
    except TimeoutError:
        message = f"the body did not arrive within {seconds:g} s, or paused for {PART_SECONDS:g} s; send it again"
        raise HTTPException(408, message) from None


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {max_bytes / 1e6:g} MB; send less")
