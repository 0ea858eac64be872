"""Metrics of scores: ranking quality, error and calibration."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_array
from scipy.stats import rankdata

from ostinato.metrics.replicates import Metric, mean_of, metric_of, ratio

BINS = 15
K = 3
CELLS = 1 << 21
"""Maximum size of a table of levels x replicates."""


def average_precision(*, preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Average precision of each class.

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
    """Mean average precision of the classes that have positives.

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
    """Mean label-ranking average precision of the tracks that have labels.

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
    rank = rankdata(-preds, method="max", axis=1)
    rank_among_true = rankdata(np.where(true, -preds, np.inf), method="max", axis=1)
    n_true = true.sum(axis=1)
    precision = np.where(true, rank_among_true / rank, 0).sum(axis=1) / np.maximum(n_true, 1)
    return mean_of(precision, (n_true > 0).astype(float), group, counts)


@metric_of
def mse(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean squared error of scores over tracks and classes.

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
    """Mean cosine between scores and labels, of the tracks that have labels.

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
    """Mean area under the ROC curve of the classes with positives and negatives.

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
    """Share of tracks whose class is among the three highest scores; NaN with at most three classes.

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
    true_score = (preds * target).sum(axis=1, keepdims=True)
    return mean_of(((preds > true_score).sum(axis=1) < K).astype(float), np.ones(len(group)), group, counts)


@metric_of
def calibration_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean distance between score and share of positives over 15 bins, weighted by their sizes (ECE).

    The scores of all classes count; for single labels see `top_calibration_error`.

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
    """Mean distance like `calibration_error`, of only the highest score of each track.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and one-hot labels.

    Examples
    --------
    >>> round(top_calibration_error(preds=np.array([[0.8, 0.2], [0.8, 0.2]]), target=np.eye(2)), 3)
    0.3
    """
    return _compute_error(_select_top(preds, preds), _select_top(preds, target), group, counts)


def reliability(preds: np.ndarray, target: np.ndarray, *, top: bool) -> list[dict[str, float]]:
    """Compute a reliability diagram: the bins that `calibration_error` compares.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks, n_classes)]
        Scores, and 0 or 1.
    top : bool
        Whether to use only the highest score of each track.

    Returns
    -------
    list of dict
        Mean ``score``, ``share`` of positives and size ``n`` of each bin that is not empty.
    """
    if top:
        preds, target = _select_top(preds, preds), _select_top(preds, target)
    n, scores, positives = (x[:, 0] for x in _bin(preds, target, np.zeros(len(target), np.int64), 1))
    return [
        {"score": round(float(s / c), 6), "share": round(float(p / c), 6), "n": int(c)}
        for c, s, p in zip(n, scores, positives, strict=True)
        if c
    ]


def _select_top(preds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Select the value at each track's highest score, (n_tracks, 1)."""
    return np.take_along_axis(values, preds.argmax(axis=1)[:, np.newaxis], axis=1) if len(preds) else values[:, :1]


def _bin(
    preds: np.ndarray, target: np.ndarray, group: np.ndarray, n_groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum numbers, scores and positives by bin and group, each (BINS, n_groups)."""
    index = np.minimum(np.searchsorted(np.linspace(0, 1, BINS + 1), preds, side="right") - 1, BINS - 1)
    cells = (index.ravel(), np.repeat(group, preds.shape[1]))
    values = (np.ones(preds.size), preds.ravel(), target.ravel().astype(float))
    n, scores, positives = (coo_array((v, cells), (BINS, n_groups)).toarray() for v in values)
    return n, scores, positives


def _compute_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    n, scores, positives = _bin(preds, target, group, counts.shape[1])
    return ratio(np.abs((scores - positives) @ counts.T).sum(axis=0), (n @ counts.T).sum(axis=0))


def _area_under_precision(
    scores: np.ndarray, positive: np.ndarray, group: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Compute the average precision of one class.

    Precision is needed only at the scores of positives, so tracks between two of them are
    counted together, in a sparse (n_levels, n_groups) matrix that is multiplied by the counts.

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
    level = np.searchsorted(-levels, -scores, side="left")  # the highest level that a track reaches
    shape = (len(levels) + 1, counts.shape[1])
    ones = np.ones(len(scores))
    tracks = coo_array((ones, (level, group)), shape).tocsr()[:-1]
    hits = coo_array((ones[positive], (level[positive], group[positive])), shape).tocsr()[:-1]

    def compute(counts: np.ndarray) -> np.ndarray:
        n_hits, n_tracks = hits @ counts.T, tracks @ counts.T
        np.cumsum(n_tracks, axis=0, out=n_tracks)
        precision = n_hits.cumsum(axis=0)
        np.divide(precision, n_tracks, out=precision, where=n_tracks > 0)
        precision *= n_hits
        return ratio(precision.sum(axis=0), n_hits.sum(axis=0))

    return _map_replicates(compute, counts, len(levels))


def _area_under_roc(scores: np.ndarray, positive: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the area under the ROC curve of one class.

    It is the share of pairs of a positive and a negative in which the positive has the higher score; ties count half.
    Negatives between two scores of positives are counted together, so that only scores of positives are levels.

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
    positives = coo_array((np.ones(len(level)), (level, group[positive])), shape).tocsr()[:-1]
    negative = ~positive
    # a tie counts half at its level and half at the next
    ends = [np.searchsorted(levels, scores[negative], side=side) for side in ("left", "right")]
    halves, groups = np.full(2 * len(ends[0]), 0.5), np.tile(group[negative], 2)
    lower = coo_array((halves, (np.concatenate(ends), groups)), shape).tocsr()[:-1]
    n_negative = np.bincount(group[negative], minlength=counts.shape[1])

    def compute(counts: np.ndarray) -> np.ndarray:
        n_positive, n_lower = positives @ counts.T, lower @ counts.T
        np.cumsum(n_lower, axis=0, out=n_lower)
        n_lower *= n_positive
        return ratio(n_lower.sum(axis=0), n_positive.sum(axis=0) * (counts @ n_negative))

    return _map_replicates(compute, counts, len(levels))


def _map_replicates(function: Callable[[np.ndarray], np.ndarray], counts: np.ndarray, n_levels: int) -> np.ndarray:
    """Apply a function to batches of replicates, to limit its tables of levels x replicates.

    No batch has only one of several replicates, since NumPy would sum its levels in another order.
    """
    n_parts = min(-(-len(counts) * n_levels // CELLS), len(counts) // 2)
    return np.concatenate([function(batch) for batch in np.array_split(counts, max(n_parts, 1))])


_COMMON: dict[str, Metric] = {
    "map_macro": Metric(map_macro, "scores", True),
    "map_samples": Metric(map_samples, "scores", True),
}
_ERRORS: dict[str, Metric] = {
    "roc_auc_macro": Metric(roc_auc_macro, "scores", True),
    "mse": Metric(mse, "scores", False),
    "cosine": Metric(cosine, "scores", True),
}
SINGLE: dict[str, Metric] = {
    **_COMMON,
    "top_3": Metric(top_3, "scores", True),
    **_ERRORS,
    "calibration_error": Metric(top_calibration_error, "scores", False),
}
MULTI: dict[str, Metric] = {
    **_COMMON,
    **_ERRORS,
    "calibration_error": Metric(calibration_error, "scores", False),
}
