"""One vector of a track: what an estimator reads, in training, judgement, export and service."""

from typing import Literal, TypeAlias

import numpy as np

AUDIO = "audio"
N_STATISTICS = 4
"""Of each bin in a summary; the means of all bins come first."""
Metric: TypeAlias = Literal["cosine", "euclidean"]


def choose_metric(source: str) -> Metric:
    """Choose how two tracks are compared by their vectors.

    Parameters
    ----------
    source : str
        What of a track the vectors are made of.

    Returns
    -------
    {"cosine", "euclidean"}
        The columns of a table are compared by distance, as in paper 000 (chapter 3);
        all others by direction.
    """
    return "euclidean" if source == "attributes" else "cosine"


def is_indicator(x: np.ndarray) -> np.ndarray:
    """Return a mask of the columns that hold nothing but 0 and 1: whether a track has a property.

    Parameters
    ----------
    x : np.ndarray [shape=(n_tracks, width)]

    Returns
    -------
    np.ndarray [shape=(width,), dtype=bool]
    """
    found: np.ndarray = ((x == 0) | (x == 1)).all(axis=0)
    return found


def vector(rows: np.ndarray, source: str) -> np.ndarray:
    """Make one vector of a track: a summary of its frames, or its row where it has but one.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]
        As the cache holds them.
    source : str
        What of a track they are made of.

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
    """Sum up the frames of a track: mean and deviation of the bins and of their change from frame to frame.

    Parameters
    ----------
    rows : np.ndarray [shape=(n_frames, n_bins)]

    Returns
    -------
    np.ndarray [shape=(4 * n_bins,), dtype=float32]
        Mean, deviation, mean of the change, deviation of the change. What does
        not change, such as a single frame, has changes of 0.

    Examples
    --------
    >>> summary(np.array([[1.0], [3.0]])).tolist()
    [2.0, 1.0, 2.0, 0.0]
    """
    rows = np.asarray(rows, np.float64)
    changes = np.diff(rows, axis=0) if len(rows) > 1 else np.zeros_like(rows)
    return np.concatenate([f(x, axis=0) for x in (rows, changes) for f in (np.mean, np.std)]).astype(np.float32)
