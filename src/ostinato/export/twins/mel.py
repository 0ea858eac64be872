"""Power in mel bands in decibels."""

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels


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
) -> str:
    """Add the mel spectrogram; as `ostinato.features.mel.compute`."""
    return mel_decibels(
        op, y, sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max
    )
