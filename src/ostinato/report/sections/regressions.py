"""Numbers of tracks, such as popularity: how much of them a feature or a candidate's vectors predict."""

from typing import Any

from ostinato.io.files import read_json
from ostinato.report.material import Material

TITLE = "Numbers"


def section(material: Material) -> dict[str, Any] | None:
    """Return a row per regression and per baseline; None if params.yaml has no regression."""
    file = material.paths.regressions
    results = read_json(file) if file.exists() else {}
    if not results:
        return None
    columns: dict[str, list[dict[str, Any]]] = {}
    for name, result in results.items():
        columns.setdefault(result["column"], []).append({"name": name, **result})
    tables = [
        {"column": column, "rows": rows, "first": next((row for row in rows if "skipped" not in row), None)}
        for column, rows in columns.items()
    ]
    return {"tables": tables}
