"""Wrong labels: those that were planted are ranked first, and good labels are left alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from ostinato.evaluation.label_errors import compute_precision, rank_label_errors

CLASSES = tuple("abcde")


@pytest.fixture(scope="module")
def planted_labels():
    """Scores out of fold of 500 points in five overlapping clouds, a tenth of whose labels were changed."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 5, 500)
    x = rng.normal(size=(500, 8)) + 3 * np.eye(5, 8)[truth]
    wrong = rng.choice(500, 50, replace=False)
    label = truth.copy()
    label[wrong] = (truth[wrong] + rng.integers(1, 5, 50)) % 5
    scores = cross_val_predict(LogisticRegression(max_iter=500), x, label, cv=5, method="predict_proba")
    return rank_label_errors([f"t{i:03d}" for i in range(500)], scores, label, CLASSES), [f"t{i:03d}" for i in wrong]


def test_most_of_the_first_were_planted(planted_labels):
    found, wrong = planted_labels
    first, chance = compute_precision(found, wrong, 50)
    assert chance == pytest.approx(0.1)
    assert first >= 0.8
    assert compute_precision(found, wrong, 500) == pytest.approx((0.1, 0.1))


def test_suspects_are_about_as_many_as_wrong_labels(planted_labels):
    found, _ = planted_labels
    assert 40 <= found["suspect"].sum() <= 75
    assert found["suspect"].is_monotonic_decreasing
    assert (found["label"] != found["suggested"]).all()


def test_scores_that_agree_with_every_label_suspect_none():
    label = np.arange(30) % 3
    scores = np.full((30, 3), 0.1) + 0.7 * np.eye(3)[label]
    found = rank_label_errors([str(i) for i in range(30)], scores, label, CLASSES[:3])
    assert not found["suspect"].any()


def test_a_class_that_nobody_has_suspects_nobody():
    scores = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1]] * 5)
    found = rank_label_errors([str(i) for i in range(10)], scores, np.arange(10) % 2, CLASSES[:3])
    assert not found["suspect"].any()
