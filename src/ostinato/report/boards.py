"""A task's candidates in the order of its leading metric."""

from collections.abc import Mapping, Sequence
from typing import Any

from ostinato.core.candidates import Entry
from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.significance import Contrast
from ostinato.report.material import Material

BASELINES = {"majority": "class shares of the training tracks", "all_negative": "no tag at all"}

COLUMNS_SHOWN = {
    "single": ("f1_micro", "f1_macro", "map_macro", "calibration_error"),
    "multi": ("map_macro", "roc_auc_macro", "f1_micro", "hamming_loss"),
}
"""What fits beside the leading metric; all metrics stand in a table of their own."""


def rank(material: Material, task: str) -> list[Entry]:
    """Order a task's judged candidates, the best first and those without the figure last.

    Parameters
    ----------
    material : Material
    task : str

    Returns
    -------
    list of Entry
    """
    leading = material.leads(task)
    sign = -1 if get_metrics(COLUMNS[task])[leading].higher_is_better else 1
    return sorted(material.judged(task), key=lambda e: _rank(material.metrics[e.name]["test"][leading]["value"], sign))


def board(material: Material, task: str) -> dict[str, Any]:
    """Rank a task's candidates by its leading metric, skipped ones last.

    Parameters
    ----------
    material : Material
    task : str

    Returns
    -------
    dict
        What a leaderboard shows of a task.
    """
    metrics = get_metrics(COLUMNS[task])
    leading = material.leads(task)
    entries = [e for e in material.roster.values() if e.task == task]
    skipped = [(e, material.metrics[e.name]["skipped"]) for e in entries if "skipped" in material.metrics[e.name]]
    judged = rank(material, task)
    first = material.metrics[judged[0].name] if judged else None
    contrasts = [material.contrasts.get(e.name, {}) for e in judged]
    baselines = [] if first is None else [(n, BASELINES[n], test) for n, test in first["baseline"].items()]
    listed = {e.architecture for e in judged}
    shown = {e.name: material.metrics[e.name]["test"] for e in judged}
    return {
        "name": task,
        "leading": leading,
        "columns": [(n, metrics[n].higher_is_better) for n in COLUMNS_SHOWN[COLUMNS[task]] if n != leading],
        "metrics": [(n, metrics[n].higher_is_better) for n in metrics],
        "best": {
            n: _best([test[n]["value"] for test in shown.values()], m.higher_is_better) for n, m in metrics.items()
        },
        "higher": metrics[leading].higher_is_better,
        "rows": [_row(material, e, leading) for e in judged],
        "released": next((c["released"].against for c in contrasts if "released" in c), None),
        "apart": bool(contrasts) and "released" in contrasts[0] and not same(contrasts[0]["released"]),
        "has_paper": any(leading in material.paper.get(e.name, {}) for e in judged),
        "baselines": [line for line in baselines if line[0] not in listed],
        "chance": _best([test[leading]["value"] for _, _, test in baselines], metrics[leading].higher_is_better),
        "skipped": skipped,
        "scale": _scale([*shown.values(), *(test for _, _, test in baselines)], leading),
        "split": None if first is None else first["split"],
        "undefined": {} if first is None else first["undefined"],
    }


def same(found: Contrast | None) -> bool:
    """Return whether two candidates answer every track alike."""
    return found is not None and (found.won, found.lost, found.difference.value) == (0, 0, 0)


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


def _rank(value: float | None, sign: int) -> float:
    return float("inf") if value is None else sign * value


def _best(values: Sequence[float | None], higher_is_better: bool) -> float | None:
    known = [v for v in values if v is not None]
    return (max if higher_is_better else min)(known) if known else None


def _scale(tests: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, float]:
    """Span the axis of intervals: 0 to 1, or as far as a loss reaches."""
    ends = [v for t in tests for v in t[metric].values() if v is not None]
    return 0.0, max([1.0, *ends])
