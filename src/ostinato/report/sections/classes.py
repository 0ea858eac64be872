"""Classes of each candidate: confusion, calibration and metrics."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ostinato.core.task import COLUMNS
from ostinato.report.boards import rank
from ostinato.report.material import Material

TITLE = "Class by class"


def section(material: Material) -> dict[str, Any] | None:
    """Return the metrics of each evaluated candidate by class, in the order of the leaderboard."""
    tasks = [{"name": task, "rows": _rows(material, task)} for task in material.tasks]
    tasks = [task for task in tasks if task["rows"]]
    return {"tasks": tasks} if tasks else None


def _rows(material: Material, task: str) -> list[dict[str, Any]]:
    single = COLUMNS[task] == "single"
    ranked = [(entry, material.metrics[entry.name]) for entry in rank(material, task)]
    return [{"entry": e, "metrics": m, "confusion": _confusion(m) if single else None} for e, m in ranked]


def _confusion(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a confusion matrix with the shares of each row."""
    counts = np.asarray(metrics["confusion"], dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = zip(metrics["per_class"], counts.tolist(), shares.tolist(), strict=True)
    return {
        "classes": list(metrics["per_class"]),
        "rows": [(name, list(zip(n, share, strict=True))) for name, n, share in rows],
    }
