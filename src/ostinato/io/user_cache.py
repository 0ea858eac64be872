"""Folders in the user's cache."""

import os
from pathlib import Path


def open_user_cache(name: str) -> Path:
    """Return a folder of ``$XDG_CACHE_HOME/ostinato``, made if it does not exist.

    Parameters
    ----------
    name : str
        Of the folder.

    Raises
    ------
    RuntimeError
        If the user has no home.
    OSError
        If the folder cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "ostinato" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
