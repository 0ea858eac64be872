"""Album covers drawn from a style: hue, stripes and discs depend on the artist, their positions on the album."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ostinato.io.files import atomic_write

SIZE = 96


def cover(style: np.ndarray, rng: np.random.Generator, size: int = SIZE) -> np.ndarray:
    """Draw a cover.

    Parameters
    ----------
    style : np.ndarray [shape=(d,)]
        The artist's point.
    rng : Generator
        Random numbers of the album.
    size : int

    Returns
    -------
    np.ndarray [shape=(size, size, 3), dtype=uint8]
    """
    y, x = np.mgrid[0:size, 0:size] / size
    angle = style[0] + 0.15 * rng.standard_normal()
    along = np.cos(angle) * x + np.sin(angle) * y
    stripes = np.sin(2 * np.pi * (3 + 2 * style[1]) * along + rng.uniform(0, 6))
    hue = style[2] + 0.5 * along + 0.1 * rng.standard_normal()
    ground = (
        0.5 + 0.3 * np.cos(hue[..., None] + np.array([0, 2.1, 4.2])) + 0.12 * np.tanh(style[3]) * stripes[..., None]
    )
    for _ in range(3):
        centre, radius = rng.uniform(0.1, 0.9, 2), 0.08 + 0.05 * (1 + np.tanh(style[4]))
        inside = np.hypot(x - centre[0], y - centre[1]) < radius
        ground[inside] = 0.5 + 0.45 * np.cos(style[2] + 2.5 + style[3] + np.array([0, 2.1, 4.2]))
    grained = np.clip(ground + 0.02 * rng.standard_normal((size, size, 1)), 0, 1)
    return (grained * 255).astype(np.uint8)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write an image atomically.

    Parameters
    ----------
    path : Path
    pixels : np.ndarray [shape=(height, width, 3), dtype=uint8]
    """
    with atomic_write(path) as partial:
        partial.write_bytes(png(pixels))


def png(pixels: np.ndarray) -> bytes:
    """Encode an image.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3), dtype=uint8]

    Returns
    -------
    bytes
    """
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *pixels.shape[:2], "rgb24"
    encoder.time_base = Fraction(1)
    packets = encoder.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))
    return b"".join(bytes(p) for p in [*packets, *encoder.encode(None)])
