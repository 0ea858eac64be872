"""Leaderboard of each task."""

from typing import Any

from ostinato.report.boards import board
from ostinato.report.material import Material

TITLE = "Leaderboard"


def section(material: Material) -> dict[str, Any] | None:
    """Rank the candidates of each task."""
    return {"tasks": [board(material, task) for task in material.tasks]}
