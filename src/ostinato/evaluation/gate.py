"""The gate: figures against thresholds, and nothing else, so that the same figures always get the same answer."""

from collections.abc import Iterable, Mapping
from typing import Any

from ostinato.errors import OstinatoError, ParamsError
from ostinato.evaluation.roster import Entry

Verdict = dict[str, Any]


def judge(
    roster: Iterable[Entry], metrics: Mapping[str, Mapping[str, Any]], bounds: Mapping[str, Mapping[str, Any]]
) -> dict[str, Verdict]:
    """Say which candidates pass.

    Parameters
    ----------
    roster : iterable of Entry
    metrics : mapping
        models/metrics/<name>.json of each of them.
    bounds : mapping
        Per task, per metric, an object with ``min`` and ``max``.

    Returns
    -------
    dict of str to dict
        ``{"accepted": bool, "reasons": [str, ...]}`` of each candidate; every
        threshold gives one reason, kept or broken.

    Raises
    ------
    OstinatoError
        If every candidate was skipped, or a threshold names an unknown metric.
    """
    verdicts = {e.name: _one(e, metrics[e.name], bounds.get(e.task)) for e in roster}
    if verdicts and all("skipped" in metrics[name] for name in verdicts):
        reasons = sorted({str(metrics[name]["skipped"]) for name in verdicts})
        raise OstinatoError(f"no candidate applies to this dataset: {'; '.join(reasons)}; add one to params.yaml")
    return verdicts


def leading(bounds: Mapping[str, Any], task: str) -> str:
    """Name the metric that ranks a task's candidates: the first of its thresholds."""
    if not bounds:
        raise ParamsError(f"params.yaml: gate.{task} names no metric; its first one ranks the candidates")
    return next(iter(bounds))


def _one(entry: Entry, metrics: Mapping[str, Any], bounds: Mapping[str, Any] | None) -> Verdict:
    if "skipped" in metrics:
        return {"accepted": False, "reasons": [f"skipped: {metrics['skipped']}"]}
    if not bounds:
        return {
            "accepted": False,
            "reasons": [f"params.yaml has no thresholds for {entry.task}: add gate.{entry.task}"],
        }
    answers = [a for name, bound in bounds.items() for a in _answers(entry, name, bound, metrics["test"])]
    return {"accepted": all(kept for kept, _ in answers), "reasons": [reason for _, reason in answers]}


def _answers(entry: Entry, name: str, bound: Any, test: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Compare one metric with its bounds; an undefined figure keeps none."""
    if name not in test:
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} is no metric; there are {', '.join(sorted(test))}")
    value = test[name]["value"]
    if value is None:
        return [(False, f"{name} is undefined on this test set")]
    answers = []
    if bound.min is not None:
        kept = value >= bound.min
        answers.append((kept, f"{name} {value:.4f} is {'at least' if kept else 'below'} {bound.min:g}"))
    if bound.max is not None:
        kept = value <= bound.max
        answers.append((kept, f"{name} {value:.4f} is {'at most' if kept else 'above'} {bound.max:g}"))
    if not answers:
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} bounds nothing; give it a min or a max")
    return answers
