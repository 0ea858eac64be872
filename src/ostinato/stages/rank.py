"""Evaluate every candidate's embeddings for similarity search.

models/ranking.json holds what decides, the leading figures of the question that
counts; models/ranking.parquet all figures of all questions.
"""

from typing import Any

import numpy as np
import pandas as pd

from ostinato.cache.store import Store, find_obstacle
from ostinato.core.candidates import Entry, get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.summary import AUDIO, choose_metric, is_indicator, read_vectors
from ostinato.core.task import COLUMNS
from ostinato.errors import ParamsError
from ostinato.evaluation.similarity import clusters
from ostinato.evaluation.similarity.leaderboard import MAIN_METRIC, evaluate_spaces, to_table
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.io.files import atomic_write, read_json, read_parquet, write_json
from ostinato.release.gate import judge

SECTIONS = ("seed", "evaluate", "recommend", "gate", "candidates", "estimators", "stacked")
TASK, SPACE, META = "artist_embedding", "space", "meta.json"
CONSTANT_ESTIMATOR = "majority"
"""Estimator that ignores its input, so that it has no space of its own."""
SURE_GAIN = "sure_gain"
"""Lower end of the interval of the gain over the baseline; gate.space may bound it like a metric."""


def run(paths: Paths, params: Params) -> None:
    """Evaluate all spaces of params.yaml.

    Only the embeddings of the first fold are used, since those of other folds are from other
    networks, and only tracks that are in all spaces.
    """
    splits = read_parquet(paths.splits)
    splits = splits[splits["fold"] == splits["fold"].min()].set_index("track_id")["split"]
    columns = ["track_id", "artist", "genre", "tags", "content_hash"]
    tracks = read_parquet(paths.tracks, columns=columns).sort_values("track_id")
    kind = params.recommend.baseline
    if kind in get_candidates(params):
        raise ParamsError(f"recommend.baseline: {kind} is also the name of a candidate; name another feature")
    folder = paths.feature(kind)
    if reason := find_obstacle(folder) if (folder / META).exists() else f"the dataset has no feature {kind}":
        write_json(paths.ranking, {"skipped": f"{reason}; set recommend.baseline to another feature"})
        _write(paths, {})
        return
    store, (vectors, skipped) = Store(paths.feature(kind)), _read_vectors(paths, params)
    sets = [splits.index, store, *(space.index for space in vectors.values())]
    tracks = tracks[[all(i in ids for ids in sets) for i in tracks["track_id"]]].reset_index(drop=True)
    split = splits.reindex(tracks["track_id"]).to_numpy()
    related = _read_related(paths)
    spaces = {n: np.stack(v.reindex(tracks["track_id"]).to_list()).astype(np.float64) for n, v in vectors.items()}
    for name, entry in get_candidates(params).items():
        if name in spaces and COLUMNS[entry.task] != "embedding":
            spaces[name] -= spaces[name][split == "train"].mean(axis=0)
    spaces[kind] = _standardise(store, tracks["track_id"], split == "train")
    queries = build_queries(tracks, related, cold=split == "test", known=split == "train", seed=params.seed)
    results = evaluate_spaces(
        spaces,
        list(queries),
        popularity=_compute_popularity(tracks, related, split == "test"),
        baseline=kind,
        k=params.recommend.k,
        confidence=params.evaluate.confidence,
        seed=params.seed,
        by_distance=_find_by_distance(paths, params, list(spaces)),
    )
    _write(paths, results)
    query, names = (
        _choose_query(results),
        (MAIN_METRIC, f"{MAIN_METRIC}_above_{kind}", *params.gate.get(SPACE, {})),
    )
    metrics = {space: by_query.get(query, {}) for space, by_query in results.items()}
    ranking = {
        "k": params.recommend.k,
        "baseline": kind,
        "question": query,
        "spaces": {space: {m: values[m] for m in names if m in values} for space, values in metrics.items()},
        "skipped": skipped,
        "gate": _gate(
            metrics, [n for n in get_candidates(params) if n in spaces], f"{MAIN_METRIC}_above_{kind}", params.gate
        ),
    }
    if store.meta.get("source", AUDIO) != AUDIO and (split == "train").sum() > clusters.MAX_CLUSTERS:
        genre = tracks["genre"].fillna("unknown")
        x = spaces[kind][split == "train"]
        ranking["clusters"] = clusters.cluster_tracks(x, genre[split == "train"], params.seed)
    write_json(paths.ranking, ranking)


def _write(paths: Paths, results: dict[str, Any]) -> None:
    with atomic_write(paths.ranking_table) as partial:
        to_table(results).to_parquet(partial, index=False, write_page_checksum=True)


def _choose_query(results: dict[str, Any]) -> str:
    """Choose the query that decides: related artists of cold ones or, without relations, tracks of the same genre."""
    by_query = next(iter(results.values()))
    return "related_cold" if "related_cold" in by_query else "genre_cold"


def _read_related(paths: Paths) -> dict[str, set[str]] | None:
    file = paths.target(TASK) / "artists.parquet"
    if not file.exists():
        return None
    table = read_parquet(file, columns=["artist", "related"])
    return {artist: set(near) for artist, near in zip(table["artist"], table["related"], strict=True)}


def _compute_popularity(tracks: pd.DataFrame, related: dict[str, set[str]] | None, cold: np.ndarray) -> np.ndarray:
    """Count the relations of each track's artist to known artists or, without relations, its tracks; plus one.

    Relations of cold artists do not count.
    """
    counts = tracks["artist"].value_counts()
    if related is not None:
        cold_artists = set(tracks.loc[cold, "artist"].dropna())
        counts = pd.Series({a: 0 if a in cold_artists else len(others - cold_artists) for a, others in related.items()})
    return 1.0 + tracks["artist"].map(counts).fillna(0).to_numpy(float)


def _read_vectors(paths: Paths, params: Params) -> tuple[dict[str, pd.Series], dict[str, str]]:
    """Read the vectors of each candidate, by track, and the reasons for skipped candidates.

    Vectors are the predicted ones of embedding tasks, else the embeddings of the network.
    """
    vectors, skipped = {}, {}
    for name, entry in get_candidates(params).items():
        if entry.architecture == CONSTANT_ESTIMATOR:
            skipped[name] = "it ignores its input, so it has no embeddings"
            continue
        folder = paths.predictions(name)
        if (folder / "skipped.json").exists():
            skipped[name] = read_json(folder / "skipped.json")["skipped"]
            continue
        column = "logits" if COLUMNS[entry.task] == "embedding" else "embedding"
        table = read_parquet(folder / "predictions.parquet", columns=["track_id", "fold", column])
        vectors[name] = table[table["fold"] == table["fold"].min()].set_index("track_id")[column]
    return vectors, skipped


def _find_by_distance(paths: Paths, params: Params, names: list[str]) -> set[str]:
    """Find the spaces with Euclidean distance: the baseline and estimators if their features are from a table."""
    features = {params.recommend.baseline: params.recommend.baseline}
    features |= {name: entry.feature for name, entry in params.estimators.items()}
    metas = {n: read_json(paths.feature(str(features[n])) / META) for n in names if n in features}
    return {n for n, meta in metas.items() if choose_metric(str(meta.get("source", AUDIO))) == "euclidean"}


def _standardise(store: Store, track_ids: pd.Series, train: np.ndarray) -> np.ndarray:
    """Standardise the statistics of a feature by the training tracks; indicators are unchanged."""
    statistics = read_vectors(store, track_ids).astype(np.float64)
    mean, std = statistics[train].mean(axis=0), statistics[train].std(axis=0)
    mean[is_indicator(statistics[train])], std[is_indicator(statistics[train])] = 0, 1
    return (statistics - mean) / np.where(std > 0, std, 1)


def _gate(found: dict[str, Any], names: list[str], gain: str, gate: dict[str, Any]) -> dict[str, Any]:
    """Hold the spaces of candidates against the thresholds; `gain` names what they have above the baseline."""
    entries = [Entry(n, "", "", SPACE) for n in names]
    figures = {n: {"test": f and f | {SURE_GAIN: {"value": f[gain]["low"]}}} for n, f in found.items() if n in names}
    figures = {n: {"skipped": "no cold seed has relevant tracks"} if not f["test"] else f for n, f in figures.items()}
    kept = [e for e in entries if "skipped" not in figures[e.name]]
    refused = {n: {"accepted": False, "reasons": [f["skipped"]]} for n, f in figures.items() if "skipped" in f}
    return refused | judge(kept, figures, gate)
