"""Silence the messages of decoders written in C."""

import ctypes
import os
import threading
from contextlib import suppress
from functools import cache


class Quiet:
    """Discard what C code prints to standard error while any thread is inside.

    libsndfile offers no way to silence libmpg123. With glibc, ``stderr`` is a variable
    and is pointed to /dev/null meanwhile; other C libraries are not silenced. Output of
    Python, and writes to descriptor 2, still appear.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._stderr: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1 and (streams := _streams()) is not None:
                stderr, nowhere = streams
                self._stderr, stderr.value = stderr.value, nowhere

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._stderr is not None and (streams := _streams()) is not None:
                streams[0].value, self._stderr = self._stderr, None


QUIET = Quiet()


@cache
def _streams() -> tuple[ctypes.c_void_p, int] | None:
    """Return glibc's ``stderr`` and an open /dev/null; None without glibc."""
    with suppress(ValueError, OSError):
        if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            library = ctypes.CDLL(None)
            library.fopen.restype = ctypes.c_void_p
            return ctypes.c_void_p.in_dll(library, "stderr"), library.fopen(os.devnull.encode(), b"w")
    return None
