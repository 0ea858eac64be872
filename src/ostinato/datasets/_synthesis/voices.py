"""Instruments: one note or one stroke as an array of samples, by wavetables, filtered noise and envelopes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SAMPLE_RATE = 22050
TABLE = 2048
RELEASE = 0.04
SHAPES = ("fade", "swell", "hold")

# Falling amplitudes of the harmonics by family, as exponents over odd and even ones, and one stressed harmonic.
FAMILIES: dict[str, tuple[float, float, int]] = {
    "strings": (1.1, 1.1, 2),
    "reed": (0.9, 2.4, 3),
    "organ": (1.6, 1.2, 4),
    "brass": (0.8, 0.9, 5),
    "bells": (1.5, 2.5, 7),
    "synth": (1.0, 1.0, 1),
}


@dataclass(frozen=True)
class Patch:
    """The sound of an instrument of one artist.

    Parameters
    ----------
    family : str
        Key of `FAMILIES`.
    tilt : float
        Added to the exponent of the harmonics' decay; below 0 is brighter.
    attack : float
        Seconds.
    vibrato : float
        Depth in semitones.
    """

    family: str
    tilt: float
    attack: float
    vibrato: float


@lru_cache(maxsize=1024)
def wavetable(family: str, tilt: float, n_harmonics: int) -> np.ndarray:
    """Sum the harmonics of a family to one period.

    Parameters
    ----------
    family : str
    tilt : float
    n_harmonics : int
        Number of harmonics below half the sample rate.

    Returns
    -------
    np.ndarray [shape=(2048,), dtype=float32]
        With an RMS of 1.
    """
    odd, even, stressed = FAMILIES[family]
    k = np.arange(1, max(2, min(n_harmonics, 40)) + 1)
    amplitude = k ** -(np.where(k % 2, odd, even) + tilt)
    amplitude[min(stressed, len(k)) - 1] *= 2
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[k] = amplitude * np.exp(1j * np.pi * k * k / 7)
    period = np.fft.irfft(spectrum)
    return (period / np.sqrt(np.mean(period**2))).astype(np.float32)


def envelope(n: int, n_held: int, shape: str, attack: float) -> np.ndarray:
    """Draw a note's loudness over time.

    Parameters
    ----------
    n, n_held : int
        Samples in total, and until the release.
    shape : {"fade", "swell", "hold"}
    attack : float
        Seconds.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
        Between 0 and 1, ending in 0.

    Examples
    --------
    >>> bool(envelope(1000, 900, "swell", 0.01).argmax() > envelope(1000, 900, "fade", 0.01).argmax())
    True
    """
    u = np.arange(n, dtype=np.float32) / n_held
    if shape == "swell":
        curve = np.exp(-3.5 * (1 - np.minimum(u, 1)))
    elif shape == "fade":
        curve = np.exp(-3.5 * u)
    else:
        curve = np.exp(-0.5 * u)
    n_attack = max(int(min(attack, 0.2 * n_held / SAMPLE_RATE) * SAMPLE_RATE), 2)
    curve[:n_attack] *= np.linspace(0, 1, n_attack, dtype=np.float32)
    curve[n_held:] *= np.linspace(1, 0, n - n_held, dtype=np.float32)
    return curve


def note(patch: Patch, pitch: float, seconds: float, shape: str, bend: float) -> np.ndarray:
    """Play one note.

    Parameters
    ----------
    patch : Patch
    pitch : float
        MIDI number.
    seconds : float
        Until the release, which lasts 0.04 s.
    shape : str
        One of `SHAPES`.
    bend : float
        Semitones: below 0 the note slides up to its pitch from there, above 0 it falls by this much at the end.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
    """
    n_held = max(int(seconds * SAMPLE_RATE), 32)
    n = n_held + int(RELEASE * SAMPLE_RATE)
    u = np.arange(n, dtype=np.float32) / n_held
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    semitones = patch.vibrato * np.minimum(u, 1) * np.sin(2 * np.pi * 5.5 / SAMPLE_RATE * np.arange(n))
    if bend < 0:
        semitones = semitones + bend * np.clip(1 - 1.4 * u, 0, 1)
    elif bend > 0:
        semitones = semitones - bend * np.clip(1.4 * (u - 0.3), 0, 1)
    phase = np.cumsum(2 ** (semitones / 12)) * (frequency / SAMPLE_RATE)
    index = (phase * TABLE).astype(np.int64) & (TABLE - 1)
    n_harmonics = int(0.45 * SAMPLE_RATE / frequency)
    loudness = envelope(n, n_held, shape, patch.attack)
    dark = wavetable(patch.family, patch.tilt + 0.8, n_harmonics)[index]
    bright = wavetable(patch.family, patch.tilt, n_harmonics)[index]
    return loudness * (dark + loudness * (bright - dark))


def kick(rng: np.random.Generator) -> np.ndarray:
    """Draw a kick: a sine that falls to its pitch."""
    t = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    low, sweep, decay = rng.uniform(42, 62), rng.uniform(60, 180), rng.uniform(9, 18)
    phase = 2 * np.pi * (low * t + sweep / 35 * (1 - np.exp(-35 * t)))
    return (np.sin(phase) * np.exp(-decay * t)).astype(np.float32)


def snare(rng: np.random.Generator) -> np.ndarray:
    """Draw a snare: a short tone under noise."""
    t = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    body = np.sin(2 * np.pi * rng.uniform(150, 260) * t) * np.exp(-25 * t)
    rattle = np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-rng.uniform(11, 24) * t)
    return (body * rng.uniform(0.4, 1) + 0.5 * rattle).astype(np.float32)


def hat(rng: np.random.Generator, seconds: float, shape: str, colour: float) -> np.ndarray:
    """Draw a stroke of filtered noise, struck (``fade``) or drawn in (``swell``).

    Parameters
    ----------
    rng : Generator
    seconds : float
    shape : str
        One of `SHAPES`.
    colour : float
        0 is a dark shaker, 1 a bright cymbal.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
    """
    n_held = int(seconds * SAMPLE_RATE)
    n = n_held + int(RELEASE * SAMPLE_RATE)
    noise = rng.standard_normal(n + 2)
    once = np.diff(noise)[:n]
    twice = np.diff(noise, 2)[:n]
    return (((1 - colour) * once + colour * twice) * envelope(n, n_held, shape, 0.003)).astype(np.float32)
