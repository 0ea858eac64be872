"""Stretches of tracks that a page can play by itself, and which tracks these shall be."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from ostinato import audio
from ostinato.errors import DataError, ReadError

RATE = 22_050
SECONDS = 5.0
SMALLER = 0.9
"""How much the encoder gives away for size, from 0 to 1; 30 kbit/s or so."""


def clip(path: Path) -> str | None:
    """Encode the middle of a track.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        MP3 of `SECONDS` as a data URI; None if the file cannot be decoded.
    """
    y = np.zeros(0, np.float32)
    try:
        y, _ = audio.load(path, RATE)
    except ReadError:
        raise
    except DataError:
        return None
    if not len(y):
        return None
    length = min(int(SECONDS * RATE), len(y))
    start = (len(y) - length) // 2
    encoded = BytesIO()
    sound = np.clip(y[start : start + length], -1, 1)
    soundfile.write(encoded, sound, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=SMALLER)
    return f"data:audio/mpeg;base64,{b64encode(encoded.getvalue()).decode('ascii')}"


def spread(xy: np.ndarray, n: int) -> list[int]:
    """Choose points that lie far from each other: first the one nearest the middle, then whichever is farthest off.

    Parameters
    ----------
    xy : np.ndarray [shape=(n_points, 2)]
    n : int

    Returns
    -------
    list of int
        At most `n` rows, all different.

    Examples
    --------
    >>> spread(np.array([[0.0, 0], [1, 0], [4, 0], [9, 0]]), 3)
    [2, 3, 0]
    """
    if not n or not len(xy):
        return []
    chosen = [int(np.linalg.norm(xy - xy.mean(axis=0), axis=1).argmin())]
    nearest = np.full(len(xy), np.inf)
    while len(chosen) < n:
        nearest = np.minimum(nearest, np.linalg.norm(xy - xy[chosen[-1]], axis=1))
        if nearest.max() == 0:
            break
        chosen.append(int(nearest.argmax()))
    return chosen
