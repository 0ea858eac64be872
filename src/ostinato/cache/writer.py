"""Writing of shards: one array of rows, beside its final path or appended to an existing shard."""

import hashlib
import math
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ostinato.cache.store import combine_digest
from ostinato.errors import OstinatoError

BLOCK = 1 << 15
"""Values that are rounded at a time."""
READ_BYTES = 1 << 20
"""Bytes that are hashed at a time."""


class StagedFile(NamedTuple):
    """A finished array: in a temporary file, or in its final path if rows were appended there."""

    path: Path
    target: Path
    dtype: str
    tail: tuple[int, ...]
    digest: str

    def commit(self) -> None:
        """Move the file to its final path."""
        if self.path != self.target:
            os.replace(self.path, self.target)

    def discard(self) -> None:
        """Delete the file if it is temporary."""
        if self.path != self.target:
            self.path.unlink()


class Writer:
    """Write one array of rows incrementally: to a temporary file, or appended to an existing one.

    Parameters
    ----------
    path : Path
        The final path, which ends in ``.npy``.
    n_kept : int
        Number of existing rows to keep; 0: write a temporary file.

    Raises
    ------
    OstinatoError
        If the disk refuses the write. After any failure the file at `path` is as it was,
        and no temporary file is left.
    """

    def __init__(self, path: Path, n_kept: int = 0) -> None:
        self.n_rows = self._n_kept = n_kept
        self._target = path
        self._path = path if n_kept else path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        self._dtype: np.dtype[Any] = np.dtype(np.float16)
        self._tail: tuple[int, ...] = (0,)
        self._has_header = self._is_finished = False
        self._digest = hashlib.sha256()

    def __enter__(self) -> "Writer":
        with self._name_file_in_errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "r+b" if self._n_kept else "xb")
            if self._n_kept:
                self._seek_end()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(OSError) if kind else self._name_file_in_errors():
            self._file.close()
        if kind and self._n_kept:
            self._roll_back()
        elif kind or not self._is_finished:
            self._path.unlink(missing_ok=True)

    def _seek_end(self) -> None:
        """Move to the end of the rows to keep; drop rows of a killed run, which are not in the index."""
        np.lib.format.read_magic(self._file)
        shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._file)
        self._tail, self._has_header = tuple(shape)[1:], True
        self._end = self._file.tell() + self._n_kept * self._dtype.itemsize * math.prod(self._tail)
        n_left = self._end - self._file.tell()
        while n_left > 0 and (content := self._file.read(min(n_left, READ_BYTES))):
            self._digest.update(content)
            n_left -= len(content)
        if self._file.seek(0, os.SEEK_END) > self._end:
            self._file.truncate(self._end)
        self._file.seek(self._end)

    def _roll_back(self) -> None:
        """Restore the file as it was, with the rows to keep."""
        self.n_rows = self._n_kept
        with open(self._path, "r+b") as self._file:
            self._write_header(self._file)
            self._file.truncate(self._end)

    def append(self, rows: np.ndarray) -> None:
        """Append rows.

        Parameters
        ----------
        rows : np.ndarray [shape=(rows, *tail)]
            All with one dtype and tail; float32 is stored as float16.
        """
        rows = half(rows) if rows.dtype == np.float32 else np.ascontiguousarray(rows)
        with self._name_file_in_errors():
            if not self._has_header:
                self._dtype, self._tail, self._has_header = rows.dtype, rows.shape[1:], True
                self._write_header(self._file)
            self._file.write(rows.data)
        self._digest.update(rows.data)
        self.n_rows += len(rows)

    def finish(self) -> StagedFile:
        """Complete the file and describe it.

        It is not synced to the disk: a shard that a power failure truncates is detected and rewritten.
        """
        with self._name_file_in_errors():
            if self.n_rows > self._n_kept:
                self._file.seek(0)
                self._write_header(self._file)
            self._file.flush()
        self._is_finished = True
        header = BytesIO()
        self._write_header(header)
        digest = combine_digest(self._digest.digest(), header.getvalue())
        return StagedFile(self._path, self._target, self._dtype.name, tuple(self._tail), digest)

    def _write_header(self, file: IO[bytes]) -> None:
        """Write the header; its length does not depend on the number of rows."""
        shape = (self.n_rows, *self._tail)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    @contextmanager
    def _name_file_in_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OstinatoError(
                f"{self._target}: cannot be written ({error.strerror or error}); free some disk space and run again"
            ) from error


def half(x: np.ndarray) -> np.ndarray:
    """Round to half precision, like ``astype`` for finite values below 65520, in less than half the time.

    A float32 times 2**-112 has the exponent of the float16, so that only the significand
    must be rounded to nearest even and the bits shifted.

    Parameters
    ----------
    x : np.ndarray
        Floats.

    Returns
    -------
    np.ndarray
        Shape of `x`, dtype float16.

    Examples
    --------
    >>> half(np.float32([1.0, -80.3, 0.0]))
    array([  1. , -80.3,   0. ], dtype=float16)
    """
    flat = np.ascontiguousarray(x, np.float32).reshape(-1)
    bits = np.empty(flat.size, np.uint16)
    for start in range(0, flat.size, BLOCK):
        scaled = (flat[start : start + BLOCK] * np.float32(2.0**-112)).view(np.uint32)
        rounded = scaled >> np.uint32(13)
        rounded &= np.uint32(1)
        rounded += scaled
        rounded += np.uint32(0x0FFF)
        rounded >>= np.uint32(13)
        rounded &= np.uint32(0x7FFF)
        scaled >>= np.uint32(16)
        scaled &= np.uint32(0x8000)
        bits[start : start + BLOCK] = rounded | scaled
    return bits.view(np.float16).reshape(x.shape)
