"""Cepstral coefficients of the mel spectrogram."""

from typing import Any

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels
from ostinato.features._mel import cosines


def graph(op: Builder, y: str, *, n_mels: int, n_mfcc: int, n_dropped: int, **bands: Any) -> str:
    """Add the coefficients of `ostinato.features.mfcc.compute`."""
    mel = mel_decibels(op, y, n_mels=n_mels, **bands)
    return str(op.MatMul(mel, cosines(n_mels)[:, n_dropped:n_mfcc].copy()))
