"""Tasks: classes, the meaning of a logit, and how the chunks of a track are pooled.

A task is *single* label (one genre a track, softmax), *multi* label (tags,
sigmoid) or an *embedding* (the direction of a track's artist in a space of artists,
whose coordinates stand where classes do). Networks return logits and never ask which
dataset they serve.
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
        What a logit's position means; of an embedding the coordinates, numbered.

    Examples
    --------
    >>> Task("genre", ("jazz", "rock")).scores(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name not in COLUMNS:
            raise OstinatoError(f"task {self.name!r} is not known; there are {', '.join(COLUMNS)}")

    @property
    def kind(self) -> Kind:
        """Whether a track has exactly one class, any number, or a direction."""
        return COLUMNS[self.name]

    def target(self, tracks: pd.DataFrame) -> np.ndarray:
        """Encode the labels of tracks.

        Parameters
        ----------
        tracks : DataFrame
            With the column that the task is named after.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
            One-hot for a single label, multi-hot for several; of an embedding the
            vector, or 0 where there is none.
        """
        if self.kind == "embedding":
            nothing = np.zeros(len(self.classes), np.float32)
            return np.stack([nothing if v is None else np.asarray(v, np.float32) for v in tracks[self.name]])
        position = {c: i for i, c in enumerate(self.classes)}
        target = np.zeros((len(tracks), len(self.classes)), np.float32)
        for row, value in enumerate(tracks[self.name]):
            for label in [value] if self.kind == "single" else value:
                if label in position:
                    target[row, position[label]] = 1
        return target

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Turn logits into scores between 0 and 1.

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
        """Make one track's logits of its chunks' logits, such that its scores are their mean score.

        Parameters
        ----------
        chunk_logits : np.ndarray [shape=(n_chunks, n_classes)]

        Returns
        -------
        np.ndarray [shape=(n_classes,), dtype=float64]
        """
        return arithmetic.pool(chunk_logits, self.kind)
