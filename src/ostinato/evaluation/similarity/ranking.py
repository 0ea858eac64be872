"""Metrics of rankings, with intervals over the artists of seeds, and paired differences."""

from collections.abc import Mapping
from math import inf

import numpy as np

from ostinato.metrics import ranking
from ostinato.metrics.jackknife import jackknife
from ostinato.metrics.ranking import METRICS, describe_lists
from ostinato.metrics.replicates import nanmean_of


def compute_metrics(preds: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """Compute all metrics for each seed.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    dict of str to np.ndarray [shape=(n_seeds,)]
    """
    return ranking.compute_metrics(describe_lists(preds, target))


def summarise(
    values: Mapping[str, np.ndarray],
    groups: np.ndarray,
    confidence: float,
    limits: tuple[float, float] = (-inf, inf),
) -> dict[str, dict[str, float | None]]:
    """Average metrics over seeds, with intervals.

    Parameters
    ----------
    values : mapping of str to np.ndarray [shape=(n_seeds,)]
        NaN for seeds without relevant items, which are left out.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed.
    confidence : float
    limits : tuple of float
        Bounds of values that are not in `METRICS`; those are between 0 and 1.

    Returns
    -------
    dict of str to dict
        ``{"value", "low", "high"}``; None where undefined.
    """
    replicates = jackknife(groups, confidence)

    def estimate(name: str, x: np.ndarray) -> dict[str, float | None]:
        bounds = (0.0, 1.0) if name in METRICS else limits
        return replicates.estimate(nanmean_of(x, replicates.group, replicates.counts), *bounds).to_dict()

    return {name: estimate(name, x) for name, x in values.items()}


def difference(new: np.ndarray, old: np.ndarray, groups: np.ndarray, confidence: float) -> dict[str, float | None]:
    """Compute the difference of a metric between two rankings for the same seeds.

    Parameters
    ----------
    new, old : np.ndarray [shape=(n_seeds,)]
        Values of the metric.
    groups, confidence
        As for `summarise`.

    Returns
    -------
    dict
        ``{"value", "low", "high"}`` of new minus old.
    """
    estimate = summarise({"difference": new - old}, groups, confidence)["difference"]
    return {name: None if end is None else min(max(end, -1.0), 1.0) for name, end in estimate.items()}
