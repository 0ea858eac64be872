"""Tuning studies: their trials, and the settings they chose."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from ostinato.report.material import Material

TITLE = "Tuning"
WIDTH, HEIGHT, EDGE = 120.0, 28.0, 4.0
BAR, MAX_WIDTH = 14, 50


def section(material: Material) -> dict[str, Any] | None:
    """List each study that ran, with the history of its trials."""
    rows = [describe_study(name, tuned) for name, tuned in material.tuning.items() if tuned.get("n_trials")]
    return {"rows": rows, "size": (WIDTH, HEIGHT)} if rows else None


def describe_study(name: str, tuned: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a study for the template.

    Parameters
    ----------
    name : str
        Name of the candidate.
    tuned : mapping
        The content of models/tuned/<name>.json.

    Returns
    -------
    dict
    """
    trials, choice = tuned.get("trials", []), tuned.get("choice", tuned)
    settings, gain = {**choice["network"], **choice["train"]}, tuned.get("gain")
    return {
        "name": name,
        "n_trials": tuned["n_trials"],
        "value": tuned["value"],
        "choice": format_choice(settings),
        "importance": place_bars(tuned.get("importance", {})),
        "gain": gain,
        "used": "the choice" if settings and (not gain or gain["mean"] > 0) else "the defaults",
        "trials": [{**trial, "settings": format_choice(trial["params"])} for trial in trials],
        "history": place_trials([trial["value"] for trial in trials]),
    }


def place_bars(importance: Mapping[str, float]) -> list[dict[str, Any]]:
    """Compute the geometry of a bar for each setting, the most important first.

    Examples
    --------
    >>> [(bar["name"], bar["y"], bar["width"], bar["percent"]) for bar in place_bars({"lr": 0.25, "dropout": 0.75})]
    [('dropout', 0, 38, 75), ('lr', 14, 12, 25)]
    """
    ordered = sorted(importance.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"name": name, "share": share, "percent": round(100 * share), "y": BAR * i, "width": round(MAX_WIDTH * share)}
        for i, (name, share) in enumerate(ordered)
    ]


def format_choice(params: Mapping[str, Any]) -> str:
    """Format settings.

    Examples
    --------
    >>> format_choice({"lr": 0.0012345678, "hidden": 3}), format_choice({})
    ('hidden 3, lr 0.001235', 'the defaults')
    """
    items = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in params.items()]
    return ", ".join(sorted(items)) or "the defaults"


def place_trials(values: Sequence[float | None]) -> dict[str, Any]:
    """Compute the points of all trials, and the line of the best so far, in a small plot with the best at the bottom.

    Parameters
    ----------
    values : sequence of float or None
        In the order of the trials; None has no point.

    Returns
    -------
    dict
        ``trials``: x and y of each; ``best``: the points of a falling line.

    Examples
    --------
    >>> place_trials([3.0, 1.0, None, 2.0])["trials"]
    [(4.0, 4.0), (41.3, 24.0), (116.0, 14.0)]
    >>> place_trials([3.0, 1.0, None, 2.0])["best"]
    [(4.0, 4.0), (41.3, 4.0), (41.3, 24.0), (116.0, 24.0)]
    """
    complete = [(i, value) for i, value in enumerate(values) if value is not None]
    if not complete:
        return {"trials": [], "best": []}
    low, high = min(v for _, v in complete), max(v for _, v in complete)

    def place(i: int, value: float) -> tuple[float, float]:
        x = EDGE + (WIDTH - 2 * EDGE) * i / max(len(values) - 1, 1)
        y = EDGE + (HEIGHT - 2 * EDGE) * ((high - value) / (high - low) if high > low else 1.0)
        return round(x, 1), round(y, 1)

    trials = [place(*trial) for trial in complete]
    steps = list(accumulate((y for _, y in trials), max))
    line = [trials[0]]
    for (x, _), before, now in zip(trials[1:], steps, steps[1:], strict=False):
        line += [(x, before)] if now == before else [(x, before), (x, now)]
    return {"trials": trials, "best": line}
