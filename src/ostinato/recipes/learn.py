"""From a table of labels to a released model: the pipeline on one folder of audio, in its own folder.

It also writes the learning curve (the expected gain from more labels) and a table of the tracks whose
labels would help most.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ostinato import features
from ostinato.cache.store import Store
from ostinato.core import params
from ostinato.core.counts import format_count
from ostinato.core.params import yaml_io
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.summary import read_vectors
from ostinato.core.task import Task
from ostinato.curation import splits
from ostinato.curation.remarks import format_remark
from ostinato.errors import DataError, OstinatoError
from ostinato.inference.resume import PREFIX
from ostinato.io import tables
from ostinato.io.escapes import escape_cell
from ostinato.io.files import atomic_write, read_json, write_json
from ostinato.labelling.learning_curve import Gain, LearningCurve, compute_learning_curve, estimate_gain
from ostinato.labelling.selection import compute_uncertainty, select_tracks
from ostinato.labelling.table import LABEL, NEXT, Labels, check_labels, read_labels, write_tracks
from ostinato.pipeline import forkserver, graph
from ostinato.recipes import overlay
from ostinato.recipes.few_labels import read_problem
from ostinato.recipes.run import init_dvc, link_project, run_stages
from ostinato.release import release as releasing

TABLE, CURVE, SUMMARY = "labels.csv", "learning_curve.csv", "learn.json"
METRIC = "accuracy"
BASELINE, MAJORITY = "mfcc", "majority"
N_FOLDS, MIN_FOLDS = 5, 3
N_NEXT, N_MORE = 20, 50


@dataclass(frozen=True)
class Request:
    """The request of `learn`.

    Parameters
    ----------
    folder : Path
        Folder of audio.
    table : Path
        Labels of some of the files.
    out : Path
        The folder to write.
    kind : str
        The feature of the heads, by its name in ``features.kinds``.
    encoder : Path, optional
        The ONNX file, if the feature is an encoder's embedding.
    column : str, optional
        Of the labels in the table; default: ``genre``.
    group_by : {"artist", "track"}
        Unit of the split.
    n_pool : int
        Number of unlabelled files from which the next ones to label are chosen.
    """

    folder: Path
    table: Path
    out: Path
    kind: str
    encoder: Path | None = None
    column: str | None = None
    group_by: Literal["artist", "track"] = "artist"
    n_pool: int = 200


@dataclass(frozen=True)
class Outcome:
    """The result of `learn`.

    Parameters
    ----------
    verdict : dict
        Of the release; see `ostinato.release.release.release`.
    figures : dict of str to dict
        Each candidate's accuracy with its interval.
    gain : Gain
        Expected from the next `N_MORE` labels.
    curve : LearningCurve
    next_tracks : DataFrame
        Tracks to label next, the least certain first.
    remarks : list of str
    """

    verdict: dict[str, Any]
    figures: dict[str, dict[str, float]]
    gain: Gain
    curve: LearningCurve
    next_tracks: pd.DataFrame
    remarks: list[str]


def find_encoder(name: str, weights: Path | None = None) -> Path:
    """Find the file of an encoder.

    Parameters
    ----------
    name : str
        Of a published one, which is downloaded once, or the path of an ONNX file.
    weights : Path, optional
        Of the published one, instead of downloading them.

    Returns
    -------
    Path

    Raises
    ------
    OstinatoError
        If there is no such encoder or file.
    """
    from ostinato.pretrained import folder

    if Path(name).suffix != ".onnx":
        return Path(folder.find_encoder(name, weights)["model"])
    if not Path(name).is_file():
        raise OstinatoError(
            f"--encoder {name}: does not exist; use an ONNX file, or a published encoder such as musicnn"
        )
    return Path(name)


def learn(paths: Paths, request: Request) -> Outcome:
    """Train, evaluate and release a model from labels.

    Parameters
    ----------
    paths : Paths
        Of the user's project, whose code, graph and params.yaml are used; it is not changed.
    request : Request

    Returns
    -------
    Outcome
        Also written to ``learn.json``, ``learning_curve.csv`` and ``next.csv`` of the folder.

    Raises
    ------
    OstinatoError
        If there are too few labels, or a stage fails.
    """
    labels = read_labels(request.folder, request.table, request.column)
    check_labels(labels, request.table, request.folder)
    if request.out.resolve().is_relative_to(request.folder.resolve()):
        raise OstinatoError(
            f"{request.out}: is inside {request.folder}, which is read-only; set --out to another folder"
        )
    inside = link_project(paths, request.out)
    tracks = choose_tracks(labels, request.n_pool, params.load(paths.params).seed)
    write_tracks(inside.root / TABLE, tracks)
    kind = _copy_encoder(inside, request)
    _write_params(paths, inside, request, kind, N_FOLDS, 0.0)
    init_dvc(paths, inside)
    with forkserver.process() as warm:
        environment = graph.environment() | warm
        _run(inside, ("validate",), environment)
        _write_params(paths, inside, request, kind, *_choose_bounds(inside, request))
        _run(inside, ("gate", "export_estimator"), environment)
    settings = params.load(inside.params)
    verdict = releasing.release(inside, params.only(settings, releasing.SECTIONS), tasks=[LABEL], replace=True)[LABEL]
    remarks = [format_remark(remark) for remark in labels.remarks]
    if request.encoder is not None:
        remarks.append(_remark_training_data(request, kind, settings.features.sample_rate))
    outcome = _describe(inside, settings, verdict, remarks)
    _write(inside, outcome)
    return outcome


def choose_tracks(labels: Labels, n_pool: int, seed: int) -> pd.DataFrame:
    """Return the labelled files, and a random sample of the others.

    Parameters
    ----------
    labels : Labels
    n_pool : int
        Number of unlabelled files.
    seed : int
        Draws the sample; a file stays in it until it has a label.

    Returns
    -------
    DataFrame
        In the order of `labels`.
    """
    pool = labels.unlabelled
    order = pool["path"].map(lambda path: hashlib.sha256(f"{seed} {path}".encode()).digest()).sort_values()
    return labels.tracks.loc[sorted([*labels.labelled.index, *order.index[:n_pool]])]


def describe_outcome(outcome: Outcome, out: Path) -> str:
    """Format the result as text.

    Parameters
    ----------
    outcome : Outcome
    out : Path
        The folder.

    Returns
    -------
    str
    """
    lines = [*outcome.remarks, "", "accuracy on held-out tracks, split by artist if artists are known:"]
    width = max(map(len, outcome.figures))
    lines += [f"  {n:{width}}  {_interval(**f)}" for n, f in outcome.figures.items()]
    lines += ["", releasing.summary({LABEL: outcome.verdict})]
    lines += ["", "accuracy by number of labels:"]
    lines += [f"  {n:5d}  {a:.3f}" for n, a in zip(outcome.curve.sizes, outcome.curve.accuracy, strict=True)]
    gain = outcome.gain
    rise = f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    lines += [f"  the next {format_count(gain.n_more, 'label')} would change it by about {rise}"]
    if len(outcome.next_tracks):
        lines += ["", f"label these next ({out / NEXT}):"]
        lines += [f"  {t.path}  {getattr(t, PREFIX + LABEL)}?" for t in outcome.next_tracks.itertuples()]
    if outcome.verdict["released"]:
        lines += ["", f"use it by `ostinato predict FILE --models {out / 'models' / 'released'}`"]
    return "\n".join(lines).strip()


def to_record(outcome: Outcome) -> dict[str, Any]:
    """Return the result as JSON-serialisable values."""
    gain = {key: round(value, 6) for key, value in asdict(outcome.gain).items()}
    record = {"verdict": outcome.verdict, METRIC: outcome.figures, "gain": gain, "remarks": outcome.remarks}
    return record | {"next": outcome.next_tracks["path"].tolist()}


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _run(inside: Paths, targets: tuple[str, ...], environment: dict[str, str]) -> None:
    if run_stages(inside.root, targets, environment):
        raise OstinatoError(f"{inside.root}: a stage failed, see above; fix it and run the same command again")


def _copy_encoder(inside: Paths, request: Request) -> dict[str, Any]:
    """Copy an encoder and its description into the folder; return its entry of `features.kinds`."""
    if request.encoder is None:
        return {}
    file = f"{request.kind}.onnx"
    content = request.encoder.read_bytes()
    for source, target in ((request.encoder, file), (request.encoder.with_suffix(".json"), f"{request.kind}.json")):
        if source.is_file():
            with atomic_write(inside.root / target) as partial:
                partial.write_bytes(source.read_bytes())
    return {"kind": "encoder", "model": file, "sha256": hashlib.sha256(content).hexdigest()}


def _remark_training_data(request: Request, kind: Mapping[str, Any], sample_rate: int) -> str:
    """Warn that metrics are too good if the encoder was trained on the same tracks."""
    complete = features.parameters(request.kind, {**kind, "model": str(request.encoder)}, sample_rate)
    data = complete.get("trained_on") or "unknown data"
    return f"the encoder was trained on {data}; metrics on tracks from it may be too good"


def _write_params(
    paths: Paths, inside: Paths, request: Request, kind: Mapping[str, Any], n_folds: int, min_accuracy: float
) -> None:
    """Write the project's params.yaml with one dataset, one feature and heads on it."""
    folder = Path(os.path.relpath(request.folder.resolve(), inside.root.resolve()))
    table = os.path.relpath((inside.root / TABLE).resolve(), request.folder.resolve())
    dataset = {"name": "folder", "path": str(folder), "table": table, "genre_from": "table"}
    kinds = {request.kind: dict(kind), BASELINE: {}}
    heads = choose_heads(request.kind, is_encoder=request.encoder is not None)
    values = {
        "dataset": dataset | {"read_tags": True, "only_listed": True},
        "split": {"folds": n_folds, "group_by": request.group_by, "scarce_genres": "test"},
        "features": {"kinds": kinds},
        "tune": {"n_trials": 0, "budget": None},
        "estimators": {name: {**head, "task": LABEL} for name, head in heads.items()},
        "gate": {LABEL: {METRIC: {"min": min_accuracy}}},
    }
    yaml_io.write(inside.params, overlay(yaml_io.read(paths.params), values))


def choose_heads(kind: str, *, is_encoder: bool) -> dict[str, dict[str, Any]]:
    """Choose the estimators to compare: linear ones on the feature, one on MFCC, and the majority.

    Parameters
    ----------
    kind : str
    is_encoder : bool
        Whether its rows are embeddings, for which the mean over patches suffices.

    Returns
    -------
    dict of str to dict
        Entries of ``estimators`` without their task.
    """
    mean = {"statistics": "mean"} if is_encoder else {}
    heads = {
        "logistic": {"estimator": "logistic", "options": {"C": 0.1, **mean}},
        "linear_svm": {"estimator": "linear_svm", "options": {"C": 0.01, "row_norm": "l2", **mean}},
    }
    return {
        **{f"{kind}_{name}": {**head, "feature": kind} for name, head in heads.items()},
        f"{BASELINE}_logistic": {"estimator": "logistic", "feature": BASELINE, "options": {"C": 1.0}},
        MAJORITY: {"estimator": MAJORITY, "feature": BASELINE},
    }


def _choose_bounds(inside: Paths, request: Request) -> tuple[int, float]:
    """Choose the number of folds, and the accuracy that beats the most frequent label by one track."""
    tracks = tables.read(inside.tracks)
    is_usable = ~tracks["track_id"].isin(tables.read(inside.quarantine)["track_id"])
    tracks = tracks[is_usable & tracks[LABEL].notna()]
    counts = tracks[LABEL].value_counts()
    if len(counts) < 2:
        raise DataError(f"{request.table}: only {len(tracks)} usable files have a label, all the same")
    min_accuracy = (int(counts.iloc[0]) + 1) / len(tracks)
    for n_folds in range(N_FOLDS, MIN_FOLDS - 1, -1):
        try:
            splits.check_folds(tracks.assign(copy=tracks["track_id"]), splits.SplitPlan(n_folds, request.group_by))
        except DataError:
            continue
        return n_folds, min_accuracy
    raise DataError(
        f"{request.table}: the labelled files are by fewer than {MIN_FOLDS} artists; label files by others, or set "
        "--group-by track, which tests on artists of the training set"
    )


def _describe(inside: Paths, settings: Params, verdict: dict[str, Any], remarks: list[str]) -> Outcome:
    """Compute learning curve and next tracks for the released model, or else the best candidate."""
    metrics = {name: read_json(inside.metrics(name))["test"][METRIC] for name in settings.estimators}
    figures = {n: {k: m[k] for k in ("value", "low", "high")} for n, m in metrics.items()}
    name = verdict["released"] or max(figures, key=lambda n: figures[n]["value"])
    entry = settings.estimators[name]
    problem, store = read_problem(inside, entry), Store(inside.feature(entry.feature))
    curve = compute_learning_curve(
        problem.make, problem.x, problem.y, problem.groups, problem.folds, seed=settings.seed
    )
    gain = estimate_gain(curve, len(problem.y), N_MORE, seed=settings.seed)
    tracks = tables.read(inside.tracks)
    pool = tracks[tracks[LABEL].isna() & tracks["track_id"].map(store.__contains__)]
    excluded = read_json(inside.classes)["not_evaluable"]
    if excluded:
        remarks = [*remarks, f"labels with too few artists to be tested: {', '.join(excluded)}"]
    return Outcome(verdict, figures, gain, curve, _choose_next(inside, name, store, pool, settings.seed), remarks)


def _choose_next(inside: Paths, name: str, store: Store, pool: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Choose the tracks whose labels would help most, with the model's predictions."""
    from ostinato.training.artefact import onnx_file
    from ostinato.training.predict import run_estimator

    columns = ["path", "doubt", PREFIX + LABEL, LABEL]
    if pool.empty:
        return pd.DataFrame(columns=columns)
    task = Task(LABEL, tuple(read_json(inside.classes)[LABEL]))
    file = onnx_file(inside.checkpoints(name), "final")
    logits, embeddings = run_estimator(file, read_vectors(store, pool["track_id"]), task, 1)
    scores = task.scores(logits)
    rows = select_tracks(scores, embeddings, N_NEXT, seed=seed)
    values = (
        pool["path"].to_numpy()[rows],
        compute_uncertainty(scores)[rows].round(4),
        np.array(task.classes)[scores[rows].argmax(axis=1)],
        None,
    )
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _write(inside: Paths, outcome: Outcome) -> None:
    curve = pd.DataFrame({"labels": outcome.curve.sizes, METRIC: outcome.curve.accuracy.round(6)})
    next_tracks = outcome.next_tracks.map(escape_cell)
    for file, table in ((CURVE, curve), (NEXT, next_tracks)):
        with atomic_write(inside.root / file) as partial:
            table.to_csv(partial, index=False)
    write_json(inside.root / SUMMARY, to_record(outcome))
