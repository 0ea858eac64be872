"""A table beside the others in which a person says who is meant, where a name is not enough."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.errors import DataError
from ostinato.io.delimited import read_table
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write
from ostinato.origins.query import Answer, Query, fold, parse_mbid

NAME = "fill_choices.csv"
COLUMNS = ("choose", "artist", "album", "isrc", "mbid", "name", "disambiguation", "country", "link")
LINK = "https://musicbrainz.org/artist/"

Key = tuple[str, str, str]


def build_key(artist: str | None, album: str | None, isrc: str | None) -> Key:
    """Build what rows of one choice share."""
    return fold(artist), fold(album), isrc or ""


def read_choices(path: Path) -> dict[Key, str]:
    """Read the MBID that a person chose for each name.

    Parameters
    ----------
    path : Path
        If it does not exist, nothing was chosen.

    Returns
    -------
    dict of Key to str

    Raises
    ------
    DataError
        If two artists are chosen for one name, or a chosen row has no MBID.
    """
    choices: dict[Key, str] = {}
    if not path.exists():
        return choices
    table = read_table(path)
    if missing := set(COLUMNS[:5]) - set(table):
        raise DataError(f"{path}: has no column {min(missing)!r}; delete it and run again")
    for number, row in enumerate(table.to_dict("records"), start=2):
        if row["choose"] is None:
            continue
        mbid, key = parse_mbid(row["mbid"]), build_key(row["artist"], row["album"], row["isrc"])
        if mbid is None:
            raise DataError(f"{path}: row {number}: mbid {row['mbid']!r} is not an MBID; correct it")
        if choices.setdefault(key, mbid) != mbid:
            raise DataError(f"{path}: row {number}: {row['artist']!r} is chosen twice; keep one")
    return choices


def write_choices(path: Path, questions: Mapping[Key, tuple[Query, Sequence[Answer]]]) -> None:
    """Add names with their candidates to the table; rows and columns that it has stay as they are.

    Parameters
    ----------
    path : Path
    questions : mapping of Key to (Query, sequence of dict)
        Queries with artists as MusicBrainz describes them.
    """
    table = read_table(path) if path.exists() else pd.DataFrame(columns=COLUMNS)
    rows: list[Any] = table.to_dict("records")
    present = {build_key(row["artist"], row["album"], row["isrc"]) for row in rows}
    for key, (query, artists) in questions.items():
        names = {"artist": query.artist, "album": query.album, "isrc": query.isrc}
        rows += [names | describe(artist) for artist in artists if key not in present]
    columns, text = list(dict.fromkeys([*COLUMNS, *table.columns])), io.StringIO()
    cells = [["" if row.get(name) is None else escape_cell(row[name]) for name in columns] for row in rows]
    csv.writer(text, delimiter=table.attrs.get("separator", ",")).writerows([columns, *cells])
    with atomic_write(path) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def describe(artist: Answer) -> dict[str, Any]:
    """Describe a candidate."""
    return {"mbid": artist["id"], "link": LINK + artist["id"]} | {
        name: artist.get(name) for name in ("name", "disambiguation", "country")
    }
