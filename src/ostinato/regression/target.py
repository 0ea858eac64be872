"""The number of each track that a regression learns: a column of the dataset or of a table of your own."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from ostinato.core.params.schema import Regression
from ostinato.core.paths import Paths
from ostinato.core.registry import instead
from ostinato.errors import DataError
from ostinato.io.delimited import read_table
from ostinato.io.files import read_parquet

TRACK = "track_id"
INDEX = ("ordinal",)
"""Numeric columns that say nothing of a track."""
NOT_NUMBERS = (bool, list, np.ndarray, pd.Timestamp, pd.Timedelta)
UNKNOWN = ("", "nan", "na", "n/a", "none", "null")
"""Cells of a text table that stand for an unknown number, in any case."""


def read_target(paths: Paths, entry: Regression, name: str) -> pd.Series:
    """Read the number of each track.

    Parameters
    ----------
    paths : Paths
    entry : Regression
    name : str
        Of the entry, for messages.

    Returns
    -------
    Series of float
        By track_id; NaN where the number is unknown or not finite.

    Raises
    ------
    DataError
        If there is no such column (the message names the numeric ones), it has no two different
        numbers, or a table is not the one that params.yaml describes.
    """
    table, where = _read_columns(paths, entry, name)
    numbers = _select_numeric(table)
    if entry.column not in numbers:
        state = "is not numeric" if entry.column in table else "does not exist"
        advice = instead(entry.column, map(str, numbers))
        raise DataError(f"regressions.{name}: column {entry.column!r} {state} in {where}; {advice}")
    target = numbers[entry.column].where(np.isfinite(numbers[entry.column]))
    if target.nunique() < 2:
        raise DataError(
            f"regressions.{name}: {entry.column} of {where} has {target.nunique()} different numbers, and two are "
            "needed to learn from; choose another column"
        )
    return target


def _read_columns(paths: Paths, entry: Regression, name: str) -> tuple[pd.DataFrame, str]:
    """Return all columns by track, and where they are from."""
    if entry.table is None:
        tracks = read_parquet(paths.tracks).set_index(TRACK)
        attributes = read_parquet(paths.attributes).set_index(TRACK) if paths.attributes.exists() else tracks[[]]
        new = attributes.columns.difference(tracks.columns, sort=False)
        return tracks.join(attributes[list(new)]), "the table of tracks"
    file = paths.root / Path(entry.table).expanduser()
    if not file.is_file():
        raise DataError(f"regressions.{name}: table: {entry.table} does not exist; correct its name")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != str(entry.table_sha256).lower():
        raise DataError(
            f"regressions.{name}: {entry.table} is not the table of params.yaml; if it was changed on purpose, "
            f"set table_sha256: {digest}"
        )
    table = _read_own_parquet(file) if file.suffix.lower() == ".parquet" else read_table(file)
    if TRACK not in table:
        raise DataError(f"{entry.table}: has no column track_id; it has {', '.join(map(str, table))}")
    if table[TRACK].duplicated().any():
        repeated = table.loc[table[TRACK].duplicated(), TRACK].iloc[0]
        raise DataError(f"{entry.table}: has the track {repeated!r} twice; keep one row per track")
    return table.assign(**{TRACK: table[TRACK].astype(str)}).set_index(TRACK), entry.table


def _read_own_parquet(file: Path) -> pd.DataFrame:
    """Read a table that no stage wrote, whose tracks may be its index."""
    try:
        table = pd.read_parquet(file, page_checksum_verification=True)
    except (ValueError, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet ({str(error).strip()}); write it again") from error
    return table.reset_index() if TRACK in table.index.names else table


def _select_numeric(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns whose known cells are numbers, as floats."""
    columns = {}
    for name, cells in table.items():
        if name in INDEX or cells.isna().all() or isinstance(cells.dropna().iloc[0], NOT_NUMBERS):
            continue
        known = cells[~cells.astype(str).str.strip().str.lower().isin(UNKNOWN)].dropna()
        numbers = pd.to_numeric(known, errors="coerce").astype("float64")
        if len(numbers) and numbers.notna().all():
            columns[str(name)] = numbers.reindex(table.index)
    return pd.DataFrame(columns, index=table.index)
