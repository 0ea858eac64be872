"""Evaluation of recommendations by what listeners heard after a date; what they heard before is never recommended."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from ostinato.evaluation.similarity.ranking import difference, summarise
from ostinato.listening.blend import History, Hybrid, find_similar, iterate_batches, rank, sample_listeners
from ostinato.metrics.ranking import compute_metrics, coverage, describe_lists, novelty

SYSTEMS = ("random", "popular", "similar", "content", "factors", "hybrid")
"""`similar` ranks by the cosine of sound to the mean of what was heard, `content` by factors from sound."""
MAIN_METRIC = "map"
METRICS = ("map", "ndcg", "recall", "hit_rate")
HYBRID = "hybrid"
MAX_LISTENERS = 2000
"""Number of listeners who are asked; of more a random sample."""


class Scored(NamedTuple):
    """Lists of one system for one group of tracks.

    Parameters
    ----------
    values : dict of str to np.ndarray [shape=(n_listeners,)]
    preds : np.ndarray [shape=(n_listeners, k), dtype=int64]
        Indices of tracks; -1 after the end.
    """

    values: dict[str, np.ndarray]
    preds: np.ndarray


def evaluate(
    hybrid: Hybrid,
    history: History,
    later: csr_matrix,
    vectors: np.ndarray,
    *,
    k: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Evaluate all systems, by tracks with and without plays and listeners with and without a history.

    Parameters
    ----------
    hybrid : Hybrid
    history : History
        Of the plays before the date.
    later : csr_matrix [shape=(n_listeners, n_tracks)]
        Plays to the end after it.
    vectors : np.ndarray [shape=(n_tracks, d)]
        Of the tracks' sound.
    k : int
        Length of rankings.
    confidence : float
    seed : int

    Returns
    -------
    DataFrame
        system, tracks (all, warm, cold), listeners (all, warm, new), metric, value, low, high, n_listeners. Intervals
        are over listeners; ``map_above_<system>`` is a paired difference of the hybrid.
    """
    rows = sample_listeners(np.flatnonzero(np.diff(later.indptr) > 0), MAX_LISTENERS, seed)
    is_warm = hybrid.n_plays > 0
    masks = {"all": np.ones_like(is_warm), "warm": is_warm, "cold": ~is_warm}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    has_history = np.diff(history.counts.indptr)[rows] > 0
    groups = {"all": np.ones_like(has_history), "warm": has_history, "new": ~has_history}
    found = _rank_all(hybrid, history, later, vectors, rows, masks, k, seed)
    records: list[dict[str, Any]] = []
    for tracks, mask in masks.items():
        for listeners, chosen in groups.items():
            if chosen.any():
                about = {"tracks": tracks, "listeners": listeners}
                scored = {name: _select(found[name, tracks], chosen) for name in SYSTEMS}
                records += [about | r for r in _summarise(scored, rows[chosen], hybrid.n_plays, mask, confidence)]
    return _tabulate(records)


def tabulate_nothing() -> pd.DataFrame:
    """Return the table of `evaluate` without a row."""
    return _tabulate([])


def _tabulate(records: list[dict[str, Any]]) -> pd.DataFrame:
    texts, numbers = ("system", "tracks", "listeners", "metric"), ("value", "low", "high")
    columns = [*texts, *numbers, "n_listeners"]
    types = dict.fromkeys(texts, "str") | dict.fromkeys(numbers, "float64") | {"n_listeners": "int64"}
    return pd.DataFrame(records, columns=columns).astype(types)


def _rank_all(
    hybrid: Hybrid,
    history: History,
    later: csr_matrix,
    vectors: np.ndarray,
    rows: np.ndarray,
    masks: Mapping[str, np.ndarray],
    k: int,
    seed: int,
) -> dict[tuple[str, str], Scored]:
    """Rank the tracks of each group by each system."""
    parts: dict[tuple[str, str], list[Scored]] = {(s, t): [] for s in SYSTEMS for t in masks}
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(norm > 0, norm, 1)
    profiles, rng = find_similar(history, units), np.random.default_rng(seed)
    ties = 1e-6 * rng.random(len(vectors))
    for batch, is_barred, target in iterate_batches(history, later, rows):
        scores = hybrid.score(batch, history.skips) | {
            "random": rng.random(target.shape),
            "popular": np.broadcast_to(hybrid.n_plays + ties, target.shape),
            "similar": profiles[batch] @ units.T,
        }
        for name, tracks in parts:
            chosen = np.flatnonzero(masks[tracks])
            preds = rank(scores[name][:, chosen], is_barred[:, chosen], k)
            lists = describe_lists(preds, target[:, chosen])
            values = {m: x for m, x in compute_metrics(lists).items() if m in METRICS}
            original = np.where(preds >= 0, chosen[np.maximum(preds, 0)], -1)
            values |= _describe_popularity(original, hybrid.n_plays, masks[tracks])
            parts[name, tracks].append(Scored(values, original))
    return {key: _concatenate(scored) for key, scored in parts.items() if scored}


def _describe_popularity(preds: np.ndarray, n_plays: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the novelty of lists, and the plays of their tracks relative to those of the group's average track."""
    popularity, is_listed = 1.0 + n_plays, preds >= 0
    total = np.where(is_listed, popularity[np.maximum(preds, 0)], 0).sum(axis=1)
    mean = total / np.where(is_listed.any(axis=1), is_listed.sum(axis=1), np.nan)
    return {"novelty": novelty(preds, popularity), "popularity_lift": mean / popularity[mask].mean()}


def _concatenate(parts: list[Scored]) -> Scored:
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    return Scored(values, np.concatenate([part.preds for part in parts]))


def _select(scored: Scored, chosen: np.ndarray) -> Scored:
    return Scored({name: x[chosen] for name, x in scored.values.items()}, scored.preds[chosen])


def _summarise(
    scored: Mapping[str, Scored], listeners: np.ndarray, n_plays: np.ndarray, mask: np.ndarray, confidence: float
) -> Iterator[dict[str, Any]]:
    """Yield each metric of each system with its interval, and the hybrid's differences."""
    n_asked = int((~np.isnan(scored[HYBRID].values[MAIN_METRIC])).sum())
    for name, (values, preds) in scored.items():
        estimates: dict[str, Any] = summarise(values, listeners, confidence, (0.0, float("inf")))
        estimates["coverage"] = {"value": coverage(preds, int(mask.sum()))}
        for metric in METRICS[:2] if name != HYBRID else ():
            gain = difference(scored[HYBRID].values[metric], values[metric], listeners, confidence)
            yield {"system": HYBRID, "metric": f"{metric}_above_{name}", "n_listeners": n_asked, **gain}
        for metric, estimate in estimates.items():
            yield {"system": name, "metric": metric, "n_listeners": n_asked, **estimate}


def get_estimate(table: pd.DataFrame, system: str, metric: str, tracks: str, listeners: str) -> dict[str, float | None]:
    """Return one figure of the table of `evaluate`, with its interval; None where undefined."""
    chosen = table[
        (table["system"] == system)
        & (table["metric"] == metric)
        & (table["tracks"] == tracks)
        & (table["listeners"] == listeners)
    ]
    ends = ("value", "low", "high")
    if not len(chosen):
        return dict.fromkeys(ends)
    row = chosen.iloc[0]
    return {end: None if pd.isna(row[end]) else round(float(row[end]), 6) for end in ends}
