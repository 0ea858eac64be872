"""Anybody's folder of audio: a directory per genre, a table beside it, or both.

Size, origin, licence and paper are those of what lies there. Without a table,
the first directory below the root is the genre (GTZAN's layout). A table (CSV,
TSV or Parquet) adds genre, tags, artist, album and more: its rows join on a
column `path` if it has one, else its `track_id` is a file's name without the
suffix. Where the table has a genre, the directories no longer count. What is still
unknown may be filled from the files' own tags, and a table of artists adds theirs.
"""

import logging
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from pydantic import BaseModel

from ostinato.audio import metadata
from ostinato.datasets._tables import audio_files, read_table, required
from ostinato.errors import DataError
from ostinato.names import identity

LICENSE = "as the owner of the folder holds it"
CITATION = ""
SOURCE = "the folder that dataset.path names"

NUMBERS = ("year", "latitude", "longitude")
TEXTS = ("genre", "artist", "album", "album_artist", "title", "lyrics", "cover", "split")
SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"}
SPLITS |= {"val": "validation", "dev": "validation", "test": "test"}

log = logging.getLogger(__name__)


class Options(BaseModel, frozen=True, extra="forbid"):
    """Keys of `dataset` that are the folder's own.

    Parameters
    ----------
    table : str, optional
        A CSV, TSV or Parquet file; absolute, below the root, or below the working folder.
    columns : dict
        Our name to the table's, such as ``{artist: artist_group}``.
    tags_separator : str
        What stands between the tags of a cell.
    read_tags : bool
        Fill artist, album, title, year and genre from the files' own tags where
        nothing else tells them; their genres become tags.
    artist_tags : str, optional
        A table with `artist` and `tags`, found as `table` is: every track has its artist's tags too.
    """

    table: str | None = None
    columns: dict[str, str] = {}
    tags_separator: str = ";"
    read_tags: bool = False
    artist_tags: str | None = None


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the audio files below a folder with what is known of them.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Of no use here.

    Returns
    -------
    DataFrame
        `track_id` and `path` (the same), `genre`, and what the table tells; sorted by path.

    Raises
    ------
    DataError
        If there is no audio, or the table cannot be read or joined.
    """
    files = pd.DataFrame({"path": audio_files(root)})
    files.insert(0, "track_id", files["path"])
    files["genre"] = [PurePosixPath(p).parts[0] if "/" in p else None for p in files["path"]]
    if options.table is not None:
        where = _locate(root, options.table)
        table = _renamed(read_table(where), options.columns, where)
        files = _joined(files, _typed(table, options.tags_separator, where), root, where)
    if options.read_tags:
        files = fill_from_tags(files, [metadata(root / path) for path in files["path"]], options.tags_separator)
    if options.artist_tags is not None:
        files = _with_artist_tags(files, _locate(root, options.artist_tags), options.tags_separator)
    return files


def fill_from_tags(files: pd.DataFrame, told: list[dict[str, str]], separator: str = ";") -> pd.DataFrame:
    """Fill artist, album, title, year and genre where they are unknown from the files' own tags.

    Parameters
    ----------
    files : DataFrame
        As `tracks` gives it.
    told : list of dict
        Of each file, as `ostinato.audio.metadata` reads it.
    separator : str
        What stands between several genres.

    Returns
    -------
    DataFrame
        The files' genres are among its tags.
    """
    files = files.copy()
    for name in ("artist", "album", "title", "genre"):
        known = files[name] if name in files else pd.Series([None] * len(files), dtype=object)
        files[name] = known.astype(object).where(known.notna(), pd.Series([t.get(name) for t in told], dtype=object))
    dates = pd.Series([t.get("date", t.get("year", ""))[:4] for t in told], dtype=object)
    years = pd.to_numeric(dates, errors="coerce").astype("float64")
    files["year"] = files["year"].fillna(years) if "year" in files else years
    return _more_tags(files, [_tags(t.get("genre", "").replace("/", separator), separator) for t in told])


def _with_artist_tags(files: pd.DataFrame, where: Path, separator: str) -> pd.DataFrame:
    """Add to each track the tags of its artist."""
    table = read_table(where)
    required(table, ("artist", "tags"), where)
    if "artist" not in files:
        raise DataError(f"{where}: no track has an artist to join by; give dataset.table or read_tags: true")
    tags: dict[str, list[str]] = {}
    for name, cell in zip(table["artist"], table["tags"], strict=True):
        if same := identity(name):
            tags.setdefault(same, []).extend(_tags(cell, separator))
    here = [tags.get(identity(name) or "", []) for name in files["artist"]]
    if not any(here):
        raise DataError(f"{where}: names no artist of the tracks, such as {files['artist'].dropna().iloc[:1].tolist()}")
    return _more_tags(files, here)


def _more_tags(files: pd.DataFrame, more: list[list[str]]) -> pd.DataFrame:
    old: Any = files["tags"] if "tags" in files else [[]] * len(files)
    joined: Any = [sorted({*_tags(own, ";"), *new}) for own, new in zip(old, more, strict=True)]
    return files.assign(tags=joined)


def _locate(root: Path, table: str) -> Path:
    for path in (root / table, Path(table)):
        if path.is_file():
            return path
    raise DataError(f"dataset.table: {table} is no file, below {root} or below the working folder; mend its name")


def _renamed(table: pd.DataFrame, columns: dict[str, str], where: Path) -> pd.DataFrame:
    """Give the table's columns our names and drop the rest."""
    known = ("path", "track_id", "tags", *TEXTS, *NUMBERS)
    for ours, theirs in columns.items():
        if ours not in known:
            raise DataError(f"dataset.columns: {ours!r} is no column of ours; there are {', '.join(known)}")
        if theirs not in table:
            raise DataError(f"{where}: has no column {theirs!r}; it has {', '.join(map(str, table.columns))}")
    taken = {name: columns.get(name, name) for name in known}
    return pd.DataFrame({ours: table[theirs] for ours, theirs in taken.items() if theirs in table})


def _typed(table: pd.DataFrame, separator: str, where: Path) -> pd.DataFrame:
    """Turn cells into text, numbers, lists and our words for splits."""
    table = table.copy()
    for name in TEXTS:
        if name in table:
            table[name] = pd.Series([_text(cell) for cell in table[name]], dtype="str")
    for name in NUMBERS:
        if name in table:
            numbers = pd.to_numeric(table[name], errors="coerce").astype("float64")
            _refuse_rows(table, name, numbers.isna() & table[name].notna(), "is no number", where)
            table[name] = numbers
    if "split" in table:
        words = table["split"].str.lower().map(SPLITS)
        _refuse_rows(table, "split", words.isna() & table["split"].notna(), f"is none of {', '.join(SPLITS)}", where)
        table["split"] = words
    if "tags" in table:
        table["tags"] = [_tags(cell, separator) for cell in table["tags"]]
    return table


def _text(cell: object) -> str | None:
    return None if cell is None or cell is pd.NA or cell != cell else str(cell)


def _tags(cell: Any, separator: str) -> list[str]:
    """Split a cell of text; a list of Parquet is one already."""
    if isinstance(cell, str):
        cell = cell.split(separator)
    return sorted({tag.strip() for tag in cell if tag.strip()}) if pd.api.types.is_list_like(cell) else []


def _refuse_rows(table: pd.DataFrame, column: str, wrong: pd.Series, why: str, where: Path) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(f"{where}: row {row + 2}: {column} {table[column].iloc[row]!r} {why}; mend or empty the cell")


def _joined(files: pd.DataFrame, table: pd.DataFrame, root: Path, where: Path) -> pd.DataFrame:
    """Put the table's columns beside the files they speak of."""
    by_path = "path" in table
    if not by_path and "track_id" not in table:
        raise DataError(f"{where}: has neither path nor track_id; name one in dataset.columns")
    names = files["path"] if by_path else files["path"].map(lambda path: PurePosixPath(path).stem)
    key = names.map(_plain)
    rows = table["path" if by_path else "track_id"].map(_plain).str.removeprefix(f"{root.as_posix()}/")
    for keys, what in ((key, "files are called"), (rows.dropna(), "rows speak of")):
        if keys.duplicated().any():
            mend = "keep one" if by_path else "give the table a column path"
            raise DataError(f"{where}: two {what} {keys[keys.duplicated()].iloc[0]!r}; {mend}")
    extra = table.drop(columns=["path", "track_id"], errors="ignore").set_index(rows)
    here = key.isin(extra.index)
    if not here.any():
        raise DataError(f"{where}: no row names a file here, such as {key.iloc[0]!r}; see dataset.columns")
    if not here.all():
        log.warning("%s: %d of %d files have no row, such as %s", where, (~here).sum(), len(here), key[~here].iloc[0])
    kept = files.drop(columns="genre") if "genre" in extra else files
    return pd.concat([kept, extra.reindex(key).reset_index(drop=True)], axis=1)


def _plain(name: object) -> str | None:
    """Compare names whatever the system that wrote them."""
    text = _text(name)
    return text and unicodedata.normalize("NFC", text.replace("\\", "/").removeprefix("./"))
