"""The tables and the picture that `dvc plots` draws."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ostinato.report import plots
from ostinato.report.material import Material
from ostinato.task import COLUMNS


def tables(material: Material) -> dict[str, pd.DataFrame]:
    """Make the tables that `dvc plots` draws.

    Parameters
    ----------
    material : Material

    Returns
    -------
    dict of str to DataFrame
        By file name below plots/: every figure, those that rank, mean curves,
        and for each genre candidate one row a test track, with actual and predicted class.
    """
    figures = _figures(material)
    rank = [
        material.leading.get(task) == metric for task, metric in zip(figures["task"], figures["metric"], strict=True)
    ]
    found = {"metrics.csv": figures, "leaderboard.csv": figures[rank].sort_values(["task", "value"], kind="stable")}
    for name, curve in material.curves.items():
        found[f"curves/{name}.csv"] = plots.mean_curve(curve)
    for name, entry in material.roster.items():
        metrics = material.metrics[name]
        if "skipped" not in metrics and COLUMNS[entry.task] == "single":
            found[f"confusion/{name}.csv"] = _pairs(metrics["confusion"], list(metrics["per_class"]))
    return found


def picture(material: Material) -> str | None:
    """Draw the validation curves by themselves, for `dvc plots`.

    Parameters
    ----------
    material : Material

    Returns
    -------
    str or None
        SVG; None if no network has curves.
    """
    means = plots.mean_curves(material.curves)
    return plots.curves(means, list(means), legend=True) if means else None


def _figures(material: Material) -> pd.DataFrame:
    rows = [
        {"task": e.task, "candidate": e.name, "metric": metric, **figure}
        for e in material.roster.values()
        for metric, figure in material.metrics[e.name].get("test", {}).items()
    ]
    return pd.DataFrame(rows, columns=["task", "candidate", "metric", "value", "low", "high"])


def _pairs(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    counts = np.asarray(confusion, dtype=np.int64)
    actual, predicted = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(classes))
    names = np.asarray(classes, dtype=object)
    return pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})
