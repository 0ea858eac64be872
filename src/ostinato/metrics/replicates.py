"""Metrics of many replicates at once; replicates differ only in the weights of groups of tracks.

A mean over tracks needs one sum per group; F1 needs the number of hits per group and
class; average precision needs, for each positive, the number of tracks of each group with
at least its score. All replicates then need a single product with `counts`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeAlias

import numpy as np

from ostinato.core.scores import Kind, labels

ReplicateFunction: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def metric_of(function: ReplicateFunction) -> Callable[..., Any]:
    """Turn a function of replicates into a metric; a decorator.

    Parameters
    ----------
    function : callable
        Takes `preds` and `target`, (n_tracks, n_classes), `group`, (n_tracks,), and `counts`,
        (n_replicates, n_groups); returns (n_replicates,), NaN where undefined.

    Returns
    -------
    callable
        ``metric(preds=, target=) -> float`` for all tracks;
        ``metric(preds=, target=, group=, counts=) -> np.ndarray`` for each replicate.
    """

    @wraps(function)
    def metric(
        *, preds: np.ndarray, target: np.ndarray, group: np.ndarray | None = None, counts: np.ndarray | None = None
    ) -> float | np.ndarray:
        if group is None or counts is None:
            return float(function(preds, target, np.zeros(len(target), np.int64), np.ones((1, 1)))[0])
        return function(preds, target, group, np.asarray(counts, np.float64))

    return metric


@dataclass(frozen=True)
class Metric:
    """A metric and its properties.

    Parameters
    ----------
    function : callable
        From `metric_of`.
    needs : {"labels", "scores"}
        What `function` takes as `preds`.
    higher_is_better : bool
    maximum : float
        Upper bound; the lower one is 0.
    """

    function: Callable[..., Any]
    needs: Literal["labels", "scores"]
    higher_is_better: bool
    maximum: float = 1.0

    def prepare(self, scores: np.ndarray, kind: Kind, threshold: float | np.ndarray) -> np.ndarray:
        """Convert scores to the `preds` that `function` takes."""
        return labels(scores, kind, threshold).astype(np.int8) if self.needs == "labels" else scores

    def compute(self, preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Compute the metric for each replicate.

        Parameters
        ----------
        preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        group : np.ndarray [shape=(n_tracks,), dtype=int64]
            Column of `counts` that a track belongs to.
        counts : np.ndarray [shape=(n_replicates, n_groups)]
            Weight of each group in each replicate.

        Returns
        -------
        np.ndarray [shape=(n_replicates,), dtype=float64]
            NaN where undefined.
        """
        values: np.ndarray = self.function(preds=preds, target=target, group=group, counts=counts)
        return values


def sum_by_group(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum the rows of each group.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, ...)]
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
    n_groups : int

    Returns
    -------
    np.ndarray [shape=(n_groups, ...), dtype=float64]
    """
    total = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(total, group, values)
    return total


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; NaN unless the denominator is positive."""
    undefined = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)


def mean_of(values: np.ndarray, weight: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the weighted mean over tracks, for each replicate.

    Parameters
    ----------
    values, weight : np.ndarray [shape=(n_tracks,)]
        Value and weight of each track.
    """
    n_groups = counts.shape[1]
    return ratio(
        counts @ sum_by_group(values * weight, group, n_groups), counts @ sum_by_group(weight, group, n_groups)
    )


def nanmean_of(values: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the mean over tracks with a value, for each replicate.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks,)]
        NaN for tracks without a value.
    """
    return mean_of(np.nan_to_num(values), (~np.isnan(values)).astype(float), group, counts)
