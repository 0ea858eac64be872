"""Spotify's audio attributes of tracks, as tables of them go round: no audio.

Size: as the table; that of the paper has some 502,000 rows (figure 6.1: 100,497 of a fifth). Origin: Spotify's Web API,
collected by many. Licence: none stated; Spotify's terms. Paper: K. Asthana, A. Sharma:
Music Genre Classification. SRM Institute of Science and Technology, 2024.

The table may have a byte order mark, names of other spellings, whole lines in quotes,
commas in names that nobody quoted, keys as notes, modes as words, durations in minutes,
and time signatures that a spreadsheet took for dates ("4-Apr" was 4/4). What can be
mended is; a row that cannot is left out and counted. A track that stands there under
several genres has the first as its genre and all as its tags. Rows with the same
attributes to the last digit are one recording, so they stand in one split.
"""

import csv
import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pydantic import BaseModel

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
    """Keys of `dataset` that are this table's own.

    Parameters
    ----------
    table : str
        A text table (CSV and its kin); absolute, below the root, or below the working folder.
    columns : dict
        Our name to the table's, where its spelling is not known here.
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
        Of no use here.

    Returns
    -------
    DataFrame
        track_id, path (unknown: there is no audio), genre, tags, artist, title,
        year, content_hash (of the attributes), and `ATTRIBUTES` as numbers.

    Raises
    ------
    DataError
        If the table is not there, has no genre or fewer than two attributes, or has
        a column twice.
    """
    where = next((p for p in (root / options.table, Path(options.table)) if p.is_file()), None)
    if where is None:
        raise DataError(
            f"dataset.table: {options.table} is no file, below {root} or below the working folder; mend its name"
        )
    listed, frame = read(where, options.columns)
    if listed["genre"].isna().all():
        raise DataError(f"{where}: has no column for the genre; name one in dataset.columns: {{genre: ...}}")
    attributes = frame.reindex(columns=list(ATTRIBUTES))
    listed["year"] = pd.Series([parse_year(cell) for cell in listed["year"]], listed.index, dtype="float64")
    listed["content_hash"] = [hashlib.sha256(repr(row).encode()).hexdigest() for row in frame.to_numpy().tolist()]
    listed = pd.concat([listed, attributes], axis=1)
    if listed["track_id"].isna().any():
        listed["track_id"] = [f"row{number:06d}" for number in listed.index + 1]
    tags = listed.groupby("track_id")["genre"].agg(lambda genres: sorted(set(genres.dropna())))
    listed = listed.drop_duplicates("track_id").reset_index(drop=True)
    return listed.assign(path=None, tags=listed["track_id"].map(tags))


def read(path: Path, columns: Mapping[str, str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table row by row, mended but for what tells rows apart.

    Parameters
    ----------
    path : Path
    columns : mapping, optional
        Our name to the table's.

    Returns
    -------
    listed : DataFrame
        track_id, genre, artist, title and year as text; None where unknown.
    attributes : DataFrame
        Those of `ATTRIBUTES` that the table has, as numbers; NaN where unknown.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    rows = _rows(path)
    table = _rename_columns(rows, columns or {}, path)
    separator = rows.attrs["separator"]
    numbers = {name: _numbers(name, table[name], separator) for name in ATTRIBUTES if name in table}
    listed = table.reindex(columns=["track_id", "genre", "artist", "title", "year"]).replace("", None)
    return listed, pd.DataFrame(numbers, index=table.index)


def _rows(path: Path) -> pd.DataFrame:
    """Read a text table of doubtful make: every cell as text, a row number as the index."""
    table = delimited.read_rows(path)
    header, separator = table.header, table.separator
    if not table.rows:
        raise DataError(f"{path}: holds no rows; name another dataset.table")
    mended = [_mend(row, header, separator) for row in table.rows]
    kept = [row for row in mended if row is not None]
    if len(kept) < len(mended):
        which = 2 + mended.index(None)
        log.warning(
            "%s: %d rows left out, they have too few cells; the first is row %d", path, len(mended) - len(kept), which
        )
    frame = pd.DataFrame(kept, columns=header).drop_duplicates().map(str.strip)
    frame.attrs["separator"] = separator
    return frame


def _mend(row: list[str], header: list[str], separator: str) -> list[str] | None:
    """Bring a row to the header's length, or give None."""
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
    """Part unquoted names: what begins with a space goes on the name before it."""
    joined: list[str] = []
    for cell in head:
        if joined and cell.startswith(" "):
            joined[-1] += f"{separator}{cell}"
        else:
            joined.append(cell)
    spare = len(joined) - texts
    if spare >= 0:
        return [*joined[: texts - 1], separator.join(joined[texts - 1 :])]
    return [*head[: texts - 1], separator.join(head[texts - 1 :])]


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name.strip().lower())


_TEXT = {name for ours in ("artist", "title", "track_id", "genre") for name in NAMES[ours]}


def _rename_columns(table: pd.DataFrame, columns: Mapping[str, str], where: Path) -> pd.DataFrame:
    """Rename the columns to ours and drop the rest."""
    theirs = {_plain(name): name for name in table.columns}
    taken = {}
    for ours in ("track_id", "artist", "title", "genre", "year", *ATTRIBUTES):
        if ours in columns and columns[ours] not in table:
            raise DataError(f"{where}: has no column {columns[ours]!r}; it has {', '.join(table.columns)}")
        spellings = [_plain(columns[ours])] if ours in columns else [*NAMES.get(ours, ()), _plain(ours)]
        name = next((theirs[spelling] for spelling in spellings if spelling in theirs), None)
        if name is not None:
            taken[ours] = table[name]
    n = len(set(taken) & set(ATTRIBUTES))
    if n < 2:
        raise DataError(f"{where}: has {n} of the attributes {', '.join(ATTRIBUTES)}; at least 2 are needed")
    return pd.DataFrame(taken)


def _numbers(name: str, cells: pd.Series, separator: str) -> pd.Series:
    """Turn cells into numbers, also those with decimal commas; what is none is unknown."""
    special = {"key": key, "mode": mode, "time_signature": beats}.get(name)
    if special is not None:
        return cells.map(special).astype("float64")
    known = {cell: parse_number(cell, separator) for cell in cells.unique()}
    numbers = cells.map(known).astype("float64")
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
    return _between(text, 0, 11)


def mode(cell: str) -> float:
    """Read a mode: 1 or major, 0 or minor.

    Examples
    --------
    >>> mode("Major"), mode("minor"), mode("1"), mode("")
    (1.0, 0.0, 1.0, nan)
    """
    text = cell.strip().lower()
    return {"major": 1.0, "minor": 0.0}.get(text, _between(text, 0, 1))


def beats(cell: str) -> float:
    """Read beats of a bar, even from what a spreadsheet took for a date.

    Examples
    --------
    >>> beats("4"), beats("3/4"), beats("4-Mar"), beats("5-Apr"), beats("x")
    (4.0, 3.0, 3.0, 4.0, nan)
    """
    day, _, month = cell.strip().lower().partition("-")
    if day.isdigit() and month[:3] in MONTHS:
        return float(MONTHS.index(month[:3]) + 1)
    return _between(cell.strip().split("/")[0], 0, 15)


def _between(text: str, low: int, high: int) -> float:
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if low <= number <= high else float("nan")
