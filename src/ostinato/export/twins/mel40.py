"""Power in forty mel bands on HTK's scale, compressed."""

from typing import Any

import numpy as np

from ostinato.export._build import Builder
from ostinato.export.twins._mel import mel_power


def graph(op: Builder, y: str, *, factor: float, **bands: Any) -> str:
    """Add the bands of `ostinato.features.mel40.compute`."""
    mel = mel_power(op, y, scale="htk", window="blackmanharris62", pad="constant", **bands)
    log_mel = op.Log(op.Add(op.Mul(mel, np.float32(factor)), np.float32(1)))
    return str(op.Mul(log_mel, np.float32(1 / np.log(10))))
