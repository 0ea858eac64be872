"""Keep what decoders written in C print off the screen."""

import ctypes
import os
import threading
from contextlib import suppress
from functools import cache


class Quiet:
    """Keep what C code prints from standard error while any thread is inside.

    libsndfile leaves libmpg123 no way to be quiet. The C library's ``stderr`` is a
    variable where that is glibc, and points elsewhere meanwhile; elsewhere decoders
    are heard. What Python prints, and what writes to descriptor 2, comes out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._loud: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1 and (streams := _streams()) is not None:
                stderr, nowhere = streams
                self._loud, stderr.value = stderr.value, nowhere

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._loud is not None and (streams := _streams()) is not None:
                streams[0].value, self._loud = self._loud, None


QUIET = Quiet()


@cache
def _streams() -> tuple[ctypes.c_void_p, int] | None:
    """Return the C library's ``stderr`` and a file that keeps nothing; None without glibc."""
    with suppress(ValueError, OSError):
        if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            library = ctypes.CDLL(None)
            library.fopen.restype = ctypes.c_void_p
            return ctypes.c_void_p.in_dll(library, "stderr"), library.fopen(os.devnull.encode(), b"w")
    return None
