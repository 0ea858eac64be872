"""The metrics for many replicates at once: what a replicate changes is only how often each group counts.

A figure that is a mean over tracks needs one sum per group; F1 needs the counts of
hits per group and class; average precision needs, for each positive, how many
tracks of each group score as high. Each then costs one product with `counts`
instead of one call per replicate. Every function takes

    preds, target : (n_tracks, n_classes); group : (n_tracks,); counts : (n_replicates, n_groups)

and returns (n_replicates,). It equals the metric on the repeated rows (law tested).
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.stats import rankdata


def sum_by_group(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Add the rows of each group.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, ...)]
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
    n_groups : int

    Returns
    -------
    np.ndarray [shape=(n_groups, ...), dtype=float64]
    """
    total = np.zeros((n_groups, *values.shape[1:]))
    np.add.at(total, group, values)
    return total


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN for nothing by nothing."""
    return np.divide(above, below, out=np.full(np.broadcast_shapes(above.shape, below.shape), np.nan), where=below > 0)


def mean_of(values: np.ndarray, weight: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average what each track scores.

    Parameters
    ----------
    values, weight : np.ndarray [shape=(n_tracks,)]
        A track of weight 0 is left out.
    """
    n_groups = counts.shape[1]
    return ratio(
        counts @ sum_by_group(values * weight, group, n_groups), counts @ sum_by_group(weight, group, n_groups)
    )


def accuracy(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `accuracy`."""
    right = (preds == target).all(axis=1).astype(float)
    return mean_of(right, np.ones(len(group)), group, counts)


def hamming_loss(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `hamming_loss`."""
    return mean_of((preds != target).mean(axis=1), np.ones(len(group)), group, counts)


def jaccard(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `jaccard`."""
    both, either = ((preds > 0) & (target > 0)).sum(axis=1), ((preds > 0) | (target > 0)).sum(axis=1)
    return mean_of(np.where(either > 0, both / np.maximum(either, 1), 1.0), np.ones(len(group)), group, counts)


def _hits(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Count hits, named and true labels; each (n_replicates, n_classes)."""
    hits = (preds > 0) & (target > 0)
    named, true = preds > 0, target > 0
    return tuple(counts @ sum_by_group(x, group, counts.shape[1]) for x in (hits, named, true))


def f1_micro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `f1_micro`."""
    hits, named, true = (x.sum(axis=1) for x in _hits(preds, target, group, counts))
    return ratio(2 * hits, named + true)


def f1_macro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `f1_macro`."""
    hits, named, true = _hits(preds, target, group, counts)
    f1 = np.where(true > 0, 2 * hits / np.maximum(named + true, 1), 0.0)
    return ratio(f1.sum(axis=1), (true > 0).sum(axis=1))


def f1_weighted(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `f1_weighted`."""
    hits, named, true = _hits(preds, target, group, counts)
    return ratio((true * 2 * hits / np.maximum(named + true, 1)).sum(axis=1), true.sum(axis=1))


def average_precision(scores: np.ndarray, positive: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample the average precision of one class.

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
    every = (coo_array((ones, (level, group)), shape).tocsr() @ counts.T)[:-1].cumsum(axis=0)
    hits = (coo_array((ones[positive], (level[positive], group[positive])), shape).tocsr() @ counts.T)[:-1]
    precision = np.divide(hits.cumsum(axis=0), every, out=np.zeros(every.shape), where=every > 0)
    return ratio((hits * precision).sum(axis=0), hits.sum(axis=0))


def map_macro(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `map_macro`."""
    total, defined = np.zeros(len(counts)), np.zeros(len(counts))
    counts = np.asarray(counts, np.float64)
    for scores, positive in zip(preds.T, target.T > 0, strict=True):
        if positive.any():
            precision = average_precision(scores, positive, group, counts)
            total += np.nan_to_num(precision)
            defined += ~np.isnan(precision)
    return ratio(total, defined)


def map_samples(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Resample `map_samples`."""
    true = target > 0
    among_all = rankdata(-preds, method="max", axis=1)
    among_true = rankdata(np.where(true, -preds, np.inf), method="max", axis=1)
    n_true = true.sum(axis=1)
    precision = np.where(true, among_true / among_all, 0).sum(axis=1) / np.maximum(n_true, 1)
    return mean_of(precision, (n_true > 0).astype(float), group, counts)
