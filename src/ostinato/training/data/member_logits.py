"""Tables of logits: a row a track and fold, vectors in cells."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ostinato.errors import DataError
from ostinato.io.files import read_parquet, write_parquet
from ostinato.training.artefact import Artefact, Fold
from ostinato.training.data.labels import LabelledTracks
from ostinato.training.data.sources import Logits

METADATA = b"ostinato"
VECTORS = ("logits", "embedding")


def write_logits(file: Path, table: pd.DataFrame, about: Mapping[str, Any] | None = None) -> None:
    """Write a table whose columns `logits` and `embedding` hold vectors.

    Parameters
    ----------
    file : Path
    table : DataFrame
    about : mapping, optional
        Kept as JSON in the file's metadata.
    """
    arrays = [
        pa.array(list(table[c]), pa.list_(pa.float32())) if c in VECTORS else pa.array(table[c], from_pandas=True)
        for c in table.columns
    ]
    written = pa.Table.from_arrays(arrays, names=list(table.columns))
    written = written.replace_schema_metadata({METADATA: json.dumps(about or {}, sort_keys=True).encode()})
    write_parquet(file, written)


def read_member(file: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read one member's logits and what is said about it.

    Raises
    ------
    DataError
        If the file is absent.
    """
    edge = f"{file.parent.name}.{file.stem}"
    if not file.exists():
        raise DataError(f"{file}: is not there; run `dvc repro member@{edge}`, or `number@{edge}` of a feature")
    return read_parquet(file), json.loads((pq.read_schema(file).metadata or {}).get(METADATA, b"{}"))


def about(artefact: Artefact) -> dict[str, Any]:
    """Return what a stack must know of a member."""
    return artefact.model_dump(mode="json", include={"task", "classes", "inputs"})


def align(table: pd.DataFrame, track_ids: Sequence[str] | np.ndarray, absent: int | None = None) -> np.ndarray:
    """Put logits in the order of tracks.

    Parameters
    ----------
    table : DataFrame
        With `track_id` and `logits`.
    track_ids : sequence of str
    absent : int, optional
        How many NaN stand for a track that the table may lack; None: it may lack none.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        Of a track that has several rows the last one.

    Raises
    ------
    DataError
        If the table lacks a track.
    """
    rows = dict(zip(table["track_id"], table["logits"], strict=True))
    if absent is not None:
        unknown = np.full(absent, np.nan, np.float32)
        return np.array([rows.get(track_id, unknown) for track_id in track_ids], np.float32)
    if lacking := [track_id for track_id in track_ids if track_id not in rows]:
        raise DataError(f"the logits of {len(lacking)} tracks are absent, such as {lacking[0]!r}; run infer again")
    return np.array([rows[track_id] for track_id in track_ids], np.float32)


def member_sources(
    members: Mapping[str, pd.DataFrame],
    labelled: LabelledTracks,
    absent: Mapping[str, float] | None = None,
    numbers: Collection[str] = (),
) -> dict[Fold, Logits]:
    """Put the members' logits in the order of the tracks, for each fold and for the last fit.

    Parameters
    ----------
    members : mapping of str to DataFrame
        With `track_id`, `fold`, `split`, `logits`, in the order of the head's inputs.
    labelled : LabelledTracks
    absent : mapping of str to float, optional
        Those of them that a track may lack, each with how often it is left out while learning.
    numbers : collection of str
        Those of them that are numbers, not logits.

    Returns
    -------
    dict
        The last fit reads, of each track, the logits of the fold that tests it; of
        one that no fold tests those of the first fold, and so it does with one fold.
        Numbers it reads as the first fold scales them.
    """
    folds, absent = list(labelled.folds), absent or {}

    def read(tables: Mapping[str, pd.DataFrame]) -> Logits:
        width = {name: len(labelled.task.classes) for name in absent if name not in numbers}
        return Logits({n: align(t, labelled.track_ids, width.get(n)) for n, t in tables.items()}, absent)

    made: dict[Fold, Logits] = {fold: read({n: t[t["fold"] == fold] for n, t in members.items()}) for fold in folds}
    if len(folds) == 1:
        return {**made, "final": made[folds[0]]}
    tested = {n: t.iloc[:0] if n in numbers else t[t["split"] == "test"] for n, t in members.items()}
    last = {n: pd.concat([t[t["fold"] == folds[0]], tested[n]]) for n, t in members.items()}
    return {**made, "final": read(last)}
