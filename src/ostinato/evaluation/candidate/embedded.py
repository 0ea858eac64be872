"""Figures of a candidate that learned the artist space: cosines, and the neighbours of cold artists."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ostinato.errors import DataError
from ostinato.evaluation.candidate.questions import questions
from ostinato.evaluation.candidate.rankings import per_seed, summarised
from ostinato.metrics.embedding import METRICS, cosines

RANKED = 20
"""Length of the lists of related artists."""


def figures(rows: pd.DataFrame, artists: pd.DataFrame, *, n_resamples: int, level: float, seed: int) -> dict[str, Any]:
    """Judge predicted directions.

    Parameters
    ----------
    rows : DataFrame
        Of each track artist, genre, tags, split and logits, the predicted vector.
    artists : DataFrame
        artist, related and vector. A cold artist's vector is the mean of its known
        relatives'; none was trained on.
    n_resamples, level, seed
        Of the intervals, over artists.

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
    asked = [q for q in _asked(rows, artists, cold, split == "train", seed) if (q.name, q.split) == ("related", "cold")]
    if not asked:
        raise DataError("no artist of a test track is related to another one; raise split.test")
    items = asked[0].items(preds)
    of_seed = per_seed(asked[0].ranked(items[asked[0].seeds] @ items.T, RANKED), asked[0].target)

    def sure(values: Mapping[str, np.ndarray], groups: np.ndarray) -> dict[str, Any]:
        return summarised(values, groups, n_resamples=n_resamples, level=level, seed=seed)

    who = rows["artist"].astype(str).to_numpy()
    mean = np.broadcast_to(target[split == "train"].mean(axis=0), preds.shape)
    return {
        "test": sure({n: of_seed[n] for n in METRICS if n in of_seed}, asked[0].groups)
        | sure({"cosine": cosines(preds, target)[cold]}, who[cold]),
        "validation": {"cosine": _value(cosines(preds, target)[split == "validation"])},
        "baseline": {"mean": sure({"cosine": cosines(mean, target)[cold]}, who[cold])},
        "split": {"n_tracks": len(rows), "n_test": int(cold.sum()), "n_groups": len(set(who[cold]))},
    }


def _asked(rows: pd.DataFrame, artists: pd.DataFrame, cold: np.ndarray, known: np.ndarray, seed: int) -> Any:
    related = {artist: set(near) for artist, near in zip(artists["artist"], artists["related"], strict=True)}
    return questions(rows, related, cold=cold, known=known, seed=seed)


def _value(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 6) if len(known) else None
