"""The tracks of a task as arrays: labels, groups and folds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ostinato.core.task import Task
from ostinato.errors import DataError


@dataclass(frozen=True)
class LabelledTracks:
    """Labelled tracks in alphabetical order, so that nothing depends on the order of arrival.

    Parameters
    ----------
    task : Task
    track_ids : np.ndarray [shape=(n_tracks,)]
    target : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
    groups : np.ndarray [shape=(n_tracks,)]
        Groups to keep together, such as artists.
    folds : mapping of int to mapping of str to np.ndarray
        Indices of the tracks of each split, per fold.
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
        Without unlabelled tracks, except for tags, where such a track has none of them.

    Raises
    ------
    DataError
        If a fold has no training track.
    """
    labelled = tracks[tracks["track_id"].isin(splits["track_id"])].sort_values("track_id")
    target = task.target(labelled)
    if task.kind != "multi":
        indices = np.flatnonzero(target.any(axis=1))
        labelled, target = labelled.iloc[indices], target[indices]
    ids = labelled["track_id"].to_numpy(object)
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
