"""A ranking's figures: every metric with its interval, over seeds drawn by artist, and paired differences."""

from collections.abc import Mapping

import numpy as np

from ostinato.metrics import _bootstrap, _resampled
from ostinato.metrics.ranking import METRICS


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
    return {name: metric(preds=preds, target=target) for name, metric in METRICS.items()}


def summarised(
    values: Mapping[str, np.ndarray], groups: np.ndarray, *, n_resamples: int, level: float, seed: int
) -> dict[str, dict[str, float | None]]:
    """Average figures over seeds and say how sure the means are.

    Parameters
    ----------
    values : mapping of str to np.ndarray [shape=(n_seeds,)]
        NaN where a seed has no answer; left out.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed; artists are drawn, not seeds.
    n_resamples : int
    level : float
    seed : int

    Returns
    -------
    dict of str to dict
        ``{"value", "low", "high"}``; None where nothing is defined.
    """
    group, counts = _bootstrap.draw(groups, n_resamples, seed)
    found: dict[str, dict[str, float | None]] = {}
    for name, of_seed in values.items():
        known = ~np.isnan(of_seed)
        drawn = _resampled.mean_of(np.nan_to_num(of_seed), known.astype(float), group, counts)
        low, high = _bootstrap.interval(drawn, level)
        value = float(of_seed[known].mean()) if known.any() else float("nan")
        found[name] = {"value": _number(value), "low": _number(low), "high": _number(high)}
    return found


def difference(
    new: np.ndarray, old: np.ndarray, groups: np.ndarray, *, n_resamples: int, level: float, seed: int
) -> dict[str, float | None]:
    """Say how much better one ranking is than another on the same seeds.

    Parameters
    ----------
    new, old : np.ndarray [shape=(n_seeds,)]
        The same metric.
    groups, n_resamples, level, seed
        As for `summarised`.

    Returns
    -------
    dict
        ``{"value", "low", "high"}`` of new minus old.
    """
    name = "difference"
    return summarised({name: new - old}, groups, n_resamples=n_resamples, level=level, seed=seed)[name]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
