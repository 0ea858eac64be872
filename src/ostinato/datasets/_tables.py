"""Listing audio, reading tables, and checking their columns."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ostinato.audio import SUFFIXES, find_audio
from ostinato.errors import DataError
from ostinato.io import delimited

log = logging.getLogger(__name__)


def audio_files(root: Path) -> list[str]:
    """Find the audio files below a folder, following links; see `ostinato.audio.find_audio`.

    Parameters
    ----------
    root : Path

    Returns
    -------
    list of str
        Paths below `root`, POSIX, sorted.

    Raises
    ------
    DataError
        If there is no folder, no audio, or a folder that cannot be listed.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; set dataset.path to the one that holds the audio")

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}); change its permissions") from error

    listing = find_audio(root, refuse, only_utf8=True)
    if listing.skipped:
        log.warning("%s: skipped: %s", root, listing.explain())
    if not listing.paths:
        raise DataError(f"{root}: has no audio ({' '.join(sorted(SUFFIXES))}); set dataset.path to another folder")
    return listing.paths


def is_text(path: Path) -> bool:
    """Return whether a table is a text table by its suffix."""
    return path.suffix.lower() != ".parquet"


def read_table(path: Path, header: bool = True) -> pd.DataFrame:
    """Read a table with every cell as text; an empty cell is unknown.

    Parameters
    ----------
    path : Path
        A text table (see `ostinato.io.delimited`), or Parquet, whose cells keep their types.
    header : bool
        Whether a text table has a header; else its columns are named "1", "2" ...

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If it cannot be read, or a column name is repeated.
    """
    if is_text(path):
        return delimited.read_table(path, header)
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({str(error).strip()}); write it again") from error


def require(table: pd.DataFrame, columns: Iterable[str], where: Path) -> None:
    """Refuse a table that lacks a column.

    Parameters
    ----------
    table : DataFrame
    columns : iterable of str
    where : Path
        File it was read from, for the message.

    Raises
    ------
    DataError
    """
    for name in columns:
        if name not in table:
            raise DataError(f"{where}: has no column {name!r}; it has {', '.join(map(str, table.columns))}")


def find(root: Path, *names: str) -> Path:
    """Return the first of several files or folders that exists.

    Parameters
    ----------
    root : Path
    *names : str
        Below `root`, the most likely first.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If none exists; the message names the first.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(f"{root / names[0]}: does not exist; run `ostinato download`, or set dataset.path to its folder")
