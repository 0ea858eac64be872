"""Expectations of the folders of the tracks: every file in them belongs to a track."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.audio import SUFFIXES

PATH_COLUMNS = ("path", "lyrics", "cover")


def prepare(tracks: pd.DataFrame, root: Path) -> pd.DataFrame:
    """List the files without a track, in folders where tracks have files of the same kind.

    Parameters
    ----------
    tracks : DataFrame
        With those of `path`, `lyrics` and `cover` that exist.
    root : Path
        Folder of these files.

    Returns
    -------
    DataFrame
        `track_id` and `unnamed`, both the file's path below `root`, sorted. All audio is of
        one kind, any other suffix is its own kind.
    """
    used = {path for column in PATH_COLUMNS if column in tracks for path in tracks[column] if isinstance(path, str)}
    kinds = {(Path(path).parent, _kind(Path(path))) for path in used}
    paths = sorted({path for folder in {folder for folder, _ in kinds} for path in _files(root, folder, kinds)} - used)
    paths = [path for path in paths if not _leads_to(root / path, root, used)]
    return pd.DataFrame({"track_id": paths, "unnamed": paths}, dtype=object)


def suite(bounds: Any) -> list[Expectation]:
    """Expect no file without a track.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Of files, not of tracks: nothing goes to quarantine.
    """
    return [gxe.ExpectColumnValuesToBeNull(column="unnamed", meta={"reason": "files without a track"})]


def _leads_to(path: Path, root: Path, paths: set[str]) -> bool:
    """Return whether a file is a link to a track's file."""
    if not path.is_symlink():
        return False
    real, base = path.resolve(), root.resolve()
    return real.is_relative_to(base) and real.relative_to(base).as_posix() in paths


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return "audio" if suffix in SUFFIXES else suffix


def _files(root: Path, folder: Path, kinds: set[tuple[Path, str]]) -> Iterator[str]:
    """Yield the files of a folder whose kind tracks have there, except hidden ones."""
    if (root / folder).is_dir():
        for file in (root / folder).iterdir():
            if (folder, _kind(file)) in kinds and not file.name.startswith(".") and file.is_file():
                yield os.fsencode((folder / file.name).as_posix()).decode("utf-8", "backslashreplace")
