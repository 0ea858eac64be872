"""Measure how much an exported candidate loses on degraded sound, for `ostinato release` to read."""

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


def robustness(paths: Paths, params: Params, name: str, n_clips: int) -> dict[str, Any]:
    """Judge a candidate's network.onnx on test clips and on what perturbations leave of them.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    name : str
        An exported candidate of labelled audio.
    n_clips : int
        So many test clips, drawn with the seed; all if there are no more.

    Returns
    -------
    dict
        As `evaluation.perturbed.judge`, with ``model`` and ``network``, the file's
        SHA-256; also written to models/robustness/<name>.json.

    Raises
    ------
    OstinatoError
        If the candidate has no file or reads something else than audio, if its task
        has no labels, or the figure is undefined on so few clips.
    """
    folder = paths.onnx(name)
    if not (folder / "network.onnx").exists():
        raise OstinatoError(
            f"{folder}: holds no network.onnx; run `dvc repro`, and see models/gate.json why it may lack"
        )
    model = ReleasedModel(folder, threads=1)
    if model.kind == "embedding":
        raise OstinatoError(f"{name}: {model.task} has no labels to be right about; name a candidate of genre or tags")
    if deaf := [n for n, given in model.inputs.items() if given.source != "audio"]:
        raise OstinatoError(
            f"{name}: reads {', '.join(deaf)}, which worse sound leaves as it is; name another candidate"
        )
    tracks = read_parquet(paths.tracks)
    rows = _subsample(_test(paths, tracks, name, model), n_clips, params.seed)
    root, files = dataset_root(paths, params.dataset), dict(zip(tracks["track_id"], tracks["path"], strict=True))
    scores = perturbed.score_all_clips(model, rows, lambda track_id: audio.load(root / files[track_id]), params.seed)
    metric = first_metric(params.gate.get(model.task, {}), model.task)
    found = perturbed.judge(rows, scores, model, metric, params.evaluate.confidence)
    digest = hashlib.sha256((folder / "network.onnx").read_bytes()).hexdigest()
    found = {"model": name, "network": digest, **found}
    write_json(paths.robustness(name), found)
    return found


def _test(paths: Paths, tracks: pd.DataFrame, name: str, model: ReleasedModel) -> ScoredTracks:
    task = Task(model.task, tuple(read_json(paths.classes)[model.task]))
    if task.classes != model.classes:
        raise OstinatoError(f"{name}: was exported with other classes; run `dvc repro`")
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    return join_labels(predictions, read_parquet(paths.splits), tracks, task, "test")


def _subsample(rows: ScoredTracks, n: int, seed: int) -> ScoredTracks:
    if len(rows) <= n:
        return rows
    return rows.of(np.sort(np.random.default_rng(seed).choice(len(rows), n, replace=False)))
