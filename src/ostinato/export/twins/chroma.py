"""Pitch classes of the constant-Q transform."""

import numpy as np

from ostinato.export._build import Builder
from ostinato.export.twins._constant_q import constant_q
from ostinato.features.chroma import _folding


def graph(
    op: Builder,
    y: str,
    *,
    sample_rate: int,
    hop_length: int,
    f_min: float,
    n_octaves: int,
    bins_per_octave: int,
    n_chroma: int,
) -> str:
    """Add the chromagram of `ostinato.features.chroma.compute`."""
    n_bins = n_octaves * bins_per_octave
    magnitude = constant_q(
        op, y, sample_rate=sample_rate, hop_length=hop_length, f_min=f_min, n_bins=n_bins,
        bins_per_octave=bins_per_octave,
    )  # fmt: skip
    chroma = op.MatMul(magnitude, _folding(f_min, n_bins, bins_per_octave, n_chroma))
    peak = op.ReduceMax(chroma, np.array([1]))
    return str(op.Div(chroma, op.Where(op.Greater(peak, np.finfo(np.float32).tiny), peak, np.float32(1))))
