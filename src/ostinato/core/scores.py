"""Scores and logits, in training, evaluation and service.

Pure NumPy, so that serving a model needs neither pandas nor torch.
"""

from typing import Literal, TypeAlias

import numpy as np

EPSILON = 1e-12
Kind: TypeAlias = Literal["single", "multi", "embedding"]


def scores(logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Convert logits to scores between 0 and 1.

    Parameters
    ----------
    logits : np.ndarray [shape=(..., n_classes)]
    kind : {"single", "multi", "embedding"}
        One class per track (softmax) or any number (sigmoid); an embedding becomes a
        unit vector.

    Returns
    -------
    np.ndarray [shape=(..., n_classes), dtype=float64]

    Examples
    --------
    >>> scores(np.array([0.0, 0.0]), "single")
    array([0.5, 0.5])
    """
    logits = np.asarray(logits, np.float64)
    if kind == "embedding":
        length = np.linalg.norm(logits, axis=-1, keepdims=True)
        return logits / np.where(length > 0, length, 1)
    if kind == "multi":
        return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def logits(scores: np.ndarray, kind: Kind) -> np.ndarray:
    """Invert `scores`.

    Parameters
    ----------
    scores : np.ndarray [shape=(..., n_classes)]
    kind : {"single", "multi", "embedding"}
        An embedding is its own logits; its length is lost.

    Returns
    -------
    np.ndarray [shape=(..., n_classes), dtype=float64]

    Examples
    --------
    >>> logits(np.array([0.5]), "multi")
    array([0.])
    """
    if kind == "embedding":
        return np.asarray(scores, np.float64)
    scores = np.clip(np.asarray(scores, np.float64), EPSILON, 1 - EPSILON)
    return np.log(scores) if kind == "single" else np.log(scores) - np.log1p(-scores)


def pool(chunk_logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Pool a track's chunk logits into logits whose scores are the mean chunk scores.

    Parameters
    ----------
    chunk_logits : np.ndarray [shape=(n_chunks, n_classes)]
    kind : {"single", "multi", "embedding"}

    Returns
    -------
    np.ndarray [shape=(n_classes,), dtype=float64]

    Examples
    --------
    >>> scores(pool(np.array([[9.0, 0.0], [0.0, 9.0]]), "single"), "single")
    array([0.5, 0.5])
    """
    return logits(scores(chunk_logits, kind).mean(axis=0), kind)


def labels(scores: np.ndarray, kind: Kind, threshold: float | np.ndarray = 0.5) -> np.ndarray:
    """Return which classes the scores select.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_tracks, n_classes)]
    kind : {"single", "multi"}
    threshold : float or np.ndarray [shape=(n_classes,)]
        Minimum score of a tag; a single label is the class with the highest score.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_classes), dtype=bool]

    Examples
    --------
    >>> labels(np.array([[0.4, 0.3, 0.3]]), "single")
    array([[ True, False, False]])
    """
    scores = np.asarray(scores)
    if kind == "multi":
        return scores >= threshold
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, scores.argmax(axis=-1)[..., np.newaxis], True, axis=-1)
    return mask
