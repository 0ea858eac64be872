"""Scored tracks: scores, labels and groups, one row per track."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.task import Task
from ostinato.errors import DataError

KEYS = ["track_id", "fold", "split"]


@dataclass(frozen=True)
class ScoredTracks:
    """Scores of tracks with labels and groups.

    Parameters
    ----------
    track_id : np.ndarray [shape=(n_tracks,), dtype=object]
    scores : np.ndarray [shape=(n_tracks, n_classes), dtype=float64]
    target : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
    group : np.ndarray [shape=(n_tracks,), dtype=object]
        Group of correlated tracks, such as the artist.
    content : np.ndarray [shape=(n_tracks,), dtype=object]
        Hash of the audio.
    fold : np.ndarray [shape=(n_tracks,), dtype=int64]
        Fold of the network that scored the track.
    """

    track_id: np.ndarray
    scores: np.ndarray
    target: np.ndarray
    group: np.ndarray
    content: np.ndarray
    fold: np.ndarray

    def __len__(self) -> int:
        return len(self.track_id)

    def select(self, rows: np.ndarray) -> "ScoredTracks":
        """Return some rows, by a mask or indices."""
        return ScoredTracks(**{name: values[rows] for name, values in vars(self).items()})


def join_labels(
    predictions: pd.DataFrame, splits: pd.DataFrame, tracks: pd.DataFrame, task: Task, split: str
) -> ScoredTracks:
    """Join predictions with labels and groups; keep the evaluable tracks of one split.

    Parameters
    ----------
    predictions : DataFrame
        track_id, fold, split, logits.
    splits : DataFrame
        track_id, fold, split, group, evaluable (whether the folds that test a track's genre
        also train on it; ignored for tags).
    tracks : DataFrame
        track_id, content_hash and the column of the task.
    task : Task
    split : {"train", "validation", "test"}
        Folds are pooled.

    Returns
    -------
    ScoredTracks
        Sorted by track and fold; without tracks that could not be decoded.

    Raises
    ------
    DataError
        If there are no predictions, they have another number of classes, or a test
        track occurs twice.
    """
    selected = splits[splits["split"] == split]
    if task.kind == "single":
        selected = selected[selected["evaluable"].astype(bool)]
    table = selected.merge(tracks[["track_id", "content_hash", task.name]], on="track_id", how="left")
    if task.kind == "single":
        table = table[table[task.name].isin(task.classes)]
    table = table.merge(predictions[[*KEYS, "logits"]], on=KEYS, how="left").sort_values(["track_id", "fold"])
    is_missing = table["logits"].isna()
    if len(table) and is_missing.all():
        raise DataError(f"predictions: none of {format_count(len(table), f'{split} track')} has one; run infer again")
    table = table[~is_missing]
    duplicates = table.loc[table.duplicated("track_id"), "track_id"]
    if split == "test" and len(duplicates):
        raise DataError(f"splits: {duplicates.iloc[0]!r} is tested in two folds; run split again")
    return ScoredTracks(
        track_id=table["track_id"].to_numpy(object),
        scores=task.scores(_stack(table["logits"], task)),
        target=task.target(table),
        group=table["group"].to_numpy(object),
        content=table["content_hash"].to_numpy(object),
        fold=table["fold"].to_numpy(np.int64),
    )


def join_chunk_labels(test: ScoredTracks, chunks: pd.DataFrame, task: Task) -> ScoredTracks:
    """Join the logits of chunks with the labels and groups of their tracks.

    Parameters
    ----------
    test : ScoredTracks
        Tracks without repetitions.
    chunks : DataFrame
        track_id and logits, one row per chunk.
    task : Task

    Returns
    -------
    ScoredTracks
        In the order of `chunks`, without those of other tracks.
    """
    index = pd.Series(np.arange(len(test)), index=test.track_id)
    chunks = chunks[chunks["track_id"].isin(index.index)]
    rows = test.select(index[chunks["track_id"]].to_numpy(np.int64))
    return replace(rows, scores=task.scores(_stack(chunks["logits"], task)))


def compute_class_shares(splits: pd.DataFrame, tracks: pd.DataFrame, task: Task) -> dict[int, np.ndarray]:
    """Compute the share of each class among the training tracks of each fold.

    Parameters
    ----------
    splits, tracks : DataFrame
        As for `join_labels`.
    task : Task

    Returns
    -------
    dict of int to np.ndarray [shape=(n_classes,), dtype=float64]
    """
    table = splits[splits["split"] == "train"].merge(tracks[["track_id", task.name]], on="track_id")
    if task.kind == "single":
        table = table[table[task.name].isin(task.classes)]
    return {int(str(fold)): task.target(rows).mean(axis=0).astype(np.float64) for fold, rows in table.groupby("fold")}


def _stack(logits: pd.Series, task: Task) -> np.ndarray:
    """Stack the logits of rows, (n_rows, n_classes)."""
    if logits.empty:
        return np.zeros((0, len(task.classes)))
    widths = set(logits.map(len))
    if widths != {len(task.classes)}:
        raise DataError(
            f"predictions: {sorted(widths)} logits for {len(task.classes)} classes of {task.name}; run infer"
        )
    return np.stack(logits.to_list()).astype(np.float64)
