"""The spectrogram in decibels."""

from ostinato.export._build import Builder
from ostinato.export.twins._spectrum import decibels, power_spectrogram


def graph(op: Builder, y: str, *, sample_rate: int, n_fft: int, hop_length: int) -> str:
    """Add the spectrogram of `ostinato.features.stft.compute`."""
    return decibels(op, power_spectrogram(op, y, n_fft=n_fft, hop_length=hop_length))
