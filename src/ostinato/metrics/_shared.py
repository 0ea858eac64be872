"""Metrics that both kinds of task share: each on label indicators or scores, by scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from sklearn import metrics as sk

from ostinato.core.scores import Kind, labels
from ostinato.metrics import _resampled

Resampled: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """What a metric is.

    Parameters
    ----------
    function : callable
        ``function(preds=, target=) -> float``.
    needs : {"labels", "scores"}
        What `function` takes as `preds`.
    higher_is_better : bool
    resampled : callable, optional
        The same figure for many replicates at once; see `ostinato.metrics._resampled`.
        Without it each replicate is computed by itself.
    most : float
        What the figure cannot exceed; the least is 0.
    """

    function: Callable[..., float]
    needs: Literal["labels", "scores"]
    higher_is_better: bool
    resampled: Resampled | None = None
    most: float = 1.0

    def prepare(self, scores: np.ndarray, kind: Kind, threshold: float | np.ndarray) -> np.ndarray:
        """Return the `preds` that `function` takes, of scores."""
        return labels(scores, kind, threshold).astype(np.int8) if self.needs == "labels" else scores

    def over(self, preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Compute the figure for each replicate.

        Parameters
        ----------
        preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        group : np.ndarray [shape=(n_tracks,), dtype=int64]
            Column of `counts` that a track belongs to.
        counts : np.ndarray [shape=(n_replicates, n_groups)]
            How often each resample holds each group.

        Returns
        -------
        np.ndarray [shape=(n_replicates,), dtype=float64]
            NaN where a replicate leaves the figure undefined.
        """
        if self.resampled is not None:
            return self.resampled(preds, target, group, counts)
        rows = (np.repeat(np.arange(len(group)), times) for times in counts[:, group].astype(np.int64))
        return np.array([self.function(preds=preds[r], target=target[r]) for r in rows])


def accuracy(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Share of tracks whose labels are all right.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> accuracy(preds=np.array([[1, 0], [0, 1]]), target=np.array([[1, 0], [1, 0]]))
    0.5
    """
    return float(sk.accuracy_score(target, preds))


def f1_micro(*, preds: np.ndarray, target: np.ndarray) -> float:
    """F1 over all decisions together; the accuracy where each track has one label.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> f1_micro(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.8
    """
    return float(sk.f1_score(target, preds, average="micro", zero_division=np.nan))


def f1_macro(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Mean of the F1 of the classes that have positives.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> round(f1_macro(preds=np.array([[1, 0, 0], [1, 0, 0]]), target=np.array([[1, 0, 0], [0, 1, 0]])), 3)
    0.333
    """
    present = target.any(axis=0)
    if not present.any():
        return float("nan")
    return float(np.mean(sk.f1_score(target[:, present], preds[:, present], average=None, zero_division=0.0)))


def f1_weighted(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Mean of the F1 of the classes, each weighed by how many tracks have it.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> round(f1_weighted(preds=np.array([[1, 0], [1, 0], [1, 0]]), target=np.array([[1, 0], [1, 0], [0, 1]])), 3)
    0.533
    """
    if not target.any():
        return float("nan")
    return float(sk.f1_score(target, preds, average="weighted", zero_division=0.0))


def hamming_loss(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Share of wrong decisions among all tracks and classes.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> hamming_loss(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.25
    """
    return float(sk.hamming_loss(target, preds))


def jaccard(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Compute the Jaccard index of each track's labels, and its mean; 1 for a track without any.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Label indicators.

    Examples
    --------
    >>> jaccard(preds=np.array([[1, 0], [1, 0]]), target=np.array([[1, 1], [1, 0]]))
    0.75
    """
    return float(sk.jaccard_score(target, preds, average="samples", zero_division=1.0))


def average_precision(*, preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Area under precision over recall, class by class.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Returns
    -------
    np.ndarray [shape=(n_classes,), dtype=float64]
        NaN for a class without positives.

    Examples
    --------
    >>> average_precision(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 0], [1, 0]]))
    array([0.5, nan])
    """
    columns = zip(target.T, preds.T, strict=True)
    return np.array([sk.average_precision_score(t, p) if t.any() else np.nan for t, p in columns])


def map_macro(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Mean average precision, the area under precision over recall, of the classes that have positives.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Examples
    --------
    >>> map_macro(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 0], [1, 0]]))
    0.5
    """
    return float(np.nanmean(average_precision(preds=preds, target=target))) if target.any() else float("nan")


def map_samples(*, preds: np.ndarray, target: np.ndarray) -> float:
    """Label-ranking average precision of the tracks that have labels.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Examples
    --------
    >>> map_samples(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 1], [0, 0]]))
    0.5
    """
    labelled = target.any(axis=1)
    if not labelled.any():
        return float("nan")
    return float(sk.label_ranking_average_precision_score(target[labelled], preds[labelled]))


METRICS: dict[str, Metric] = {
    "f1_micro": Metric(f1_micro, "labels", True, _resampled.f1_micro),
    "f1_macro": Metric(f1_macro, "labels", True, _resampled.f1_macro),
    "f1_weighted": Metric(f1_weighted, "labels", True, _resampled.f1_weighted),
    "accuracy": Metric(accuracy, "labels", True, _resampled.accuracy),
    "hamming_loss": Metric(hamming_loss, "labels", False, _resampled.hamming_loss),
    "jaccard": Metric(jaccard, "labels", True, _resampled.jaccard),
    "map_macro": Metric(map_macro, "scores", True, _resampled.map_macro),
    "map_samples": Metric(map_samples, "scores", True, _resampled.map_samples),
}
