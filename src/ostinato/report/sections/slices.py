"""Metrics on slices of the test tracks: by genre, artist, duration, loudness, year and place."""

from typing import Any

from ostinato.report.boards import rank
from ostinato.report.material import Material

TITLE = "Slices"
N_CANDIDATES = 3
NOTES = {
    "artist": "seen: a training track is by the same artist",
    "duration": "thirds of the test tracks",
    "loudness": "thirds of the test tracks by root mean square",
    "place": "cells of 30 by 60 degrees",
}


def section(material: Material) -> dict[str, Any] | None:
    """Compare the best candidates of each task on each slice."""
    tasks = [_task(material, task) for task in material.tasks]
    tasks = [task for task in tasks if task["tables"]]
    return {"tasks": tasks} if tasks else None


def _task(material: Material, task: str) -> dict[str, Any]:
    best = [e.name for e in rank(material, task) if "slices" in material.metrics[e.name]][:N_CANDIDATES]
    slices = {name: material.metrics[name]["slices"] for name in best}
    tables = [_table(slices, by) for by in (slices[best[0]]["by"] if best else ())]
    return {"name": task, "candidates": best, "figure": slices[best[0]]["figure"] if best else None, "tables": tables}


def _table(slices: dict[str, Any], by: str) -> dict[str, Any]:
    """Return the figures of all candidates on each slice by one attribute."""
    names = [s["slice"] for s in next(iter(slices.values()))["by"][by]]
    figures = {c: {s["slice"]: s for s in each["by"].get(by, [])} for c, each in slices.items()}
    first = next(iter(figures.values()))
    rows = [
        {"name": n, "n_tracks": first[n]["n_tracks"], "n_groups": first[n]["n_groups"],
         "figures": [each.get(n) for each in figures.values()]}
        for n in names
    ]  # fmt: skip
    return {"name": by, "note": NOTES.get(by, ""), "rows": rows}
