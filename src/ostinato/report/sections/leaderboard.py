"""Leaderboard of each task."""

from typing import Any

from ostinato.report.boards import build_leaderboard
from ostinato.report.material import Material

TITLE = "Leaderboard"


def section(material: Material) -> dict[str, Any] | None:
    """Rank the candidates of each task."""
    return {"tasks": [build_leaderboard(material, task) for task in material.tasks]}
