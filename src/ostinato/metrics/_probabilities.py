"""Metrics of scores as probabilities: how far from the truth, how well ranked, how well calibrated.

Each has its resampled form beside it; see `ostinato.metrics._resampled`.
"""

import numpy as np
from scipy.sparse import coo_array
from sklearn import metrics as sk

from ostinato.metrics import _resampled
from ostinato.metrics._shared import Metric

BINS = 15
K = 3


def mse(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    return float(_squares(preds, target).mean()) if len(target) else float("nan")


def cosine(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    labelled = target.any(axis=1)
    return float(_cosines(preds, target)[labelled].mean()) if labelled.any() else float("nan")


def roc_auc_macro(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    defined = (target > 0).any(axis=0) & (target == 0).any(axis=0)
    if not defined.any():
        return float("nan")
    return float(np.mean([sk.roc_auc_score(t, p) for t, p in zip(target.T[defined], preds.T[defined], strict=True)]))


def top_3(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    return float(_among(preds, target).mean()) if len(target) and target.shape[1] > K else float("nan")


def calibration_error(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    return float(_error(*_bin(preds, target, np.arange(len(target)), len(target)), np.ones((1, len(target))))[0])


def top_calibration_error(*, preds: np.ndarray, target: np.ndarray) -> float:
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
    return calibration_error(preds=_top(preds, preds), target=_top(preds, target))


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


def _squares(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.square(preds - target).mean(axis=1)


def _cosines(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(preds, axis=1) * np.linalg.norm(target, axis=1)
    return (preds * target).sum(axis=1) / np.where(lengths > 0, lengths, 1)


def _among(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    right = (preds * target).sum(axis=1, keepdims=True)
    return ((preds > right).sum(axis=1) < K).astype(float)


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


def _error(n: np.ndarray, scores: np.ndarray, positives: np.ndarray, counts: np.ndarray) -> np.ndarray:
    gaps = np.abs((scores - positives) @ counts.T).sum(axis=0)
    return _resampled.ratio(gaps, (n @ counts.T).sum(axis=0))


def _resampled_mse(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _resampled.mean_of(_squares(preds, target), np.ones(len(group)), group, counts)


def _resampled_cosine(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _resampled.mean_of(_cosines(preds, target), target.any(axis=1).astype(float), group, counts)


def _resampled_top_3(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    if target.shape[1] <= K:
        return np.full(len(counts), np.nan)
    return _resampled.mean_of(_among(preds, target), np.ones(len(group)), group, counts)


def _resampled_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _error(*_bin(preds, target, group, counts.shape[1]), np.asarray(counts, np.float64))


def _resampled_top_error(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return _resampled_error(_top(preds, preds), _top(preds, target), group, counts)


def _resampled_roc_auc(preds: np.ndarray, target: np.ndarray, group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Count for each level of score how many negatives lie below it, and half of those at it."""
    counts = np.asarray(counts, np.float64)
    total, defined = np.zeros(len(counts)), np.zeros(len(counts))
    for scores, positive in zip(preds.T, target.T > 0, strict=True):
        levels, level = np.unique(scores, return_inverse=True)
        shape = (len(levels), counts.shape[1])
        above, below = (
            coo_array((which.astype(float), (level, group)), shape).tocsr() @ counts.T
            for which in (positive, ~positive)
        )
        won = (above * (below.cumsum(axis=0) - below / 2)).sum(axis=0)
        area = _resampled.ratio(won, above.sum(axis=0) * below.sum(axis=0))
        total += np.nan_to_num(area)
        defined += ~np.isnan(area)
    return _resampled.ratio(total, defined)


SHARED: dict[str, Metric] = {
    "roc_auc_macro": Metric(roc_auc_macro, "scores", True, _resampled_roc_auc),
    "mse": Metric(mse, "scores", False, _resampled_mse),
    "cosine": Metric(cosine, "scores", True, _resampled_cosine),
}
SINGLE: dict[str, Metric] = {
    "top_3": Metric(top_3, "scores", True, _resampled_top_3),
    **SHARED,
    "calibration_error": Metric(top_calibration_error, "scores", False, _resampled_top_error),
}
MULTI: dict[str, Metric] = {
    **SHARED,
    "calibration_error": Metric(calibration_error, "scores", False, _resampled_error),
}
