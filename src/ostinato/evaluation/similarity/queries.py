"""Queries to similarity spaces: seeds, and the items that are relevant to each.

Three questions: artists *related* to an artist, tracks of the same *genre*, tracks
that share *tags* (graded by how many). Seeds are *cold*, of the test split, or
*known*, of the training split. Items are all artists, or all tracks but those of the
seed's artist, whom any space finds by voice and recording. An artist's vector is the
mean direction of its tracks.
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

MOST_SEEDS = 1000
"""Known seeds beyond so many are drawn."""
LABELS = ("genre", "tags")
"""Questions in which a seed's own items count as little as if they were not there."""
CELLS = 1 << 22
"""Seeds times items that are looked at together."""
ROWS = 16
"""A part has a multiple of so many seeds, so that a product has the same last bits in parts as whole."""


@dataclass(frozen=True)
class Query:
    """Seeds, and what is relevant to each: an item by as many marks as it shares with the seed.

    Parameters
    ----------
    name : {"related", "genre", "tags"}
    split : {"cold", "known"}
    seeds : np.ndarray [shape=(n_seeds,)]
        Positions among the items.
    marks : csr_array [shape=(n_seeds, n_marks), dtype=int32]
        Of each seed: the labels that it has, or the items that it is related to.
    item_marks : csr_array [shape=(n_items, n_marks), dtype=int32]
    party : np.ndarray [shape=(n_items,)]
        Items of the party of a seed are no answer.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed.
    owner : np.ndarray [shape=(n_tracks,)]
        Which item a track belongs to.
    """

    name: str
    split: str
    seeds: np.ndarray
    marks: csr_array
    item_marks: csr_array
    party: np.ndarray
    groups: np.ndarray
    owner: np.ndarray

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.party)

    @property
    def banned(self) -> np.ndarray:
        """What is no answer, (n_seeds, n_items)."""
        return self.party[self.seeds][:, np.newaxis] == self.party

    @property
    def target(self) -> np.ndarray:
        """How relevant each item is to each seed, (n_seeds, n_items)."""
        shared: np.ndarray = (self.marks @ self.item_marks.T).toarray()
        return np.where(self.banned, 0, shared) if self.name in LABELS else shared

    def look_up(self, preds: np.ndarray) -> np.ndarray:
        """Look up the relevance of what is ranked.

        Parameters
        ----------
        preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
            As `rank` gives it, so that nothing banned is among it.

        Returns
        -------
        np.ndarray [shape=(n_seeds, k), dtype=float64]
            0 where a list has ended.
        """
        rows = np.repeat(np.arange(len(preds)), preds.shape[1])
        shared = (self.marks[rows] * self.item_marks[np.maximum(preds, 0).ravel()]).sum(axis=1)
        return np.where(preds >= 0, np.asarray(shared).reshape(preds.shape), 0).astype(np.float64)

    def parts(self) -> Iterator["Query"]:
        """Yield some seeds at a time, so that a table of seeds x items stays small."""
        size = max(CELLS // max(self.n_items, 1) // ROWS, 1) * ROWS
        for start in range(0, len(self.seeds), size):
            some = slice(start, start + size)
            yield replace(self, seeds=self.seeds[some], marks=self.marks[some], groups=self.groups[some])

    def items(self, vectors: np.ndarray, metric: Metric = "cosine") -> np.ndarray:
        """Make vectors of items from those of tracks.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n_tracks, d)]
        metric : {"cosine", "euclidean"}

        Returns
        -------
        np.ndarray [shape=(n_items, d), dtype=float64]
            Unit vectors; by distance the means of an item's tracks.
        """
        total = np.zeros((self.n_items, vectors.shape[1]))
        np.add.at(total, self.owner, unit(vectors) if metric == "cosine" else vectors)
        if metric == "cosine":
            return unit(total)
        return total / np.bincount(self.owner, minlength=len(total))[:, np.newaxis]

    def similarity(self, items: np.ndarray, metric: Metric = "cosine") -> np.ndarray:
        """Return how like every item is to every seed.

        Parameters
        ----------
        items : np.ndarray [shape=(n_items, d)]
            By `items`.
        metric : {"cosine", "euclidean"}

        Returns
        -------
        np.ndarray [shape=(n_seeds, n_items), dtype=float64]
            Cosines; by distance d, 1 / (1 + d).
        """
        seeds = items[self.seeds]
        found: np.ndarray = seeds @ items.T if metric == "cosine" else 1 / (1 + cdist(seeds, items))
        return found

    def rank(self, similarity: np.ndarray, k: int) -> np.ndarray:
        """Rank the items for each seed, equal ones by their place.

        Parameters
        ----------
        similarity : np.ndarray [shape=(n_seeds, n_items)]
        k : int

        Returns
        -------
        np.ndarray [shape=(n_seeds, k), dtype=int64]
            -1 where no item is left.
        """
        distance = -similarity
        distance[self.banned] = np.inf
        order, n = np.full((len(distance), k), -1), min(k, self.n_items)
        if not n:
            return order
        last = np.partition(distance, n - 1, axis=1)[:, n - 1 : n]
        row, item = np.nonzero(~(distance > last))  # the first n and all that equal the last of them
        by_distance = np.lexsort((distance[row, item], row))
        begin = np.searchsorted(row, np.arange(len(distance)))
        first = item[by_distance][begin[:, np.newaxis] + np.arange(n)]
        order[:, :n] = np.where(np.isposinf(np.take_along_axis(distance, first, axis=1)), -1, first)
        return order


def questions(
    tracks: pd.DataFrame, related: Mapping[str, set[str]] | None, *, cold: np.ndarray, known: np.ndarray, seed: int
) -> Iterator[Query]:
    """Ask all that the tracks' labels let one ask.

    Parameters
    ----------
    tracks : DataFrame
        artist, genre, tags, and content_hash where artists are unknown.
    related : mapping of str to set of str, optional
        Artists by artist.
    cold, known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Tracks of the test and of the training split.
    seed : int
        Draws known seeds where there are many.

    Yields
    ------
    Query
        Only with seeds to which something is relevant.
    """
    for split, there in (("cold", cold), ("known", known)):
        if related is not None:
            yield from _expand(_query_related(tracks, related, split, there, seed))
        yield from _expand(_query_label(tracks, "genre", split, there, seed))
        yield from _expand(_query_label(tracks, "tags", split, there, seed))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; a row of 0 stays.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _expand(question: Query) -> Iterator[Query]:
    if any((part.target > 0).any() for part in question.parts()):
        yield question


def _query_related(
    tracks: pd.DataFrame, related: Mapping[str, set[str]], split: str, there: np.ndarray, seed: int
) -> Query:
    owner, names = pd.factorize(pd.Series([identity(name) or "" for name in tracks["artist"]], dtype=object))
    near = {identity(name): {identity(other) for other in others} for name, others in related.items()}
    seeds = _some(np.unique(owner[there]), seed)
    place = {name: i for i, name in enumerate(names)}
    lists = [sorted({place[other] for other in near.get(names[s], ()) if other in place}) for s in seeds]
    own = _mark([[item] for item in range(len(names))], len(names))
    return Query("related", split, seeds, _mark(lists, len(names)), own, np.arange(len(names)), seeds, owner)


def _query_label(tracks: pd.DataFrame, label: str, split: str, there: np.ndarray, seed: int) -> Query:
    artist, _ = pd.factorize(_singer(tracks))
    lists = [list(cell) if pd.api.types.is_list_like(cell) else [cell] for cell in tracks[label]]
    sets = [{same for name in cell if (same := identity(name))} for cell in lists]
    classes = {c: i for i, c in enumerate(sorted(set().union(*sets)))}
    has = _mark([sorted(classes[c] for c in named) for named in sets], max(len(classes), 1))
    seeds = _some(np.flatnonzero(there & (np.diff(has.indptr) > 0)), seed)
    return Query(label, split, seeds, has[seeds], has, artist, artist[seeds], np.arange(len(tracks)))


def _mark(lists: Sequence[Sequence[int]], n_marks: int) -> csr_array:
    """Make a row of ones and zeros of each list of positions."""
    ends = np.cumsum([0, *map(len, lists)])
    places = np.fromiter(chain.from_iterable(lists), np.int64, ends[-1])
    return csr_array((np.ones(len(places), np.int32), places, ends), (len(lists), n_marks))


def _singer(tracks: pd.DataFrame) -> pd.Series:
    """Name each track's artist; where none is known its recording, so that copies do not find each other."""
    alone = pd.Series(tracks.index.astype(str), tracks.index)
    recording = tracks["content_hash"].fillna(alone) if "content_hash" in tracks else alone
    artist = pd.Series([identity(name) for name in tracks["artist"]], tracks.index, dtype=object)
    return artist.fillna(recording).astype(str)


def _some(seeds: np.ndarray, seed: int) -> np.ndarray:
    if len(seeds) <= MOST_SEEDS:
        return seeds
    return np.sort(np.random.default_rng(seed).choice(seeds, MOST_SEEDS, replace=False))
