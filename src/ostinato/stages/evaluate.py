"""Evaluate a candidate with confidence intervals.

It writes models/metrics/<candidate>.json and models/test_scores/<candidate>.csv.
"""

from typing import Any

import numpy as np
import pandas as pd

from ostinato.core.counts import format_count
from ostinato.core.params.kinds import JOIN
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS, Task
from ostinato.errors import DataError
from ostinato.evaluation import calibration, classification, slices
from ostinato.evaluation.predictions import KEYS, ScoredTracks, compute_class_shares, join_chunk_labels, join_labels
from ostinato.evaluation.score_table import write_scores
from ostinato.evaluation.similarity import artist_embedding
from ostinato.io.files import read_json, read_parquet, write_json
from ostinato.metrics import multi

SECTIONS = ("seed", "evaluate")
SCALED_METRICS = ("accuracy", "f1_micro")
"""Metrics to which unevaluable tracks contribute as errors in ``test_all``."""


def run(paths: Paths, params: Params, name: str) -> None:
    """Evaluate one candidate."""
    skipped = paths.predictions(name) / "skipped.json"
    if skipped.exists():
        write_json(paths.metrics(name), {"skipped": read_json(skipped)["skipped"]})
        _write_artist_scores(paths, name, {}, np.array([], object))
        return
    artefact, classes = read_json(paths.checkpoints(name) / "artefact.json"), read_json(paths.classes)
    if COLUMNS[artefact["task"]] == "embedding":
        write_json(
            paths.metrics(name),
            _describe(artefact) | _evaluate_embedding(paths, params, name, artefact["task"], classes),
        )
        return
    task = Task(artefact["task"], tuple(classes[artefact["task"]]))
    if len(task.classes) < 2:
        n = format_count(len(task.classes), "class")
        raise DataError(f"{paths.classes}: {task.name} has {n} and needs two; add labelled tracks")
    tracks, splits = read_parquet(paths.tracks), read_parquet(paths.splits)
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    validation, test = (join_labels(predictions, splits, tracks, task, s) for s in ("validation", "test"))
    if not len(test):
        raise DataError(f"{paths.splits}: no evaluable test track has a {task.name}; lower split.folds or add artists")
    if artefact["fitter"] == "sklearn":  # it was fitted on the validation tracks, too
        validation = validation.select(np.zeros(len(validation), bool))
    metrics = _compute_metrics(validation, test, task, params)
    if (file := paths.predictions(name) / "chunks.parquet").exists():
        chunks = join_chunk_labels(test, read_parquet(file), task)
        metrics["chunks"] = {"n": len(chunks), "test": _intervals(chunks, task, params)}
    metrics["spread"] = _compute_spread(paths, name, test, (splits, tracks, task), params.evaluate.threshold)
    baselines = classification.score_baselines(test, compute_class_shares(splits, tracks, task), task.kind)
    metrics["baseline"] = {baseline: _intervals(rows, task, params) for baseline, rows in baselines.items()}
    metrics["slices"] = _evaluate_slices(paths, test, (splits, tracks, task), params)
    metrics["split"] = {"name": classes["name"], "hash": classes["hash"], **_count_tracks(splits, tracks, task, test)}
    if task.kind == "single" and metrics["split"]["ceiling"] < 1:
        metrics["test_all"] = _scale(metrics["test"], metrics["split"]["ceiling"])
    write_scores(paths.test_scores(name), test, task.classes, task.kind, params.evaluate.threshold)
    write_json(paths.metrics(name), _describe(artefact) | metrics)


def _evaluate_embedding(paths: Paths, params: Params, name: str, task: str, classes: dict[str, Any]) -> dict[str, Any]:
    """Evaluate predicted vectors by their cosines and by rankings of artists."""
    columns = ["track_id", "artist", "genre", "tags"]
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    rows = predictions.merge(read_parquet(paths.tracks, columns=columns), on="track_id").sort_values("track_id")
    rows, artists = rows.reset_index(drop=True), read_parquet(paths.target(task) / "artists.parquet")
    ranks = artist_embedding.rank_artists(rows, artists, params.seed)
    _write_artist_scores(paths, name, *ranks)
    metrics = artist_embedding.evaluate_vectors(
        rows,
        artists,
        params.evaluate.confidence,
        params.seed,
        ranks=ranks,
    )
    return metrics | {"split": {"name": classes["name"], "hash": classes["hash"], **metrics["split"]}}


def _write_artist_scores(paths: Paths, name: str, ranks: dict[str, np.ndarray], artists: np.ndarray) -> None:
    """Write the metrics of each cold artist, in place of the scores of tracks."""
    values = np.stack(list(ranks.values()), axis=1) if ranks else np.zeros((len(artists), 0))
    no_label, no_content = np.zeros(values.shape, np.float32), np.full(len(artists), "", object)
    rows = ScoredTracks(artists, values, no_label, artists, no_content, np.zeros(len(artists), np.int64))
    write_scores(paths.test_scores(name), rows, tuple(ranks), "embedding", 0.5)


def _compute_metrics(validation: ScoredTracks, test: ScoredTracks, task: Task, params: Params) -> dict[str, Any]:
    """Compute the metrics of the candidate's scores."""
    threshold, confidence = params.evaluate.threshold, params.evaluate.confidence
    metrics = {
        "test": _intervals(test, task, params),
        "validation": classification.compute_metrics(validation, task.kind, threshold) if len(validation) else {},
        "per_class": classification.compute_per_class(test, task.classes, task.kind, threshold),
        "confusion": classification.count_confusion(test, task.kind, threshold),
        "undefined": classification.summarise_undefined(test, task.classes, task.kind),
    }
    if hierarchy := classification.compute_hierarchical_f1(test, task.classes, task.kind, threshold, confidence):
        metrics["hierarchy"] = hierarchy
    if task.kind == "multi" and len(validation):
        thresholds = multi.choose_thresholds(preds=validation.scores, target=validation.target, default=threshold)
        metrics["thresholds"] = {c: round(float(t), 6) for c, t in zip(task.classes, thresholds, strict=True)}
        metrics["test_tuned"] = classification.compute_metrics(test, task.kind, thresholds)
    if calibrated := calibration.calibrate(validation, test, task.kind):
        metrics["calibration"] = calibrated
    if task.kind == "single":
        metrics["promise"] = _find_confidence_threshold(validation, test, calibrated)
    return metrics


def _find_confidence_threshold(
    validation: ScoredTracks, test: ScoredTracks, calibrated: dict[str, Any] | None
) -> dict[str, Any]:
    """Find the confidence threshold on validation tracks or, if the candidate was fitted on these, on test tracks."""
    if calibrated is None:
        return calibration.find_confidence_threshold(test) | {"of": "test"}
    return calibration.find_confidence_threshold(
        calibration.apply_temperature(validation, calibrated["temperature"], "single")
    ) | {"of": "validation"}


def _compute_spread(
    paths: Paths, name: str, test: ScoredTracks, dataset: tuple[Any, ...], threshold: float
) -> dict[str, Any]:
    """Compute mean and deviation of metrics over folds and over runs, if there are several."""
    splits, tracks, task = dataset
    metrics = {}
    if len(numbers := sorted(set(test.fold.tolist()))) > 1:
        metrics["folds"] = [
            classification.compute_metrics(test.select(test.fold == n), task.kind, threshold) for n in numbers
        ]
    file = paths.predictions(name) / "runs.parquet"
    if file.exists():
        runs = read_parquet(file).groupby("run")
        metrics["runs"] = [
            classification.compute_metrics(join_labels(run, splits, tracks, task, "test"), task.kind, threshold)
            for _, run in runs
        ]
    return {by: classification.compute_mean_and_deviation(points) for by, points in metrics.items()}


def _evaluate_slices(paths: Paths, test: ScoredTracks, dataset: tuple[Any, ...], params: Params) -> dict[str, Any]:
    """Compute the metric of each slice of the test tracks."""
    splits, tracks, task = dataset
    files = read_parquet(paths.files, columns=["track_id", "rms_db"])
    attributes = slices.describe(tracks, files, splits, test)
    return slices.evaluate_slices(test, attributes, task.kind, params.evaluate.threshold, params.evaluate.confidence)


def _intervals(rows: ScoredTracks, task: Task, params: Params) -> dict[str, dict[str, float | None]]:
    return classification.compute_intervals(rows, task.kind, params.evaluate.threshold, params.evaluate.confidence)


def _describe(artefact: dict[str, Any]) -> dict[str, Any]:
    """Describe the candidate; the features of a stack are those of its members, and its numbers."""
    inputs = artefact["inputs"]
    numbers = {name for name, _ in artefact.get("numbers", ())}
    features = JOIN.join(sorted({i["feature"] for i in inputs.values()} | numbers))
    return {
        "task": artefact["task"],
        "architecture": artefact["architecture"],
        "feature": features if artefact.get("members") else JOIN.join(artefact.get("reads") or inputs),
        "n_parameters": artefact.get("n_parameters"),
    }


def _count_tracks(splits: pd.DataFrame, tracks: pd.DataFrame, task: Task, test: ScoredTracks) -> dict[str, Any]:
    """Count tracks; `ceiling` is the accuracy of a perfect candidate if unevaluable tracks count as errors.

    `n_absent` is the number of test tracks without scores, since they could not be decoded.
    """
    table = splits.drop_duplicates("track_id").merge(tracks[["track_id", task.name]], on="track_id")
    if task.kind == "single":
        table = table[table[task.name].isin(task.classes)]
    tests = splits[(splits["split"] == "test") & splits["track_id"].isin(table["track_id"])]
    if task.kind == "single":
        tests = tests[tests["evaluable"].astype(bool)]
    n_tracks, n_evaluable = len(table), int(table["evaluable"].sum()) if task.kind == "single" else len(table)
    return {
        "n_tracks": n_tracks,
        "n_evaluable": n_evaluable,
        "n_test": len(test),
        "n_absent": len(tests) - len(test),
        "n_groups": len(set(test.group.tolist())),
        "ceiling": round(n_evaluable / n_tracks, 6),
    }


def _scale(test: dict[str, dict[str, float | None]], ceiling: float) -> dict[str, dict[str, float | None]]:
    """Count unevaluable tracks as errors."""
    return {
        name: {k: None if v is None else round(v * ceiling, 6) for k, v in test[name].items()}
        for name in SCALED_METRICS
    }
