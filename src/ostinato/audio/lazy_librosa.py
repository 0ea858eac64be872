"""The import of librosa, which compiles functions and keeps them in files."""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

from ostinato.io.user_cache import open_user_cache

log = logging.getLogger(__name__)

FOLDER = "NUMBA_CACHE_DIR"
"""Environment variable of numba: where compiled functions are kept."""


@cache
def import_librosa() -> ModuleType:
    """Import librosa, one process at a time, with compiled functions in the user's cache.

    numba writes two files for each function. If two processes compile one at the same
    time, the files may be of both, and calling the function then ends any process with a
    segmentation fault.

    References
    ----------
    https://github.com/numba/numba/issues/10128
    """
    from filelock import FileLock

    folder = _open_folder()
    if "numba" not in sys.modules:
        os.environ.setdefault(FOLDER, str(folder))
    with FileLock(folder / "import.lock"):
        if next(folder.rglob("*.nbi"), None) is None:
            log.warning("first use of librosa: compiling its functions takes some 20 seconds")
        import librosa
        import librosa.beat
        import librosa.core.pitch
        import librosa.effects
        import librosa.onset
    return librosa


def _open_folder() -> Path:
    """Return a folder for compiled functions; a temporary one if none can be kept."""
    try:
        folder = Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else open_user_cache("numba")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        folder = None
    if folder is None or not os.access(folder, os.W_OK):
        folder = Path(tempfile.mkdtemp(prefix="ostinato-numba-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
