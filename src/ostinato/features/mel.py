"""Power in mel bands in decibels, as in paper 004.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Spectral features".
"""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import Axis, hertz
from ostinato.features._mel import centres, mel_decibels

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
) -> np.ndarray:
    """Compute the mel spectrogram.

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

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        In dB of full scale, at most 80 below the clip's loudest value.
    """
    return context.resample(sample_rate).compute(
        mel_decibels, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
    )


def axis(*, sample_rate: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None, **_: object) -> Axis:
    """Return the frequencies of the bins."""
    return hertz(centres(sample_rate, n_mels, f_min, f_max))
