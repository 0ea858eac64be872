"""Planted tracks whose classes overlap, and the laws that scores of any candidate keep on them."""

import numpy as np
from sklearn.metrics import roc_auc_score

from ostinato.metrics.probabilities import calibration_error, top_calibration_error

N_TRAIN, N_TEST = 700, 3000
WIDTH = 10
CASES = [(2, "single"), (3, "single"), (10, "single"), (3, "multi")]
SPREADS = {2: 0.5, 3: 0.6, 10: 0.8}
"""Of the centres, by number of genres."""


def draw_tracks(n_classes, kind, n_tracks=N_TRAIN + N_TEST, seed=5):
    """Draw genres that overlap, as clouds about centres, or tags that a plane divides with noise."""
    rng = np.random.default_rng(seed)
    if kind == "multi":
        x = rng.normal(size=(n_tracks, WIDTH))
        chance = 1 / (1 + np.exp(-2 * x @ rng.normal(size=(WIDTH, n_classes))))
        return x.astype(np.float32), (rng.random((n_tracks, n_classes)) < chance).astype(np.float32)
    label = rng.integers(0, n_classes, n_tracks)
    centres = rng.normal(0, SPREADS[n_classes], (n_classes, WIDTH))
    x = centres[label] + rng.normal(size=(n_tracks, WIDTH))
    return x.astype(np.float32), np.eye(n_classes, dtype=np.float32)[label]


def check_scores(scores, target, kind):
    """Hold that the surer labels are right more often, as often as their scores say, and that scores are no steps."""
    scores, n_classes = np.asarray(scores, np.float64), target.shape[1]
    if kind == "single":
        confidence, right = scores.max(axis=1), scores.argmax(axis=1) == target.argmax(axis=1)
        error, n_least = top_calibration_error(preds=scores, target=target), n_classes
    else:
        confidence, right = np.abs(scores - 0.5).ravel(), ((scores > 0.5) == (target > 0)).ravel()
        error, n_least = calibration_error(preds=scores, target=target), 2 * n_classes
    assert roc_auc_score(right, confidence) > 0.7
    assert error < 0.05
    assert len(np.unique(confidence)) > n_least
