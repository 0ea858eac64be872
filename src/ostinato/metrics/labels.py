"""Metrics of predicted labels: `preds` and `target` are label indicators, (n_tracks, n_classes)."""

import numpy as np

from ostinato.metrics.replicates import Metric, mean_of, metric_of, ratio, sum_by_group


@metric_of
def accuracy(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of tracks whose labels are all correct.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> accuracy(preds=np.array([[1, 0], [0, 1]]), target=np.array([[1, 0], [1, 0]]))
    0.5
    """
    return mean_of((preds == target).all(axis=1).astype(float), np.ones(len(group)), group, counts)


@metric_of
def f1_micro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """F1 over all tracks and classes together; equal to the accuracy for single labels.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> f1_micro(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.8
    """
    hits, predicted, true = (x.sum(axis=1) for x in _count(preds, target, group, counts))
    return ratio(2 * hits, predicted + true)


@metric_of
def f1_macro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that have positives.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> round(f1_macro(preds=np.array([[1, 0, 0], [1, 0, 0]]), target=np.array([[1, 0, 0], [0, 1, 0]])), 3)
    0.333
    """
    hits, predicted, true = _count(preds, target, group, counts)
    f1 = np.where(true > 0, 2 * hits / np.maximum(predicted + true, 1), 0.0)
    return ratio(f1.sum(axis=1), (true > 0).sum(axis=1))


@metric_of
def f1_weighted(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes, weighted by their numbers of positives.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> round(f1_weighted(preds=np.array([[1, 0], [1, 0], [1, 0]]), target=np.array([[1, 0], [1, 0], [0, 1]])), 3)
    0.533
    """
    hits, predicted, true = _count(preds, target, group, counts)
    return ratio((true * 2 * hits / np.maximum(predicted + true, 1)).sum(axis=1), true.sum(axis=1))


@metric_of
def hamming_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of wrong labels among all tracks and classes.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> hamming_loss(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.25
    """
    return mean_of((preds != target).mean(axis=1), np.ones(len(group)), group, counts)


@metric_of
def jaccard(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean Jaccard index of the labels of each track; 1 if a track has none, and none is predicted.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> jaccard(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.75
    """
    intersection, union = ((preds > 0) & (target > 0)).sum(axis=1), ((preds > 0) | (target > 0)).sum(axis=1)
    return mean_of(np.where(union > 0, intersection / np.maximum(union, 1), 1.0), np.ones(len(group)), group, counts)


def _count(
    preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count hits, predicted and true labels of each replicate and class, each (n_replicates, n_classes)."""
    hits, predicted, true = ((preds > 0) & (target > 0)).astype(float), preds > 0, target > 0
    return tuple(counts @ sum_by_group(x, group, counts.shape[1]) for x in (hits, predicted, true))  # type: ignore[return-value]


METRICS: dict[str, Metric] = {
    "f1_micro": Metric(f1_micro, "labels", True),
    "f1_macro": Metric(f1_macro, "labels", True),
    "f1_weighted": Metric(f1_weighted, "labels", True),
    "accuracy": Metric(accuracy, "labels", True),
    "hamming_loss": Metric(hamming_loss, "labels", False),
    "jaccard": Metric(jaccard, "labels", True),
}
