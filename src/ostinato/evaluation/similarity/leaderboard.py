"""Evaluation of similarity spaces by queries, with random, popularity and MFCC baselines."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ostinato.core.summary import Metric
from ostinato.evaluation.similarity.queries import Query, unit
from ostinato.evaluation.similarity.ranking import difference, summarise
from ostinato.metrics.ranking import (
    Lists,
    assign_strata,
    compute_metrics,
    count_listed,
    coverage,
    describe_relevance,
    far_off,
    intra_list_diversity,
    novelty,
)

N_STRATA = 4
MAIN_METRIC = "map"


def evaluate_spaces(
    spaces: Mapping[str, np.ndarray],
    queries: Sequence[Query],
    *,
    popularity: np.ndarray,
    baseline: str,
    k: int,
    confidence: float,
    seed: int,
    by_distance: Collection[str] = (),
) -> dict[str, Any]:
    """Evaluate all spaces by all queries.

    Parameters
    ----------
    spaces : mapping of str to np.ndarray [shape=(n_tracks, d)]
        Vectors of the tracks.
    queries : sequence of Query
    popularity : np.ndarray [shape=(n_tracks,)]
        Popularity of each track, above 0; that of an artist is the mean of its tracks.
    baseline : str
        The space that others are compared with, by paired differences; its vectors also
        measure the diversity of lists.
    k : int
        Length of rankings.
    confidence : float
        Confidence of the intervals.
    seed : int
        Seed of the random baseline.
    by_distance : collection of str
        Spaces with Euclidean distance instead of the cosine.

    Returns
    -------
    dict
        ``{space: {"<query>_<split>": metrics}}``, with the spaces ``random`` and ``popular``.
    """
    results: dict[str, Any] = {name: {} for name in (*spaces, "random", "popular")}
    for query in queries:
        vectors, item_popularity = query.embed_items(spaces[baseline]), _average_by_item(popularity, query)
        relevance = [describe_relevance(batch.target, k) for batch in query.iterate_batches()]
        n_relevant, best = (np.concatenate(arrays) for arrays in zip(*relevance, strict=True))
        leading: dict[str, np.ndarray] = {}
        for name in results:
            metric: Metric = "euclidean" if name in by_distance else "cosine"
            ranking = _rank(_compute_similarities(name, spaces, query, item_popularity, seed, metric), k)
            values = compute_metrics(Lists(ranking.gains, count_listed(ranking.preds), n_relevant, best))
            leading[name] = values[MAIN_METRIC]
            values |= _describe_lists(ranking, vectors, item_popularity)
            metrics: dict[str, Any] = summarise(values, query.groups, confidence)
            metrics |= {"coverage": round(coverage(ranking.preds, query.n_items), 6)}
            strata = assign_strata(item_popularity, N_STRATA)
            metrics |= {"strata": _compute_shares(ranking.preds, strata), "n_seeds": len(query.seeds)}
            results[name][f"{query.name}_{query.split}"] = metrics
        for name in set(results) - {baseline}:
            gain = difference(leading[name], leading[baseline], query.groups, confidence)
            results[name][f"{query.name}_{query.split}"][f"{MAIN_METRIC}_above_{baseline}"] = gain
    return results


def to_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Convert results to a table, one row per metric.

    Parameters
    ----------
    results : mapping
        From `evaluate_spaces`.

    Returns
    -------
    DataFrame
        space, question, artists (cold or known), metric, value, low, high, n_seeds; shares
        of popularity strata are metrics, too.
    """
    rows = []
    for space, by_query in results.items():
        for query, metrics in by_query.items():
            name, _, artists = query.rpartition("_")
            keys = {"space": space, "question": name, "artists": artists, "n_seeds": metrics["n_seeds"]}
            shares = {f"{kind}_{i + 1}": x for kind, xs in metrics["strata"].items() for i, x in enumerate(xs)}
            numbers = {k: {"value": v} for k, v in {**shares, "coverage": metrics["coverage"]}.items()}
            estimates = {k: v for k, v in metrics.items() if isinstance(v, dict) and "value" in v}
            rows += [{**keys, "metric": k, **v} for k, v in (estimates | numbers).items()]
    columns = ["space", "question", "artists", "metric", "value", "low", "high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(("value", "low", "high"), float))


class Ranking(NamedTuple):
    """Ranked lists of a space.

    Parameters
    ----------
    preds : np.ndarray [shape=(n_seeds, k), dtype=int64]
        Indices of items; -1 after the end of a list.
    gains : np.ndarray [shape=(n_seeds, k), dtype=float64]
        Relevance of the items.
    similarity : np.ndarray [shape=(n_seeds, k), dtype=float64]
        Similarity to the seed; NaN after the end of a list.
    chance : float
        Mean similarity of a seed and any item.
    """

    preds: np.ndarray
    gains: np.ndarray
    similarity: np.ndarray
    chance: float


def _rank(batches: Iterator[tuple[Query, np.ndarray]], k: int) -> Ranking:
    """Rank all items for each batch of seeds."""
    preds, gains, nearest, total, n_pairs = [], [], [], 0.0, 0
    for batch, similarity in batches:
        ranking = batch.rank(similarity, k)
        preds.append(ranking)
        gains.append(batch.get_relevance(ranking))
        nearest.append(np.where(ranking >= 0, np.take_along_axis(similarity, np.maximum(ranking, 0), axis=1), np.nan))
        is_included = ~batch.is_excluded
        total, n_pairs = total + float(similarity[is_included].sum()), n_pairs + int(is_included.sum())
    return Ranking(np.concatenate(preds), np.concatenate(gains), np.concatenate(nearest), total / max(n_pairs, 1))


def _compute_similarities(
    name: str, spaces: Mapping[str, np.ndarray], query: Query, popularity: np.ndarray, seed: int, metric: Metric
) -> Iterator[tuple[Query, np.ndarray]]:
    """Yield batches of seeds with the similarities of all items to them."""
    rng, items = np.random.default_rng(seed), query.embed_items(spaces[name], metric) if name in spaces else popularity
    for batch in query.iterate_batches():
        shape = len(batch.seeds), query.n_items
        if name in spaces:
            yield batch, batch.compute_similarity(items, metric)
        else:
            yield batch, rng.random(shape) if name == "random" else np.broadcast_to(popularity, shape)


def _average_by_item(values: np.ndarray, query: Query) -> np.ndarray:
    n_items = query.n_items
    return np.bincount(query.item_of_track, values, n_items) / np.bincount(query.item_of_track, minlength=n_items)


def _describe_lists(ranking: Ranking, vectors: np.ndarray, popularity: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the properties of lists that do not depend on relevance."""
    return {
        "intra_list_diversity": intra_list_diversity(ranking.preds, unit(vectors)),
        "novelty": novelty(ranking.preds, popularity),
        "far_off": far_off(ranking.similarity, ranking.chance),
    }


def _compute_shares(preds: np.ndarray, stratum: np.ndarray) -> dict[str, list[float]]:
    """Compute the shares of popularity strata among recommended and among all items, the most popular first."""
    listed = stratum[preds[preds >= 0]]
    return {
        "recommended": (np.bincount(listed, minlength=N_STRATA) / max(len(listed), 1)).round(6).tolist(),
        "items": (np.bincount(stratum, minlength=N_STRATA) / len(stratum)).round(6).tolist(),
    }
