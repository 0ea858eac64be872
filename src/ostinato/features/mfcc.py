"""Cepstral coefficients of the mel spectrogram in decibels (orthonormal DCT-II), the first dropped."""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._mel import cosines, mel_decibels

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = None,
    n_fft: int = 4096,
    hop_length: int = 1024,
    n_mels: int = 256,
    f_min: float = 0.0,
    f_max: float | None = None,
    n_mfcc: int = 13,
    n_dropped: int = 1,
) -> np.ndarray:
    """Compute mel-frequency cepstral coefficients.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.
    n_fft, hop_length : int
        In samples.
    n_mels : int
    f_min, f_max : float
        Edges of the lowest and highest band in Hz; `f_max` None: half the sample rate.
    n_mfcc : int
        Number of coefficients computed.
    n_dropped : int
        Number of first coefficients dropped; the first is loudness.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mfcc - n_dropped), dtype=float32]
    """
    mel = context.resample(sample_rate).compute(
        mel_decibels, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
    )
    return mel @ cosines(n_mels)[:, n_dropped:n_mfcc]
