"""Headers of WAV, AIFF, AU, Ogg and MP3 files: their stated length, and where their audio ends."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

UNKNOWN_SIZES = frozenset({0}) | frozenset(range(0x7FFFF000, 0x80000001))
"""Sizes written when the length is unknown, such as into a pipe; also 0xFFFF0000 and above."""
CONTAINERS = (b"RIFF", b"RF64", b"BW64", b"FORM")
SYNC_BYTES = 8_192
SLACK_BYTES = 4_096


def is_placeholder(size: int) -> bool:
    """Return whether a 32-bit size is a placeholder for an unknown length.

    Examples
    --------
    >>> is_placeholder(0xFFFFFFFF), is_placeholder(0x7FFFF000), is_placeholder(882_000)
    (True, True, False)
    """
    return size in UNKNOWN_SIZES or 0xFFFF0000 <= size <= 0xFFFFFFFF


def hidden_seconds(path: Path) -> float:
    """Estimate the seconds of audio in a WAV, AIFF or AU file after the declared end of its samples.

    Covers, tags and padding are chunks and do not count; an appended recording, or
    more samples than the header has, do.

    Parameters
    ----------
    path : Path

    Returns
    -------
    float
        In seconds at the file's rate; 0 for other formats.
    """
    with open(path, "rb") as file:
        n_bytes, head = path.stat().st_size, file.read(32)
        if head[:4] in CONTAINERS:
            return _hidden_in_chunks(file, head, n_bytes)
        if head[:4] == b".snd" and len(head) >= 24:
            start, size, encoding, rate, channels = struct.unpack(">5I", head[4:24])
            width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)
            if width and not is_placeholder(size):
                return max(n_bytes - start - size, 0) / max(width * rate * channels, 1)
    return 0.0


def _hidden_in_chunks(file: BinaryIO, head: bytes, n_bytes: int) -> float:
    """Return the seconds of data outside the chunks of RIFF or FORM."""
    order = ">" if head[:4] == b"FORM" else "<"
    per_second, size_64, end_of_samples, end = 0.0, 0, None, 12
    for name, start, size in _chunks(file, order, n_bytes):
        if name == b"ds64":
            size_64 = struct.unpack("<Q", _bytes(file, start + 8, 8))[0]
        elif name == b"fmt ":
            per_second = struct.unpack("<I", _bytes(file, start + 8, 4))[0]
        elif name == b"COMM":
            channels, _, bits = struct.unpack(">hIh", _bytes(file, start, 8))
            per_second = channels * (-(-bits // 8)) * _parse_extended(_bytes(file, start + 8, 10))
        if name in (b"data", b"SSND"):
            if is_placeholder(size) and not size_64:
                return 0.0
            size = size_64 or size
            end_of_samples = start + size
        end = start + size + size % 2
    if end_of_samples is None or not per_second or n_bytes - end <= 8:
        return 0.0
    return (n_bytes - end) / per_second


def _chunks(file: BinaryIO, order: str, n_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and size of each valid chunk."""
    offset, is_after = 12, False
    while offset + 8 <= n_bytes:
        name, size = struct.unpack(f"{order}4sI", _bytes(file, offset, 8))
        is_chunk = all(32 <= byte < 127 for byte in name) and name not in CONTAINERS
        if not is_chunk or (is_after and offset + 8 + size > n_bytes):
            return
        yield name, offset + 8, size
        is_after = is_after or name in (b"data", b"SSND")
        if size > n_bytes:
            return
        offset += 8 + size + size % 2


def _bytes(file: BinaryIO, offset: int, n: int) -> bytes:
    """Read bytes at an offset, padded with zeros beyond the file's end."""
    file.seek(offset)
    return file.read(n).ljust(n, b"\0")


def _parse_extended(ten: bytes) -> float:
    """Parse AIFF's sample rate, an 80-bit float."""
    exponent, mantissa = struct.unpack(">HQ", ten)
    return float(mantissa) * 2.0 ** ((exponent & 0x7FFF) - 16_446)


def has_unclosed_samples(path: Path) -> bool:
    """Return whether samples follow a size of 0 in a WAV file, as in a recording that was not closed.

    Parameters
    ----------
    path : Path
    """
    with open(path, "rb") as file:
        n_bytes, head = path.stat().st_size, file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        *_, (name, start, size) = (b"", 0, 0), *_chunks(file, "<", n_bytes)
    return name == b"data" and size == 0 and start < n_bytes


def is_chained(path: Path) -> bool:
    """Return whether an Ogg file has several consecutive streams, of which libsndfile reads the first.

    Parameters
    ----------
    path : Path
    """
    begins = [is_first for is_first, _ in _pages(path)]
    return any(now and not before for before, now in pairwise(begins))


def is_cut_ogg(path: Path) -> bool:
    """Return whether an Ogg file ends inside a page.

    Parameters
    ----------
    path : Path
    """
    return max((end for _, end in _pages(path)), default=0) > path.stat().st_size


def _pages(path: Path) -> Iterator[tuple[bool, int]]:
    """Yield for each page of an Ogg file whether it begins a stream, and its end (RFC 3533, section 6)."""
    offset = 0
    with open(path, "rb") as file:
        while (page := _bytes(file, offset, 27))[:4] == b"OggS":
            offset += 27 + page[26] + sum(_bytes(file, offset + 27, page[26]))
            yield bool(page[5] & 2), offset


@dataclass(frozen=True)
class MpegHeader:
    """Length information in the first frame of an MP3 file.

    Parameters
    ----------
    is_counted : bool
        Whether it has a frame count (a Xing, Info or VBRI header).
    surplus_bytes : int or None
        Bytes of the file beyond the count in the header; None if there is no count.
    """

    is_counted: bool
    surplus_bytes: int | None


def read_mpeg(path: Path) -> MpegHeader | None:
    """Read the length header of an MPEG audio file (MP1, MP2, MP3).

    Parameters
    ----------
    path : Path

    Returns
    -------
    MpegHeader or None
        None if the file is not MPEG audio.

    References
    ----------
    ISO/IEC 11172-3, 2.4.1.3, for the frame's header. Xing's header is LAME's, VBRI that of Fraunhofer's encoder.
    """
    with open(path, "rb") as file:
        start = find_tag_end(file, 0)
        head = _bytes(file, start, SYNC_BYTES)
        n_bytes = path.stat().st_size
    first = next((i for i in range(len(head) - 3) if is_mpeg_frame(head[i : i + 4])), None)
    if first is None:
        return None
    is_mpeg_1, is_mono = head[first + 1] & 0x08, head[first + 3] >> 6 == 3
    side = (17 if is_mono else 32) if is_mpeg_1 else (9 if is_mono else 17)
    xing = first + 4 + side + (0 if head[first + 1] & 1 else 2)
    for offset in (first + 4 + side, xing):
        if head[offset : offset + 4] in (b"Xing", b"Info"):
            flags = struct.unpack(">I", head[offset + 4 : offset + 8])[0]
            n_counted = struct.unpack(">I", head[offset + 12 : offset + 16])[0] if flags & 3 == 3 else None
            return MpegHeader(bool(flags & 1), None if n_counted is None else n_bytes - start - first - n_counted)
    if head[first + 36 : first + 40] == b"VBRI":
        n_counted = struct.unpack(">I", head[first + 46 : first + 50])[0]
        return MpegHeader(True, n_bytes - start - first - n_counted)
    return MpegHeader(False, None)


def find_tag_end(file: BinaryIO, offset: int) -> int:
    """Find the end of the tags that begin at an offset of an MP3 file.

    Parameters
    ----------
    file : binary file
    offset : int
        In bytes.

    Returns
    -------
    int
        The offset itself if no ID3v1, ID3v2 or APEv2 tag begins there.

    References
    ----------
    https://id3.org/id3v2.4.0-structure, section 3.1, and the APEv2 specification of Hydrogenaudio's wiki.
    """
    while True:
        tag = _bytes(file, offset, 32)
        if tag[:3] == b"ID3":
            size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:10], (21, 14, 7, 0), strict=True))
            offset += 10 + size + (10 if tag[5] & 0x10 else 0)
        elif tag[:8] == b"APETAGEX":
            offset += 32 + struct.unpack("<I", tag[12:16])[0]
        elif tag[:3] == b"TAG":
            offset += 128
        else:
            return offset


def is_mpeg_frame(head: bytes) -> bool:
    """Return whether four bytes begin a frame of MPEG audio.

    Parameters
    ----------
    head : bytes
        Shorter ones begin none.
    """
    if len(head) < 4:
        return False
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    has_sync = head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return has_sync and layer != 0 and version != 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3
