r"""Shares of answers and Bradley-Terry strengths, with intervals over listeners and tracks at once.

Answers of one listener are alike, and so are answers about one track. With :math:`u_i` what answer i adds to the
statistic's error, the variance is

.. math:: V = V_L + V_T - V_{LT}, \quad V_g = \frac{G}{G-1} \sum_{g} \Big(\sum_{i \in g} u_i\Big)^2

over listeners, tracks, and both together, and at least the larger of the first two. Student's t has
:math:`V^2 / (V_L^2/(G_L-1) + V_T^2/(G_T-1))` degrees of freedom.

``python -m bench.study`` measures how often such intervals contain the true value.

References
----------
A. C. Cameron, J. B. Gelbach, D. L. Miller, "Robust inference with multiway clustering", Journal of Business & Economic
Statistics 29(2), 2011.
F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2(6), 1946.
R. A. Bradley, M. E. Terry, "Rank analysis of incomplete block designs: I", Biometrika 39, 1952.
D. R. Hunter, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32(1), 2004.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logit, stdtrit

from ostinato.metrics.jackknife import MIN_GROUPS, Estimate

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
N_STEPS = 50


class Clusters(NamedTuple):
    """The listener and the track's artist of each answer, numbered from 0.

    Parameters
    ----------
    listener, track : np.ndarray [shape=(n_answers,), dtype=int64]
    """

    listener: np.ndarray
    track: np.ndarray

    @property
    def n_least(self) -> int:
        """Number of listeners or of tracks, whichever is smaller."""
        return min(len(np.unique(self.listener)), len(np.unique(self.track)))


class Comparisons(NamedTuple):
    """Answers about two spaces each, numbered from 0.

    Parameters
    ----------
    first, second : np.ndarray [shape=(n_answers,), dtype=int64]
    scores : np.ndarray [shape=(n_answers,)]
        1 if the first was preferred, 0.5 for neither.
    clusters : Clusters
    """

    first: np.ndarray
    second: np.ndarray
    scores: np.ndarray
    clusters: Clusters

    def count(self, space: int, *others: int) -> int:
        """Count the answers that compare a space with others."""
        return int(self._find(space, others).sum())

    def estimate_share(self, space: int, *others: int) -> Estimate:
        """Estimate the share of answers that prefer a space to others."""
        mask = self._find(space, others)
        scores = np.where(self.first == space, self.scores, 1 - self.scores)
        return estimate_share(scores[mask], Clusters(self.clusters.listener[mask], self.clusters.track[mask]))

    def _find(self, space: int, others: tuple[int, ...]) -> np.ndarray:
        mask: np.ndarray = (self.first == space) & np.isin(self.second, others)
        return mask | ((self.second == space) & np.isin(self.first, others))


def estimate_share(scores: np.ndarray, clusters: Clusters) -> Estimate:
    """Estimate a mean of answers from 0 to 1.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_answers,)]
        1 for the one side, 0 for the other, 0.5 for neither.
    clusters : Clusters

    Returns
    -------
    Estimate
        Without an interval if there are fewer than `MIN_GROUPS` listeners or tracks.

    Examples
    --------
    >>> listener, track = np.divmod(np.arange(60), 10)
    >>> share = estimate_share(np.tile([1.0, 1, 1, 0, 1, 0, 1, 1, 0, 1], 6), Clusters(listener, track))
    >>> [round(x, 2) for x in share]
    [0.7, 0.31, 0.92]
    """
    if not len(scores):
        return Estimate(np.nan, np.nan, np.nan)
    value, n = float(scores.mean()), clusters.n_least
    if n < MIN_GROUPS:
        return Estimate(value, np.nan, np.nan)
    if value in (0.0, 1.0):
        length = 1 - TAIL ** (1 / n)
        return Estimate(value, max(0.0, value - length), min(1.0, value + length))
    error = _compute_margins(((scores - value) / len(scores))[:, np.newaxis], clusters)[0]
    margin = error / (value * (1 - value))
    return Estimate(value, *expit(logit(value) + np.array([-margin, margin])).tolist())


def fit_bradley_terry(comparisons: Comparisons, n_spaces: int) -> list[Estimate]:
    """Estimate strengths: one is preferred to another with the odds of the exponential of their difference.

    Parameters
    ----------
    comparisons : Comparisons
    n_spaces : int

    Returns
    -------
    list of Estimate
        Natural logarithms with mean 0; NaN if some spaces always win against the others, so that there is no
        finite estimate.
    """
    first, second, scores, clusters = comparisons
    rows = np.arange(len(scores))
    wins = np.zeros((n_spaces, n_spaces))
    np.add.at(wins, (first, second), scores)
    np.add.at(wins, (second, first), 1 - scores)
    if connected_components(wins > 0, directed=True, connection="strong")[0] > 1:
        return [Estimate(np.nan, np.nan, np.nan)] * n_spaces
    x = np.zeros((len(scores), n_spaces))
    x[rows, first] += 1
    x[rows, second] -= 1
    strength = np.zeros(n_spaces)
    for _ in range(N_STEPS):
        chance = expit(x @ strength)
        inverse = np.linalg.pinv(x.T @ (x * (chance * (1 - chance))[:, np.newaxis]))
        step = inverse @ (x.T @ (scores - chance))
        strength += step
        if np.abs(step).max() < 1e-10:
            break
    if clusters.n_least < MIN_GROUPS:
        return [Estimate(float(value), np.nan, np.nan) for value in strength]
    margins = _compute_margins((x * (scores - chance)[:, np.newaxis]) @ inverse, clusters)
    return [Estimate(float(v), float(v - m), float(v + m)) for v, m in zip(strength, margins, strict=True)]


def _compute_margins(influence: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Compute half the width of intervals.

    Parameters
    ----------
    influence : np.ndarray [shape=(n_answers, n_statistics)]
        What each answer adds to the error of each statistic.
    clusters : Clusters

    Returns
    -------
    np.ndarray [shape=(n_statistics,)]
    """
    cell = clusters.listener * (clusters.track.max() + 1) + clusters.track
    (listeners, n_listeners), (tracks, n_tracks), (both, _) = (
        _compute_variance(influence, group) for group in (*clusters, cell)
    )
    variance = np.maximum(listeners + tracks - both, np.maximum(listeners, tracks))
    share = np.square(listeners) / (n_listeners - 1) + np.square(tracks) / (n_tracks - 1)
    degrees = np.divide(np.square(variance), share, out=np.ones_like(share), where=share > 0)
    margins: np.ndarray = stdtrit(np.maximum(degrees, 1.0), 1 - TAIL) * np.sqrt(variance)
    return margins


def _compute_variance(influence: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, int]:
    """Compute the variance of each statistic over groups, and count the groups."""
    _, number = np.unique(group, return_inverse=True)
    n = int(number.max()) + 1
    sums = np.zeros((n, influence.shape[1]))
    np.add.at(sums, number, influence)
    return n / (n - 1) * np.square(sums).sum(axis=0), n
