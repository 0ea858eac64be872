"""The tables and the picture that `dvc plots` draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ostinato.core.task import COLUMNS
from ostinato.report import plots
from ostinato.report.boards import rank
from ostinato.report.material import Material


def tables(material: Material) -> dict[str, pd.DataFrame]:
    """Make the tables that `dvc plots` draws.

    Parameters
    ----------
    material : Material

    Returns
    -------
    dict of str to DataFrame
        By file name below plots/: every figure, those that rank, what differs from
        the leader and from what is released, mean curves, for each genre candidate
        one row a test track, with actual and predicted class, and tracks by how
        likely their genre is wrong.
    """
    figures = _figures(material)
    rank = [
        material.leading.get(task) == metric for task, metric in zip(figures["task"], figures["metric"], strict=True)
    ]
    found = {"metrics.csv": figures, "leaderboard.csv": figures[rank].sort_values(["task", "value"], kind="stable")}
    found["significance.csv"] = _contrasts(material)
    for name, curve in material.curves.items():
        found[f"curves/{name}.csv"] = plots.mean_curve(curve)
    for name, entry in material.roster.items():
        metrics = material.metrics[name]
        if "skipped" not in metrics and COLUMNS[entry.task] == "single":
            found[f"confusion/{name}.csv"] = _pairs(metrics["confusion"], list(metrics["per_class"]))
    if material.suspects is not None:
        found["suspects.csv"] = material.suspects
    return found


def picture(material: Material) -> str | None:
    """Draw the validation curves by themselves for `dvc plots`, the best of each task in colour.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str or None
        SVG; None if no network has curves.
    """
    means = plots.mean_curves(material.curves)
    tasks = dict.fromkeys(e.task for e in material.roster.values())
    order = {task: [e.name for e in rank(material, task) if e.name in means] for task in tasks}
    best = [name for names in order.values() for name in plots.best(names, means)]
    return plots.curves(means, best, legend=True) if best else None


def _figures(material: Material) -> pd.DataFrame:
    rows = [
        {"task": e.task, "candidate": e.name, "metric": metric, **figure}
        for e in material.roster.values()
        for metric, figure in material.metrics[e.name].get("test", {}).items()
    ]
    return pd.DataFrame(rows, columns=["task", "candidate", "metric", "value", "low", "high"])


def _contrasts(material: Material) -> pd.DataFrame:
    rows = [
        {"task": material.roster[name].task, "candidate": name, "against": what, "name": c.against, "metric": c.metric,
         "difference": c.difference.value, "low": c.difference.low, "high": c.difference.high,
         "won": c.won, "lost": c.lost, "p": c.p}
        for name, of in material.contrasts.items()
        for what, c in of.items()
    ]  # fmt: skip
    columns = ["task", "candidate", "against", "name", "metric", "difference", "low", "high", "won", "lost", "p"]
    return pd.DataFrame(rows, columns=columns)


def _pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    counts = np.asarray(confusion, dtype=np.int64)
    actual, predicted = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(classes))
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})
