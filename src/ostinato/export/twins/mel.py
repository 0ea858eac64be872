"""Power in mel bands in decibels."""

from typing import Any

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels


def graph(op: Builder, y: str, **bands: Any) -> str:
    """Add the mel spectrogram of `ostinato.features.mel.compute`."""
    return mel_decibels(op, y, **bands)
