"""Sources of network inputs: chunks of the feature cache, or the logits of other networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch.utils.data import Dataset

from ostinato.core.chunks import EPSILON, normalise, starts, take
from ostinato.core.counts import format_count
from ostinato.errors import DataError

Arrays = tuple[np.ndarray, ...]
Statistics = Mapping[str, Mapping[str, list[Any]]]


class Source(Protocol):
    """Source of a network's inputs: the feature cache, or the logits of other networks."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Shape of each input."""

    def fit(self, train: np.ndarray) -> "Source":
        """Fit statistics on these tracks."""

    @property
    def statistics(self) -> Statistics:
        """Fitted statistics per input."""

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return one chunk of each track at the relative position `where` (0 to 1); an array per input."""

    def chunks(self, track: int) -> Arrays:
        """Return all chunks that cover a track."""


class FeatureSource(Source, Protocol):
    """One kind of the cache as an input."""

    def restore(self, statistics: Statistics) -> "FeatureSource":
        """Restore fitted statistics."""

    def n_chunks(self, track: int) -> int:
        """Count the chunks that cover a track."""

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Return all chunks that cover a track, or `n_chunks`."""


@dataclass(frozen=True)
class Features:
    """Chunks of one kind of feature.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(n_frames, n_bins)]
        Each track's feature, memory-mapped.
    chunk_frames : int
    how : {"frame", "track", "train", "none"}
        Standardisation; ``track`` uses the mean and deviation of the whole track.
    mean, std : np.ndarray [shape=(n_bins,)], optional
        Statistics of the training tracks, for ``train``.
    """

    kind: str
    rows: Sequence[np.ndarray]
    chunk_frames: int
    how: str
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    _levels: dict[int, tuple[float, float]] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, kind: str, store: Any, track_ids: Sequence[str], chunk_frames: int, how: str) -> "Features":
        """Open the cache for some tracks.

        Raises
        ------
        DataError
            If a track is not in the cache.
        """
        missing = [i for i in track_ids if i not in store]
        if missing:
            n = format_count(len(missing), "track")
            raise DataError(f"data/features/{kind}: missing {n}, such as {missing[0]!r}; run featurize")
        return cls(kind, [store.read(i) for i in track_ids], chunk_frames, how)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """Channels, bins and frames."""
        return {self.kind: (1, self.rows[0].shape[1], self.chunk_frames)}

    @property
    def statistics(self) -> Statistics:
        """Mean and deviation of each bin, if fitted."""
        if self.mean is None or self.std is None:
            return {}
        return {self.kind: {"mean": self.mean.tolist(), "std": self.std.tolist()}}

    def fit(self, train: np.ndarray) -> "Features":
        """Fit mean and deviation of each bin over the frames of these tracks, if ``how`` is ``train``."""
        if self.how != "train":
            return self
        n = sum(len(self.rows[i]) for i in train)
        mean = sum(self.rows[i].sum(axis=0, dtype=np.float64) for i in train) / n
        square = sum(((self.rows[i] - mean) ** 2).sum(axis=0) for i in train) / n
        return replace(self, mean=mean.astype(np.float32), std=np.sqrt(square).astype(np.float32))

    def restore(self, statistics: Statistics) -> "Features":
        """Restore fitted mean and deviation."""
        if self.how != "train":
            return self
        mean, std = (np.asarray(statistics[self.kind][k], np.float32) for k in ("mean", "std"))
        return replace(self, mean=mean, std=std)

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut one chunk of each track."""
        spare = [max(len(self.rows[i]) - self.chunk_frames, 0) + 1 for i in tracks]
        first = np.floor(where * spare).astype(np.int64)
        x = np.stack([take(self.rows[i], s, self.chunk_frames) for i, s in zip(tracks, first, strict=True)])
        return (self._standardise(x, tracks),)

    def n_chunks(self, track: int) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(self.rows[track]), self.chunk_frames))

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Cut the fewest chunks that cover a track, or `n_chunks`."""
        rows = self.rows[track]
        x = np.stack([take(rows, s, self.chunk_frames) for s in starts(len(rows), self.chunk_frames, n_chunks)])
        return (self._standardise(x, np.full(len(x), track)),)

    def levels(self, tracks: np.ndarray) -> np.ndarray:
        """Compute mean and deviation of each whole track, shape (2, n_tracks)."""
        for i in {*tracks.tolist()} - self._levels.keys():
            frames = np.asarray(self.rows[i], np.float32)
            mean, spread = float(frames.mean()), float(frames.std())
            self._levels[i] = mean, 1.0 if spread < EPSILON else spread
        return np.array([self._levels[i] for i in tracks], np.float32).T

    def _standardise(self, x: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        if self.how != "track":
            return normalise(x, self.how, self.mean, self.std)
        means, spreads = self.levels(tracks)[:, :, None, None, None]
        return (x - means) / spreads


@dataclass(frozen=True)
class Joined:
    """Several kinds of the same tracks; chunks start at the same relative position in each.

    Parameters
    ----------
    kinds : tuple of Kind
        In the order the network reads them.
    """

    kinds: tuple[FeatureSource, ...]

    @property
    def inputs(self) -> dict[str, Any]:
        """Shape of each kind."""
        return {name: shape for kind in self.kinds for name, shape in kind.inputs.items()}

    @property
    def statistics(self) -> Statistics:
        """Fitted statistics of each kind."""
        return {name: values for kind in self.kinds for name, values in kind.statistics.items()}

    def fit(self, train: np.ndarray) -> "Joined":
        """Fit each kind on these tracks."""
        return Joined(tuple(cast(FeatureSource, kind.fit(train)) for kind in self.kinds))

    def restore(self, statistics: Statistics) -> "Joined":
        """Restore the fitted statistics of each kind."""
        return Joined(tuple(kind.restore(statistics) for kind in self.kinds))

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut one chunk of each track from each kind."""
        return tuple(array for kind in self.kinds for array in kind.crops(tracks, where))

    def chunks(self, track: int) -> Arrays:
        """Cut each kind into as many chunks as the kind that needs the most."""
        n_chunks = max(kind.n_chunks(track) for kind in self.kinds)
        return tuple(array for kind in self.kinds for array in kind.chunks(track, n_chunks))


@dataclass(frozen=True)
class Logits:
    """The logits of other networks, concatenated; a track is one example.

    Parameters
    ----------
    members : mapping of str to np.ndarray [shape=(n_tracks, n_logits), dtype=float32]
        Or numbers of the tracks, such as the year, NaN if unknown.
    absent : mapping of str to float
        Probability, by name, of replacing known values by NaN in training, so that the
        network can do without them.
    """

    members: Mapping[str, np.ndarray]
    absent: Mapping[str, float] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, int]:
        """Number of logits of each member."""
        return {name: table.shape[1] for name, table in self.members.items()}

    @property
    def statistics(self) -> Statistics:
        """Nothing is fitted."""
        return {}

    def fit(self, train: np.ndarray) -> "Logits":
        """Fit nothing."""
        return self

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return the logits of these tracks, some replaced by NaN at random, seeded by `where`."""
        tables = [self._subsample(name, table[tracks], where) for name, table in self.members.items()]
        return (np.concatenate(tables, axis=1),)

    def chunks(self, track: int) -> Arrays:
        """Return the logits of one track, and all its numbers."""
        return (np.concatenate([table[[track]] for table in self.members.values()], axis=1),)

    def _subsample(self, name: str, rows: np.ndarray, where: np.ndarray) -> np.ndarray:
        share = self.absent.get(name, 0.0)
        if not share:
            return rows
        draws = [np.random.default_rng((int(x * 2**53), *name.encode())).random() for x in where]
        return np.where(np.array(draws)[:, np.newaxis] < share, np.float32(np.nan), rows)


class Evaluation(Dataset[tuple[Any, ...]]):
    """All chunks of each track, in batches of whole tracks.

    Parameters
    ----------
    source : Source
    tracks : np.ndarray
    tracks_per_batch : int
    """

    def __init__(self, source: Source, tracks: np.ndarray, tracks_per_batch: int) -> None:
        self.source = source
        self.batches = np.array_split(tracks, -(-len(tracks) // tracks_per_batch)) if len(tracks) else []

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        parts = [self.source.chunks(int(i)) for i in self.batches[number]]
        inputs = tuple(torch.from_numpy(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
        return inputs, torch.from_numpy(np.repeat(self.batches[number], [len(p[0]) for p in parts]))
