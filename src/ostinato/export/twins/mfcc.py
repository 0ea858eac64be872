"""Cepstral coefficients of the mel spectrogram."""

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels
from ostinato.features._mel import cosines


def graph(
    op: Builder,
    y: str,
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    f_min: float,
    f_max: float | None,
    n_mfcc: int,
    n_dropped: int,
) -> str:
    """Add the coefficients; as `ostinato.features.mfcc.compute`."""
    mel = mel_decibels(
        op, y, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
    )
    return str(op.MatMul(mel, cosines(n_mels)[:, n_dropped:n_mfcc].copy()))
