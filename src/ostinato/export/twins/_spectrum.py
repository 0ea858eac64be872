"""Spectrograms in ONNX: reflection, the power spectrogram, the decibel scale."""

import numpy as np

from ostinato.export._build import Builder
from ostinato.features._spectrum import AMIN, TOP_DB, WINDOWS, Pad, Window


def reflect(op: Builder, y: str, width: int) -> str:
    """Pad a signal by reflection, however short it is.

    Parameters
    ----------
    op : Builder
    y : str
        (n_samples,).
    width : int
        Samples per end.

    Returns
    -------
    str
        (n_samples + 2 * width,).
    """
    n = op.length(y)
    period = op.Max(op.Sub(op.Mul(n, np.int64(2)), np.int64(2)), np.int64(1))
    ends = []
    for indices in (np.arange(-width, 0), op.Add(np.arange(width), n)):
        phase = op.Mod(indices, period)
        ends.append(op.Gather(y, op.Min(phase, op.Sub(period, phase))))
    return str(op.Concat(ends[0], y, ends[1], axis=0))


def power_spectrogram(
    op: Builder, y: str, *, n_fft: int, hop_length: int, window: Window = "hann", pad: Pad = "reflect"
) -> str:
    """Return the power spectrogram, (n_frames, 1 + n_fft // 2)."""
    silence = np.zeros(n_fft // 2, np.float32)
    wider = reflect(op, y, n_fft // 2) if pad == "reflect" else op.Concat(silence, y, silence, axis=0)
    signal = op.Unsqueeze(wider, np.array([0, 2]))
    spectrum = op.STFT(signal, np.int64(hop_length), WINDOWS[window](n_fft), np.int64(n_fft), onesided=1)
    return str(op.ReduceSum(op.Mul(spectrum, spectrum), np.array([0, 3]), keepdims=0))


def decibels(op: Builder, power: str) -> str:
    """Convert power to decibels, at most 80 below the loudest value."""
    db = op.Mul(op.Log(op.Max(power, np.float32(AMIN))), np.float32(10 / np.log(10)))
    return str(op.Max(db, op.Sub(op.ReduceMax(db, keepdims=0), np.float32(TOP_DB))))
