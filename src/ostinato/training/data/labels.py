"""The tracks of a task as arrays: who stands where in which fold, and under which label."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ostinato.core.task import Task
from ostinato.errors import DataError


@dataclass(frozen=True)
class LabelledTracks:
    """Labelled tracks, in alphabetical order so that nothing depends on when a track came.

    Parameters
    ----------
    task : Task
    track_ids : np.ndarray [shape=(n_tracks,)]
    target : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
    groups : np.ndarray [shape=(n_tracks,)]
        What may not be torn apart, such as an artist.
    folds : mapping of int to mapping of str to np.ndarray
        Positions of the tracks of each split, per fold.
    """

    task: Task
    track_ids: np.ndarray
    target: np.ndarray
    groups: np.ndarray
    folds: Mapping[int, Mapping[str, np.ndarray]]


def join_labels(task: Task, tracks: pd.DataFrame, splits: pd.DataFrame) -> LabelledTracks:
    """Join labels and splits.

    Parameters
    ----------
    task : Task
    tracks : DataFrame
        With `track_id` and the task's column.
    splits : DataFrame
        With `track_id`, `fold`, `split` and `group`.

    Returns
    -------
    LabelledTracks
        Tracks without a label are left out, but those of tags: they have none of them.

    Raises
    ------
    DataError
        If a fold has no track to learn from.
    """
    known = tracks[tracks["track_id"].isin(splits["track_id"])].sort_values("track_id")
    target = task.target(known)
    if task.kind != "multi":
        has = np.flatnonzero(target.any(axis=1))
        known, target = known.iloc[has], target[has]
    ids = known["track_id"].to_numpy(object)
    position = {track_id: i for i, track_id in enumerate(ids)}
    groups = splits.drop_duplicates("track_id").set_index("track_id")["group"].reindex(ids).astype(str).to_numpy(object)
    folds: dict[int, dict[str, np.ndarray]] = {}
    for fold in sorted(splits["fold"].unique().tolist()):
        rows = splits[splits["fold"] == fold]
        folds[fold] = {split: _positions(rows, split, position) for split in ("train", "validation", "test")}
        if not len(folds[fold]["train"]):
            raise DataError(
                f"fold {fold} has no training track with a {task.name}; lower split.validation and split.test"
            )
    return LabelledTracks(task, ids, target, groups, folds)


def _positions(rows: pd.DataFrame, split: str, position: Mapping[Any, int]) -> np.ndarray:
    return np.sort([position[i] for i in rows.loc[rows["split"] == split, "track_id"] if i in position]).astype(
        np.int64
    )
