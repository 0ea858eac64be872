"""Read and write files atomically."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ostinato.errors import OstinatoError, ReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ADVICE = {
    errno.EACCES: "give this user permission",
    errno.EPERM: "give this user permission",
    errno.EROFS: "make the disk writable",
    errno.ENOSPC: "free some disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EDQUOT: "free some of the quota",
    errno.EIO: "check the disk",
    errno.ESTALE: "check the network share",
    errno.ENOTDIR: "make it a folder",
    errno.EISDIR: "remove the folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOMEM: "free some memory, or raise vm.max_map_count",
    errno.ENFILE: "raise the limit of open files",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "correct the link",
}
"""Advice by the number of the system's error."""
Value = TypeVar("Value")
PAUSES = (0.2, 1.0)
"""Seconds between attempts to read a file."""
MAX_PATIENCE = 20


def explain_refusal(error: OSError) -> str:
    """Describe why the system refused a file, and what to do.

    Examples
    --------
    >>> explain_refusal(OSError(errno.EROFS, "Read-only file system"))
    'Read-only file system; make the disk writable and run again'
    """
    return f"{error.strerror or error}; {ADVICE.get(error.errno or 0, 'correct that')} and run again"


def raise_refusal(path: Path, error: Exception) -> None:
    """Raise a ReadError if the system refused a file, whatever its content.

    Parameters
    ----------
    path : Path
    error : Exception
        Of a reader; ignored if it is about the content, or if the file is missing.
    """
    if isinstance(error, OSError) and error.errno in ADVICE:
        raise ReadError(f"{path}: cannot be read: {explain_refusal(error)}") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : Path
        The file to write; its folder is created if missing.

    Yields
    ------
    Path
        A file name beside `path`, ending in ``.partial``.

    Raises
    ------
    OstinatoError
        If the write fails, or `path` is a device, a pipe or a folder; then `path` is unchanged.
    """
    if path.exists() and not path.is_file():
        raise OstinatoError(f"{path}: is not a regular file, and would be replaced by one; name another file")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise OstinatoError(f"{path}: cannot be written: {explain_refusal(error)}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, and put it in the place of `folder` when the block ends well.

    Parameters
    ----------
    folder : Path
        It stands as it was until then, and if the block ends ill.

    Yields
    ------
    Path
        A folder beside it whose name ends in ``.partial``.
    """
    partial, old = (folder.with_name(f".{folder.name}.{end}.partial") for end in ("new", "old"))
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            os.replace(folder, old)
        os.replace(partial, folder)
    finally:
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value atomically as JSON with sorted keys.

    Parameters
    ----------
    path : Path
    value : object
        Serialisable by `json.dumps`; NaN is refused, since it is not JSON.
    """
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    OstinatoError
        If the file is missing, cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OstinatoError(f"{path}: is not there; run the stage that writes it (`dvc repro`)") from error
    except (OSError, ValueError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: is not JSON ({error}); delete it and run `dvc repro`") from error


FOOTER = b"footer"
"""Metadata key of a table for the digest of its footer."""


def _compute_footer_digest(schema: "pa.Schema", n_rows: int) -> bytes:
    """Compute a digest of column names and types, metadata, and the number of rows."""
    notes = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != FOOTER)
    columns = [(field.name, str(field.type), field.nullable) for field in schema]
    return hashlib.sha256(repr((columns, notes, n_rows)).encode()).hexdigest().encode()


def write_parquet(path: Path, table: "pa.Table") -> None:
    """Write a table atomically as Parquet, with a checksum per page and a digest of its footer.

    Parameters
    ----------
    path : Path
    table : pyarrow.Table
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    empty = pa.BufferOutputStream()
    pq.write_table(table.schema.empty_table(), empty, write_page_checksum=True)
    digest = _compute_footer_digest(pq.read_schema(empty.getvalue()), table.num_rows)  # as it will be read
    signed = table.replace_schema_metadata({**(table.schema.metadata or {}), FOOTER: digest})
    with atomic_write(path) as partial:
        pq.write_table(signed, partial, write_page_checksum=True)


def check_footer(path: Path) -> None:
    """Compare the footer of a table with its digest.

    Parameters
    ----------
    path : Path
        Files without a digest, not from `write_parquet`, pass.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the footer has changed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
    expected = (schema.metadata or {}).get(FOOTER)
    if expected is not None and expected != _compute_footer_digest(schema, n_rows):
        raise pa.ArrowInvalid("its footer has changed since it was written")


def read_parquet(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a table and verify the checksums of its footer and pages.

    Parameters
    ----------
    path : Path
    columns : list of str, optional
        Default: all.

    Returns
    -------
    DataFrame

    Raises
    ------
    OstinatoError
        If the file is missing, cannot be read, is not Parquet or is damaged.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        check_footer(path)
        return pd.read_parquet(path, columns=columns, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise OstinatoError(f"{path}: is not there; run the stage that writes it (`dvc repro`)") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise_refusal(path, error)
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise OstinatoError(
            f"{path}: is not a Parquet file or is damaged ({reason}); delete it and run `dvc repro`"
        ) from error


class _Patience:
    """Number of consecutive files that could not be read."""

    n_failed = 0


def retry_reading(read: Callable[[], Value]) -> Value:
    """Read a file, retrying after a pause, since a network share may be briefly unavailable.

    Parameters
    ----------
    read : callable

    Returns
    -------
    object
        Result of `read`.

    Raises
    ------
    OSError
        The last one. After `MAX_PATIENCE` consecutive failures, files are tried only once.
    """
    pauses = iter(PAUSES if _Patience.n_failed < MAX_PATIENCE else ())
    while True:
        try:
            value = read()
        except OSError:
            pause = next(pauses, None)
            if pause is None:
                _Patience.n_failed += 1
                raise
            time.sleep(pause)
        else:
            _Patience.n_failed = 0
            return value
