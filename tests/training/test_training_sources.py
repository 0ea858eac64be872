"""Chunks of the cache and logits of members."""

import numpy as np
import pytest

from ostinato.core import chunks
from ostinato.errors import DataError
from ostinato.training.data.sources import Evaluation, Features, Joined, Logits


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


def test_a_track_that_does_not_vary_becomes_0_as_it_does_in_service():
    """One number of many departs from the others by a bit, and so their deviation from 0."""
    silent = np.full((643, 96), 0.1, np.float16)
    silent[0, 0] = np.nextafter(silent[0, 0], np.float16(1))
    assert 0 < np.float32(silent).std() < chunks.EPSILON
    (found,) = Features("mel", [silent], 129, "track").chunks(0)
    np.testing.assert_allclose(found, 0, atol=1e-4)


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
    source = Features("mel", rows, 8, "train").fit(np.array([0, 2]))
    frames = np.concatenate([rows[0], rows[2]]).astype(np.float64)
    np.testing.assert_allclose(source.statistics["mel"]["mean"], frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(source.statistics["mel"]["std"], frames.std(axis=0), rtol=1e-5)
    again = Features("mel", rows, 8, "train").restore(source.statistics)
    np.testing.assert_array_equal(again.chunks(1)[0], source.chunks(1)[0])


def test_evaluation_covers_each_track_by_its_chunks(rows):
    batches = Evaluation(Features("mel", rows, 8, "frame"), np.array([0, 1, 2]), tracks_per_batch=2)
    owners = np.concatenate([batches[i][1].numpy() for i in range(len(batches))])
    assert [int((owners == i).sum()) for i in range(3)] == [4, 3, 1]


def test_logits_stand_side_by_side_in_the_order_of_members():
    source = Logits({"b": np.ones((2, 3), np.float32), "a": np.zeros((2, 2), np.float32)})
    assert source.inputs == {"b": 3, "a": 2}
    np.testing.assert_array_equal(source.chunks(1)[0], [[1, 1, 1, 0, 0]])


def test_a_number_is_left_out_by_lot_while_learning_and_never_while_judging():
    n = 4000
    tables = {name: np.ones((n, 2), np.float32) for name in ("a", "place", "year")}
    source, where = Logits(tables, {"place": 0.5, "year": 0.25}), np.random.default_rng(0).random(n)
    ((x,), (again,)) = (source.crops(np.arange(n), where) for _ in range(2))
    gone = np.isnan(x)
    assert x.dtype == np.float32
    assert not gone[:, :2].any()
    for left, share in ((gone[:, 2:4], 0.5), (gone[:, 4:], 0.25)):
        np.testing.assert_array_equal(left[:, 0], left[:, 1])
        assert left[:, 0].mean() == pytest.approx(share, abs=0.03)
    assert (gone[:, 2] & gone[:, 4]).mean() == pytest.approx(0.125, abs=0.03)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(source.crops(np.arange(9, 19), where[9:19])[0], x[9:19])
    assert not np.isnan(source.chunks(3)[0]).any()
    np.testing.assert_array_equal(Logits(tables).crops(np.arange(n), where)[0], np.ones((n, 6)))


def test_a_track_that_the_cache_lacks_is_named():
    with pytest.raises(DataError, match=r"missing 1 track, such as 'b'"):
        Features.of("mel", {"a": None}, ["a", "b"], 8, "frame")


def test_kinds_that_are_read_together_are_cut_at_the_same_places(rng):
    """The second kind has twice as many frames; a frame's number says when it is."""
    slow = [np.arange(n, dtype=np.float32)[:, None].repeat(3, 1) for n in (40, 25)]
    fast = [np.arange(2 * n, dtype=np.float32)[:, None] / 2 for n in (40, 25)]
    source = Joined((Features("slow", slow, 8, "none"), Features("fast", fast, 16, "none")))
    assert source.inputs == {"slow": (1, 3, 8), "fast": (1, 1, 16)}
    where = rng.random(2)
    for a, b in (source.crops(np.array([0, 1]), where), source.chunks(0), source.chunks(1)):
        assert len(a) == len(b)
        assert np.abs(a[:, 0, 0, 0] - b[:, 0, 0, 0]).max() <= 1
        assert np.abs(a[:, 0, 0, -1] - b[:, 0, 0, -1]).max() <= 1


def test_of_kinds_read_together_the_one_that_needs_most_chunks_decides():
    long, short = np.zeros((40, 2), np.float32), np.zeros((9, 2), np.float32)
    source = Joined((Features("short", [short], 8, "none"), Features("long", [long], 8, "none")))
    assert [len(array) for array in source.chunks(0)] == [5, 5]


def test_each_kind_is_fitted_for_itself(rows):
    joined = Joined((Features("a", rows, 8, "train"), Features("b", [r * 2 for r in rows], 8, "train")))
    fitted = joined.fit(np.array([0]))
    np.testing.assert_allclose(fitted.statistics["b"]["mean"], np.multiply(fitted.statistics["a"]["mean"], 2))
    again = joined.restore(fitted.statistics)
    for mine, theirs in zip(again.chunks(1), fitted.chunks(1), strict=True):
        np.testing.assert_array_equal(mine, theirs)
