"""Metrics of candidates that predict the artist space: cosines, and rankings for cold artists."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import DataError
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.evaluation.similarity.ranking import compute_metrics, difference, summarise
from ostinato.metrics.embedding import METRICS, compute_cosines

K = 20
"""Length of rankings of related artists."""


def evaluate_vectors(
    rows: pd.DataFrame,
    artists: pd.DataFrame,
    confidence: float,
    seed: int,
    ranks: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Evaluate predicted vectors.

    Parameters
    ----------
    rows : DataFrame
        artist, genre, tags, split and logits (the predicted vector) of each track.
    artists : DataFrame
        artist, related and vector. The vector of a cold artist, which was not used in
        training, is the mean of its known relatives' vectors.
    confidence : float
        Confidence of the intervals, over artists.
    seed : int
        Seed for sampling known artists if there are many.
    ranks : tuple, optional
        From `rank_artists`; default: computed here.

    Returns
    -------
    dict
        ``test``: the cosine of test tracks, and metrics of rankings of all artists for each
        cold one, by the mean predicted vectors of their tracks; ``validation``: the cosine;
        ``baseline``: the cosine of the mean vector of the training artists.

    Raises
    ------
    DataError
        If no artist of a test track has a relation.
    """
    preds = np.stack(rows["logits"].to_list()).astype(np.float64)
    vectors = dict(zip(artists["artist"], artists["vector"], strict=True))
    targets = [vectors.get(artist) for artist in rows["artist"]]
    target = np.stack([np.zeros(preds.shape[1]) if v is None else np.asarray(v, np.float64) for v in targets])
    split = rows["split"].to_numpy()
    is_cold = split == "test"
    metrics, seeds = ranks or rank_artists(rows, artists, seed)

    def estimate(values: Mapping[str, np.ndarray], groups: np.ndarray) -> dict[str, Any]:
        return summarise(values, groups, confidence, (-1, 1))

    cold_artists = rows["artist"].astype(str).to_numpy()[is_cold]
    cosines = compute_cosines(preds, target)
    mean = np.broadcast_to(target[split == "train"].mean(axis=0), preds.shape)
    return {
        "test": estimate({n: metrics[n] for n in METRICS if n in metrics}, seeds)
        | estimate({"cosine": cosines[is_cold]}, cold_artists),
        "validation": {"cosine": _average(cosines[split == "validation"])},
        "baseline": {"mean": estimate({"cosine": compute_cosines(mean, target)[is_cold]}, cold_artists)},
        "split": {"n_tracks": len(rows), "n_test": int(is_cold.sum()), "n_groups": len(set(cold_artists))},
    }


def compute_gain(
    new: pd.DataFrame,
    old: pd.DataFrame,
    artists: pd.DataFrame,
    metric: str,
    confidence: float,
    seed: int,
) -> dict[str, float | None]:
    """Compute the gain of one candidate over another in a metric of rankings for cold artists.

    Parameters
    ----------
    new, old : DataFrame
        As for `evaluate_vectors`, with the same tracks in the same order.
    artists : DataFrame
        With artist and related.
    metric : {"map", "ndcg", "jaccard"}
    confidence : float
        Confidence of the interval, over artists.
    seed : int
        As for `evaluate_vectors`.

    Returns
    -------
    dict
        ``{"value", "low", "high"}`` of new minus old.

    Raises
    ------
    DataError
        If no artist of a test track has a relation.
    """
    (new_metrics, seeds), (old_metrics, _) = (rank_artists(rows, artists, seed) for rows in (new, old))
    return difference(new_metrics[metric], old_metrics[metric], seeds, confidence)


def rank_artists(rows: pd.DataFrame, artists: pd.DataFrame, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rank all artists for each cold one, and compute the metrics of each ranking.

    Parameters
    ----------
    rows, artists : DataFrame
        As for `evaluate_vectors`.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_cold,)]
        By metric; NaN for artists without relations.
    np.ndarray [shape=(n_cold,)]
        Names of the cold artists.

    Raises
    ------
    DataError
        If no artist of a test track has a relation.
    """
    split = rows["split"].to_numpy()
    related = {artist: set(near) for artist, near in zip(artists["artist"], artists["related"], strict=True)}
    queries = build_queries(rows, related, cold=split == "test", known=split == "train", seed=seed)
    query = next((q for q in queries if (q.name, q.split) == ("related", "cold")), None)
    if query is None:
        raise DataError("no artist of a test track is related to another one; raise split.test")
    items = query.embed_items(np.stack(rows["logits"].to_list()).astype(np.float64))
    return compute_metrics(query.rank(items[query.seeds] @ items.T, K), query.target), query.groups


def _average(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return round(float(defined.mean()), 6) if len(defined) else None
