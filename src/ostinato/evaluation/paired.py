"""Paired comparison of two models: the difference of a metric on the same tracks, with its interval."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.scores import Kind
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics.jackknife import jackknife


@dataclass(frozen=True)
class Difference:
    """The gain of a new model over the released one, on the common test tracks.

    Parameters
    ----------
    value, low, high : float
        New minus released, with the sign changed if lower is better.
    n_tracks, n_groups : int
    """

    value: float
    low: float
    high: float
    n_tracks: int
    n_groups: int

    def __str__(self) -> str:
        where = f"{format_count(self.n_tracks, 'track')} of {format_count(self.n_groups, 'group')}"
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}] on {where} that neither was trained on"


def make_record(rows: ScoredTracks) -> pd.DataFrame:
    """Build the table by which a released model is compared with later ones.

    Parameters
    ----------
    rows : ScoredTracks
        Test tracks of the model.

    Returns
    -------
    DataFrame
        track_id, content_hash, scores.
    """
    return pd.DataFrame(
        {
            "track_id": rows.track_id.astype(str),
            "content_hash": rows.content.astype(str),
            "scores": [s.astype(np.float32) for s in rows.scores],
        }
    )


def find_shared(new: ScoredTracks, old: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Find the common test tracks, with the same audio.

    Parameters
    ----------
    new : ScoredTracks
    old : DataFrame
        From `make_record`, of another model.

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_shared,), dtype=int64]
        Rows in `new` and in `old`.
    """
    index = {key: i for i, key in enumerate(zip(old["track_id"], old["content_hash"], strict=True))}
    pairs = [(i, index[k]) for i, k in enumerate(zip(new.track_id, new.content, strict=True)) if k in index]
    new_index, old_index = np.array(pairs, np.int64).reshape(-1, 2).T
    return new_index, old_index


def compare(
    new: ScoredTracks,
    old: pd.DataFrame,
    kind: Kind,
    metric: str,
    *,
    threshold: float,
    confidence: float,
) -> Difference | None:
    """Compare two models on their common test tracks, leaving out the same groups of both.

    Parameters
    ----------
    new : ScoredTracks
        Test tracks of the new model, with the current labels and groups.
    old : DataFrame
        From `make_record`, of the released model.
    kind : {"single", "multi"}
    metric : str
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    Difference or None
        None if they have no common test track.
    """
    new_index, old_index = find_shared(new, old)
    if not len(new_index):
        return None
    replicates, function = jackknife(new.group[new_index], confidence), get_metrics(kind)[metric]

    def compute(scores: np.ndarray) -> np.ndarray:
        preds = function.prepare(scores, kind, threshold)
        return function.compute(preds, new.target[new_index], replicates.group, replicates.counts)

    gain = compute(new.scores[new_index]) - compute(np.stack(old["scores"].to_list())[old_index].astype(np.float64))
    estimate = replicates.estimate(gain * (1 if function.higher_is_better else -1))
    return Difference(*estimate, len(new_index), replicates.n_groups)
