"""One table of similarity spaces: what stands near what, beside chance, popularity and MFCC statistics."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ostinato.core.summary import Metric
from ostinato.evaluation.similarity.queries import Query, unit
from ostinato.evaluation.similarity.ranking import difference, summarise
from ostinato.metrics.ranking import (
    Lists,
    compute_metrics,
    count_listed,
    coverage,
    describe_relevance,
    far_off,
    intra_list_diversity,
    novelty,
    strata,
)

N_STRATA = 4
LEADING = "map"


def evaluate_spaces(
    spaces: Mapping[str, np.ndarray],
    asked: Sequence[Query],
    *,
    popularity: np.ndarray,
    baseline: str,
    k: int,
    confidence: float,
    seed: int,
    by_distance: Collection[str] = (),
) -> dict[str, Any]:
    """Judge every space by every question.

    Parameters
    ----------
    spaces : mapping of str to np.ndarray [shape=(n_tracks, d)]
        Vectors of the tracks.
    asked : sequence of Query
    popularity : np.ndarray [shape=(n_tracks,)]
        Of each track, above 0; an artist has the mean of its tracks.
    baseline : str
        The space that others are compared with, by paired differences, and by
        whose vectors lists are called diverse.
    k : int
    confidence : float
        Of the intervals.
    seed : int
        Draws the random space.
    by_distance : collection of str
        Spaces whose vectors are compared by Euclidean distance instead of their cosine.

    Returns
    -------
    dict
        ``{space: {"<question>_<split>": figures}}``; ``random`` and ``popular`` are
        among the spaces.
    """
    found: dict[str, Any] = {name: {} for name in (*spaces, "random", "popular")}
    for question in asked:
        apart, liked = question.items(spaces[baseline]), _by_item(popularity, question)
        every = [describe_relevance(part.target, k) for part in question.parts()]
        n_relevant, best = (np.concatenate(arrays) for arrays in zip(*every, strict=True))
        of_seed: dict[str, np.ndarray] = {}
        for name in found:
            metric: Metric = "euclidean" if name in by_distance else "cosine"
            ranked = _rank(question, _similarities(name, spaces, question, liked, seed, metric), k)
            lists = Lists(ranked.gains, count_listed(ranked.preds), n_relevant, best)
            values = compute_metrics(lists)
            of_seed[name] = values[LEADING]
            figures: dict[str, Any] = summarise(values | _of_lists(ranked, apart, liked), question.groups, confidence)
            figures |= {"coverage": round(coverage(ranked.preds, question.n_items), 6)}
            figures |= {"strata": _shares(ranked.preds, strata(liked, N_STRATA)), "n_seeds": len(question.seeds)}
            found[name][f"{question.name}_{question.split}"] = figures
        for name in set(found) - {baseline}:
            gain = difference(of_seed[name], of_seed[baseline], question.groups, confidence)
            found[name][f"{question.name}_{question.split}"][f"{LEADING}_above_{baseline}"] = gain
    return found


def table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Put figures in rows.

    Parameters
    ----------
    found : mapping
        As `evaluate_spaces` gives them.

    Returns
    -------
    DataFrame
        space, question, artists (cold or known), metric, value, low, high, n_seeds;
        a stratum of popularity is a metric too.
    """
    rows = []
    for space, of_space in found.items():
        for asked, figures in of_space.items():
            question, _, artists = asked.rpartition("_")
            about = {"space": space, "question": question, "artists": artists, "n_seeds": figures["n_seeds"]}
            shares = {f"{who}_{i + 1}": s for who, many in figures["strata"].items() for i, s in enumerate(many)}
            plain = {k: {"value": v} for k, v in {**shares, "coverage": figures["coverage"]}.items()}
            told = {k: v for k, v in figures.items() if isinstance(v, dict) and "value" in v} | plain
            rows += [{**about, "metric": metric, **value} for metric, value in told.items()]
    columns = ["space", "question", "artists", "metric", "value", "low", "high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(("value", "low", "high"), float))


class Ranked(NamedTuple):
    """Lists of a space: items by seed, their relevance, their similarity to the seed, and that of any two items.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
    gains : np.ndarray [shape=(n_seeds, k), dtype=float64]
    near : np.ndarray [shape=(n_seeds, k), dtype=float64]
        NaN where a list has ended.
    chance : float
    """

    preds: np.ndarray
    gains: np.ndarray
    near: np.ndarray
    chance: float


def _rank(question: Query, similarities: Iterator[tuple[Query, np.ndarray]], k: int) -> Ranked:
    """Rank all items for some seeds at a time."""
    preds, gains, near, total, n_open = [], [], [], 0.0, 0
    for part, similarity in similarities:
        here = part.rank(similarity, k)
        preds.append(here)
        gains.append(part.look_up(here))
        near.append(np.where(here >= 0, np.take_along_axis(similarity, np.maximum(here, 0), axis=1), np.nan))
        is_open = ~part.banned
        total, n_open = total + float(similarity[is_open].sum()), n_open + int(is_open.sum())
    chance = total / max(n_open, 1)
    return Ranked(np.concatenate(preds), np.concatenate(gains), np.concatenate(near), chance)


def _similarities(
    name: str, spaces: Mapping[str, np.ndarray], question: Query, liked: np.ndarray, seed: int, metric: Metric
) -> Iterator[tuple[Query, np.ndarray]]:
    """Yield a space's similarity of every item to some seeds at a time, with these."""
    drawn, items = np.random.default_rng(seed), question.items(spaces[name], metric) if name in spaces else liked
    for part in question.parts():
        shape = len(part.seeds), question.n_items
        if name in spaces:
            yield part, part.similarity(items, metric)
        else:
            yield part, drawn.random(shape) if name == "random" else np.broadcast_to(liked, shape)


def _by_item(popularity: np.ndarray, question: Query) -> np.ndarray:
    n_items = question.n_items
    return np.bincount(question.owner, popularity, n_items) / np.bincount(question.owner, minlength=n_items)


def _of_lists(ranked: Ranked, apart: np.ndarray, popularity: np.ndarray) -> dict[str, np.ndarray]:
    """Return what lists are like that have no right answer."""
    return {
        "intra_list_diversity": intra_list_diversity(ranked.preds, unit(apart)),
        "novelty": novelty(ranked.preds, popularity),
        "far_off": far_off(ranked.near, ranked.chance),
    }


def _shares(preds: np.ndarray, stratum: np.ndarray) -> dict[str, list[float]]:
    """Compare what is recommended with what there is, by stratum of popularity, the most popular first."""
    listed = stratum[preds[preds >= 0]]
    return {
        "recommended": (np.bincount(listed, minlength=N_STRATA) / max(len(listed), 1)).round(6).tolist(),
        "items": (np.bincount(stratum, minlength=N_STRATA) / len(stratum)).round(6).tolist(),
    }
