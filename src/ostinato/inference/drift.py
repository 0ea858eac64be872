"""Drift of new tracks from the training tracks of a released model.

A track is a row of numbers: mean and standard deviation over time of each bin of a
feature, or its embedding. The profile stores the deciles of each number and the count of
tracks in each. The population stability index measures how far new tracks lie from that;
a two-sample chi-square test over the same bins says whether chance explains it. Numbers
are tested in groups (mean, spread, embedding); the p-value of a group is the least of its
numbers times their count (Bonferroni), which bounds the false alarm rate whatever the
dependence between the numbers.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ostinato.errors import DataError

BINS = 10
MIN_TRACKS = 20
SHIFT_BOUND = 0.25
"""Index from which on a distribution is commonly called shifted."""

Profile: TypeAlias = Mapping[str, Mapping[str, Any]]
"""For each group, `edges` of the deciles of each number (n_numbers, 9) and `counts` of tracks (n_numbers, 10)."""


class Change(NamedTuple):
    """Change of one group of numbers.

    Parameters
    ----------
    group : str
    n_numbers : int
    stability : float
        Median population stability index of the numbers, corrected for its expectation by chance.
    worst : int
        Index of the number that changed most.
    p : float
        p-value of no change in any number.
    drifted : bool
    """

    group: str
    n_numbers: int
    stability: float
    worst: int
    p: float
    drifted: bool


def moments(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Compute mean and standard deviation over time of a feature.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]

    Returns
    -------
    dict of str to np.ndarray [shape=(n_bins,), dtype=float64]
        ``mean`` and ``spread``, the standard deviation.

    Examples
    --------
    >>> {name: values.tolist() for name, values in moments(np.array([[1.0], [3.0]])).items()}
    {'mean': [2.0], 'spread': [1.0]}
    """
    rows = np.asarray(rows, np.float64)
    return {"mean": rows.mean(axis=0), "spread": rows.std(axis=0)}


def profile(groups: Mapping[str, np.ndarray]) -> dict[str, dict[str, list[Any]]]:
    """Compute the profile of tracks.

    Parameters
    ----------
    groups : mapping of str to np.ndarray [shape=(n_tracks, n_numbers)]

    Returns
    -------
    dict
        A `Profile` of lists, for a JSON file.

    Raises
    ------
    DataError
        If there are fewer than 20 tracks.
    """
    result = {}
    for group, values in groups.items():
        _require_min_tracks(values)
        edges = np.quantile(values, np.arange(1, BINS) / BINS, axis=0).T
        result[group] = {"edges": edges.tolist(), "counts": _counts(values, edges).astype(int).tolist()}
    return result


def changes(before: Profile, groups: Mapping[str, np.ndarray], *, level: float = 0.01) -> list[Change]:
    """Compare new tracks with a profile.

    Parameters
    ----------
    before : Profile
        From `profile`.
    groups : mapping of str to np.ndarray [shape=(n_tracks, n_numbers)]
        Numbers of the new tracks, with the groups of the profile.
    level : float
        Maximum probability of a false alarm in any group.

    Returns
    -------
    list of Change
        One for each group, in the order of the profile.

    Raises
    ------
    DataError
        If a group is missing, has another width, or fewer than 20 tracks.
    """
    result = []
    for group, entry in before.items():
        values, edges = groups.get(group), np.asarray(entry["edges"], np.float64)
        if values is None or values.shape[1] != len(edges):
            raise DataError(f"drift: the profile has {len(edges)} numbers of {group}; these tracks have others")
        _require_min_tracks(values)
        old, new = np.asarray(entry["counts"], np.float64), _counts(values, edges)
        p = chi_square_p_values(old, new)
        worst = int(p.argmin())
        p_group = min(float(p[worst]) * len(p), 1.0)
        index = float(np.median(stability(old, new)) - (BINS - 1) * (1 / old[0].sum() + 1 / len(values)))
        result.append(Change(group, len(p), index, worst, p_group, p_group * len(before) < level))
    return result


def stability(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Compute the population stability index, 0 for equal shares, with half a track added to each bin.

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
    """Test whether counts are from one distribution, by chi-square; bins that are empty in both are ignored.

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
    """Compute the probability that a chi-square variable exceeds a value.

    Parameters
    ----------
    x : float
    freedom : int
        Degrees of freedom, at least 1.

    Returns
    -------
    float
        As `scipy.stats.chi2.sf`, without SciPy: M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions",
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
    """Count the tracks in each bin of each number, (n_numbers, 10)."""
    places = [np.searchsorted(e, values[:, i], side="right") for i, e in enumerate(edges)]
    return np.stack([np.bincount(place, minlength=BINS) for place in places]).astype(np.float64)


def _require_min_tracks(values: np.ndarray) -> None:
    if len(values) < MIN_TRACKS:
        raise DataError(f"drift: {len(values)} tracks are too few; give at least {MIN_TRACKS}")
