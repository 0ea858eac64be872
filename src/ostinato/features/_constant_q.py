"""Constant-Q transform by recursive decimation.

After Schörkhuber and Klapuri, "Constant-Q transform toolbox for music
processing" (2010), with the filters and the scale of librosa 0.11: the same
Hann-windowed phasors serve each octave, and the signal is halved in rate on the
way down. Unlike librosa's, the decimation is one fixed FIR filter and the
filters are not thinned out, so that a plain convolution reproduces it.
"""

from functools import lru_cache

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.errors import ParamsError
from ostinato.features._spectrum import decibels, frame

TAPS = 47
BETA = 8.0
BLOCK = 32


def constant_q(
    context: AudioContext, *, hop_length: int, f_min: float, n_bins: int, bins_per_octave: int
) -> np.ndarray:
    """Return the magnitude of the constant-Q transform.

    Parameters
    ----------
    context : AudioContext
    hop_length : int
    f_min : float
        Centre of the lowest bin, in Hz.
    n_bins, bins_per_octave : int

    Returns
    -------
    np.ndarray [shape=(n_frames, n_bins), dtype=float32]

    Raises
    ------
    OstinatoError
        If the highest bin is not below half the sample rate.
    """
    frequencies = f_min * 2 ** (np.arange(n_bins) / bins_per_octave)
    quality = _quality(bins_per_octave)
    if frequencies[-1] * (1 + 0.75 / quality) > context.sample_rate / 2:
        raise ParamsError(
            f"constant-Q bins up to {frequencies[-1]:.0f} Hz do not fit below half of {context.sample_rate} Hz; "
            "lower n_bins or f_min"
        )
    n_frames = 1 + len(context.y) // hop_length
    magnitude = np.empty((n_frames, n_bins), np.float32)
    y, rate, hop = context.y, float(context.sample_rate), hop_length
    for stop in range(n_bins, 0, -bins_per_octave):
        octave = slice(max(stop - bins_per_octave, 0), stop)
        kernel = _kernel(rate, float(frequencies[octave.start]), stop - octave.start, bins_per_octave)
        part = np.ascontiguousarray(frame(y, len(kernel), hop)[:n_frames]) @ kernel
        np.square(part, out=part)
        both = part[:, : stop - octave.start] + part[:, stop - octave.start :]
        magnitude[:, octave] = np.sqrt(both) * np.float32(np.sqrt(context.sample_rate / rate))
        if hop % 2 == 0:
            y, rate, hop = decimate(y), rate / 2, hop // 2
    return magnitude


def constant_q_power(context: AudioContext, **parameters: float) -> np.ndarray:
    """Square the magnitude of `constant_q`, which takes the same parameters."""
    return np.square(context.compute(constant_q, **parameters))


def constant_q_decibels(context: AudioContext, **parameters: float) -> np.ndarray:
    """Return `constant_q_power` in decibels, at most 80 below the clip's loudest value."""
    return decibels(constant_q_power(context, **parameters))


def count_reach(*, sample_rate: int, hop_length: int, f_min: float, n_bins: int, bins_per_octave: int) -> int:
    """Count the samples on either side of a frame's centre that its constant-Q transform depends on.

    Parameters
    ----------
    sample_rate : int
    hop_length, f_min, n_bins, bins_per_octave
        As in `constant_q`.

    Returns
    -------
    int
    """
    rate, hop, factor, reach = float(sample_rate), hop_length, 1, 0
    for stop in range(n_bins, 0, -bins_per_octave):
        lowest = f_min * 2 ** (max(stop - bins_per_octave, 0) / bins_per_octave)
        length = _quality(bins_per_octave) * rate / lowest
        reach = max(reach, factor * (int(length / 2) + 1) + (TAPS // 2) * (factor - 1))
        if hop % 2 == 0:
            rate, hop, factor = rate / 2, hop // 2, 2 * factor
    return reach


def _quality(bins_per_octave: int) -> float:
    """Return the ratio of a bin's frequency to its bandwidth."""
    ratio = 4 ** (1 / bins_per_octave)
    return (ratio + 1) / (ratio - 1)


@lru_cache(maxsize=64)
def _kernel(rate: float, lowest: float, n_bins: int, bins_per_octave: int) -> np.ndarray:
    """Return an octave's windowed cosines and sines, shape (length, 2 * n_bins), by librosa's rounding of lengths."""
    frequencies = lowest * 2 ** (np.arange(n_bins) / bins_per_octave)
    lengths = _quality(bins_per_octave) * rate / frequencies
    ahead, behind = np.floor(lengths / 2), np.ceil(lengths / 2)
    time = np.arange(-behind.max(), behind.max())[:, None]
    phase = (behind - time) / (ahead + behind)
    window = np.where((time > -ahead - 0.5) & (time < behind + 0.5), 0.5 - 0.5 * np.cos(2 * np.pi * phase), 0)
    window *= np.sqrt(lengths) / window.sum(axis=0)
    angle = 2 * np.pi * frequencies * time / rate
    return np.concatenate([window * np.cos(angle), window * np.sin(angle)], axis=1).astype(np.float32)


def half_band() -> np.ndarray:
    """Return the low-pass filter applied before each halving of the rate.

    Returns
    -------
    np.ndarray [shape=(47,), dtype=float64]
        A Kaiser-windowed sinc with its corner at a quarter of the rate, of unit sum.
    """
    taps = np.sinc((np.arange(TAPS) - TAPS // 2) / 2) * np.kaiser(TAPS, BETA)
    return taps / taps.sum()


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """Return the filter as a matrix that computes `BLOCK` output samples from a segment of input."""
    matrix = np.zeros((2 * BLOCK + TAPS - 2, BLOCK), np.float32)
    for column in range(BLOCK):
        matrix[2 * column : 2 * column + TAPS, column] = half_band()
    return matrix


def decimate(y: np.ndarray) -> np.ndarray:
    """Halve a signal's rate; it is silent beyond its ends.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,), dtype=float32]

    Returns
    -------
    np.ndarray [shape=(ceil(n_samples / 2),), dtype=float32]
        Sample i is at sample 2 i of `y`.
    """
    n_out = -(-len(y) // 2)
    n_blocks = -(-n_out // BLOCK)
    width = len(_filters())
    n_padded = 2 * BLOCK * (n_blocks - 1) + width
    padded = np.pad(y, (TAPS // 2, max(n_padded - len(y) - TAPS // 2, 0)))
    segments = np.lib.stride_tricks.sliding_window_view(padded, width)[:: 2 * BLOCK][:n_blocks]
    return (np.ascontiguousarray(segments) @ _filters()).reshape(-1)[:n_out]
