"""The one door to audio files: decode a file to mono, or block by block to its end.

libsndfile reads WAV, FLAC, MP3, Ogg, AU and AIFF; FFmpeg, through PyAV, reads
the rest and whatever carries the wrong suffix. Nothing a file says about
itself is trusted: it is decoded to its last sample, what came is compared with
what the header promised, and caps on bytes and seconds stop a decoding bomb.
"""

import ctypes
import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
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
PADDING_SECONDS = 0.4
UNKNOWN_LENGTH = 2**32 - 2**16
CUT = re.compile(r"data(?: size)?\s*:\s*(\d+) \(should be (\d+)\)", re.IGNORECASE)
ESTIMATED = frozenset({"aac", "mp3", "ac3"})
FORMATS = "wav,w64,flac,mp3,ogg,au,aiff,aac,ac3,eac3,mov,matroska,webm,asf,caf,ape,wv,mpc,mpc8,tta,avi"
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

PLAIN = frozenset({"WAV", "WAVEX", "AIFF", "AU", "W64"})
WIDTHS = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

Blocks = Iterator[np.ndarray]


class _Straight(soundfile.SoundFile):
    """A file read from its beginning to its end.

    Where a file may be sought in, soundfile seeks after each block, which
    glitches MP3: the decoder loses what its next frame borrows from the last.
    """

    def seekable(self) -> bool:
        """Say that it may not."""
        return False


class _Hush:
    """Keep what decoders written in C print from standard error while any thread decodes.

    libsndfile leaves libmpg123 no way to be quiet. The C library's ``stderr`` is a
    variable where that is glibc, and points elsewhere meanwhile; elsewhere decoders
    are heard. What Python prints, and what writes to descriptor 2, comes out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._loud: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1 and (found := _printing()) is not None:
                stderr, nowhere = found
                self._loud, stderr.value = stderr.value, nowhere

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._loud is not None and (found := _printing()) is not None:
                found[0].value, self._loud = self._loud, None


HUSH = _Hush()


@cache
def _printing() -> tuple[ctypes.c_void_p, int] | None:
    """Find the C library's ``stderr``, and open a file that keeps nothing; None without glibc."""
    with suppress(ValueError, OSError):
        if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            library = ctypes.CDLL(None)
            library.fopen.restype = ctypes.c_void_p
            return ctypes.c_void_p.in_dll(library, "stderr"), library.fopen(os.devnull.encode(), b"w")
    return None


@dataclass(frozen=True)
class Stream:
    """An open file: what its header says, and its samples in blocks.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels : int
    declared : int or None
        Samples per channel that the header promises; None if it does not say.
    blocks : iterator of np.ndarray [shape=(n, channels), dtype=float32]
        Each of `BLOCK` samples but the last.
    width : int or None
        Bytes of a stored sample where samples are stored as they are; None where they are coded.
    """

    sample_rate: int
    channels: int
    declared: int | None
    blocks: Blocks
    width: int | None = None


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
    with opened_file(path) as stream:
        y = np.concatenate([mono(block) for block in capped(stream, path, max_seconds, max_samples)])
    if sample_rate is None or sample_rate == stream.sample_rate:
        return y, stream.sample_rate
    return np.asarray(soxr.resample(y, stream.sample_rate, sample_rate), np.float32), sample_rate


def resampler(sample_rate: int, wanted: int) -> soxr.ResampleStream:
    """Make what resamples one channel block by block, quickly rather than finely.

    Parameters
    ----------
    sample_rate, wanted : int
        In Hz.

    Returns
    -------
    soxr.ResampleStream
        ``resample_chunk(y, last=...)`` takes and gives float32.
    """
    return soxr.ResampleStream(sample_rate, wanted, 1, dtype="float32", quality="LQ")


def metadata(path: Path) -> dict[str, str]:
    """Read what a file says about itself, such as its ID3 tags.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Lower-case names such as ``artist`` and ``genre``; empty if nothing can be read.
    """
    with suppress(av.FFmpegError, ValueError), av.open(str(path), options=ALONE, metadata_errors="replace") as file:
        told = {**dict(file.metadata), **{k: v for s in file.streams.audio for k, v in s.metadata.items()}}
        return {key.lower(): value.strip() for key, value in told.items() if value.strip()}
    return {}


def mono(block: np.ndarray) -> np.ndarray:
    """Average the channels of a block; what is no number counts as 0.

    Parameters
    ----------
    block : np.ndarray [shape=(n, channels)]

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    return np.nan_to_num(block, nan=0, posinf=0, neginf=0).mean(axis=1, dtype=np.float32)


def capped(stream: Stream, path: Path, max_seconds: float, max_samples: int = MAX_SAMPLES) -> Blocks:
    """Pass blocks on until there are too many; refuse a file without samples.

    Parameters
    ----------
    stream : Stream
    path : Path
        For messages.
    max_seconds : float
    max_samples : int
        A channel.

    Yields
    ------
    np.ndarray [shape=(n, channels)]

    Raises
    ------
    DataError
        If the file is longer than a limit, empty, or breaks off.
    """
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
def opened_file(path: Path) -> Iterator[Stream]:
    """Open a file with the decoder for it; FFmpeg gets what libsndfile refuses.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Stream

    Raises
    ------
    DataError
        If it is absent, empty, too large, or no decoder takes it.
    """
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


def _decoder(path: Path, opened: ExitStack) -> Stream:
    if path.suffix.lower() in LIBSNDFILE:
        with suppress(soundfile.LibsndfileError), HUSH:
            return _libsndfile(path, opened.enter_context(_Straight(os.fsencode(path))))
    return _ffmpeg(path, opened)


def _libsndfile(path: Path, file: soundfile.SoundFile) -> Stream:
    """Read by libsndfile, which believes the file's size where the header promises more samples."""
    declared = file.frames
    for promised, present in CUT.findall(file.extra_info):
        if 0 < int(present) < int(promised) < UNKNOWN_LENGTH:
            declared = file.frames * int(promised) // int(present)

    def blocks() -> Blocks:
        try:
            while len(block := _read(file)):
                yield block
        except soundfile.LibsndfileError as error:
            raise DataError(f"{path}: cannot be decoded to its end ({_reason(error.error_string)})") from error

    width = WIDTHS.get(file.subtype) if file.format in PLAIN else None
    return Stream(file.samplerate, file.channels, declared, blocks(), width)


def _read(file: soundfile.SoundFile) -> np.ndarray:
    with HUSH:
        return np.asarray(file.read(BLOCK, dtype="float32", always_2d=True))


def _ffmpeg(path: Path, opened: ExitStack) -> Stream:
    """Read by FFmpeg, from this file alone: a playlist inside may not open others."""
    try:
        container = opened.enter_context(av.open(str(path), options=ALONE, metadata_errors="replace"))
        if not container.streams.audio:
            raise DataError(f"{path}: holds no sound; delete it or name another file")
        source = container.streams.audio[0]
        if source.codec_context is None:
            raise DataError(f"{path}: its sound is of an unknown kind; convert it to WAV or FLAC")
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded ({_reason(error)}); replace or delete it") from error

    decoded = _decoded(path, container, source)
    first = next(decoded, None)
    if first is None:
        return Stream(source.rate, source.channels, None, iter(()))
    sample_rate, channels = first[0], len(first[1])

    def blocks() -> Blocks:
        for rate, samples in chain([first], decoded):
            if (rate, len(samples)) != (sample_rate, channels):
                raise DataError(f"{path}: changes its sample rate or channels on the way; convert it to WAV or FLAC")
            yield samples.T

    return Stream(sample_rate, channels, _promised(container, source), _regular(blocks()))


def _decoded(path: Path, container: Any, source: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Give each frame's own rate, which need not be the header's, and its samples (channels, n)."""
    resampler = av.AudioResampler(format="fltp")
    try:
        for frame in container.decode(source):
            yield from ((planar.sample_rate, planar.to_ndarray()) for planar in resampler.resample(frame))
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded to its end ({_reason(error)}); replace it") from error


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
