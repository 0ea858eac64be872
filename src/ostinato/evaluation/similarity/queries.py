"""Queries to similarity spaces: seeds, and the items that are relevant to each.

Three questions: artists *related* to an artist, tracks of the same *genre*, tracks
that share *tags* (graded by how many). Seeds are *cold*, of the test split, or
*known*, of the training split. Items are all artists, or all tracks but those of the
seed's artist, whom any space finds by voice and recording. An artist's vector is the
mean direction of its tracks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from ostinato.core.names import identity
from ostinato.core.summary import Metric

MOST_SEEDS = 1000
"""Known seeds beyond so many are drawn."""


@dataclass(frozen=True)
class Query:
    """Seeds, and what is relevant to each.

    Parameters
    ----------
    name : {"related", "genre", "tags"}
    split : {"cold", "known"}
    seeds : np.ndarray [shape=(n_seeds,)]
        Positions among the items.
    target : np.ndarray [shape=(n_seeds, n_items)]
    banned : np.ndarray [shape=(n_seeds, n_items), dtype=bool]
        What is no answer.
    groups : np.ndarray [shape=(n_seeds,)]
        Artist of each seed.
    owner : np.ndarray [shape=(n_tracks,)]
        Which item a track belongs to.
    """

    name: str
    split: str
    seeds: np.ndarray
    target: np.ndarray
    banned: np.ndarray
    groups: np.ndarray
    owner: np.ndarray

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
        total = np.zeros((self.target.shape[1], vectors.shape[1]))
        np.add.at(total, self.owner, unit(vectors) if metric == "cosine" else vectors)
        if metric == "cosine":
            return unit(total)
        return total / np.bincount(self.owner, minlength=len(total))[:, np.newaxis]

    def similarity(self, vectors: np.ndarray, metric: Metric = "cosine") -> np.ndarray:
        """Return how like every item is to every seed.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n_tracks, d)]
        metric : {"cosine", "euclidean"}

        Returns
        -------
        np.ndarray [shape=(n_seeds, n_items), dtype=float64]
            Cosines; by distance d, 1 / (1 + d).
        """
        items = self.items(vectors, metric)
        seeds = items[self.seeds]
        found: np.ndarray = seeds @ items.T if metric == "cosine" else 1 / (1 + cdist(seeds, items))
        return found

    def rank(self, similarity: np.ndarray, k: int) -> np.ndarray:
        """Rank the items for each seed.

        Parameters
        ----------
        similarity : np.ndarray [shape=(n_seeds, n_items)]
        k : int

        Returns
        -------
        np.ndarray [shape=(n_seeds, k), dtype=int64]
            -1 where no item is left.
        """
        open_ = np.where(self.banned, -np.inf, similarity)
        order = np.argsort(-open_, axis=1, kind="stable")[:, :k]
        order = np.where(np.isneginf(np.take_along_axis(open_, order, axis=1)), -1, order)
        return np.pad(order, ((0, 0), (0, k - order.shape[1])), constant_values=-1)


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
    if (question.target > 0).any():
        yield question


def _query_related(
    tracks: pd.DataFrame, related: Mapping[str, set[str]], split: str, there: np.ndarray, seed: int
) -> Query:
    owner, names = pd.factorize(pd.Series([identity(name) or "" for name in tracks["artist"]], dtype=object))
    near = {identity(name): {identity(other) for other in others} for name, others in related.items()}
    seeds = _some(np.unique(owner[there]), seed)
    target = np.array([[other in near.get(names[s], ()) for other in names] for s in seeds], np.int8)
    banned = np.arange(len(names)) == seeds[:, np.newaxis]
    return Query("related", split, seeds, target.reshape(len(seeds), len(names)), banned, seeds, owner)


def _query_label(tracks: pd.DataFrame, label: str, split: str, there: np.ndarray, seed: int) -> Query:
    artist, _ = pd.factorize(_singer(tracks))
    lists = [list(cell) if pd.api.types.is_list_like(cell) else [cell] for cell in tracks[label]]
    sets = [{same for name in cell if (same := identity(name))} for cell in lists]
    classes = {c: i for i, c in enumerate(sorted(set().union(*sets)))}
    has = np.zeros((len(tracks), max(len(classes), 1)), np.int32)
    for row, named in enumerate(sets):
        has[row, [classes[c] for c in named]] = 1
    seeds = _some(np.flatnonzero(there & has.any(axis=1)), seed)
    banned = artist[seeds][:, np.newaxis] == artist
    target = np.where(banned, 0, has[seeds] @ has.T)
    return Query(label, split, seeds, target, banned, artist[seeds], np.arange(len(tracks)))


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
