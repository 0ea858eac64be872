"""Decode a file to mono, or block by block to its end.

libsndfile reads WAV, AIFF, AU, CAF, FLAC, MP3 and Ogg. FFmpeg, through PyAV, reads the
rest, MP3 files that do not count their frames, and Ogg files of several streams in
turn. The content of a file decides, never its name. Nothing a file says about itself
is trusted: it is decoded to its last sample, what came is compared with what the
header promised, and caps on bytes and seconds stop a decoding bomb.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr

from ostinato.audio import headers
from ostinato.audio._quiet import QUIET
from ostinato.audio.snapshot import MAX_BYTES, open_snapshot
from ostinato.errors import DataError, ReadError

MAX_SECONDS = 12 * 3600.0
MAX_SAMPLES = 2**32
MAX_CHANNELS = 64
MAX_SAMPLE_RATE = 768_000
BLOCK = 65_536
PADDING_SECONDS = 0.4
"""What FFmpeg may rightly drop at the ends of what a header promises."""
UNKNOWN_FRAMES = 2**63 - 1
"""libsndfile's count of a FLAC file whose header has none."""
DECODER_DELAY = {"mp3": 1_105, "mp2": 481, "mp1": 481}
"""Samples before the sound of MPEG audio where no header says how many: LAME's 576 and every decoder's 528 + 1 of
Layer III, the 481 of the filter bank of Layers I and II."""
CODED_SECONDS = 0.1
"""How far the length of an MP3 may be from what its frames hold."""
FIXED_RATE = frozenset({"opus"})
"""Codecs with a sample rate of their own, which says nothing about the sound."""
CUT = re.compile(r"data(?: size)?\s*:\s*(\d+) \(should be (\d+)\)", re.IGNORECASE)
ESTIMATED = frozenset({"aac", "mp3", "ac3"})
FORMATS = "wav,w64,flac,mp3,ogg,au,aiff,aac,ac3,eac3,mov,matroska,webm,asf,caf,ape,wv,mpc,mpc8,tta,avi"
ALONE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

Blocks = Iterator[np.ndarray]


class _SequentialFile(soundfile.SoundFile):
    """A file read from its beginning to its end.

    Where a file may be sought in, soundfile seeks after each block, which
    glitches MP3: the decoder loses what its next frame borrows from the last.
    """

    def seekable(self) -> bool:
        """Say that it may not."""
        return False


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
    codec : str
        As libsndfile or FFmpeg call it, in lower case.
    """

    sample_rate: int
    channels: int
    declared: int | None
    blocks: Blocks
    codec: str = ""


def load(
    path: Path,
    sample_rate: int | None = None,
    *,
    content_hash: str | None = None,
    max_seconds: float = MAX_SECONDS,
    max_samples: int = MAX_SAMPLES,
) -> tuple[np.ndarray, int]:
    """Decode a file to mono, reading it once.

    Parameters
    ----------
    path : Path
    sample_rate : int, optional
        Resample to so many Hz; default: as it is.
    content_hash : str, optional
        SHA-256 of the file; other bytes are refused.
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
    ReadError
        If it cannot be read, which says nothing of what it holds.
    """
    with open_snapshot(path, content_hash) as snapshot, open_stream(snapshot.path) as stream:
        y = np.concatenate([mono(block) for block in limit_blocks(stream, snapshot.path, max_seconds, max_samples)])
    if sample_rate is None or sample_rate == stream.sample_rate:
        return y, stream.sample_rate
    return np.asarray(soxr.resample(y, stream.sample_rate, sample_rate), np.float32), sample_rate


def resampler(sample_rate: int, wanted: int, quality: str = "LQ") -> soxr.ResampleStream:
    """Create a streaming resampler of one channel, fast by default.

    Parameters
    ----------
    sample_rate, wanted : int
        In Hz.
    quality : str
        One of soxr's; ``"HQ"`` gives to the bit what `load` and features give of the whole.

    Returns
    -------
    soxr.ResampleStream
        ``resample_chunk(y, last=...)`` takes and gives float32.
    """
    return soxr.ResampleStream(sample_rate, wanted, 1, dtype="float32", quality=quality)


def metadata(path: Path) -> dict[str, str]:
    """Read what a file says about itself, such as its ID3 tags.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Lower-case names such as ``artist`` and ``genre``; empty if nothing can be read. What is
        no UTF-8 is read as Windows-1252, as RIFF files have it.
    """
    for encoding in ("utf-8", "cp1252"):
        opened = partial(av.open, str(path), options=ALONE, metadata_encoding=encoding, metadata_errors="replace")
        with suppress(av.FFmpegError, ValueError), opened() as file:
            told = {**dict(file.metadata), **{k: v for s in file.streams.audio for k, v in s.metadata.items()}}
            if encoding == "cp1252" or not any("\ufffd" in value for value in told.values()):
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


def limit_blocks(stream: Stream, path: Path, max_seconds: float, max_samples: int = MAX_SAMPLES) -> Blocks:
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
        raise DataError(f"{path}: holds no samples; replace it or leave it out")


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
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
        If it is empty, too large, or no decoder takes it.
    ReadError
        If it is absent or cannot be looked at.
    """
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    if n_bytes == 0:
        raise DataError(f"{path}: is empty (0 bytes); replace it or leave it out")
    if n_bytes > MAX_BYTES:
        raise DataError(f"{path}: is larger than {MAX_BYTES >> 30} GiB; cut it into tracks")
    with ExitStack() as opened:
        stream = _decoder(path, opened)
        if not (0 < stream.sample_rate <= MAX_SAMPLE_RATE and 0 < stream.channels <= MAX_CHANNELS):
            header = f"{stream.channels} channels at {stream.sample_rate} Hz"
            raise DataError(f"{path}: its header says {header}; replace it")
        yield stream


def _decoder(path: Path, opened: ExitStack) -> Stream:
    """Choose the decoder by what is in the file."""
    with suppress(soundfile.LibsndfileError), QUIET:
        file = opened.enter_context(_SequentialFile(os.fsencode(path)))
        if file.format == "MP3" and not _is_counted(path, file):
            return _ffmpeg(path, opened)
        if file.format != "OGG" or not headers.is_chained(path):
            return _libsndfile(path, file)
    return _ffmpeg(path, opened)


def _is_counted(path: Path, file: soundfile.SoundFile) -> bool:
    """Return whether libsndfile's count of an MP3's samples is that of its frames and no estimate.

    It reads no further than its count, which it takes from the header of the
    first frame, or guesses from the file's size where there is none.
    """
    header = headers.read_mpeg(path)
    if header is None or not header.is_counted:
        return False
    if header.surplus_bytes is not None and header.surplus_bytes <= headers.SLACK_BYTES:
        return True
    with (
        suppress(av.FFmpegError, ValueError),
        av.open(str(path), options=ALONE, metadata_errors="replace") as container,
    ):
        source = container.streams.audio[0]
        seconds = float(sum((packet.duration or 0) * (packet.time_base or 0) for packet in container.demux(source)))
        return seconds <= file.frames / file.samplerate + CODED_SECONDS
    return True


def _libsndfile(path: Path, file: soundfile.SoundFile) -> Stream:
    """Read by libsndfile, which believes the file's size where the header promises more samples."""
    declared = None if file.frames == UNKNOWN_FRAMES else file.frames
    for promised, present in CUT.findall(file.extra_info):
        if declared and 0 < int(present) < int(promised) and not headers.is_placeholder(int(promised)):
            declared = file.frames * int(promised) // int(present)

    def blocks() -> Blocks:
        try:
            while len(block := _read(file)):
                yield block
        except soundfile.LibsndfileError as error:
            raise DataError(f"{path}: cannot be decoded to its end ({_reason(error.error_string)})") from error

    return Stream(file.samplerate, file.channels, declared, blocks(), file.subtype.lower())


def _read(file: soundfile.SoundFile) -> np.ndarray:
    with QUIET:
        return np.asarray(file.read(BLOCK, dtype="float32", always_2d=True))


def _ffmpeg(path: Path, opened: ExitStack) -> Stream:
    """Read by FFmpeg, from this file alone: a playlist inside may not open others."""
    try:
        container = opened.enter_context(av.open(str(path), options=ALONE, metadata_errors="replace"))
        if not container.streams.audio:
            raise DataError(f"{path}: holds no sound; name another file or leave it out")
        source = container.streams.audio[0]
        if source.codec_context is None:
            raise DataError(f"{path}: its sound is of an unknown kind; convert it to WAV or FLAC")
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded ({_reason(error)}); replace it or leave it out") from error

    blocks = _planar_blocks(path, container, source)
    first = next(blocks, None)
    if first is None:
        return Stream(source.rate, source.channels, None, iter(()))
    sample_rate, channels = first[0], len(first[1])

    def samples() -> Blocks:
        n_delay = _delay(path, container, source)
        for rate, planes in chain([first], blocks):
            if (rate, len(planes)) != (sample_rate, channels):
                raise DataError(f"{path}: changes its sample rate or channels on the way; convert it to WAV or FLAC")
            yield planes.T[n_delay:]
            n_delay = max(n_delay - planes.shape[1], 0)

    return Stream(
        sample_rate, channels, _read_length(container, source), _regular(samples()), source.codec_context.name
    )


def _delay(path: Path, container: Any, source: Any) -> int:
    """Count the samples before the sound that FFmpeg leaves in, since no header names them."""
    if container.format.name != "mp3":
        return 0
    header = headers.read_mpeg(path)
    return 0 if header is None or header.is_counted else DECODER_DELAY.get(source.codec_context.name[:3], 0)


def _planar_blocks(path: Path, container: Any, source: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each frame's own rate, which need not be the header's, and its samples (channels, n)."""
    resampler, end = av.AudioResampler(format="fltp"), None
    is_exact = "mov" in container.format.name  # the last packet says how much of its frame is sound
    try:
        for packet in container.demux(source):
            if is_exact and packet.pts is not None and packet.duration:
                end = float((packet.pts + packet.duration) * source.time_base)
            for frame in packet.decode():
                for planar in resampler.resample(frame):
                    planes = planar.to_ndarray()
                    if end is not None and planar.time is not None:
                        planes = planes[:, : max(round((end - planar.time) * planar.sample_rate), 0)]
                    if planes.size:
                        yield planar.sample_rate, planes
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded to its end ({_reason(error)}); replace it") from error


def _read_length(container: Any, source: Any) -> int | None:
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
    """Return what a decoder said, without the path it may have put in."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".").lower() or "no reason given"
