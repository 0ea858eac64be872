"""Tasks: classes, the meaning of logits, and pooling of chunks.

A task is *single* label (one genre per track, softmax), *multi* label (tags,
sigmoid) or an *embedding* (the direction of a track's artist in a space of artists,
whose coordinates take the place of classes). Networks return logits and are
independent of the dataset.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ostinato.core import scores as arithmetic
from ostinato.core.scores import Kind
from ostinato.errors import OstinatoError

COLUMNS: dict[str, Kind] = {"genre": "single", "tags": "multi", "artist_embedding": "embedding"}


@dataclass(frozen=True)
class Task:
    """A labelling of tracks.

    Parameters
    ----------
    name : str
        The column of the tracks table: ``"genre"``, ``"tags"`` or ``"artist_embedding"``.
    classes : tuple of str
        Class of each logit; for an embedding the numbered coordinates.

    Examples
    --------
    >>> Task("genre", ("jazz", "rock")).scores(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name not in COLUMNS:
            raise OstinatoError(f"unknown task {self.name!r}; choose from {', '.join(COLUMNS)}")

    @property
    def kind(self) -> Kind:
        """Whether a track has exactly one class, any number, or a direction."""
        return COLUMNS[self.name]

    def target(self, tracks: pd.DataFrame) -> np.ndarray:
        """Encode the labels of tracks.

        Parameters
        ----------
        tracks : DataFrame
            With a column named like the task.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
            One-hot for a single label, multi-hot for several; for an embedding the
            vector, or 0 if missing.
        """
        if self.kind == "embedding":
            zeros = np.zeros(len(self.classes), np.float32)
            return np.stack([zeros if v is None else np.asarray(v, np.float32) for v in tracks[self.name]])
        position = {c: i for i, c in enumerate(self.classes)}
        target = np.zeros((len(tracks), len(self.classes)), np.float32)
        for row, value in enumerate(tracks[self.name]):
            for label in [value] if self.kind == "single" else value:
                if label in position:
                    target[row, position[label]] = 1
        return target

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Convert logits to scores between 0 and 1.

        Parameters
        ----------
        logits : np.ndarray [shape=(..., n_classes)]

        Returns
        -------
        np.ndarray [shape=(..., n_classes), dtype=float64]
        """
        return arithmetic.scores(logits, self.kind)

    def logits(self, scores: np.ndarray) -> np.ndarray:
        """Invert `scores`.

        Parameters
        ----------
        scores : np.ndarray [shape=(..., n_classes)]

        Returns
        -------
        np.ndarray [shape=(..., n_classes), dtype=float64]
        """
        return arithmetic.logits(scores, self.kind)

    def pool(self, chunk_logits: np.ndarray) -> np.ndarray:
        """Pool a track's chunk logits into logits whose scores are the mean chunk scores.

        Parameters
        ----------
        chunk_logits : np.ndarray [shape=(n_chunks, n_classes)]

        Returns
        -------
        np.ndarray [shape=(n_classes,), dtype=float64]
        """
        return arithmetic.pool(chunk_logits, self.kind)
