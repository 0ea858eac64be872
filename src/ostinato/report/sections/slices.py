"""For which tracks each candidate is good: by genre, artist, length, loudness, year and place."""

from typing import Any

from ostinato.report.boards import rank
from ostinato.report.material import Material

TITLE = "Slices"
SHOWN = 3
NOTES = {
    "artist": "seen: some training track is of the same artist",
    "duration": "thirds of the test tracks",
    "loudness": "thirds of the test tracks by root mean square",
    "place": "cells of 30 by 60 degrees",
}


def section(material: Material) -> dict[str, Any] | None:
    """Put the best candidates of each task side by side, slice by slice."""
    tasks = [_task(material, task) for task in material.tasks]
    tasks = [task for task in tasks if task["ways"]]
    return {"tasks": tasks} if tasks else None


def _task(material: Material, task: str) -> dict[str, Any]:
    best = [e.name for e in rank(material, task) if "slices" in material.metrics[e.name]][:SHOWN]
    found = {name: material.metrics[name]["slices"] for name in best}
    ways = [_way(found, way) for way in (found[best[0]]["by"] if best else ())]
    return {"name": task, "candidates": best, "figure": found[best[0]]["figure"] if best else None, "ways": ways}


def _way(found: dict[str, Any], way: str) -> dict[str, Any]:
    """Return the rows of one way to slice: each slice with every candidate's figure."""
    names = [s["slice"] for s in next(iter(found.values()))["by"][way]]
    figures = {c: {s["slice"]: s for s in of["by"].get(way, [])} for c, of in found.items()}
    first = next(iter(figures.values()))
    rows = [
        {"name": n, "n_tracks": first[n]["n_tracks"], "n_groups": first[n]["n_groups"],
         "figures": [of.get(n) for of in figures.values()]}
        for n in names
    ]  # fmt: skip
    return {"name": way, "note": NOTES.get(way, ""), "rows": rows}
