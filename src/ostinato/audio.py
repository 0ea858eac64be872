"""The one door to audio files: decode a file to mono, or decode it to the end and measure it.

libsndfile reads WAV, FLAC, MP3, Ogg, AU and AIFF; FFmpeg, through PyAV, reads
the rest and whatever carries the wrong suffix. Nothing a file says about
itself is trusted: it is decoded to its last sample, what came is compared with
what the header promised, and caps on bytes and seconds stop a decoding bomb.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr

from ostinato.errors import DataError

LIBSNDFILE = frozenset({".wav", ".flac", ".mp3", ".ogg", ".oga", ".au", ".aif", ".aiff"})
FFMPEG = {".m4a", ".mp4", ".aac", ".opus", ".wma", ".webm", ".mka", ".ac3", ".ape", ".wv", ".mp2", ".caf", ".tta"}
SUFFIXES = LIBSNDFILE | FFMPEG

MAX_BYTES = 4 * 2**30
MAX_SECONDS = 12 * 3600.0
MAX_SAMPLES = 2**32
MAX_CHANNELS = 64
MAX_SAMPLE_RATE = 768_000
BLOCK = 65_536
FRAME = 2_048
SILENCE = 1e-3
CLIPPED = 0.999
MISSING_SECONDS = 0.1
PADDING_SECONDS = 0.4
UNKNOWN_LENGTH = 2**32 - 2**16
CUT = re.compile(r"data(?: size)?\s*:\s*(\d+) \(should be (\d+)\)", re.IGNORECASE)
ESTIMATED = frozenset({"aac", "mp3", "ac3"})
FORMATS = "wav,w64,flac,mp3,ogg,au,aiff,aac,ac3,eac3,mov,matroska,webm,asf,caf,ape,wv,mpc,mpc8,tta,avi"
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

Blocks = Iterator[np.ndarray]


@dataclass(frozen=True)
class Measurement:
    """What decoding a file to its end showed.

    Parameters
    ----------
    sample_rate : int
        In Hz; 0 if unreadable.
    channels : int
    n_samples : int
        Per channel.
    duration : float
        In seconds; NaN if unreadable, as the four below.
    peak : float
        Largest magnitude, full scale being 1.
    rms_db : float
        Root mean square over all channels, in dB of full scale; -inf is written as -200.
    silence_share : float
        Share of frames of 2048 samples whose RMS lies below -60 dB.
    clipped_share : float
        Share of samples at full scale.
    n_nonfinite : int
        Samples that are NaN or infinite.
    error : str or None
        Why the file cannot be used; None for a sound one.
    """

    sample_rate: int = 0
    channels: int = 0
    n_samples: int = 0
    duration: float = float("nan")
    peak: float = float("nan")
    rms_db: float = float("nan")
    silence_share: float = float("nan")
    clipped_share: float = float("nan")
    n_nonfinite: int = 0
    error: str | None = None


@dataclass(frozen=True)
class _Stream:
    """An open file: what its header says, and its samples in blocks of (n, channels)."""

    sample_rate: int
    channels: int
    declared: int | None
    blocks: Blocks


def load(
    path: Path,
    sample_rate: int | None = None,
    *,
    max_seconds: float = MAX_SECONDS,
    max_samples: int = MAX_SAMPLES,
) -> tuple[np.ndarray, int]:
    """Decode a file to mono.

    Parameters
    ----------
    path : Path
    sample_rate : int, optional
        Resample to so many Hz; default: as it is.
    max_seconds : float
        Refuse what is longer.
    max_samples : int
        Refuse what has more samples a channel; a few seconds at a high rate may be many.

    Returns
    -------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mean of the channels; samples that are NaN or infinite are 0.
    sample_rate : int
        In Hz.

    Raises
    ------
    DataError
        If the file cannot be decoded, is empty or is longer than `max_seconds`.
    """
    with _open(path) as stream:
        y = np.concatenate([_mono(block) for block in _capped(stream, path, max_seconds, max_samples)])
    if sample_rate is None or sample_rate == stream.sample_rate:
        return y, stream.sample_rate
    return np.asarray(soxr.resample(y, stream.sample_rate, sample_rate), np.float32), sample_rate


def measure(path: Path, *, max_seconds: float = MAX_SECONDS) -> Measurement:
    """Decode a file to its last sample and say what is in it.

    Parameters
    ----------
    path : Path
    max_seconds : float
        Stop there and call the file unusable.

    Returns
    -------
    Measurement
        With `error` set, and nothing raised, where the file cannot be used.
    """
    try:
        with _open(path) as stream:
            return _measure(stream, path, max_seconds)
    except DataError as error:
        return Measurement(error=str(error).removeprefix(f"{path}: "))


def _mono(block: np.ndarray) -> np.ndarray:
    return np.nan_to_num(block, nan=0, posinf=0, neginf=0).mean(axis=1, dtype=np.float32)


def _measure(stream: _Stream, path: Path, max_seconds: float) -> Measurement:
    """Accumulate over blocks, so that memory does not grow with the file."""
    n_samples = n_nonfinite = n_clipped = n_silent = n_frames = 0
    peak = energy = 0.0
    for block in _capped(stream, path, max_seconds):
        finite = np.isfinite(block)
        if not finite.all():
            n_nonfinite += int(finite.size - np.count_nonzero(finite))
            block = np.where(finite, block, 0)
        magnitude = np.abs(block)
        power = np.square(block, dtype=np.float64).mean(axis=1)
        edges = np.arange(0, len(power), FRAME)
        loudness = np.add.reduceat(power, edges) / np.diff(edges, append=len(power))
        n_silent += int(np.count_nonzero(loudness < SILENCE**2))
        n_frames += len(loudness)
        n_samples += len(block)
        n_clipped += int(np.count_nonzero(magnitude >= CLIPPED))
        peak = max(peak, float(magnitude.max()))
        energy += float(power.sum())
    return Measurement(
        sample_rate=stream.sample_rate,
        channels=stream.channels,
        n_samples=n_samples,
        duration=n_samples / stream.sample_rate,
        peak=peak,
        rms_db=10 * float(np.log10(max(energy / n_samples, 1e-20))),
        silence_share=n_silent / n_frames,
        clipped_share=n_clipped / (n_samples * stream.channels),
        n_nonfinite=n_nonfinite,
        error=_shortfall(stream, n_samples),
    )


def _shortfall(stream: _Stream, n_samples: int) -> str | None:
    """Compare what came with what the header promised."""
    if stream.declared is None or n_samples >= stream.declared - MISSING_SECONDS * stream.sample_rate:
        return None
    promised, found = stream.declared / stream.sample_rate, n_samples / stream.sample_rate
    return f"is cut off: its header says {promised:.2f} s, {found:.2f} s can be decoded"


def _capped(stream: _Stream, path: Path, max_seconds: float, max_samples: int = MAX_SAMPLES) -> Blocks:
    """Pass blocks on until there are too many; refuse a file without samples."""
    n_samples = 0
    for block in stream.blocks:
        n_samples += len(block)
        if n_samples > max_seconds * stream.sample_rate:
            raise DataError(f"{path}: is longer than {max_seconds:.0f} s; cut it into tracks")
        if n_samples > max_samples:
            raise DataError(f"{path}: has more than {max_samples:,} samples a channel; lower its sample rate")
        yield block
    if n_samples == 0:
        raise DataError(f"{path}: holds no samples; replace or delete it")


@contextmanager
def _open(path: Path) -> Iterator[_Stream]:
    """Open a file with the decoder for it; FFmpeg gets what libsndfile refuses."""
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if n_bytes == 0:
        raise DataError(f"{path}: is empty (0 bytes); replace or delete it")
    if n_bytes > MAX_BYTES:
        raise DataError(f"{path}: is larger than {MAX_BYTES >> 30} GiB; cut it into tracks")
    with ExitStack() as opened:
        stream = _decoder(path, opened)
        if not (0 < stream.sample_rate <= MAX_SAMPLE_RATE and 0 < stream.channels <= MAX_CHANNELS):
            header = f"{stream.channels} channels at {stream.sample_rate} Hz"
            raise DataError(f"{path}: its header says {header}; replace it")
        yield stream


def _decoder(path: Path, opened: ExitStack) -> _Stream:
    if path.suffix.lower() in LIBSNDFILE:
        with suppress(soundfile.LibsndfileError):
            return _libsndfile(path, opened.enter_context(soundfile.SoundFile(path)))
    return _ffmpeg(path, opened)


def _libsndfile(path: Path, file: soundfile.SoundFile) -> _Stream:
    """Read by libsndfile, which believes the file's size where the header promises more samples."""
    declared = file.frames
    for promised, present in CUT.findall(file.extra_info):
        if 0 < int(present) < int(promised) < UNKNOWN_LENGTH:
            declared = file.frames * int(promised) // int(present)

    def blocks() -> Blocks:
        try:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                yield block
        except soundfile.LibsndfileError as error:
            raise DataError(f"{path}: cannot be decoded to its end ({_reason(error.error_string)})") from error

    return _Stream(file.samplerate, file.channels, declared, blocks())


def _ffmpeg(path: Path, opened: ExitStack) -> _Stream:
    """Read by FFmpeg, from this file alone: a playlist inside may not open others."""
    try:
        container = opened.enter_context(av.open(str(path), options=ALONE, metadata_errors="replace"))
        if not container.streams.audio:
            raise DataError(f"{path}: holds no sound; delete it or name another file")
        source = container.streams.audio[0]
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded ({_reason(error)}); replace or delete it") from error

    def blocks() -> Blocks:
        resampler = av.AudioResampler(format="fltp")
        try:
            for frame in container.decode(source):
                for planar in resampler.resample(frame):
                    yield planar.to_ndarray().T
        except (av.FFmpegError, ValueError) as error:
            raise DataError(f"{path}: cannot be decoded to its end ({_reason(error)}); replace it") from error

    return _Stream(source.rate, source.channels, _promised(container, source), _regular(blocks()))


def _promised(container: Any, source: Any) -> int | None:
    """Read the number of samples in the header, less what FFmpeg may rightly drop at the ends."""
    if container.format.name in ESTIMATED:
        return None
    if source.duration is not None:
        seconds = float(source.duration * source.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        seconds = container.duration / av.time_base
    else:
        return None
    return max(int((seconds - PADDING_SECONDS) * source.rate), 0)


def _regular(blocks: Blocks) -> Blocks:
    """Join small blocks to the size that libsndfile gives."""
    waiting: list[np.ndarray] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block)
        n_waiting += len(block)
        if n_waiting >= BLOCK:
            joined = np.concatenate(waiting)
            n_whole = n_waiting - n_waiting % BLOCK
            for start in range(0, n_whole, BLOCK):
                yield joined[start : start + BLOCK]
            waiting, n_waiting = [joined[n_whole:]], n_waiting - n_whole
    if n_waiting:
        yield np.concatenate(waiting)


def _reason(error: object) -> str:
    """Say what a decoder said, without the path it may have put in."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".").lower() or "no reason given"
