"""Releases: state that a person or a flow changes, and so no stage of the pipeline.

`release` takes the best accepted candidate of each task and puts it in service as a
new version if nothing speaks against it; `rollback` goes back a version, and stays
there until it is told to go on. A version is whole before the one file changes that
says which is in service, so that a kill at any moment leaves a whole model in service.
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ostinato.core.candidates import Entry, first_metric, get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS, Task
from ostinato.errors import OstinatoError
from ostinato.evaluation import paired
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.predictions import KEYS, ScoredTracks, join_labels
from ostinato.inference.drift_profile import PROFILE
from ostinato.inference.model import REFERENCE
from ostinato.io import versions
from ostinato.io.files import read_json, read_parquet, write_json
from ostinato.io.versions import CATALOG, RELEASE, Pointer
from ostinato.release import catalog, checks, profiles
from ostinato.release.card import card
from ostinato.release.rules import RuleResult, release_bounds, to_records

SECTIONS = ("seed", "validate", "evaluate", "gate", "release", "candidates", "estimators", "stacked")
NETWORK, TAGGER, MODEL, TEST = checks.NETWORK, "tagger.onnx", checks.MODEL, checks.TEST
CARD = "card.md"
REFUSED = ("rejected", "not comparable", "damaged")
EXIT_REFUSED = 3
RELEASED = (*(task for task, kind in COLUMNS.items() if kind != "embedding"), CATALOG)
"""What has versions: models of tasks, and the catalog."""
Decision = Callable[[], tuple[str, list[str], list[RuleResult]]]


def release(
    paths: Paths, params: Params, *, tasks: Sequence[str] | None = None, replace: bool = False, resume: bool = False
) -> dict[str, dict[str, Any]]:
    """Decide for each task that params.yaml gates, and then for the catalog, and carry it out.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    tasks : sequence of str, optional
        Decide for these alone; `CATALOG` stands for the catalog.
    replace : bool
        Replace a released model that cannot be compared with the new one.
    resume : bool
        Decide again for tasks that a rollback holds at a version.

    Returns
    -------
    dict of str to dict
        ``{task: {"answer", "released", "previous", "reasons", "rules"}}`` of these tasks; models/verdict.json
        holds those of others, too. Answers: released, unchanged, skipped, rejected, not comparable, damaged, held.

    Raises
    ------
    OstinatoError
        If a file of the pipeline is missing; nothing is changed for that task.
    """
    _check_tasks(tasks)
    gated = [t for t in params.gate if COLUMNS.get(t, "embedding") != "embedding"]  # spaces serve by the catalog
    decisions: dict[str, Decision] = {task: partial(_decide, paths, params, task, replace) for task in gated}
    if paths.catalog.is_dir():
        decisions[CATALOG] = partial(catalog.release, paths, params.release)
    chosen = [task for task in decisions if tasks is None or task in tasks]
    if absent := sorted({*(tasks or ())} - {*chosen}):
        missing = (
            "run `dvc repro catalog` first" if absent[0] == CATALOG else f"gate.{absent[0]} of params.yaml is absent"
        )
        raise OstinatoError(f"--task {absent[0]}: cannot be released: {missing}")
    return {task: _carry_out(paths, task, decisions[task], resume) for task in chosen}


def _carry_out(paths: Paths, task: str, decide: Decision, resume: bool) -> dict[str, Any]:
    """Decide for a task unless a rollback holds it, and record the verdict."""
    folder = paths.releases / task
    versions.settle(folder)
    pointer = versions.read_pointer(folder)
    if pointer and pointer.hold and not resume:
        reason = f"{_describe(folder, pointer.version)} is held; `ostinato release --resume` goes on"
        return _record(paths, task, "held", [reason])
    if pointer and pointer.hold:
        versions.set_pointer(folder, pointer._replace(hold=False))
    return _record(paths, task, *decide())


def _check_tasks(tasks: Sequence[str] | None) -> None:
    if unknown := [task for task in tasks or () if task not in RELEASED]:
        raise OstinatoError(f"--task: there is no {unknown[0]!r}; there is {', '.join(RELEASED)}")


def rollback(paths: Paths, tasks: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Go back to the version before the one in service, and hold it there until a release resumes.

    Parameters
    ----------
    paths : Paths
    tasks : sequence of str, optional
        `CATALOG` stands for the catalog. Default: all that have an earlier version.

    Returns
    -------
    dict of str to dict
        As `release`; the answer is "rolled back".

    Raises
    ------
    OstinatoError
        If a task has no earlier version; nothing is changed.
    """
    _check_tasks(tasks)
    for task in tasks or RELEASED:
        versions.settle(paths.releases / task)
    earlier = {task: _earlier(paths.releases / task) for task in tasks or RELEASED}
    if absent := [task for task in tasks or () if earlier[task] is None]:
        raise OstinatoError(f"{paths.releases / absent[0]}: there is no earlier version of {absent[0]} to go back to")
    if not any(earlier.values()):
        raise OstinatoError(f"{paths.releases}: no task has an earlier version, so there is nothing to go back to")
    verdicts = {task: _roll_back(paths, task, version) for task, version in earlier.items() if version is not None}
    return {task: _note_catalog(paths, task, verdict) for task, verdict in verdicts.items()}


def _note_catalog(paths: Paths, task: str, verdict: dict[str, Any]) -> dict[str, Any]:
    """Add to the verdict of a model what its rollback means for the catalog, which keeps a network of its own."""
    other = None if task == CATALOG else catalog.find_other_training(paths.released(CATALOG), paths.released(task))
    if other is None:
        return verdict
    return _record(paths, task, verdict["answer"], [*verdict["reasons"], other])


def _roll_back(paths: Paths, task: str, version: int) -> dict[str, Any]:
    """Put an earlier version in service, and hold it."""
    folder = paths.releases / task
    before = versions.read_pointer(folder)
    versions.check_digests(folder / str(version))
    newest = before.newest if before else versions.list_versions(folder)[-1]
    versions.set_pointer(folder, Pointer(version, newest, hold=True))
    start = f"from {_describe(folder, before.version)} " if before else ""
    reason = f"rolled back {start}to {_describe(folder, version)}, on request; held until `ostinato release --resume`"
    return _record(paths, task, "rolled back", [reason])


def exit_code(verdicts: dict[str, dict[str, Any]]) -> int:
    """Return the exit status of the command: 3 if any task was refused, else 0."""
    return EXIT_REFUSED if any(v["answer"] in REFUSED for v in verdicts.values()) else 0


def summary(verdicts: dict[str, dict[str, Any]]) -> str:
    """Put verdicts in words: a line a task and a line a reason, refusals last."""
    lines = []
    for task, verdict in sorted(verdicts.items(), key=lambda item: (item[1]["answer"] in REFUSED, item[0])):
        lines.append(f"{task}: {verdict['answer']}; in service: {verdict['released'] or 'nothing'}")
        lines += [f"  - {reason}" for reason in verdict["reasons"]]
    return "\n".join(lines)


def _decide(paths: Paths, params: Params, task: str, replace: bool) -> tuple[str, list[str], list[RuleResult]]:
    """Find the best candidate of a task and apply the rules in turn."""
    gate = read_json(paths.gate)
    entries = [e for e in get_candidates(params).values() if e.task == task]
    if absent := [e.name for e in entries if e.name not in gate]:
        raise OstinatoError(f"{paths.gate}: says nothing of {absent[0]}; run `dvc repro gate`")
    metrics = {e.name: read_json(paths.metrics(e.name)) for e in entries}
    present = [e for e in entries if "skipped" not in metrics[e.name]]
    if not present:
        reasons = sorted({r for e in entries for r in gate[e.name]["reasons"]}) or [f"no candidate has {task}"]
        return "skipped", reasons, []
    accepted = [e for e in present if gate[e.name]["accepted"]]
    if not accepted:
        return "rejected", [f"{e.name}: {'; '.join(gate[e.name]['reasons'])}" for e in present], []
    metric = first_metric(params.gate[task], task)
    best = _best(accepted, metrics, metric, task)
    value = metrics[best.name]["test"][metric]["value"]
    reasons = [f"{best.name} leads {len(accepted)} accepted by {metric} {value:.4f}"]
    onnx, folder = paths.onnx(best.name), paths.released(task)
    export = read_json(onnx / "export.json")
    if not export["accepted"]:
        return "rejected", [*reasons, *export["reasons"]], []
    whole = folder.is_dir() and not checks.find_damage(folder)
    if whole and all(_bytes(onnx / f) == _bytes(folder / f) for f in (NETWORK, TAGGER)):
        renewed = profiles.write_reference(paths, params.validate_, folder)
        more = [f"its {REFERENCE} was written anew: bounds or training tracks are others"] if renewed else []
        return "unchanged", [*reasons, f"its {NETWORK} is byte for byte what is released", *more], []
    return _judge(paths, params, best, metric, reasons, replace)


def _judge(
    paths: Paths, params: Params, best: Entry, metric: str, reasons: list[str], replace: bool
) -> tuple[str, list[str], list[RuleResult]]:
    """Apply what needs the file, then what needs the model in service; put it there if all is kept."""
    onnx, folder = paths.onnx(best.name), paths.released(best.task)
    bounds = release_bounds(params.gate[best.task], params.release)
    answers = checks.check_exported_file(paths, best.name, bounds, params.release.use)
    rows = _rows(paths, best.name, best.task)
    as_told = []
    if all(a.kept for a in answers) and folder.is_dir():
        if (damage := checks.find_damage(folder)) and not replace:
            mend = "or replace it (`ostinato release --replace`)"
            return "damaged", [*reasons, f"what is in service is damaged: {damage}, {mend}"], answers
        obstacle, more = checks.compare_with_released(folder, onnx, rows, params, metric, bounds)
        answers += more
        if obstacle and not replace:
            known = [*reasons, *(a.reason for a in answers)]
            return "not comparable", [*known, f"{obstacle}; `ostinato release --replace` replaces it"], answers
        as_told = [f"replaced without comparison, as told: {obstacle}"] if obstacle else []
    reasons = [*reasons, *(a.reason for a in answers), *as_told]
    if not all(a.kept for a in answers):
        return "rejected", reasons, answers
    _install(paths, params, onnx, paths.releases / best.task, rows, reasons, answers)
    return "released", reasons, answers


def _best(accepted: list[Entry], metrics: dict[str, Any], metric: str, task: str) -> Entry:
    """Take the candidate with the best figure; of equals the first in params.yaml."""
    sign = 1 if get_metrics(COLUMNS[task])[metric].higher_is_better else -1
    return max(accepted, key=lambda e: sign * metrics[e.name]["test"][metric]["value"])


def _rows(paths: Paths, name: str, task: str) -> ScoredTracks:
    """Read the test tracks of a candidate."""
    classes = tuple(read_json(paths.classes)[task])
    predictions = read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    return join_labels(predictions, read_parquet(paths.splits), read_parquet(paths.tracks), Task(task, classes), "test")


def _install(
    paths: Paths,
    params: Params,
    onnx: Path,
    folder: Path,
    rows: ScoredTracks,
    reasons: list[str],
    answers: list[RuleResult],
) -> None:
    """Make a version of an exported network, and put it in service."""
    incoming, version = versions.make_incoming(folder), versions.find_next(folder)
    files = versions.list_model_files(onnx)
    for name in (*files, TAGGER):
        if (onnx / name).exists():
            shutil.copyfile(onnx / name, incoming / name)
    paired.make_record(rows).to_parquet(incoming / TEST, index=False, write_page_checksum=True)
    profiles.write_profile(paths, incoming)
    profiles.write_reference(paths, params.validate_, incoming)
    (incoming / CARD).write_text(card(read_json(incoming / MODEL), version), encoding="utf-8")
    digests = versions.compute_digests(incoming, (*files, TAGGER, TEST, PROFILE, CARD))
    from ostinato.inference import latency

    taken = round(latency.compute_latency_ms(onnx), 3)
    about = {"version": version, "network": digests[NETWORK], "latency_ms": taken, "files": digests}
    write_json(incoming / RELEASE, about | {"reasons": reasons, "rules": to_records(answers)})
    versions.add_version(folder, incoming, version, params.release.keep)


def _earlier(folder: Path) -> int | None:
    """Return the version before the one in service; None if there is none."""
    pointer = versions.read_pointer(folder)
    below = [v for v in versions.list_versions(folder) if pointer is None or v < pointer.version]
    return max(below, default=None)


def _describe(folder: Path, version: int) -> str:
    """Name a version and its model."""
    name = _name(folder / str(version))
    return f"version {version} ({name})" if name else f"version {version}"


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _name(folder: Path) -> str | None:
    """Return the name of a folder's model; None if there is none."""
    return str(read_json(folder / MODEL)["name"]) if (folder / MODEL).is_file() else None


def _record(
    paths: Paths, task: str, answer: str, reasons: list[str], answers: Sequence[RuleResult] = ()
) -> dict[str, Any]:
    """Write down what was decided, what is in service now, and what a rollback would bring back."""
    folder = paths.releases / task
    earlier = _earlier(folder)
    verdict = {
        "answer": answer,
        "released": _name(paths.released(task)),
        "previous": None if earlier is None else _name(folder / str(earlier)),
        "reasons": reasons,
        "rules": to_records(answers),
    }
    verdicts = read_json(paths.verdict) if paths.verdict.exists() else {}
    write_json(paths.verdict, {**verdicts, task: verdict})
    return verdict
