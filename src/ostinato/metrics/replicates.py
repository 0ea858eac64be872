"""Figures of many replicates at once: what a replicate changes is only how often each group of tracks counts.

A figure that is a mean over tracks needs one sum per group; F1 needs the counts of
hits per group and class; average precision needs, for each positive, how many
tracks of each group score as high. Each then costs one product with `counts`
instead of one call per replicate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeAlias

import numpy as np

from ostinato.core.scores import Kind, labels

OfReplicates: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def metric_of(function: OfReplicates) -> Callable[..., Any]:
    """Make a metric of a function of replicates.

    Parameters
    ----------
    function : callable
        Of `preds` and `target`, (n_tracks, n_classes), `group`, (n_tracks,), and `counts`,
        (n_replicates, n_groups); it returns (n_replicates,), NaN where a replicate leaves the figure undefined.

    Returns
    -------
    callable
        ``metric(preds=, target=) -> float`` of all tracks;
        ``metric(preds=, target=, group=, counts=) -> np.ndarray`` of each replicate.
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
    """What a metric is.

    Parameters
    ----------
    function : callable
        By `metric_of`.
    needs : {"labels", "scores"}
        What `function` takes as `preds`.
    higher_is_better : bool
    most : float
        What the figure cannot exceed; the least is 0.
    """

    function: Callable[..., Any]
    needs: Literal["labels", "scores"]
    higher_is_better: bool
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
            How often each replicate holds each group.

        Returns
        -------
        np.ndarray [shape=(n_replicates,), dtype=float64]
            NaN where a replicate leaves the figure undefined.
        """
        values: np.ndarray = self.function(preds=preds, target=target, group=group, counts=counts)
        return values


def sum_by_group(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Add the rows of each group.

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


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN for nothing by nothing."""
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), np.nan), where=below > 0)


def mean_of(values: np.ndarray, weight: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average what each track scores.

    Parameters
    ----------
    values, weight : np.ndarray [shape=(n_tracks,)]
        A track of weight 0 is left out.
    """
    n_groups = counts.shape[1]
    return ratio(
        counts @ sum_by_group(values * weight, group, n_groups), counts @ sum_by_group(weight, group, n_groups)
    )


def nanmean_of(values: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average what each track scores, tracks without a figure left out.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks,)]
        NaN where there is none.
    """
    return mean_of(np.nan_to_num(values), (~np.isnan(values)).astype(float), group, counts)
