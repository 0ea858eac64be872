"""Degradations of audio for robustness tests, such as noise, MP3 and speed; all are seeded."""

import io
from collections.abc import Callable
from typing import TypeAlias

import av
import numpy as np
import soxr
from scipy.signal import butter, sosfiltfilt

from ostinato.audio.lazy_librosa import import_librosa
from ostinato.errors import DataError

Perturbation: TypeAlias = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def gain(y: np.ndarray, decibels: float) -> np.ndarray:
    """Scale a waveform and clip it to [-1, 1].

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    decibels : float

    Examples
    --------
    >>> gain(np.array([0.1, -0.9]), 20.0).tolist()
    [1.0, -1.0]
    """
    return np.clip(y * 10 ** (decibels / 20), -1, 1)


def noise(y: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Add white noise at a level below the waveform's; silence stays silent.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    decibels : float
        Signal-to-noise ratio.
    rng : np.random.Generator
    """
    level = np.sqrt(np.mean(np.square(y, dtype=np.float64))) * 10 ** (-decibels / 20)
    return y + level * rng.standard_normal(len(y))


def low_pass(y: np.ndarray, sample_rate: int, cutoff: float) -> np.ndarray:
    """Apply a Butterworth low-pass of order 8, forwards and backwards.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
        In Hz; up to twice the cutoff, nothing changes.
    cutoff : float
        In Hz.
    """
    if cutoff >= sample_rate / 2:
        return y
    sections = butter(8, cutoff, fs=sample_rate, output="sos")
    return np.asarray(sosfiltfilt(sections, y, padlen=min(3 * (2 * len(sections) + 1), len(y) - 1)))


def band_limit(y: np.ndarray, sample_rate: int, target_rate: int) -> np.ndarray:
    """Resample a waveform to a lower rate and back, which removes the band above half of that rate.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
        In Hz; up to the target rate, nothing changes.
    target_rate : int
        In Hz.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        Of the same length and rate.
    """
    if target_rate >= sample_rate:
        return y
    low = soxr.resample(np.asarray(y, np.float32), sample_rate, target_rate)
    result = soxr.resample(low, target_rate, sample_rate)[: len(y)]
    return np.pad(result, (0, len(y) - len(result)))


def through_mp3(y: np.ndarray, sample_rate: int, bit_rate: int) -> np.ndarray:
    """Encode a waveform as MP3 and decode it again.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
    sample_rate : int
        In Hz; one that MP3 supports.
    bit_rate : int
        In bits per second.

    Returns
    -------
    np.ndarray [shape=(n_samples,), dtype=float32]
        Of the same length, without the encoder's delay.

    Raises
    ------
    DataError
        If MP3 does not support the rate.
    """
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp3") as file:
            stream = file.add_stream("libmp3lame", rate=sample_rate, layout="mono")
            stream.bit_rate = bit_rate
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y, np.float32)[np.newaxis], "fltp", "mono")
            frame.sample_rate = sample_rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                file.mux(packet)
    except av.FFmpegError as error:
        raise DataError(f"MP3 at {sample_rate} Hz: {error}; resample first") from error
    buffer.seek(0)
    with av.open(buffer, "r", format="mp3") as file:
        blocks = [frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)]
    result = np.concatenate(blocks).astype(np.float32)[: len(y)]
    return np.pad(result, (0, len(y) - len(result)))


def stretch(y: np.ndarray, rate: float) -> np.ndarray:
    """Change the speed at the same pitch, with librosa's phase vocoder.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    rate : float
        Above 1: faster.
    """
    librosa = import_librosa()

    return np.asarray(librosa.effects.time_stretch(y, rate=rate))


def shift(y: np.ndarray, sample_rate: int, semitones: float) -> np.ndarray:
    """Shift the pitch at the same speed, with librosa.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
        In Hz.
    semitones : float
    """
    librosa = import_librosa()

    return np.asarray(librosa.effects.pitch_shift(y, sr=sample_rate, n_steps=semitones))


PERTURBATIONS: dict[str, Perturbation] = {
    "gain -12 dB": lambda y, _, __: gain(y, -12),
    "gain +6 dB, clipped": lambda y, _, __: gain(y, 6),
    "MP3 64 kbit/s": lambda y, sample_rate, _: through_mp3(y, sample_rate, 64_000),
    "noise 20 dB below": lambda y, _, rng: noise(y, 20, rng),
    "10 % slower": lambda y, _, __: stretch(y, 0.9),
    "10 % faster": lambda y, _, __: stretch(y, 1.1),
    "a semitone down": lambda y, sample_rate, _: shift(y, sample_rate, -1),
    "a semitone up": lambda y, sample_rate, _: shift(y, sample_rate, 1),
    "sample rate 16 kHz": lambda y, sample_rate, _: band_limit(y, sample_rate, 16_000),
    "low-pass 4 kHz": lambda y, sample_rate, _: low_pass(y, sample_rate, 4000),
}


def perturb(name: str, y: np.ndarray, sample_rate: int, seed: int) -> np.ndarray:
    """Apply one of `PERTURBATIONS`.

    Parameters
    ----------
    name : str
    y : np.ndarray [shape=(n_samples,)]
    sample_rate : int
        In Hz.
    seed : int
        Seed of the clip, so that the same clip gets the same noise.

    Returns
    -------
    np.ndarray [shape=(n_samples',), dtype=float32]
    """
    result = PERTURBATIONS[name](np.asarray(y, np.float32), sample_rate, np.random.default_rng(seed))
    return np.ascontiguousarray(result, np.float32)
