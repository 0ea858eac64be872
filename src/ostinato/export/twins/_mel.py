"""Mel bands, shared by several features."""

from typing import Any

from ostinato.export._build import Builder
from ostinato.export.twins._spectrum import decibels, power_spectrogram
from ostinato.features._mel import Scale, mel_bank


def mel_power(
    op: Builder,
    y: str,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    f_min: float,
    f_max: float | None,
    scale: Scale = "slaney",
    **options: Any,
) -> str:
    """Sum the power spectrogram over mel bands, (n_frames, n_mels); `options` are of `power_spectrogram`."""
    power = power_spectrogram(op, y, n_fft=n_fft, hop_length=hop_length, **options)
    return str(op.MatMul(power, mel_bank(sample_rate, n_fft, n_mels, f_min, f_max, scale).T.copy()))


def mel_decibels(op: Builder, y: str, **parameters: Any) -> str:
    """Return `mel_power` in decibels."""
    return decibels(op, mel_power(op, y, **parameters))
