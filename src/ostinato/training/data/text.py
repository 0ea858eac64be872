"""Inputs that are no audio: words of the lyrics, pictures, numbers of the tracks table.

What is fitted (the vocabulary, the scale, what stands for an unknown number) is
fitted on training tracks and kept with the artefact.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ostinato.core.chunks import starts
from ostinato.core.inputs import Input
from ostinato.core.params.training import Train
from ostinato.errors import DataError
from ostinato.training.data.sources import Arrays, Statistics

PADDING = 0
WHITE = 255.0


@dataclass(frozen=True)
class Text:
    """Ids of words: 0 is padding, then the commonest words of the training tracks, last all others.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(n_bytes,), dtype=uint8]
        Each track's words in UTF-8, blanks between them.
    max_vocabulary : int
        How many words have an id of their own.
    sequence_length : int
        Length of a chunk; what is shorter is padded on the left.
    subsample_threshold : float, optional
        t of the share min(1, sqrt(t / f)) of its places that a word of frequency f
        keeps while training (T. Mikolov et al., "Distributed representations of
        words and phrases", 2013). Where tracks are judged all words count, unlike
        in paper 004 (section "Metadata"), so that the same track has the same answer twice.
    words : tuple of str
        In the order of ids, once fitted.
    shares : tuple of float
        How often each occurs among all words of the training tracks.
    """

    kind: str
    rows: Sequence[np.ndarray]
    max_vocabulary: int
    sequence_length: int
    subsample_threshold: float | None = None
    words: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    _ids: tuple[np.ndarray, ...] = ()

    @staticmethod
    def describe(tail: tuple[int, ...], train: Train) -> dict[str, int]:
        """Return the number of ids and of tokens as bins and frames."""
        return {"bins": train.max_vocabulary + 2, "chunk_frames": train.sequence_length}

    @classmethod
    def of(cls, kind: str, rows: Sequence[np.ndarray], given: Input, subsample_threshold: float | None) -> "Text":
        """Open what an artefact describes."""
        return cls(kind, rows, given.bins - 2, given.chunk_frames or 1, subsample_threshold)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """One channel, the number of ids, and tokens; the array is (batch, tokens)."""
        return {self.kind: (1, self.max_vocabulary + 2, self.sequence_length)}

    @property
    def statistics(self) -> Statistics:
        """The words and how often they occur."""
        return {self.kind: {"words": list(self.words), "shares": list(self.shares)}} if self._ids else {}

    def fit(self, train: np.ndarray) -> "Text":
        """Count the words of these tracks; of equals the first in the alphabet comes first."""
        counts = Counter(word for i in train for word in _words(self.rows[i]))
        total = max(counts.total(), 1)
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: self.max_vocabulary]
        return self._with([word for word, _ in best], [n / total for _, n in best])

    def restore(self, statistics: Statistics) -> "Text":
        """Take the vocabulary that was fitted before."""
        said = statistics[self.kind]
        return self._with(said["words"], said["shares"])

    def n_chunks(self, track: int) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(self._encode[track]), self.sequence_length))

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut one chunk of each track, some common words left out where that is asked for."""
        cut = []
        for track, place in zip(tracks, where, strict=True):
            ids = self._subsample(self._encode[track], int(place * 2**53))
            cut.append(self._cut(ids, int(place * (max(len(ids) - self.sequence_length, 0) + 1))))
        return (np.stack(cut),)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Cut the fewest chunks that cover a track, or as many as are asked for."""
        ids = self._encode[track]
        return (np.stack([self._cut(ids, int(s)) for s in starts(len(ids), self.sequence_length, n_chunks)]),)

    @property
    def _encode(self) -> tuple[np.ndarray, ...]:
        if not self._ids:
            raise DataError(f"{self.kind}: no vocabulary was fitted; train the candidate again")
        return self._ids

    def _with(self, words: Sequence[str], shares: Sequence[float]) -> "Text":
        known = {word: number for number, word in enumerate(words, start=1)}
        ids = tuple(
            np.array([known.get(word, self.max_vocabulary + 1) for word in _words(rows)], np.int64)
            for rows in self.rows
        )
        return replace(self, words=tuple(words), shares=tuple(shares), _ids=ids)

    def _subsample(self, ids: np.ndarray, seed: int) -> np.ndarray:
        if self.subsample_threshold is None:
            return ids
        share = np.zeros(self.max_vocabulary + 2)
        share[1 : len(self.shares) + 1] = self.shares
        kept = np.sqrt(self.subsample_threshold / np.maximum(share, self.subsample_threshold))
        return ids[np.random.default_rng(seed).random(len(ids)) < kept[ids]]

    def _cut(self, ids: np.ndarray, start: int) -> np.ndarray:
        cut = ids[start : start + self.sequence_length]
        return np.concatenate([np.full(self.sequence_length - len(cut), PADDING, np.int64), cut])


@dataclass(frozen=True)
class Images:
    """Pixels from 0 to 1, one picture a track.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(height, width, 3), dtype=uint8]
    """

    kind: str
    rows: Sequence[np.ndarray]

    @staticmethod
    def describe(tail: tuple[int, ...], train: Train) -> dict[str, int]:
        """Return colours, height and width; covers are square."""
        return {"channels": tail[1], "bins": tail[0], "chunk_frames": tail[0]}

    @classmethod
    def of(cls, kind: str, rows: Sequence[np.ndarray], given: Input, subsample_threshold: float | None) -> "Images":
        """Open what an artefact describes."""
        return cls(kind, rows)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """Channels, rows and columns."""
        height, width, channels = self.rows[0].shape
        return {self.kind: (channels, height, width)}

    @property
    def statistics(self) -> Statistics:
        """Nothing is fitted."""
        return {}

    def fit(self, train: np.ndarray) -> "Images":
        """Fit nothing."""
        return self

    def restore(self, statistics: Statistics) -> "Images":
        """Take nothing."""
        return self

    def n_chunks(self, track: int) -> int:
        """Count one picture."""
        return 1

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return the pictures of these tracks."""
        pixels = np.stack([self.rows[i] for i in tracks])
        return (np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(WHITE),)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Return a track's picture, as often as it is asked for."""
        return self.crops(np.full(n_chunks or 1, track), np.zeros(n_chunks or 1))


@dataclass(frozen=True)
class Scalars:
    """Numbers of the tracks table, brought between 0 and 1 by the training tracks' least and greatest.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(1, n), dtype=float64]
        NaN where a number is not known.
    least, greatest, mean : np.ndarray [shape=(n,)], optional
        Of the training tracks; the mean stands for what is not known.
    """

    kind: str
    rows: Sequence[np.ndarray]
    least: np.ndarray | None = None
    greatest: np.ndarray | None = None
    mean: np.ndarray | None = None

    @staticmethod
    def describe(tail: tuple[int, ...], train: Train) -> dict[str, int]:
        """Return how many numbers there are."""
        return {"bins": tail[0], "chunk_frames": 1}

    @classmethod
    def of(cls, kind: str, rows: Sequence[np.ndarray], given: Input, subsample_threshold: float | None) -> "Scalars":
        """Open what an artefact describes."""
        return cls(kind, rows)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """One channel, the numbers, one frame."""
        return {self.kind: (1, self.rows[0].shape[1], 1)}

    @property
    def statistics(self) -> Statistics:
        """Least, greatest and mean of each number."""
        if self.least is None or self.greatest is None or self.mean is None:
            return {}
        fitted = {"least": self.least, "greatest": self.greatest, "mean": self.mean}
        return {self.kind: {name: value.tolist() for name, value in fitted.items()}}

    def fit(self, train: np.ndarray) -> "Scalars":
        """Take least, greatest and mean over these tracks; 0 where none of them is known."""
        values = np.ma.masked_invalid(np.concatenate([np.asarray(self.rows[i], np.float64) for i in train]))
        least, greatest, mean = (np.ma.filled(f(values, axis=0), 0.0) for f in (np.ma.min, np.ma.max, np.ma.mean))
        return replace(self, least=least, greatest=greatest, mean=mean)

    def restore(self, statistics: Statistics) -> "Scalars":
        """Take what was fitted before."""
        said: Mapping[str, Any] = statistics[self.kind]
        least, greatest, mean = (np.asarray(said[name], np.float64) for name in ("least", "greatest", "mean"))
        return replace(self, least=least, greatest=greatest, mean=mean)

    def n_chunks(self, track: int) -> int:
        """Count one row."""
        return 1

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return the scaled numbers of these tracks; a track beyond the training tracks' range lies outside 0 to 1."""
        if self.least is None or self.greatest is None or self.mean is None:
            raise DataError(f"{self.kind}: no scale was fitted; train the candidate again")
        values = np.concatenate([np.asarray(self.rows[i], np.float64) for i in tracks])
        values = np.where(np.isfinite(values), values, self.mean)
        span = self.greatest - self.least
        scaled = (values - self.least) / np.where(span > 0, span, 1)
        return (scaled.astype(np.float32)[:, np.newaxis, :, np.newaxis],)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Return a track's numbers, as often as they are asked for."""
        return self.crops(np.full(n_chunks or 1, track), np.zeros(n_chunks or 1))


def _words(rows: np.ndarray) -> list[str]:
    return bytes(np.asarray(rows, np.uint8)).decode().split()
