"""Schemas of the tables of data/interim, and reproducible Parquet files."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.io.files import read_parquet, write_parquet

MEASURES = {
    "content_hash": pa.string(),
    "duration": pa.float64(),
    "sample_rate": pa.int64(),
    "channels": pa.int64(),
    "n_samples": pa.int64(),
}
LISTED_COLUMNS = {
    "track_id": pa.string(),
    "path": pa.string(),
    "genre": pa.string(),
    "tags": pa.list_(pa.string()),
    "artist": pa.string(),
    "artists": pa.list_(pa.string()),
    "album": pa.string(),
    "album_artist": pa.string(),
    "title": pa.string(),
    "year": pa.float64(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "lyrics": pa.string(),
    "cover": pa.string(),
    "split": pa.string(),
}
TRACKS = pa.schema({"ordinal": pa.int64(), **LISTED_COLUMNS, **MEASURES})
FILES = pa.schema(
    {
        "track_id": pa.string(),
        "path": pa.string(),
        "n_bytes": pa.int64(),
        **MEASURES,
        "unheard_seconds": pa.float64(),
        "peak": pa.float64(),
        "rms_db": pa.float64(),
        "dc": pa.float64(),
        "silence_share": pa.float64(),
        "gap_seconds": pa.float64(),
        "clipped_share": pa.float64(),
        "imbalance_db": pa.float64(),
        "mono_loss_db": pa.float64(),
        "bandwidth_share": pa.float64(),
        "temporal_flatness": pa.float64(),
        "n_nonfinite": pa.int64(),
        "audio_hash": pa.string(),
        "fingerprint": pa.binary(),
        "error": pa.string(),
    }
)
COPIES = pa.schema({name: pa.string() for name in ("track_id", "copy_of", "kind", "evidence")})
QUARANTINE = pa.schema({name: pa.string() for name in ("track_id", "path", "reason", "evidence")})
SPLITS = pa.schema(
    {"track_id": pa.string(), "fold": pa.int64(), "split": pa.string(), "group": pa.string(), "evaluable": pa.bool_()}
)


def attributes(names: Iterable[str]) -> pa.Schema:
    """Return the columns of a table of attributes.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    pyarrow.Schema
    """
    return pa.schema({"track_id": pa.string(), **dict.fromkeys(names, pa.float64())})


def write(path: Path, frame: pd.DataFrame, schema: pa.Schema, notes: Mapping[str, str] | None = None) -> None:
    """Write a table atomically.

    Parameters
    ----------
    path : Path
    frame : DataFrame
        With the columns of `schema`; others are dropped.
    schema : pyarrow.Schema
    notes : mapping, optional
        Metadata of the file.
    """
    lists = [field.name for field in schema if pa.types.is_list(field.type) and field.name in frame]
    empty = {name: None for name in lists if frame[name].isna().all()}  # Arrow does not accept NaN as a list
    table = pa.Table.from_pandas(frame.assign(**empty), schema=schema, preserve_index=False)
    write_parquet(path, table.replace_schema_metadata(dict(notes or {})))


def read(path: Path) -> pd.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        Missing text is None or NaN; `tags` are arrays of text.

    Raises
    ------
    OstinatoError
        If the file is missing, is not Parquet or is damaged.
    """
    return read_parquet(path)


def notes(path: Path) -> dict[str, str]:
    """Read the metadata of a table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Empty if there is no such file.
    """
    if not path.exists():
        return {}
    return {key.decode(): value.decode() for key, value in (pq.read_schema(path).metadata or {}).items()}
