"""A request's body as a file, counted while it comes."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path, PurePosixPath

from fastapi import HTTPException, Request

from ostinato.audio import SUFFIXES

PART_SECONDS = 10.0
"""A body of which nothing comes for so long is given up."""
NO_ROOM = "the service has no room for the file; try again later"
FORM = "a form is not read; send the file itself as the body, such as by curl --data-binary @song.mp3"


class Room:
    """How much of all uploads together may lie on the disk.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.n_bytes = max_bytes, 0

    @contextmanager
    def counted(self) -> Iterator[Callable[[int], None]]:
        """Count one upload until the block ends; the function it gives takes the bytes of each part."""
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
async def received(request: Request, name: str, max_bytes: int, seconds: float, room: Room) -> AsyncIterator[Path]:
    """Receive a body into a temporary file that goes when the block ends.

    Parameters
    ----------
    request : Request
    name : str
        What the sender calls the file; its suffix tells which decoder is tried first.
    max_bytes : int
        More is refused as soon as it is announced, or has come.
    seconds : float
        How long a sender may take.
    room : Room
        For all uploads together.

    Yields
    ------
    Path

    Raises
    ------
    HTTPException
        400 for no body, 408 for a slow one, 413 for a large one, 415 for a form, 503 where there is no room.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise HTTPException(415, FORM)
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    with tempfile.TemporaryDirectory(prefix=f"ostinato-upload-{os.getpid()}-") as folder, room.counted() as add:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        try:
            with open(path, "wb") as file:
                async for part in _parts(request, max_bytes, seconds):
                    add(len(part))
                    file.write(part)
        except OSError as error:
            raise HTTPException(503, NO_ROOM) from error
        if not path.stat().st_size:
            raise HTTPException(400, "the request has no body; send an audio file as the body, as it is")
        yield path


async def whole(request: Request, max_bytes: int, seconds: float) -> bytes:
    """Receive a small body into memory; see `received`."""
    return b"".join([part async for part in _parts(request, max_bytes, seconds)])


def sweep() -> None:
    """Delete the files of services that were killed while they received or read them."""
    for folder in Path(tempfile.gettempdir()).glob("ostinato-upload-*"):
        owner = re.match(r"ostinato-upload-(\d+)-", folder.name)
        if owner and not _runs(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


async def _parts(request: Request, max_bytes: int, seconds: float) -> AsyncIterator[bytes]:
    """Give a body as it comes, within limits of size and time."""
    announced = request.headers.get("content-length", "0")
    n_bytes = int(announced) if announced.isdecimal() else 0
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
            if now() > end:  # a part that was there at once gives the timeout no turn
                raise TimeoutError
            n_bytes += len(part)
            if n_bytes > max_bytes:
                raise _too_large(max_bytes)
            yield part
    except TimeoutError:
        slow = f"the body did not come within {seconds:g} s, or nothing of it for {PART_SECONDS:g} s; send it again"
        raise HTTPException(408, slow) from None


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the body is larger than {max_bytes / 1e6:g} MB; send less")
