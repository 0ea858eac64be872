"""Scored tracks: one row a track, with scores, labels and the group that it must be left out with."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ostinato.core.task import Task
from ostinato.errors import DataError

KEYS = ["track_id", "fold", "split"]


@dataclass(frozen=True)
class ScoredTracks:
    """Scores beside labels.

    Parameters
    ----------
    track_id : np.ndarray [shape=(n_tracks,), dtype=object]
    scores : np.ndarray [shape=(n_tracks, n_classes), dtype=float64]
    target : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
    group : np.ndarray [shape=(n_tracks,), dtype=object]
        What intervals leave out whole, such as the artist.
    content : np.ndarray [shape=(n_tracks,), dtype=object]
        Hash of the audio, so that a track is known again.
    fold : np.ndarray [shape=(n_tracks,), dtype=int64]
        Whose network scored the track.
    """

    track_id: np.ndarray
    scores: np.ndarray
    target: np.ndarray
    group: np.ndarray
    content: np.ndarray
    fold: np.ndarray

    def __len__(self) -> int:
        return len(self.track_id)

    def of(self, rows: np.ndarray) -> "ScoredTracks":
        """Keep some rows."""
        return ScoredTracks(**{name: values[rows] for name, values in vars(self).items()})


def join_labels(
    predictions: pd.DataFrame, splits: pd.DataFrame, tracks: pd.DataFrame, task: Task, split: str
) -> ScoredTracks:
    """Join predictions with labels and groups, and keep the evaluable tracks of one split.

    Parameters
    ----------
    predictions : DataFrame
        track_id, fold, split, logits.
    splits : DataFrame
        track_id, fold, split, group, evaluable (whether the folds that test a
        track's genre train it: of no concern to tags).
    tracks : DataFrame
        track_id, content_hash and the column the task is named after.
    task : Task
    split : {"train", "validation", "test"}
        Folds are pooled.

    Returns
    -------
    ScoredTracks
        Sorted by track and fold; a track without a prediction could not be
        decoded and is left out.

    Raises
    ------
    DataError
        If there is no prediction at all, or predictions have another number of
        classes, or hold a test track twice.
    """
    wanted = splits[splits["split"] == split]
    if task.kind == "single":
        wanted = wanted[wanted["evaluable"].astype(bool)]
    table = wanted.merge(tracks[["track_id", "content_hash", task.name]], on="track_id", how="left")
    if task.kind == "single":
        table = table[table[task.name].isin(task.classes)]
    table = table.merge(predictions[[*KEYS, "logits"]], on=KEYS, how="left").sort_values(["track_id", "fold"])
    absent = table["logits"].isna()
    if len(table) and absent.all():
        raise DataError(f"predictions: none of {len(table)} {split} tracks has one; run infer again")
    table = table[~absent]
    twice = table.loc[table.duplicated("track_id"), "track_id"]
    if split == "test" and len(twice):
        raise DataError(f"splits: {twice.iloc[0]!r} is tested in two folds; run split again")
    return ScoredTracks(
        track_id=table["track_id"].to_numpy(object),
        scores=task.scores(_stack(table["logits"], task)),
        target=task.target(table),
        group=table["group"].to_numpy(object),
        content=table["content_hash"].to_numpy(object),
        fold=table["fold"].to_numpy(np.int64),
    )


def by_chunk(test: ScoredTracks, chunks: pd.DataFrame, task: Task) -> ScoredTracks:
    """Judge the chunks of tracks one by one, each by its track's labels in its track's group.

    Parameters
    ----------
    test : ScoredTracks
        Tracks, each once.
    chunks : DataFrame
        track_id and logits, a row a chunk.
    task : Task

    Returns
    -------
    ScoredTracks
        In the order of `chunks`; those of other tracks are left out.
    """
    position = pd.Series(np.arange(len(test)), index=test.track_id)
    known = chunks[chunks["track_id"].isin(position.index)]
    rows = test.of(position[known["track_id"]].to_numpy(np.int64))
    return replace(rows, scores=task.scores(_stack(known["logits"], task)))


def class_shares(splits: pd.DataFrame, tracks: pd.DataFrame, task: Task) -> dict[int, np.ndarray]:
    """Return the share of each class among the training tracks of each fold.

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
    """Put the rows' lists into one array."""
    if logits.empty:
        return np.zeros((0, len(task.classes)))
    widths = set(logits.map(len))
    if widths != {len(task.classes)}:
        raise DataError(
            f"predictions: {sorted(widths)} logits for {len(task.classes)} classes of {task.name}; run infer"
        )
    return np.stack(logits.to_list()).astype(np.float64)
