"""Tables of logits: one row per track and fold, with vectors in cells."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.core.counts import format_count
from ostinato.errors import DataError
from ostinato.io.files import read_parquet, write_parquet
from ostinato.training.artefact import Artefact, Fold
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Logits

METADATA = b"ostinato"
VECTORS = ("logits", "embedding")


def write_logits(file: Path, table: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a table with vectors in the columns `logits` and `embedding`.

    Parameters
    ----------
    file : Path
    table : DataFrame
    metadata : mapping, optional
        Stored as JSON in the file's metadata.
    """
    arrays = [
        pa.array(list(table[c]), pa.list_(pa.float32())) if c in VECTORS else pa.array(table[c], from_pandas=True)
        for c in table.columns
    ]
    arrow = pa.Table.from_arrays(arrays, names=list(table.columns))
    arrow = arrow.replace_schema_metadata({METADATA: json.dumps(metadata or {}, sort_keys=True).encode()})
    write_parquet(file, arrow)


def read_member(file: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a member's logits and its metadata.

    Raises
    ------
    DataError
        If the file is missing.
    """
    edge = f"{file.parent.name}.{file.stem}"
    if not file.exists():
        raise DataError(f"{file}: is not there; run `dvc repro member@{edge}`, or `number@{edge}` of a feature")
    return read_parquet(file), json.loads((pq.read_schema(file).metadata or {}).get(METADATA, b"{}"))


def about(artefact: Artefact) -> dict[str, Any]:
    """Return the metadata of a member that a stack needs."""
    return artefact.model_dump(mode="json", include={"task", "classes", "inputs"})


def align(table: pd.DataFrame, track_ids: Sequence[str] | np.ndarray, absent: int | None = None) -> np.ndarray:
    """Align logits with tracks.

    Parameters
    ----------
    table : DataFrame
        With `track_id` and `logits`.
    track_ids : sequence of str
    absent : int, optional
        Number of NaN for a track missing from the table; None: raise instead.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        The last row of a track with several.

    Raises
    ------
    DataError
        If a track is missing.
    """
    rows = dict(zip(table["track_id"], table["logits"], strict=True))
    if absent is not None:
        unknown = np.full(absent, np.nan, np.float32)
        return np.array([rows.get(track_id, unknown) for track_id in track_ids], np.float32)
    if missing := [track_id for track_id in track_ids if track_id not in rows]:
        n = format_count(len(missing), "track")
        raise DataError(f"the logits of {n} are missing, such as {missing[0]!r}; run infer again")
    return np.array([rows[track_id] for track_id in track_ids], np.float32)


def member_sources(
    members: Mapping[str, pd.DataFrame],
    labelled: LabelledTracks,
    absent: Mapping[str, float] | None = None,
    numbers: Collection[str] = (),
) -> dict[Fold, Logits]:
    """Align the members' logits with the tracks, for each fold and for the final fit.

    Parameters
    ----------
    members : mapping of str to DataFrame
        With `track_id`, `fold`, `split`, `logits`, in the order of the head's inputs.
    labelled : LabelledTracks
    absent : mapping of str to float, optional
        Members that a track may lack, each with its dropout probability in training.
    numbers : collection of str
        Members that are numbers, not logits.

    Returns
    -------
    dict
        For each track the final fit reads the logits of the fold that tests it, or of
        the first fold if none does, as with a single fold. Numbers are scaled as in the
        first fold.
    """
    folds, absent = list(labelled.folds), absent or {}

    def load(tables: Mapping[str, pd.DataFrame]) -> Logits:
        width = {name: len(labelled.task.classes) for name in absent if name not in numbers}
        return Logits({n: align(t, labelled.track_ids, width.get(n)) for n, t in tables.items()}, absent)

    sources: dict[Fold, Logits] = {fold: load({n: t[t["fold"] == fold] for n, t in members.items()}) for fold in folds}
    if len(folds) == 1:
        return {**sources, "final": sources[folds[0]]}
    tested = {n: t.iloc[:0] if n in numbers else t[t["split"] == "test"] for n, t in members.items()}
    last = {n: pd.concat([t[t["fold"] == folds[0]], tested[n]]) for n, t in members.items()}
    return {**sources, "final": load(last)}
