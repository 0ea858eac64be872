"""Metrics of a task with any number of labels a track, and the thresholds that give them."""

import numpy as np
from sklearn.metrics import precision_recall_curve

from ostinato.core.scores import EPSILON
from ostinato.metrics import labels, probabilities
from ostinato.metrics.replicates import Metric, mean_of, metric_of


@metric_of
def log_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean binary cross-entropy over tracks and classes, in nats; scores are kept 1e-12 from 0 and 1.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    Examples
    --------
    >>> round(log_loss(preds=np.array([[0.5, 0.5]]), target=np.array([[1, 0]])), 3)
    0.693
    """
    right = np.clip(np.where(target > 0, preds, 1 - preds), EPSILON, 1)
    return mean_of(-np.log(right).mean(axis=1), np.ones(len(group)), group, counts)


def thresholds(*, preds: np.ndarray, target: np.ndarray, default: float) -> np.ndarray:
    """Choose for each class the score that gives its best F1.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores of tracks that are judged on nothing else, and 0 or 1.
    default : float
        For a class without positives.

    Returns
    -------
    np.ndarray [shape=(n_classes,), dtype=float64]
        Halfway to the next lower score, so that a score just below still counts.

    Examples
    --------
    >>> thresholds(preds=np.array([[0.2], [0.4], [0.8]]), target=np.array([[0], [1], [1]]), default=0.5)
    array([0.3])
    """
    chosen = np.full(target.shape[1], default, np.float64)
    for i, (scores, true) in enumerate(zip(preds.T, target.T, strict=True)):
        if not true.any():
            continue
        precision, recall, levels = precision_recall_curve(true, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, EPSILON)
        best = levels[f1[:-1].argmax()]
        lower = scores[scores < best]
        chosen[i] = (best + lower.max()) / 2 if len(lower) else best
    return chosen


METRICS: dict[str, Metric] = {
    **labels.METRICS,
    **probabilities.MULTI,
    "log_loss": Metric(log_loss, "scores", False, most=np.inf),
}
