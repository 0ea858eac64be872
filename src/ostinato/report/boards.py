"""Leaderboards: the candidates of a task in the order of its leading metric."""

from collections.abc import Mapping, Sequence
from typing import Any

from ostinato.core.candidates import Entry
from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.significance import Contrast
from ostinato.report.material import Material

BASELINES = {"majority": "class shares of the training tracks", "all_negative": "no tag at all"}

SHOWN_METRICS = {
    "single": ("f1_micro", "f1_macro", "map_macro", "calibration_error"),
    "multi": ("map_macro", "roc_auc_macro", "f1_micro", "hamming_loss"),
}
"""Metrics next to the leading one; all metrics are in a table of their own."""


def rank(material: Material, task: str) -> list[Entry]:
    """Rank the evaluated candidates of a task, those without the figure last.

    Parameters
    ----------
    material : Material
    task : str

    Returns
    -------
    list of Entry
    """
    leading = material.leading_metric(task)
    sign = -1 if get_metrics(COLUMNS[task])[leading].higher_is_better else 1

    def loss(entry: Entry) -> float:
        value = material.metrics[entry.name]["test"][leading]["value"]
        return float("inf") if value is None else sign * value

    return sorted(material.list_evaluated(task), key=loss)


def build_leaderboard(material: Material, task: str) -> dict[str, Any]:
    """Build the leaderboard of a task, skipped candidates last.

    Parameters
    ----------
    material : Material
    task : str

    Returns
    -------
    dict
        Content of the leaderboard of a task.
    """
    metrics = get_metrics(COLUMNS[task])
    leading = material.leading_metric(task)
    entries = [e for e in material.candidates.values() if e.task == task]
    skipped = [(e, material.metrics[e.name]["skipped"]) for e in entries if "skipped" in material.metrics[e.name]]
    ranked = rank(material, task)
    first = material.metrics[ranked[0].name] if ranked else None
    contrasts = [material.contrasts.get(e.name, {}) for e in ranked]
    baselines = [] if first is None else [(n, BASELINES[n], test) for n, test in first["baseline"].items()]
    architectures = {e.architecture for e in ranked}
    tests = {e.name: material.metrics[e.name]["test"] for e in ranked}
    return {
        "name": task,
        "leading": leading,
        "columns": [(n, metrics[n].higher_is_better) for n in SHOWN_METRICS[COLUMNS[task]] if n != leading],
        "metrics": [(n, metrics[n].higher_is_better) for n in metrics],
        "best": {
            n: _best([test[n]["value"] for test in tests.values()], m.higher_is_better) for n, m in metrics.items()
        },
        "higher": metrics[leading].higher_is_better,
        "rows": [_row(material, e, leading) for e in ranked],
        "released": next((c["released"].against for c in contrasts if "released" in c), None),
        "apart": bool(contrasts) and "released" in contrasts[0] and not is_same(contrasts[0]["released"]),
        "has_paper": any(leading in material.paper.get(e.name, {}) for e in ranked),
        "baselines": [line for line in baselines if line[0] not in architectures],
        "chance": _best([test[leading]["value"] for _, _, test in baselines], metrics[leading].higher_is_better),
        "skipped": skipped,
        "scale": _scale([*tests.values(), *(test for _, _, test in baselines)], leading),
        "split": None if first is None else first["split"],
        "undefined": {} if first is None else first["undefined"],
    }


def is_same(contrast: Contrast | None) -> bool:
    """Return whether two candidates give the same answer for every track."""
    return contrast is not None and (contrast.won, contrast.lost, contrast.difference.value) == (0, 0, 0)


def _row(material: Material, entry: Entry, leading: str) -> dict[str, Any]:
    metrics = material.metrics[entry.name]
    return {
        "entry": entry,
        "metrics": metrics,
        "verdict": material.gate[entry.name],
        "n_parameters": metrics.get("n_parameters"),
        "contrasts": material.contrasts.get(entry.name, {}),
        "paper": material.paper.get(entry.name, {}).get(leading),
    }


def _best(values: Sequence[float | None], higher_is_better: bool) -> float | None:
    defined = [v for v in values if v is not None]
    return (max if higher_is_better else min)(defined) if defined else None


def _scale(tests: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, float]:
    """Return the ends of the axis of intervals: 0 and 1, or the largest value of a loss."""
    ends = [v for t in tests for v in t[metric].values() if v is not None]
    return 0.0, max([1.0, *ends])
