"""Magnitude of the constant-Q transform in decibels."""

from ostinato.export._build import Builder
from ostinato.export.twins._constant_q import constant_q
from ostinato.export.twins._spectrum import decibels


def graph(
    op: Builder, y: str, *, sample_rate: int, hop_length: int, f_min: float, n_bins: int, bins_per_octave: int
) -> str:
    """Add the transform of `ostinato.features.cqt.compute`."""
    magnitude = constant_q(
        op, y, sample_rate=sample_rate, hop_length=hop_length, f_min=f_min, n_bins=n_bins,
        bins_per_octave=bins_per_octave,
    )  # fmt: skip
    return decibels(op, op.Mul(magnitude, magnitude))
