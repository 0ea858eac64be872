"""Queries to similarity spaces: seeds, and the items that are relevant to each.

There are three queries: artists *related* to an artist, tracks of the same *genre*, and
tracks with common *tags* (graded by their number). Seeds are *cold*, from the test split, or
*known*, from the training split. Items are all artists, or all tracks except those of the
seed's artist, which every space finds by voice and production. The vector of an artist is
the mean of the unit vectors of its tracks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from ostinato.core.names import identity
from ostinato.core.summary import Metric

MAX_SEEDS = 1000
"""Maximum number of seeds; more are sampled."""
LABELS = ("genre", "tags")
"""Queries in which excluded items do not count as relevant."""
CELLS = 1 << 22
"""Maximum size of a table of seeds x items."""
ROWS = 16
"""Batches have a multiple of this number of seeds, so that products have the same last bits as without batches."""


@dataclass(frozen=True)
class Query:
    """Seeds with their relevant items; the relevance of an item is the number of marks it shares with the seed.

    Parameters
    ----------
    name : {"related", "genre", "tags"}
    split : {"cold", "known"}
    seeds : np.ndarray [shape=(n_seeds,)]
        Indices of items.
    marks : csr_array [shape=(n_seeds, n_marks), dtype=int32]
        Labels of each seed, or items related to it.
    item_marks : csr_array [shape=(n_items, n_marks), dtype=int32]
    exclusion_group : np.ndarray [shape=(n_items,)]
        Items in the group of a seed are excluded from its ranking.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed.
    item_of_track : np.ndarray [shape=(n_tracks,)]
        Index of the item that a track belongs to.
    """

    name: str
    split: str
    seeds: np.ndarray
    marks: csr_array
    item_marks: csr_array
    exclusion_group: np.ndarray
    groups: np.ndarray
    item_of_track: np.ndarray

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.exclusion_group)

    @property
    def is_excluded(self) -> np.ndarray:
        """Whether an item is excluded from a seed's ranking, (n_seeds, n_items)."""
        return self.exclusion_group[self.seeds][:, np.newaxis] == self.exclusion_group

    @property
    def target(self) -> np.ndarray:
        """Relevance of each item to each seed, (n_seeds, n_items)."""
        n_shared: np.ndarray = (self.marks @ self.item_marks.T).toarray()
        return np.where(self.is_excluded, 0, n_shared) if self.name in LABELS else n_shared

    def get_relevance(self, preds: np.ndarray) -> np.ndarray:
        """Return the relevance of ranked items.

        Parameters
        ----------
        preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
            From `rank`, without excluded items.

        Returns
        -------
        np.ndarray [shape=(n_seeds, k), dtype=float64]
            0 after the end of a list.
        """
        rows = np.repeat(np.arange(len(preds)), preds.shape[1])
        n_shared = (self.marks[rows] * self.item_marks[np.maximum(preds, 0).ravel()]).sum(axis=1)
        return np.where(preds >= 0, np.asarray(n_shared).reshape(preds.shape), 0).astype(np.float64)

    def iterate_batches(self) -> Iterator["Query"]:
        """Yield batches of seeds, to limit tables of seeds x items."""
        size = max(CELLS // max(self.n_items, 1) // ROWS, 1) * ROWS
        for start in range(0, len(self.seeds), size):
            batch = slice(start, start + size)
            yield replace(self, seeds=self.seeds[batch], marks=self.marks[batch], groups=self.groups[batch])

    def embed_items(self, vectors: np.ndarray, metric: Metric = "cosine") -> np.ndarray:
        """Compute the vectors of items from those of tracks.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n_tracks, d)]
        metric : {"cosine", "euclidean"}

        Returns
        -------
        np.ndarray [shape=(n_items, d), dtype=float64]
            Unit vectors; for Euclidean distance the means of an item's tracks.
        """
        total = np.zeros((self.n_items, vectors.shape[1]))
        np.add.at(total, self.item_of_track, unit(vectors) if metric == "cosine" else vectors)
        if metric == "cosine":
            return unit(total)
        return total / np.bincount(self.item_of_track, minlength=len(total))[:, np.newaxis]

    def compute_similarity(self, items: np.ndarray, metric: Metric = "cosine") -> np.ndarray:
        """Compute the similarity of all items to all seeds.

        Parameters
        ----------
        items : np.ndarray [shape=(n_items, d)]
            From `embed_items`.
        metric : {"cosine", "euclidean"}

        Returns
        -------
        np.ndarray [shape=(n_seeds, n_items), dtype=float64]
            Cosine, or 1 / (1 + d) for a Euclidean distance d.
        """
        seeds = items[self.seeds]
        similarity: np.ndarray = seeds @ items.T if metric == "cosine" else 1 / (1 + cdist(seeds, items))
        return similarity

    def rank(self, similarity: np.ndarray, k: int) -> np.ndarray:
        """Rank the items for each seed, ties by index.

        Parameters
        ----------
        similarity : np.ndarray [shape=(n_seeds, n_items)]
        k : int

        Returns
        -------
        np.ndarray [shape=(n_seeds, k), dtype=int64]
            -1 after the end of a list.
        """
        distance = -similarity
        distance[self.is_excluded] = np.inf
        order, n = np.full((len(distance), k), -1), min(k, self.n_items)
        if not n:
            return order
        last = np.partition(distance, n - 1, axis=1)[:, n - 1 : n]
        row, item = np.nonzero(~(distance > last))  # the first n, and ties with the last of them
        by_distance = np.lexsort((distance[row, item], row))
        start = np.searchsorted(row, np.arange(len(distance)))
        first = item[by_distance][start[:, np.newaxis] + np.arange(n)]
        order[:, :n] = np.where(np.isposinf(np.take_along_axis(distance, first, axis=1)), -1, first)
        return order


def build_queries(
    tracks: pd.DataFrame, related: Mapping[str, set[str]] | None, *, cold: np.ndarray, known: np.ndarray, seed: int
) -> Iterator[Query]:
    """Build all queries for which the tracks have labels.

    Parameters
    ----------
    tracks : DataFrame
        artist, genre, tags and, optionally, content_hash, for tracks by unknown artists.
    related : mapping of str to set of str, optional
        Related artists by artist.
    cold, known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Tracks of the test and of the training split.
    seed : int
        Seed for sampling the seeds if there are many.

    Yields
    ------
    Query
        Only queries with relevant items.
    """
    for split, mask in (("cold", cold), ("known", known)):
        if related is not None:
            yield from _filter_empty(_query_related(tracks, related, split, mask, seed))
        yield from _filter_empty(_query_label(tracks, "genre", split, mask, seed))
        yield from _filter_empty(_query_label(tracks, "tags", split, mask, seed))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Normalise rows to length 1; zero rows stay zero.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _filter_empty(query: Query) -> Iterator[Query]:
    if any((batch.target > 0).any() for batch in query.iterate_batches()):
        yield query


def _query_related(
    tracks: pd.DataFrame, related: Mapping[str, set[str]], split: str, mask: np.ndarray, seed: int
) -> Query:
    item_of_track, names = pd.factorize(pd.Series([identity(name) or "" for name in tracks["artist"]], dtype=object))
    relatives = {identity(name): {identity(other) for other in others} for name, others in related.items()}
    seeds = _sample(np.unique(item_of_track[mask]), seed)
    index = {name: i for i, name in enumerate(names)}
    lists = [sorted({index[other] for other in relatives.get(names[s], ()) if other in index}) for s in seeds]
    marks, item_marks = _encode(lists, len(names)), _encode([[item] for item in range(len(names))], len(names))
    return Query("related", split, seeds, marks, item_marks, np.arange(len(names)), seeds, item_of_track)


def _query_label(tracks: pd.DataFrame, label: str, split: str, mask: np.ndarray, seed: int) -> Query:
    artist, _ = pd.factorize(_identify_artists(tracks))
    lists = [list(cell) if pd.api.types.is_list_like(cell) else [cell] for cell in tracks[label]]
    sets = [{key for name in cell if (key := identity(name))} for cell in lists]
    index = {key: i for i, key in enumerate(sorted(set().union(*sets)))}
    marks = _encode([sorted(index[key] for key in keys) for keys in sets], max(len(index), 1))
    seeds = _sample(np.flatnonzero(mask & (np.diff(marks.indptr) > 0)), seed)
    return Query(label, split, seeds, marks[seeds], marks, artist, artist[seeds], np.arange(len(tracks)))


def _encode(lists: Sequence[Sequence[int]], n_marks: int) -> csr_array:
    """Encode lists of indices as rows of ones and zeros."""
    ends = np.cumsum([0, *map(len, lists)])
    indices = np.fromiter(chain.from_iterable(lists), np.int64, ends[-1])
    return csr_array((np.ones(len(indices), np.int32), indices, ends), (len(lists), n_marks))


def _identify_artists(tracks: pd.DataFrame) -> pd.Series:
    """Return the identity of each track's artist or, if unknown, recording, so that copies are excluded."""
    index = pd.Series(tracks.index.astype(str), tracks.index)
    recording = tracks["content_hash"].fillna(index) if "content_hash" in tracks else index
    artist = pd.Series([identity(name) for name in tracks["artist"]], tracks.index, dtype=object)
    return artist.fillna(recording).astype(str)


def _sample(seeds: np.ndarray, seed: int) -> np.ndarray:
    if len(seeds) <= MAX_SEEDS:
        return seeds
    return np.sort(np.random.default_rng(seed).choice(seeds, MAX_SEEDS, replace=False))
