"""Measure the robustness of an exported candidate to perturbed audio, for `ostinato release`."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from ostinato import audio
from ostinato.core.candidates import first_metric
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import Task
from ostinato.datasets import dataset_root
from ostinato.errors import OstinatoError
from ostinato.evaluation import perturbed
from ostinato.evaluation.predictions import KEYS, ScoredTracks, join_labels
from ostinato.inference.model import ReleasedModel
from ostinato.io.files import read_json, read_parquet, write_json

SECTIONS = ("seed", "dataset", "evaluate", "gate")


def measure_robustness(paths: Paths, params: Params, name: str, n_clips: int) -> dict[str, Any]:
    """Evaluate a candidate's network.onnx on test clips, clean and perturbed.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    name : str
        Name of an exported candidate that reads audio, of a task with labels.
    n_clips : int
        Number of random test clips; all if there are fewer.

    Returns
    -------
    dict
        From `perturbed.compute_drops`, with ``model`` and ``network``, the file's SHA-256;
        also written to models/robustness/<name>.json.

    Raises
    ------
    OstinatoError
        If the candidate has no file or reads other inputs than audio, its task has no
        labels, or the metric is undefined on these clips.
    """
    folder = paths.onnx(name)
    if not (folder / "network.onnx").exists():
        raise OstinatoError(
            f"{folder}: holds no network.onnx; run `dvc repro`, and see models/gate.json if it is still missing"
        )
    model = ReleasedModel(folder, threads=1)
    if model.kind == "embedding":
        raise OstinatoError(f"{name}: {model.task} predicts no labels; name a candidate for genre or tags")
    if others := [n for n, graph_input in model.inputs.items() if graph_input.source != "audio"]:
        raise OstinatoError(f"{name}: reads {', '.join(others)}, which are not audio; name another candidate")
    tracks = read_parquet(paths.tracks)
    rows = _subsample(_read_test_tracks(paths, tracks, name, model), n_clips, params.seed)
    root, files = dataset_root(paths, params.dataset), dict(zip(tracks["track_id"], tracks["path"], strict=True))
    scores = perturbed.score_all_clips(model, rows, lambda track_id: audio.load(root / files[track_id]), params.seed)
    metric = first_metric(params.gate.get(model.task, {}), model.task)
    result = perturbed.compute_drops(rows, scores, model, metric, params.evaluate.confidence)
    digest = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    result = {"model": name, "network": digest, **result}
    write_json(paths.robustness(name), result)
    return result


def _read_test_tracks(paths: Paths, tracks: pd.DataFrame, name: str, model: ReleasedModel) -> ScoredTracks:
    task = Task(model.task, tuple(read_json(paths.classes)[model.task]))
    if task.classes != model.classes:
        raise OstinatoError(f"{name}: was exported with other classes; run `dvc repro`")
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    return join_labels(predictions, read_parquet(paths.splits), tracks, task, "test")


def _subsample(rows: ScoredTracks, n: int, seed: int) -> ScoredTracks:
    if len(rows) <= n:
        return rows
    return rows.select(np.sort(np.random.default_rng(seed).choice(len(rows), n, replace=False)))
