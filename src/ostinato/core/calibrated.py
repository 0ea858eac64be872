r"""Classifiers with scores that are calibrated on held-out tracks.

With out-of-fold decisions :math:`d`, scores are

.. math:: \mathrm{softmax}(d / T)

for three or more classes, so that calibration changes no labels, and
:math:`\sigma(a d + b)` for two, one of which may be rare. `T`, or `a` and `b`, minimise the
cross-entropy to smoothed targets, after Platt: with :math:`n` tracks the target is
:math:`n / (n + 1)` for the true class, and the rest is divided among all :math:`k` classes,
so that few tracks do not give extreme scores.

References
----------
J. Platt, "Probabilistic outputs for support vector machines and comparisons to
regularized likelihood methods", Advances in Large Margin Classifiers, 1999.
C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from ostinato.core.summary import N_STATISTICS

FOLDS = 5
EPSILON = 1e-6
"""Lower bound of scores before taking their logarithm."""
MAX_LOG_SLOPE = 6.0
"""Bound of the logarithm of the slope."""


class Calibrated(ClassifierMixin, BaseEstimator):
    """A classifier with calibrated scores.

    Parameters
    ----------
    classifier : ClassifierMixin
        With ``decision_function``, one column per class, or ``predict_proba``, whose
        logarithm serves as the decision.
    seed : int
        Seed of the folds.

    Attributes
    ----------
    classes_ : np.ndarray [shape=(n_classes,)]
    classifier_ : ClassifierMixin
        Fitted on all tracks, to class indices.
    slope_ : float
    offset_ : np.ndarray [shape=(n_classes,)]
        0 for three classes and more.
    """

    def __init__(self, classifier: ClassifierMixin, seed: int = 0) -> None:
        self.classifier = classifier
        self.seed = seed

    def fit(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> "Calibrated":
        """Fit the classifier, and its calibration on out-of-fold decisions.

        Parameters
        ----------
        x : np.ndarray [shape=(n_tracks, width)]
        y : np.ndarray [shape=(n_tracks,)]
        groups : np.ndarray [shape=(n_tracks,)], optional
            Groups to keep together, such as artists.

        Returns
        -------
        Calibrated
        """
        self.classes_, positions = np.unique(y, return_inverse=True)
        decisions = np.full((len(y), len(self.classes_)), -np.inf)
        for train, held_out in _folds(positions, groups, self.seed):
            estimator = clone(self.classifier).fit(x[train], positions[train])
            decisions[np.ix_(held_out, estimator.classes_)] = decide(estimator, x[held_out])
        mask = np.isfinite(decisions[np.arange(len(y)), positions])
        self.slope_, self.offset_ = fit_calibration(decisions[mask], positions[mask])
        self.classifier_ = clone(self.classifier).fit(x, positions)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Compute scores, (n_tracks, n_classes)."""
        return np.asarray(softmax(self.slope_ * decide(self.classifier_, x) + self.offset_, axis=1))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the class with the highest score."""
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])


def add_scaling(
    classifier: ClassifierMixin, row_norm: str | None, statistics: Literal["all", "mean"] = "all"
) -> Pipeline:
    """Build a pipeline of column selection, row and column scaling, and a classifier.

    Parameters
    ----------
    classifier : ClassifierMixin
    row_norm : {"l1", "l2", "max"}, optional
    statistics : {"all", "mean"}
        All columns of a summary (see `ostinato.core.summary`), or only the means of the bins.

    Returns
    -------
    Pipeline
    """
    columns = [("columns", ColumnTransformer([("mean", "passthrough", find_means)]))] if statistics == "mean" else []
    rows = [("rows", Normalizer(row_norm))] if row_norm else []
    return Pipeline([*columns, *rows, ("scale", StandardScaler()), ("classify", classifier)])


def find_means(x: np.ndarray) -> slice:
    """Return the columns of a summary that contain the means of the bins.

    Examples
    --------
    >>> find_means(np.zeros((3, 8)))
    slice(0, 2, None)
    """
    return slice(0, x.shape[1] // N_STATISTICS)


def decide(classifier: ClassifierMixin, x: np.ndarray) -> np.ndarray:
    """Compute a decision for each class.

    Parameters
    ----------
    classifier : ClassifierMixin
        Fitted.
    x : np.ndarray [shape=(n_tracks, width)]

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_classes), dtype=float64]
        -d and d for two classes.
    """
    if not hasattr(classifier, "decision_function"):
        return np.asarray(np.log(np.maximum(classifier.predict_proba(x), EPSILON)))
    decisions = np.asarray(classifier.decision_function(x), np.float64)
    return np.column_stack([-decisions, decisions]) if decisions.ndim == 1 else decisions


def fit_calibration(decisions: np.ndarray, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit slope and offset to decisions about unseen tracks.

    Parameters
    ----------
    decisions : np.ndarray [shape=(n_tracks, n_classes)]
        -inf for classes absent from a classifier's training tracks.
    positions : np.ndarray [shape=(n_tracks,), dtype=int64]
        Index of the true class.

    Returns
    -------
    slope : float
    offset : np.ndarray [shape=(n_classes,)]
        1 and 0 without tracks.
    """
    n_classes = decisions.shape[1]
    if not len(decisions):
        return 1.0, np.zeros(n_classes)
    mask, n = np.isfinite(decisions), len(decisions)
    target = (n * np.eye(n_classes)[positions] + mask / mask.sum(axis=1, keepdims=True)) / (n + 1)

    def expand(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        offset = np.array([-parameters[1], parameters[1]]) if n_classes == 2 else np.zeros(n_classes)
        return float(np.exp(np.clip(parameters[0], -MAX_LOG_SLOPE, MAX_LOG_SLOPE))), offset

    def loss(parameters: np.ndarray) -> float:
        slope, offset = expand(parameters)
        logs = log_softmax(slope * decisions + offset, axis=1)
        return float(-(target * np.where(mask, logs, 0)).sum(axis=1).mean())

    start = np.zeros(2 if n_classes == 2 else 1)
    return expand(minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).x)


def _folds(positions: np.ndarray, groups: np.ndarray | None, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split tracks into folds by group, fewer if there are few tracks; skip folds that train on one class only."""
    groups = np.arange(len(positions)) if groups is None or len(np.unique(groups)) < 2 else groups
    n_folds = min(FOLDS, len(np.unique(groups)), int(np.bincount(positions).max()))
    if n_folds < 2:
        return
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # such a class is in fewer folds
        parts = list(folds.split(positions, positions, groups))
    for train, held_out in parts:
        if len(np.unique(positions[train])) > 1:
            yield train, held_out
