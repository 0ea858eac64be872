"""Metrics of embedding tasks: the cosine to the target vector, and the quality of rankings.

`map`, `ndcg` and `jaccard` take rankings and relevance, as in `ostinato.metrics.ranking`,
and average over seeds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ostinato.metrics import ranking
from ostinato.metrics.replicates import Metric, metric_of, nanmean_of


@metric_of
def cosine(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean cosine over tracks; tracks without a target (a zero vector) are left out.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, d)]

    Examples
    --------
    >>> cosine(preds=np.array([[2.0, 0.0], [0.0, 1.0]]), target=np.array([[1.0, 0.0], [0.0, 0.0]]))
    1.0
    """
    return nanmean_of(compute_cosines(preds, target), group, counts)


def compute_cosines(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Compute each track's cosine; NaN if a vector is zero."""
    lengths = np.linalg.norm(preds, axis=1) * np.linalg.norm(target, axis=1)
    return (preds * target).sum(axis=1) / np.where(lengths > 0, lengths, np.nan)


def _average(metric: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Return the mean over seeds of a ranking metric."""
    return metric_of(lambda preds, target, group, counts: nanmean_of(metric(preds=preds, target=target), group, counts))


METRICS: dict[str, Metric] = {
    **{name: Metric(_average(ranking.METRICS[name]), "scores", True) for name in ("map", "ndcg", "jaccard")},
    "cosine": Metric(cosine, "scores", True),
}
