import numpy as np
import pytest

from ostinato.datasets._synthesis import voices
from ostinato.datasets._synthesis.voices import SAMPLE_RATE, Patch


def strongest(y: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(y))


@pytest.mark.parametrize("pitch", [45, 57, 69])
def test_a_note_sounds_at_its_pitch(pitch):
    y = voices.note(Patch("organ", 1.0, 0.01, 0.0), pitch, 1.0, "hold", 0.0)
    assert strongest(y) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), abs=2)


def test_a_scooped_note_starts_low_and_ends_at_its_pitch():
    y = voices.note(Patch("organ", 1.0, 0.01, 0.0), 69, 1.0, "hold", -12.0)
    assert strongest(y[:2205]) < 300
    assert strongest(y[17000:22000]) == pytest.approx(440, abs=5)


def test_a_falling_note_starts_at_its_pitch_and_ends_low():
    y = voices.note(Patch("organ", 1.0, 0.01, 0.0), 69, 1.0, "hold", 12.0)
    assert strongest(y[500:5500]) == pytest.approx(440, abs=5)
    assert strongest(y[20000:22000]) < 300


def test_swell_and_fade_are_one_another_backwards_but_for_their_ends():
    n = SAMPLE_RATE
    swell, fade = (voices.envelope(n, n - 100, shape, 0.001) for shape in ("swell", "fade"))
    inner = slice(500, n - 700)
    np.testing.assert_allclose(swell[: n - 100][::-1][inner], fade[: n - 100][inner], atol=1e-3)


def test_no_harmonic_folds_back():
    y = voices.note(Patch("synth", -0.4, 0.01, 0.0), 93, 1.0, "hold", 0.0)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
    hertz = np.arange(len(spectrum)) * SAMPLE_RATE / len(y)
    near = np.abs(hertz / 1760 - np.rint(hertz / 1760)) * 1760 < 30
    assert spectrum[~near].sum() < 1e-3 * spectrum.sum()
