"""Evidence that a candidate became worse: from the scores of two revisions, or from their intervals.

With the scores of both, an approximate randomisation test swaps the scores of the two
revisions artist by artist: if a change has no more effect than another training run, the
scores of an artist could come from either revision. The p-value is one-sided, and a mid-p,
since with few artists it takes few values.

References
----------
E. W. Noreen, *Computer-Intensive Methods for Testing Hypotheses*, 1989, chapter 2.
H. O. Lancaster, "Significance tests in discrete distributions", Journal of the
American Statistical Association 56, 1961 (mid-p).
R. E. Tarone, "A modified Bonferroni method for discrete data", Biometrics 46, 1990.
G. Y. Zou & A. Donner, "Construction of confidence limits about effect measures: a
general approach", Statistics in Medicine 27, 2008 (intervals of a difference).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import norm

from ostinato.core.scores import Kind
from ostinato.evaluation import paired
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.evaluation.score_table import ScoreTable
from ostinato.evaluation.similarity.ranking import difference
from ostinato.metrics.replicates import nanmean_of

EXACT_GROUPS = 11
"""Maximum number of differing artists for an exact test, of 2 ** 11 swaps."""
N_SWAPS = 2000
SAME_VALUE = 1e-3
"""Tolerance of metrics that are computed from scores of six digits."""
DIGITS = 9
"""Decimals to which differences are compared; beyond is rounding error."""


@dataclass(frozen=True)
class Evidence:
    """The gain of a metric over another revision, and the evidence that it is a loss.

    Parameters
    ----------
    gain : float
        Here minus there, with the sign changed if lower is better.
    low, high : float
        Two-sided confidence interval of the gain; NaN without one.
    p : float
        One-sided p-value: probability of such a gain or a lower one by chance alone.
    p_least : float
        The lowest possible `p` for this number of differing artists.
    basis : str
        Its data, such as ``45 test tracks``.
    """

    gain: float
    low: float
    high: float
    p: float
    p_least: float
    basis: str


@dataclass(frozen=True)
class Pair:
    """Scores of the same test tracks in two revisions.

    Parameters
    ----------
    new, old : ScoredTracks
        The same tracks in the same order; labels and groups are taken from `new`.
    kind : {"single", "multi", "embedding"}
    classes : tuple of str
    threshold : float
        Minimum score of a tag.
    """

    new: ScoredTracks
    old: ScoredTracks
    kind: Kind
    classes: tuple[str, ...]
    threshold: float

    @property
    def basis(self) -> str:
        """The data of a comparison, for messages."""
        return f"{len(self.new)} {'artists' if self.kind == 'embedding' else 'test tracks'}"

    def has(self, metric: str) -> bool:
        """Return whether a metric can be computed; the scores of embedding tasks contain only some."""
        return self.kind != "embedding" or metric in self.classes

    def prepare(self, rows: ScoredTracks, metric: str) -> np.ndarray:
        """Convert scores to the `preds` of a metric, (n_tracks, n_columns)."""
        if self.kind == "embedding":
            return rows.scores[:, [self.classes.index(metric)]]
        return get_metrics(self.kind)[metric].prepare(rows.scores, self.kind, self.threshold)

    def find_differing_groups(self, metric: str) -> np.ndarray:
        """Return the sorted names of the groups with differing `preds` of a metric."""
        new, old = (self.prepare(rows, metric) for rows in (self.new, self.old))
        is_equal = np.isclose(new, old, rtol=0, atol=10**-DIGITS, equal_nan=True).all(axis=1)
        return np.unique(self.new.group[~is_equal].astype(str))

    def compute_gains(self, metric: str, groups: np.ndarray, swaps: np.ndarray) -> np.ndarray:
        """Compute the gain of a metric under swaps.

        Parameters
        ----------
        metric : str
        groups : np.ndarray [shape=(n_differing,)]
            Sorted names of the groups to swap.
        swaps : np.ndarray [shape=(n_swaps, n_differing), dtype=bool]

        Returns
        -------
        np.ndarray [shape=(n_swaps,), dtype=float64]
        """
        names, group = np.unique(self.new.group.astype(str), return_inverse=True)
        is_swapped = np.zeros((len(swaps), len(names)), np.int64)
        index = np.searchsorted(names, groups)
        is_present = np.isin(groups, names)
        is_swapped[:, index[is_present]] = swaps[:, is_present]
        # concatenate the tracks of both revisions; a swap chooses from which one each group is counted
        preds = np.vstack([self.prepare(rows, metric) for rows in (self.new, self.old)])
        target = np.vstack([self.new.target, self.new.target])
        group = np.concatenate([group, group + len(names)])
        sides = [np.hstack([1 - is_swapped, is_swapped]), np.hstack([is_swapped, 1 - is_swapped])]
        new, old = (self._compute_replicates(metric, preds, target, group, counts) for counts in sides)
        return (new - old) * (1 if get_metrics(self.kind)[metric].higher_is_better else -1)

    def compute_value(self, metric: str) -> float:
        """Compute a metric of the scores here."""
        group = np.zeros(len(self.new), np.int64)
        preds, counts = self.prepare(self.new, metric), np.ones((1, 1), np.int64)
        return float(self._compute_replicates(metric, preds, self.new.target, group, counts)[0])

    def _compute_replicates(
        self, metric: str, preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray
    ) -> np.ndarray:
        if self.kind == "embedding":
            return nanmean_of(preds[:, 0], group, counts)
        return get_metrics(self.kind)[metric].compute(preds, target, group, counts)


def pair_tables(new: ScoreTable, old: ScoreTable, kind: Kind, threshold: float) -> Pair | None:
    """Match the test tracks of two revisions by name and content.

    Returns
    -------
    Pair or None
        None if they share no track.
    """
    new_index, old_index = paired.find_shared(new.rows, paired.make_record(old.rows))
    if not len(new_index) or set(new.classes) != set(old.classes):
        return None
    order = [old.classes.index(name) for name in new.classes]
    old = ScoreTable(new.classes, replace(old.rows, scores=old.rows.scores[:, order]))
    return Pair(new.rows.select(new_index), old.rows.select(old_index), kind, new.classes, threshold)


def is_table_of(
    table: ScoreTable, metrics: Mapping[str, Any], kind: Kind, names: Sequence[str], threshold: float
) -> bool:
    """Return whether a score table matches the metrics of its revision; assumed if it is a sample.

    Parameters
    ----------
    table : ScoreTable
    metrics : mapping
        Content of models/metrics/<name>.json.
    kind : {"single", "multi", "embedding"}
    names : sequence of str
        Metrics to check.
    threshold : float
        Minimum score of a tag.
    """
    if kind != "embedding" and len(table.rows) < metrics["split"]["n_test"]:
        return True
    if not len(table.rows):
        return False
    pair = Pair(table.rows, table.rows, kind, table.classes, threshold)
    for name in (n for n in names if kind != "embedding" or n in table.classes):
        value = metrics["test"].get(name, {}).get("value")
        if value is not None and not np.isclose(pair.compute_value(name), value, rtol=0, atol=SAME_VALUE):
            return False
    return True


def compare_pair(pair: Pair, metric: str, *, confidence: float, seed: int) -> Evidence:
    """Test whether a metric fell, on the common test tracks of both revisions.

    Parameters
    ----------
    pair : Pair
    metric : str
    confidence : float
        Confidence of the interval.
    seed : int
    """
    p, p_least, gain = compute_p([pair], metric, seed)
    low, high = _compute_interval(pair, metric, confidence)
    return Evidence(gain, low, high, p, p_least, pair.basis)


def compute_p(pairs: Sequence[Pair], metric: str, seed: int) -> tuple[float, float, float]:
    """Test whether the mean of a metric over candidates fell; an artist is swapped for all of them together.

    Returns
    -------
    p, p_least : float
        As in `Evidence`.
    gain : float
        Mean gain.
    """
    groups = np.unique(np.concatenate([pair.find_differing_groups(metric) for pair in pairs]))
    swaps = draw_swaps(len(groups), seed)
    gains = np.mean([pair.compute_gains(metric, groups, swaps) for pair in pairs], axis=0)
    if np.isnan(gains[0]):
        return 1.0, 1.0, float("nan")
    gains = np.round(gains[~np.isnan(gains)], DIGITS)
    p = float((gains < gains[0]).mean() + (gains == gains[0]).mean() / 2)
    return p, 0.5 / len(swaps), float(gains[0])


def draw_swaps(n_groups: int, seed: int) -> np.ndarray:
    """Return all swaps of few groups, else `N_SWAPS` random ones; the first swaps none.

    Returns
    -------
    np.ndarray [shape=(n_swaps, n_groups), dtype=bool]

    Examples
    --------
    >>> draw_swaps(2, 0).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    if n_groups <= EXACT_GROUPS:
        return (np.arange(2**n_groups)[:, np.newaxis] >> np.arange(n_groups) & 1).astype(bool)
    swaps = np.random.default_rng(seed).random((N_SWAPS, n_groups)) < 0.5
    swaps[0] = False
    return swaps


def compare_intervals(
    new: Mapping[str, Any], old: Mapping[str, Any], higher_is_better: bool, level: float
) -> Evidence | None:
    """Test whether a metric fell from its two intervals, as if they were of independent tracks.

    Parameters
    ----------
    new, old : mapping
        ``value``, ``low`` and ``high``, as in models/metrics.
    higher_is_better : bool
    level : float
        Confidence of the intervals.

    Returns
    -------
    Evidence or None
        None if a value or an end is undefined.

    Examples
    --------
    >>> there, here = ({"value": v, "low": v - 0.1, "high": v + 0.1} for v in (0.8, 0.6))
    >>> evidence = compare_intervals(here, there, True, 0.95)
    >>> round(evidence.high, 3), round(evidence.p, 4)
    (-0.059, 0.0028)
    """
    if any(side.get(key) is None for side in (new, old) for key in ("value", "low", "high")):
        return None
    sign = 1 if higher_is_better else -1
    gain = sign * (new["value"] - old["value"])
    ends = ("low", "high") if higher_is_better else ("high", "low")
    (new_low, new_high), (old_low, old_high) = ([abs(s[end] - s["value"]) for end in ends] for s in (new, old))
    below, above = float(np.hypot(new_low, old_high)), float(np.hypot(new_high, old_low))
    z = norm.ppf((1 + level) / 2)
    p = float(norm.sf(-gain / above * z)) if above else float(gain >= 0)
    return Evidence(gain, gain - below, gain + above, p, 0.0, "intervals alone")


def share_alpha(p_least: Sequence[float], alpha: float) -> float:
    """Divide the probability of a false alarm among tests, ignoring those that cannot raise one (Tarone).

    Parameters
    ----------
    p_least : sequence of float
        Lowest possible p-value of each test.
    alpha : float
        Probability of any false alarm.

    Returns
    -------
    float
        Significance level of each test.

    Examples
    --------
    >>> share_alpha([0.001, 0.001, 0.2, 1.0], 0.05)
    0.025
    """
    for k in range(1, len(p_least) + 1):
        if sum(p <= alpha / k for p in p_least) <= k:
            return alpha / k
    return alpha


def _compute_interval(pair: Pair, metric: str, confidence: float) -> tuple[float, float]:
    """Compute the paired interval of the gain; NaN if there is none."""
    if pair.kind == "embedding":
        new, old = (pair.prepare(rows, metric)[:, 0] for rows in (pair.new, pair.old))
        ends = difference(new, old, pair.new.group, confidence)
        low, high = ends["low"], ends["high"]
        return (np.nan, np.nan) if low is None or high is None else (low, high)
    gain = paired.compare(
        pair.new, paired.make_record(pair.old), pair.kind, metric, threshold=pair.threshold, confidence=confidence
    )
    return (gain.low, gain.high) if gain else (float("nan"), float("nan"))
