"""Control whether freed memory is kept for the next batch or given back to the system.

By default the C library gives large blocks back to the system at once, and each
batch asks for them again, page by page; fresh pages can cost as much as the
arithmetic on them.
"""

import ctypes
import functools

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of mallopt's parameters in glibc's malloc.h."""
NEVER = -1


@functools.cache
def keep_freed() -> bool:
    """Let the C library keep what this process frees; a process needs it once.

    Returns
    -------
    bool
        Whether it could be told: glibc can, others go on as before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, NEVER))


def return_freed() -> bool:
    """Return freed memory to the system, such as after a burst of requests.

    Returns
    -------
    bool
        Whether anything went back: glibc can, others do as they do.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
