"""Learn artist embeddings from the dataset's relations of artists.

Relations of cold artists, those with test tracks, are never trained on: such an
artist gets the mean direction of the known artists it is related to, for evaluation
only.
"""

from typing import Any

import numpy as np
import pandas as pd

from ostinato import datasets
from ostinato.core import names
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS
from ostinato.curation.artist_graph import Relations, build_relations
from ostinato.errors import DataError
from ostinato.evaluation.similarity.artist_graph import compare_neighbourhoods, score_held_out
from ostinato.evaluation.similarity.ranking import summarise
from ostinato.io.files import atomic_write, read_parquet, write_json
from ostinato.training.artefact import empty

SECTIONS = ("seed", "compute", "dataset", "artists", "evaluate")
TASK = "artist_embedding"


def run(paths: Paths, params: Params) -> None:
    """Write ``data/interim/targets`` and ``models/artists.json``."""
    empty(paths.targets)
    for task, kind in COLUMNS.items():
        if task != TASK:
            write_json(paths.target(task) / "about.json", {"kind": kind, "column": task})
    plugin, options = datasets.load(params.dataset)
    splits = read_parquet(paths.splits)
    reason = _find_skip_reason(plugin, splits)
    if reason is not None:
        write_json(paths.target(TASK) / "about.json", {"skipped": reason})
        write_json(paths.artists, {"skipped": reason})
        return
    tracks = read_parquet(paths.tracks, columns=["track_id", "artist"])
    artists = plugin.artists(datasets.dataset_root(paths, params.dataset), options, seed=params.seed)
    artists = _unify_spelling(artists, tracks["artist"])
    graph = build_relations(artists["artist"].tolist(), _list_pairs(artists))
    test_ids = splits.loc[splits["split"] == "test", "track_id"]
    cold = np.isin(graph.names, tracks.loc[tracks["track_id"].isin(test_ids), "artist"].dropna().to_numpy(str))
    vectors, quality = _fit(graph.restrict(~cold), params)
    table = pd.DataFrame(
        {
            "artist": graph.names,
            "cold": cold,
            "related": [[graph.names[j] for j in graph.neighbours(i)] for i in range(len(graph))],
            "vector": _compute_directions(vectors, graph, cold),
        }
    )
    with atomic_write(paths.target(TASK) / "artists.parquet") as partial:
        table.to_parquet(partial, index=False, write_page_checksum=True)
    write_json(paths.target(TASK) / "about.json", {"kind": COLUMNS[TASK], "dimension": params.artists.dimension})
    counts = {"n_artists": len(graph), "n_cold": int(cold.sum()), "n_relations": len(graph.pairs)}
    write_json(paths.artists, {**counts, "n_isolated": len(graph.isolated_artists), **quality})


def _find_skip_reason(plugin: Any, splits: pd.DataFrame) -> str | None:
    if not hasattr(plugin, "artists"):
        return "the dataset has no relations between artists"
    if splits["fold"].nunique() > 1:
        return "each fold would need a space of its own; set split.folds: 0"
    return None


def _unify_spelling(artists: pd.DataFrame, in_tracks: pd.Series) -> pd.DataFrame:
    """Spell artists as the tracks do, since both are joined by name."""
    spelling = names.choose_spellings(artists["artist"]) | names.choose_spellings(in_tracks)

    def spell(name: str) -> str:
        return spelling.get(names.identity(name) or "", name)

    related = artists["related"].map(lambda row: [spell(name) for name in row])
    return artists.assign(artist=artists["artist"].map(spell), related=related)


def _list_pairs(artists: pd.DataFrame) -> list[tuple[str, str]]:
    return [(a, b) for a, related in zip(artists["artist"], artists["related"], strict=True) for b in related]


def _fit(known: Relations, params: Params) -> tuple[np.ndarray, dict[str, Any]]:
    """Fit the space, and another one on fewer relations to test the prediction of the others."""
    import torch

    from ostinato.training.artist_space import fit_space

    torch.set_num_threads(params.compute.threads)
    settings, confidence = params.artists, params.evaluate.confidence

    def fit(graph: Relations, label: str) -> tuple[np.ndarray, list[Any]]:
        return fit_space(
            graph.links,
            dimension=settings.dimension,
            phases=settings.phases,
            max_epochs=settings.max_epochs,
            seed=params.seed,
            label=label,
        )

    def estimate(values: dict[str, np.ndarray], groups: np.ndarray) -> dict[str, Any]:
        return summarise(values, groups, confidence, (0, 1))

    vectors, curve = fit(known, "artists")
    jaccard = {
        f"jaccard_{by}{suffix}": compare_neighbourhoods(vectors, known, by=by, with_self=bool(suffix))
        for by in ("cosine", "euclidean")
        for suffix in ("", "_with_self")
    }
    quality = {**estimate(jaccard, np.flatnonzero(known.degree)), "n_epochs": len(curve)}
    training, held_out = known.hold_out(settings.held_out, params.seed)
    if len(held_out):
        ends = np.concatenate([held_out, held_out[:, ::-1]])
        scores = score_held_out(fit(training, "artists without some relations")[0], training, held_out)
        quality |= {**estimate({"links_found": scores}, ends[:, 0]), "n_held_out": len(held_out)}
    return vectors, quality


def _compute_directions(vectors: np.ndarray, graph: Relations, cold: np.ndarray) -> list[np.ndarray | None]:
    """Return the direction of each artist; None for one without relations to known artists."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(units).all():
        raise DataError("artists: coordinates became NaN or infinite; lower lr in artists.phases")
    directions: list[np.ndarray | None] = []
    for i in range(len(graph)):
        near = [j for j in graph.neighbours(i) if not cold[j]]
        mean = units[near].mean(axis=0) if cold[i] and near else units[i]
        directions.append((mean / np.linalg.norm(mean)).astype(np.float32) if near else None)
    return directions
