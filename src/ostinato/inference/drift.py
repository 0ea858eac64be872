"""Drift of new tracks from those of a released model: a profile to keep, and two measures against it.

A track is a row of numbers: mean and spread over time of each bin of a feature, or its
embedding. Of each number the profile keeps where its tenths begin and how many tracks
fall into each. The population stability index says how far new tracks lie from that; a
chi-square test of two samples over the same tenths says whether chance explains it.
Numbers are tested in groups (mean, spread, embedding); a group's p-value is that of its
least likely number times how many there are (Bonferroni), so false alarms stay below
the level however the numbers hang together.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ostinato.errors import DataError

BINS = 10
LEAST = 20
SHIFTED = 0.25
"""From this index on practice speaks of a shift."""

Profile: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Of each group: `edges`, where the tenths of each number begin (n_numbers, 9), and `counts` (n_numbers, 10)."""


class Change(NamedTuple):
    """How far one group of numbers has moved.

    Parameters
    ----------
    group : str
    n_numbers : int
    stability : float
        The median of the numbers' population stability indices, less what chance adds.
    worst : int
        The number that moved most.
    p : float
        Of all numbers being as before.
    drifted : bool
    """

    group: str
    n_numbers: int
    stability: float
    worst: int
    p: float
    drifted: bool


def moments(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Sum up a track's feature.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]

    Returns
    -------
    dict of str to np.ndarray [shape=(n_bins,), dtype=float64]
        ``mean`` and ``spread``, the deviation over time.

    Examples
    --------
    >>> {name: values.tolist() for name, values in moments(np.array([[1.0], [3.0]])).items()}
    {'mean': [2.0], 'spread': [1.0]}
    """
    rows = np.asarray(rows, np.float64)
    return {"mean": rows.mean(axis=0), "spread": rows.std(axis=0)}


def profile(groups: Mapping[str, np.ndarray]) -> dict[str, dict[str, list[Any]]]:
    """Describe tracks so that others can be compared with them.

    Parameters
    ----------
    groups : mapping of str to np.ndarray [shape=(n_tracks, n_numbers)]

    Returns
    -------
    dict
        A `Profile`, of lists, as it is written to a file.

    Raises
    ------
    DataError
        If there are fewer than 20 tracks.
    """
    described = {}
    for group, values in groups.items():
        _require_min_tracks(values)
        edges = np.quantile(values, np.arange(1, BINS) / BINS, axis=0).T
        described[group] = {"edges": edges.tolist(), "counts": _counts(values, edges).astype(int).tolist()}
    return described


def changes(before: Profile, groups: Mapping[str, np.ndarray], *, level: float = 0.01) -> list[Change]:
    """Compare new tracks with a profile.

    Parameters
    ----------
    before : Profile
        As `profile` gives it.
    groups : mapping of str to np.ndarray [shape=(n_tracks, n_numbers)]
        Of the new tracks, by the profile's names.
    level : float
        The chance of a false alarm among all groups together, at most.

    Returns
    -------
    list of Change
        By group, in the profile's order.

    Raises
    ------
    DataError
        If a group is absent, has another width, or fewer than 20 tracks.
    """
    found = []
    for group, described in before.items():
        values, edges = groups.get(group), np.asarray(described["edges"], np.float64)
        if values is None or values.shape[1] != len(edges):
            raise DataError(f"drift: the profile has {len(edges)} numbers of {group}; these tracks have others")
        _require_min_tracks(values)
        old, new = np.asarray(described["counts"], np.float64), _counts(values, edges)
        p = chi_square_p_values(old, new)
        worst = int(p.argmin())
        together = min(float(p[worst]) * len(p), 1.0)
        index = float(np.median(stability(old, new)) - (BINS - 1) * (1 / old[0].sum() + 1 / len(values)))
        found.append(Change(group, len(p), index, worst, together, together * len(before) < level))
    return found


def stability(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the population stability index: 0 for equal shares; half a track is added to each bin.

    Parameters
    ----------
    old, new : np.ndarray [shape=(n_numbers, n_bins)]
        Counts.

    Returns
    -------
    np.ndarray [shape=(n_numbers,)]

    Examples
    --------
    >>> stability(np.array([[50, 50]]), np.array([[5, 5]])).tolist()
    [0.0]
    >>> stability(np.array([[499.5, 499.5]]), np.array([[249.5, 749.5]])).round(3).tolist()
    [0.275]
    """
    a, b = ((n + 0.5) / (n + 0.5).sum(axis=1, keepdims=True) for n in (old, new))
    return np.asarray(((b - a) * np.log(b / a)).sum(axis=1))


def chi_square_p_values(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Test whether counts are of one distribution, by chi-square; bins that both leave empty say nothing.

    Parameters
    ----------
    old, new : np.ndarray [shape=(n_numbers, n_bins)]
        Counts.

    Returns
    -------
    np.ndarray [shape=(n_numbers,)]
        p-values.

    Examples
    --------
    >>> chi_square_p_values(np.array([[10.0, 20, 0]]), np.array([[20.0, 10, 0]])).round(4).tolist()
    [0.0098]
    """
    both = old + new
    total = both.sum(axis=1, keepdims=True)
    statistic = np.zeros(len(both))
    for counts in (old, new):
        expected = both * counts.sum(axis=1, keepdims=True) / total
        statistic += ((counts - expected) ** 2 / np.where(expected > 0, expected, 1)).sum(axis=1)
    freedom = np.maximum((both > 0).sum(axis=1) - 1, 1)
    return np.array([compute_chi_square_tail(x, k) for x, k in zip(statistic, freedom, strict=True)])


def compute_chi_square_tail(x: float, freedom: int) -> float:
    """Compute the chance that a chi-square variable exceeds a value.

    Parameters
    ----------
    x : float
    freedom : int
        Degrees of freedom, at least 1.

    Returns
    -------
    float
        `scipy.stats.chi2.sf`, without SciPy: M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions",
        26.4.4 and 26.4.5.

    Examples
    --------
    >>> round(compute_chi_square_tail(3.841, 1), 4), round(compute_chi_square_tail(16.919, 9), 4)
    (0.05, 0.05)
    """
    half, odd = x / 2, freedom % 2
    if half <= 0:
        return 1.0
    powers = (i + odd / 2 for i in range(freedom // 2))
    series = sum(math.exp(p * math.log(half) - half - math.lgamma(p + 1)) for p in powers)
    return series + (math.erfc(math.sqrt(half)) if odd else 0.0)


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Count the tracks in each tenth of each number: (n_numbers, 10)."""
    places = [np.searchsorted(e, values[:, i], side="right") for i, e in enumerate(edges)]
    return np.stack([np.bincount(place, minlength=BINS) for place in places]).astype(np.float64)


def _require_min_tracks(values: np.ndarray) -> None:
    if len(values) < LEAST:
        raise DataError(f"drift: {len(values)} tracks say too little; give at least {LEAST}")
