"""Metrics of single-label tasks; labels are one-hot."""

import numpy as np

from ostinato.core.scores import EPSILON
from ostinato.metrics import labels, probabilities
from ostinato.metrics.replicates import Metric, mean_of, metric_of


@metric_of
def log_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean negative log score of the true class, in nats; scores are clipped at 1e-12.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores that sum to 1.
    target : np.ndarray [shape=(n_tracks, n_classes)]
        One-hot.

    Examples
    --------
    >>> round(log_loss(preds=np.array([[0.5, 0.5]]), target=np.array([[1, 0]])), 3)
    0.693
    """
    losses = -np.log(np.clip((preds * target).sum(axis=1), EPSILON, 1))
    return mean_of(losses, np.ones(len(group)), group, counts)


METRICS: dict[str, Metric] = {
    **labels.METRICS,
    **probabilities.SINGLE,
    "log_loss": Metric(log_loss, "scores", False, maximum=np.inf),
}
