"""Listening: what listeners heard later, found by their histories, by content, and by both."""

from typing import Any

import pandas as pd

from ostinato.io.files import read_json, read_parquet
from ostinato.report.material import Material

TITLE = "Listening"
SYSTEMS = {
    "random": "random",
    "popular": "most played",
    "similar": "similar to what was heard",
    "content": "factors from sound",
    "factors": "factors of plays",
    "hybrid": "hybrid",
}
GROUPS = (("all", "all"), ("warm", "warm"), ("cold", "warm"), ("all", "new"))
"""Tracks and listeners of the columns of MAP."""


def section(material: Material) -> dict[str, Any] | None:
    """Return the figures of all systems; None without plays."""
    paths = material.paths
    if not paths.listeners.exists() or not paths.listeners_table.exists():
        return None
    summary = read_json(paths.listeners)
    if "skipped" in summary:
        return None
    receipt = paths.receipt("plays")
    table = read_parquet(paths.listeners_table).set_index(["system", "metric", "tracks", "listeners"])
    return {
        "summary": summary,
        "plays": read_json(receipt) if receipt.exists() else {},
        "groups": [group for group in GROUPS if ("hybrid", "map", *group) in table.index],
        "rows": [_describe(table, name, title, summary) for name, title in SYSTEMS.items()],
    }


def _describe(table: pd.DataFrame, name: str, title: str, summary: dict[str, Any]) -> dict[str, Any]:
    """Return MAP by group, and the properties of lists over all tracks and listeners."""
    others = {m: _find(table, name, m, "all", "all") for m in ("ndcg", "coverage", "popularity_lift")}
    return {
        "name": title,
        "is_hybrid": name == "hybrid",
        "maps": {group: _find(table, name, "map", *group) for group in GROUPS},
        "gain": _find(table, "hybrid", f"map_above_{name}", "all", "all"),
        **others,
    }


def _find(table: pd.DataFrame, system: str, metric: str, tracks: str, listeners: str) -> dict[str, Any]:
    """Return a figure with its interval; None where undefined."""
    ends, key = ("value", "low", "high"), (system, metric, tracks, listeners)
    if key not in table.index:
        return dict.fromkeys(ends)
    row = table.xs(key)
    return {end: None if pd.isna(row[end]) else float(row[end]) for end in ends}
