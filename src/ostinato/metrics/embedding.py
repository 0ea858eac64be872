"""Metrics of a task that is a direction: how near the predicted one is, and whom it brings near.

`map`, `ndcg` and `jaccard` take rankings and relevance instead, as
`ostinato.metrics.ranking` has them, and average over seeds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ostinato.metrics import ranking
from ostinato.metrics.replicates import Metric, metric_of, nanmean_of


@metric_of
def cosine(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean cosine over tracks; a track without a target, a vector of 0, is left out.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, d)]

    Examples
    --------
    >>> cosine(preds=np.array([[2.0, 0.0], [0.0, 1.0]]), target=np.array([[1.0, 0.0], [0.0, 0.0]]))
    1.0
    """
    return nanmean_of(cosines(preds, target), group, counts)


def cosines(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return each track's cosine, NaN where a vector is 0."""
    lengths = np.linalg.norm(preds, axis=1) * np.linalg.norm(target, axis=1)
    return (preds * target).sum(axis=1) / np.where(lengths > 0, lengths, np.nan)


def _over_seeds(of_seed: Callable[..., np.ndarray]) -> Callable[..., Any]:
    return metric_of(
        lambda preds, target, group, counts: nanmean_of(of_seed(preds=preds, target=target), group, counts)
    )


METRICS: dict[str, Metric] = {
    **{name: Metric(_over_seeds(ranking.METRICS[name]), "scores", True) for name in ("map", "ndcg", "jaccard")},
    "cosine": Metric(cosine, "scores", True),
}
