"""Expectations of the folders of the tracks: no file lies there that no track names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.expectation import Expectation

from ostinato.audio import SUFFIXES

NAMING = ("path", "lyrics", "cover")


def prepare(tracks: pd.DataFrame, root: Path) -> pd.DataFrame:
    """List the files that no track names, in the folders where named ones of their kind lie.

    Parameters
    ----------
    tracks : DataFrame
        With `path`, `lyrics` and `cover`, as far as there are any.
    root : Path
        Below which these lie.

    Returns
    -------
    DataFrame
        `track_id` and `unnamed`, both the file's path below `root`, sorted. All kinds of
        audio count as one kind, any other suffix as its own.
    """
    named = {path for column in NAMING if column in tracks for path in tracks[column] if isinstance(path, str)}
    kinds = {(Path(path).parent, _kind(Path(path))) for path in named}
    found = sorted({path for folder in {folder for folder, _ in kinds} for path in _files(root, folder, kinds)} - named)
    found = [path for path in found if not _leads_to(root / path, root, named)]
    return pd.DataFrame({"track_id": found, "unnamed": found}, dtype=object)


def suite(bounds: Any) -> list[Expectation]:
    """Expect no file without a track.

    Parameters
    ----------
    bounds : params.Validate

    Returns
    -------
    list of Expectation
        Of files that are no tracks: nothing goes to quarantine by it.
    """
    return [gxe.ExpectColumnValuesToBeNull(column="unnamed", meta={"reason": "files that no track names"})]


def _leads_to(path: Path, root: Path, named: set[str]) -> bool:
    """Return whether a file is a link to one that a track names."""
    if not path.is_symlink():
        return False
    real, base = path.resolve(), root.resolve()
    return real.is_relative_to(base) and real.relative_to(base).as_posix() in named


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return "audio" if suffix in SUFFIXES else suffix


def _files(root: Path, folder: Path, kinds: set[tuple[Path, str]]) -> Iterator[str]:
    """Yield the files of a folder that are of a kind that tracks have there, hidden ones aside."""
    if (root / folder).is_dir():
        for file in (root / folder).iterdir():
            if (folder, _kind(file)) in kinds and not file.name.startswith(".") and file.is_file():
                yield os.fsencode((folder / file.name).as_posix()).decode("utf-8", "backslashreplace")
