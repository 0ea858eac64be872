"""Plays: who heard which track when, for how long, and whether it was skipped.

A table of plays has the columns `listener`, `track_id`, `at`, `seconds` and `skipped`; the last two may be missing.
Exports of Last.fm and ListenBrainz name an artist and a title instead of a track; see `ostinato.listening.exports`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ostinato.core.names import identity
from ostinato.errors import DataError
from ostinato.io.delimited import list_examples
from ostinato.listening.exports import read_export

COLUMNS = ("listener", "track_id", "at", "seconds", "skipped")
SCHEMA = pa.schema(
    {
        "listener": pa.string(),
        "track_id": pa.string(),
        "at": pa.timestamp("ms", "UTC"),
        "seconds": pa.float64(),
        "skipped": pa.bool_(),
    }
)
YES, NO = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
EARLIEST = pd.Timestamp("1971-01-01", tz="UTC")
"""Earlier plays have no time: devices without a clock report 1970, and 20240102 or 2024 is no number of seconds."""
HAS_YEAR = r"\d{4}|\d[-/. ]\w+[-/. ]\d"
"""Text of a date; without a year, such as ``12:30`` or ``now``, it would depend on the day on which it is read."""
LATEST_SECONDS = 1e11
"""Numbers above it are milliseconds since 1970: as seconds they would be in the year 5138."""


def read_plays(path: Path, tracks: pd.DataFrame, now: pd.Timestamp, min_seconds: float = 30.0) -> "Plays":
    """Read a table of plays, an export, or a folder of several, and check every row.

    Parameters
    ----------
    path : Path
    tracks : DataFrame
        With track_id, artist and title; of several tracks of one name the first counts.
    now : Timestamp
        Later plays are left out.
    min_seconds : float
        Where a file does not say what was skipped but for how long it was heard: shorter plays are skips.

    Returns
    -------
    Plays

    Raises
    ------
    DataError
        If a file cannot be read or lacks a column, or if no play is of a known track.
    """
    files = [(file, read_export(file)) for file in _list_files(path)]
    files = [(file, rows.assign(skipped=_parse_skips(rows, min_seconds, file))) for file, rows in files]
    rows = pd.concat([rows for _, rows in files], ignore_index=True)
    at = parse_times(rows["at"])
    track_id = _find_tracks(rows, tracks)
    listener = rows["listener"].astype("string").str.strip()
    reasons = {
        "without_listener": listener.isna() | (listener == ""),
        "without_time": at.isna(),
        "in_future": at > now,
        "unknown_tracks": track_id.isna(),
    }
    counts: dict[str, Any] = {"n_rows": len(rows)}
    is_kept = pd.Series(True, index=rows.index)
    for reason, mask in reasons.items():
        counts[f"n_{reason}"] = int((is_kept & mask).sum())
        is_kept &= ~mask
    names = _describe_unknown(rows[track_id.isna()])
    if not is_kept.any():
        raise DataError(f"{path}: {_explain_empty(counts, names)}")
    table = pd.DataFrame(
        {"listener": listener, "track_id": track_id, "at": at, "seconds": rows["seconds"], "skipped": rows["skipped"]}
    )[is_kept]
    n_before = len(table)
    table = table.sort_values(["at", "listener", "track_id"], kind="stable", ignore_index=True)
    table = table.drop_duplicates(["at", "listener", "track_id"], ignore_index=True)
    counts |= {"n_repeated_rows": n_before - len(table), "unknown_examples": names}
    return Plays(table, counts | describe_plays(table))


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith("."))
    if not files:
        raise DataError(f"{path}: is an empty folder; put a table of plays or exports into it")
    return files


class Plays:
    """Checked plays.

    Parameters
    ----------
    table : DataFrame
        With `COLUMNS`, in order of time.
    counts : mapping
        How many rows were read and left out, and why.
    """

    def __init__(self, table: pd.DataFrame, counts: Mapping[str, Any]) -> None:
        self.table, self.counts = table, dict(counts)


def describe_plays(table: pd.DataFrame) -> dict[str, Any]:
    """Count plays, listeners, tracks and skips."""
    return {
        "n_plays": len(table),
        "n_listeners": int(table["listener"].nunique()),
        "n_tracks": int(table["track_id"].nunique()),
        "n_skips": int(table["skipped"].sum()),
    }


def parse_times(values: pd.Series) -> pd.Series:
    """Parse times: timestamps, ISO 8601 and similar text, or seconds or milliseconds since 1970; all in UTC.

    Parameters
    ----------
    values : Series

    Returns
    -------
    Series
        Whole seconds in UTC; NaT where a value is no time, or one before `EARLIEST`.

    Examples
    --------
    >>> parse_times(pd.Series(["2024-01-02T03:04:05Z", 1704164645, "1704164645000", "soon"])).dt.year.tolist()
    [2024.0, 2024.0, 2024.0, nan]
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        times = pd.to_datetime(values, utc=True).dt.floor("s").astype("datetime64[s, UTC]")
    else:
        times = _parse_cells(values)
    return times.where(times >= EARLIEST)


def _parse_cells(values: pd.Series) -> pd.Series:
    """Parse numbers, and other cells as text."""
    values = values.astype(object).where(values.notna(), None)
    values = values.map(lambda cell: str(cell) if isinstance(cell, bool | int) else cell)
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    numbers = numbers.where(numbers.abs() < LATEST_SECONDS, numbers / 1000).where(numbers.abs() < 100 * LATEST_SECONDS)
    times = pd.to_datetime(pd.Series(np.floor(numbers), values.index), unit="s", utc=True).astype("datetime64[s, UTC]")
    is_text = numbers.isna() & values.notna()
    if is_text.any():
        cells = values[is_text].astype(str)
        dates = cells.where(cells.str.contains(HAS_YEAR))
        text = pd.to_datetime(dates, utc=True, errors="coerce", format="mixed")
        times = times.copy()
        times[is_text] = text.astype("datetime64[s, UTC]")
    return times


def _find_tracks(rows: pd.DataFrame, tracks: pd.DataFrame) -> pd.Series:
    """Find each row's track by its id, else by artist and title; None if it is unknown."""
    ids = rows["track_id"].astype("string").where(rows["track_id"].astype("string").isin(tracks["track_id"]))
    by_name: dict[tuple[str | None, str | None], str] = {}
    columns = [tracks[c] if c in tracks else pd.Series(None, tracks.index, dtype=object) for c in ("artist", "title")]
    for track_id, artist, title in zip(tracks["track_id"], *columns, strict=True):
        key = identity(artist), identity(title)
        if None not in key:
            by_name.setdefault(key, str(track_id))
    is_named = ids.isna() & rows["artist"].notna() & rows["title"].notna()
    named = rows.loc[is_named, ["artist", "title"]]
    keys = [(identity(a), identity(t)) for a, t in zip(named["artist"], named["title"], strict=True)]
    found = pd.Series([by_name.get(key) for key in keys], index=named.index, dtype="string")
    return ids.fillna(found)


def _parse_skips(rows: pd.DataFrame, min_seconds: float, path: Path) -> pd.Series:
    """Read what was skipped; where a file does not say, plays below `min_seconds`, else nothing."""
    text = rows["skipped"].astype("string").str.strip().str.lower()
    unclear = text.notna() & ~text.isin(["", "nan", "none", "null"]) & ~text.isin([*YES, *NO])
    if unclear.any():
        examples = list_examples(map(repr, text[unclear].unique()))
        raise DataError(
            f"{path}: skipped: {int(unclear.sum())} cells are neither true nor false, such as {examples}; "
            "write true, false or nothing"
        )
    is_short = (rows["seconds"] < min_seconds).fillna(False)
    return text.isin(YES) | (~text.isin([*YES, *NO]) & is_short)


def _describe_unknown(rows: pd.DataFrame) -> list[str]:
    """Give examples of tracks that the dataset lacks, the most played first."""
    names = rows["artist"].fillna("").astype(str) + " – " + rows["title"].fillna("").astype(str)
    names = rows["track_id"].astype("string").fillna(names)
    return [str(name) for name in names.value_counts(sort=True).index[:5]]


def _explain_empty(counts: Mapping[str, Any], names: list[str]) -> str:
    reasons = [
        f"{counts[key]:,} {text}"
        for key, text in (
            ("n_without_listener", "name no listener"),
            ("n_without_time", "have no time"),
            ("n_in_future", "are in the future"),
            ("n_unknown_tracks", f"are of tracks that the dataset lacks, such as {', '.join(names)}"),
        )
        if counts.get(key)
    ]
    return (
        f"none of {counts['n_rows']:,} plays can be used: {'; '.join(reasons) or 'there are none'}; give track ids of "
        "this dataset, or artists and titles that its tracks have"
    )
