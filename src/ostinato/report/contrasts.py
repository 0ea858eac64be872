"""Paired comparison of each candidate with the leader of its task, and with the model in service."""

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


def compute_contrasts(material: Material, threshold: float, confidence: float) -> dict[str, dict[str, Contrast]]:
    """Compare all evaluated candidates by the leading metric of their task.

    Parameters
    ----------
    material : Material
        Its own `contrasts` are not read.
    threshold : float
        Threshold of the scores of tags.
    confidence : float

    Returns
    -------
    dict of str to dict
        By candidate, ``leader`` and ``released``, without those that cannot be compared.
        P-values are adjusted by Holm over the candidates of a task.
    """
    contrasts: dict[str, dict[str, Contrast]] = {}
    for task in material.tasks:
        rows = {e.name: _read_scores(material, e.name, task) for e in rank(material, task)}
        for role, old, old_name in _list_references(material, task, rows):
            of_role = {
                name: contrast(
                    new, old, COLUMNS[task], material.leading_metric(task), against=old_name, threshold=threshold,
                    confidence=confidence,
                )
                for name, new in rows.items() if (role, name) != (LEADER, old_name)
            }  # fmt: skip
            for name, adjusted in adjust({n: c for n, c in of_role.items() if c is not None}).items():
                contrasts.setdefault(name, {})[role] = adjusted
    return contrasts


def _read_scores(material: Material, name: str, task: str) -> ScoredTracks:
    predictions = read_parquet(material.paths.predictions(name) / "predictions.parquet", columns=[*KEYS, "logits"])
    with_classes = Task(task, tuple(material.classes[task]))
    return join_labels(predictions, material.splits, material.tracks, with_classes, "test")


def _list_references(
    material: Material, task: str, rows: dict[str, ScoredTracks]
) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield the first of the leaderboard and the model in service, each as role, scores and name."""
    for leader in list(rows)[:1]:
        yield LEADER, paired.make_record(rows[leader]), leader
    folder = material.paths.current_release(task)
    if not (folder / "test.parquet").exists():
        return
    metadata = read_json(folder / "model.json")
    if metadata["classes"] == list(material.classes[task]):
        version = read_json(folder / "release.json")["version"]
        yield RELEASED, read_parquet(folder / "test.parquet"), f"{metadata['name']}, version {version}"
