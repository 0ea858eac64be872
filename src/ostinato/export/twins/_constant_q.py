"""The constant-Q transform as one convolution per octave, with the filters of `ostinato.features`."""

import numpy as np

from ostinato.export._build import Builder
from ostinato.export.twins._spectrum import reflect
from ostinato.features._constant_q import TAPS, _kernel, half_band


def constant_q(
    op: Builder, y: str, *, sample_rate: int, hop_length: int, f_min: float, n_bins: int, bins_per_octave: int
) -> str:
    """Return the magnitude, (n_frames, n_bins)."""
    frequencies = f_min * 2 ** (np.arange(n_bins) / bins_per_octave)
    n_frames = op.Unsqueeze(op.Add(op.Div(op.length(y), np.int64(hop_length)), np.int64(1)), np.array([0]))
    rate, hop, octaves = float(sample_rate), hop_length, []
    for stop in range(n_bins, 0, -bins_per_octave):
        start = max(stop - bins_per_octave, 0)
        kernel = _kernel(rate, float(frequencies[start]), stop - start, bins_per_octave)
        both = op.Slice(_filter(op, reflect(op, y, len(kernel) // 2), kernel.T, hop), np.array([0]), n_frames,
                        np.array([1]))  # fmt: skip
        halves = op.Reshape(both, np.array([2, stop - start, -1]))
        power = op.ReduceSum(op.Mul(halves, halves), np.array([0]), keepdims=0)
        octaves.append(op.Mul(op.Sqrt(power), np.float32(np.sqrt(sample_rate / rate))))
        if hop % 2 == 0:
            y, rate, hop = _decimate(op, y), rate / 2, hop // 2
    return str(op.Transpose(op.Concat(*octaves[::-1], axis=0), perm=[1, 0]))


def _filter(op: Builder, y: str, filters: np.ndarray, hop: int, pads: tuple[int, int] = (0, 0)) -> str:
    """Apply filters, (n_filters, length), to a signal: (n_filters, n_frames)."""
    signal = op.Unsqueeze(y, np.array([0, 1]))
    weights = np.ascontiguousarray(filters[:, np.newaxis], np.float32)
    return str(op.Squeeze(op.Conv(signal, weights, strides=[hop], pads=list(pads)), np.array([0])))


def _decimate(op: Builder, y: str) -> str:
    """Halve the rate, with zeros beyond the ends."""
    taps = half_band()[np.newaxis]
    return str(op.Squeeze(_filter(op, y, taps, 2, (TAPS // 2, TAPS // 2)), np.array([0])))
