"""What is in service: state that a person or a flow changes, and so no stage of the pipeline.

`release` takes the best accepted candidate of each task and puts it into
models/released/<task>/ if nothing speaks against it; `rollback` brings back what
stood there before. The folder is changed by one rename, and what leaves it is
copied beforehand, so that a kill at any moment leaves a whole model in service.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato import conditions, profiles, swap
from ostinato.contract.task import COLUMNS, Task
from ostinato.errors import OstinatoError
from ostinato.evaluation import contest
from ostinato.evaluation.candidate.figures import family
from ostinato.evaluation.candidate.judged import KEYS, Judged, judged
from ostinato.evaluation.card import card
from ostinato.evaluation.gate import leading
from ostinato.evaluation.roster import Entry, roster
from ostinato.evaluation.rules import Answer, release_bounds, told
from ostinato.files import read_json, write_json
from ostinato.paths import Paths
from ostinato.runtime.session import REFERENCE

SECTIONS = ("seed", "validate", "evaluate", "gate", "release", "candidates", "estimators", "stacked")
NETWORK, TAGGER, MODEL, TEST = conditions.NETWORK, "tagger.onnx", conditions.MODEL, conditions.TEST
CARD, RELEASE = "card.md", "release.json"
REFUSED = ("rejected", "not comparable")
EXIT_REFUSED = 3


def release(paths: Paths, params: Any, *, replace: bool = False) -> dict[str, dict[str, Any]]:
    """Decide for each task that params.yaml gates, and carry it out.

    Parameters
    ----------
    paths : Paths
    params : object
        With `SECTIONS`.
    replace : bool
        Replace a released model that cannot be compared with the new one.

    Returns
    -------
    dict of str to dict
        ``{task: {"answer", "released", "previous", "reasons", "rules"}}``, as written to
        models/verdict.json. Answers: released, unchanged, skipped, rejected, not comparable.

    Raises
    ------
    OstinatoError
        If a file of the pipeline is missing; nothing is changed for that task.
    """
    gate, verdicts = read_json(paths.gate), _verdicts(paths)
    for task in (t for t in params.gate if COLUMNS.get(t, "embedding") != "embedding"):  # spaces serve by the catalog
        folder = paths.released(task)
        _settle(folder)
        verdicts[task] = _verdict(folder, *_decide(paths, params, task, gate, replace))
        write_json(paths.verdict, verdicts)
    return verdicts


def rollback(paths: Paths, tasks: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Bring back what was in service before; a second time undoes it.

    Parameters
    ----------
    paths : Paths
    tasks : sequence of str, optional
        Default: every task that has a previous model.

    Returns
    -------
    dict of str to dict
        As `release`; the answer is "rolled back".

    Raises
    ------
    OstinatoError
        If a task has no previous model.
    """
    verdicts = _verdicts(paths)
    for task in COLUMNS:
        _settle(paths.released(task))
    able = [t for t in COLUMNS if _previous(paths.released(t)).is_dir()]
    for task in tasks or able:
        if task not in able:
            raise OstinatoError(f"{paths.released(task)}: there is no previous model of {task} to go back to")
    if not able:
        raise OstinatoError(f"{paths.releases}: nothing was replaced yet, so there is nothing to go back to")
    for task in tasks or able:
        folder = paths.released(task)
        if folder.is_dir():
            swap.exchange(_previous(folder), folder)
        else:
            _previous(folder).rename(folder)
        swap.sync(folder.parent)
        verdicts[task] = _verdict(folder, "rolled back", ["rolled back on request"])
        write_json(paths.verdict, verdicts)
    return verdicts


def exit_code(verdicts: dict[str, dict[str, Any]]) -> int:
    """Give the exit status of the command: 3 if any task was refused, else 0."""
    return EXIT_REFUSED if any(v["answer"] in REFUSED for v in verdicts.values()) else 0


def summary(verdicts: dict[str, dict[str, Any]]) -> str:
    """Put verdicts in words: a line a task and a line a reason, refusals last."""
    lines = []
    for task, verdict in sorted(verdicts.items(), key=lambda item: (item[1]["answer"] in REFUSED, item[0])):
        lines.append(f"{task}: {verdict['answer']}; in service: {verdict['released'] or 'nothing'}")
        lines += [f"  - {reason}" for reason in verdict["reasons"]]
    return "\n".join(lines)


def _decide(
    paths: Paths, params: Any, task: str, gate: dict[str, Any], replace: bool
) -> tuple[str, list[str], list[Answer]]:
    """Find the best candidate of a task and apply the rules in turn."""
    entries = [e for e in roster(params).values() if e.task == task]
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
    metric = leading(params.gate[task], task)
    best = _best(accepted, metrics, metric, task)
    value = metrics[best.name]["test"][metric]["value"]
    reasons = [f"{best.name} leads {len(accepted)} accepted by {metric} {value:.4f}"]
    onnx, folder = paths.onnx(best.name), paths.released(task)
    export = read_json(onnx / "export.json")
    if not export["accepted"]:
        return "rejected", [*reasons, *export["reasons"]], []
    if folder.is_dir() and all(_bytes(onnx / f) == _bytes(folder / f) for f in (NETWORK, TAGGER)):
        renewed = profiles.write_reference(paths, params.validate, folder)
        more = [f"its {REFERENCE} was written anew: bounds or training tracks are others"] if renewed else []
        return "unchanged", [*reasons, f"its {NETWORK} is byte for byte what is released", *more], []
    return _judge(paths, params, best, metric, reasons, replace)


def _judge(
    paths: Paths, params: Any, best: Entry, metric: str, reasons: list[str], replace: bool
) -> tuple[str, list[str], list[Answer]]:
    """Apply what needs the file, then what needs the model in service; put it there if all is kept."""
    onnx, folder = paths.onnx(best.name), paths.released(best.task)
    bounds = release_bounds(params.gate[best.task], params.release)
    answers = conditions.of_file(paths, best.name, bounds)
    rows = _rows(paths, best.name, best.task)
    as_told = []
    if all(a.kept for a in answers) and folder.is_dir():
        obstacle, more = conditions.of_incumbent(folder, onnx, rows, params, metric, bounds)
        answers += more
        if obstacle and not replace:
            known = [*reasons, *(a.reason for a in answers)]
            return "not comparable", [*known, f"{obstacle}; `ostinato release --replace` replaces it"], answers
        as_told = [f"replaced without comparison, as told: {obstacle}"] if obstacle else []
    reasons = [*reasons, *(a.reason for a in answers), *as_told]
    if not all(a.kept for a in answers):
        return "rejected", reasons, answers
    _install(paths, params.validate, onnx, folder, rows)
    return "released", reasons, answers


def _best(accepted: list[Entry], metrics: dict[str, Any], metric: str, task: str) -> Entry:
    """Take the candidate with the best figure; of equals the first in params.yaml."""
    sign = 1 if family(COLUMNS[task])[metric].higher_is_better else -1
    return max(accepted, key=lambda e: sign * metrics[e.name]["test"][metric]["value"])


def _rows(paths: Paths, name: str, task: str) -> Judged:
    """Read the test tracks of a candidate."""
    classes = tuple(read_json(paths.classes)[task])
    predictions = pd.read_parquet(paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    return judged(
        predictions, pd.read_parquet(paths.splits), pd.read_parquet(paths.tracks), Task(task, classes), "test"
    )


def _install(paths: Paths, bounds: Any, onnx: Path, folder: Path, rows: Judged) -> None:
    """Keep a copy of what is there as the previous one, then change the folder by one rename."""
    from ostinato.runtime import session

    incoming, version = _incoming(folder), _version(folder) + 1
    if folder.is_dir():
        _fresh(incoming)
        shutil.copytree(folder, incoming, dirs_exist_ok=True)
        swap.install(incoming, _previous(folder))
    _fresh(incoming)
    for name in (NETWORK, TAGGER, MODEL):
        if (onnx / name).exists():
            shutil.copyfile(onnx / name, incoming / name)
    contest.kept(rows).to_parquet(incoming / TEST, index=False)
    profiles.write_profile(paths, incoming)
    profiles.write_reference(paths, bounds, incoming)
    digest = hashlib.sha256((onnx / NETWORK).read_bytes()).hexdigest()
    taken = round(session.latency_ms(onnx), 3)
    write_json(incoming / RELEASE, {"version": version, "network": digest, "latency_ms": taken})
    (incoming / CARD).write_text(card(read_json(incoming / MODEL), version), encoding="utf-8")
    swap.install(incoming, folder)


def _version(folder: Path) -> int:
    """Give the highest version released so far, rolled back or not."""
    known = [f / RELEASE for f in (folder, _previous(folder)) if (f / RELEASE).exists()]
    return max((int(read_json(f)["version"]) for f in known), default=0)


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _beside(folder: Path, shelf: str) -> Path:
    return folder.parent / shelf / folder.name


def _settle(folder: Path) -> None:
    """Finish what a kill interrupted."""
    swap.settle(_incoming(folder), _previous(folder))
    swap.settle(_previous(folder), folder)


def _incoming(folder: Path) -> Path:
    """Where what is about to be in service is made."""
    return _beside(folder, ".incoming")


def _previous(folder: Path) -> Path:
    """Where what was in service before lies."""
    return _beside(folder, ".previous")


def _name(folder: Path) -> str | None:
    return str(read_json(folder / MODEL)["name"]) if folder.is_dir() else None


def _verdict(folder: Path, answer: str, reasons: list[str], answers: Sequence[Answer] = ()) -> dict[str, Any]:
    """Say what is in service now and what a rollback would bring back."""
    there = {"answer": answer, "released": _name(folder), "previous": _name(_previous(folder))}
    return there | {"reasons": reasons, "rules": told(answers)}


def _verdicts(paths: Paths) -> dict[str, dict[str, Any]]:
    return read_json(paths.verdict) if paths.verdict.exists() else {}
