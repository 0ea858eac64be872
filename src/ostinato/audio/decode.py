"""Decoding of audio files, to mono or block by block.

libsndfile reads WAV, AIFF, AU, CAF, FLAC, MP3 and Ogg. FFmpeg, through PyAV, reads the
rest, MP3 files without a frame count, and Ogg files of several streams in turn. PyAV
is imported for these only, since its import takes a tenth of a second. The content of a
file decides, never its name. Headers are not trusted: a file is decoded to its last
sample, its length is compared with the header's, and limits on bytes and seconds stop
decompression bombs.
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
BLOCK = 262_144
PADDING_SECONDS = 0.4
"""What FFmpeg may drop at both ends of the length in a header."""
UNKNOWN_FRAMES = 2**63 - 1
"""libsndfile's count of a FLAC file whose header has none."""
DECODER_DELAY = {"mp3": 1_105, "mp2": 481, "mp1": 481}
"""Leading samples of MPEG audio without a header that counts them: LAME's 576 and every decoder's 528 + 1 of Layer
III, 481 of the filter bank of Layers I and II."""
CODED_SECONDS = 0.1
"""Tolerance between the length of an MP3 and that of its frames."""
FIXED_RATE = frozenset({"opus"})
"""Codecs with a fixed sample rate, which says nothing about the content."""
CUT_LENGTH = re.compile(r"data(?: size)?\s*:\s*(\d+) \(should be (\d+)\)", re.IGNORECASE)
ESTIMATED_FORMATS = frozenset({"aac", "mp3", "ac3"})
FORMATS = "wav,w64,flac,mp3,ogg,au,aiff,aac,ac3,eac3,mov,matroska,webm,asf,caf,ape,wv,mpc,mpc8,tta,avi"
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

Blocks = Iterator[np.ndarray]


class _SequentialFile(soundfile.SoundFile):
    """A file read sequentially.

    In seekable files, soundfile seeks after each block, which breaks MP3: the
    decoder loses the bits that its next frame borrows from the last.
    """

    def seekable(self) -> bool:
        """Return False, so that soundfile does not seek."""
        return False


@dataclass(frozen=True)
class Stream:
    """An open file: its header, and its samples in blocks.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels : int
    declared : int or None
        Samples per channel according to the header; None if it does not say.
    blocks : iterator of np.ndarray [shape=(n, channels), dtype=float32]
        Each of `BLOCK` samples except the last.
    codec : str
        Name in libsndfile or FFmpeg, in lower case.
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
    """Decode a file to mono, reading it only once.

    Parameters
    ----------
    path : Path
    sample_rate : int, optional
        Target rate in Hz; default: that of the file.
    content_hash : str, optional
        Expected SHA-256 of the file.
    max_seconds : float
        Refuse longer files.
    max_samples : int
        Refuse files with more samples per channel; at a high rate, few seconds have many.

    Returns
    -------
    y : np.ndarray [shape=(n_samples,), dtype=float32]
        Mean of the channels; NaN and infinite samples are 0.
    sample_rate : int
        In Hz.

    Raises
    ------
    DataError
        If the file cannot be decoded, is empty or is longer than `max_seconds`.
    ReadError
        If it cannot be read, whatever its content.
    """
    with open_snapshot(path, content_hash) as snapshot, open_stream(snapshot.path) as stream:
        y = np.concatenate([mono(block) for block in limit_blocks(stream, snapshot.path, max_seconds, max_samples)])
    if sample_rate is None or sample_rate == stream.sample_rate:
        return y, stream.sample_rate
    return np.asarray(soxr.resample(y, stream.sample_rate, sample_rate), np.float32), sample_rate


def resampler(sample_rate: int, target_rate: int, quality: str = "LQ") -> soxr.ResampleStream:
    """Create a streaming resampler for one channel, fast by default.

    Parameters
    ----------
    sample_rate, target_rate : int
        In Hz.
    quality : str
        One of soxr's; ``"HQ"`` is bit-identical to `load` and features of the full signal.

    Returns
    -------
    soxr.ResampleStream
        ``resample_chunk(y, last=...)`` takes and returns float32.
    """
    return soxr.ResampleStream(sample_rate, target_rate, 1, dtype="float32", quality=quality)


def metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a file, such as ID3 tags.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Lower-case names such as ``artist`` and ``genre``; empty if nothing can be read. Text that
        is not UTF-8 is read as Windows-1252, as in RIFF files.
    """
    import av

    for encoding in ("utf-8", "cp1252"):
        open_file = partial(av.open, str(path), options=OPTIONS, metadata_encoding=encoding, metadata_errors="replace")
        with suppress(av.FFmpegError, ValueError), open_file() as file:
            tags = {**dict(file.metadata), **{k: v for s in file.streams.audio for k, v in s.metadata.items()}}
            if encoding == "cp1252" or not any("\ufffd" in value for value in tags.values()):
                return {key.lower(): value.strip() for key, value in tags.items() if value.strip()}
    return {}


def mono(block: np.ndarray) -> np.ndarray:
    """Average the channels of a block; NaN and infinite samples count as 0.

    Parameters
    ----------
    block : np.ndarray [shape=(n, channels)]

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    return np.nan_to_num(block, nan=0, posinf=0, neginf=0).mean(axis=1, dtype=np.float32)


def limit_blocks(stream: Stream, path: Path, max_seconds: float, max_samples: int = MAX_SAMPLES) -> Blocks:
    """Yield blocks up to a limit; refuse a file without samples.

    Parameters
    ----------
    stream : Stream
    path : Path
        For messages.
    max_seconds : float
    max_samples : int
        Per channel.

    Yields
    ------
    np.ndarray [shape=(n, channels)]

    Raises
    ------
    DataError
        If the file is longer than a limit, empty, or cut off.
    """
    n_samples = 0
    for block in stream.blocks:
        n_samples += len(block)
        if n_samples > max_seconds * stream.sample_rate:
            raise DataError(f"{path}: is longer than {max_seconds:.0f} s; cut it into tracks")
        if n_samples > max_samples:
            raise DataError(f"{path}: has more than {max_samples:,} samples per channel; lower its sample rate")
        yield block
    if n_samples == 0:
        raise DataError(f"{path}: has no samples; replace it or leave it out")


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Open a file with its decoder: libsndfile, or else FFmpeg.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Stream

    Raises
    ------
    DataError
        If it is empty, too large, or no decoder can read it.
    ReadError
        If it is missing or cannot be accessed.
    """
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    if n_bytes == 0:
        raise DataError(f"{path}: is empty (0 bytes); replace it or leave it out")
    if n_bytes > MAX_BYTES:
        raise DataError(f"{path}: is larger than {MAX_BYTES >> 30} GiB; cut it into tracks")
    with ExitStack() as stack:
        stream = _decoder(path, stack)
        if not (0 < stream.sample_rate <= MAX_SAMPLE_RATE and 0 < stream.channels <= MAX_CHANNELS):
            header = f"{stream.channels} channels at {stream.sample_rate} Hz"
            raise DataError(f"{path}: its header says {header}; replace it")
        yield stream


def _decoder(path: Path, stack: ExitStack) -> Stream:
    """Choose the decoder by the content of the file."""
    with suppress(soundfile.LibsndfileError), QUIET:
        file = stack.enter_context(_SequentialFile(os.fsencode(path)))
        if file.format == "MP3" and not _is_counted(path, file):
            return _ffmpeg(path, stack)
        if file.format == "OGG" and headers.is_chained(path):
            return _ffmpeg(path, stack)
        if file.format.startswith("WAV") and file.frames == 0 and headers.has_unclosed_samples(path):
            return _ffmpeg(path, stack)
        return _libsndfile(path, file)
    return _ffmpeg(path, stack)


def _is_counted(path: Path, file: soundfile.SoundFile) -> bool:
    """Return whether libsndfile's count of an MP3's samples is exact.

    It reads no further than its count, which comes from the header of the first
    frame, or is estimated from the file's size if there is none.
    """
    header = headers.read_mpeg(path)
    if header is None or not header.is_counted:
        return False
    if header.surplus_bytes is not None and header.surplus_bytes <= headers.SLACK_BYTES:
        return True
    import av

    with (
        suppress(av.FFmpegError, ValueError),
        av.open(str(path), options=OPTIONS, metadata_errors="replace") as container,
    ):
        source = container.streams.audio[0]
        seconds = float(sum((packet.duration or 0) * (packet.time_base or 0) for packet in container.demux(source)))
        return seconds <= file.frames / file.samplerate + CODED_SECONDS
    return True


def _libsndfile(path: Path, file: soundfile.SoundFile) -> Stream:
    """Read with libsndfile, which trusts the file's size if the header has more samples."""
    declared = None if file.frames == UNKNOWN_FRAMES else file.frames
    for expected, actual in CUT_LENGTH.findall(file.extra_info):
        if declared and 0 < int(actual) < int(expected) and not headers.is_placeholder(int(expected)):
            declared = file.frames * int(expected) // int(actual)

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


def _ffmpeg(path: Path, stack: ExitStack) -> Stream:
    """Read with FFmpeg, from this file only: a playlist inside may not open others."""
    import av

    try:
        container = stack.enter_context(av.open(str(path), options=OPTIONS, metadata_errors="replace"))
        if not container.streams.audio:
            raise DataError(f"{path}: has no audio; use another file or leave it out")
        source = container.streams.audio[0]
        if source.codec_context is None:
            raise DataError(f"{path}: its audio has an unknown codec; convert it to WAV or FLAC")
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
                raise DataError(f"{path}: changes its sample rate or channels midway; convert it to WAV or FLAC")
            yield planes.T[n_delay:]
            n_delay = max(n_delay - planes.shape[1], 0)

    return Stream(
        sample_rate, channels, _read_length(container, source), _regular(samples()), source.codec_context.name
    )


def _delay(path: Path, container: Any, source: Any) -> int:
    """Count the leading samples that FFmpeg does not remove, since no header has them."""
    if container.format.name != "mp3":
        return 0
    header = headers.read_mpeg(path)
    return 0 if header is None or header.is_counted else DECODER_DELAY.get(source.codec_context.name[:3], 0)


def _planar_blocks(path: Path, container: Any, source: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rate of each frame, which may differ from the header's, and its samples (channels, n)."""
    import av

    resampler, end = av.AudioResampler(format="fltp"), None
    is_exact = "mov" in container.format.name  # the last packet has the length of its frame
    packets = container.demux(source)
    try:
        for packet in _skip_tags(path, packets) if container.format.name == "mp3" else packets:
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


def _skip_tags(path: Path, packets: Iterator[Any]) -> Iterator[Any]:
    """Yield the packets of an MP3 file, without tags between joined files, which FFmpeg takes for frames."""
    tag_end = None
    with open(path, "rb") as file:
        for packet in packets:
            is_frame = headers.is_mpeg_frame(bytes(packet)[:4])
            if tag_end is None and not is_frame and packet.pos is not None:
                end = headers.find_tag_end(file, packet.pos)
                tag_end = end if end > packet.pos else None
            if tag_end is not None and packet.size and (not is_frame or packet.pos < tag_end):
                continue
            tag_end = None
            yield packet


def _read_length(container: Any, source: Any) -> int | None:
    """Return the number of samples in the header, less what FFmpeg may drop at the ends."""
    import av

    if container.format.name in ESTIMATED_FORMATS:
        return None
    if source.duration is not None:
        seconds = float(source.duration * source.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        seconds = container.duration / av.time_base
    else:
        return None
    return max(int((seconds - PADDING_SECONDS) * source.rate), 0)


def _regular(blocks: Blocks) -> Blocks:
    """Join small blocks to blocks of `BLOCK` samples."""
    pending: list[np.ndarray] = []
    n_pending = 0
    for block in blocks:
        pending.append(block)
        n_pending += len(block)
        if n_pending >= BLOCK:
            buffer = np.concatenate(pending)
            n_whole = n_pending - n_pending % BLOCK
            for start in range(0, n_whole, BLOCK):
                yield buffer[start : start + BLOCK]
            pending, n_pending = [buffer[n_whole:]], n_pending - n_whole
    if n_pending:
        yield np.concatenate(pending)


def _reason(error: object) -> str:
    """Return a decoder's message, without the path it may contain."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".").lower() or "no reason given"
