r"""Confidence intervals of any figure: the jackknife over groups, with Student's t.

Tracks of one artist are alike, so artists are left out, not tracks. With the figure
:math:`\hat\theta` of all :math:`g` groups and :math:`\hat\theta_{(i)}` without the i-th, whose mean is
:math:`\bar\theta`, and :math:`d_i = \hat\theta_{(i)} - \bar\theta`, the interval is

.. math:: f^{-1}\Big(f(\hat\theta) \pm t_\nu\, f'(\hat\theta) \sqrt{\frac{g-1}{g} \sum_i d_i^2}\Big)

where :math:`f` is the logit of a figure between two bounds, the logarithm of one with a lower bound, else
the identity. Groups of unlike sizes tell of the spread like fewer of the same size, hence Kish's number of groups:

.. math:: \nu = \frac{(\sum_i n_i)^2}{\sum_i n_i^2} - 1

with :math:`n_i` tracks in group i.

A figure at its bound shows no spread. Its interval ends where :math:`g` groups would all be at the bound with the
probability of one tail. Nothing is drawn, so that no seed decides. ``python -m bench.coverage`` counts how often
such intervals hold the truth.

References
----------
J. W. Tukey, "Bias and confidence in not-quite large samples", Annals of Mathematical Statistics 29, 1958.
R. G. Miller, "The jackknife: a review", Biometrika 61(1), 1974.
L. Kish, "Survey sampling", Wiley, 1965, section 11.7.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit

MIN_GROUPS = 4
"""Of fewer groups there is no interval: too often they agree by chance."""
MAX_GROUPS = 1000
"""More groups are merged at random into so many."""


class Estimate(NamedTuple):
    """A figure and its confidence interval; NaN where undefined."""

    value: float
    low: float
    high: float

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

    def estimate(self, values: np.ndarray, least: float = -np.inf, most: float = np.inf) -> Estimate:
        """Make the estimate and its interval from a figure of every replicate.

        Parameters
        ----------
        values : np.ndarray [shape=(1 + n,)]
            The figure at each row of `counts`; NaN where a replicate leaves it undefined.
        least, most : float
            Bounds of the figure. A figure with an upper bound needs a lower one.

        Returns
        -------
        Estimate
            Without an interval if fewer than `MIN_GROUPS` replicates are defined.
        """
        value, without = float(values[0]), values[1:][~np.isnan(values[1:])]
        n = len(without)
        if n < MIN_GROUPS or np.isnan(value):
            return Estimate(value, float("nan"), float("nan"))
        tail = (1 - self.confidence) / 2
        if np.isfinite(least + most) and not least < value < most:
            inside = (most - least) * (1 - tail ** (1 / n))
            return Estimate(value, max(least, value - inside), min(most, value + inside))
        deviation = without - without.mean()
        error = np.sqrt((n - 1) / n * np.square(deviation).sum())
        sizes = np.bincount(self.group)
        degrees = max(sizes.sum() ** 2 / np.square(sizes).sum() - 1, 1.0)
        margin = float(stdtrit(degrees, 1 - tail) * error)
        return Estimate(value, *_ends(value, np.array([-margin, margin]), least, most).tolist())


def _ends(value: float, margins: np.ndarray, least: float, most: float) -> np.ndarray:
    """Return the ends of an interval whose margins are taken on a scale without bounds."""
    above, below = value - least, most - value
    if np.isfinite(above + below):
        width = most - least
        return least + width * expit(logit(above / width) + margins * width / (above * below))
    if np.isfinite(above) and above > 0:
        return least + above * np.exp(margins / above)
    return value + margins


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
