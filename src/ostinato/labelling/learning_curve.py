r"""Learning curve: accuracy by number of labels, and the expected gain from more.

A head is fitted on random subsets of each fold's training tracks and evaluated on the fold's test
tracks, the same for every size. Its error is modelled as

.. math:: e(n) = a + b n^{-c},\quad a, b \ge 0,

a power law above an irreducible error, and extrapolated to more labels. The interval comes from
resampling the groups (artists) under test, with a fit for each resample.

References
----------
R. L. Figueroa, Q. Zeng-Treitler, S. Kandula, L. H. Ngo, "Predicting sample size required for classification
performance", BMC Medical Informatics and Decision Making 12:8, 2012.
T. Viering, M. Loog, "The shape of learning curves: a review", IEEE TPAMI 45(6), 2023.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from sklearn.base import ClassifierMixin

from ostinato.training.settings import derive

N_SIZES, N_DRAWS, N_RESAMPLES = 6, 8, 400
LEAST_SIZE = 10
EXPONENTS = (0.25, 0.5, 0.75, 1.0)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy by number of labels.

    Parameters
    ----------
    sizes : np.ndarray [shape=(n_sizes,), dtype=int64]
        Numbers of training labels, ascending.
    correct : np.ndarray [shape=(n_sizes, n_tracks), dtype=float64]
        How often each test track is classified correctly, over the draws.
    groups : np.ndarray [shape=(n_tracks,), dtype=int64]
        Of the test tracks, numbered from 0.
    """

    sizes: np.ndarray
    correct: np.ndarray
    groups: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """Mean over the test tracks, (n_sizes,)."""
        return np.asarray(self.correct.mean(axis=1))


@dataclass(frozen=True)
class Gain:
    """The expected gain from more labels.

    Parameters
    ----------
    n_labels, n_more : int
        Present labels, and additional ones.
    accuracy : float
        Of the fit at `n_labels`.
    value, low, high : float
        Rise of accuracy, with its interval.
    """

    n_labels: int
    n_more: int
    accuracy: float
    value: float
    low: float
    high: float


def compute_learning_curve(
    make: Callable[[], ClassifierMixin],
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    seed: int = 0,
    n_draws: int = N_DRAWS,
    sizes: np.ndarray | None = None,
) -> LearningCurve:
    """Fit a classifier on subsets of the training tracks of each fold.

    Parameters
    ----------
    make : callable
        Returns an unfitted classifier.
    x : np.ndarray [shape=(n_tracks, width)]
    y : np.ndarray [shape=(n_tracks,), dtype=int64]
    groups : np.ndarray [shape=(n_tracks,)]
        Units of a split, such as artists.
    folds : sequence of (np.ndarray, np.ndarray)
        Positions of training and test tracks; no track is tested twice.
    seed : int
        Draws the subsets; within a draw, smaller subsets are part of larger ones.
    n_draws : int
    sizes : np.ndarray [dtype=int64], optional
        Of the subsets, ascending; default: `choose_sizes` up to the training tracks of the smallest fold.

    Returns
    -------
    LearningCurve
    """
    if sizes is None:
        sizes = choose_sizes(min(len(train) for train, _ in folds), len(np.unique(y)))
    correct = np.zeros((len(sizes), len(y)))
    for number, (train, test) in enumerate(folds):
        for draw in range(n_draws):
            order = np.random.default_rng(derive(seed, "learning curve", number, draw)).permutation(train)
            for i, size in enumerate(sizes):
                correct[i, test] += _predict(make, x, y, order[:size], test) == y[test]
    test_rows = np.sort(np.concatenate([test for _, test in folds]))
    numbers = np.unique(groups[test_rows], return_inverse=True)[1]
    return LearningCurve(sizes, correct[:, test_rows] / n_draws, numbers)


def choose_sizes(n_train: int, n_classes: int) -> np.ndarray:
    """Choose sizes of subsets, evenly spaced on a log scale.

    Examples
    --------
    >>> choose_sizes(80, 10).tolist(), choose_sizes(12, 2).tolist()
    ([20, 26, 35, 46, 61, 80], [10, 11, 12])
    """
    smallest = min(max(LEAST_SIZE, 2 * n_classes), n_train)
    return np.unique(np.geomspace(smallest, n_train, N_SIZES).round().astype(int))


def estimate_gain(curve: LearningCurve, n_labels: int, n_more: int, *, seed: int = 0) -> Gain:
    """Estimate the rise of accuracy with more labels of the same kind.

    Parameters
    ----------
    curve : LearningCurve
    n_labels : int
        Present labels; the released model is trained on all of them.
    n_more : int
    seed : int
        Draws the resamples.

    Returns
    -------
    Gain
        With an interval of `CONFIDENCE`.
    """
    rng = np.random.default_rng(derive(seed, "gain"))
    n_groups = int(curve.groups.max()) + 1
    members = np.eye(n_groups)[curve.groups]
    right, count = curve.correct @ members, members.sum(axis=0)
    draws = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES)
    values = [_extrapolate(curve.sizes, right @ d / (count @ d), n_labels, n_more)[1] for d in draws]
    accuracy, value = _extrapolate(curve.sizes, curve.accuracy, n_labels, n_more)
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Gain(n_labels, n_more, accuracy, value, float(low), float(high))


def _predict(
    make: Callable[[], ClassifierMixin], x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Predict the classes of test tracks; a single training class is predicted for all."""
    if len(np.unique(y[train])) == 1:
        return np.full(len(test), y[train][0])
    return np.asarray(make().fit(x[train], y[train]).predict(x[test]))


def _extrapolate(sizes: np.ndarray, accuracy: np.ndarray, n_labels: int, n_more: int) -> tuple[float, float]:
    """Fit the law; return the present accuracy and its rise.

    Examples
    --------
    >>> sizes = np.array([10, 20, 40, 80])
    >>> present, rise = _extrapolate(sizes, 1 - (0.1 + 2 / sizes**0.5), 100, 300)
    >>> round(present, 3), round(rise, 3)
    (0.7, 0.1)
    """
    fits = []
    for exponent in EXPONENTS:
        terms = np.column_stack([np.ones(len(sizes)), sizes**-exponent])
        numbers, residual = nnls(terms, 1 - accuracy)
        fits.append((residual, exponent, numbers))
    _, exponent, (_, slope) = min(fits, key=lambda fit: (round(fit[0], 12), fit[1]))
    floor = next(numbers[0] for _, e, numbers in fits if e == exponent)
    present, future = (float(floor + slope * n**-exponent) for n in (n_labels, n_labels + n_more))
    return 1 - present, present - future
