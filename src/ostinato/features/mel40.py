"""Power in forty mel bands on HTK's scale, compressed, as in paper 002 of docs/recipes.md.

References
----------
N. Chen, S. Wang, "High-level music descriptor extraction algorithm based on combination of multi-channel CNNs and
LSTM", ISMIR 2017, section 2.1.
J. Pons, T. Lidy, X. Serra, "Experimenting with musically motivated convolutional
neural networks", CBMI 2016, whose front end the paper adopts: Essentia's frames of
2048 samples under a Blackman-Harris window, bands whose weights sum to 1,
log10(1 + 10000 x). Essentia's triangles are straight in mel, these in Hz.
"""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import Axis, hertz
from ostinato.features._mel import centres, mel_power

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = 22050,
    n_fft: int = 2048,
    hop_length: int = 1024,
    n_mels: int = 40,
    f_min: float = 0.0,
    f_max: float | None = None,
    factor: float = 10000.0,
) -> np.ndarray:
    """Compute compressed mel bands; 80 frames are 3.7 s.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; None: the context's. At 44,100 a chunk of 80 frames is 1.9 s, as in
        the paper's text; its durations fit 22,050.
    n_fft, hop_length : int
        In samples.
    n_mels : int
    f_min, f_max : float
        Edges of the lowest and highest band in Hz; `f_max` None: half the sample rate.
    factor : float
        Factor of the power within the logarithm.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        From 0 to about 4, since a sine at full scale has power 1 in its bin.
    """
    mel = context.resample(sample_rate).compute(
        mel_power,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mels=n_mels,
        f_min=f_min,
        f_max=f_max,
        scale="htk",
        window="blackmanharris62",
        pad="constant",
    )
    return np.log10(1 + np.float32(factor) * mel)


def axis(*, sample_rate: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None, **_: object) -> Axis:
    """Return the frequencies of the bins."""
    return hertz(centres(sample_rate, n_mels, f_min, f_max, "htk"))
