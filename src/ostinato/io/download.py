"""Downloads of datasets: resumed after interruptions, checked, then unpacked."""

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
    """Download the files of a dataset, except those downloaded before.

    Parameters
    ----------
    remotes : tuple of datasets._remote.Remote
    root : Path

    Returns
    -------
    list of str
        Names of the files downloaded by this call.

    Raises
    ------
    DataError
        If a server does not answer, a checksum differs, or an archive cannot be trusted.
        Partial downloads are kept, and the next call resumes them.
    """
    root.mkdir(parents=True, exist_ok=True)
    names = []
    for remote in remotes:
        marker = root / f".{remote.name}.fetched"
        if marker.exists() and marker.read_text() == remote.checksum:
            continue
        file = fetch(remote.url, root / remote.name, remote.checksum, remote.max_bytes)
        if remote.unpack:
            unpack(file, root, max_bytes=remote.max_bytes)
            file.unlink()
        marker.write_text(remote.checksum)
        names.append(remote.name)
    return names


def fetch(url: str, target: Path, checksum: str, max_bytes: int) -> Path:
    """Download a file, resuming an earlier call.

    Parameters
    ----------
    url : str
    target : Path
    checksum : str
        Algorithm and hexadecimal digest, such as ``sha256:...``.
    max_bytes : int
        Refuse longer files.

    Returns
    -------
    Path
        `target`, complete and checked.

    Raises
    ------
    DataError
    """
    if target.exists() and _digest(target, checksum) == checksum:
        return target
    partial = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _resume(url, partial, max_bytes)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise DataError(
                    f"{url}: the server answers {error.code} {error.reason}; check whether the file moved"
                ) from error
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS:
                raise DataError(f"{url}: was interrupted ({error}); run it again to resume") from error
        log.warning("%s: was interrupted, resuming (%d of %d)", url, attempt + 1, ATTEMPTS)
    digest = _digest(partial, checksum)
    if digest != checksum:
        partial.unlink()
        raise DataError(f"{url}: has another checksum ({digest} instead of {checksum}); it was deleted")
    partial.replace(target)
    return target


def _resume(url: str, partial: Path, max_bytes: int) -> None:
    """Append the missing part; start again if the server cannot resume."""
    n_bytes = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={n_bytes}-"} if n_bytes else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and n_bytes:
            return
        raise
    with response:
        is_partial = response.status == http.client.PARTIAL_CONTENT
        n_bytes = n_bytes if is_partial else 0
        length = response.headers.get("Content-Length")
        total = n_bytes + int(length) if length else None
        with (
            open(partial, "ab" if is_partial else "wb") as file,
            tqdm(total=total, initial=n_bytes, unit="B", unit_scale=True, desc=partial.stem) as progress,
        ):
            while block := response.read(BLOCK):
                n_bytes += len(block)
                if n_bytes > max_bytes:
                    partial.unlink()
                    raise DataError(f"{url}: is longer than {max_bytes:,} bytes; it was deleted")
                file.write(block)
                progress.update(len(block))
        if total is not None and n_bytes < total:
            raise http.client.IncompleteRead(b"", total - n_bytes)


def _digest(path: Path, checksum: str) -> str:
    kind = checksum.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"
