"""How sure a figure is: percentile bootstrap over groups.

Tracks of one artist are alike, so artists are drawn, not tracks (Efron & Tibshirani,
*An Introduction to the Bootstrap*, 1993, chapters 8 and 13).
"""

import numpy as np


def draw(groups: np.ndarray, n_resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw groups with replacement, as many as there are.

    Parameters
    ----------
    groups : np.ndarray [shape=(n_tracks,)]
        The group of each track, such as its artist.
    n_resamples : int
    seed : int

    Returns
    -------
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        Column of `counts` that a track belongs to.
    counts : np.ndarray [shape=(n_resamples, n_groups), dtype=int64]
        How often each resample holds each group.

    Examples
    --------
    >>> group, counts = draw(np.array(["a", "a", "b"]), 3, 0)
    >>> group, counts.sum(axis=1)
    (array([0, 0, 1]), array([2, 2, 2]))
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    return group, rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_resamples)


def interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Give the middle share of resampled figures.

    Parameters
    ----------
    values : np.ndarray [shape=(n_resamples,)]
        NaN where a resample left the figure undefined; left out.
    level : float
        Share of the resamples within, such as 0.95.

    Returns
    -------
    low, high : float
        NaN if no resample is defined.

    Examples
    --------
    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
