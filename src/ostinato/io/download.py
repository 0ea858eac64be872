"""Fetching what a dataset publishes: resumed where it broke off, checked, then unpacked."""

import hashlib
import http.client
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ostinato.errors import DataError
from ostinato.io.archives import unpack

ATTEMPTS = 5
TIMEOUT = 60
BLOCK = 2**18

log = logging.getLogger(__name__)


def download(remotes: tuple[Any, ...], root: Path) -> list[str]:
    """Fetch files below a dataset's root; what is there already is not fetched again.

    Parameters
    ----------
    remotes : tuple of datasets._remote.Remote
    root : Path

    Returns
    -------
    list of str
        Names of what was fetched this time.

    Raises
    ------
    DataError
        If a server does not answer, sends something else than was published, or an
        archive cannot be trusted. What was fetched so far is kept, and the next call
        goes on from there.
    """
    root.mkdir(parents=True, exist_ok=True)
    fetched = []
    for remote in remotes:
        done = root / f".{remote.name}.fetched"
        if done.exists() and done.read_text() == remote.checksum:
            continue
        file = fetch(remote.url, root / remote.name, remote.checksum, remote.max_bytes)
        if remote.unpack:
            unpack(file, root, max_bytes=remote.max_bytes)
            file.unlink()
        done.write_text(remote.checksum)
        fetched.append(remote.name)
    return fetched


def fetch(url: str, target: Path, checksum: str, max_bytes: int) -> Path:
    """Fetch one file, going on from what an earlier call left.

    Parameters
    ----------
    url : str
    target : Path
    checksum : str
        As ``sha256:...``; the digest's kind and its hex digits.
    max_bytes : int
        Refuse what is longer.

    Returns
    -------
    Path
        `target`, whole and checked.

    Raises
    ------
    DataError
    """
    if target.exists() and _digest(target, checksum) == checksum:
        return target
    partial = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _go_on(url, partial, max_bytes)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise DataError(
                    f"{url}: the server answers {error.code} {error.reason}; look whether it moved"
                ) from error
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS:
                raise DataError(f"{url}: broke off ({error}); run it again, it goes on from there") from error
        log.warning("%s: broke off, going on (%d of %d)", url, attempt + 1, ATTEMPTS)
    found = _digest(partial, checksum)
    if found != checksum:
        partial.unlink()
        raise DataError(f"{url}: is not what was published ({found} instead of {checksum}); it was deleted")
    partial.replace(target)
    return target


def _go_on(url: str, partial: Path, max_bytes: int) -> None:
    """Append what is missing; begin anew where the server cannot go on."""
    there = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and there:
            return
        raise
    with answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        there = there if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = there + int(length) if length else None
        with (
            open(partial, "ab" if goes_on else "wb") as file,
            tqdm(total=total, initial=there, unit="B", unit_scale=True, desc=partial.stem) as progress,
        ):
            while block := answer.read(BLOCK):
                there += len(block)
                if there > max_bytes:
                    partial.unlink()
                    raise DataError(f"{url}: is longer than {max_bytes:,} bytes; it was deleted")
                file.write(block)
                progress.update(len(block))
        if total is not None and there < total:
            raise http.client.IncompleteRead(b"", total - there)


def _digest(path: Path, checksum: str) -> str:
    kind = checksum.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"
