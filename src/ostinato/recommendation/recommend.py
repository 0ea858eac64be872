"""The tracks, albums or artists nearest to some seeds, varied and within what is asked for."""

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
"""What dislikes weigh, all together, against the lightest seed; at 1 nothing would be left of what they share."""
HISTORY_WEIGHT = 0.5
"""Of what was played, against all seeds together."""
POOL = 10
"""Candidates looked at for each answer, before re-ranking."""
SAME = 1 - 1e-5
"""From this cosine on a track is the recording that a vector was made of, under another id perhaps."""


@dataclass(frozen=True)
class Variety:
    """How unlike each other the answers shall be.

    Parameters
    ----------
    diversity : float
        From 0, nearest first, to 1, each as unlike those before it as can be.
    per_artist : int, optional
        At most so many answers of one artist.

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
            raise CatalogError(f"per_artist is {self.per_artist}; give 1 or more, or nothing")


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
    """Recommend what is nearest to some seeds.

    Parameters
    ----------
    catalog : Catalog
    seeds : sequence of str or np.ndarray [shape=(d,)]
        Tracks of the catalog, or vectors by its network; at another level also
        albums or artists by name. None are needed where a history has plays.
    k : int
        Fewer are answered where fewer are left.
    weights : sequence of float, optional
        Of the seeds; default: all alike.
    dislikes : sequence of str or np.ndarray
        Taken from the mean of the seeds, all together a quarter (`DISLIKE_WEIGHT`) of the lightest seed.
    history : sequence of Listen
        What was played counts as one more seed, half as heavy (`HISTORY_WEIGHT`) as all the others together;
        what was skipped is a dislike. None of it is answered.
    exclude : iterable of str
        What is never answered, beside seeds and dislikes themselves. Of a vector that is
        every track of the same recording: its cosine is above `SAME`.
    diversity, per_artist
        See `Variety`.
    keep : Filter, optional
        What the answers must have.
    level : {"track", "album", "artist"}
        What is answered; at another level than tracks, the albums or artists of
        the seeds are left out.

    Returns
    -------
    ids : np.ndarray [shape=(<= k,), dtype=object]
        Best first; with diversity, in the order they were chosen.
    scores : np.ndarray [shape=(<= k,), dtype=float32]
        Similarity to the taste (`Catalog.similarity`): its cosine, or by distance d 1 / (1 + d).

    Raises
    ------
    CatalogError
        If there is no seed, one is unknown or no vector of this catalog, or seeds
        and dislikes cancel out.
    """
    variety = Variety(diversity, per_artist)
    answers = catalog if level == "track" else catalog.by(level)
    profile = summarize(catalog, history)
    seeds, dislikes = list(seeds), list(dislikes)
    named = {s for s in [*seeds, *dislikes] if isinstance(s, str)}
    for vector in (s for s in [*seeds, *dislikes] if not isinstance(s, str)):
        named |= find_recordings(catalog, vector)
    dislikes += [track for track in profile.skipped if track not in named]
    out = named | profile.tracks | set(exclude)
    if level != "track":
        names = catalog.names(level)
        out |= {names[catalog.row(s)] or s for s in named | profile.tracks if s in catalog}
    liked = taste(catalog, seeds, weights=weights, dislikes=dislikes, liked=profile.liked, others=answers)
    allowed = _mask(catalog, answers, keep, level)
    allowed[[answers.row(s) for s in out if s in answers]] = False
    rows, scores = mmr_rerank(answers, liked, k, allowed, variety)
    return np.array(answers.ids, object)[rows], scores


def _mask(catalog: Catalog, answers: Catalog, keep: Filter | None, level: Level) -> np.ndarray:
    """Return which answers have what they must; of albums and artists one track that has it is enough."""
    if keep is None:
        return np.ones(len(answers), bool)
    if level == "track":
        return keep.mask(catalog)
    tracks, names = keep.mask(catalog), catalog.names(level)
    passing = {names[row] for row in np.flatnonzero(tracks)}
    return np.array([name in passing for name in answers.ids], bool)


def find_recordings(catalog: Catalog, vector: np.ndarray) -> set[str]:
    """Find the tracks that are the recording which a vector was made of.

    Parameters
    ----------
    catalog : Catalog
    vector : np.ndarray [shape=(d,)]
        By the catalog's network.

    Returns
    -------
    set of str
        Ids; empty if the recording is not in the catalog.
    """
    unit, k = _vector(catalog, vector, None), POOL
    while True:
        rows, scores = catalog.search(unit, k)
        same = rows[scores > SAME]
        if len(same) < k or k >= len(catalog):
            return {catalog.ids[row] for row in same}
        k *= POOL


def taste(
    catalog: Catalog,
    seeds: Sequence[Seed],
    *,
    weights: Sequence[float] | None = None,
    dislikes: Sequence[Seed] = (),
    liked: np.ndarray | None = None,
    others: Catalog | None = None,
) -> np.ndarray:
    """Make one direction of seeds, dislikes and a history.

    Parameters
    ----------
    catalog : Catalog
    seeds, weights, dislikes
        As for `recommend`.
    liked : np.ndarray [shape=(d,)], optional
        What a history says (`history.Profile`).
    others : Catalog, optional
        Its albums or artists, where no track is called as a seed is.

    Returns
    -------
    np.ndarray [shape=(d,), dtype=float32]
        A unit vector; a point where tracks are compared by distance.
    """
    if not len(seeds) and liked is None:
        raise CatalogError("there is no seed; name a track, a file or a vector, or a history with plays")
    share = np.ones(len(seeds)) if weights is None else np.asarray(weights, np.float64)
    if share.shape != (len(seeds),) or not np.isfinite(share).all() or (share <= 0).any():
        raise CatalogError(f"weights {weights}: give one above 0 for each of the {len(seeds)} seeds")
    vectors = [_vector(catalog, seed, others) for seed in seeds]
    if liked is not None:
        vectors, share = [*vectors, liked], np.append(share, HISTORY_WEIGHT * share.sum() if len(seeds) else 1.0)
    wanted = np.average(np.stack(vectors), axis=0, weights=share)
    if both := {s for s in seeds if isinstance(s, str)} & {s for s in dislikes if isinstance(s, str)}:
        raise CatalogError(f"{min(both)!r} is a seed and a dislike; the two cancel each other out, leave out one")
    if len(dislikes):
        weight, disliked = (
            DISLIKE_WEIGHT * share.min() / share.sum(),
            np.stack([_vector(catalog, seed, others) for seed in dislikes]).mean(axis=0),
        )
        wanted = wanted - weight * (disliked if catalog.metric == "cosine" else disliked - wanted)
    if catalog.metric != "cosine":
        return wanted.astype(np.float32)
    length = float(np.linalg.norm(wanted))
    if length < 1e-6:
        raise CatalogError("the seeds cancel each other out; give other weights, or fewer seeds or dislikes")
    return (wanted / length).astype(np.float32)


def mmr_rerank(
    catalog: Catalog, liked: np.ndarray, k: int, allowed: np.ndarray, variety: Variety
) -> tuple[np.ndarray, np.ndarray]:
    """Choose among the nearest by maximal marginal relevance, at most so many of an artist.

    Each next answer has the highest ``(1 - diversity) * cosine to the taste -
    diversity * highest cosine to those chosen``.

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
        return catalog.search(liked, k, allowed)
    size, left = POOL * k, int(allowed.sum())
    while True:
        rows, scores = catalog.search(liked, size, allowed)
        chosen = _choose(catalog, rows, scores, k, variety)
        if len(chosen) == k or size >= left:
            return rows[chosen], scores[chosen]
        size *= POOL


def _choose(catalog: Catalog, rows: np.ndarray, scores: np.ndarray, k: int, variety: Variety) -> list[int]:
    """Return positions within the pool, in the order they are taken."""
    vectors, chosen = catalog.vectors[rows], list[int]()
    worth = (1 - variety.diversity) * scores.astype(np.float64)
    nearest = np.full(len(rows), -np.inf)
    free, taken = np.ones(len(rows), bool), Counter[str]()
    while len(chosen) < k and free.any():
        value = worth - variety.diversity * nearest if chosen else worth
        best = int(np.where(free, value, -np.inf).argmax()) if chosen else int(np.where(free, scores, -np.inf).argmax())
        free[best] = False
        artist = identity(catalog.metadata[rows[best]].get("artist"))
        if variety.per_artist is not None and artist is not None:
            if taken[artist] == variety.per_artist:
                continue
            taken[artist] += 1
        chosen.append(best)
        nearest = np.maximum(nearest, catalog.similarity(vectors[best], rows))
    return chosen


def _vector(catalog: Catalog, seed: Seed, others: Catalog | None) -> np.ndarray:
    if isinstance(seed, str):
        there = others if others is not None and seed not in catalog and seed in others else catalog
        return there.vectors[there.row(seed)]
    given = np.asarray(seed)
    if given.shape != (catalog.dimension,):
        raise CatalogError(f"a seed of shape {given.shape} does not fit a catalog of dimension {catalog.dimension}")
    return catalog.units(given[np.newaxis], version=catalog.version)[0]
