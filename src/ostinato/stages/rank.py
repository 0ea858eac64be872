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
from ostinato.core.summary import AUDIO, choose_metric, is_indicator, vector
from ostinato.core.task import COLUMNS
from ostinato.errors import ParamsError
from ostinato.evaluation.similarity import clusters
from ostinato.evaluation.similarity.leaderboard import LEADING, evaluate_spaces, to_table
from ostinato.evaluation.similarity.queries import build_queries
from ostinato.io.files import atomic_write, read_json, read_parquet, write_json
from ostinato.release.gate import judge

SECTIONS = ("seed", "evaluate", "recommend", "gate", "candidates", "estimators", "stacked")
TASK, SPACE, META = "artist_embedding", "space", "meta.json"
CONSTANT = "majority"
"""The estimator that looks at nothing, so that its input is no space of its own."""
SURE_GAIN = "sure_gain"
"""The lower end of the interval of the leading figure above the baseline's; gate.space may bound it like a figure."""


def run(paths: Paths, params: Params) -> None:
    """Judge all spaces that params.yaml names.

    The first fold's embeddings are judged, since they are of one network, on the
    tracks that all spaces hold.
    """
    splits = read_parquet(paths.splits)
    splits = splits[splits["fold"] == splits["fold"].min()].set_index("track_id")["split"]
    columns = ["track_id", "artist", "genre", "tags", "content_hash"]
    tracks = read_parquet(paths.tracks, columns=columns).sort_values("track_id")
    kind = params.recommend.baseline
    if kind in get_candidates(params):
        raise ParamsError(f"recommend.baseline: {kind} is a candidate too; name a feature that no candidate is called")
    folder = paths.feature(kind)
    if reason := find_obstacle(folder) if (folder / META).exists() else f"the dataset has no feature {kind}":
        write_json(paths.ranking, {"skipped": f"{reason}; let recommend.baseline name another feature than {kind}"})
        _write(paths, {})
        return
    store, (read, skipped) = Store(paths.feature(kind)), _read(paths, params)
    held = [splits.index, store, *(vectors.index for vectors in read.values())]
    tracks = tracks[[all(i in holder for holder in held) for i in tracks["track_id"]]].reset_index(drop=True)
    split = splits.reindex(tracks["track_id"]).to_numpy()
    related = _read_related(paths)
    spaces = {n: np.stack(v.reindex(tracks["track_id"]).to_list()).astype(np.float64) for n, v in read.items()}
    for name, entry in get_candidates(params).items():
        if name in spaces and COLUMNS[entry.task] != "embedding":
            spaces[name] -= spaces[name][split == "train"].mean(axis=0)
    spaces[kind] = _statistics(store, tracks["track_id"], split == "train")
    asked = build_queries(tracks, related, cold=split == "test", known=split == "train", seed=params.seed)
    found = evaluate_spaces(
        spaces,
        list(asked),
        popularity=_popularity(tracks, related, split == "test"),
        baseline=kind,
        k=params.recommend.k,
        confidence=params.evaluate.confidence,
        seed=params.seed,
        by_distance=_by_distance(paths, params, list(spaces)),
    )
    _write(paths, found)
    question, kept = _choose_query(found), (LEADING, f"{LEADING}_above_{kind}", *params.gate.get(SPACE, {}))
    counts = {n: f.get(question, {}) for n, f in found.items()}
    said = {
        "k": params.recommend.k,
        "baseline": kind,
        "question": question,
        "spaces": {n: {m: figures[m] for m in kept if m in figures} for n, figures in counts.items()},
        "skipped": skipped,
        "gate": _gate(
            counts, [n for n in get_candidates(params) if n in spaces], f"{LEADING}_above_{kind}", params.gate
        ),
    }
    if store.meta.get("source", AUDIO) != AUDIO and (split == "train").sum() > clusters.MAX_CLUSTERS:
        genre = tracks["genre"].fillna("unknown")
        said["clusters"] = clusters.cluster_tracks(spaces[kind][split == "train"], genre[split == "train"], params.seed)
    write_json(paths.ranking, said)


def _write(paths: Paths, found: dict[str, Any]) -> None:
    with atomic_write(paths.ranking_table) as partial:
        to_table(found).to_parquet(partial, index=False, write_page_checksum=True)


def _choose_query(found: dict[str, Any]) -> str:
    """Choose what decides: related artists of cold ones, or tracks of the same genre where none are known."""
    asked = next(iter(found.values()))
    return "related_cold" if "related_cold" in asked else "genre_cold"


def _read_related(paths: Paths) -> dict[str, set[str]] | None:
    file = paths.target(TASK) / "artists.parquet"
    if not file.exists():
        return None
    table = read_parquet(file, columns=["artist", "related"])
    return {artist: set(near) for artist, near in zip(table["artist"], table["related"], strict=True)}


def _popularity(tracks: pd.DataFrame, related: dict[str, set[str]] | None, cold: np.ndarray) -> np.ndarray:
    """Count an artist's relations among known artists, or, where there are none, its tracks.

    One is added, so that none is 0. What cold artists are related to is not known.
    """
    counts = tracks["artist"].value_counts()
    if related is not None:
        unknown = set(tracks.loc[cold, "artist"].dropna())
        counts = pd.Series({a: 0 if a in unknown else len(near - unknown) for a, near in related.items()})
    return 1.0 + tracks["artist"].map(counts).fillna(0).to_numpy(float)


def _read(paths: Paths, params: Params) -> tuple[dict[str, pd.Series], dict[str, str]]:
    """Read the vectors of every candidate, by track.

    They are its embeddings, whose common mean is taken off later, or the directions
    it was trained to give.
    """
    found, skipped = {}, {}
    for name, entry in get_candidates(params).items():
        if entry.architecture == CONSTANT:
            skipped[name] = "it looks at nothing, so that it has no space"
            continue
        folder = paths.predictions(name)
        if (folder / "skipped.json").exists():
            skipped[name] = read_json(folder / "skipped.json")["skipped"]
            continue
        column = "logits" if COLUMNS[entry.task] == "embedding" else "embedding"
        table = read_parquet(folder / "predictions.parquet", columns=["track_id", "fold", column])
        found[name] = table[table["fold"] == table["fold"].min()].set_index("track_id")[column]
    return found, skipped


def _by_distance(paths: Paths, params: Params, names: list[str]) -> set[str]:
    """Return the spaces whose vectors are columns of a table: the baseline's, and those of estimators that read one."""
    features = {params.recommend.baseline: params.recommend.baseline}
    features |= {name: entry.feature for name, entry in params.estimators.items()}
    metas = {n: read_json(paths.feature(str(features[n])) / META) for n in names if n in features}
    return {n for n, meta in metas.items() if choose_metric(str(meta.get("source", AUDIO))) == "euclidean"}


def _statistics(store: Store, track_ids: pd.Series, train: np.ndarray) -> np.ndarray:
    """Standardise the statistics of a feature by the training tracks; indicators stay as they are."""
    source = str(store.meta.get("source", AUDIO))
    statistics = np.stack([vector(store.read(i), source) for i in track_ids]).astype(np.float64)
    mean, std = statistics[train].mean(axis=0), statistics[train].std(axis=0)
    mean[is_indicator(statistics[train])], std[is_indicator(statistics[train])] = 0, 1
    return (statistics - mean) / np.where(std > 0, std, 1)


def _gate(found: dict[str, Any], names: list[str], gain: str, gate: dict[str, Any]) -> dict[str, Any]:
    """Hold the spaces of candidates against the thresholds; `gain` names what they have above the baseline."""
    entries = [Entry(n, "", "", SPACE) for n in names]
    figures = {n: {"test": f and f | {SURE_GAIN: {"value": f[gain]["low"]}}} for n, f in found.items() if n in names}
    figures = {n: {"skipped": "no cold seed has anything relevant"} if not f["test"] else f for n, f in figures.items()}
    kept = [e for e in entries if "skipped" not in figures[e.name]]
    refused = {n: {"accepted": False, "reasons": [f["skipped"]]} for n, f in figures.items() if "skipped" in f}
    return refused | judge(kept, figures, gate)
