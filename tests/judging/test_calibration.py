"""Temperature scaling: what it finds, what it leaves alone, and that predictions carry it."""

import numpy as np
import pytest

from ostinato.contract.scores import scores
from ostinato.evaluation.candidate.calibration import calibrate, cooled, reliable_from, temperature
from ostinato.evaluation.candidate.judged import Judged


def rows(rng: np.random.Generator, kind: str, sharpness: float, n: int = 4000, c: int = 5) -> Judged:
    """Draw labels by true probabilities, and give scores whose logits are too large by a factor."""
    logits = rng.normal(0, 1.5, (n, c))
    true = scores(logits, kind)
    if kind == "single":
        target = np.eye(c)[(true.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=c - 1)]
    else:
        target = (rng.random((n, c)) < true).astype(float)
    names = np.arange(n).astype(str).astype(object)
    return Judged(names, scores(logits * sharpness, kind), target, names, names, np.zeros(n, np.int64))


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_factor_that_was_too_much_is_found(kind, sharpness, rng):
    assert temperature(rows(rng, kind, sharpness), kind) == pytest.approx(sharpness, rel=0.08)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_test_figures_become_better_and_labels_stay(kind, rng):
    validation, test = (rows(rng, kind, 3.0) for _ in range(2))
    found = calibrate(validation, test, kind)
    for figure in found["test"].values():
        assert figure["after"] < figure["before"]
    assert found["test"]["calibration_error"]["after"] < 0.03
    warm = cooled(test, found["temperature"], kind)
    np.testing.assert_array_equal(warm.scores.argmax(axis=1), test.scores.argmax(axis=1))
    assert sum(b["n"] for b in found["reliability"]) == (4000 if kind == "single" else 20000)
    assert all(abs(b["score"] - b["share"]) < 0.1 for b in found["reliability"] if b["n"] > 200)


def test_without_validation_nothing_is_claimed(rng):
    test = rows(rng, "single", 1.0, n=10)
    empty = Judged(*(x[:0] for x in (test.track_id, test.scores, test.target, test.group, test.content, test.fold)))
    assert calibrate(empty, test, "single") is None


def test_labels_from_the_reliable_score_on_are_reliable(rng):
    validation = rows(rng, "single", 1.0)
    level = reliable_from(validation.scores, validation.target)
    best = validation.scores.max(axis=1)
    right = validation.target[np.arange(len(best)), validation.scores.argmax(axis=1)]
    assert 0.2 < level < 1
    assert right[best >= level].mean() == pytest.approx(0.8, abs=0.01)
    assert reliable_from(np.array([[0.6, 0.4]]), np.array([[0, 1]])) == 1.0
