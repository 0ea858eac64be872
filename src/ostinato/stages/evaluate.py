"""Evaluate a candidate with confidence intervals.

It writes models/metrics/<candidate>.json and models/test_scores/<candidate>.csv.
"""

from typing import Any

import numpy as np
import pandas as pd

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
COUNTED_WRONG = ("accuracy", "f1_micro")


def run(paths: Paths, params: Params, name: str) -> None:
    """Judge one candidate."""
    skipped = paths.predictions(name) / "skipped.json"
    if skipped.exists():
        write_json(paths.metrics(name), {"skipped": read_json(skipped)["skipped"]})
        _write_artist_scores(paths, name, {}, np.array([], object))
        return
    artefact, classes = read_json(paths.checkpoints(name) / "artefact.json"), read_json(paths.classes)
    if COLUMNS[artefact["task"]] == "embedding":
        write_json(paths.metrics(name), _about(artefact) | _embedding(paths, params, name, artefact["task"], classes))
        return
    task = Task(artefact["task"], tuple(classes[artefact["task"]]))
    if len(task.classes) < 2:
        raise DataError(
            f"{paths.classes}: {task.name} has {len(task.classes)} class(es) and needs two; add labelled tracks"
        )
    tracks, splits = read_parquet(paths.tracks), read_parquet(paths.splits)
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    validation, test = (join_labels(predictions, splits, tracks, task, s) for s in ("validation", "test"))
    if not len(test):
        raise DataError(f"{paths.splits}: no evaluable test track has a {task.name}; lower split.folds or add artists")
    if artefact["fitter"] == "sklearn":  # it has learnt from the validation tracks too
        validation = validation.select(np.zeros(len(validation), bool))
    found = _figures(validation, test, task, params)
    if (file := paths.predictions(name) / "chunks.parquet").exists():
        chunks = join_chunk_labels(test, read_parquet(file), task)
        found["chunks"] = {"n": len(chunks), "test": _intervals(chunks, task, params)}
    found["spread"] = _spread(paths, name, test, (splits, tracks, task), params.evaluate.threshold)
    baselines = classification.score_baselines(test, compute_class_shares(splits, tracks, task), task.kind)
    found["baseline"] = {baseline: _intervals(rows, task, params) for baseline, rows in baselines.items()}
    found["slices"] = _slices(paths, test, (splits, tracks, task), params)
    found["split"] = {"name": classes["name"], "hash": classes["hash"], **_sizes(splits, tracks, task, test)}
    if task.kind == "single" and found["split"]["ceiling"] < 1:
        found["test_all"] = _scale(found["test"], found["split"]["ceiling"])
    write_scores(paths.test_scores(name), test, task.classes, task.kind, params.evaluate.threshold)
    write_json(paths.metrics(name), _about(artefact) | found)


def _embedding(paths: Paths, params: Params, name: str, task: str, classes: dict[str, Any]) -> dict[str, Any]:
    """Judge predicted directions: by those of the artists, and by whom they bring near."""
    columns = ["track_id", "artist", "genre", "tags"]
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    rows = predictions.merge(read_parquet(paths.tracks, columns=columns), on="track_id").sort_values("track_id")
    rows, artists = rows.reset_index(drop=True), read_parquet(paths.target(task) / "artists.parquet")
    ranks = artist_embedding.rank_artists(rows, artists, params.seed)
    _write_artist_scores(paths, name, *ranks)
    found = artist_embedding.evaluate_vectors(
        rows,
        artists,
        params.evaluate.confidence,
        params.seed,
        ranks=ranks,
    )
    return found | {"split": {"name": classes["name"], "hash": classes["hash"], **found["split"]}}


def _write_artist_scores(paths: Paths, name: str, ranks: dict[str, np.ndarray], artists: np.ndarray) -> None:
    """Write the metrics of each cold artist where other tasks have the scores of each track."""
    values = np.stack(list(ranks.values()), axis=1) if ranks else np.zeros((len(artists), 0))
    no_label, no_content = np.zeros(values.shape, np.float32), np.full(len(artists), "", object)
    rows = ScoredTracks(artists, values, no_label, artists, no_content, np.zeros(len(artists), np.int64))
    write_scores(paths.test_scores(name), rows, tuple(ranks), "embedding", 0.5)


def _figures(validation: ScoredTracks, test: ScoredTracks, task: Task, params: Params) -> dict[str, Any]:
    """Compute what rests on the candidate's own scores."""
    threshold, confidence = params.evaluate.threshold, params.evaluate.confidence
    found = {
        "test": _intervals(test, task, params),
        "validation": classification.compute_metrics(validation, task.kind, threshold) if len(validation) else {},
        "per_class": classification.compute_per_class(test, task.classes, task.kind, threshold),
        "confusion": classification.count_confusion(test, task.kind, threshold),
        "undefined": classification.summarise_undefined(test, task.classes, task.kind),
    }
    if tree := classification.compute_hierarchical_f1(test, task.classes, task.kind, threshold, confidence):
        found["hierarchy"] = tree
    if task.kind == "multi" and len(validation):
        tuned = multi.choose_thresholds(preds=validation.scores, target=validation.target, default=threshold)
        found["thresholds"] = {c: round(float(t), 6) for c, t in zip(task.classes, tuned, strict=True)}
        found["test_tuned"] = classification.compute_metrics(test, task.kind, tuned)
    if calibrated := calibration.calibrate(validation, test, task.kind):
        found["calibration"] = calibrated
    if task.kind == "single":
        found["promise"] = _promise(validation, test, calibrated)
    return found


def _promise(validation: ScoredTracks, test: ScoredTracks, calibrated: dict[str, Any] | None) -> dict[str, Any]:
    """Find the score that labels are sure from, on tracks of validation or, if it learned those, of test."""
    if calibrated is None:
        return calibration.find_confidence_threshold(test) | {"of": "test"}
    return calibration.find_confidence_threshold(
        calibration.apply_temperature(validation, calibrated["temperature"], "single")
    ) | {"of": "validation"}


def _spread(paths: Paths, name: str, test: ScoredTracks, about: tuple[Any, ...], threshold: float) -> dict[str, Any]:
    """Return how figures differ from fold to fold and from run to run, where there are several."""
    splits, tracks, task = about
    found = {}
    if len(numbers := sorted(set(test.fold.tolist()))) > 1:
        found["folds"] = [
            classification.compute_metrics(test.select(test.fold == n), task.kind, threshold) for n in numbers
        ]
    file = paths.predictions(name) / "runs.parquet"
    if file.exists():
        runs = read_parquet(file).groupby("run")
        found["runs"] = [
            classification.compute_metrics(join_labels(run, splits, tracks, task, "test"), task.kind, threshold)
            for _, run in runs
        ]
    return {what: classification.compute_mean_and_deviation(points) for what, points in found.items()}


def _slices(paths: Paths, test: ScoredTracks, about: tuple[Any, ...], params: Params) -> dict[str, Any]:
    """Judge the test tracks of each genre, length, loudness, year and place by themselves."""
    splits, tracks, task = about
    files = read_parquet(paths.files, columns=["track_id", "rms_db"])
    ways = slices.describe(tracks, files, splits, test)
    return slices.evaluate_slices(test, ways, task.kind, params.evaluate.threshold, params.evaluate.confidence)


def _intervals(rows: ScoredTracks, task: Task, params: Params) -> dict[str, dict[str, float | None]]:
    return classification.compute_intervals(rows, task.kind, params.evaluate.threshold, params.evaluate.confidence)


def _about(artefact: dict[str, Any]) -> dict[str, Any]:
    """Return what was judged; a stack names the features of all its members, and its numbers."""
    inputs = artefact["inputs"]
    numbers = {name for name, _ in artefact.get("numbers", ())}
    of_members = JOIN.join(sorted({given["feature"] for given in inputs.values()} | numbers))
    return {
        "task": artefact["task"],
        "architecture": artefact["architecture"],
        "feature": of_members if artefact.get("members") else JOIN.join(artefact.get("reads") or inputs),
        "n_parameters": artefact.get("n_parameters"),
    }


def _sizes(splits: pd.DataFrame, tracks: pd.DataFrame, task: Task, test: ScoredTracks) -> dict[str, Any]:
    """Count tracks; `ceiling` is the accuracy of a perfect candidate if tracks that cannot be judged count as wrong.

    `n_absent` counts test tracks that could not be decoded, so that nothing scored them.
    """
    once = splits.drop_duplicates("track_id").merge(tracks[["track_id", task.name]], on="track_id")
    if task.kind == "single":
        once = once[once[task.name].isin(task.classes)]
    tested = splits[(splits["split"] == "test") & splits["track_id"].isin(once["track_id"])]
    if task.kind == "single":
        tested = tested[tested["evaluable"].astype(bool)]
    n_tracks, n_evaluable = len(once), int(once["evaluable"].sum()) if task.kind == "single" else len(once)
    return {
        "n_tracks": n_tracks,
        "n_evaluable": n_evaluable,
        "n_test": len(test),
        "n_absent": len(tested) - len(test),
        "n_groups": len(set(test.group.tolist())),
        "ceiling": round(n_evaluable / n_tracks, 6),
    }


def _scale(test: dict[str, dict[str, float | None]], ceiling: float) -> dict[str, dict[str, float | None]]:
    """Count the tracks that cannot be judged as wrong."""
    return {
        name: {k: None if v is None else round(v * ceiling, 6) for k, v in test[name].items()} for name in COUNTED_WRONG
    }
