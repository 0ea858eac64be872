"""Learning curves: what they say of data whose law is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ostinato.labelling.learning_curve import LearningCurve, choose_sizes, compute_learning_curve, estimate_gain

SIZES = np.array([10, 20, 40, 80])


def make_curve(error, rng, n_tracks=400):
    correct = np.stack([rng.random(n_tracks) > e for e in error]).astype(float)
    return LearningCurve(SIZES, correct, np.arange(n_tracks) // 2)


def folds_of(n, k=4):
    parts = np.arange(n) // 4 % k
    return [(np.flatnonzero(parts != i), np.flatnonzero(parts == i)) for i in range(k)]


def test_the_interval_holds_the_gain_of_the_law(rng):
    gain = estimate_gain(make_curve(0.1 + 2 / SIZES**0.5, rng, 4000), 100, 300)
    assert gain.low < 0.1 < gain.high
    assert gain.value == pytest.approx(0.1, abs=0.03)
    assert gain.accuracy == pytest.approx(0.7, abs=0.03)


def test_a_flat_curve_promises_nothing(rng):
    wave = np.tile(rng.random(300) > 0.4, (4, 1)).astype(float)
    gain = estimate_gain(LearningCurve(SIZES, wave, np.arange(300)), 80, 50)
    assert (gain.value, gain.low, gain.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_curve_rises_where_labels_help_and_is_the_same_again(rng):
    y = np.arange(128) % 4
    x = rng.normal(size=(128, 30)) + 1.2 * np.eye(4, 30)[y]
    first, second = (compute_learning_curve(LogisticRegression, x, y, np.arange(128), folds_of(128)) for _ in "ab")
    np.testing.assert_array_equal(first.correct, second.correct)
    assert first.sizes[-1] == 96
    assert first.accuracy[-1] > first.accuracy[0] + 0.1
    everything = [LogisticRegression().fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds_of(128)]
    assert first.accuracy[-1] == pytest.approx(np.mean(everything), abs=1e-3)


def test_a_subset_of_one_class_answers_that_class(rng):
    y = np.array([0] * 30 + [1])
    curve = compute_learning_curve(LogisticRegression, rng.normal(size=(31, 2)), y, np.arange(31), folds_of(31, 2))
    assert np.isfinite(curve.accuracy).all()


def test_tracks_that_no_fold_tests_do_not_count(rng):
    y = np.arange(40) % 2
    folds = [(np.arange(10, 40), np.arange(10))]
    assert compute_learning_curve(LogisticRegression, rng.normal(size=(40, 2)), y, y, folds).correct.shape[1] == 10


def test_sizes_never_pass_what_there_is():
    assert choose_sizes(6, 10).tolist() == [6]
