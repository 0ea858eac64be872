"""Rank labels that may be wrong, by confident learning.

The threshold of a class is the mean score for it of the tracks with this label. A track is
a suspect if the score of another class reaches that class's threshold. Scores must be from
networks that were not trained on the track. No track is excluded because of this.

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

HELD_OUT_SPLITS = ("validation", "test")
COLUMNS = ("track_id", "label", "suggested", "label_score", "suggested_score", "suspect")


def rank_label_errors(
    track_ids: Sequence[str], scores: np.ndarray, label: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """Rank tracks by label errors, the most likely first.

    Parameters
    ----------
    track_ids : sequence of str
    scores : np.ndarray [shape=(n_tracks, n_classes)]
        Rows sum to 1.
    label : np.ndarray [shape=(n_tracks,), dtype=int]
        Label of each track.
    classes : sequence of str

    Returns
    -------
    DataFrame
        With `COLUMNS`; suspects first, by the margin of the suggested class.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8]])
    >>> ranking = rank_label_errors(list("abcd"), scores, np.array([0, 0, 1, 1]), ["jazz", "rock"])
    >>> ranking.loc[ranking["suspect"], ["track_id", "label", "suggested"]].values.tolist()
    [['c', 'rock', 'jazz']]
    """
    rows = np.arange(len(label))
    own = scores[rows, label]
    counts = np.bincount(label, minlength=len(classes))
    thresholds = np.bincount(label, own, minlength=len(classes)) / np.maximum(counts, 1)
    others = scores.copy()
    others[rows, label] = -1
    best = others.argmax(axis=1)
    confident = np.where((scores >= thresholds) & (counts > 0), scores, -1).argmax(axis=1)
    suspect = (scores >= thresholds).any(axis=1) & (confident != label)
    ranking = pd.DataFrame(
        {
            "track_id": list(track_ids),
            "label": np.asarray(classes, object)[label],
            "suggested": np.asarray(classes, object)[best],
            "label_score": own,
            "suggested_score": others[rows, best],
            "suspect": suspect,
        }
    )
    margin = own - ranking["suggested_score"]
    return ranking.iloc[np.lexsort((ranking["track_id"], margin, ~suspect))].reset_index(drop=True)


def rank_by_mean_scores(
    predictions: Iterable[pd.DataFrame], splits: pd.DataFrame, tracks: pd.DataFrame, task: Task
) -> pd.DataFrame | None:
    """Rank held-out tracks by the mean scores of several candidates.

    Parameters
    ----------
    predictions : iterable of DataFrame
        Table of each candidate: track_id, fold, split, logits.
    splits, tracks : DataFrame
        As for `join_labels`.
    task : Task
        A single-label task.

    Returns
    -------
    DataFrame or None
        From `rank_label_errors`, with the validation and test tracks common to all
        candidates; None without any.
    """
    tables = [_average([join_labels(p, splits, tracks, task, split) for split in HELD_OUT_SPLITS]) for p in predictions]
    if not tables or any(table.empty for table in tables):
        return None
    common = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not common:
        return None
    scores = np.mean([table.loc[common].to_numpy() for table in tables], axis=0)
    label = tracks.set_index("track_id")[task.name][common].map(task.classes.index)
    return rank_label_errors(common, scores, label.to_numpy(np.int64), task.classes)


def _average(parts: Sequence[ScoredTracks]) -> pd.DataFrame:
    """Average the scores of each track, which may be validated in one fold and tested in another."""
    scores, ids = (np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "track_id"))
    return pd.DataFrame(scores, index=ids).groupby(level=0).mean()


def compute_precision(ranking: pd.DataFrame, wrong: Iterable[str], n: int) -> tuple[float, float]:
    """Compute the precision at n of a ranking, and that of a random one.

    Parameters
    ----------
    ranking : DataFrame
        From `rank_label_errors`.
    wrong : iterable of str
        Tracks whose labels are known to be wrong.
    n : int
        Number of tracks at the top.

    Returns
    -------
    precision, chance : float
    """
    is_wrong = ranking["track_id"].isin(set(wrong))
    return float(is_wrong.head(n).mean()), float(is_wrong.mean())
