"""The tracks: number, classes, durations, and those that were excluded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from ostinato.curation import remarks
from ostinato.io import tables
from ostinato.io.files import read_json
from ostinato.report import plots
from ostinato.report.material import Material

TITLE = "Data"
REMARK_COLUMNS = ("lyrics_found", "cover_found", "unnamed")
"""Columns whose expectations send no track to quarantine."""


def section(material: Material) -> dict[str, Any] | None:
    """Summarise the tracks, the split and what was excluded."""
    durations = material.tracks["duration"].dropna().to_numpy(float)
    plot = Markup(plots.apply_theme(plots.plot_histogram(durations, "duration (s)"))) if len(durations) else None
    in_fold = material.splits[material.splits["fold"] == material.splits["fold"].min()]
    labelled = in_fold.merge(material.tracks[["track_id", "genre", "tags"]], on="track_id")
    counts = {
        "genre": pd.crosstab(labelled["genre"], labelled["split"]),
        "tags": _crosstab(labelled.explode("tags")),
    }
    return {
        "hash": material.classes["hash"][:12],
        "n_tracks": len(material.tracks),
        "n_folds": int(material.splits["fold"].nunique()),
        "sizes": in_fold["split"].value_counts().to_dict(),
        "classes": {t: _bars(table, material.classes.get(t, [])) for t, table in counts.items() if len(table)},
        "parts": _parts(material.paths.receipt("parts")),
        "remarks": [remarks.format_remark(r) for r in remarks.read_remarks(tables.notes(material.paths.tracks))],
        "left_out": _left_out(material),
        "durations": plot,
    }


def _left_out(material: Material) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """List excluded and doubtful files and tracks by outcome, with reason, count and example."""
    paths = material.paths
    warnings = tables.read(paths.warnings) if paths.warnings.exists() else material.quarantine.iloc[:0]
    receipt = read_json(paths.receipt("ingest")) if paths.receipt("ingest").exists() else {}
    skipped = [(row["reason"], row["n"], row["example"]) for row in receipt.get("passed_over", ())]
    excluded = pd.Series(material.classes.get("excluded", {}), dtype=object).rename_axis("path").reset_index(name="why")
    groups = [
        ("In quarantine", _count_reasons(material.quarantine, "reason", "path")),
        ("Kept with a warning", _count_reasons(warnings, "reason", "path")),
        ("In no split", _count_reasons(excluded, "why", "path")),
        ("Skipped in the folder", skipped),
        ("Remarks on tracks, which are kept", _broken_expectations(paths.receipt("tracks"))),
    ]
    return [(title, rows) for title, rows in groups if rows]


def _count_reasons(table: pd.DataFrame, reason: str, example: str) -> list[tuple[str, int, str]]:
    return [(str(name), len(rows), str(rows[example].iloc[0])) for name, rows in table.groupby(reason)]


def _broken_expectations(receipt: Path) -> list[tuple[str, int, str]]:
    """List the failed expectations of a receipt that exclude no tracks."""
    if not receipt.exists():
        return []
    expectations = read_json(receipt)["expectations"]
    failures = [e for e in expectations if not e["success"] and e["column"] in REMARK_COLUMNS]
    return [(e["reason"], e["n_broken"], e.get("example", "")) for e in failures]


def _parts(receipt: Path) -> dict[str, Any] | None:
    """Return the share of each part, and in per cent how far its classes and strata differ from the whole."""
    if not receipt.exists():
        return None
    measured = pd.DataFrame(json.loads(receipt.read_text())["measured"]).drop(columns="split").set_index("track_id")
    measured = measured[sorted(measured, key=lambda name: name != "share")]
    columns = [str(name).removesuffix("_deviation") for name in measured]
    rows = [(name, [None if pd.isna(x) else 100 * x for x in values]) for name, *values in measured.itertuples()]
    return {"columns": columns, "rows": rows}


def _crosstab(labelled: pd.DataFrame) -> pd.DataFrame:
    labelled = labelled.dropna(subset=["tags"])
    return pd.crosstab(labelled["tags"], labelled["split"])


def _bars(table: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the tracks of each class by split, and their share of the largest class."""
    table = table.reindex(list(classes), fill_value=0).reindex(columns=["train", "validation", "test"], fill_value=0)
    largest = max(int(table.sum(axis=1).max()), 1) if len(table) else 1
    return [
        {"name": name, "total": int(row.sum()), "parts": [(s, int(n), 100 * n / largest) for s, n in row.items()]}
        for name, row in table.iterrows()
    ]
