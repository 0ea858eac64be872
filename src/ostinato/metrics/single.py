"""Metrics of a task with one label a track, scored one-hot where a metric needs it."""

import numpy as np

from ostinato.core.scores import EPSILON
from ostinato.metrics import _probabilities, _resampled, _shared
from ostinato.metrics._shared import Metric


def _losses(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return each track's negative log score of its class, in nats."""
    return -np.log(np.clip((preds * target).sum(axis=1), EPSILON, 1))


def log_loss(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Mean negative log score of the right class, in nats; scores below 1e-12 count as 1e-12.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores that add up to 1.
    target : np.ndarray [shape=(n_tracks, n_classes)]
        One-hot.

    Examples
    --------
    >>> round(log_loss(preds=np.array([[0.5, 0.5]]), target=np.array([[1, 0]])), 3)
    0.693
    """
    return float(_losses(preds, target).mean()) if len(target) else float("nan")


def _resampled_log_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _resampled.mean_of(_losses(preds, target), np.ones(len(group)), group, counts)


METRICS: dict[str, Metric] = {
    **_shared.METRICS,
    **_probabilities.SINGLE,
    "log_loss": Metric(log_loss, "scores", False, _resampled_log_loss, most=np.inf),
}
