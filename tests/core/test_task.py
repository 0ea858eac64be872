"""Logits, scores and pooling agree."""

import numpy as np
import pandas as pd
import pytest

from ostinato.core.task import Task
from ostinato.errors import OstinatoError

GENRE = Task("genre", ("jazz", "rock"))
TAGS = Task("tags", ("fast", "loud", "sad"))


@pytest.mark.parametrize("task", [GENRE, TAGS])
def test_logits_invert_scores(task, rng):
    scores = task.scores(rng.normal(size=(6, len(task.classes))))
    assert np.allclose(task.scores(task.logits(scores)), scores)


@pytest.mark.parametrize("task", [GENRE, TAGS])
def test_a_tracks_scores_are_the_mean_of_its_chunks(task, rng):
    chunk_logits = rng.normal(scale=4, size=(5, len(task.classes)))
    assert np.allclose(task.scores(task.pool(chunk_logits)), task.scores(chunk_logits).mean(axis=0))


def test_targets():
    tracks = pd.DataFrame({"genre": ["rock", "jazz"], "tags": [["sad", "fast"], []]})
    assert GENRE.target(tracks).tolist() == [[0, 1], [1, 0]]
    assert TAGS.target(tracks).tolist() == [[1, 0, 1], [0, 0, 0]]


def test_extreme_logits_stay_finite():
    assert np.isfinite(TAGS.scores(np.array([-1e9, 0, 1e9]))).all()
    assert np.isfinite(GENRE.pool(np.array([[1e4, -1e4]]))).all()


def test_an_unknown_task_is_named():
    with pytest.raises(OstinatoError, match="unknown task 'mood'"):
        Task("mood", ("a",))


def test_certain_scores_of_single_precision_stay_finite():
    assert np.isfinite(TAGS.logits(np.array([0, 0.5, 1], np.float32))).all()
