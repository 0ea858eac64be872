"""Who is better, and is it sure: laws of the paired tests."""

import numpy as np
import pytest
from scipy.stats import binom

from ostinato.evaluation import paired
from ostinato.evaluation.predictions import ScoredTracks
from ostinato.evaluation.significance import contrast, holm, mcnemar


def rows(right: np.ndarray, n_classes: int = 3) -> ScoredTracks:
    """Return tracks of class 0 that are named rightly where told, four of an artist."""
    n = len(right)
    target = np.eye(n_classes, dtype=np.float32)[np.zeros(n, int)]
    scores = np.eye(n_classes)[np.where(right, 0, 1)] * 0.8 + 0.05
    ids = np.array([f"t{i}" for i in range(n)], object)
    group = np.array([f"artist {i // 4}" for i in range(n)], object)
    return ScoredTracks(ids, scores, target, group, ids, np.zeros(n, np.int64))


def contrast_with(new: np.ndarray, old: np.ndarray):
    return contrast(
        rows(new), paired.make_record(rows(old)), "single", "accuracy",
        against="old", threshold=0.5, confidence=0.95,
    )  # fmt: skip


def test_mcnemar_is_the_exact_binomial_test_on_the_tracks_that_differ():
    for won, lost in ((1, 9), (4, 7), (12, 3)):
        fewer = min(won, lost)
        assert mcnemar(won, lost) == pytest.approx(min(1, 2 * binom.cdf(fewer, won + lost, 0.5)))
    assert mcnemar(5, 5) == 1.0


def test_the_tracks_won_and_lost_are_counted(rng):
    new, old = rng.random(80) < 0.7, rng.random(80) < 0.5
    found = contrast_with(new, old)
    assert (found.won, found.lost) == (int((new & ~old).sum()), int((old & ~new).sum()))
    assert found.difference.value == pytest.approx(new.mean() - old.mean())
    assert found.p == mcnemar(found.won, found.lost)


def test_a_candidate_is_as_good_as_itself(rng):
    right = rng.random(80) < 0.6
    found = contrast_with(right, right)
    assert (found.difference.low, found.difference.value, found.difference.high) == (0.0, 0.0, 0.0)
    assert (found.answer, found.p) == ("as good", 1.0)


def test_what_is_better_everywhere_is_better_and_the_other_worse():
    new, old = np.ones(80, bool), np.arange(80) % 2 == 0
    assert contrast_with(new, old).answer == "better"
    assert contrast_with(old, new).answer == "worse"


def test_one_lucky_artist_proves_nothing():
    """McNemar, which takes tracks for independent, is sure of what the interval over artists is not."""
    old = np.zeros(80, bool)
    new = old.copy()
    new[:8] = True  # two artists
    found = contrast_with(new, old)
    assert found.p < 0.01
    assert found.answer == "as good"


def test_with_tags_a_track_is_won_by_fewer_wrong_tags():
    target = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    ids = np.array(["a", "b", "c"], object)
    mine = np.array([[0.9, 0.9, 0.1], [0.9, 0.1, 0.9], [0.1, 0.1, 0.9]])  # 0, 1, 0 wrong
    theirs = np.array([[0.9, 0.1, 0.9], [0.9, 0.1, 0.1], [0.1, 0.1, 0.9]])  # 2, 0, 0 wrong
    new, old = (ScoredTracks(ids, s, target, ids, ids, np.zeros(3, np.int64)) for s in (mine, theirs))
    settings = {"against": "old", "threshold": 0.5, "confidence": 0.95}
    found = contrast(new, paired.make_record(old), "multi", "f1_micro", **settings)
    assert (found.won, found.lost) == (1, 1)


def test_holm_is_never_bolder_and_keeps_the_order(rng):
    p = rng.random(7).tolist()
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    assert (np.diff(np.array(adjusted)[np.argsort(p)]) >= 0).all()
    assert adjusted[int(np.argmin(p))] == pytest.approx(min(1, 7 * min(p)))


def test_no_track_in_common_is_no_contrast():
    right = np.ones(8, bool)
    old = paired.make_record(rows(right)).assign(content_hash="other audio")
    settings = {"against": "old", "threshold": 0.5, "confidence": 0.95}
    assert contrast(rows(right), old, "single", "accuracy", **settings) is None
