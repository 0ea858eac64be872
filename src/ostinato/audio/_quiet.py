"""Silence the messages of decoders written in C."""

import ctypes
import os
import threading
from contextlib import suppress
from functools import cache


class Quiet:
    """Discard what C code prints to standard error while any thread is inside.

    libsndfile offers no way to silence libmpg123. With glibc, ``stderr`` is a variable
    that can point to a stream to /dev/null; with other C libraries, and if /dev/null
    cannot be opened, nothing is silenced. Output of Python, and writes to descriptor 2,
    still appear.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._original: int | None = None

    def __enter__(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._n_inside += 1
            if self._n_inside == 1:
                stderr, null = _open_streams()
                self._original, stderr.value = stderr.value, null

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0 and self._original is not None:
                _open_streams()[0].value, self._original = self._original, None


QUIET = Quiet()


@cache
def _open_streams() -> tuple[ctypes.c_void_p, int]:
    """Return glibc's variable ``stderr``, and a stream to /dev/null.

    Raises
    ------
    OSError, ValueError
        If the C library is another one, or /dev/null cannot be opened, such as for lack of
        descriptors; the next call tries again.
    """
    if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
        raise OSError("the C library is not glibc")
    library = ctypes.CDLL(None)
    library.fopen.restype = ctypes.c_void_p
    null = library.fopen(os.devnull.encode(), b"w")
    if null is None:
        raise OSError(f"{os.devnull}: cannot be opened")
    return ctypes.c_void_p.in_dll(library, "stderr"), null
