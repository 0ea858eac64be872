"""Summary: the best candidates with their intervals, what they beat, and what was rejected and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from ostinato.core.candidates import Entry
from ostinato.core.paths import Paths
from ostinato.io.files import read_json
from ostinato.report.boards import build_leaderboard, is_same, rank
from ostinato.report.material import Material

TITLE = "In short"


def section(material: Material) -> dict[str, Any] | None:
    """Summarise each task, and recommendations."""
    tasks = [_task(material, task) for task in material.tasks if material.list_evaluated(task)]
    space = _space(material.paths)
    return {"tasks": tasks, "space": space} if tasks or space else None


def _task(material: Material, task: str) -> dict[str, Any]:
    leaderboard, ranked = build_leaderboard(material, task), rank(material, task)
    accepted = [e for e in ranked if material.gate[e.name]["accepted"]]
    best = (accepted or ranked)[0]
    figure = material.metrics[best.name]["test"][leaderboard["leading"]]
    return {
        **{key: leaderboard[key] for key in ("name", "leading", "scale", "chance")},
        "best": best,
        "accepted": bool(accepted),
        "figure": figure,
        "service": _service(material, best),
        "beats": beats(figure, leaderboard["chance"], leaderboard["higher"]),
        "rivals": _find_rivals(material, best, ranked),
        "rejected": group_rejected({e.name: material.gate[e.name] for e in ranked}),
        "n_rejected": len(ranked) - len(accepted),
        "n_candidates": len(ranked),
    }


def beats(figure: Mapping[str, float | None], chance: float | None, higher: bool) -> bool | None:
    """Return whether the whole interval is better than a baseline; None if either is undefined.

    Examples
    --------
    >>> beats({"low": 0.4, "high": 0.6}, 0.3, True), beats({"low": 0.4, "high": 0.6}, 0.5, True)
    (True, False)
    """
    end = figure["low" if higher else "high"]
    return None if end is None or chance is None else end > chance if higher else end < chance


def group_rejected(verdicts: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Group rejected candidates by the threshold they miss.

    Examples
    --------
    >>> broken = {"rule": "f1", "kept": False, "figure": 0.1, "bound": 0.4}
    >>> group_rejected({"a": {"rules": [broken]}, "b": {"rules": []}, "c": {"rules": [broken]}})
    {'f1 below 0.4': ['a', 'c']}
    """
    groups: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        for rule in (r for r in verdict.get("rules", ()) if not r["kept"]):
            how = "undefined" if rule["figure"] is None else "below" if rule["figure"] < rule["bound"] else "above"
            groups.setdefault(f"{rule['rule']} {how}" + f" {rule['bound']:g}" * (how != "undefined"), []).append(name)
    return groups


def _service(material: Material, best: Entry) -> dict[str, Any] | None:
    """Describe the model in service, and its contrast with the best candidate."""
    contrast = material.contrasts.get(best.name, {}).get("released")
    return None if contrast is None else {"name": contrast.against, "same": is_same(contrast), "contrast": contrast}


def _find_rivals(material: Material, best: Entry, ranked: Sequence[Entry]) -> list[str] | None:
    """List the candidates that the best may not be better than; None if another one leads."""
    if best != ranked[0]:
        return None
    contrasts = {e.name: material.contrasts.get(e.name, {}).get("leader") for e in ranked[1:]}
    return [name for name, c in contrasts.items() if c is None or c.answer != "worse"]


def _space(paths: Paths) -> dict[str, Any] | None:
    """Describe the space that serves recommendations."""
    if not paths.ranking.exists():
        return None
    ranking = read_json(paths.ranking)
    if "spaces" not in ranking:
        return None
    model, skipped = paths.catalog / "model.json", paths.catalog / "skipped.json"
    name = read_json(model)["name"] if model.exists() and not skipped.exists() else None
    figures = ranking["spaces"].get(name, {})
    return {
        "name": name,
        "baseline": ranking["baseline"],
        "map": figures.get("map"),
        "gain": figures.get(f"map_above_{ranking['baseline']}"),
        "n_accepted": sum(verdict["accepted"] for verdict in ranking["gate"].values()),
        "n_spaces": len(ranking["gate"]),
    }
