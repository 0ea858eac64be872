"""Front ends of encoders: samples, or mel bands as in their training.

Parameters have librosa's names (McFee et al., "librosa: Audio and music signal analysis in Python", 2015); what other
libraries do differently has its own key: where frames begin, in which scale triangles are straight, how bands are
normalised and compressed.
"""

from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.audio.fourier import compute_power
from ostinato.errors import ParamsError
from ostinato.features._mel import HTK_FACTOR, HTK_HZ, Scale, centres
from ostinato.features._spectrum import Pad, hann

Norm: TypeAlias = Literal["area", "sum", "l2", "none"]
Compression: TypeAlias = Literal["log10", "ln", "decibels", "none"]
Triangles: TypeAlias = Literal["hertz", "mel"]
Hann: TypeAlias = Literal["hann", "hann_symmetric"]
WaveformNorm: TypeAlias = Literal["none", "peak", "standard"]

BLOCK = 256
"""Frames per transform."""


class Bands(NamedTuple):
    """How a mel spectrogram is computed; see `ostinato.features.encoder.compute`."""

    n_fft: int
    win_length: int | None
    frame_length: int | None
    hop_length: int
    window: Hann
    center: bool
    pad: Pad
    n_mels: int
    f_min: float
    f_max: float | None
    mel_scale: Scale
    triangles: Triangles
    norm: Norm
    power: float


class Curve(NamedTuple):
    """How bands are compressed and scaled; see `ostinato.features.encoder.compute`."""

    compression: Compression
    gain: float
    floor: float
    top_db: float | None
    scale: float
    offset: float


def read_samples(context: AudioContext, *, waveform_norm: WaveformNorm = "none") -> np.ndarray:
    """Return a track's samples, unscaled, with a peak of 1, or with mean 0 and deviation 1."""
    y = context.y
    if waveform_norm == "standard":
        return (y - y.mean()) / np.sqrt(y.var() + np.float32(1e-7))
    peak = float(np.abs(y).max()) if waveform_norm == "peak" else 0.0
    return y / np.float32(peak) if peak > 0 else y


def compute_bands(
    context: AudioContext, *, bands: Bands, waveform_norm: WaveformNorm = "none", frames: slice = slice(None)
) -> np.ndarray:
    """Compute a mel spectrogram before compression, or some frames of it.

    Parameters
    ----------
    context : AudioContext
    bands : Bands
    waveform_norm : {"none", "peak", "standard"}
    frames : slice
        Without a step; of a track not in memory, only the samples of these frames are read.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]
    """
    start, stop, _ = frames.indices(count_frames(context, bands))
    if stop <= start:
        return np.zeros((0, bands.n_mels), np.float32)
    length = bands.frame_length or bands.n_fft
    before = length // 2 if bands.center else 0
    begin = start * bands.hop_length - before
    y = read_stretch(context, begin, begin + (stop - start - 1) * bands.hop_length + length, bands.pad, waveform_norm)
    segments = np.lib.stride_tricks.sliding_window_view(y, length)[:: bands.hop_length]
    window = build_window(bands.window, length, bands.win_length or length)
    bank = build_bank(context.sample_rate, bands).T
    mel = np.empty((len(segments), bands.n_mels), np.float32)
    for i in range(0, len(segments), BLOCK):
        energy = compute_power(segments[i : i + BLOCK], window, bands.n_fft)
        mel[i : i + BLOCK] = (energy if bands.power == 2 else energy ** np.float32(bands.power / 2)) @ bank
    return mel


def count_samples(context: AudioContext) -> int:
    """Count a track's samples, without reading them if they are not in memory."""
    return int(context.n_samples) if hasattr(context, "n_samples") else len(context.y)


def count_frames(context: AudioContext, bands: Bands) -> int:
    """Count the frames of a track."""
    n_samples, length = count_samples(context), bands.frame_length or bands.n_fft
    return 1 + (n_samples if bands.center else n_samples - length) // bands.hop_length


def read_stretch(
    context: AudioContext, start: int, stop: int, pad: Pad = "constant", waveform_norm: WaveformNorm = "none"
) -> np.ndarray:
    """Read samples between two positions, which may lie beyond the track's ends.

    Of a track not in memory, only these are read, unless scaling needs all of it.
    """
    n_samples = count_samples(context)
    before, after = max(0, -start), max(0, stop - n_samples)
    first, last = (
        max(0, min(start, n_samples - 1 - after)),
        min(n_samples, max(stop, before + 1)),
    )  # including the mirrored samples
    if waveform_norm == "none" and hasattr(context, "read"):
        y: np.ndarray = context.read(first, last)
    else:
        y = context.compute(read_samples, waveform_norm=waveform_norm)[first:last]
    if before or after:
        y = np.pad(y, (before, after), mode=pad)
    return y[start - first + before :][: stop - start]


def compress(mel: np.ndarray, curve: Curve, power: float) -> np.ndarray:
    """Compress bands and scale them.

    Parameters
    ----------
    mel : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
    curve : Curve
    power : float
        Exponent of the magnitude in the bands: decibels of magnitudes count twice.

    Returns
    -------
    np.ndarray [shape=(n_frames, n_mels), dtype=float32]

    Examples
    --------
    >>> compress(np.float32([[0, 0.0999]]), Curve("log10", 1e4, 0.0, None, 1.0, 0.0), 2.0)
    array([[0., 3.]], dtype=float32)
    """
    if curve.compression == "log10":
        mel = np.log10(1 + np.float32(curve.gain) * mel)
    elif curve.compression == "ln":
        mel = np.log(np.float32(curve.gain) * mel + np.float32(curve.floor))
    elif curve.compression == "decibels":
        mel = np.float32(20 / power) * np.log10(np.maximum(mel, np.float32(curve.floor)))
        mel = mel if curve.top_db is None or not mel.size else np.maximum(mel, mel.max() - np.float32(curve.top_db))
    return mel * np.float32(curve.scale) + np.float32(curve.offset)


@lru_cache(maxsize=8)
def build_bank(sample_rate: int, bands: Bands) -> np.ndarray:
    """Return the weights of triangular bands over the bins of a spectrum.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    bands : Bands

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2), dtype=float32]

    Raises
    ------
    ParamsError
        If the bands do not fit below half the sample rate.
    """
    f_min, f_max = bands.f_min, sample_rate / 2 if bands.f_max is None else bands.f_max
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ParamsError(
            f"mel bands from {f_min} to {f_max} Hz do not fit below half of {sample_rate} Hz; lower f_max or f_min"
        )
    edges = np.array([f_min, *centres(sample_rate, bands.n_mels, f_min, f_max, bands.mel_scale), f_max])
    hertz, bins = edges, np.fft.rfftfreq(bands.n_fft, 1 / sample_rate)
    if bands.triangles == "mel":
        edges, bins = _htk(edges), _htk(bins)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.clip(np.minimum(rise, fall), 0, None)
    if bands.triangles == "mel":
        bank[:, 0] = 0  # as in TensorFlow's and AudioSet's code: the constant part belongs to no band
    if bands.norm != "none":
        sizes = {"sum": bank.sum(axis=1), "area": (hertz[2:] - hertz[:-2]) / 2, "l2": np.linalg.norm(bank, axis=1)}
        size = sizes[bands.norm]
        bank /= np.where(size > 0, size, 1)[:, None]
    return np.ascontiguousarray(bank, np.float32)


@lru_cache(maxsize=8)
def build_window(name: Hann, length: int, win_length: int) -> np.ndarray:
    """Return a Hann window in the middle of a frame."""
    window = hann(win_length) if name == "hann" else np.hanning(win_length).astype(np.float32)
    before = (length - win_length) // 2
    return np.pad(window, (before, length - win_length - before))


def _htk(hertz: np.ndarray) -> np.ndarray:
    return HTK_FACTOR * np.log10(1 + hertz / HTK_HZ)
