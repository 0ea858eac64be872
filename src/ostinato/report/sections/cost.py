"""Cost of each candidate: parameters, epochs, multiply-adds, bytes. Times depend on the machine and are not shown."""

from typing import Any

from ostinato.core.candidates import Entry
from ostinato.io.files import read_json
from ostinato.report.boards import rank
from ostinato.report.material import Material

TITLE = "Cost"


def section(material: Material) -> dict[str, Any] | None:
    """Return the cost of each candidate, with its leading metric."""
    tasks = [{"name": t, "leading": material.leading_metric(t), "rows": _rows(material, t)} for t in material.tasks]
    tasks = [task for task in tasks if task["rows"]]
    return {"tasks": tasks} if tasks else None


def _rows(material: Material, task: str) -> list[dict[str, Any]]:
    rows = [_row(material, entry, material.leading_metric(task)) for entry in rank(material, task)]
    largest = max((row["multiply_adds"] or 0 for row in rows), default=0)
    return [row | {"share": 100 * (row["multiply_adds"] or 0) / max(largest, 1)} for row in rows]


def _row(material: Material, entry: Entry, leading: str) -> dict[str, Any]:
    metrics = material.metrics[entry.name]
    path = material.paths.onnx(entry.name) / "export.json"
    export = read_json(path) if path.exists() else {}
    return {
        "name": entry.name,
        "value": metrics["test"][leading]["value"],
        "n_parameters": metrics.get("n_parameters"),
        "epochs": len(material.curves[entry.name]) if entry.name in material.curves else None,
        "multiply_adds": export.get("multiply_adds"),
        "bytes": export.get("bytes"),
        "tagger": export.get("tagger", {}).get("bytes"),
        "parity": export.get("parity"),
    }
