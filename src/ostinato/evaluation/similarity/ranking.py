"""A ranking's figures: every metric with its interval, over the artists of seeds, and paired differences."""

from collections.abc import Mapping
from math import inf

import numpy as np

from ostinato.metrics.jackknife import jackknife
from ostinato.metrics.ranking import METRICS, compute_metrics, describe_lists
from ostinato.metrics.replicates import nanmean_of


def per_seed(preds: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """Compute every metric of each seed.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    target : np.ndarray [shape=(n_seeds, n_items)]

    Returns
    -------
    dict of str to np.ndarray [shape=(n_seeds,)]
    """
    return compute_metrics(describe_lists(preds, target))


def summarise(
    values: Mapping[str, np.ndarray],
    groups: np.ndarray,
    confidence: float,
    limits: tuple[float, float] = (-inf, inf),
) -> dict[str, dict[str, float | None]]:
    """Average figures over seeds and say how sure the means are.

    Parameters
    ----------
    values : mapping of str to np.ndarray [shape=(n_seeds,)]
        NaN where a seed has no answer; left out.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed; artists are left out, not seeds.
    confidence : float
    limits : tuple of float
        Between which every figure lies that is none of `METRICS`; those lie between 0 and 1.

    Returns
    -------
    dict of str to dict
        ``{"value", "low", "high"}``; None where nothing is defined.
    """
    replicates = jackknife(groups, confidence)

    def means(of_seed: np.ndarray) -> np.ndarray:
        return nanmean_of(of_seed, replicates.group, replicates.counts)

    bounds = {name: (0.0, 1.0) if name in METRICS else limits for name in values}
    return {name: replicates.estimate(means(of_seed), *bounds[name]).to_dict() for name, of_seed in values.items()}


def difference(new: np.ndarray, old: np.ndarray, groups: np.ndarray, confidence: float) -> dict[str, float | None]:
    """Return how much better one ranking is than another on the same seeds.

    Parameters
    ----------
    new, old : np.ndarray [shape=(n_seeds,)]
        The same metric.
    groups, confidence
        As for `summarise`.

    Returns
    -------
    dict
        ``{"value", "low", "high"}`` of new minus old.
    """
    estimate = summarise({"difference": new - old}, groups, confidence)["difference"]
    return {name: None if end is None else min(max(end, -1.0), 1.0) for name, end in estimate.items()}
