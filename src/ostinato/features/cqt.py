"""Magnitude of the constant-Q transform in decibels: a pitch axis of 24 bins an octave from C1."""

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.features._axes import C0, Axis, octaves
from ostinato.features._constant_q import constant_q_decibels

SOURCE = "audio"


def compute(
    context: AudioContext,
    *,
    sample_rate: int | None = None,
    hop_length: int = 1024,
    f_min: float = 32.70319566257483,
    n_bins: int = 168,
    bins_per_octave: int = 24,
) -> np.ndarray:
    """Compute the constant-Q transform.

    Parameters
    ----------
    context : AudioContext
    sample_rate : int, optional
        In Hz; default: the context's.
    hop_length : int
        In samples.
    f_min : float
        Centre of the lowest bin in Hz; default: C1.
    n_bins, bins_per_octave : int

    Returns
    -------
    np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        In dB, at most 80 below the clip's loudest value.
    """
    decibels: np.ndarray = context.resample(sample_rate).compute(
        constant_q_decibels, hop_length=hop_length, f_min=f_min, n_bins=n_bins, bins_per_octave=bins_per_octave
    )
    return decibels


def axis(*, n_bins: int = 168, bins_per_octave: int = 24, f_min: float = 2 * C0, **_: object) -> Axis:
    """Return the notes of the bins."""
    return octaves(n_bins, bins_per_octave, f_min)
