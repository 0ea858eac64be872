"""Putting one folder in the place of another so that no reader ever finds none.

Linux can exchange two paths in one step (renameat2 with RENAME_EXCHANGE). Where the
file system cannot, two renames do it, and `settle` finishes what a crash between
them left.
"""

import ctypes
import errno
import os
import shutil
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV, errno.EPERM)


def exchange(a: Path, b: Path) -> None:
    """Let two folders of one file system change places.

    Parameters
    ----------
    a, b : Path
        Both must exist.
    """
    try:
        _exchange_at_once(a, b)
    except NotImplementedError:
        spare = _spare(b)
        os.replace(b, spare)
        os.replace(a, b)
        os.replace(spare, a)


def settle(a: Path, b: Path) -> None:
    """Finish an exchange that stopped between its renames.

    Parameters
    ----------
    a, b : Path
        The arguments of that `exchange`. If `b` was away it comes back as it
        was; if only `a` was still missing, the exchange is completed.
    """
    spare = _spare(b)
    if not spare.exists():
        return
    if b.exists() and a.exists():
        shutil.rmtree(spare)
    else:
        os.replace(spare, a if b.exists() else b)


def install(complete: Path, folder: Path) -> None:
    """Put a complete folder where `folder` is or is not yet; what stood there is gone afterwards.

    Parameters
    ----------
    complete : Path
        On the same file system; gone afterwards.
    folder : Path
    """
    sync(complete)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        exchange(complete, folder)
        shutil.rmtree(complete)
    else:
        os.replace(complete, folder)
    sync(folder.parent)


def sync(folder: Path) -> None:
    """Have the disk hold a folder's files and names, not its cache alone."""
    for path in [*(p for p in folder.iterdir() if p.is_file()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _spare(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.leaving")


def _exchange_at_once(a: Path, b: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise NotImplementedError
    if renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        raise NotImplementedError
    raise OSError(code, os.strerror(code), str(b))
