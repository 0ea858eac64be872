"""Inputs of a released model: the feature of a track, standardised and cut into chunks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ostinato import features
from ostinato.core import registry
from ostinato.core.chunks import normalise, starts, take
from ostinato.core.inputs import Input
from ostinato.errors import OstinatoError


@dataclass(frozen=True, kw_only=True)
class FittedInput(Input):
    """An input that can be computed: with what was fitted on the training tracks.

    Parameters
    ----------
    mean, std : np.ndarray [shape=(n_bins,)], optional
        Of the training tracks.
    """

    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @classmethod
    def from_dict(cls, description: Mapping[str, Any], folder: Path | None = None) -> "FittedInput":
        """Read an entry of model.json; files that its feature reads stand beside that, in `folder`."""
        named: dict[str, Any] = {
            f.name: description[f.name] for f in fields(cls) if description.get(f.name) is not None
        }
        for name in {"mean", "std"} & named.keys():
            named[name] = np.asarray(named[name], np.float32)
        if folder is not None:
            named["parameters"] = features.locate(named["parameters"], folder)
        return cls(**named)

    @cached_property
    def frame_seconds(self) -> float | None:
        """Time from one frame to the next; None if the feature has no frames in time."""
        return features.seconds_per_row(self.feature, self.parameters)

    @cached_property
    def min_seconds(self) -> float:
        """The shortest track that it can be computed of; 0: of any."""
        return features.min_seconds(self.feature, self.parameters)

    def compute(self, context: Any) -> np.ndarray:
        """Compute the feature of a track at the precision of the cache that the network was trained on.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        np.ndarray [shape=(n_frames, n_bins), dtype=float32]

        Raises
        ------
        OstinatoError
            If it is computed from something else than audio.
        """
        if self.source != "audio":
            raise OstinatoError(f"the released model reads {self.feature}, which a file of audio does not hold")
        rows = registry.load("ostinato.features", self.feature).compute(context, **self.parameters)
        return np.asarray(rows, np.float16).astype(np.float32)

    def compute_row(self, row: Mapping[str, float]) -> np.ndarray:
        """Compute the feature of a row of a table.

        Raises
        ------
        OstinatoError
            If the row lacks something, or the feature is of something else.
        """
        self.check_columns(row)
        rows: np.ndarray = registry.load("ostinato.features", self.feature).compute(row, **self.parameters)
        return rows.astype(np.float32)

    def check_columns(self, columns: Collection[str]) -> None:
        """Refuse a table that lacks a column which the feature is made of.

        Raises
        ------
        OstinatoError
            If it does; the message names all that are lacking.
        """
        needed = getattr(registry.load("ostinato.features", self.feature), "COLUMNS", ())
        absent = [name for name in needed if name not in columns]
        if len(absent) == len(needed):
            raise OstinatoError(f"the released model reads {self.feature}, which the table does not hold")
        if absent:
            raise OstinatoError(
                f"has no column {', '.join(absent)}, which the released model reads; add what is lacking"
            )

    def count_chunks(self, rows: np.ndarray) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(rows), self.chunk_frames or len(rows)))

    def batch(self, rows: np.ndarray, n_chunks: int | None = None) -> np.ndarray:
        """Make the network's input of a track's feature.

        Parameters
        ----------
        rows : np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        n_chunks : int, optional
            Where another input of the same network needs more.

        Returns
        -------
        np.ndarray [dtype=float32]
            (n_chunks, channels, bins, chunk_frames), or (1, d) for a summary.
        """
        return self.cut(self.prepare(rows), n_chunks)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        """Do what needs the whole of a track's feature before `cut`: sum it up or standardise it as a whole."""
        if self.summary:
            from ostinato.core.summary import vector

            return vector(rows, self.source)[np.newaxis]
        return normalise(rows.T, "track").T if self.normalise == "track" else rows

    def cut(self, prepared: np.ndarray, n_chunks: int | None = None, part: slice = slice(None)) -> np.ndarray:
        """Cut some chunks of what `prepare` gives; all of them make the same as `batch`.

        Parameters
        ----------
        prepared : np.ndarray
        n_chunks : int, optional
            Of the whole track.
        part : slice
            Which of them.

        Returns
        -------
        np.ndarray [dtype=float32]
        """
        if self.summary:
            return prepared[part]
        length = self.chunk_frames or len(prepared)
        chunks = np.stack([take(prepared, start, length) for start in starts(len(prepared), length, n_chunks)[part]])
        if self.normalise == "track":
            return chunks
        return normalise(chunks, self.normalise, self.mean, self.std).astype(np.float32)
