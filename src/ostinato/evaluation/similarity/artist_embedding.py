"""Figures of a candidate that learned the artist space: cosines, and the neighbours of cold artists."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import DataError
from ostinato.evaluation.similarity.queries import questions
from ostinato.evaluation.similarity.ranking import difference, per_seed, summarise
from ostinato.metrics.embedding import METRICS, cosines

RANKED = 20
"""Length of the lists of related artists."""


def figures(
    rows: pd.DataFrame,
    artists: pd.DataFrame,
    confidence: float,
    seed: int,
    ranks: tuple[dict[str, np.ndarray], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Judge predicted directions.

    Parameters
    ----------
    rows : DataFrame
        Of each track artist, genre, tags, split and logits, the predicted vector.
    artists : DataFrame
        artist, related and vector. A cold artist's vector is the mean of its known
        relatives'; none was trained on.
    confidence : float
        Of the intervals, over artists.
    seed : int
        Draws the artists that are asked about where there are many.
    ranks : tuple, optional
        What `rank_artists` returned; default: computed here.

    Returns
    -------
    dict
        ``test``: cosine of test tracks, and rankings of all artists for each cold
        one, both by the mean predicted direction of their tracks; ``validation``;
        ``baseline``: what the mean direction of the training artists would get.

    Raises
    ------
    DataError
        If no test track's artist is related to anyone.
    """
    preds = np.stack(rows["logits"].to_list()).astype(np.float64)
    vectors = dict(zip(artists["artist"], artists["vector"], strict=True))
    known = [vectors.get(artist) for artist in rows["artist"]]
    target = np.stack([np.zeros(preds.shape[1]) if v is None else np.asarray(v, np.float64) for v in known])
    split = rows["split"].to_numpy()
    cold = split == "test"
    of_seed, seeds = ranks or rank_artists(rows, artists, seed)

    def sure(values: Mapping[str, np.ndarray], groups: np.ndarray) -> dict[str, Any]:
        return summarise(values, groups, confidence, (-1, 1))

    who = rows["artist"].astype(str).to_numpy()
    mean = np.broadcast_to(target[split == "train"].mean(axis=0), preds.shape)
    return {
        "test": sure({n: of_seed[n] for n in METRICS if n in of_seed}, seeds)
        | sure({"cosine": cosines(preds, target)[cold]}, who[cold]),
        "validation": {"cosine": _value(cosines(preds, target)[split == "validation"])},
        "baseline": {"mean": sure({"cosine": cosines(mean, target)[cold]}, who[cold])},
        "split": {"n_tracks": len(rows), "n_test": int(cold.sum()), "n_groups": len(set(who[cold]))},
    }


def gain(
    new: pd.DataFrame,
    old: pd.DataFrame,
    artists: pd.DataFrame,
    metric: str,
    confidence: float,
    seed: int,
) -> dict[str, float | None]:
    """Return how much better one candidate ranks the artists for each cold one than another does.

    Parameters
    ----------
    new, old : DataFrame
        As for `figures`, of the same tracks in the same order.
    artists : DataFrame
        With artist and related.
    metric : {"map", "ndcg", "jaccard"}
    confidence : float
        Of the interval, over artists.
    seed : int
        As for `figures`.

    Returns
    -------
    dict
        ``{"value", "low", "high"}`` of new minus old.

    Raises
    ------
    DataError
        If no test track's artist is related to anyone.
    """
    (mine, seeds), (theirs, _) = (rank_artists(rows, artists, seed) for rows in (new, old))
    return difference(mine[metric], theirs[metric], seeds, confidence)


def rank_artists(rows: pd.DataFrame, artists: pd.DataFrame, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rank all artists for each cold one and compute the metrics of each ranking.

    Parameters
    ----------
    rows, artists : DataFrame
        As for `figures`.
    seed : int

    Returns
    -------
    dict of str to np.ndarray [shape=(n_cold,)]
        Per metric, NaN for an artist without an answer.
    np.ndarray [shape=(n_cold,)]
        The names of the cold artists.

    Raises
    ------
    DataError
        If no test track's artist is related to anyone.
    """
    split = rows["split"].to_numpy()
    related = {artist: set(near) for artist, near in zip(artists["artist"], artists["related"], strict=True)}
    every = questions(rows, related, cold=split == "test", known=split == "train", seed=seed)
    asked = next((q for q in every if (q.name, q.split) == ("related", "cold")), None)
    if asked is None:
        raise DataError("no artist of a test track is related to another one; raise split.test")
    items = asked.items(np.stack(rows["logits"].to_list()).astype(np.float64))
    return per_seed(asked.rank(items[asked.seeds] @ items.T, RANKED), asked.target), asked.groups


def _value(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 6) if len(known) else None
