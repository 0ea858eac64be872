"""A request's body as a file, counted while it comes."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from fastapi import HTTPException, Request

from ostinato.audio import SUFFIXES

FORM = "a form is not read; send the file itself as the body, such as by curl --data-binary @song.mp3"


@asynccontextmanager
async def received(request: Request, name: str, max_bytes: int, seconds: float) -> AsyncIterator[Path]:
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

    Yields
    ------
    Path

    Raises
    ------
    HTTPException
        400 for no body, 408 for a slow one, 413 for a large one, 415 for a form.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise HTTPException(415, FORM)
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    with tempfile.TemporaryDirectory(prefix=f"ostinato-upload-{os.getpid()}-") as folder:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        try:
            async with asyncio.timeout(seconds):
                n_bytes = await _written(request, path, max_bytes)
        except TimeoutError:
            raise HTTPException(408, f"the file did not come within {seconds:g} s; send it again") from None
        if not n_bytes:
            raise HTTPException(400, "the request has no body; send an audio file as the body, as it is")
        yield path


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


async def _written(request: Request, path: Path, max_bytes: int) -> int:
    n_bytes = 0
    with open(path, "wb") as file:
        async for part in request.stream():
            n_bytes += len(part)
            if n_bytes > max_bytes:
                raise _too_large(max_bytes)
            file.write(part)
    return n_bytes


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the file is larger than {max_bytes / 1e6:g} MB; send a shorter or compressed one")
