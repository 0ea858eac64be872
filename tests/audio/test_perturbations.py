"""Each perturbation does to a waveform what its name says."""

import numpy as np
import pytest

from ostinato.audio.perturb import PERTURBATIONS, band_limit, low_pass, perturb, through_mp3
from ostinato.errors import DataError

RATE = 22050


def tone(frequency: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def peak(y: np.ndarray) -> float:
    """Return the strongest frequency in Hz."""
    return float(np.abs(np.fft.rfft(y * np.hanning(len(y)))).argmax() * RATE / len(y))


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def apply(name: str, y: np.ndarray, seed: int = 0) -> np.ndarray:
    return perturb(name, y, RATE, seed)


def test_gain_is_in_decibels_and_clips():
    y = tone(440)
    assert rms(apply("gain -12 dB", y)) == pytest.approx(rms(y) * 10 ** (-12 / 20), rel=1e-5)
    assert np.abs(apply("gain +6 dB, clipped", 3 * y)).max() == 1.0


def test_noise_lies_so_far_below_and_is_seeded():
    y = tone(440)
    noisy = apply("noise 20 dB below", y)
    assert 20 * np.log10(rms(y) / rms(noisy - y)) == pytest.approx(20, abs=0.3)
    assert (noisy == apply("noise 20 dB below", y)).all()
    assert (noisy != apply("noise 20 dB below", y, seed=1)).any()


@pytest.mark.parametrize(("name", "ratio"), [("a semitone up", 2 ** (1 / 12)), ("a semitone down", 2 ** (-1 / 12))])
def test_pitch_moves_and_length_stays(name, ratio):
    y = tone(440)
    moved = apply(name, y)
    assert len(moved) == len(y)
    assert peak(moved) == pytest.approx(440 * ratio, abs=3)


@pytest.mark.parametrize(("name", "rate"), [("10 % slower", 0.9), ("10 % faster", 1.1)])
def test_speed_changes_and_pitch_stays(name, rate):
    y = tone(440)
    played = apply(name, y)
    assert len(played) == pytest.approx(len(y) / rate, rel=0.01)
    assert peak(played) == pytest.approx(440, abs=3)


def test_low_pass_keeps_what_is_below_and_takes_what_is_above():
    below, above = apply("low-pass 4 kHz", tone(1000)), apply("low-pass 4 kHz", tone(8000))
    assert rms(below) == pytest.approx(rms(tone(1000)), rel=0.02)
    assert rms(above) < 0.01 * rms(tone(8000))
    assert (low_pass(tone(100), 8000, 4000) == tone(100)).all()  # nothing lies above


def test_another_sample_rate_empties_the_band_above_half_of_it():
    below, above = apply("sample rate 16 kHz", tone(7000)), apply("sample rate 16 kHz", tone(9000))
    assert len(below) == RATE
    np.testing.assert_allclose(below[500:-500], tone(7000)[500:-500], atol=3e-3)
    assert rms(above[500:-500]) < 1e-3 * rms(tone(9000))
    assert (band_limit(tone(100), 16_000, 16_000) == tone(100)).all()  # nothing lies above


def test_mp3_is_lossy_and_in_step():
    rng = np.random.default_rng(0)
    y = tone(440) + (0.05 * rng.standard_normal(RATE)).astype(np.float32)
    coded = apply("MP3 64 kbit/s", y)
    assert len(coded) == len(y)
    assert 0.95 < np.corrcoef(y, coded)[0, 1] < 0.99999
    with pytest.raises(DataError, match="MP3 at 12345 Hz"):
        through_mp3(y, 12345, 64_000)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_silence_and_short_clips_are_borne(name):
    for y in (np.zeros(RATE, np.float32), tone(440, seconds=0.2)):
        assert np.isfinite(apply(name, y)).all()
