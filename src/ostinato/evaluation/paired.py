"""Compare two models on the same tracks: the difference of a metric, with its interval."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.core.scores import Kind
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.metrics.jackknife import jackknife


@dataclass(frozen=True)
class Difference:
    """How much better the new one is, on the tracks that both were tested on.

    Parameters
    ----------
    value, low, high : float
        New minus released, turned so that more is better.
    n_tracks, n_groups : int
    """

    value: float
    low: float
    high: float
    n_tracks: int
    n_groups: int

    def __str__(self) -> str:
        where = f"{self.n_tracks} tracks of {self.n_groups} groups"
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}] on {where} that neither was trained on"


def make_record(rows: ScoredTracks) -> pd.DataFrame:
    """Make the table by which a released model is compared with later ones.

    Parameters
    ----------
    rows : ScoredTracks
        Its test tracks.

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
    """Find the test tracks of both that hold the same audio.

    Parameters
    ----------
    new : ScoredTracks
    old : DataFrame
        What `make_record` made of another's test tracks.

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_shared,), dtype=int64]
        Their rows in `new` and in `old`.
    """
    position = {key: i for i, key in enumerate(zip(old["track_id"], old["content_hash"], strict=True))}
    pairs = [(i, position[k]) for i, k in enumerate(zip(new.track_id, new.content, strict=True)) if k in position]
    mine, theirs = np.array(pairs, np.int64).reshape(-1, 2).T
    return mine, theirs


def compare(
    new: ScoredTracks,
    old: pd.DataFrame,
    kind: Kind,
    metric: str,
    *,
    threshold: float,
    confidence: float,
) -> Difference | None:
    """Compare two models on the same tracks, drawing the same groups for both.

    Parameters
    ----------
    new : ScoredTracks
        Test tracks of the new one, with today's labels and groups.
    old : DataFrame
        What `make_record` made of the released one's test tracks.
    kind : {"single", "multi"}
    metric : str
    threshold, confidence
        As in params.yaml: evaluate.

    Returns
    -------
    Difference or None
        None if they share no test track with the same audio.
    """
    mine, theirs = find_shared(new, old)
    if not len(mine):
        return None
    replicates, measure = jackknife(new.group[mine], confidence), get_metrics(kind)[metric]
    both = (new.scores[mine], np.stack(old["scores"].to_list())[theirs].astype(np.float64))
    figures = [
        measure.over(measure.prepare(s, kind, threshold), new.target[mine], replicates.group, replicates.counts)
        for s in both
    ]
    gain = replicates.estimate((figures[0] - figures[1]) * (1 if measure.higher_is_better else -1))
    return Difference(*gain, len(mine), replicates.n_groups)
