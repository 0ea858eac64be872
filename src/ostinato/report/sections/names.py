"""Genres, tags and artists that may be one name in several spellings."""

from typing import Any

from ostinato.core.names import COLUMNS, format_near_spellings
from ostinato.io.files import read_json
from ostinato.report.material import Material

TITLE = "Names in several spellings"
MAX_ROWS = 50


def section(material: Material) -> dict[str, Any] | None:
    """List the first groups of near spellings, and how to settle each."""
    receipt = material.paths.receipt("spellings")
    groups = read_json(receipt)["groups"] if receipt.exists() else {}
    columns = [column for column in COLUMNS if column in groups]
    rows = [format_near_spellings(column, group) for column in columns for group in groups[column]]
    return {"rows": rows[:MAX_ROWS], "n_groups": len(rows)} if rows else None
