"""Learning curves of the networks."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from ostinato.report import plots
from ostinato.report.boards import rank
from ostinato.report.material import Material

TITLE = "Validation curves"


def section(material: Material) -> dict[str, Any] | None:
    """Draw the validation curves of each task's networks, the best in colour."""
    means = plots.mean_curves(material.curves)
    tasks = [_task(material, task, means) for task in dict.fromkeys(e.task for e in material.candidates.values())]
    tasks = [task for task in tasks if task is not None]
    return {"tasks": tasks} if tasks else None


def _task(material: Material, task: str, means: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    order = [e.name for e in rank(material, task) if e.name in means]
    if not order:
        return None
    best = plots.choose_best(order, means)
    return {
        "name": task,
        "pictures": [
            Markup(plots.apply_theme(plots.plot_curves({name: means[name] for name in order}, best, of=[what])))
            for what in ("score", "loss")
        ],
        "legend": [(name, i % len(plots.SERIES), plots.style(i)[1]) for i, name in enumerate(best)],
        "rest": [name for name in order if name not in best],
    }
