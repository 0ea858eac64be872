"""Samples, for training that computes its feature from them; no network reads them directly.

16 bits per sample with one exponent per track: samples of 16-bit files at the cache's
rate are restored exactly, quiet tracks keep as many digits as loud ones, and peaks
beyond full scale, as of MP3, are not clipped. Half precision, which other kinds use,
has several times the error in quiet bands.
"""

import numpy as np

from ostinato.audio.context import AudioContext

SOURCE = "audio"
BITS = 15


def compute(context: AudioContext, *, sample_rate: int | None = None) -> np.ndarray:
    """Quantise the samples.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.

    Returns
    -------
    np.ndarray [shape=(1 + n_samples,), dtype=int16]
        First the exponent k, then the samples as multiples of 2 ** (k - 15).

    Examples
    --------
    >>> compute(AudioContext(np.array([0.25, -0.5, 1.5]), 8000))
    array([     1,   4096,  -8192,  24576], dtype=int16)
    """
    y = context.resample(sample_rate).y
    peak = max(float(y.max()) * 2**BITS / (2**BITS - 1), -float(y.min()))
    k = int(np.ceil(np.log2(peak))) if peak > 0 else 0
    rows = np.empty(1 + len(y), np.int16)
    rows[0] = k
    np.rint(np.ldexp(y, BITS - k), out=rows[1:], casting="unsafe")
    return rows
