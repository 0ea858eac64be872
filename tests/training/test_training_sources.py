"""Chunks of the cache and logits of members."""

import numpy as np
import pytest

from ostinato import chunks
from ostinato.errors import DataError
from ostinato.training.sources import Evaluation, Features, Logits


@pytest.fixture
def rows(rng):
    return [rng.normal(3, 2, size=(n, 5)).astype(np.float16) for n in (30, 17, 6)]


@pytest.mark.parametrize("how", ["frame", "track", "none"])
def test_chunks_are_those_of_the_standardised_track(rows, how):
    source = Features("mel", rows, 8, how)
    for i, track in enumerate(rows):
        whole = chunks.normalise(np.float32(track).T, how)
        (found,) = source.chunks(i)
        expected = [chunks.take(whole.T, s, 8) for s in chunks.starts(len(track), 8)]
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_crops_lie_inside_the_track_and_reach_both_ends(rows):
    source = Features("mel", rows, 8, "none")
    (first,) = source.crops(np.array([0]), np.array([0.0]))
    (last,) = source.crops(np.array([0]), np.array([1 - 1e-9]))
    np.testing.assert_array_equal(first[0, 0].T, rows[0][:8])
    np.testing.assert_array_equal(last[0, 0].T, rows[0][-8:])


def test_a_short_track_is_repeated(rows):
    (chunk,) = Features("mel", rows, 8, "none").crops(np.array([2]), np.array([0.9]))
    np.testing.assert_array_equal(chunk[0, 0].T, np.concatenate([rows[2], rows[2][:2]]))


def test_statistics_are_those_of_the_training_tracks(rows):
    source = Features("mel", rows, 8, "train").fitted(np.array([0, 2]))
    frames = np.concatenate([rows[0], rows[2]]).astype(np.float64)
    np.testing.assert_allclose(source.statistics["mel"]["mean"], frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(source.statistics["mel"]["std"], frames.std(axis=0), rtol=1e-5)
    again = Features("mel", rows, 8, "train").restored(source.statistics)
    np.testing.assert_array_equal(again.chunks(1)[0], source.chunks(1)[0])


def test_evaluation_covers_each_track_by_its_chunks(rows):
    batches = Evaluation(Features("mel", rows, 8, "frame"), np.array([0, 1, 2]), tracks_per_batch=2)
    owners = np.concatenate([batches[i][1].numpy() for i in range(len(batches))])
    assert [int((owners == i).sum()) for i in range(3)] == [4, 3, 1]


def test_logits_stand_side_by_side_in_the_order_of_members():
    source = Logits({"b": np.ones((2, 3), np.float32), "a": np.zeros((2, 2), np.float32)})
    assert source.inputs == {"b": 3, "a": 2}
    np.testing.assert_array_equal(source.chunks(1)[0], [[1, 1, 1, 0, 0]])


def test_a_track_that_the_cache_lacks_is_named():
    with pytest.raises(DataError, match=r"1 tracks are absent, such as 'b'"):
        Features.of("mel", {"a": None}, ["a", "b"], 8, "frame")
