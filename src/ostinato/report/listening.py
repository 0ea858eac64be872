"""Clips of tracks that the page can play by itself, and the choice of tracks."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from ostinato import audio
from ostinato.errors import DataError, ReadError

RATE = 22_050
SECONDS = 5.0
COMPRESSION = 0.9
"""Compression level of the encoder, 0 to 1; about 30 kbit/s."""


def encode_clip(path: Path) -> str | None:
    """Encode the middle of a track as MP3.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str or None
        Data URI of `SECONDS` of audio; None if the file cannot be decoded.
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
    mp3 = BytesIO()
    clip = np.clip(y[start : start + length], -1, 1)
    soundfile.write(mp3, clip, RATE, format="MP3", subtype="MPEG_LAYER_III", compression_level=COMPRESSION)
    return f"data:audio/mpeg;base64,{b64encode(mp3.getvalue()).decode('ascii')}"


def choose_distant(xy: np.ndarray, n: int) -> list[int]:
    """Choose points far from each other by farthest-first traversal from the point nearest the mean.

    Parameters
    ----------
    xy : np.ndarray [shape=(n_points, 2)]
    n : int

    Returns
    -------
    list of int
        At most `n` distinct rows.

    Examples
    --------
    >>> choose_distant(np.array([[0.0, 0], [1, 0], [4, 0], [9, 0]]), 3)
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
