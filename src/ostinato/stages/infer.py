"""Compute logits and embeddings of every track.

All folds are stored, so that a new metric needs no new inference.
"""

from collections.abc import Container
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ostinato.cache.store import Store
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import read_parquet, write_json
from ostinato.training import artefact as artefacts

SECTIONS = ("compute",)


def run(paths: Paths, params: Params, name: str) -> None:
    """Write ``models/predictions/<name>/predictions.parquet``, a row for each row of the splits.

    If a fold was fitted several times, ``runs.parquet`` has the logits of each run; if a network
    classifies tracks in chunks, ``chunks.parquet`` has the logits of each chunk of the test tracks.
    Tracks that are not in the cache have no row.

    Parameters
    ----------
    paths : Paths
    params : Params
    name : str
        The candidate.
    """
    import torch

    from ostinato.training.data.member_logits import write_logits

    folder = paths.checkpoints(name)
    out = paths.predictions(name)
    if reason := artefacts.read_skip(folder):
        artefacts.empty(out)
        write_json(out / artefacts.SKIPPED, {"skipped": reason})
        return
    torch.set_num_threads(params.compute.threads)
    artefact = artefacts.load(folder)
    splits = _select_rows(paths, artefact)
    table = _predict_folds(paths, params, artefact, splits)
    runs = [
        _predict_folds(paths, params, artefact, splits, run).drop(columns=["embedding", "chunks"]).assign(run=run)
        for run in (range(artefact.runs) if artefact.runs > 1 else ())
    ]
    artefacts.empty(out)
    write_logits(out / "predictions.parquet", table.drop(columns="chunks"))
    if artefact.task_with_classes.kind != "embedding" and len(chunks := _select_test(table)):
        write_logits(out / "chunks.parquet", chunks)
    if runs:
        write_logits(out / "runs.parquet", pd.concat(runs, ignore_index=True))


def _predict_folds(
    paths: Paths, params: Params, artefact: artefacts.Artefact, splits: pd.DataFrame, run: int | None = None
) -> pd.DataFrame:
    """Return the splits with the outputs of the network of each fold, or of one of its runs."""
    columns: dict[str, list[Any]] = {name: [None] * len(splits) for name in ("logits", "embedding", "chunks")}
    title = f"{artefact.name} infer" + ("" if run is None else f" run {run}")
    for fold in tqdm(artefact.folds, desc=title, unit="fold"):
        rows = np.flatnonzero(splits["fold"] == fold)
        outputs = _predict(paths, params, artefact, fold, splits.iloc[rows], run)
        for column, values in zip(columns.values(), outputs, strict=True):
            for row, value in zip(rows, values, strict=True):
                column[row] = value
    return splits.assign(**columns)


def _select_test(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each chunk of the test tracks, if any track has several."""
    test = table[table["chunks"].notna()]
    n_chunks = test["chunks"].map(len)
    test = test.loc[test.index.repeat(n_chunks if (n_chunks > 1).any() else 0)]
    rows = test.groupby(["track_id", "fold"], sort=False).cumcount()
    logits = [chunks[row] for chunks, row in zip(test["chunks"], rows, strict=True)]
    return test[["track_id", "fold", "split"]].assign(logits=logits).reset_index(drop=True)


def _select_rows(paths: Paths, artefact: artefacts.Artefact) -> pd.DataFrame:
    """Select the rows of the splits whose tracks the candidate can read."""
    from ostinato.stages import _candidate
    from ostinato.training.data.member_logits import read_member

    splits = read_parquet(paths.splits)[["track_id", "fold", "split"]]
    sources: list[Container[str]]
    if artefact.fitter == "stacked":
        files = [
            paths.member_logits(artefact.name) / f"{n}.parquet" for n in artefact.shapes if n not in artefact.optional
        ]
        sources = [set(read_member(file)[0]["track_id"]) for file in files]
    else:
        sources = [Store(paths.feature(kind)) for kind in artefact.inputs]
    return splits[_candidate.find_present(splits["track_id"], *sources)].reset_index(drop=True)


def _predict(
    paths: Paths, params: Params, artefact: artefacts.Artefact, fold: int, splits: pd.DataFrame, run: int | None
) -> tuple[Any, Any, Any]:
    """Return logits and embedding of each track, and logits of the chunks of test tracks."""
    from ostinato.stages import _candidate
    from ostinato.training.data.member_logits import align, read_member
    from ostinato.training.data.sources import Logits, Source
    from ostinato.training.predict import run_chunks, run_estimator

    track_ids = splits["track_id"].to_numpy(object)
    folder, task = paths.checkpoints(artefact.name), artefact.task_with_classes
    if artefact.fitter == "sklearn":
        (kind,) = artefact.inputs
        x = _candidate.load_summaries(paths, kind, track_ids)
        return *run_estimator(artefacts.onnx_file(folder, fold), x, task, params.compute.threads), [None] * len(x)
    source: Source
    if artefact.fitter == "stacked":
        tables = {m: read_member(paths.member_logits(artefact.name) / f"{m}.parquet")[0] for m in artefact.shapes}
        width = {member: artefact.shapes[member] for member in artefact.optional}
        source = Logits({m: align(t[t["fold"] == fold], track_ids, width.get(m)) for m, t in tables.items()})
    else:
        features = _candidate.open_features(paths, artefact.inputs, list(track_ids))
        source = features.restore(artefact.statistics.get(str(fold), {}))
    network = artefacts.network(folder, artefact, fold, run)
    is_test = (splits["split"] == "test").to_numpy() & (run is None)
    logits, embeddings = list[np.ndarray](), list[np.ndarray]()
    chunks = list[np.ndarray | None]()
    for chunk_logits, embedding in run_chunks(network, source, np.arange(len(track_ids))):
        chunks.append(chunk_logits.astype(np.float32) if is_test[len(chunks)] else None)
        logits.append(task.pool(chunk_logits).astype(np.float32))
        embeddings.append(embedding)
    return logits, embeddings, chunks
