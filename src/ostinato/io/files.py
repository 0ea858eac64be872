"""Write files atomically: whole or not at all."""

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ostinato.errors import OstinatoError, ReadError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MENDS = {
    errno.EACCES: "let this user in",
    errno.EPERM: "let this user in",
    errno.EROFS: "make the disk writable",
    errno.ENOSPC: "free some disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EDQUOT: "free some of the quota",
    errno.EIO: "see whether the disk is sound",
    errno.ESTALE: "see whether the share is there",
    errno.ENOTDIR: "make it a folder",
    errno.EISDIR: "remove the folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ELOOP: "mend the link",
}
"""What to do where the system refuses a file, by the number of its error."""
Value = TypeVar("Value")
PAUSES = (0.2, 1.0)
"""Seconds before a file is tried again."""
MAX_PATIENCE = 20


def explain_refusal(error: OSError) -> str:
    """Put in words why the system refused a file, and what to do.

    Examples
    --------
    >>> explain_refusal(OSError(errno.EROFS, "Read-only file system"))
    'Read-only file system; make the disk writable and run again'
    """
    return f"{error.strerror or error}; {MENDS.get(error.errno or 0, 'mend that')} and run again"


def raise_refusal(path: Path, error: Exception) -> None:
    """Raise a ReadError if the system refused a file, which says nothing of what the file holds.

    Parameters
    ----------
    path : Path
    error : Exception
        Of a reader; nothing is done if it speaks of the content, or if the file is absent.
    """
    if isinstance(error, OSError) and error.errno in MENDS:
        raise ReadError(f"{path}: cannot be read: {explain_refusal(error)}") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a partial path to write to, and rename it to `path` when the block ends well.

    Parameters
    ----------
    path : Path
        What shall stand at the end; its folder is made if need be.

    Yields
    ------
    Path
        A file name beside `path`, ending in ``.partial``.

    Raises
    ------
    OstinatoError
        If the disk refuses the write; what stood at `path` still stands.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise OstinatoError(f"{path}: cannot be written: {explain_refusal(error)}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with sorted keys, whole or not at all.

    Parameters
    ----------
    path : Path
    value : object
        What `json.dumps` takes; NaN is refused, since it is no JSON.
    """
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read one JSON file.

    Raises
    ------
    OstinatoError
        If the file is absent, cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OstinatoError(f"{path}: is not there; run the stage that writes it (`dvc repro`)") from error
    except (OSError, ValueError) as error:
        raise_refusal(path, error)
        raise OstinatoError(f"{path}: is no JSON ({error}); delete it and run `dvc repro`") from error


FOOTER = b"footer"
"""Metadata of a table: the digest of what else its footer says."""


def _compute_footer_digest(schema: "pa.Schema", n_rows: int) -> bytes:
    """Compute a digest of names and types of columns, of the metadata beside them, and of the number of rows."""
    notes = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != FOOTER)
    columns = [(field.name, str(field.type), field.nullable) for field in schema]
    return hashlib.sha256(repr((columns, notes, n_rows)).encode()).hexdigest().encode()


def write_parquet(path: Path, table: "pa.Table") -> None:
    """Write a table as Parquet with a checksum of every page and a digest of its footer, whole or not at all.

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
    sealed = table.replace_schema_metadata({**(table.schema.metadata or {}), FOOTER: digest})
    with atomic_write(path) as partial:
        pq.write_table(sealed, partial, write_page_checksum=True)


def check_footer(path: Path) -> None:
    """Compare the footer of a table with the digest that it holds.

    Parameters
    ----------
    path : Path
        One that `write_parquet` did not write has no digest and passes.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the footer is another one than was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
    expected = (schema.metadata or {}).get(FOOTER)
    if expected is not None and expected != _compute_footer_digest(schema, n_rows):
        raise pa.ArrowInvalid("its footer is not the one that was written")


def read_parquet(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a table, comparing its footer and every page that is read with their checksums.

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
        If the file is absent, cannot be read, is not a Parquet file or is damaged.
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
    """How many files in a row could not be read."""

    n_failed = 0


def retry_reading(read: Callable[[], Value]) -> Value:
    """Read a file, again after a pause where the system refuses, since a share may be away for a moment.

    Parameters
    ----------
    read : callable

    Returns
    -------
    object
        What `read` gives.

    Raises
    ------
    OSError
        The last one. After `MAX_PATIENCE` files in a row that cannot be read, the next ones are tried once.
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
