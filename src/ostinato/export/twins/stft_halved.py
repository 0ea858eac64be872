"""The lower half of the spectrogram in decibels."""

import numpy as np

from ostinato.export._build import Builder
from ostinato.export.twins._spectrum import decibels, power_spectrogram


def graph(op: Builder, y: str, *, sample_rate: int, n_fft: int, hop_length: int, standardised: bool) -> str:
    """Add the lower half of `ostinato.features.stft_halved.compute`."""
    db = decibels(op, power_spectrogram(op, y, n_fft=n_fft, hop_length=hop_length))
    if standardised:
        residual = op.Sub(db, op.ReduceMean(db, np.array([1])))
        std = op.Sqrt(op.ReduceMean(op.Mul(residual, residual), np.array([1])))
        db = op.Div(residual, op.Where(op.Greater(std, np.float32(0)), std, np.float32(1)))
    return str(op.Slice(db, np.array([0]), np.array([n_fft // 4]), np.array([1])))
