"""Thirteen cepstral coefficients with short frames, including loudness, as in paper 001 of docs/recipes.md.

References
----------
Paper 001, section 7.2, gives 13 coefficients, 2048 samples per frame and 512 per hop. The
repository it builds on (V. Velardo, "Deep Learning for Audio with Python", 2020) uses
librosa's defaults: 128 mel bands, decibels of full scale, orthonormal DCT-II.
"""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._mel import cosines, mel_decibels

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = 22050,
    n_fft: int = 2048,
    hop_length: int = 512,
    n_mels: int = 128,
    f_min: float = 0.0,
    f_max: float | None = None,
    n_mfcc: int = 13,
) -> np.ndarray:
    """Compute mel-frequency cepstral coefficients; 130 frames are a tenth of 30 s.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; None: the context's.
    n_fft, hop_length : int
        In samples.
    n_mels : int
    f_min, f_max : float
        Edges of the lowest and highest band in Hz; `f_max` None: half the sample rate.
    n_mfcc : int

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mfcc), dtype=float32]
    """
    mel = context.resample(sample_rate).compute(
        mel_decibels, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
    )
    return mel @ cosines(n_mels)[:, :n_mfcc]
