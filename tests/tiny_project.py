"""A project of noise with a mark per genre, small enough to train on in a second."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import ostinato.architectures
from ostinato.cache import store
from ostinato.cache.writer import Writer
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import write_json

GENRES = ("blues", "jazz", "rock")
TAGS = ("calm", "loud")
BINS, FRAMES = 8, 40
PARAMS = {
    "seed": 3,
    "dataset": {"name": "synthetic"},
    "features": {"kinds": {"mel": {}}},
    "train": {
        "max_epochs": 3,
        "patience": 2,
        "patience_steps": 0,
        "batch_size": 8,
        "lr": 0.02,
        "chunk_frames": 16,
        "chunks_per_track": 1,
    },
    "tune": {"n_trials": 2, "max_epochs": 2},
    "stacking": {"folds": 3},
    "candidates": {
        "tiny_mel": {"architecture": "tiny", "feature": "mel", "task": "genre"},
        "other_mel": {"architecture": "tiny", "feature": "mel", "task": "genre", "network": {"width": 3}},
        "tiny_tags": {"architecture": "tiny", "feature": "mel", "task": "tags", "normalise": "train"},
        "tiny_cqt": {"architecture": "tiny", "feature": "cqt", "task": "genre"},
    },
    "estimators": {"svm_mel": {"estimator": "mfcc_svm", "feature": "mel", "task": "genre"}},
    "stacked": {"both": {"architecture": "timefreq", "task": "genre", "network": {"hidden": [8]}}},
    "members": {
        "both.tiny_mel": {"of": "both", "member": "tiny_mel"},
        "both.other_mel": {"of": "both", "member": "other_mel"},
    },
    "numbers": {},
}


def install_plugins() -> None:
    """Let the registry find the tiny network beside the real ones."""
    folder = str(Path(__file__).parent / "tiny_plugins")
    if folder not in ostinato.architectures.__path__:
        ostinato.architectures.__path__.append(folder)


def make(root: Path, *, folds: int = 0, n_tracks: int = 36, seed: int = 0) -> Paths:
    """Write the tables and the cache of a dataset whose genres differ in one bin."""
    install_plugins()
    paths, rng = Paths(root), np.random.default_rng(seed)
    ids = [f"track{i:03d}" for i in range(n_tracks)]
    genre = [GENRES[i % len(GENRES)] for i in range(n_tracks)]
    tags = [[t for j, t in enumerate(TAGS) if (i >> j) & 1] for i in range(n_tracks)]
    group = [f"artist{i // 3:02d}" for i in range(n_tracks)]
    paths.tracks.parent.mkdir(parents=True)
    pd.DataFrame({"ordinal": range(n_tracks), "track_id": ids, "genre": genre, "tags": tags}).to_parquet(paths.tracks)
    pd.DataFrame({"track_id": ids, "rms_db": -20.0}).to_parquet(paths.files)
    splits = [
        {"track_id": t, "fold": fold, "split": split_of(i // 3, fold, folds), "group": group[i], "evaluable": True}
        for fold in range(max(folds, 1))
        for i, t in enumerate(ids)
    ]
    pd.DataFrame(splits).to_parquet(paths.splits)
    write_json(paths.classes, {"genre": list(GENRES), "tags": list(TAGS), "hash": "0"})
    rows = []
    for i in range(n_tracks):
        x = rng.normal(size=(FRAMES + i % 5, BINS))
        x[:, i % len(GENRES)] += 1.5
        x[:, 4] += 2.0 * ("loud" in tags[i])
        rows.append(x.astype(np.float16))
    write_cache(paths.feature("mel"), ids, rows)
    return paths


def open_candidate(root: Path) -> tuple[Any, Any]:
    """Make a project with one holdout; give settings and inputs of its tiny network."""
    from ostinato.stages import _candidate
    from ostinato.training.settings import resolve

    torch.set_num_threads(1)
    chosen = resolve(settings(), "tiny_mel")
    return chosen, _candidate.open_candidate(make(root), chosen)


def split_of(group: int, fold: int, folds: int) -> str:
    """Return every fifth group to test and the next to validation, turned by the fold."""
    n = max(folds, 4)
    return {0: "test", 1: "validation"}.get((group - fold) % n, "train")


def read(paths: Paths, kind: str) -> dict[str, np.ndarray]:
    """Read one kind of the cache."""
    cache = store.Store(paths.feature(kind))
    return {e.track_id: np.array(cache.read(e.track_id)) for e in store.read_index(cache.folder)}


def write_rows(path: Path, parts: Iterable[np.ndarray]) -> None:
    """Write a shard."""
    with Writer(path) as writer:
        for rows in parts:
            writer.append(rows)
        writer.finish().commit()


def write_cache(
    folder: Path, ids: list[str], rows: list[np.ndarray], *, hop_length: int = 1024, source: str = "audio"
) -> None:
    """Write one kind of the cache."""
    start = np.cumsum([0, *map(len, rows)])
    write_rows(store.shard_file(folder, 0), rows)
    store.write_index(folder, [store.Entry(i, t, "h", 0, int(start[i]), len(rows[i])) for i, t in enumerate(ids)])
    parameters = {"sample_rate": 22050, "hop_length": hop_length} if source == "audio" else {}
    about = {"kind": folder.name, "source": source, "parameters": parameters, "tail": list(rows[0].shape[1:])}
    store.write_meta(folder, about)


def change(folder: Path, rows: dict[str, np.ndarray | None]) -> None:
    """Put other rows in the place of some tracks', or leave the tracks out."""
    before = store.Store(folder)
    ids = [e.track_id for e in store.read_index(folder) if rows.get(e.track_id, 0) is not None]
    old = {i: before.read(i) for i in ids}
    new = [np.array(rows[i] if i in rows else old[i], old[i].dtype) for i in ids]
    write_cache(folder, ids, new, source=before.meta["source"])


def settings(**changes: object) -> Params:
    """Return the parameters; a section that is named is merged."""
    merged = {**PARAMS}
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return Params.model_validate(merged)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


LONGER = {"tune": {"n_trials": 4, "max_epochs": 3}, "train": {"max_epochs": 5, "patience": 2}}
"""Departures that leave time for a kill."""
