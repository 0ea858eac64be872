"""Tables and the plot for `dvc plots`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ostinato.core.task import COLUMNS
from ostinato.report import plots
from ostinato.report.boards import rank
from ostinato.report.material import Material


def build_tables(material: Material) -> dict[str, pd.DataFrame]:
    """Build the tables for `dvc plots`.

    Parameters
    ----------
    material : Material

    Returns
    -------
    dict of str to DataFrame
        By file name in plots/: all figures, the leading ones, the contrasts with the
        leader and with the released model, mean curves, the actual and predicted class
        of each test track for each genre candidate, and tracks by how likely their
        genre is wrong.
    """
    figures = _figures(material)
    is_leading = [
        material.leading.get(task) == metric for task, metric in zip(figures["task"], figures["metric"], strict=True)
    ]
    leaderboard = figures[is_leading].sort_values(["task", "value"], kind="stable")
    tables = {"metrics.csv": figures, "leaderboard.csv": leaderboard, "significance.csv": _contrasts(material)}
    for name, curve in material.curves.items():
        tables[f"curves/{name}.csv"] = plots.mean_curve(curve)
    for name, entry in material.candidates.items():
        metrics = material.metrics[name]
        if "skipped" not in metrics and COLUMNS[entry.task] == "single":
            tables[f"confusion/{name}.csv"] = _pairs(metrics["confusion"], list(metrics["per_class"]))
    if material.suspects is not None:
        tables["suspects.csv"] = material.suspects
    return tables


def plot_best_curves(material: Material) -> str | None:
    """Plot the validation curves for `dvc plots`, the best of each task in colour.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str or None
        SVG; None if no network has curves.
    """
    means = plots.mean_curves(material.curves)
    tasks = dict.fromkeys(e.task for e in material.candidates.values())
    order = {task: [e.name for e in rank(material, task) if e.name in means] for task in tasks}
    best = [name for names in order.values() for name in plots.choose_best(names, means)]
    return plots.plot_curves(means, best, legend=True) if best else None


def _figures(material: Material) -> pd.DataFrame:
    rows = [
        {"task": e.task, "candidate": e.name, "metric": metric, **figure}
        for e in material.candidates.values()
        for metric, figure in material.metrics[e.name].get("test", {}).items()
    ]
    return pd.DataFrame(rows, columns=["task", "candidate", "metric", "value", "low", "high"])


def _contrasts(material: Material) -> pd.DataFrame:
    rows = [
        {"task": material.candidates[name].task, "candidate": name, "against": role, "name": c.against,
         "metric": c.metric, "difference": c.difference.value, "low": c.difference.low, "high": c.difference.high,
         "won": c.won, "lost": c.lost, "p": c.p}
        for name, by_role in material.contrasts.items()
        for role, c in by_role.items()
    ]  # fmt: skip
    columns = ["task", "candidate", "against", "name", "metric", "difference", "low", "high", "won", "lost", "p"]
    return pd.DataFrame(rows, columns=columns)


def _pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    counts = np.asarray(confusion, dtype=np.int64)
    actual, predicted = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(classes))
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})
