"""Reading of tables of plays and of exports: Last.fm (CSV, TSV, JSON) and ListenBrainz (JSON, JSON lines, their ZIP).

Every reader returns the columns `listener`, `track_id`, `artist`, `title`, `at`, `seconds` and `skipped`; what a file
does not say is missing. A file that names no listener is of one listener, whose name is that of the file.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.errors import DataError
from ostinato.io import delimited
from ostinato.io.files import raise_refusal

RAW = ("listener", "track_id", "artist", "title", "at", "seconds", "skipped")
ALIASES = {
    "listener": ("listener", "user", "username", "user_name", "userid", "user_id"),
    "track_id": ("track_id",),
    "artist": ("artist", "artist_name", "artname", "master_metadata_album_artist_name"),
    "title": ("title", "track", "track_name", "traname", "name", "master_metadata_track_name"),
    "at": ("at", "uts", "timestamp", "listened_at", "time", "date", "utc_time", "ts"),
    "seconds": ("seconds",),
    "milliseconds": ("ms_played",),
    "skipped": ("skipped",),
}
"""Names of columns in tables, the first one that a table has; `ts` and `ms_played` are Spotify's."""
HEADERLESS = {
    4: ("artist", "album", "title", "at"),
    6: ("listener", "at", "artist_mbid", "artist", "track_mbid", "title"),
}
"""Columns of Last.fm tables without a header, by their number: a user's own export, and the data set of 1,000 users."""
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


def read_export(path: Path) -> pd.DataFrame:
    """Read one file of plays.

    Parameters
    ----------
    path : Path
        A Parquet or text table, JSON, JSON lines, or a ZIP of JSON lines.

    Returns
    -------
    DataFrame
        With `RAW`.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or lacks a time or a track.
    """
    if not path.is_file():
        raise DataError(f"{path}: is not there; put the table of plays there, or set listeners.plays to its path")
    suffix = path.suffix.lower()
    if suffix in (*JSON_SUFFIXES, ".zip"):
        listens = list(_list_listens(path))
        rows = pd.DataFrame(listens, columns=list(RAW)) if listens else pd.DataFrame(columns=list(RAW), dtype=object)
    else:
        rows = _read_parquet(path) if suffix == ".parquet" else _read_text(path)
        rows = _rename(rows, path)
    seconds = pd.to_numeric(rows["seconds"], errors="coerce").astype("float64")
    rows["seconds"] = seconds.where((seconds >= 0) & (seconds < float("inf")))
    rows["listener"] = rows["listener"].astype("string") if rows["listener"].notna().any() else path.stem
    return rows[list(RAW)]


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)
        return table.reset_index() if any(name is not None for name in table.index.names) else table
    except (ValueError, OSError) as error:
        raise_refusal(path, error)
        raise DataError(f"{path}: cannot be read as Parquet ({str(error).strip()}); write it again") from error


def _read_text(path: Path) -> pd.DataFrame:
    """Read a text table; if its first line names no two known columns, as a table of Last.fm without a header."""
    table = delimited.read_table(path, header=False)
    known = {name for names in ALIASES.values() for name in names}
    first = {_normalise(name) for name in table.iloc[0]} if len(table) else set()
    if len(known & first) > 1 or table.shape[1] not in HEADERLESS:
        return delimited.read_table(path)
    return table.set_axis(list(HEADERLESS[table.shape[1]]), axis=1)


def _normalise(name: object) -> str:
    """Normalise the name of a column; lastfmstats.com adds the listener, as in ``Date#someone``."""
    return str(name).partition("#")[0].strip().lower().replace(" ", "_")


def _rename(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Choose the columns of a table by their names."""
    own = {_normalise(name): name for name in reversed(list(table.columns))}
    found = {key: own[name] for key, names in ALIASES.items() if (name := next((n for n in names if n in own), None))}
    if "at" not in found or not ("track_id" in found or {"artist", "title"} <= found.keys()):
        raise DataError(
            f"{path}: has the columns {', '.join(map(str, table.columns))}; plays need listener, track_id and at, or "
            "artist, title and at as in an export of Last.fm"
        )
    rows = pd.DataFrame({key: table[name] for key, name in found.items()}).reindex(columns=[*RAW, "milliseconds"])
    played = pd.to_numeric(rows.pop("milliseconds"), errors="coerce") / 1000
    rows["seconds"] = pd.to_numeric(rows["seconds"], errors="coerce").fillna(played)
    _, _, listener = str(found["at"]).partition("#")
    if listener and "listener" not in found:
        rows["listener"] = listener
    return rows


def _list_listens(path: Path) -> Iterator[dict[str, Any]]:
    """List the listens of a JSON file of either service."""
    try:
        for value in _list_values(path):
            yield from filter(None, map(_read_listen, _unwrap(value)))
    except (OSError, ValueError, RecursionError, AttributeError, zipfile.BadZipFile) as error:
        raise_refusal(path, error)
        raise DataError(f"{path}: cannot be read as an export ({error}); export it again") from error


def _list_values(path: Path) -> Iterator[Any]:
    """List the JSON values of a file, of its lines, or of the files of listens in a ZIP."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if n.endswith((".jsonl", ".json")) and "listens" in n)
            if not names:
                raise ValueError("no file of listens in it")
            for name in names:
                yield from _parse(archive.read(name).decode("utf-8"), name.endswith(".jsonl"))
    else:
        yield from _parse(path.read_text(encoding="utf-8-sig"), path.suffix.lower() != ".json")


def _parse(text: str, by_line: bool) -> Iterable[Any]:
    return (json.loads(line) for line in text.splitlines() if line.strip()) if by_line else [json.loads(text)]


def _unwrap(value: Any, listener: str | None = None) -> Iterator[dict[str, Any]]:
    """Find listens in lists and in the objects that the services' interfaces put around them."""
    if isinstance(value, list):
        for inner in value:
            yield from _unwrap(inner, listener)
    elif isinstance(value, dict):
        name = value.get("username") or value.get("user_name") or value.get("user_id") or listener
        name = (value.get("@attr") or {}).get("user") or name
        inner = next((value[key] for key in ("payload", "listens", "recenttracks", "scrobbles") if key in value), None)
        if inner is None and isinstance(value.get("track"), list | dict):
            inner = value["track"]
        if inner is None:
            yield {**value, "listener": name}
        else:
            yield from _unwrap(inner, name)


def _read_listen(listen: dict[str, Any]) -> dict[str, Any] | None:
    """Read one listen; None for the track that Last.fm reports as playing now, which has no time."""
    about = listen.get("track_metadata")
    row: dict[str, Any] = {**dict.fromkeys(RAW), "listener": listen["listener"], "skipped": listen.get("skipped")}
    if isinstance(about, dict):
        more = about.get("additional_info") or {}
        names = {"artist": about.get("artist_name"), "title": about.get("track_name"), "at": listen.get("listened_at")}
        return row | names | {"seconds": more.get("duration_played")}
    if (listen.get("@attr") or {}).get("nowplaying"):
        return None
    artist, date = listen.get("artist"), listen.get("date", listen.get("timestamp"))
    artist = artist.get("#text", artist.get("name")) if isinstance(artist, dict) else artist
    date = date.get("uts") if isinstance(date, dict) else date
    return row | {"artist": artist, "title": listen.get("name", listen.get("track")), "at": date}
