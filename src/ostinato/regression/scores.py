r"""Metrics of predicted numbers, with intervals over artists.

All are out of fold. R2 is relative to the mean :math:`\bar y_f` of the training tracks of a track's fold, the baseline:

.. math:: R^2 = 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - \bar y_{f(i)})^2}

scikit-learn's `r2_score` uses the mean of the test tracks, which no regression knows. With several folds, ranks are
those within each fold, since folds have different means; with one, Spearman's correlation is SciPy's `spearmanr`.

References
----------
J. Y. Campbell, S. B. Thompson, "Predicting excess stock returns out of sample: can anything beat the historical
average?", Review of Financial Studies 21(4), 2008, equation 1.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from ostinato.metrics.jackknife import Estimate, Replicates, jackknife
from ostinato.metrics.replicates import mean_of, ratio, sum_by_group
from ostinato.regression.loss import compute_losses

Figures = dict[str, dict[str, float | None]]
SURE_R2 = "sure_r2"
"""The lower end of the interval of R2, for the gate."""


def compute_figures(
    preds: np.ndarray,
    target: np.ndarray,
    baseline: Mapping[str, np.ndarray],
    fold: np.ndarray,
    group: np.ndarray,
    confidence: float,
) -> tuple[Figures, Figures]:
    """Compute the metrics of a regression and of its baseline.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks,)]
        Of the test tracks of all folds.
    baseline : mapping
        ``mean`` and ``deviation`` of the number over the training tracks of the row's fold, each (n_tracks,).
    fold, group : np.ndarray [shape=(n_tracks,)]
        Fold and group (such as artist) of each row.
    confidence : float

    Returns
    -------
    figures, of_baseline : dict of str to dict
        ``{"value", "low", "high"}`` of r2, spearman, mae (in the number's unit), mae_ratio (to the baseline's)
        and huber; `SURE_R2` has the value only. None where undefined.
    """
    replicates = jackknife(group, confidence)
    figures = _estimate(preds, target, baseline, fold, replicates)
    figures[SURE_R2] = {"value": figures["r2"]["low"], "low": None, "high": None}
    return figures, _estimate(baseline["mean"], target, baseline, fold, replicates)


def compute_r2(preds: np.ndarray, target: np.ndarray, mean: np.ndarray, replicates: Replicates) -> Estimate:
    """Compute the share of the baseline's squared error that a regression removes, with its interval.

    Parameters
    ----------
    preds, target : np.ndarray [shape=(n_tracks,)]
    mean : np.ndarray [shape=(n_tracks,)]
        Mean of the training tracks of the row's fold.
    replicates : Replicates

    Returns
    -------
    Estimate
        At most 1; negative if the mean is closer.
    """
    squares = np.stack([target - preds, target - mean], axis=1) ** 2
    sums = replicates.counts @ sum_by_group(squares, replicates.group, replicates.counts.shape[1])
    unexplained = replicates.estimate(ratio(sums[:, 0], sums[:, 1]), 0)
    return Estimate(1 - unexplained.value, 1 - unexplained.high, 1 - unexplained.low)


def compute_spearman(preds: np.ndarray, target: np.ndarray, fold: np.ndarray, replicates: Replicates) -> Estimate:
    """Compute Spearman's rank correlation, with its interval.

    Parameters
    ----------
    preds, target, fold : np.ndarray [shape=(n_tracks,)]
    replicates : Replicates
        Of the jackknife.

    Returns
    -------
    Estimate
        NaN if all predictions of each fold are equal.
    """
    n_groups = replicates.counts.shape[1]
    folds = [np.flatnonzero(fold == f) for f in np.unique(fold)]
    whole = np.array([_correlate_ranks(preds[rows], target[rows]) for rows in folds])
    sums = np.tile(whole.sum(axis=0), (1 + n_groups, 1))
    for rows, own in zip(folds, whole, strict=True):
        for left_out in np.unique(replicates.group[rows]):
            kept = rows[replicates.group[rows] != left_out]
            sums[1 + left_out] += _correlate_ranks(preds[kept], target[kept]) - own
    covariance, of_preds, of_target = sums.T
    values = np.full(len(sums), np.nan)
    np.divide(covariance, np.sqrt(of_preds * of_target), out=values, where=of_preds * of_target > 1e-12)
    return replicates.estimate(np.clip(values, -1, 1), -1, 1)


def _correlate_ranks(preds: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return covariance and variances of the ranks, as shares of the number of tracks, summed over tracks."""
    if not len(preds):
        return np.zeros(3)
    b = rankdata(target) / len(target)
    a = rankdata(preds) / len(preds) if np.ptp(preds) else np.zeros(len(preds))
    a, b = a - a.mean(), b - b.mean()
    return np.array([a @ b, a @ a, b @ b])


def _estimate(
    preds: np.ndarray,
    target: np.ndarray,
    baseline: Mapping[str, np.ndarray],
    fold: np.ndarray,
    replicates: Replicates,
) -> Figures:
    group, counts, each = replicates.group, replicates.counts, np.ones(len(target))
    errors, plain = np.abs(target - preds), np.abs(target - baseline["mean"])
    mae = mean_of(errors, each, group, counts)
    huber = mean_of(compute_losses(preds, target, baseline["deviation"]), each, group, counts)
    estimates = {
        "r2": compute_r2(preds, target, baseline["mean"], replicates),
        "spearman": compute_spearman(preds, target, fold, replicates),
        "mae": replicates.estimate(mae, 0),
        "mae_ratio": replicates.estimate(ratio(mae, mean_of(plain, each, group, counts)), 0),
        "huber": replicates.estimate(huber, 0),
    }
    return {name: estimate.to_dict() for name, estimate in estimates.items()}
