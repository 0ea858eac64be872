"""Pitch classes: the constant-Q transform folded into one octave, scaled to a maximum of 1 per frame."""

from functools import lru_cache

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.errors import ParamsError
from ostinato.features._axes import C0, Axis, classes
from ostinato.features._constant_q import constant_q

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = None,
    hop_length: int = 1024,
    f_min: float = 32.70319566257483,
    n_octaves: int = 7,
    bins_per_octave: int = 24,
    n_chroma: int = 12,
) -> np.ndarray:
    """Compute the chromagram.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.
    hop_length : int
        In samples.
    f_min : float
        Centre of the lowest bin in Hz; default: C1.
    n_octaves, bins_per_octave : int
        Of the constant-Q transform, tuned to A 440.
    n_chroma : int
        Classes; the first is C.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_chroma), dtype=float32]
        From 0 to 1, not in decibels; all 0 for a silent frame.

    Raises
    ------
    OstinatoError
        If `bins_per_octave` is not a multiple of `n_chroma`.
    """
    n_bins = n_octaves * bins_per_octave
    magnitude = context.resample(sample_rate).compute(
        constant_q, hop_length=hop_length, f_min=f_min, n_bins=n_bins, bins_per_octave=bins_per_octave
    )
    chroma = magnitude @ _folding(f_min, n_bins, bins_per_octave, n_chroma)
    peak = chroma.max(axis=1, keepdims=True)
    return chroma / np.where(peak > np.finfo(np.float32).tiny, peak, 1)


@lru_cache(maxsize=8)
def _folding(f_min: float, n_bins: int, bins_per_octave: int, n_chroma: int) -> np.ndarray:
    """Return the class of each bin, one-hot, shape (n_bins, n_chroma); classes are centred on their pitch."""
    width, remainder = divmod(bins_per_octave, n_chroma)
    if remainder:
        raise ParamsError(f"features.kinds.chroma: bins_per_octave must be a multiple of {n_chroma}")
    first = round(np.log2(f_min / C0) * n_chroma)
    classes = (np.arange(n_bins) + width // 2) // width + first
    return (classes[:, None] % n_chroma == np.arange(n_chroma)).astype(np.float32)


def axis(*, n_chroma: int = 12, **_: object) -> Axis:
    """Return the pitch classes of the bins."""
    return classes(n_chroma)
