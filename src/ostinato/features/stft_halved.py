"""The lower half of the bins of `stft`, in decibels."""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import Axis, hertz
from ostinato.features._spectrum import stft_decibels

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = None,
    n_fft: int = 4096,
    hop_length: int = 1024,
    standardised: bool = False,
) -> np.ndarray:
    """Compute the lower half of the spectrogram.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.
    n_fft, hop_length : int
        In samples.
    standardised : bool
        Scale each frame to mean 0 and deviation 1 over *all* bins before the upper
        half is dropped, as published; its candidates then set ``normalise: none``.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_fft // 4), dtype=float32]
        In dB of full scale, at most 80 below the loudest value of all bins.
    """
    db = context.resample(sample_rate).compute(stft_decibels, n_fft=n_fft, hop_length=hop_length)
    lower = db[:, : n_fft // 4]
    if not standardised:
        return lower
    std = db.std(axis=1, keepdims=True)
    return (lower - db.mean(axis=1, keepdims=True)) / np.where(std > 0, std, 1)


def axis(*, sample_rate: int, n_fft: int, **_: object) -> Axis:
    """Return the frequencies of the bins."""
    return hertz(np.fft.rfftfreq(n_fft, 1 / sample_rate)[: n_fft // 4])
