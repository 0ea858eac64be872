"""Compute logits and embeddings of every track.

Of every fold, so that a new metric needs no new inference.
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

    Where a fold was fitted several times, ``runs.parquet`` has the logits of each; where a
    network gives labels to tracks in chunks, ``chunks.parquet`` has those of each chunk under test.
    Tracks that were never cached have no row.

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
    table = _table(paths, params, artefact, splits)
    runs = [
        _table(paths, params, artefact, splits, run).drop(columns=["embedding", "chunks"]).assign(run=run)
        for run in (range(artefact.runs) if artefact.runs > 1 else ())
    ]
    artefacts.empty(out)
    write_logits(out / "predictions.parquet", table.drop(columns="chunks"))
    if artefact.task_with_classes.kind != "embedding" and len(chunks := _select_test(table)):
        write_logits(out / "chunks.parquet", chunks)
    if runs:
        write_logits(out / "runs.parquet", pd.concat(runs, ignore_index=True))


def _table(
    paths: Paths, params: Params, artefact: artefacts.Artefact, splits: pd.DataFrame, run: int | None = None
) -> pd.DataFrame:
    """Put what each fold's network, or one of its runs, makes of the tracks beside the splits."""
    found: dict[str, list[Any]] = {name: [None] * len(splits) for name in ("logits", "embedding", "chunks")}
    title = f"{artefact.name} infer" + ("" if run is None else f" run {run}")
    for fold in tqdm(artefact.folds, desc=title, unit="fold"):
        rows = np.flatnonzero(splits["fold"] == fold)
        outputs = _predict(paths, params, artefact, fold, splits.iloc[rows], run)
        for column, values in zip(found.values(), outputs, strict=True):
            for row, value in zip(rows, values, strict=True):
                column[row] = value
    return splits.assign(**found)


def _select_test(table: pd.DataFrame) -> pd.DataFrame:
    """List each chunk of the test tracks in a row of its own, if any track has several."""
    tested = table[table["chunks"].notna()]
    n_chunks = tested["chunks"].map(len)
    tested = tested.loc[tested.index.repeat(n_chunks if (n_chunks > 1).any() else 0)]
    rows = tested.groupby(["track_id", "fold"], sort=False).cumcount()
    logits = [chunks[row] for chunks, row in zip(tested["chunks"], rows, strict=True)]
    return tested[["track_id", "fold", "split"]].assign(logits=logits).reset_index(drop=True)


def _select_rows(paths: Paths, artefact: artefacts.Artefact) -> pd.DataFrame:
    """List the rows of the splits whose tracks the candidate can be shown."""
    from ostinato.stages import _candidate
    from ostinato.training.data.member_logits import read_member

    splits = read_parquet(paths.splits)[["track_id", "fold", "split"]]
    held: list[Container[str]]
    if artefact.fitter == "stacked":
        files = [
            paths.member_logits(artefact.name) / f"{n}.parquet" for n in artefact.shapes if n not in artefact.optional
        ]
        held = [set(read_member(file)[0]["track_id"]) for file in files]
    else:
        held = [Store(paths.feature(kind)) for kind in artefact.inputs]
    return splits[_candidate.present(splits["track_id"], *held)].reset_index(drop=True)


def _predict(
    paths: Paths, params: Params, artefact: artefacts.Artefact, fold: int, splits: pd.DataFrame, run: int | None
) -> tuple[Any, Any, Any]:
    """Return logits and embedding of each track, and the logits of the chunks of those under test."""
    from ostinato.stages import _candidate
    from ostinato.training.data.member_logits import align, read_member
    from ostinato.training.data.sources import Logits, Source
    from ostinato.training.predict import run_chunks, run_estimator

    track_ids = splits["track_id"].to_numpy(object)
    folder, task = paths.checkpoints(artefact.name), artefact.task_with_classes
    if artefact.fitter == "sklearn":
        (kind,) = artefact.inputs
        x = _candidate.summaries(paths, kind, track_ids)
        return *run_estimator(artefacts.onnx_file(folder, fold), x, task, params.compute.threads), [None] * len(x)
    source: Source
    if artefact.fitter == "stacked":
        read = {m: read_member(paths.member_logits(artefact.name) / f"{m}.parquet")[0] for m in artefact.shapes}
        width = {member: artefact.shapes[member] for member in artefact.optional}
        source = Logits({m: align(t[t["fold"] == fold], track_ids, width.get(m)) for m, t in read.items()})
    else:
        opened = _candidate.features(paths, artefact.inputs, list(track_ids))
        source = opened.restore(artefact.statistics.get(str(fold), {}))
    network = artefacts.network(folder, artefact, fold, run)
    is_tested = (splits["split"] == "test").to_numpy() & (run is None)
    logits, embeddings = list[np.ndarray](), list[np.ndarray]()
    kept = list[np.ndarray | None]()
    for of_chunks, embedding in run_chunks(network, source, np.arange(len(track_ids))):
        kept.append(of_chunks.astype(np.float32) if is_tested[len(kept)] else None)
        logits.append(task.pool(of_chunks).astype(np.float32))
        embeddings.append(embedding)
    return logits, embeddings, kept
