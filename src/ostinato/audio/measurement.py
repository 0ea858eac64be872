"""Measurements of a file decoded to its end: length, level, gaps, bandwidth and fingerprint.

Everything is computed block by block, so memory does not grow with the file.
The bounds under ``validate`` in params.yaml decide what is a fault.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ostinato import audio
from ostinato.audio import fingerprint
from ostinato.audio.fourier import compute_power
from ostinato.audio.headers import hidden_seconds, is_cut_ogg
from ostinato.errors import DataError, ReadError

FRAME = 2_048
STEP = 256
SILENCE = 1e-3
HOLE = 1e-4
CLIPPED = 0.999
MISSING_SECONDS = 0.1
SPECTRUM = 4_096
EVERY = 8_192  # samples between spectra
MIN_SPECTRA = 4
CLIFF_DB = 25.0
NEAR_HERTZ, FAR_HERTZ = 150.0, 900.0
LOUD_DB, AUDIBLE_DB = 20.0, 60.0
FLOOR = 1e-20
CUT_OGG = "is cut off: its last page is incomplete"
PAIRWISE = 8  # from this many channels on, NumPy's order of summation depends on the axis


@dataclass(frozen=True)
class Measurement:
    """Measurements of a decoded file.

    Parameters
    ----------
    sample_rate : int
        In Hz; 0 if unreadable.
    channels : int
    n_samples : int
        Per channel.
    duration : float
        In seconds; NaN if unreadable, like all below that are not counts.
    unheard_seconds : float
        Audio beyond the end in the header; 0 for compressed formats.
    peak : float
        Largest magnitude, full scale being 1.
    rms_db : float
        Root mean square over all channels, in dB of full scale; -inf is written as -200.
    dc : float
        Largest magnitude of a channel's mean.
    silence_share : float
        Share of frames of 2048 samples whose RMS is below -60 dB.
    gap_seconds : float
        The longest gap below -80 dB between two sounds.
    clipped_share : float
        Share of samples within 0.1 % of the peak: many if clipped, few in music.
    imbalance_db : float
        Loudest against quietest channel.
    mono_loss_db : float
        Loss from averaging the channels; large if they are in opposite phase.
    bandwidth_share : float
        Frequency of a sharp cutoff, as a share of half the sample rate; 1 if there is none.
    temporal_flatness : float
        exp of the mean of log power less log of its mean over time: 0.56 for steady noise
        of any colour, less for music, whose notes come and go, 1 for a steady hum. The
        lower of two values: over all audible bins, and over the loudest 20 dB.
    n_nonfinite : int
        Samples that are NaN or infinite.
    audio_hash : str or None
        SHA-256 of the decoded samples.
    fingerprint : bytes or None
        See `ostinato.audio.fingerprint`; little-endian uint32.
    error : str or None
        Why the file cannot be used; None if it can.
    """

    sample_rate: int = 0
    channels: int = 0
    n_samples: int = 0
    duration: float = float("nan")
    unheard_seconds: float = float("nan")
    peak: float = float("nan")
    rms_db: float = float("nan")
    dc: float = float("nan")
    silence_share: float = float("nan")
    gap_seconds: float = float("nan")
    clipped_share: float = float("nan")
    imbalance_db: float = float("nan")
    mono_loss_db: float = float("nan")
    bandwidth_share: float = float("nan")
    temporal_flatness: float = float("nan")
    n_nonfinite: int = 0
    audio_hash: str | None = None
    fingerprint: bytes | None = None
    error: str | None = None


def measure(path: Path, *, max_seconds: float = audio.MAX_SECONDS) -> Measurement:
    """Decode a file to its end and measure it.

    Parameters
    ----------
    path : Path
    max_seconds : float
        Longer files are unusable.

    Returns
    -------
    Measurement
        With `error` set, instead of raising, if the file cannot be used.

    Raises
    ------
    ReadError
        If the file cannot be read, whatever its content.
    """
    try:
        with audio.open_stream(path) as stream:
            return _measure(stream, path, max_seconds)
    except ReadError:
        raise
    except DataError as error:
        return Measurement(error=str(error).removeprefix(f"{path}: "))


def load(
    path: Path, *, max_seconds: float = audio.MAX_SECONDS, max_samples: int = audio.MAX_SAMPLES
) -> tuple[np.ndarray, Measurement]:
    """Decode a file to mono and measure it, except for hash and fingerprint.

    Parameters
    ----------
    path : Path
    max_seconds, max_samples
        As for `ostinato.audio.load`.

    Returns
    -------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        As from `ostinato.audio.load`, at the file's own rate.
    Measurement
        Without hash, fingerprint and FLAC checksum; `error` is set if the file is cut off.

    Raises
    ------
    DataError
        As for `ostinato.audio.load`.
    """
    parts: list[np.ndarray] = []
    measurement = read(path, lambda y, _: parts.append(y), max_seconds=max_seconds, max_samples=max_samples)
    return np.concatenate(parts), measurement


def read(
    path: Path,
    callback: Callable[[np.ndarray, int], object],
    *,
    max_seconds: float = audio.MAX_SECONDS,
    max_samples: int = audio.MAX_SAMPLES,
) -> Measurement:
    """Decode a file to mono block by block and measure it; see `load`.

    Parameters
    ----------
    path : Path
    callback : callable
        Called with each block [shape=(n,), dtype=float32] and the sample rate in Hz.
    max_seconds, max_samples
        As for `ostinato.audio.load`.

    Returns
    -------
    Measurement

    Raises
    ------
    DataError
        As for `ostinato.audio.load`.
    """
    with audio.open_stream(path) as stream:
        meter = _Meter(stream)
        for block in audio.limit_blocks(stream, path, max_seconds, max_samples):
            y = meter.add(block)
            callback(y if stream.channels < PAIRWISE else audio.mono(block), stream.sample_rate)
        return Measurement(**meter.figures(path))


def _measure(stream: audio.Stream, path: Path, max_seconds: float) -> Measurement:
    meter, prints = _Meter(stream), fingerprint.Fingerprinter()
    resampler = audio.resampler(stream.sample_rate, fingerprint.SAMPLE_RATE)
    digest, checksum = hashlib.sha256(f"{stream.sample_rate} {stream.channels}".encode()), _Checksum(path)
    for block in audio.limit_blocks(stream, path, max_seconds):
        digest.update(np.ascontiguousarray(block).data)
        checksum.add(block)
        prints.add(resampler.resample_chunk(meter.add(block)))
    prints.add(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    figures = meter.figures(path)
    figures["error"] = figures["error"] or checksum.error()
    return Measurement(**figures, audio_hash=digest.hexdigest(), fingerprint=prints.value().astype("<u4").tobytes())


class _Meter:
    """Levels and spectra of a stream, block by block."""

    def __init__(self, stream: audio.Stream) -> None:
        self._stream = stream
        self._levels, self._spectra = _Levels(stream.channels), _Spectra()

    def add(self, block: np.ndarray) -> np.ndarray:
        """Add a block (n, channels) and return its mean over channels."""
        y = self._levels.add(block)
        self._spectra.add(y)
        return y

    def figures(self, path: Path) -> dict[str, Any]:
        """Return all measurements."""
        n, rate = self._levels.n_samples, self._stream.sample_rate
        spectra = self._spectra.figures(rate)
        if self._stream.codec in audio.FIXED_RATE:
            spectra["bandwidth_share"] = float("nan")
        return {
            "sample_rate": rate,
            "channels": self._stream.channels,
            "n_samples": n,
            "n_nonfinite": self._levels.n_nonfinite,
            "duration": n / rate,
            "unheard_seconds": hidden_seconds(path),
            "error": _shortfall(self._stream, n) or (CUT_OGG if is_cut_ogg(path) else None),
            **self._levels.figures(rate),
            **spectra,
        }


def _shortfall(stream: audio.Stream, n_samples: int) -> str | None:
    """Describe the missing end of a file that is shorter than its header says."""
    if stream.declared is None or n_samples >= stream.declared - MISSING_SECONDS * stream.sample_rate:
        return None
    expected, actual = stream.declared / stream.sample_rate, n_samples / stream.sample_rate
    return f"is cut off: its header says {expected:.2f} s, {actual:.2f} s can be decoded"


@dataclass
class _Levels:
    """Measurements of samples and short frames."""

    channels: int
    n_samples: int = 0
    n_nonfinite: int = 0
    n_frames: int = 0
    n_silent: int = 0
    n_clipped: int = 0
    peak: float = 0.0
    last_sound: int | None = None
    gap: int = 0
    n_steps: int = 0
    mono_energy: float = 0.0
    energy: np.ndarray = field(default_factory=lambda: np.zeros(0))
    total: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self.energy, self.total = np.zeros(self.channels), np.zeros(self.channels)

    def add(self, block: np.ndarray) -> np.ndarray:
        """Add a block (n, channels) and return its mean over channels."""
        channels = np.ascontiguousarray(block.T)
        sums = channels.sum(axis=1)
        if not np.isfinite(sums).all():
            finite = np.isfinite(channels)
            self.n_nonfinite += int(finite.size - np.count_nonzero(finite))
            channels = np.where(finite, channels, np.float32(0))
            sums = channels.sum(axis=1)
        self.total += sums
        y = _average(channels)
        self.mono_energy += float(np.dot(y, y))
        for rows in _rows(channels, FRAME):
            self._follow(rows)
        for rows in _rows(channels, STEP):
            self._count(rows)
        self.n_samples += len(block)
        return y

    def _follow(self, frames: np.ndarray) -> None:
        """Accumulate the power of frames [shape=(channels, n_frames, n)]."""
        power = np.vecdot(frames, frames)
        self.n_silent += int(np.count_nonzero(power.mean(axis=0) / frames.shape[-1] < SILENCE**2))
        self.n_frames += frames.shape[1]
        self.energy += power.sum(axis=1, dtype=np.float64)

    def _count(self, steps: np.ndarray) -> None:
        """Update the peak and the longest gap from steps [shape=(channels, n_steps, n)]."""
        peaks = np.maximum(steps.max(axis=-1), -steps.min(axis=-1))
        highest = float(peaks.max())
        if highest * CLIPPED > self.peak:
            self.n_clipped = 0
        self.peak = max(self.peak, highest)
        if 0 < CLIPPED * self.peak <= highest:
            threshold = np.float32(CLIPPED * self.peak)
            self.n_clipped += int(np.count_nonzero(np.abs(steps[peaks >= threshold]) >= threshold))
        audible = np.flatnonzero(peaks.max(axis=0) >= HOLE) + self.n_steps
        if len(audible):
            before = audible[:1] if self.last_sound is None else [self.last_sound]
            self.gap = max(self.gap, int(np.diff(np.concatenate([before, audible])).max()) - 1)
            self.last_sound = int(audible[-1])
        self.n_steps += steps.shape[1]

    def figures(self, sample_rate: int) -> dict[str, float]:
        """Return the measurements."""
        mean = self.energy / self.n_samples
        db = 10 * np.log10(np.maximum(mean, FLOOR))
        mono = 10 * np.log10(max(self.mono_energy / self.n_samples, FLOOR))
        overall = 10 * float(np.log10(max(mean.mean(), FLOOR)))
        return {
            "peak": self.peak,
            "rms_db": overall,
            "dc": float(np.abs(self.total / self.n_samples).max()),
            "silence_share": self.n_silent / self.n_frames,
            "gap_seconds": max(self.gap, 0) * STEP / sample_rate,
            "clipped_share": self.n_clipped / (self.n_samples * self.channels),
            "imbalance_db": float(db.max() - db.min()),
            "mono_loss_db": float(overall - mono),
        }


def _average(channels: np.ndarray) -> np.ndarray:
    """Average channels [shape=(channels, n)]; bit-identical to `numpy.mean`, but faster for one or two."""
    if len(channels) == 1:
        return np.asarray(channels[0])
    if len(channels) > 2:
        return np.asarray(channels.mean(axis=0))
    y = channels[0] + channels[1]
    y *= np.float32(0.5)
    return np.asarray(y)


def _rows(channels: np.ndarray, length: int) -> Iterator[np.ndarray]:
    """Split channels into rows [shape=(channels, n_rows, length)], then the remainder, if any."""
    end = channels.shape[1] // length * length
    for part, n in ((channels[:, :end], length), (channels[:, end:], channels.shape[1] - end)):
        if part.size:
            yield part.reshape(len(channels), -1, n)


class _Spectra:
    """Mean and mean logarithm of the power of audible frames."""

    def __init__(self) -> None:
        self._window = np.hanning(SPECTRUM).astype(np.float32)
        self._n = 0
        self._power = np.zeros(SPECTRUM // 2 + 1)
        self._log = np.zeros(SPECTRUM // 2 + 1)

    def add(self, y: np.ndarray) -> None:
        """Add a block of one channel."""
        if len(y) < SPECTRUM:
            return
        n_frames = 1 + (len(y) - SPECTRUM) // EVERY
        frames = np.lib.stride_tricks.as_strided(y, (n_frames, SPECTRUM), (EVERY * y.strides[0], y.strides[0]))
        frames = frames[np.vecdot(frames, frames) >= SPECTRUM * SILENCE**2]
        power = compute_power(frames, self._window)
        power += np.float32(FLOOR)
        self._n += len(frames)
        self._power += power.sum(axis=0, dtype=np.float64)
        self._log += np.log(power, out=power).sum(axis=0, dtype=np.float64)

    def figures(self, sample_rate: int) -> dict[str, float]:
        """Return the measurements; NaN if too few frames are audible."""
        if self._n < MIN_SPECTRA:
            return {"bandwidth_share": float("nan"), "temporal_flatness": float("nan")}
        mean = self._power / self._n
        logs = self._log / self._n - np.log(mean)
        masks = [mean >= mean[1:].max() / 10 ** (db / 10) for db in (LOUD_DB, AUDIBLE_DB)]
        flatness = min(float(np.exp(logs[mask].mean())) for mask in masks)
        return {"bandwidth_share": bandwidth_share(10 * np.log10(mean), sample_rate), "temporal_flatness": flatness}


def bandwidth_share(spectrum_db: np.ndarray, sample_rate: int) -> float:
    """Find where a mean spectrum falls sharply and does not recover.

    Parameters
    ----------
    spectrum_db : np.ndarray [shape=(n_bins,)]
        From 0 Hz to half the sample rate.
    sample_rate : int

    Returns
    -------
    float
        Share of the band below the cliff; 1 if there is none.

    Examples
    --------
    >>> bandwidth_share(np.where(np.arange(1001) < 500, 0.0, -80.0), 20_000)
    0.5
    """
    n, nyquist = len(spectrum_db), sample_rate / 2
    near, far = (max(int(hertz / nyquist * n), 1) for hertz in (NEAR_HERTZ, FAR_HERTZ))
    smooth = _median_filter(spectrum_db, max(near // 2, 3))
    total = np.concatenate([[0.0], np.cumsum(smooth)])
    bins = np.arange(far, n - near)
    below = (total[bins - near] - total[bins - far]) / (far - near)
    highest = np.maximum.accumulate(smooth[::-1])[::-1]
    cliffs = bins[below - highest[bins + near] >= CLIFF_DB]
    if not len(cliffs):
        return 1.0
    first = cliffs[0] - near
    steepest = first + int(np.argmin(np.diff(smooth[first : cliffs[0] + 2 * near]))) + 1
    return round(float(steepest / (n - 1)), 3)


def _median_filter(values: np.ndarray, size: int) -> np.ndarray:
    """Return a one-dimensional `scipy.ndimage.median_filter` without its import, which takes half a second."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(values, (size // 2, size - 1 - size // 2), mode="symmetric"), size
    )
    return np.asarray(np.partition(windows, size // 2, axis=1)[:, size // 2])


class _Checksum:
    """Check of the MD5 that a 16-bit FLAC file has of its samples."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            head = file.read(42)
        bits = (((head[20] & 1) << 4) | (head[21] >> 4)) + 1 if len(head) == 42 else 0
        has_md5 = head[:4] == b"fLaC" and bits == 16 and any(head[26:42])
        self._expected = head[26:42] if has_md5 else None
        self._actual = hashlib.md5(usedforsecurity=False)

    def add(self, block: np.ndarray) -> None:
        if self._expected is not None:
            self._actual.update(np.ascontiguousarray(np.rint(block * 32_768), dtype="<i2").data)

    def error(self) -> str | None:
        if self._expected is None or self._expected == self._actual.digest():
            return None
        return "is damaged: its samples do not match the checksum in its header"
