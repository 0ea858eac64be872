"""Recommend the tracks, albums or artists nearest to some seeds, with diversity and filters."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ostinato.core.names import identity
from ostinato.errors import CatalogError
from ostinato.recommendation.catalog import Catalog
from ostinato.recommendation.filters import Filter
from ostinato.recommendation.history import Listen, summarize

Seed: TypeAlias = str | np.ndarray
Level: TypeAlias = Literal["track", "album", "artist"]
DISLIKE_WEIGHT = 0.25
"""Total weight of the dislikes, relative to the lightest seed; at 1 all that they share would cancel."""
HISTORY_WEIGHT = 0.5
"""Weight of the listening history, relative to all seeds together."""
POOL = 10
"""Candidates per result, before re-ranking."""
SAME_RECORDING = 1 - 1e-5
"""Cosine from which a track counts as the recording of a vector, perhaps under another id."""


@dataclass(frozen=True)
class Variety:
    """Diversity of the results.

    Parameters
    ----------
    diversity : float
        From 0 (nearest first) to 1 (each as unlike the previous ones as possible).
    per_artist : int, optional
        Maximum number of results per artist.

    Raises
    ------
    CatalogError
        If a number is out of its range.
    """

    diversity: float = 0.0
    per_artist: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise CatalogError(f"diversity is {self.diversity}; give a number from 0 to 1")
        if self.per_artist is not None and self.per_artist < 1:
            raise CatalogError(f"per_artist is {self.per_artist}; give 1 or more, or omit it")


def recommend(
    catalog: Catalog,
    seeds: Sequence[Seed],
    *,
    k: int = 10,
    weights: Sequence[float] | None = None,
    dislikes: Sequence[Seed] = (),
    history: Sequence[Listen] = (),
    exclude: Iterable[str] = (),
    diversity: float = 0.0,
    per_artist: int | None = None,
    keep: Filter | None = None,
    level: Level = "track",
) -> tuple[np.ndarray, np.ndarray]:
    """Recommend the tracks, albums or artists nearest to some seeds.

    Parameters
    ----------
    catalog : Catalog
    seeds : sequence of str or np.ndarray [shape=(d,)]
        Tracks of the catalog, or vectors of its network; at the other levels also
        albums or artists by name. Optional if the history has plays.
    k : int
        Maximum number of results.
    weights : sequence of float, optional
        Of the seeds; default: equal.
    dislikes : sequence of str or np.ndarray
        Subtracted from the mean of the seeds, in total with a quarter (`DISLIKE_WEIGHT`) of the lightest seed's weight.
    history : sequence of Listen
        Played tracks count as one more seed, with half (`HISTORY_WEIGHT`) the weight of all others together;
        skipped ones are dislikes. Neither is recommended.
    exclude : iterable of str
        Never recommended, like seeds and dislikes. For a vector these are all tracks of
        the same recording: those with a cosine above `SAME_RECORDING`.
    diversity, per_artist
        See `Variety`.
    keep : Filter, optional
        Filter of the results.
    level : {"track", "album", "artist"}
        What to recommend; at the levels of albums and artists, those of the seeds are
        left out.

    Returns
    -------
    ids : np.ndarray [shape=(<= k,), dtype=object]
        Best first; with diversity, in order of selection.
    scores : np.ndarray [shape=(<= k,), dtype=float32]
        Similarity to the query (`Catalog.similarity`): the cosine, or 1 / (1 + d) for a distance d.

    Raises
    ------
    CatalogError
        If there is no seed, one is unknown or not a vector of this catalog, or seeds
        and dislikes cancel out.
    """
    variety = Variety(diversity, per_artist)
    items = catalog if level == "track" else catalog.by(level)
    profile = summarize(catalog, history)
    seeds, dislikes = list(seeds), list(dislikes)
    named = {s for s in [*seeds, *dislikes] if isinstance(s, str)}
    for vector in (s for s in [*seeds, *dislikes] if not isinstance(s, str)):
        named |= find_recordings(catalog, vector)
    dislikes += [track for track in profile.skipped if track not in named]
    excluded = named | profile.tracks | set(exclude)
    if level != "track":
        names = catalog.names(level)
        excluded |= {names[catalog.row(s)] or s for s in named | profile.tracks if s in catalog}
    query = taste(catalog, seeds, weights=weights, dislikes=dislikes, history=profile.vector, groups=items)
    allowed = _mask(catalog, items, keep, level)
    allowed[[items.row(s) for s in excluded if s in items]] = False
    rows, scores = mmr_rerank(items, query, k, allowed, variety)
    return np.array(items.ids, object)[rows], scores


def _mask(catalog: Catalog, items: Catalog, keep: Filter | None, level: Level) -> np.ndarray:
    """Return which items pass the filter; albums and artists pass with one of their tracks."""
    if keep is None:
        return np.ones(len(items), bool)
    if level == "track":
        return keep.mask(catalog)
    tracks, names = keep.mask(catalog), catalog.names(level)
    passing = {names[row] for row in np.flatnonzero(tracks)}
    return np.array([name in passing for name in items.ids], bool)


def find_recordings(catalog: Catalog, vector: np.ndarray) -> set[str]:
    """Find the tracks with the recording that a vector was computed from.

    Parameters
    ----------
    catalog : Catalog
    vector : np.ndarray [shape=(d,)]
        Output of the catalog's network.

    Returns
    -------
    set of str
        Ids; empty if the recording is not in the catalog.
    """
    unit, k = _vector(catalog, vector, None), POOL
    while True:
        rows, scores = catalog.search(unit, k)
        same = rows[scores > SAME_RECORDING]
        if len(same) < k or k >= len(catalog):
            return {catalog.ids[row] for row in same}
        k *= POOL


def taste(
    catalog: Catalog,
    seeds: Sequence[Seed],
    *,
    weights: Sequence[float] | None = None,
    dislikes: Sequence[Seed] = (),
    history: np.ndarray | None = None,
    groups: Catalog | None = None,
) -> np.ndarray:
    """Combine seeds, dislikes and a history into one query vector.

    Parameters
    ----------
    catalog : Catalog
    seeds, weights, dislikes
        As for `recommend`.
    history : np.ndarray [shape=(d,)], optional
        Vector of a listening history (`history.Profile`).
    groups : Catalog, optional
        Its albums or artists, for seeds that name no track.

    Returns
    -------
    np.ndarray [shape=(d,), dtype=float32]
        A unit vector, or a point if tracks are compared by distance.
    """
    if not len(seeds) and history is None:
        raise CatalogError("there is no seed; give a track, a file or a vector, or a history with plays")
    share = np.ones(len(seeds)) if weights is None else np.asarray(weights, np.float64)
    if share.shape != (len(seeds),) or not np.isfinite(share).all() or (share <= 0).any():
        raise CatalogError(f"weights {weights}: give one above 0 for each seed, {len(seeds)} in all")
    vectors = [_vector(catalog, seed, groups) for seed in seeds]
    if history is not None:
        vectors, share = [*vectors, history], np.append(share, HISTORY_WEIGHT * share.sum() if len(seeds) else 1.0)
    query = np.average(np.stack(vectors), axis=0, weights=share)
    if conflicts := {s for s in seeds if isinstance(s, str)} & {s for s in dislikes if isinstance(s, str)}:
        raise CatalogError(f"{min(conflicts)!r} is both a seed and a dislike; remove one")
    if len(dislikes):
        weight = DISLIKE_WEIGHT * share.min() / share.sum()
        disliked = np.stack([_vector(catalog, seed, groups) for seed in dislikes]).mean(axis=0)
        query = query - weight * (disliked if catalog.metric == "cosine" else disliked - query)
    if catalog.metric != "cosine":
        return query.astype(np.float32)
    length = float(np.linalg.norm(query))
    if length < 1e-6:
        raise CatalogError("the seeds cancel each other out; give other weights, or fewer seeds or dislikes")
    return (query / length).astype(np.float32)


def mmr_rerank(
    catalog: Catalog, query: np.ndarray, k: int, allowed: np.ndarray, variety: Variety
) -> tuple[np.ndarray, np.ndarray]:
    """Select results by maximal marginal relevance, with a maximum per artist.

    Each next result has the highest ``(1 - diversity) * cosine to the query -
    diversity * highest cosine to those selected``.

    Returns
    -------
    rows : np.ndarray [shape=(<= k,), dtype=int64]
    scores : np.ndarray [shape=(<= k,), dtype=float32]

    References
    ----------
    J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for
    reordering documents and producing summaries", SIGIR 1998.
    """
    if variety.diversity == 0 and variety.per_artist is None:
        return catalog.search(query, k, allowed)
    size, n_allowed = POOL * k, int(allowed.sum())
    while True:
        rows, scores = catalog.search(query, size, allowed)
        selected = _select(catalog, rows, scores, k, variety)
        if len(selected) == k or size >= n_allowed:
            return rows[selected], scores[selected]
        size *= POOL


def _select(catalog: Catalog, rows: np.ndarray, scores: np.ndarray, k: int, variety: Variety) -> list[int]:
    """Return indices within the pool, in order of selection."""
    vectors, selected = catalog.vectors[rows], list[int]()
    relevance = (1 - variety.diversity) * scores.astype(np.float64)
    nearest = np.full(len(rows), -np.inf)
    available, counts = np.ones(len(rows), bool), Counter[str]()
    while len(selected) < k and available.any():
        value = relevance - variety.diversity * nearest if selected else scores
        best = int(np.where(available, value, -np.inf).argmax())
        available[best] = False
        artist = identity(catalog.metadata[rows[best]].get("artist"))
        if variety.per_artist is not None and artist is not None:
            if counts[artist] == variety.per_artist:
                continue
            counts[artist] += 1
        selected.append(best)
        nearest = np.maximum(nearest, catalog.similarity(vectors[best], rows))
    return selected


def _vector(catalog: Catalog, seed: Seed, groups: Catalog | None) -> np.ndarray:
    if isinstance(seed, str):
        source = groups if groups is not None and seed not in catalog and seed in groups else catalog
        return source.vectors[source.row(seed)]
    vector = np.asarray(seed)
    if vector.shape != (catalog.dimension,):
        raise CatalogError(f"a seed of shape {vector.shape} does not fit a catalog of dimension {catalog.dimension}")
    return catalog.units(vector[np.newaxis], version=catalog.version)[0]
