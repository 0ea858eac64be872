"""Control whether freed memory is kept for the next batch or returned to the system.

By default the C library returns large blocks to the system at once, and each batch
requests them again, page by page; fresh pages can cost as much as the arithmetic on
them.
"""

import ctypes
import functools

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of mallopt, as in glibc's malloc.h."""
NO_TRIMMING = -1


@functools.cache
def keep_freed() -> bool:
    """Let the C library keep memory that this process frees; call it once per process.

    Returns
    -------
    bool
        Whether the C library supports it; glibc does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, NO_TRIMMING))


def return_freed() -> bool:
    """Return freed memory to the system, such as after a burst of requests.

    Returns
    -------
    bool
        Whether memory was returned; only glibc supports it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
