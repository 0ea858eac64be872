"""Chunks cover a track, and standardising has its closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.core import chunks
from ostinato.errors import OstinatoError


@given(st.integers(1, 2000), st.integers(1, 300))
def test_chunks_cover_every_frame_and_stay_inside(n_frames, chunk_frames):
    starts = chunks.starts(n_frames, chunk_frames)
    covered = np.unique(np.concatenate([np.arange(s, s + chunk_frames) for s in starts]))
    assert np.isin(np.arange(n_frames), covered).all()
    assert starts[0] == 0
    assert (starts + chunk_frames <= max(n_frames, chunk_frames)).all()
    assert len(starts) == max(1, -(-n_frames // chunk_frames))


def test_a_short_clip_is_repeated_from_its_beginning():
    rows = np.arange(3, dtype=np.float16)[:, np.newaxis]
    assert chunks.take(rows, 0, 7).tolist() == [[[0, 1, 2, 0, 1, 2, 0]]]


def test_take_turns_frames_into_columns(rng):
    rows = rng.normal(size=(10, 4)).astype(np.float16)
    chunk = chunks.take(rows, 2, 5)
    assert chunk.shape == (1, 4, 5)
    assert np.array_equal(chunk[0, :, 1], rows[3].astype(np.float32))


def test_each_frame_is_standardised_over_its_bins(rng):
    x = chunks.normalise(rng.normal(3, 2, size=(1, 40, 9)), "frame")
    assert np.allclose(x.mean(axis=1), 0)
    assert np.allclose(x.std(axis=1), 1)


def test_normalising_by_the_training_set(rng):
    mean, std = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    x = np.array([[[1.0, 3.0], [2.0, 6.0]]])
    assert chunks.normalise(x, "train", mean, std).tolist() == [[[0, 1], [0, 1]]]
    with pytest.raises(OstinatoError, match="needs the training set's mean"):
        chunks.normalise(x, "train")
    with pytest.raises(OstinatoError, match="unknown mode 'loudness'"):
        chunks.normalise(x, "loudness")


def test_a_bin_that_did_not_vary_in_training_is_not_blown_up():
    mean, std = np.array([1.0, -80.0]), np.array([2.0, 0.0])
    assert chunks.normalise(np.array([[[3.0], [-60.0]]]), "train", mean, std).tolist() == [[[1], [20]]]


def test_silence_stays_finite():
    for how in ("frame", "track"):
        assert np.array_equal(chunks.normalise(np.full((1, 5, 5), -80.0), how), np.zeros((1, 5, 5)))


def test_as_many_chunks_as_another_input_needs_begin_at_the_same_shares():
    np.testing.assert_array_equal(chunks.starts(100, 40, 4), [0, 20, 40, 60])
    np.testing.assert_array_equal(chunks.starts(200, 80, 4), [0, 40, 80, 120])
    np.testing.assert_array_equal(chunks.starts(30, 40, 3), [0, 0, 0])
