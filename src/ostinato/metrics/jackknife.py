r"""Confidence intervals of any statistic: the jackknife over groups, with Student's t.

Tracks of an artist are correlated, so artists are left out, not tracks. With the statistic
:math:`\hat\theta` of all :math:`g` groups and :math:`\hat\theta_{(i)}` without the i-th, whose mean is
:math:`\bar\theta`, and :math:`d_i = \hat\theta_{(i)} - \bar\theta`, the interval is

.. math:: f^{-1}\Big(f(\hat\theta) \pm t_\nu\, f'(\hat\theta) \sqrt{\frac{g-1}{g} \sum_i d_i^2}\Big)

where :math:`f` is the logit for a statistic between two bounds, the logarithm for one with a lower bound, else
the identity. Groups of unequal sizes carry the information of fewer equal ones, hence Kish's effective number:

.. math:: \nu = \frac{(\sum_i n_i)^2}{\sum_i n_i^2} - 1

with :math:`n_i` tracks in group i.

A statistic at its bound has no variance. Its interval then ends where :math:`g` groups would all be at the bound with
the probability of one tail. Nothing is random. ``python -m bench.coverage`` measures how often such intervals contain
the true value.

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
"""Minimum number of groups for an interval; fewer often agree by chance."""
MAX_GROUPS = 1000
"""Maximum number of groups; more are merged at random."""


class Estimate(NamedTuple):
    """A statistic and its confidence interval; NaN if undefined."""

    value: float
    low: float
    high: float

    def to_dict(self, digits: int = 6) -> dict[str, float | None]:
        """Return ``{"value", "low", "high"}``, rounded, with None for NaN."""
        return {k: None if np.isnan(v) else round(float(v), digits) for k, v in self._asdict().items()}


@dataclass(frozen=True)
class Replicates:
    """The jackknife replicates of a sample of groups: the whole sample, and the sample without each group.

    Parameters
    ----------
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        Column of `counts` that a track belongs to.
    counts : np.ndarray [shape=(1 + n, n), dtype=float64]
        Weight of each group in each replicate: 1 throughout the first row, 0 for one group in the others.
    n_groups : int
        Number of groups before merging.
    confidence : float
    """

    group: np.ndarray
    counts: np.ndarray
    n_groups: int
    confidence: float

    def estimate(self, values: np.ndarray, minimum: float = -np.inf, maximum: float = np.inf) -> Estimate:
        """Compute the confidence interval of a statistic from its replicates.

        Parameters
        ----------
        values : np.ndarray [shape=(1 + n,)]
            The statistic for each row of `counts`; NaN if undefined.
        minimum, maximum : float
            Bounds of the statistic; an upper bound needs a lower one.

        Returns
        -------
        Estimate
            Without an interval if fewer than `MIN_GROUPS` replicates are defined.
        """
        value, replicates = float(values[0]), values[1:][~np.isnan(values[1:])]
        n = len(replicates)
        if n < MIN_GROUPS or np.isnan(value):
            return Estimate(value, float("nan"), float("nan"))
        tail = (1 - self.confidence) / 2
        if np.isfinite(minimum + maximum) and not minimum < value < maximum:
            length = (maximum - minimum) * (1 - tail ** (1 / n))
            return Estimate(value, max(minimum, value - length), min(maximum, value + length))
        deviation = replicates - replicates.mean()
        error = np.sqrt((n - 1) / n * np.square(deviation).sum())
        sizes = np.bincount(self.group)
        degrees = max(sizes.sum() ** 2 / np.square(sizes).sum() - 1, 1.0)
        margin = float(stdtrit(degrees, 1 - tail) * error)
        return Estimate(value, *_add_margins(value, np.array([-margin, margin]), minimum, maximum).tolist())


def _add_margins(value: float, margins: np.ndarray, minimum: float, maximum: float) -> np.ndarray:
    """Return the ends of an interval with margins on an unbounded scale."""
    above, below = value - minimum, maximum - value
    if np.isfinite(above + below):
        width = maximum - minimum
        return minimum + width * expit(logit(above / width) + margins * width / (above * below))
    if np.isfinite(above) and above > 0:
        return minimum + above * np.exp(margins / above)
    return value + margins


def jackknife(groups: np.ndarray, confidence: float) -> Replicates:
    """Build jackknife replicates, which leave out each group in turn.

    Parameters
    ----------
    groups : np.ndarray [shape=(n_tracks,)]
        Group of each track, such as its artist.
    confidence : float
        Share of intervals that contain the true value, such as 0.95.

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
