"""The gate: figures against thresholds, and nothing else, so that the same figures always get the same answer."""

from collections.abc import Iterable, Mapping
from typing import Any

from ostinato.core.candidates import AT_RELEASE, CALIBRATION, Entry
from ostinato.errors import OstinatoError, ParamsError
from ostinato.release.rules import RuleResult, to_records

Verdict = dict[str, Any]


def judge(
    roster: Iterable[Entry], metrics: Mapping[str, Mapping[str, Any]], bounds: Mapping[str, Mapping[str, Any]]
) -> dict[str, Verdict]:
    """Return which candidates pass.

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
        ``{"accepted": bool, "reasons": [str, ...], "rules": [...]}`` of each candidate;
        every threshold gives one reason, kept or broken, and one rule with its figure.
        Rules that need the file or what is in service are left to the release.

    Raises
    ------
    OstinatoError
        If every candidate was skipped, or a threshold names an unknown metric.
    """
    verdicts = {e.name: _judge_candidate(e, metrics[e.name], bounds.get(e.task)) for e in roster}
    if verdicts and all("skipped" in metrics[name] for name in verdicts):
        reasons = sorted({str(metrics[name]["skipped"]) for name in verdicts})
        raise OstinatoError(f"no candidate applies to this dataset: {'; '.join(reasons)}; add one to params.yaml")
    return verdicts


def _judge_candidate(entry: Entry, metrics: Mapping[str, Any], bounds: Mapping[str, Any] | None) -> Verdict:
    if "skipped" in metrics:
        return {"accepted": False, "reasons": [f"skipped: {metrics['skipped']}"], "rules": []}
    if not bounds:
        reason = f"params.yaml has no thresholds for {entry.task}: add gate.{entry.task}"
        return {"accepted": False, "reasons": [reason], "rules": []}
    answers = [
        a for name, bound in bounds.items() if name not in AT_RELEASE for a in _check_bound(entry, name, bound, metrics)
    ]
    reasons = [a.reason for a in answers]
    return {"accepted": all(a.kept for a in answers), "reasons": reasons, "rules": to_records(answers)}


def _check_bound(entry: Entry, name: str, bound: Any, metrics: Mapping[str, Any]) -> list[RuleResult]:
    """Compare one figure with its bounds; an undefined figure keeps none."""
    if bound.min is None and bound.max is None:
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} bounds nothing; give it a min or a max")
    value = _figure(entry, name, metrics)
    if value is None:
        why = "undefined without validation tracks" if name == CALIBRATION else "undefined on this test set"
        return [RuleResult(name, False, None, b, f"{name} is {why}") for b in (bound.min, bound.max) if b is not None][
            :1
        ]
    answers = []
    if bound.min is not None:
        kept = value >= bound.min
        reason = f"{name} {value:.4f} is {'at least' if kept else 'below'} {bound.min:g}"
        answers.append(RuleResult(name, kept, value, bound.min, reason))
    if bound.max is not None:
        kept = value <= bound.max
        reason = f"{name} {value:.4f} is {'at most' if kept else 'above'} {bound.max:g}"
        answers.append(RuleResult(name, kept, value, bound.max, reason))
    return answers


def _figure(entry: Entry, name: str, metrics: Mapping[str, Any]) -> float | None:
    """Look a figure up: of the test tracks, or the calibration error once calibrated."""
    if name == CALIBRATION:
        calibrated = metrics.get("calibration")
        return None if calibrated is None else float(calibrated["test"]["calibration_error"]["after"])
    test = metrics["test"]
    if name not in test:
        known = ", ".join(sorted([*test, CALIBRATION, *AT_RELEASE]))
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} is no metric; there are {known}")
    value: float | None = test[name]["value"]
    return value
