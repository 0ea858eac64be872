"""Tracks of any length: decoded block by block into a file, with features computed segment by segment."""

import tempfile
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ostinato import audio
from ostinato.audio import measurement as measuring
from ostinato.audio.context import AudioContext
from ostinato.audio.measurement import Measurement
from ostinato.features._constant_q import constant_q, constant_q_decibels, constant_q_power, count_reach
from ostinato.features._mel import mel_decibels, mel_power
from ostinato.features._spectrum import AMIN, TOP_DB, power_spectrogram, stft_decibels

LONG_SECONDS, LONG_SAMPLES = 600.0, 2**24
"""Longer tracks are not held in memory."""
FRAMES = 4_096
"""Frames of a feature computed at once."""
SAMPLE = np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Piecewise:
    """How to compute a feature of a whole track from segments of it.

    Parameters
    ----------
    function : callable
        Takes an AudioContext; each frame of its output depends only on nearby samples.
    count_reach : callable
        Takes the sample rate and the parameters; returns how many samples on either side of its centre a frame needs.
    in_decibels : bool
        Whether the feature is the power in decibels, whose floor depends on the whole track.
    """

    function: Callable[..., np.ndarray]
    count_reach: Callable[..., int]
    in_decibels: bool = True


def _count_half(*, n_fft: int, **_: Any) -> int:
    return n_fft // 2


PIECEWISE: dict[Callable[..., np.ndarray], Piecewise] = {
    mel_decibels: Piecewise(mel_power, _count_half),
    mel_power: Piecewise(mel_power, _count_half, in_decibels=False),
    stft_decibels: Piecewise(power_spectrogram, _count_half),
    constant_q_decibels: Piecewise(constant_q_power, count_reach),
    constant_q: Piecewise(constant_q, count_reach, in_decibels=False),
}
"""Functions that are computed segment by segment for a long track."""


def decode_and_measure(
    path: Path, rates: Iterable[int | None], *, check: Callable[[], None] | None = None, **limits: Any
) -> tuple[AudioContext, Measurement]:
    """Decode and measure a file, into memory or, if it is long, into files at the requested rates.

    Parameters
    ----------
    path : Path
    rates : iterable of int or None
        Sample rates in Hz of the features to compute; None: that of the file.
    check : callable, optional
        Called before each block is decoded or, for a long track, read again; an exception from it ends the work.
    **limits
        As of `ostinato.audio.measurement.load`.

    Returns
    -------
    AudioContext, Measurement

    Raises
    ------
    DataError
        As `ostinato.audio.load`.
    """
    recorder = _Recorder(rates, check)
    measurement = measuring.read(path, recorder.take, **limits)
    return recorder.context(measurement.sample_rate), measurement


def _pass() -> None:
    """Do nothing."""


class LongContext(AudioContext):
    """A long track at one sample rate, in a file; `y` reads the whole track.

    Parameters
    ----------
    spools : mapping of int to Spool
        By sample rate.
    sample_rate : int
        Rate of this context, in Hz.
    """

    def __init__(self, spools: dict[int, "Spool"], sample_rate: int) -> None:
        self.spools, self.sample_rate = spools, sample_rate
        self._cache: dict[Hashable, Any] = {}

    @property
    def y(self) -> np.ndarray:  # type: ignore[override]
        """All samples."""
        spool = self.spools[self.sample_rate]
        return spool.read(0, spool.n_samples)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.spools[self.sample_rate].n_samples

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return samples `start` to `stop`, float32."""
        return self.spools[self.sample_rate].read(start, stop)

    def resample(self, sample_rate: int | None) -> AudioContext:
        """Return the track at another of its rates."""
        if sample_rate in (None, self.sample_rate):
            return self
        return self.compute(_at, sample_rate=sample_rate)

    def compute(self, function: Callable[..., Any], **parameters: Hashable) -> Any:
        """Compute ``function(self, **parameters)``, once; piecewise if the function is in `PIECEWISE`.

        Of piecewise results only the last is cached, since they are large.
        """
        if function not in PIECEWISE:
            return super().compute(function, **parameters)
        key = (function, *sorted(parameters.items()))
        if key not in self._cache:
            self._cache = {k: v for k, v in self._cache.items() if k[0] not in PIECEWISE}  # type: ignore[index]
            self._cache[key] = _compute_piecewise(self, PIECEWISE[function], parameters)
        return self._cache[key]


def _at(context: LongContext, *, sample_rate: int) -> LongContext:
    return LongContext(context.spools, sample_rate)


def _compute_piecewise(context: LongContext, plan: Piecewise, parameters: dict[str, Any]) -> np.ndarray:
    """Compute a feature segment by segment, with as many frames before and after as a frame depends on."""
    spool, hop_length = context.spools[context.sample_rate], parameters["hop_length"]
    reach = -(-plan.count_reach(sample_rate=context.sample_rate, **parameters) // hop_length)
    n_frames, whole = 1 + spool.n_samples // hop_length, np.zeros((0, 0), np.float32)
    for start in range(0, n_frames, FRAMES):
        stop, first = min(start + FRAMES, n_frames), max(start - reach, 0)
        end = spool.n_samples if stop + reach >= n_frames else (stop - 1 + reach) * hop_length + 1
        segment = AudioContext(spool.read(first * hop_length, end), context.sample_rate)
        part = plan.function(segment, **parameters)[start - first : stop - first]
        if not start:
            whole = np.empty((n_frames, part.shape[1]), np.float32)
        whole[start:stop] = _take_decibels(part) if plan.in_decibels else part
    return np.maximum(whole, whole.max() - np.float32(TOP_DB), out=whole) if plan.in_decibels else whole


def _take_decibels(power: np.ndarray) -> np.ndarray:
    """Convert power to decibels, without the floor of the whole track."""
    db: np.ndarray = np.log(np.maximum(power, np.float32(AMIN))) * np.float32(10 / np.log(10))
    return db


class Spool:
    """Samples of one channel in a temporary file, resampled on their way into it.

    Parameters
    ----------
    sample_rate, target_rate : int
        Rates of the track and of the file, in Hz.
    check : callable, optional
        See `decode_and_measure`.
    """

    def __init__(self, sample_rate: int, target_rate: int, check: Callable[[], None] | None = None) -> None:
        self.n_samples, self._check = 0, check or _pass
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (goes with the track)
        same = sample_rate == target_rate
        self._resampler = None if same else audio.resampler(sample_rate, target_rate, "HQ")

    def write(self, y: np.ndarray, *, last: bool = False) -> None:
        """Add a block."""
        if self._resampler is not None:
            y = self._resampler.resample_chunk(y, last=last)
        self._file.write(np.ascontiguousarray(y, np.float32).data)
        self.n_samples += len(y)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return samples, float32."""
        self._check()
        self._file.seek(start * SAMPLE)
        return np.frombuffer(self._file.read((stop - start) * SAMPLE), np.float32)


class _Recorder:
    """Collects the blocks of a track in memory, and in files once it is long."""

    def __init__(self, rates: Iterable[int | None], check: Callable[[], None] | None = None) -> None:
        self._rates, self._check = set(rates), check or _pass
        self._blocks: list[np.ndarray] = []
        self._n_samples = 0
        self._spools: dict[int, Spool] = {}

    def take(self, y: np.ndarray, sample_rate: int) -> None:
        """Add the next block."""
        self._check()
        self._n_samples += len(y)
        self._blocks.append(y)
        if self._n_samples > min(LONG_SECONDS * sample_rate, LONG_SAMPLES):
            if not self._spools:
                rates = {rate or sample_rate for rate in self._rates}
                self._spools = {rate: Spool(sample_rate, rate, self._check) for rate in rates}
            self._flush()

    def context(self, sample_rate: int) -> AudioContext:
        """Return the whole track."""
        if not self._spools:
            return AudioContext(np.concatenate(self._blocks), sample_rate)
        for spool in self._spools.values():
            spool.write(np.zeros(0, np.float32), last=True)
        return LongContext(self._spools, sample_rate)

    def _flush(self) -> None:
        for spool in self._spools.values():
            for block in self._blocks:
                spool.write(block)
        self._blocks.clear()
