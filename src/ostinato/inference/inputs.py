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
    """An input with the statistics that were fitted to the training tracks.

    Parameters
    ----------
    mean, std : np.ndarray [shape=(n_bins,)], optional
        Mean and standard deviation of each bin over the training tracks.
    """

    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @classmethod
    def from_dict(cls, description: Mapping[str, Any], folder: Path | None = None) -> "FittedInput":
        """Read an entry of model.json; `folder` holds the files that its feature reads."""
        values: dict[str, Any] = {
            f.name: description[f.name] for f in fields(cls) if description.get(f.name) is not None
        }
        for name in {"mean", "std"} & values.keys():
            values[name] = np.asarray(values[name], np.float32)
        if folder is not None:
            values["parameters"] = features.locate(values["parameters"], folder)
        return cls(**values)

    @cached_property
    def frame_seconds(self) -> float | None:
        """Seconds from one frame to the next; None if the feature has no frames in time."""
        return features.seconds_per_row(self.feature, self.parameters)

    @cached_property
    def min_seconds(self) -> float:
        """Minimum duration of a track in seconds; 0: any."""
        return features.min_seconds(self.feature, self.parameters)

    def compute(self, context: Any) -> np.ndarray:
        """Compute the feature of a track, at the precision of the feature cache that the network was trained on.

        Parameters
        ----------
        context : AudioContext

        Returns
        -------
        np.ndarray [shape=(n_frames, n_bins), dtype=float32]

        Raises
        ------
        OstinatoError
            If the feature is not computed from audio.
        """
        if self.source != "audio":
            raise OstinatoError(f"the released model reads {self.feature}, which cannot be computed from audio")
        rows = registry.load("ostinato.features", self.feature).compute(context, **self.parameters)
        return np.asarray(rows, np.float16).astype(np.float32)

    def compute_row(self, row: Mapping[str, float]) -> np.ndarray:
        """Compute the feature of a row of a table.

        Raises
        ------
        OstinatoError
            If the row lacks a column, or the feature is not computed from tables.
        """
        self.check_columns(row)
        rows: np.ndarray = registry.load("ostinato.features", self.feature).compute(row, **self.parameters)
        return rows.astype(np.float32)

    def check_columns(self, columns: Collection[str]) -> None:
        """Refuse a table that lacks a column of the feature.

        Raises
        ------
        OstinatoError
            Naming all missing columns.
        """
        needed = getattr(registry.load("ostinato.features", self.feature), "COLUMNS", ())
        missing = [name for name in needed if name not in columns]
        if len(missing) == len(needed):
            raise OstinatoError(f"the released model reads {self.feature}, which cannot be computed from this table")
        if missing:
            raise OstinatoError(
                f"has no column {', '.join(missing)}, which the released model reads; add what is missing"
            )

    def count_chunks(self, rows: np.ndarray) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(rows), self.chunk_frames or len(rows)))

    def batch(self, rows: np.ndarray, n_chunks: int | None = None) -> np.ndarray:
        """Convert a feature to the input of the network.

        Parameters
        ----------
        rows : np.ndarray [shape=(n_frames, n_bins), dtype=float32]
        n_chunks : int, optional
            At least so many, as another input of the network needs; default: as many as cover the track.

        Returns
        -------
        np.ndarray [dtype=float32]
            (n_chunks, channels, bins, chunk_frames), or (1, d) for a summary.
        """
        return self.cut(self.prepare(rows), n_chunks)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        """Summarise the feature, or standardise it over the whole track, before `cut`."""
        if self.summary:
            from ostinato.core.summary import vector

            return vector(rows, self.source)[np.newaxis]
        return normalise(rows.T, "track").T if self.normalise == "track" else rows

    def cut(self, prepared: np.ndarray, n_chunks: int | None = None, part: slice = slice(None)) -> np.ndarray:
        """Cut some chunks; those of the whole track are what `batch` returns.

        Parameters
        ----------
        prepared : np.ndarray
            From `prepare`.
        n_chunks : int, optional
            Number of chunks of the whole track.
        part : slice
            Chunks to cut.

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
