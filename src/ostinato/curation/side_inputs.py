"""Inputs beside audio: lyrics, a cover, numbers of the tracks table, attributes.

As with audio, file headers are not trusted: the numbers of bytes and pixels are limited.
Missing values are None or NaN, not an error.

A picture may be stored raw within a larger file, as in some image collections:
``train.bin#3076:3x32x32`` means three planes of 32 x 32 bytes, starting at byte 3076.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ostinato.curation import attributes
from ostinato.errors import ChangedError, DataError, ReadError
from ostinato.io.files import retry_reading

FILES = ("lyrics", "cover")
NUMBERS: Mapping[str, tuple[str, ...]] = {
    "table": ("year", "latitude", "longitude"),
    "attributes": (*attributes.NUMBERS, *attributes.CATEGORIES),
}
"""Columns by source; attributes have their own table."""
MAX_LYRICS_BYTES = 2**20
MAX_COVER_BYTES = 64 * 2**20
MAX_PIXELS = 8192**2
RAW_IMAGE = re.compile(r"(?P<file>.+)#(?P<start>\d+):3x(?P<height>\d+)x(?P<width>\d+)")

Row: TypeAlias = Mapping[Any, Any]


class SideInput(NamedTuple):
    """One source of a track.

    Parameters
    ----------
    source : {"lyrics", "cover", "table", "attributes"}
    content_hash : str
        SHA-256 of the file or of the numbers; of no bytes if the track has no such file.
    value : Path, dict or None
        Path of the file, or numbers by column.
    """

    source: str
    content_hash: str
    value: Any


def list_columns(source: str) -> tuple[str, ...]:
    """List the columns of a source in the table of tracks or of attributes.

    Examples
    --------
    >>> list_columns("lyrics")
    ('lyrics',)
    """
    return (source,) if source in FILES else NUMBERS[source]


def find(source: str, root: Path, row: Row) -> SideInput:
    """Find a source of a track and hash it.

    Parameters
    ----------
    source : {"lyrics", "cover", "table", "attributes"}
    root : Path
        Folder that the paths in the table are relative to.
    row : mapping
        Row of the tracks table; missing columns count as unknown.

    Returns
    -------
    SideInput
    """
    if source not in FILES:
        numbers = {c: float(v) if (v := row.get(c)) is not None else float("nan") for c in list_columns(source)}
        text = json.dumps({c: None if np.isnan(v) else v for c, v in numbers.items()}, sort_keys=True)
        return SideInput(source, hashlib.sha256(text.encode()).hexdigest(), numbers)
    name = row.get(source)
    if not isinstance(name, str) or not name:
        return SideInput(source, hashlib.sha256().hexdigest(), None)
    try:
        return SideInput(source, retry_reading(partial(_hash, source, root / name)), root / name)
    except OSError:
        return SideInput(source, hashlib.sha256(name.encode()).hexdigest(), root / name)


def _hash(source: str, path: Path) -> str:
    if source == "cover" and (raw := RAW_IMAGE.fullmatch(str(path))):
        return hashlib.sha256(_read_raw(raw)).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(side_input: SideInput) -> Any:
    """Read a source of a track.

    Parameters
    ----------
    side_input : SideInput

    Returns
    -------
    str, np.ndarray [shape=(height, width, 3), dtype=uint8], mapping or None
        Lyrics, the pixels of a cover, or numbers by column; None without a file.

    Raises
    ------
    DataError
        If the file cannot be decoded or is too large.
    ReadError
        If it cannot be read, or has changed since `find`.
    """
    path, content_hash = side_input.value, side_input.content_hash
    if path is None or side_input.source not in FILES:
        return path
    if side_input.source == "lyrics":
        return _read_file(path, MAX_LYRICS_BYTES, "lyrics", content_hash).decode("utf-8-sig", errors="replace")
    if raw := RAW_IMAGE.fullmatch(str(path)):
        return _decode_raw(raw, content_hash)
    return decode_image(_read_file(path, MAX_COVER_BYTES, "a cover", content_hash), path)


def decode_image(content: bytes, path: Path) -> np.ndarray:
    """Decode an image.

    Parameters
    ----------
    content : bytes
    path : Path
        Path for error messages.

    Returns
    -------
    np.ndarray [shape=(height, width, 3), dtype=uint8]

    Raises
    ------
    DataError
        If it is not an image or too large.
    """
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: has {image.width} x {image.height} pixels; make it smaller")
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:  # its text has an address of memory, which differs in each run
        raise DataError(f"{path}: is not an image of a known format; replace it or leave it out") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded as an image ({error}); replace it or leave it out") from error


def _decode_raw(raw: re.Match[str], content_hash: str) -> np.ndarray:
    """Decode a raw image, (height, width, 3)."""
    shape = 3, int(raw["height"]), int(raw["width"])
    content = _retry(Path(raw["file"]), lambda: _read_raw(raw))
    _check_hash(raw[0], content, content_hash)
    if len(content) < np.prod(shape) or not content:
        raise DataError(f"{raw[0]}: is beyond the end of the file; download the file again")
    return np.frombuffer(content, np.uint8).reshape(shape).transpose(1, 2, 0).copy()


def _read_raw(raw: re.Match[str]) -> bytes:
    """Read the bytes of a raw image; fewer if the file ends early."""
    n_bytes = 3 * int(raw["height"]) * int(raw["width"])
    if n_bytes > 3 * MAX_PIXELS:
        raise DataError(f"{raw[0]}: has too many pixels; make it smaller")
    with open(raw["file"], "rb") as file:
        file.seek(int(raw["start"]))
        return file.read(n_bytes)


def _read_file(path: Path, max_bytes: int, what: str, content_hash: str) -> bytes:
    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read(max_bytes + 1)

    content = _retry(path, read)
    if len(content) > max_bytes:
        raise DataError(f"{path}: has more than {max_bytes} bytes, too many for {what}; replace it or leave it out")
    _check_hash(path, content, content_hash)
    return content


def _check_hash(path: object, content: bytes, content_hash: str) -> None:
    """Raise an error if the content has changed since it was hashed."""
    if hashlib.sha256(content).hexdigest() != content_hash:
        raise ChangedError(f"{path}: changed while the stage ran; run again")


def _retry(path: Path, read: Callable[[], bytes]) -> bytes:
    """Read a file, with retries; name it in errors."""
    try:
        return retry_reading(read)
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be read ({error.strerror}); restore it, or correct the path in the tracks table"
        ) from error
