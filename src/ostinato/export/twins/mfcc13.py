"""Thirteen cepstral coefficients, including loudness."""

from typing import Any

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels
from ostinato.features._mel import cosines


def graph(op: Builder, y: str, *, n_mels: int, n_mfcc: int, **bands: Any) -> str:
    """Add the coefficients of `ostinato.features.mfcc13.compute`."""
    return str(op.MatMul(mel_decibels(op, y, n_mels=n_mels, **bands), cosines(n_mels)[:, :n_mfcc].copy()))
