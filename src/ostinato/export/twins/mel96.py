"""Power in 96 mel bands in decibels below the loudest."""

from typing import Any

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_decibels


def graph(op: Builder, y: str, **bands: Any) -> str:
    """Add the bands of `ostinato.features.mel96.compute`."""
    db = mel_decibels(op, y, pad="constant", **bands)
    return str(op.Sub(db, op.ReduceMax(db, keepdims=0)))
