r"""Learning curve: accuracy by number of labels, and what the next ones would bring.

A head is fitted on random subsets of each fold's training tracks and asked of the fold's test
tracks, the same for every size. Its error is taken for

.. math:: e(n) = a + b n^{-c},\quad a, b \ge 0,

a power law above an error that no label removes, and read off beyond the labels at hand. The interval
is that of the resampled groups (artists) under test, each resample with a law of its own.

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
    """Accuracy by the number of labels.

    Parameters
    ----------
    sizes : np.ndarray [shape=(n_sizes,), dtype=int64]
        Labels learned from, ascending.
    correct : np.ndarray [shape=(n_sizes, n_tracks), dtype=float64]
        How often each test track is named right, over the draws.
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
    """What more labels would bring.

    Parameters
    ----------
    n_labels, n_more : int
        Labels at hand, and further ones.
    accuracy : float
        By the law at `n_labels`.
    value, low, high : float
        By how much accuracy would rise, and its interval.
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
        Of nothing, giving an unfitted classifier.
    x : np.ndarray [shape=(n_tracks, width)]
    y : np.ndarray [shape=(n_tracks,), dtype=int64]
    groups : np.ndarray [shape=(n_tracks,)]
        What stands on one side of a split, such as an artist.
    folds : sequence of (np.ndarray, np.ndarray)
        Positions to train on and to test; no track is tested twice.
    seed : int
        Draws the subsets; that of a size holds those of the smaller sizes of its draw.
    n_draws : int
    sizes : np.ndarray [dtype=int64], optional
        Of the subsets, ascending; default: see `choose_sizes`, up to the smallest fold's training tracks.

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
    tested = np.sort(np.concatenate([test for _, test in folds]))
    numbers = np.unique(groups[tested], return_inverse=True)[1]
    return LearningCurve(sizes, correct[:, tested] / n_draws, numbers)


def choose_sizes(n_train: int, n_classes: int) -> np.ndarray:
    """Choose sizes of subsets, evenly by their logarithm.

    Examples
    --------
    >>> choose_sizes(80, 10).tolist(), choose_sizes(12, 2).tolist()
    ([20, 26, 35, 46, 61, 80], [10, 11, 12])
    """
    least = min(max(LEAST_SIZE, 2 * n_classes), n_train)
    return np.unique(np.geomspace(least, n_train, N_SIZES).round().astype(int))


def estimate_gain(curve: LearningCurve, n_labels: int, n_more: int, *, seed: int = 0) -> Gain:
    """Estimate by how much accuracy would rise with more labels of the same kind.

    Parameters
    ----------
    curve : LearningCurve
    n_labels : int
        At hand; the model that is released learned from all of them.
    n_more : int
    seed : int
        Draws the resamples.

    Returns
    -------
    Gain
        The interval is that of `CONFIDENCE`.
    """
    rng = np.random.default_rng(derive(seed, "gain"))
    n_groups = int(curve.groups.max()) + 1
    members = np.eye(n_groups)[curve.groups]
    right, count = curve.correct @ members, members.sum(axis=0)
    draws = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES)
    resampled = [_extrapolate(curve.sizes, right @ d / (count @ d), n_labels, n_more)[1] for d in draws]
    accuracy, value = _extrapolate(curve.sizes, curve.accuracy, n_labels, n_more)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Gain(n_labels, n_more, accuracy, value, float(low), float(high))


def _predict(
    make: Callable[[], ClassifierMixin], x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Predict the classes of test tracks; one class alone is what every track has."""
    if len(np.unique(y[train])) == 1:
        return np.full(len(test), y[train][0])
    return np.asarray(make().fit(x[train], y[train]).predict(x[test]))


def _extrapolate(sizes: np.ndarray, accuracy: np.ndarray, n_labels: int, n_more: int) -> tuple[float, float]:
    """Fit the law, and read off the accuracy at hand and its rise.

    Examples
    --------
    >>> sizes = np.array([10, 20, 40, 80])
    >>> now, rise = _extrapolate(sizes, 1 - (0.1 + 2 / sizes**0.5), 100, 300)
    >>> round(now, 3), round(rise, 3)
    (0.7, 0.1)
    """
    fits = []
    for exponent in EXPONENTS:
        terms = np.column_stack([np.ones(len(sizes)), sizes**-exponent])
        numbers, residual = nnls(terms, 1 - accuracy)
        fits.append((residual, exponent, numbers))
    _, exponent, (_, slope) = min(fits, key=lambda fit: (round(fit[0], 12), fit[1]))
    floor = next(numbers[0] for _, e, numbers in fits if e == exponent)
    now, then = (float(floor + slope * n**-exponent) for n in (n_labels, n_labels + n_more))
    return 1 - now, now - then
