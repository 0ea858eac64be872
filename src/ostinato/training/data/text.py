"""Inputs other than audio: words of the lyrics, pictures, numbers of the tracks table.

Statistics (the vocabulary, the scale, the replacement of unknown numbers) are fitted on
training tracks and stored in the artefact.
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
    """Ids of words: 0 is padding, then the most frequent words of the training tracks, last all others.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(n_bytes,), dtype=uint8]
        Each track's words in UTF-8, separated by spaces.
    max_vocabulary : int
        Number of words with their own id.
    sequence_length : int
        Length of a chunk; shorter ones are padded on the left.
    subsample_threshold : float, optional
        t, where a word of frequency f is kept with probability min(1, sqrt(t / f)) in
        training (T. Mikolov et al., "Distributed representations of words and phrases",
        2013). In evaluation all words count, unlike in paper 004 (section "Metadata"),
        so that a track always gets the same prediction.
    words : tuple of str
        In the order of ids, if fitted.
    shares : tuple of float
        Relative frequency of each among all words of the training tracks.
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
    def of(cls, kind: str, rows: Sequence[np.ndarray], spec: Input, subsample_threshold: float | None) -> "Text":
        """Open what an artefact describes."""
        return cls(kind, rows, spec.bins - 2, spec.chunk_frames or 1, subsample_threshold)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """One channel, the number of ids, and tokens; the array is (batch, tokens)."""
        return {self.kind: (1, self.max_vocabulary + 2, self.sequence_length)}

    @property
    def statistics(self) -> Statistics:
        """The words and their frequencies."""
        return {self.kind: {"words": list(self.words), "shares": list(self.shares)}} if self._ids else {}

    def fit(self, train: np.ndarray) -> "Text":
        """Count the words of these tracks; ties are in alphabetical order."""
        counts = Counter(word for i in train for word in _words(self.rows[i]))
        total = max(counts.total(), 1)
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: self.max_vocabulary]
        return self._with([word for word, _ in best], [n / total for _, n in best])

    def restore(self, statistics: Statistics) -> "Text":
        """Restore the fitted vocabulary."""
        vocabulary = statistics[self.kind]
        return self._with(vocabulary["words"], vocabulary["shares"])

    def n_chunks(self, track: int) -> int:
        """Count the chunks that cover a track."""
        return len(starts(len(self._encode[track]), self.sequence_length))

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Cut one chunk of each track, with frequent words subsampled if set."""
        chunks = []
        for track, position in zip(tracks, where, strict=True):
            ids = self._subsample(self._encode[track], int(position * 2**53))
            chunks.append(self._cut(ids, int(position * (max(len(ids) - self.sequence_length, 0) + 1))))
        return (np.stack(chunks),)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Cut the fewest chunks that cover a track, or `n_chunks`."""
        ids = self._encode[track]
        return (np.stack([self._cut(ids, int(s)) for s in starts(len(ids), self.sequence_length, n_chunks)]),)

    @property
    def _encode(self) -> tuple[np.ndarray, ...]:
        if not self._ids:
            raise DataError(f"{self.kind}: no vocabulary was fitted; train the candidate again")
        return self._ids

    def _with(self, words: Sequence[str], shares: Sequence[float]) -> "Text":
        ids_by_word = {word: number for number, word in enumerate(words, start=1)}
        ids = tuple(
            np.array([ids_by_word.get(word, self.max_vocabulary + 1) for word in _words(rows)], np.int64)
            for rows in self.rows
        )
        return replace(self, words=tuple(words), shares=tuple(shares), _ids=ids)

    def _subsample(self, ids: np.ndarray, seed: int) -> np.ndarray:
        if self.subsample_threshold is None:
            return ids
        share = np.zeros(self.max_vocabulary + 2)
        share[1 : len(self.shares) + 1] = self.shares
        probability = np.sqrt(self.subsample_threshold / np.maximum(share, self.subsample_threshold))
        return ids[np.random.default_rng(seed).random(len(ids)) < probability[ids]]

    def _cut(self, ids: np.ndarray, start: int) -> np.ndarray:
        chunk = ids[start : start + self.sequence_length]
        return np.concatenate([np.full(self.sequence_length - len(chunk), PADDING, np.int64), chunk])


@dataclass(frozen=True)
class Images:
    """Pixels from 0 to 1, one picture per track.

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
    def of(cls, kind: str, rows: Sequence[np.ndarray], spec: Input, subsample_threshold: float | None) -> "Images":
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
        """Restore nothing."""
        return self

    def n_chunks(self, track: int) -> int:
        """Count one picture."""
        return 1

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return the pictures of these tracks."""
        pixels = np.stack([self.rows[i] for i in tracks])
        return (np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(WHITE),)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Return a track's picture, `n_chunks` times."""
        return self.crops(np.full(n_chunks or 1, track), np.zeros(n_chunks or 1))


@dataclass(frozen=True)
class Scalars:
    """Numbers of the tracks table, scaled to 0 to 1 by the minimum and maximum of the training tracks.

    Parameters
    ----------
    kind : str
    rows : sequence of np.ndarray [shape=(1, n), dtype=float64]
        NaN if unknown.
    least, greatest, mean : np.ndarray [shape=(n,)], optional
        Of the training tracks; the mean replaces unknown values.
    """

    kind: str
    rows: Sequence[np.ndarray]
    least: np.ndarray | None = None
    greatest: np.ndarray | None = None
    mean: np.ndarray | None = None

    @staticmethod
    def describe(tail: tuple[int, ...], train: Train) -> dict[str, int]:
        """Return the number of values as bins."""
        return {"bins": tail[0], "chunk_frames": 1}

    @classmethod
    def of(cls, kind: str, rows: Sequence[np.ndarray], spec: Input, subsample_threshold: float | None) -> "Scalars":
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
        values = {"least": self.least, "greatest": self.greatest, "mean": self.mean}
        return {self.kind: {name: value.tolist() for name, value in values.items()}}

    def fit(self, train: np.ndarray) -> "Scalars":
        """Fit minimum, maximum and mean over these tracks; 0 if all values are unknown."""
        values = np.ma.masked_invalid(np.concatenate([np.asarray(self.rows[i], np.float64) for i in train]))
        least, greatest, mean = (np.ma.filled(f(values, axis=0), 0.0) for f in (np.ma.min, np.ma.max, np.ma.mean))
        return replace(self, least=least, greatest=greatest, mean=mean)

    def restore(self, statistics: Statistics) -> "Scalars":
        """Restore fitted minimum, maximum and mean."""
        scale: Mapping[str, Any] = statistics[self.kind]
        least, greatest, mean = (np.asarray(scale[name], np.float64) for name in ("least", "greatest", "mean"))
        return replace(self, least=least, greatest=greatest, mean=mean)

    def n_chunks(self, track: int) -> int:
        """Count one row."""
        return 1

    def crops(self, tracks: np.ndarray, where: np.ndarray) -> Arrays:
        """Return the scaled numbers of these tracks; values beyond the training range fall outside 0 to 1."""
        if self.least is None or self.greatest is None or self.mean is None:
            raise DataError(f"{self.kind}: no scale was fitted; train the candidate again")
        values = np.concatenate([np.asarray(self.rows[i], np.float64) for i in tracks])
        values = np.where(np.isfinite(values), values, self.mean)
        span = self.greatest - self.least
        scaled = (values - self.least) / np.where(span > 0, span, 1)
        return (scaled.astype(np.float32)[:, np.newaxis, :, np.newaxis],)

    def chunks(self, track: int, n_chunks: int | None = None) -> Arrays:
        """Return a track's numbers, `n_chunks` times."""
        return self.crops(np.full(n_chunks or 1, track), np.zeros(n_chunks or 1))


def _words(rows: np.ndarray) -> list[str]:
    return bytes(np.asarray(rows, np.uint8)).decode().split()
