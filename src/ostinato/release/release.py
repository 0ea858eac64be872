"""Releases: state that a person or a flow changes, hence not a stage of the pipeline.

`release` puts the best accepted candidate of each task in service as a new version if it
passes every rule; `rollback` restores the previous version and holds it until a release
resumes. A version is complete before the one file that names the version in service is
replaced, so a kill at any moment leaves a complete model in service.
"""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ostinato.core.candidates import PREFERRED, Entry, first_metric, get_candidates
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
REFUSED_ANSWERS = ("rejected", "not comparable", "damaged")
EXIT_REFUSED = 3
RELEASED = (*(task for task, kind in COLUMNS.items() if kind != "embedding"), CATALOG)
"""Everything with versions: the model of each task, and the catalog."""
Decision = Callable[[], tuple[str, list[str], list[RuleResult]]]


def release(
    paths: Paths, params: Params, *, tasks: Sequence[str] | None = None, replace: bool = False, resume: bool = False
) -> dict[str, dict[str, Any]]:
    """Release the best candidate of each task that params.yaml gates, and then the catalog.

    Parameters
    ----------
    paths : Paths
    params : Params
        With `SECTIONS`.
    tasks : sequence of str, optional
        Release these only; `CATALOG` stands for the catalog.
    replace : bool
        Replace a released model that cannot be compared with the new one.
    resume : bool
        Also release tasks that a rollback holds at a version.

    Returns
    -------
    dict of str to dict
        ``{task: {"answer", "released", "previous", "reasons", "rules"}}`` of these tasks; models/verdict.json
        also has those of other tasks. Answers: released, unchanged, skipped, rejected, not comparable, damaged, held.

    Raises
    ------
    OstinatoError
        If an output of the pipeline is missing; nothing changes for that task.
    """
    _check_tasks(tasks)
    gated = [t for t in params.gate if COLUMNS.get(t, "embedding") != "embedding"]  # spaces serve by the catalog
    decisions: dict[str, Decision] = {task: partial(_decide, paths, params, task, replace) for task in gated}
    if paths.catalog.is_dir():
        preferred = params.gate.get("space", {}).get(PREFERRED)
        decisions[CATALOG] = partial(catalog.release, paths, params.release, preferred)
    selected = [task for task in decisions if tasks is None or task in tasks]
    if missing := sorted({*(tasks or ())} - {*selected}):
        remedy = "run `dvc repro catalog` first" if missing[0] == CATALOG else f"params.yaml has no gate.{missing[0]}"
        raise OstinatoError(f"--task {missing[0]}: cannot be released: {remedy}")
    return {task: _carry_out(paths, task, decisions[task], resume) for task in selected}


def _carry_out(paths: Paths, task: str, decide: Decision, resume: bool) -> dict[str, Any]:
    """Decide on a task unless a rollback holds it, and record the verdict."""
    folder = paths.releases / task
    versions.settle(folder)
    pointer = versions.read_pointer(folder)
    if pointer and pointer.hold and not resume:
        reason = f"{_describe(folder, pointer.version)} is held; resume with `ostinato release --resume`"
        return _record(paths, task, "held", [reason])
    if pointer and pointer.hold:
        versions.set_pointer(folder, pointer._replace(hold=False))
    return _record(paths, task, *decide())


def _check_tasks(tasks: Sequence[str] | None) -> None:
    if unknown := [task for task in tasks or () if task not in RELEASED]:
        raise OstinatoError(f"--task: unknown task {unknown[0]!r}; choose from {', '.join(RELEASED)}")


def rollback(paths: Paths, tasks: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Restore the previous version, and hold it until a release resumes.

    Parameters
    ----------
    paths : Paths
    tasks : sequence of str, optional
        `CATALOG` stands for the catalog. Default: all with an earlier version.

    Returns
    -------
    dict of str to dict
        As from `release`; the answer is "rolled back".

    Raises
    ------
    OstinatoError
        If a task has no earlier version; nothing changes.
    """
    _check_tasks(tasks)
    for task in tasks or RELEASED:
        versions.settle(paths.releases / task)
    earlier = {task: _earlier(paths.releases / task) for task in tasks or RELEASED}
    if missing := [task for task in tasks or () if earlier[task] is None]:
        raise OstinatoError(f"{paths.releases / missing[0]}: there is no earlier version of {missing[0]} to go back to")
    if not any(earlier.values()):
        raise OstinatoError(f"{paths.releases}: no task has an earlier version, so there is nothing to go back to")
    verdicts = {task: _roll_back(paths, task, version) for task, version in earlier.items() if version is not None}
    return {task: _note_catalog(paths, task, verdict) for task, verdict in verdicts.items()}


def _note_catalog(paths: Paths, task: str, verdict: dict[str, Any]) -> dict[str, Any]:
    """Add a remark on the catalog, which keeps its own network, to a model's rollback verdict."""
    remark = (
        None
        if task == CATALOG
        else catalog.find_other_training(paths.current_release(CATALOG), paths.current_release(task))
    )
    if remark is None:
        return verdict
    return _record(paths, task, verdict["answer"], [*verdict["reasons"], remark])


def _roll_back(paths: Paths, task: str, version: int) -> dict[str, Any]:
    """Put an earlier version in service, and hold it."""
    folder = paths.releases / task
    pointer = versions.read_pointer(folder)
    versions.check_digests(folder / str(version))
    newest = pointer.newest if pointer else versions.list_versions(folder)[-1]
    versions.set_pointer(folder, Pointer(version, newest, hold=True))
    start = f"from {_describe(folder, pointer.version)} " if pointer else ""
    reason = f"rolled back {start}to {_describe(folder, version)}, on request; held until `ostinato release --resume`"
    return _record(paths, task, "rolled back", [reason])


def exit_code(verdicts: dict[str, dict[str, Any]]) -> int:
    """Return the exit status of the command: 3 if any task was refused, else 0."""
    return EXIT_REFUSED if any(v["answer"] in REFUSED_ANSWERS for v in verdicts.values()) else 0


def summary(verdicts: dict[str, dict[str, Any]]) -> str:
    """Format verdicts as text: one line per task and per reason, refusals last."""
    lines = []
    for task, verdict in sorted(verdicts.items(), key=lambda item: (item[1]["answer"] in REFUSED_ANSWERS, item[0])):
        lines.append(f"{task}: {verdict['answer']}; in service: {verdict['released'] or 'nothing'}")
        lines += [f"  - {reason}" for reason in verdict["reasons"]]
    return "\n".join(lines)


def _decide(paths: Paths, params: Params, task: str, replace: bool) -> tuple[str, list[str], list[RuleResult]]:
    """Find the best candidate of a task and apply the rules in turn."""
    gate = read_json(paths.gate)
    entries = [e for e in get_candidates(params).values() if e.task == task]
    if missing := [e.name for e in entries if e.name not in gate]:
        raise OstinatoError(f"{paths.gate}: has no entry for {missing[0]}; run `dvc repro gate`")
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
    onnx, folder = paths.onnx(best.name), paths.current_release(task)
    export = read_json(onnx / "export.json")
    if not export["accepted"]:
        return "rejected", [*reasons, *export["reasons"]], []
    intact = folder.is_dir() and not versions.find_damage(folder)
    if intact and all(_bytes(onnx / f) == _bytes(folder / f) for f in (NETWORK, TAGGER)):
        updated = profiles.write_reference(paths, params.validate_, folder)
        remarks = [f"its {REFERENCE} was updated: bounds or training tracks changed"] if updated else []
        return "unchanged", [*reasons, f"its {NETWORK} is identical to the released one", *remarks], []
    return _judge(paths, params, best, metric, reasons, replace)


def _judge(
    paths: Paths, params: Params, best: Entry, metric: str, reasons: list[str], replace: bool
) -> tuple[str, list[str], list[RuleResult]]:
    """Apply the rules for the exported file, then the comparison with the released model; install it if all pass."""
    onnx, folder = paths.onnx(best.name), paths.current_release(best.task)
    bounds = release_bounds(params.gate[best.task], params.release)
    results = checks.check_exported_file(paths, best.name, bounds, params.release.use)
    rows = _rows(paths, best.name, best.task)
    remarks = []
    if all(result.kept for result in results) and folder.is_dir():
        if (damage := versions.find_damage(folder)) and not replace:
            hint = "or replace it (`ostinato release --replace`)"
            return "damaged", [*reasons, f"the released model is damaged: {damage}, {hint}"], results
        obstacle, added = checks.compare_with_released(folder, onnx, rows, params, metric, bounds)
        results += added
        if obstacle and not replace:
            reasons = [*reasons, *(result.reason for result in results)]
            return "not comparable", [*reasons, f"{obstacle}; `ostinato release --replace` replaces it"], results
        remarks = [f"replaced without comparison, as requested: {obstacle}"] if obstacle else []
    reasons = [*reasons, *(result.reason for result in results), *remarks]
    if not all(result.kept for result in results):
        return "rejected", reasons, results
    _install(paths, params, onnx, paths.releases / best.task, rows, reasons, results)
    return "released", reasons, results


def _best(accepted: list[Entry], metrics: dict[str, Any], metric: str, task: str) -> Entry:
    """Return the candidate with the best metric; of equals, the first in params.yaml."""
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
    results: list[RuleResult],
) -> None:
    """Copy an exported network into a new version, and put it in service."""
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

    latency_ms = round(latency.compute_latency_ms(onnx), 3)
    metadata = {"version": version, "network": digests[NETWORK], "latency_ms": latency_ms, "files": digests}
    write_json(incoming / RELEASE, metadata | {"reasons": reasons, "rules": to_records(results)})
    versions.add_version(folder, incoming, version, params.release.keep)


def _earlier(folder: Path) -> int | None:
    """Return the version before the one in service; None if there is none."""
    pointer = versions.read_pointer(folder)
    earlier = [v for v in versions.list_versions(folder) if pointer is None or v < pointer.version]
    return max(earlier, default=None)


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
    paths: Paths, task: str, answer: str, reasons: list[str], results: Sequence[RuleResult] = ()
) -> dict[str, Any]:
    """Record the decision, the version in service and the one that a rollback would restore."""
    folder = paths.releases / task
    earlier = _earlier(folder)
    verdict = {
        "answer": answer,
        "released": _name(paths.current_release(task)),
        "previous": None if earlier is None else _name(folder / str(earlier)),
        "reasons": reasons,
        "rules": to_records(results),
    }
    verdicts = read_json(paths.verdict) if paths.verdict.exists() else {}
    write_json(paths.verdict, {**verdicts, task: verdict})
    return verdict
