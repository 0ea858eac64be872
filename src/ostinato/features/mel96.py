"""Power in ninety-six mel bands at 12 kHz, in decibels below the track's loudest value: the transfer ConvNet's input.

References
----------
K. Choi, G. Fazekas, M. Sandler, K. Cho, "Transfer learning for music
classification and regression tasks", ISMIR 2017. The published front end takes
decibels from the loudest value of the batch, so that its output depends on the
other tracks; here it is the track's own.
"""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import Axis, hertz
from ostinato.features._mel import centres, mel_power
from ostinato.features._spectrum import decibels

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = 12000,
    n_fft: int = 512,
    hop_length: int = 256,
    n_mels: int = 96,
    f_min: float = 0.0,
    f_max: float | None = None,
) -> np.ndarray:
    """Compute the mel spectrogram; 1360 frames are 29 s.

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

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        In dB, from -80 to 0.
    """
    mel = context.resample(sample_rate).compute(
        mel_power, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max, pad="constant"
    )
    db = decibels(mel)
    return db - db.max()


def axis(*, sample_rate: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None, **_: object) -> Axis:
    """Return the frequencies of the bins."""
    return hertz(centres(sample_rate, n_mels, f_min, f_max))
