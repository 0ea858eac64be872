"""What a release requires beyond the gate: rules that need the exported file, or the model that it would replace."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.errors import OstinatoError
from ostinato.evaluation import contest
from ostinato.evaluation.candidate.judged import Judged
from ostinato.evaluation.rules import Answer, at_most
from ostinato.files import read_json
from ostinato.paths import Paths
from ostinato.versions import check_digests

NETWORK, MODEL, TEST = "network.onnx", "model.json", "test.parquet"


def of_file(paths: Paths, name: str, bounds: Mapping[str, float]) -> list[Answer]:
    """Judge a candidate's exported file: parity, size, and latency and robustness where they are bounded.

    Parameters
    ----------
    paths : Paths
    name : str
        The candidate.
    bounds : mapping of str to float
        By `evaluation.rules.release_bounds`.

    Returns
    -------
    list of Answer
    """
    folder = paths.onnx(name)
    answers = contest.file_rules(read_json(folder / "export.json"), (folder / NETWORK).stat().st_size, bounds)
    if "latency_ms" in bounds:
        from ostinato.runtime import session

        taken = session.latency_ms(folder)
        answers.append(at_most("latency_ms", taken, bounds["latency_ms"], f"one chunk takes {taken:.2f} ms,"))
    if "robustness" in bounds:
        path, digest = paths.robustness(name), hashlib.sha256((folder / NETWORK).read_bytes()).hexdigest()
        measured = read_json(path) if path.exists() else None
        answers.append(contest.robustness_rule(measured, name, digest, bounds["robustness"]))
    return answers


def find_damage(folder: Path) -> str | None:
    """Say which file of a released model is not the one that was released; None if all are."""
    try:
        check_digests(folder)
    except OstinatoError as error:
        return str(error)
    return None


def of_incumbent(
    folder: Path, onnx: Path, rows: Judged, params: Any, metric: str, bounds: Mapping[str, float]
) -> tuple[str | None, list[Answer]]:
    """Compare with what is released: what forbids comparing, or the rules that compare.

    Parameters
    ----------
    folder, onnx : Path
        Of the released model and of the new one.
    rows : Judged
        Test tracks of the new one.
    params : object
        With seed and evaluate.
    metric : str
        The one that leads the task.
    bounds : mapping of str to float
        By `evaluation.rules.release_bounds`.

    Returns
    -------
    str or None, list of Answer
    """
    if damage := find_damage(folder):
        return damage, []
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
        confidence=params.evaluate.confidence,
    )
    if difference is None:
        return "no track was a test track of both", []
    answers = [contest.drop_rule(difference, metric, bounds["drop"])]
    if "latency_ratio" in bounds:
        from ostinato.runtime import session

        ratio = session.latency_ratio(onnx, folder)
        shown = f"one chunk takes {ratio:.2f} times as long as before,"
        answers.append(at_most("latency_ratio", ratio, bounds["latency_ratio"], shown))
    return None, answers
