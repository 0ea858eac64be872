r"""Confidence intervals of any figure: the jackknife over groups, with Student's t.

Tracks of one artist are alike, so artists are left out, not tracks. With the figure
:math:`\hat\theta` of all :math:`g` groups and :math:`\hat\theta_{(i)}` without the i-th, whose mean is
:math:`\bar\theta`, the interval is

.. math:: \hat\theta \pm t_{g-1} \sqrt{\frac{g-1}{g} \sum_i (\hat\theta_{(i)} - \bar\theta)^2}

Nothing is drawn, so that no seed decides. Percentiles of a bootstrap hold the truth in
some 92 of 100 samples of 15 groups, since they are as narrow as if the spread were
known (``python -m bench.coverage``).

References
----------
J. W. Tukey, "Bias and confidence in not-quite large samples", Annals of Mathematical Statistics 29, 1958.
R. G. Miller, "The jackknife: a review", Biometrika 61(1), 1974.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

MIN_GROUPS = 4
"""Of fewer groups there is no interval: too often they agree by chance."""
MAX_GROUPS = 1000
"""More groups are merged at random into so many."""


class Estimate(NamedTuple):
    """A figure and its confidence interval; NaN where undefined."""

    value: float
    low: float
    high: float

    def clip(self, least: float, most: float) -> "Estimate":
        """Cut the interval at what the figure cannot exceed."""
        return Estimate(self.value, *np.clip([self.low, self.high], least, most).tolist())

    def to_dict(self, digits: int = 6) -> dict[str, float | None]:
        """Return ``{"value", "low", "high"}``, rounded, with None for NaN."""
        return {k: None if np.isnan(v) else round(float(v), digits) for k, v in self._asdict().items()}


@dataclass(frozen=True)
class Replicates:
    """A sample of groups, and the same without each of them.

    Parameters
    ----------
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        Column of `counts` that a track belongs to.
    counts : np.ndarray [shape=(1 + n, n), dtype=float64]
        How often each replicate holds each group: the first row all of them, each other row all but one.
    n_groups : int
        Before any were merged.
    confidence : float
    """

    group: np.ndarray
    counts: np.ndarray
    n_groups: int
    confidence: float

    def estimate(self, values: np.ndarray) -> Estimate:
        """Make the estimate and its interval from a figure of every replicate.

        Parameters
        ----------
        values : np.ndarray [shape=(1 + n,)]
            The figure at each row of `counts`; NaN where a replicate leaves it undefined.

        Returns
        -------
        Estimate
            Without an interval if fewer than `MIN_GROUPS` replicates are defined.
        """
        value, without = float(values[0]), values[1:][~np.isnan(values[1:])]
        n = len(without)
        if n < MIN_GROUPS or np.isnan(value):
            return Estimate(value, float("nan"), float("nan"))
        error = np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())
        margin = float(stdtrit(n - 1, (1 + self.confidence) / 2) * error)
        return Estimate(value, value - margin, value + margin)


def jackknife(groups: np.ndarray, confidence: float) -> Replicates:
    """Leave out every group in turn.

    Parameters
    ----------
    groups : np.ndarray [shape=(n_tracks,)]
        The group of each track, such as its artist.
    confidence : float
        Share of intervals that hold the true value, such as 0.95.

    Returns
    -------
    Replicates

    Examples
    --------
    >>> replicates = jackknife(np.array(["a", "a", "b"]), 0.95)
    >>> replicates.group, replicates.counts.tolist()
    (array([0, 0, 1]), [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    >>> replicates = jackknife(np.arange(20), 0.95)
    >>> means = replicates.counts @ np.arange(20.0) / replicates.counts.sum(axis=1)
    >>> [round(x, 2) for x in replicates.estimate(means)]
    [9.5, 6.73, 12.27]
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) > MAX_GROUPS:
        group = np.random.default_rng(0).permutation(len(names))[group] % MAX_GROUPS
    n = min(len(names), MAX_GROUPS)
    counts = np.vstack([np.ones((1, n)), 1 - np.eye(n)])
    return Replicates(group, counts, len(names), confidence)
