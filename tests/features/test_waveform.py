"""The samples as the cache holds them: what sixteen bits and an exponent keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.audio.context import AudioContext
from ostinato.features import mel, waveform

RATE = 22050


def decode_rows(rows):
    return rows[1:] * 2.0 ** (int(rows[0]) - 15)


def compute_waveform(y):
    return waveform.compute(AudioContext(np.asarray(y, np.float32), RATE))


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1))
def test_samples_of_sixteen_bits_come_back_as_they_were(samples):
    y = np.array(samples) / 2**15
    np.testing.assert_array_equal(decode_rows(compute_waveform(y)), y)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1), st.floats(1e-6, 1e3))
def test_any_other_is_off_by_at_most_a_quantum_of_its_peak(samples, scale):
    y = (np.array(samples) * scale).astype(np.float32)
    assert np.abs(decode_rows(compute_waveform(y)) - y).max() <= np.abs(y).max() * 2**-15


def test_peaks_beyond_full_scale_are_not_clipped():
    np.testing.assert_allclose(decode_rows(compute_waveform([1.7, -3.2])), [1.7, -3.2], atol=1e-4)


@pytest.mark.parametrize("peak", [1.0, 1e-3])
def test_a_soft_track_keeps_as_many_digits_as_a_loud_one(peak):
    """Within the 80 dB of the cache, where half precision errs by more."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(3 * RATE).cumsum()
    y = (peak * (y - y.mean()) / np.abs(y - y.mean()).max()).astype(np.float32)
    errors = {
        name: np.abs(mel.compute(AudioContext(other, RATE)) - mel.compute(AudioContext(y, RATE))).max()
        for name, other in (("stored", decode_rows(compute_waveform(y))), ("half", y.astype(np.float16)))
    }
    assert errors["stored"] < 0.05
    assert errors["half"] > errors["stored"]


def test_it_is_resampled_as_every_feature_is():
    context = AudioContext(np.random.default_rng(0).standard_normal(RATE), RATE)
    np.testing.assert_allclose(
        decode_rows(waveform.compute(context, sample_rate=16000)), context.resample(16000).y, atol=1e-3
    )
