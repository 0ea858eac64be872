"""Inputs beside audio: lyrics, a cover, numbers of the tracks table, attributes.

As with audio nothing a file says about itself is trusted: caps on bytes and pixels
stop what is no lyrics or no cover. What a track lacks is None or NaN, and no error.

A picture may lie bare within a larger file, as those of image collections do:
``train.bin#3076:3x32x32`` names three planes of 32 x 32 bytes from byte 3076 on.
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
    "attributes": (*attributes.NUMBERS, *attributes.NAMES),
}
"""Columns by source; attributes stand in a table of their own."""
MAX_LYRICS_BYTES = 2**20
MAX_COVER_BYTES = 64 * 2**20
MAX_PIXELS = 8192**2
BARE = re.compile(r"(?P<file>.+)#(?P<start>\d+):3x(?P<height>\d+)x(?P<width>\d+)")

Row: TypeAlias = Mapping[Any, Any]


class SideInput(NamedTuple):
    """One source of a track.

    Parameters
    ----------
    source : {"lyrics", "cover", "table", "attributes"}
    content_hash : str
        SHA-256 of the file or of the numbers; of nothing where there is nothing.
    value : Path, dict or None
        The file, or the numbers by column.
    """

    source: str
    content_hash: str
    value: Any


def columns(source: str) -> tuple[str, ...]:
    """Name the columns of the tracks table, or of the attributes, that a source stands in.

    Examples
    --------
    >>> columns("lyrics")
    ('lyrics',)
    """
    return (source,) if source in FILES else NUMBERS[source]


def find(source: str, root: Path, row: Row) -> SideInput:
    """Look a source of a track up and hash it.

    Parameters
    ----------
    source : {"lyrics", "cover", "table", "attributes"}
    root : Path
        What paths in the table are relative to.
    row : mapping
        The track's row of the tracks table; a missing column is "unknown".

    Returns
    -------
    SideInput
    """
    if source not in FILES:
        numbers = {c: float(v) if (v := row.get(c)) is not None else float("nan") for c in columns(source)}
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
    if source == "cover" and (bare := BARE.fullmatch(str(path))):
        return hashlib.sha256(_bare(bare)).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(material: SideInput) -> Any:
    """Read what a kind is computed from.

    Parameters
    ----------
    material : SideInput

    Returns
    -------
    str, np.ndarray [shape=(height, width, 3), dtype=uint8], mapping or None
        Lyrics, the pixels of a cover, or numbers by column; None without a file.

    Raises
    ------
    DataError
        If the file cannot be decoded or is too large.
    ReadError
        If it cannot be read, or holds other bytes than `find` saw.
    """
    path = material.value
    if path is None or material.source not in FILES:
        return path
    if material.source == "lyrics":
        return _bytes(path, MAX_LYRICS_BYTES, "lyrics", material.content_hash).decode("utf-8-sig", errors="replace")
    if bare := BARE.fullmatch(str(path)):
        return _planes(bare, material.content_hash)
    return pixels(_bytes(path, MAX_COVER_BYTES, "a cover", material.content_hash), path)


def pixels(content: bytes, path: Path) -> np.ndarray:
    """Decode an image.

    Parameters
    ----------
    content : bytes
    path : Path
        For messages.

    Returns
    -------
    np.ndarray [shape=(height, width, 3), dtype=uint8]

    Raises
    ------
    DataError
        If it is no image or too large.
    """
    import io

    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: has {image.width} x {image.height} pixels; make it smaller")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: is no image that can be decoded ({error}); replace it or leave it out") from error


def _planes(bare: re.Match[str], content_hash: str) -> np.ndarray:
    """Put the planes of a bare picture side by side."""
    shape = 3, int(bare["height"]), int(bare["width"])
    content = _read(Path(bare["file"]), lambda: _bare(bare))
    _compare(bare[0], content, content_hash)
    if len(content) < np.prod(shape) or not content:
        raise DataError(f"{bare[0]}: lies beyond the end of the file; fetch the file again")
    return np.frombuffer(content, np.uint8).reshape(shape).transpose(1, 2, 0).copy()


def _bare(bare: re.Match[str]) -> bytes:
    """Read the bytes of a bare picture, fewer where the file ends."""
    n_bytes = 3 * int(bare["height"]) * int(bare["width"])
    if n_bytes > 3 * MAX_PIXELS:
        raise DataError(f"{bare[0]}: has too many pixels; make it smaller")
    with open(bare["file"], "rb") as file:
        file.seek(int(bare["start"]))
        return file.read(n_bytes)


def _bytes(path: Path, most: int, what: str, content_hash: str) -> bytes:
    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read(most + 1)

    content = _read(path, read)
    if len(content) > most:
        raise DataError(f"{path}: has more than {most} bytes, too many for {what}; replace it or leave it out")
    _compare(path, content, content_hash)
    return content


def _compare(path: object, content: bytes, content_hash: str) -> None:
    """Refuse bytes that are not those that were hashed."""
    if hashlib.sha256(content).hexdigest() != content_hash:
        raise ChangedError(f"{path}: changed while the stage ran; run again")


def _read(path: Path, read: Callable[[], bytes]) -> bytes:
    """Read a file patiently, and name it where the system refuses."""
    try:
        return retry_reading(read)
    except OSError as error:
        raise ReadError(
            f"{path}: cannot be read ({error.strerror}); restore it, or mend the path in the tracks table"
        ) from error
