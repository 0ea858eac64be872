"""Metrics of multi-label tasks, and thresholds for their scores."""

import numpy as np
from sklearn.metrics import precision_recall_curve

from ostinato.core.scores import EPSILON
from ostinato.metrics import labels, probabilities
from ostinato.metrics.replicates import Metric, mean_of, metric_of


@metric_of
def log_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean binary cross-entropy over tracks and classes, in nats; scores are clipped to 1e-12 from 0 and 1.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    Examples
    --------
    >>> round(log_loss(preds=np.array([[0.5, 0.5]]), target=np.array([[1, 0]])), 3)
    0.693
    """
    likelihood = np.clip(np.where(target > 0, preds, 1 - preds), EPSILON, 1)
    return mean_of(-np.log(likelihood).mean(axis=1), np.ones(len(group)), group, counts)


def choose_thresholds(*, preds: np.ndarray, target: np.ndarray, default: float) -> np.ndarray:
    """Choose the threshold of each class that maximises its F1.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1, of tracks that are not used for testing.
    default : float
        Threshold of classes without positives.

    Returns
    -------
    np.ndarray [shape=(n_classes,), dtype=float64]
        Midway between the best score and the next lower one.

    Examples
    --------
    >>> choose_thresholds(preds=np.array([[0.2], [0.4], [0.8]]), target=np.array([[0], [1], [1]]), default=0.5)
    array([0.3])
    """
    thresholds = np.full(target.shape[1], default, np.float64)
    for i, (scores, true) in enumerate(zip(preds.T, target.T, strict=True)):
        if not true.any():
            continue
        precision, recall, levels = precision_recall_curve(true, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, EPSILON)
        best = levels[f1[:-1].argmax()]
        lower = scores[scores < best]
        thresholds[i] = (best + lower.max()) / 2 if len(lower) else best
    return thresholds


METRICS: dict[str, Metric] = {
    **labels.METRICS,
    **probabilities.MULTI,
    "log_loss": Metric(log_loss, "scores", False, maximum=np.inf),
}
