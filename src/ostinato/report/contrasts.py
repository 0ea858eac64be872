"""Every candidate against the leader of its task, and against the model in service."""

from collections.abc import Iterator

import pandas as pd

from ostinato.core.task import COLUMNS, Task
from ostinato.evaluation import paired
from ostinato.evaluation.predictions import KEYS, ScoredTracks, join_labels
from ostinato.evaluation.significance import Contrast, adjust, contrast
from ostinato.io.files import read_json, read_parquet
from ostinato.report.boards import rank
from ostinato.report.material import Material

LEADER, RELEASED = "leader", "released"


def contrasts(material: Material, threshold: float, confidence: float) -> dict[str, dict[str, Contrast]]:
    """Compare all judged candidates by the metric that ranks their task.

    Parameters
    ----------
    material : Material
        Whose own `contrasts` are not looked at.
    threshold : float
        From which score on a tag is given.
    confidence : float

    Returns
    -------
    dict of str to dict
        Per candidate ``leader`` and ``released``; what cannot be compared lacks.
        P-values are adjusted by Holm over the candidates of a task.
    """
    found: dict[str, dict[str, Contrast]] = {}
    for task in material.tasks:
        rows = {e.name: _rows(material, e.name, task) for e in rank(material, task)}
        for what, old, called in _others(material, task, rows):
            compared = {
                name: contrast(
                    new, old, COLUMNS[task], material.leads(task), against=called, threshold=threshold,
                    confidence=confidence,
                )
                for name, new in rows.items() if (what, name) != (LEADER, called)
            }  # fmt: skip
            for name, answer in adjust({n: c for n, c in compared.items() if c is not None}).items():
                found.setdefault(name, {})[what] = answer
    return found


def _rows(material: Material, name: str, task: str) -> ScoredTracks:
    predictions = read_parquet(material.paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    about = Task(task, tuple(material.classes[task]))
    return join_labels(predictions, material.splits, material.tracks, about, "test")


def _others(material: Material, task: str, rows: dict[str, ScoredTracks]) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield what candidates are compared with: the first of the leaderboard, and what is in service."""
    for leader in list(rows)[:1]:
        yield LEADER, paired.make_record(rows[leader]), leader
    folder = material.paths.current_release(task)
    if not (folder / "test.parquet").exists():
        return
    about = read_json(folder / "model.json")
    if about["classes"] == list(material.classes[task]):
        version = read_json(folder / "release.json")["version"]
        yield RELEASED, read_parquet(folder / "test.parquet"), f"{about['name']}, version {version}"
