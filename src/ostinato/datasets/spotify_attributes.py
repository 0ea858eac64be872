"""Spotify's audio attributes of tracks, from tables found online: no audio.

Size: that of the table; that of the paper has some 502,000 rows (figure 6.1: 100,497 of a
fifth). Origin: Spotify's Web API, collected by many. Licence: none stated; Spotify's terms.
Paper: K. Asthana, A. Sharma: Music Genre Classification. SRM Institute of Science and
Technology, 2024.

The table may have a byte order mark, other spellings of columns, whole lines in quotes,
unquoted names with commas, keys as notes, modes as words, durations in minutes, and
time signatures that a spreadsheet turned into dates ("4-Apr" was 4/4). These are
repaired if possible, else the row is left out and counted. A track listed under
several genres has the first as its genre and all as its tags. Rows with exactly the
same attributes are one recording, so they are in one split.
"""

import csv
import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

from ostinato.core.counts import format_count
from ostinato.datasets._cells import parse_number, parse_year
from ostinato.errors import DataError
from ostinato.io import delimited

LICENSE = "none stated; Spotify's terms"
CITATION = """@techreport{asthana2024music,
  title = {Music Genre Classification},
  author = {Asthana, Krsna and Sharma, Anshuman},
  institution = {SRM Institute of Science and Technology}, year = {2024}
}"""
SOURCE = "a table of your own: dataset.table"
AUDIO = False
ATTRIBUTES = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
    "time_signature",
    "popularity",
)
NAMES = {
    "artist": ("artist", "artist name", "artists", "track artist"),
    "title": ("track name", "song name", "track", "name", "title"),
    "genre": ("genre", "class", "playlist genre", "music genre"),
    "track_id": ("track id", "id", "uri", "instance id"),
    "year": ("year", "release date", "track album release date"),
    "duration_ms": ("duration ms", "duration in min/ms", "duration"),
}
NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONGEST_MINUTES = 300

log = logging.getLogger(__name__)


class Options(BaseModel, frozen=True, extra="forbid"):
    """Options of the table.

    Parameters
    ----------
    table : str
        A text table (CSV or the like); absolute, below the root, or below the working folder.
    columns : dict
        Our name to the table's, if it is not in `NAMES`.
    """

    table: str = "tracks.csv"
    columns: dict[str, str] = {}


def tracks(root: Path, options: Options, *, seed: int = 0, workers: int = 1) -> pd.DataFrame:
    """List the rows of the table.

    Parameters
    ----------
    root : Path
    options : Options
    seed, workers : int
        Not used.

    Returns
    -------
    DataFrame
        track_id, path (None), genre, tags, artist, title,
        year, content_hash (of the attributes), and `ATTRIBUTES` as numbers.

    Raises
    ------
    DataError
        If the table is missing, has no genre or fewer than two attributes, or repeats
        a column.
    """
    where = next((p for p in (root / options.table, Path(options.table)) if p.is_file()), None)
    if where is None:
        raise DataError(
            f"dataset.table: {options.table} was not found below {root} or below the working folder; correct its name"
        )
    table, frame = read(where, options.columns)
    if table["genre"].isna().all():
        raise DataError(f"{where}: has no column for the genre; name one in dataset.columns: {{genre: ...}}")
    attributes = frame.reindex(columns=list(ATTRIBUTES))
    table["year"] = pd.Series([parse_year(cell) for cell in table["year"]], table.index, dtype="float64")
    table["content_hash"] = [hashlib.sha256(repr(row).encode()).hexdigest() for row in frame.to_numpy().tolist()]
    table = pd.concat([table, attributes], axis=1)
    if table["track_id"].isna().any():
        table["track_id"] = [f"row{number:06d}" for number in table.index + 1]
    tags = table.groupby("track_id")["genre"].agg(lambda genres: sorted(set(genres.dropna())))
    table = table.drop_duplicates("track_id").reset_index(drop=True)
    return table.assign(path=None, tags=table["track_id"].map(tags))


def read(path: Path, columns: Mapping[str, str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table, repairing its rows; rows may still lack an id or repeat one.

    Parameters
    ----------
    path : Path
    columns : mapping, optional
        Our name to the table's.

    Returns
    -------
    metadata : DataFrame
        track_id, genre, artist, title and year as text; None where unknown.
    attributes : DataFrame
        Those of `ATTRIBUTES` that the table has, as numbers; NaN where unknown.

    Raises
    ------
    DataError
        If the file is not such a table.
    """
    rows = _rows(path)
    table = _rename_columns(rows, columns or {}, path)
    separator = rows.attrs["separator"]
    numbers = {name: _numbers(name, table[name], separator) for name in ATTRIBUTES if name in table}
    metadata = table.reindex(columns=["track_id", "genre", "artist", "title", "year"]).replace("", None)
    return metadata, pd.DataFrame(numbers, index=table.index)


def _rows(path: Path) -> pd.DataFrame:
    """Read a malformed text table, every cell as text, indexed by row number."""
    table = delimited.read_rows(path)
    header, separator = table.header, table.separator
    if not table.rows:
        raise DataError(f"{path}: has no rows; set another dataset.table")
    repaired = [_repair(row, header, separator) for row in table.rows]
    rows = [row for row in repaired if row is not None]
    if len(rows) < len(repaired):
        first = 2 + repaired.index(None)
        log.warning(
            "%s: left out %s with too few cells; the first is row %d",
            path,
            format_count(len(repaired) - len(rows), "row"),
            first,
        )
    frame = pd.DataFrame(rows, columns=header).drop_duplicates().map(str.strip)
    frame.attrs["separator"] = separator
    return frame


def _repair(row: list[str], header: list[str], separator: str) -> list[str] | None:
    """Bring a row to the header's length; None if that is impossible."""
    if len(row) == 1:
        row = next(csv.reader(row, delimiter=separator))
    surplus = len(row) - len(header)
    if surplus <= 0:
        return row if surplus == 0 else None
    texts = next((i for i, name in enumerate(header) if _plain(name) not in _TEXT), len(header))
    if texts == 0:
        return None
    head, tail = row[: texts + surplus], row[texts + surplus :]
    if texts == 1:
        return [*head[: texts - 1], separator.join(head[texts - 1 :]), *tail]
    return _two_texts(head, texts, separator) + tail


def _two_texts(head: list[str], texts: int, separator: str) -> list[str]:
    """Split unquoted names: a cell that begins with a space continues the one before."""
    cells: list[str] = []
    for cell in head:
        if cells and cell.startswith(" "):
            cells[-1] += f"{separator}{cell}"
        else:
            cells.append(cell)
    spare = len(cells) - texts
    if spare >= 0:
        return [*cells[: texts - 1], separator.join(cells[texts - 1 :])]
    return [*head[: texts - 1], separator.join(head[texts - 1 :])]


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name.strip().lower())


_TEXT = {name for ours in ("artist", "title", "track_id", "genre") for name in NAMES[ours]}


def _rename_columns(table: pd.DataFrame, columns: Mapping[str, str], where: Path) -> pd.DataFrame:
    """Rename the columns to ours and drop the rest."""
    by_name = {_plain(name): name for name in table.columns}
    renamed = {}
    for ours in ("track_id", "artist", "title", "genre", "year", *ATTRIBUTES):
        if ours in columns and columns[ours] not in table:
            raise DataError(f"{where}: has no column {columns[ours]!r}; it has {', '.join(table.columns)}")
        spellings = [_plain(columns[ours])] if ours in columns else [*NAMES.get(ours, ()), _plain(ours)]
        name = next((by_name[spelling] for spelling in spellings if spelling in by_name), None)
        if name is not None:
            renamed[ours] = table[name]
    n = len(set(renamed) & set(ATTRIBUTES))
    if n < 2:
        raise DataError(f"{where}: has {n} of the attributes {', '.join(ATTRIBUTES)}; at least 2 are needed")
    return pd.DataFrame(renamed)


def _numbers(name: str, cells: pd.Series, separator: str) -> pd.Series:
    """Convert cells to numbers, also with decimal commas; other cells are unknown."""
    parse = {"key": key, "mode": mode, "time_signature": beats}.get(name)
    if parse is not None:
        return cells.map(parse).astype("float64")
    number_of = {cell: parse_number(cell, separator) for cell in cells.unique()}
    numbers = cells.map(number_of).astype("float64")
    if name == "duration_ms":
        return numbers.where(numbers.isna() | (numbers >= LONGEST_MINUTES), numbers * 60_000).where(numbers > 0)
    return numbers


def key(cell: str) -> float:
    """Read a key: a number from 0 (C) to 11 (B), or a note.

    Examples
    --------
    >>> key("7.0"), key("C#"), key("Bb"), key("F♯"), key("-1")
    (7.0, 1.0, 10.0, 6.0, nan)
    """
    text = cell.strip().lower().replace("♯", "#").replace("♭", "b")
    if text and text[0] in NOTES and set(text[1:]) <= {"#", "b"}:
        return float((NOTES[text[0]] + text[1:].count("#") - text[1:].count("b")) % 12)
    return _within(text, 0, 11)


def mode(cell: str) -> float:
    """Read a mode: 1 or major, 0 or minor.

    Examples
    --------
    >>> mode("Major"), mode("minor"), mode("1"), mode("")
    (1.0, 0.0, 1.0, nan)
    """
    text = cell.strip().lower()
    return {"major": 1.0, "minor": 0.0}.get(text, _within(text, 0, 1))


def beats(cell: str) -> float:
    """Read the beats of a bar, even if a spreadsheet turned them into a date.

    Examples
    --------
    >>> beats("4"), beats("3/4"), beats("4-Mar"), beats("5-Apr"), beats("x")
    (4.0, 3.0, 3.0, 4.0, nan)
    """
    day, _, month = cell.strip().lower().partition("-")
    if day.isdigit() and month[:3] in MONTHS:
        return float(MONTHS.index(month[:3]) + 1)
    return _within(cell.strip().split("/")[0], 0, 15)


def _within(text: str, low: int, high: int) -> float:
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if low <= number <= high else float("nan")
