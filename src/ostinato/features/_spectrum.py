"""Spectrograms: the short-time Fourier transform and the decibel scale shared by features.

The recipe is librosa's (McFee et al., "librosa: Audio and music signal analysis
in Python", 2015) with centred frames and, by default, reflected ends and a Hann
window; in single precision throughout.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.audio.fourier import compute_power

Window: TypeAlias = Literal["hann", "blackmanharris62"]
Pad: TypeAlias = Literal["reflect", "constant"]

BLACKMAN_HARRIS = (0.44959, -0.49364, 0.05677)
"""Three terms, side lobes at -62 dB (F. J. Harris, "On the use of windows for harmonic analysis", 1978)."""
AMIN = 1e-10
TOP_DB = 80.0


def frame(y: np.ndarray, length: int, hop_length: int, pad: Pad = "reflect") -> np.ndarray:
    """Cut a signal into frames centred at multiples of the hop.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)]
    length : int
        Samples of a frame, even.
    hop_length : int
    pad : {"reflect", "constant"}
        Values beyond the ends: the mirrored signal, or silence.

    Returns
    -------
    np.ndarray [shape=(1 + n_samples // hop_length, length)]
        A view of the padded signal.

    Examples
    --------
    >>> frame(np.arange(5), 4, 2)
    array([[2, 1, 0, 1],
           [0, 1, 2, 3],
           [2, 3, 4, 3]])
    """
    padded = np.pad(y, length // 2, mode=pad)
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::hop_length]


@lru_cache(maxsize=16)
def hann(length: int) -> np.ndarray:
    """Return a periodic Hann window.

    Parameters
    ----------
    length : int

    Returns
    -------
    np.ndarray [shape=(length,), dtype=float32]
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


@lru_cache(maxsize=16)
def blackman_harris(length: int) -> np.ndarray:
    """Return a periodic Blackman-Harris window of three terms, scaled so that a sine's peak is its amplitude.

    Parameters
    ----------
    length : int

    Returns
    -------
    np.ndarray [shape=(length,), dtype=float32]
        Its sum is 2, as in Essentia.
    """
    angle = 2 * np.pi * np.arange(length) / length
    window = sum(a * np.cos(k * angle) for k, a in enumerate(BLACKMAN_HARRIS))
    return np.asarray(window * 2 / np.sum(window), np.float32)


WINDOWS: dict[str, Callable[[int], np.ndarray]] = {"hann": hann, "blackmanharris62": blackman_harris}


def power_spectrogram(
    context: AudioContext, *, n_fft: int, hop_length: int, window: Window = "hann", pad: Pad = "reflect"
) -> np.ndarray:
    """Compute the squared magnitude of the short-time Fourier transform.

    Parameters
    ----------
    context : AudioContext
    n_fft : int
        Samples of a frame and of its window.
    hop_length : int
    window : {"hann", "blackmanharris62"}
    pad : {"reflect", "constant"}

    Returns
    -------
    np.ndarray [shape=(n_frames, 1 + n_fft // 2), dtype=float32]
    """
    return compute_power(frame(context.y, n_fft, hop_length, pad), WINDOWS[window](n_fft))


def decibels(power: np.ndarray) -> np.ndarray:
    """Convert power to decibels, at most 80 below the clip's loudest value.

    Parameters
    ----------
    power : np.ndarray [shape=(n_frames, bins), dtype=float32]

    Returns
    -------
    np.ndarray [shape=(n_frames, bins), dtype=float32]
        In dB of full scale; power below 1e-10 counts as 1e-10.

    Examples
    --------
    >>> decibels(np.float32([[1.0, 0.1, 0.0]])).round(3)
    array([[  0., -10., -80.]], dtype=float32)
    """
    db = np.maximum(power, np.float32(AMIN))
    np.log(db, out=db)
    db *= np.float32(10 / np.log(10))
    return np.maximum(db, db.max() - np.float32(TOP_DB), out=db)


def stft_decibels(context: AudioContext, *, n_fft: int, hop_length: int) -> np.ndarray:
    """Return the spectrogram in decibels.

    Parameters
    ----------
    context : AudioContext
    n_fft, hop_length : int

    Returns
    -------
    np.ndarray [shape=(n_frames, 1 + n_fft // 2), dtype=float32]
        In dB.
    """
    return decibels(context.compute(power_spectrogram, n_fft=n_fft, hop_length=hop_length))
