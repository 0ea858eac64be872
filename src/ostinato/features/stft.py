"""Magnitude of the short-time Fourier transform in decibels, as in paper 004.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Spectral features".
"""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import Axis, hertz
from ostinato.features._spectrum import stft_decibels

SOURCE = "audio"


def compute(
    context: AudioContext, *, sample_rate: int | None = None, n_fft: int = 4096, hop_length: int = 1024
) -> np.ndarray:
    """Compute the spectrogram.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.
    n_fft, hop_length : int
        In samples.

    Returns
    -------
    np.ndarray [shape=(n_frames, 1 + n_fft // 2), dtype=float32]
        In dB of full scale, at most 80 below the clip's loudest value.
    """
    return context.resample(sample_rate).compute(stft_decibels, n_fft=n_fft, hop_length=hop_length)


def axis(*, sample_rate: int, n_fft: int, **_: object) -> Axis:
    """Return the frequencies of the bins."""
    return hertz(np.fft.rfftfreq(n_fft, 1 / sample_rate))
