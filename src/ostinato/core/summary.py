"""One vector per track, as estimators read it in training, evaluation, export and service."""

from collections.abc import Iterable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

AUDIO = "audio"
N_STATISTICS = 4
"""Statistics per bin in a summary; the means of all bins come first."""
Metric: TypeAlias = Literal["cosine", "euclidean"]


def choose_metric(source: str) -> Metric:
    """Choose the metric between vectors of tracks.

    Parameters
    ----------
    source : str
        Data of a track the vectors are computed from.

    Returns
    -------
    {"cosine", "euclidean"}
        Euclidean for the columns of a table, as in paper 000 (chapter 3); cosine for all
        others.
    """
    return "euclidean" if source == "attributes" else "cosine"


def is_indicator(x: np.ndarray) -> np.ndarray:
    """Return a mask of the binary columns: those with values 0 and 1 only.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, width)]

    Returns
    -------
    np.ndarray [shape=(width,), dtype=bool]
    """
    mask: np.ndarray = ((x == 0) | (x == 1)).all(axis=0)
    return mask


def vector(rows: np.ndarray, source: str) -> np.ndarray:
    """Compute the vector of a track: a summary of its frames, or its single row.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
        As in the cache.
    source : str
        Data of a track they are computed from.

    Returns
    -------
    np.ndarray [shape=(width,), dtype=float32]

    Examples
    --------
    >>> vector(np.array([[1.0, 4.0]]), "attributes").tolist(), len(vector(np.array([[1.0, 4.0]]), "audio"))
    ([1.0, 4.0], 8)
    """
    return summary(rows) if source == AUDIO else np.asarray(rows, np.float32).reshape(-1)


def summary(rows: np.ndarray) -> np.ndarray:
    """Summarise the frames of a track: mean and deviation of the bins and of their differences.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]

    Returns
    -------
    np.ndarray [shape=(4 * n_bins,), dtype=float32]
        Mean, deviation, mean of the differences, deviation of the differences. A single
        frame has differences of 0.

    Examples
    --------
    >>> summary(np.array([[1.0], [3.0]])).tolist()
    [2.0, 1.0, 2.0, 0.0]
    """
    rows = np.asarray(rows, np.float64)
    changes = np.diff(rows, axis=0) if len(rows) > 1 else np.zeros_like(rows)
    return np.concatenate([f(x, axis=0) for x in (rows, changes) for f in (np.mean, np.std)]).astype(np.float32)


class RowStore(Protocol):
    """The rows of tracks, such as `ostinato.cache.store.Store`."""

    meta: dict[str, Any]

    def read(self, track_id: str, /) -> np.ndarray:
        """Return the rows of a track."""
        ...


def read_vectors(store: RowStore, track_ids: Iterable[str]) -> np.ndarray:
    """Compute the vector of each track of a store; see `vector`.

    Parameters
    ----------
    store : RowStore
    track_ids : iterable of str

    Returns
    -------
    np.ndarray [shape=(n_tracks, width), dtype=float32]

    Raises
    ------
    OstinatoError
        If the store lacks a track.
    """
    source = str(store.meta.get("source", AUDIO))
    return np.stack([vector(store.read(track_id), source) for track_id in track_ids])
