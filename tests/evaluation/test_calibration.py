"""Temperature scaling: what it finds, what it leaves alone, and that predictions carry it."""

from dataclasses import replace

import numpy as np
import pytest

from ostinato.core.scores import scores
from ostinato.evaluation.calibration import apply_temperature, calibrate, find_confidence_threshold, fit_temperature
from ostinato.evaluation.predictions import ScoredTracks


def rows(rng: np.random.Generator, kind: str, sharpness: float, n: int = 4000, c: int = 5) -> ScoredTracks:
    """Draw labels by true probabilities, and give scores whose logits are too large by a factor."""
    logits = rng.normal(0, 1.5, (n, c))
    true = scores(logits, kind)
    if kind == "single":
        target = np.eye(c)[(true.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=c - 1)]
    else:
        target = (rng.random((n, c)) < true).astype(float)
    names = np.arange(n).astype(str).astype(object)
    return ScoredTracks(names, scores(logits * sharpness, kind), target, names, names, np.zeros(n, np.int64))


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_factor_that_was_too_much_is_found(kind, sharpness, rng):
    assert fit_temperature(rows(rng, kind, sharpness), kind) == pytest.approx(sharpness, rel=0.08)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_test_figures_become_better_and_labels_stay(kind, rng):
    validation, test = (rows(rng, kind, 3.0) for _ in range(2))
    found = calibrate(validation, test, kind)
    for figure in found["test"].values():
        assert figure["after"] < figure["before"]
    assert found["test"]["calibration_error"]["after"] < 0.03
    warm = apply_temperature(test, found["temperature"], kind)
    np.testing.assert_array_equal(warm.scores.argmax(axis=1), test.scores.argmax(axis=1))
    assert sum(b["n"] for b in found["reliability"]) == (4000 if kind == "single" else 20000)
    assert all(abs(b["score"] - b["share"]) < 0.1 for b in found["reliability"] if b["n"] > 200)


def test_without_validation_nothing_is_claimed(rng):
    test = rows(rng, "single", 1.0, n=10)
    empty = ScoredTracks(
        *(x[:0] for x in (test.track_id, test.scores, test.target, test.group, test.content, test.fold))
    )
    assert calibrate(empty, test, "single") is None


def accuracy_above(track_scores: np.ndarray, threshold: float) -> float:
    """Return the true accuracy of labels with scores from a threshold on, if scores are true probabilities."""
    top = track_scores.max(axis=1)
    return top[top >= threshold].mean()


@pytest.mark.parametrize("n", [45, 200])
def test_a_promise_of_a_calibrated_model_is_seldom_broken(n, rng):
    every = rows(rng, "single", 1.0, n=100_000)
    promises = [find_confidence_threshold(rows(rng, "single", 1.0, n=n))["unsure_below"] for _ in range(300)]
    broken = [p is not None and accuracy_above(every.scores, p) < 0.8 for p in promises]
    assert np.mean(broken) <= 0.1 + 2 * np.sqrt(0.09 / 300)
    assert np.mean([p is not None for p in promises]) > 0.03


def test_a_promise_counts_tracks_of_an_artist_that_agree_as_fewer(rng):
    """Labels of an artist are right or wrong together, with a chance of 0.75: four of five is promised in error."""
    made = []
    for _ in range(200):
        right = np.repeat(rng.random(15) < 0.75, 8)
        target = np.column_stack([right, ~right]).astype(float)
        artist = np.repeat(np.arange(15), 8).astype(str).astype(object)
        track_scores = np.tile([0.9, 0.1], (120, 1))
        made.append(
            find_confidence_threshold(
                ScoredTracks(artist, track_scores, target, artist, artist, np.zeros(120, np.int64))
            )
        )
    assert np.mean([p["unsure_below"] is not None for p in made]) <= 0.13


def test_many_tracks_allow_what_few_do_not(rng):
    many, few = rows(rng, "single", 1.0, n=4000), rows(rng, "single", 1.0, n=10)
    assert find_confidence_threshold(few) == {"accuracy": 0.8, "confidence": 0.9, "n_tracks": 10, "unsure_below": None}
    assert find_confidence_threshold(many)["n_tracks"] == 4000
    below = find_confidence_threshold(many)["unsure_below"]
    assert accuracy_above(many.scores, below) == pytest.approx(0.8, abs=0.07)


def test_what_is_wrong_promises_nothing(rng):
    given = rows(rng, "single", 1.0, n=500)
    assert find_confidence_threshold(replace(given, target=np.roll(given.target, 1, axis=1)))["unsure_below"] is None
    nothing = given.select(np.zeros(0, np.int64))
    assert find_confidence_threshold(nothing)["unsure_below"] is None


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_temperature_of_two_classes_is_found(kind, rng):
    assert fit_temperature(rows(rng, kind, 3.0, c=2), kind) == pytest.approx(3.0, rel=0.1)
