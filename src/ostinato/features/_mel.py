"""Mel bands on Slaney's scale (M. Slaney, "Auditory Toolbox", Technical Report 1998-010), each of unit area."""

from functools import lru_cache

import numpy as np

from ostinato.errors import ParamsError
from ostinato.features._shared import AudioContext, decibels, power_spectrogram

LINEAR_HZ = 200 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ
LOG_STEP = np.log(6.4) / 27
GROUP = 16


def mel_decibels(
    context: AudioContext, *, n_fft: int, hop_length: int, n_mels: int, f_min: float, f_max: float | None
) -> np.ndarray:
    """Sum the power spectrogram over mel bands and give it in decibels.

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
    power = context.once(power_spectrogram, n_fft=n_fft, hop_length=hop_length)
    mel = np.empty((len(power), n_mels), np.float32)
    for bands, bins, weights in _groups(context.sample_rate, n_fft, n_mels, f_min, f_max):
        mel[:, bands] = power[:, bins] @ weights
    return decibels(mel)


def mel_bank(sample_rate: int, n_fft: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None) -> np.ndarray:
    """Weigh the bins of a spectrum into triangular bands of unit area.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, n_mels : int
    f_min, f_max : float
        In Hz; `f_max` None: half the sample rate.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2), dtype=float32]

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
    edges = _hz(np.linspace(_mel(f_min), _mel(f_max), n_mels + 2))
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return (np.clip(np.minimum(rising, falling), 0, None) * area[:, None]).astype(np.float32)


@lru_cache(maxsize=16)
def _groups(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None
) -> list[tuple[slice, slice, np.ndarray]]:
    """Cut the bank into blocks of neighbouring bands and the few bins that they weigh."""
    bank = mel_bank(sample_rate, n_fft, n_mels, f_min, f_max)
    groups = []
    for start in range(0, n_mels, GROUP):
        bands = slice(start, min(start + GROUP, n_mels))
        used = np.flatnonzero(bank[bands].any(axis=0))
        bins = slice(used[0], used[-1] + 1) if used.size else slice(0, 1)
        groups.append((bands, bins, np.ascontiguousarray(bank[bands, bins].T)))
    return groups


def _mel(hz: float) -> float:
    """Slaney's mel of a frequency: linear to 1 kHz, logarithmic above."""
    return hz / LINEAR_HZ if hz < BREAK_HZ else float(BREAK_MEL + np.log(hz / BREAK_HZ) / LOG_STEP)


def _hz(mel: np.ndarray) -> np.ndarray:
    """Invert `_mel`."""
    return np.where(mel < BREAK_MEL, mel * LINEAR_HZ, BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL)))
