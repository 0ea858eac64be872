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

import numpy as np
import pandas as pd

from ostinato import drift, swap
from ostinato.errors import OstinatoError
from ostinato.evaluation import contest
from ostinato.evaluation.card import card
from ostinato.evaluation.figures import family
from ostinato.evaluation.gate import leading
from ostinato.evaluation.judged import KEYS, Judged, judged
from ostinato.evaluation.roster import Entry, roster
from ostinato.files import read_json, write_json
from ostinato.paths import Paths
from ostinato.runtime import likeness
from ostinato.runtime.session import Released
from ostinato.store import Store
from ostinato.task import COLUMNS, Task

SECTIONS = ("seed", "evaluate", "gate", "release", "candidates", "estimators", "stacked")
NETWORK, TAGGER, MODEL, TEST = "network.onnx", "tagger.onnx", "model.json", "test.parquet"
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
        ``{task: {"answer", "released", "previous", "reasons"}}``, as written to
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
        answer, reasons = _decide(paths, params, task, gate, replace)
        verdicts[task] = _verdict(folder, answer, reasons)
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
        swap.exchange(_previous(folder), folder)
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


def _decide(paths: Paths, params: Any, task: str, gate: dict[str, Any], replace: bool) -> tuple[str, list[str]]:
    """Find the best candidate of a task and apply the rules in turn."""
    entries = [e for e in roster(params).values() if e.task == task]
    metrics = {e.name: read_json(paths.metrics(e.name)) for e in entries}
    present = [e for e in entries if "skipped" not in metrics[e.name]]
    if not present:
        return "skipped", sorted({r for e in entries for r in gate[e.name]["reasons"]}) or [f"no candidate has {task}"]
    accepted = [e for e in present if gate[e.name]["accepted"]]
    if not accepted:
        return "rejected", [f"{e.name}: {'; '.join(gate[e.name]['reasons'])}" for e in present]
    metric = leading(params.gate[task], task)
    best = _best(accepted, metrics, metric, task)
    reasons = [
        f"{best.name} leads {len(accepted)} accepted by {metric} {metrics[best.name]['test'][metric]['value']:.4f}"
    ]
    onnx, folder = paths.onnx(best.name), paths.released(task)
    export = read_json(onnx / "export.json")
    if not export["accepted"]:
        return "rejected", [*reasons, *export["reasons"]]
    if folder.is_dir() and all(_bytes(onnx / f) == _bytes(folder / f) for f in (NETWORK, TAGGER)):
        return "unchanged", [*reasons, f"its {NETWORK} is byte for byte what is released"]
    rules = contest.file_rules(export, (onnx / NETWORK).stat().st_size, params.release)
    rows = _rows(paths, best.name, task)
    if all(kept for kept, _ in rules) and folder.is_dir():
        obstacle, more = _against(folder, onnx, rows, params, metric)
        if obstacle and not replace:
            return "not comparable", [
                *reasons,
                *(r for _, r in rules),
                f"{obstacle}; `ostinato release --replace` replaces it",
            ]
        rules += more or [(True, f"replaced without comparison, as told: {obstacle}")]
    reasons += [reason for _, reason in rules]
    if not all(kept for kept, _ in rules):
        return "rejected", reasons
    _install(paths, onnx, folder, rows)
    return "released", reasons


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


def _against(
    folder: Path, onnx: Path, rows: Judged, params: Any, metric: str
) -> tuple[str | None, list[tuple[bool, str]]]:
    """Compare with what is released: what forbids comparing, or the rules that compare."""
    new, old = read_json(onnx / MODEL), read_json(folder / MODEL)
    obstacle = contest.incomparable(new, old)
    if obstacle:
        return obstacle, []
    difference = contest.paired(
        rows,
        pd.read_parquet(folder / TEST),
        new["kind"],
        metric,
        threshold=params.evaluate.threshold,
        n_resamples=params.evaluate.bootstrap,
        level=params.evaluate.level,
        seed=params.seed,
    )
    if difference is None:
        return "no track was a test track of both", []
    rules = [contest.drop_rule(difference, metric, params.release.max_drop)]
    if params.release.max_latency_ratio is not None:
        rules.append(_latency_rule(onnx, folder, params.release.max_latency_ratio))
    return None, rules


def _latency_rule(onnx: Path, folder: Path, bound: float) -> tuple[bool, str]:
    """Time both networks on one chunk, in turn."""
    from ostinato.runtime.session import latency_ratio

    ratio = latency_ratio(onnx, folder)
    kept = ratio <= bound
    return kept, f"one chunk takes {ratio:.2f} times as long as before, {'at most' if kept else 'above'} {bound:g}"


def _install(paths: Paths, onnx: Path, folder: Path, rows: Judged) -> None:
    """Keep a copy of what is there as the previous one, then change the folder by one rename."""
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
    _keep_profile(paths, incoming)
    digest = hashlib.sha256((onnx / NETWORK).read_bytes()).hexdigest()
    write_json(incoming / RELEASE, {"version": version, "network": digest})
    (incoming / CARD).write_text(card(read_json(incoming / MODEL), version), encoding="utf-8")
    swap.install(incoming, folder)


def _keep_profile(paths: Paths, folder: Path) -> None:
    """Keep what the tracks of the split are like beside the model, so that drift can be told later."""
    model = Released(folder, threads=1)
    places = {name: paths.feature(name) for name in model.inputs}
    if not all((place / "meta.json").exists() for place in places.values()):
        return
    stores = {name: Store(place) for name, place in places.items()}
    ids = sorted({i for i in pd.read_parquet(paths.splits)["track_id"] if all(i in s for s in stores.values())})
    step = max(-(-len(ids) // likeness.MOST), 1)
    tracks = ({n: np.asarray(s.read(i), np.float32) for n, s in stores.items()} for i in ids[::step])
    if len(ids[::step]) >= drift.LEAST:
        drift.profile(likeness.groups(model, tracks)).to_parquet(folder / likeness.PROFILE, index=False)


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


def _verdict(folder: Path, answer: str, reasons: list[str]) -> dict[str, Any]:
    """Say what is in service now and what a rollback would bring back."""
    return {"answer": answer, "released": _name(folder), "previous": _name(_previous(folder)), "reasons": reasons}


def _verdicts(paths: Paths) -> dict[str, dict[str, Any]]:
    return read_json(paths.verdict) if paths.verdict.exists() else {}
