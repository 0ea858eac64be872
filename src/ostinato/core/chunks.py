"""Cut a track's feature into chunks and standardise them, in training as in service."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ostinato.errors import OstinatoError

EPSILON = 1e-6
MODES = ("frame", "track", "train", "none")


def starts(n_frames: int, chunk_frames: int, n_chunks: int | None = None) -> np.ndarray:
    """Return the starts of the fewest evenly spaced chunks that cover a track.

    Parameters
    ----------
    n_frames : int
        Length of the track, in frames.
    chunk_frames : int
        Length of a chunk, in frames.
    n_chunks : int, optional
        Number of chunks, if another input of the network needs more.

    Returns
    -------
    np.ndarray [shape=(n_chunks,), dtype=int64]
        First frame of each chunk; one chunk at 0 if the track is shorter.

    Examples
    --------
    >>> starts(300, 129)
    array([  0,  86, 171])
    """
    n_chunks = n_chunks or max(1, -(-n_frames // chunk_frames))
    return np.rint(np.linspace(0, max(n_frames - chunk_frames, 0), n_chunks)).astype(np.int64)


def match_length(chunk_frames: int, one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """Return how many frames of another kind last as long as a chunk.

    Parameters
    ----------
    chunk_frames : int
        Length of a chunk of the one kind, in frames.
    one, other : mapping
        Parameters of the kinds, including `hop_length` and `sample_rate`.

    Returns
    -------
    int

    Examples
    --------
    >>> match_length(129, {"hop_length": 1024, "sample_rate": 22050}, {"hop_length": 512, "sample_rate": 22050})
    258
    """
    seconds = chunk_frames * one["hop_length"] / one["sample_rate"]
    return max(1, round(seconds * other["sample_rate"] / other["hop_length"]))


def take(rows: np.ndarray, start: int, chunk_frames: int) -> np.ndarray:
    """Cut one chunk, repeating a track that is too short.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
    start : int
        First frame.
    chunk_frames : int

    Returns
    -------
    np.ndarray [shape=(1, n_bins, chunk_frames), dtype=float32]
    """
    chunk = rows[start : start + chunk_frames]
    if len(chunk) < chunk_frames:
        chunk = np.take(rows, np.arange(start, start + chunk_frames) % len(rows), axis=0)
    return np.asarray(chunk, np.float32).T[np.newaxis]


def normalise(x: np.ndarray, how: str, mean: np.ndarray | None = None, std: np.ndarray | None = None) -> np.ndarray:
    """Standardise a chunk or a whole track.

    Parameters
    ----------
    x : np.ndarray [shape=(..., n_bins, n_frames)]
    how : {"frame", "track", "train", "none"}
        ``frame``: each frame over its bins, as published; ``track``: over the
        whole array; ``train``: each bin by the training set's `mean` and `std`.
    mean, std : np.ndarray [shape=(n_bins,)], optional
        Needed by ``train``.

    Returns
    -------
    np.ndarray
        Shape of `x`. Constant values become 0; a bin that was constant in training
        becomes its distance from `mean`.
    """
    if how == "none":
        return x
    if how == "train":
        if mean is None or std is None:
            raise OstinatoError("normalise: train needs the training set's mean and std; train the candidate again")
        return (x - mean[:, np.newaxis]) / np.where(std < EPSILON, 1, std)[:, np.newaxis]
    if how not in MODES:
        raise OstinatoError(f"normalise: unknown mode {how!r}; choose from {', '.join(MODES)}")
    axis = (-2,) if how == "frame" else (-2, -1)
    spread = x.std(axis=axis, keepdims=True)
    return (x - x.mean(axis=axis, keepdims=True)) / np.where(spread < EPSILON, 1, spread)
