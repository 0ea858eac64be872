"""What a regression reads of each track: the summary of a feature, or a vector of a candidate's network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.cache.store import Store, find_obstacle
from ostinato.core.params.schema import Regression
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO, read_vectors
from ostinato.errors import DataError
from ostinato.io.files import read_json, read_parquet

MAX_CORRELATION = 0.9999
"""A column of the inputs with a higher correlation is the number to be learnt in another form."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of the rows of a split.

    Parameters
    ----------
    table : DataFrame
        track_id, fold, split, group: rows of the split that have inputs.
    x : np.ndarray [shape=(n_rows, width), dtype=float32]
    about : mapping
        source, module and parameters of a feature; empty for vectors of a candidate.
    """

    table: pd.DataFrame
    x: np.ndarray
    about: Mapping[str, object]


def read_inputs(paths: Paths, entry: Regression, name: str) -> Inputs | str:
    """Read the inputs of a regression; rows without them are left out.

    Vectors of a candidate are those of the network of the row's fold, so that no test track was in its training.

    Parameters
    ----------
    paths : Paths
    entry : Regression
    name : str
        Of the entry, for messages.

    Returns
    -------
    Inputs or str
        A text says why the dataset has none.

    Raises
    ------
    DataError
        If the feature was not computed or is no vector of numbers, or the candidate has no vectors.
    """
    splits = read_parquet(paths.splits)[["track_id", "fold", "split", "group"]]
    if entry.feature is not None:
        return _read_feature(paths, entry.feature, splits, name)
    folder = paths.predictions(str(entry.candidate))
    if (skipped := folder / "skipped.json").exists():
        return f"its candidate {entry.candidate} was skipped: {read_json(skipped)['skipped']}"
    file = folder / "predictions.parquet"
    if not file.exists():
        raise DataError(f"{file}: does not exist; run `dvc repro infer@{entry.candidate}`")
    vectors = read_parquet(file, columns=["track_id", "fold", "embedding"])
    table = splits.merge(vectors[vectors["embedding"].notna()], on=["track_id", "fold"])
    if not len(table):
        raise DataError(f"regressions.{name}: {entry.candidate} has no vectors of these tracks; choose another one")
    x = np.stack(table["embedding"].to_list()).astype(np.float32)
    return _keep_finite(Inputs(table.drop(columns="embedding"), x, {}))


def check_own_column(x: np.ndarray, y: np.ndarray, entry: Regression, name: str) -> None:
    """Refuse inputs that contain the number itself, in any unit.

    Parameters
    ----------
    x : np.ndarray [shape=(n_rows, width)]
    y : np.ndarray [shape=(n_rows,)]
    entry : Regression
    name : str

    Raises
    ------
    DataError
        If a column's correlation with the number is above `MAX_CORRELATION`.
    """
    centred, deviation = x - x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1) * y.std() * len(y)
    correlation = np.abs(centred.T @ (y - y.mean()) / scale)
    if (worst := float(correlation.max(initial=0))) > MAX_CORRELATION:
        raise DataError(
            f"regressions.{name}: value {int(correlation.argmax())} of {entry.feature or entry.candidate} is "
            f"{entry.column} itself (correlation {worst:.6f}); a number may not be among its own inputs: choose another"
        )


def _read_feature(paths: Paths, kind: str, splits: pd.DataFrame, name: str) -> Inputs | str:
    folder = paths.feature(kind)
    if not (folder / "meta.json").exists():
        raise DataError(f"{folder}: does not exist; run `dvc repro featurize`")
    if reason := find_obstacle(folder):
        return reason
    store = Store(folder)
    if not store.tail:
        raise DataError(f"regressions.{name}: {kind} is text; choose a feature of audio or numbers")
    table = splits[[track_id in store for track_id in splits["track_id"]]].reset_index(drop=True)
    if not len(table):
        raise DataError(f"{folder}: has no track of the split; run `dvc repro featurize`")
    track_ids, rows = np.unique(table["track_id"].to_numpy(str), return_inverse=True)
    about = {
        "feature": store.meta.get("module", kind),
        "source": store.meta.get("source", AUDIO),
        "parameters": store.meta["parameters"],
    }
    return _keep_finite(Inputs(table, read_vectors(store, track_ids)[rows], about))


def _keep_finite(inputs: Inputs) -> Inputs:
    is_finite = np.isfinite(inputs.x).all(axis=1)
    return Inputs(inputs.table[is_finite].reset_index(drop=True), inputs.x[is_finite], inputs.about)
