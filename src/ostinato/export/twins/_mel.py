"""Mel bands, which two kinds read."""

from ostinato.export._build import Builder
from ostinato.export.twins._shared import decibels, power_spectrogram
from ostinato.features._mel import mel_bank


def mel_decibels(
    op: Builder,
    y: str,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    f_min: float,
    f_max: float | None,
) -> str:
    """Sum the power spectrogram over mel bands and give it in decibels, (n_frames, n_mels)."""
    power = power_spectrogram(op, y, n_fft=n_fft, hop_length=hop_length)
    return decibels(op, op.MatMul(power, mel_bank(sample_rate, n_fft, n_mels, f_min, f_max).T.copy()))
