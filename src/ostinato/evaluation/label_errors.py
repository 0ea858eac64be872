"""Rank labels that may be wrong by confident learning: the scores of others place the track elsewhere.

Of each class, the mean score that its own tracks have for it says how sure scores are
when they are right. A track with another class beyond that class's mean is a suspect.
Scores must be of networks that never saw the track. Nothing is quarantined by this.

References
----------
C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ostinato.core.task import Task
from ostinato.evaluation.predictions import ScoredTracks, join_labels

HELD_OUT = ("validation", "test")
COLUMNS = ("track_id", "label", "suggested", "label_score", "suggested_score", "suspect")


def rank_label_errors(
    track_ids: Sequence[str], scores: np.ndarray, label: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """Rank tracks, the most likely mislabelled first.

    Parameters
    ----------
    track_ids : sequence of str
    scores : np.ndarray [shape=(n_tracks, n_classes)]
        Each row sums to 1.
    label : np.ndarray [shape=(n_tracks,), dtype=int]
        The class that each track is said to have.
    classes : sequence of str

    Returns
    -------
    DataFrame
        With `COLUMNS`: suspects first, by how far the other class is ahead of the label's.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8]])
    >>> found = rank_label_errors(list("abcd"), scores, np.array([0, 0, 1, 1]), ["jazz", "rock"])
    >>> found.loc[found["suspect"], ["track_id", "label", "suggested"]].values.tolist()
    [['c', 'rock', 'jazz']]
    """
    rows = np.arange(len(label))
    own = scores[rows, label]
    counts = np.bincount(label, minlength=len(classes))
    sure = np.bincount(label, own, minlength=len(classes)) / np.maximum(counts, 1)
    others = scores.copy()
    others[rows, label] = -1
    best = others.argmax(axis=1)
    placed = np.where((scores >= sure) & (counts > 0), scores, -1).argmax(axis=1)
    suspect = (scores >= sure).any(axis=1) & (placed != label)
    found = pd.DataFrame(
        {
            "track_id": list(track_ids),
            "label": np.asarray(classes, object)[label],
            "suggested": np.asarray(classes, object)[best],
            "label_score": own,
            "suggested_score": others[rows, best],
            "suspect": suspect,
        }
    )
    margin = own - found["suggested_score"]
    return found.iloc[np.lexsort((found["track_id"], margin, ~suspect))].reset_index(drop=True)


def of_all(
    predictions: Iterable[pd.DataFrame], splits: pd.DataFrame, tracks: pd.DataFrame, task: Task
) -> pd.DataFrame | None:
    """Rank held-out tracks by the mean of what several candidates score them.

    Parameters
    ----------
    predictions : iterable of DataFrame
        Of each candidate: track_id, fold, split, logits.
    splits, tracks : DataFrame
        As for `join_labels`.
    task : Task
        With one label a track.

    Returns
    -------
    DataFrame or None
        As `rank_label_errors` gives it, of the tracks that every candidate was validated or
        tested on; None without such a track.
    """
    tables = [_held_out([join_labels(p, splits, tracks, task, split) for split in HELD_OUT]) for p in predictions]
    if not tables or any(table.empty for table in tables):
        return None
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not shared:
        return None
    scores = np.mean([table.loc[shared].to_numpy() for table in tables], axis=0)
    label = tracks.set_index("track_id")[task.name][shared].map(task.classes.index)
    return rank_label_errors(shared, scores, label.to_numpy(np.int64), task.classes)


def _held_out(parts: Sequence[ScoredTracks]) -> pd.DataFrame:
    """Return the mean scores of each track, which may be validated by one fold and tested by another."""
    scores, ids = (np.concatenate([getattr(p, what) for p in parts]) for what in ("scores", "track_id"))
    return pd.DataFrame(scores, index=ids).groupby(level=0).mean()


def precision(found: pd.DataFrame, wrong: Iterable[str], n: int) -> tuple[float, float]:
    """Return how many of the first are wrong, and how many would be by chance.

    Parameters
    ----------
    found : DataFrame
        As `rank_label_errors` gives it.
    wrong : iterable of str
        The tracks whose label is known to be wrong.
    n : int
        How many are looked at.

    Returns
    -------
    precision, chance : float
    """
    hit = found["track_id"].isin(set(wrong))
    return float(hit.head(n).mean()), float(hit.mean())
