"""Metrics of scores as probabilities: how far from the truth, how well ranked, how well calibrated."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_array
from scipy.stats import rankdata

from ostinato.metrics.replicates import Metric, mean_of, metric_of, ratio

BINS = 15
K = 3
CELLS = 1 << 21
"""Levels times replicates that are looked at together."""


def average_precision(*, preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Area under precision over recall, class by class.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Returns
    -------
    np.ndarray [shape=(n_classes,), dtype=float64]
        NaN for a class without positives.

    Examples
    --------
    >>> average_precision(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 0], [1, 0]]))
    array([0.5, nan])
    """
    one, group = np.ones((1, 1)), np.zeros(len(target), np.int64)
    columns = zip(preds.T, target.T > 0, strict=True)
    return np.array([_area_under_precision(scores, positive, group, one)[0] for scores, positive in columns])


@metric_of
def map_macro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean average precision, the area under precision over recall, of the classes that have positives.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Examples
    --------
    >>> map_macro(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 0], [1, 0]]))
    0.5
    """
    total, defined = np.zeros(len(counts)), np.zeros(len(counts))
    for scores, positive in zip(preds.T, target.T > 0, strict=True):
        area = _area_under_precision(scores, positive, group, counts)
        total += np.nan_to_num(area)
        defined += ~np.isnan(area)
    return ratio(total, defined)


@metric_of
def map_samples(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Label-ranking average precision of the tracks that have labels.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_tracks, n_classes)]
        Scores.
    target : np.ndarray [shape=(n_tracks, n_classes)]

    Examples
    --------
    >>> map_samples(preds=np.array([[0.9, 0.1], [0.8, 0.3]]), target=np.array([[0, 1], [0, 0]]))
    0.5
    """
    true = target > 0
    among_all = rankdata(-preds, method="max", axis=1)
    among_true = rankdata(np.where(true, -preds, np.inf), method="max", axis=1)
    n_true = true.sum(axis=1)
    precision = np.where(true, among_true / among_all, 0).sum(axis=1) / np.maximum(n_true, 1)
    return mean_of(precision, (n_true > 0).astype(float), group, counts)


@metric_of
def mse(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean squared difference of scores and labels over tracks and classes.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    Examples
    --------
    >>> mse(preds=np.array([[0.5, 0.5]]), target=np.array([[1, 0]]))
    0.25
    """
    return mean_of(np.square(preds - target).mean(axis=1), np.ones(len(group)), group, counts)


@metric_of
def cosine(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean cosine between the scores and the labels of the tracks that have labels.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    Examples
    --------
    >>> round(cosine(preds=np.array([[0.5, 0.5], [1, 0]]), target=np.array([[1, 0], [0, 0]])), 3)
    0.707
    """
    lengths = np.linalg.norm(preds, axis=1) * np.linalg.norm(target, axis=1)
    cosines = (preds * target).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    return mean_of(cosines, target.any(axis=1).astype(float), group, counts)


@metric_of
def roc_auc_macro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean area under the receiver operating curve of the classes that some tracks have and some lack.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    Examples
    --------
    >>> roc_auc_macro(preds=np.array([[0.9, 0.1], [0.1, 0.3], [0.5, 0.2]]), target=np.array([[1, 0], [0, 0], [0, 1]]))
    0.75
    """
    total, defined = np.zeros(len(counts)), np.zeros(len(counts))
    for scores, positive in zip(preds.T, target.T > 0, strict=True):
        area = _area_under_roc(scores, positive, group, counts)
        total += np.nan_to_num(area)
        defined += ~np.isnan(area)
    return ratio(total, defined)


@metric_of
def top_3(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of tracks whose class is among the three with the highest scores; NaN if there are no more classes.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and one-hot labels.

    Examples
    --------
    >>> top_3(preds=np.array([[0.4, 0.3, 0.2, 0.1]] * 2), target=np.eye(4)[[2, 3]])
    0.5
    """
    if target.shape[1] <= K:
        return np.full(len(counts), np.nan)
    right = (preds * target).sum(axis=1, keepdims=True)
    return mean_of(((preds > right).sum(axis=1) < K).astype(float), np.ones(len(group)), group, counts)


@metric_of
def calibration_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean distance between score and share of positives over fifteen bins of scores, weighed by their sizes.

    Of several labels a track every score counts; see `top_calibration_error` for one.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.

    References
    ----------
    C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> round(calibration_error(preds=np.array([[0.8], [0.8]]), target=np.array([[1], [0]])), 3)
    0.3
    """
    return _compute_error(preds, target, group, counts)


@metric_of
def top_calibration_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """As `calibration_error`, of each track's highest score alone.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and one-hot labels.

    Examples
    --------
    >>> round(top_calibration_error(preds=np.array([[0.8, 0.2], [0.8, 0.2]]), target=np.eye(2)), 3)
    0.3
    """
    return _compute_error(_top(preds, preds), _top(preds, target), group, counts)


def reliability(preds: np.ndarray, target: np.ndarray, *, top: bool) -> list[dict[str, float]]:
    """Tabulate what `calibration_error` compares.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.
    top : bool
        Take each track's highest score alone.

    Returns
    -------
    list of dict
        Mean ``score``, ``share`` of positives and size ``n`` of each bin that is not empty.
    """
    if top:
        preds, target = _top(preds, preds), _top(preds, target)
    n, scores, positives = (x[:, 0] for x in _bin(preds, target, np.zeros(len(target), np.int64), 1))
    return [
        {"score": round(float(s / c), 6), "share": round(float(p / c), 6), "n": int(c)}
        for c, s, p in zip(n, scores, positives, strict=True)
        if c
    ]


def _top(preds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Take of each row what stands at its highest score, (n_tracks, 1)."""
    return np.take_along_axis(values, preds.argmax(axis=1)[:, np.newaxis], axis=1) if len(preds) else values[:, :1]


def _bin(
    preds: np.ndarray, target: np.ndarray, group: np.ndarray, n_groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add up number, scores and positives by bin and group, each (BINS, n_groups)."""
    place = np.minimum(np.searchsorted(np.linspace(0, 1, BINS + 1), preds, side="right") - 1, BINS - 1)
    where = (place.ravel(), np.repeat(group, preds.shape[1]))
    values = (np.ones(preds.size), preds.ravel(), target.ravel().astype(float))
    summed = (coo_array((v, where), (BINS, n_groups)).toarray() for v in values)
    n, scores, positives = summed
    return n, scores, positives


def _compute_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    n, scores, positives = _bin(preds, target, group, counts.shape[1])
    return ratio(np.abs((scores - positives) @ counts.T).sum(axis=0), (n @ counts.T).sum(axis=0))


def _area_under_precision(
    scores: np.ndarray, positive: np.ndarray, group: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Compute the average precision of one class.

    Precision changes only at the scores of positives, so tracks between two of
    them are counted together: a sparse (n_levels, n_groups) matrix times the counts.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks,)]
    positive : np.ndarray [shape=(n_tracks,), dtype=bool]

    Returns
    -------
    np.ndarray [shape=(n_replicates,), dtype=float64]
        NaN for a replicate without positives.
    """
    levels = np.unique(scores[positive])[::-1]
    level = np.searchsorted(-levels, -scores, side="left")  # the first level that a track has reached
    shape = (len(levels) + 1, counts.shape[1])
    ones = np.ones(len(scores))
    every = coo_array((ones, (level, group)), shape).tocsr()[:-1]
    hits = coo_array((ones[positive], (level[positive], group[positive])), shape).tocsr()[:-1]

    def area(some: np.ndarray) -> np.ndarray:
        n_hits, n_every = hits @ some.T, every @ some.T
        np.cumsum(n_every, axis=0, out=n_every)
        precision = n_hits.cumsum(axis=0)
        np.divide(precision, n_every, out=precision, where=n_every > 0)
        precision *= n_hits
        return ratio(precision.sum(axis=0), n_hits.sum(axis=0))

    return _map_replicates(area, counts, len(levels))


def _area_under_roc(scores: np.ndarray, positive: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the area under the receiver operating curve of one class.

    It is the share of pairs of a positive and a negative of which the positive scores higher, ties by half. Negatives
    between two scores of positives are counted together, so that there is a level per score of positives alone.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks,)]
    positive : np.ndarray [shape=(n_tracks,), dtype=bool]

    Returns
    -------
    np.ndarray [shape=(n_replicates,), dtype=float64]
        NaN for a replicate without positives or without negatives.
    """
    levels, level = np.unique(scores[positive], return_inverse=True)
    shape = (len(levels) + 1, counts.shape[1])
    above = coo_array((np.ones(len(level)), (level, group[positive])), shape).tocsr()[:-1]
    negative = ~positive
    ends = [np.searchsorted(levels, scores[negative], side=side) for side in ("left", "right")]  # apart by a tie
    halves, owner = np.full(2 * len(ends[0]), 0.5), np.tile(group[negative], 2)
    beaten = coo_array((halves, (np.concatenate(ends), owner)), shape).tocsr()[:-1]
    n_negative = np.bincount(group[negative], minlength=counts.shape[1])

    def area(some: np.ndarray) -> np.ndarray:
        n_above, n_beaten = above @ some.T, beaten @ some.T
        np.cumsum(n_beaten, axis=0, out=n_beaten)
        n_beaten *= n_above
        return ratio(n_beaten.sum(axis=0), n_above.sum(axis=0) * (some @ n_negative))

    return _map_replicates(area, counts, len(levels))


def _map_replicates(function: Callable[[np.ndarray], np.ndarray], counts: np.ndarray, n_levels: int) -> np.ndarray:
    """Apply a function to some replicates at a time, so that its tables of levels x replicates stay small.

    One replicate is never alone where there are several: NumPy would add up its levels in another order.
    """
    n_parts = min(-(-len(counts) * n_levels // CELLS), len(counts) // 2)
    return np.concatenate([function(some) for some in np.array_split(counts, max(n_parts, 1))])


_SHARED: dict[str, Metric] = {
    "map_macro": Metric(map_macro, "scores", True),
    "map_samples": Metric(map_samples, "scores", True),
}
_ERRORS: dict[str, Metric] = {
    "roc_auc_macro": Metric(roc_auc_macro, "scores", True),
    "mse": Metric(mse, "scores", False),
    "cosine": Metric(cosine, "scores", True),
}
SINGLE: dict[str, Metric] = {
    **_SHARED,
    "top_3": Metric(top_3, "scores", True),
    **_ERRORS,
    "calibration_error": Metric(top_calibration_error, "scores", False),
}
MULTI: dict[str, Metric] = {
    **_SHARED,
    **_ERRORS,
    "calibration_error": Metric(calibration_error, "scores", False),
}
