"""Mel bands and their cepstral coefficients.

On Slaney's scale (M. Slaney, "Auditory Toolbox", Technical Report 1998-010) each
band has unit area; on HTK's (S. Young et al., "The HTK Book", 2006) its weights
sum to 1.
"""

from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.errors import ParamsError
from ostinato.features._spectrum import Pad, Window, decibels, power_spectrogram

Scale: TypeAlias = Literal["slaney", "htk"]

LINEAR_HZ = 200 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ
LOG_STEP = np.log(6.4) / 27
HTK_FACTOR = 2595.0
HTK_HZ = 700.0
GROUP = 16


def mel_decibels(
    context: AudioContext, *, n_fft: int, hop_length: int, n_mels: int, f_min: float, f_max: float | None
) -> np.ndarray:
    """Return the power in mel bands on Slaney's scale in decibels.

    Parameters
    ----------
    context : AudioContext
    n_fft, hop_length, n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        In dB.

    Raises
    ------
    OstinatoError
        If the bands do not fit below half the sample rate.
    """
    return decibels(mel_power(context, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max))


def mel_power(
    context: AudioContext,
    *,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    f_min: float,
    f_max: float | None,
    scale: Scale = "slaney",
    window: Window = "hann",
    pad: Pad = "reflect",
) -> np.ndarray:
    """Sum the power spectrogram over mel bands.

    Parameters
    ----------
    context : AudioContext
    n_fft, hop_length, n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.
    scale : {"slaney", "htk"}
    window : {"hann", "blackmanharris62"}
    pad : {"reflect", "constant"}

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]

    Raises
    ------
    OstinatoError
        If the bands do not fit below half the sample rate.
    """
    power = context.compute(power_spectrogram, n_fft=n_fft, hop_length=hop_length, window=window, pad=pad)
    mel = np.empty((len(power), n_mels), np.float32)
    for bands, bins, weights in _groups(context.sample_rate, n_fft, n_mels, f_min, f_max, scale):
        mel[:, bands] = power[:, bins] @ weights
    return mel


@lru_cache(maxsize=8)
def cosines(n_mels: int) -> np.ndarray:
    """Return the orthonormal DCT-II as a matrix, shape (n_mels, n_mels), one column per coefficient."""
    angle = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mels))
    matrix = np.cos(angle) * np.sqrt(2 / n_mels)
    matrix[:, 0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def mel_bank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    scale: Scale = "slaney",
) -> np.ndarray:
    """Return the weights of triangular bands over the bins of a spectrum.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.
    scale : {"slaney", "htk"}

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2), dtype=float32]
        Of unit area over Hz, or of sum 1 on HTK's scale.

    Raises
    ------
    OstinatoError
        If the bands do not fit below half the sample rate.
    """
    f_max = sample_rate / 2 if f_max is None else f_max
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ParamsError(
            f"mel bands from {f_min} to {f_max} Hz do not fit below half of {sample_rate} Hz; lower f_max or f_min"
        )
    edges = _edges(f_min, f_max, n_mels, scale)
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rise = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.clip(np.minimum(rise, fall), 0, None)
    size = bank.sum(axis=1) if scale == "htk" else (edges[2:] - edges[:-2]) / 2
    return (bank / np.where(size > 0, size, 1)[:, None]).astype(np.float32)


def centres(
    sample_rate: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None, scale: Scale = "slaney"
) -> np.ndarray:
    """Return the centre of each band of `mel_bank` in Hz, shape (n_mels,)."""
    return _edges(f_min, sample_rate / 2 if f_max is None else f_max, n_mels, scale)[1:-1]


def _edges(f_min: float, f_max: float, n_mels: int, scale: Scale) -> np.ndarray:
    """Return the edges of the bands in Hz, shape (n_mels + 2,)."""
    if scale == "slaney":
        return _hz(np.linspace(_mel(f_min), _mel(f_max), n_mels + 2))
    low, high = (HTK_FACTOR * np.log10(1 + f / HTK_HZ) for f in (f_min, f_max))
    return HTK_HZ * (10 ** (np.linspace(low, high, n_mels + 2) / HTK_FACTOR) - 1)


@lru_cache(maxsize=16)
def _groups(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None, scale: Scale
) -> list[tuple[slice, slice, np.ndarray]]:
    """Split the bank into blocks of neighbouring bands and the bins they cover."""
    bank = mel_bank(sample_rate, n_fft, n_mels, f_min, f_max, scale)
    groups = []
    for start in range(0, n_mels, GROUP):
        bands = slice(start, min(start + GROUP, n_mels))
        nonzero = np.flatnonzero(bank[bands].any(axis=0))
        bins = slice(nonzero[0], nonzero[-1] + 1) if nonzero.size else slice(0, 1)
        groups.append((bands, bins, np.ascontiguousarray(bank[bands, bins].T)))
    return groups


def _mel(hz: float) -> float:
    """Return Slaney's mel of a frequency: linear up to 1 kHz, logarithmic above."""
    return hz / LINEAR_HZ if hz < BREAK_HZ else float(BREAK_MEL + np.log(hz / BREAK_HZ) / LOG_STEP)


def _hz(mel: np.ndarray) -> np.ndarray:
    """Invert `_mel`."""
    return np.where(mel < BREAK_MEL, mel * LINEAR_HZ, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))
