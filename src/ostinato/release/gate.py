"""The gate: it compares metrics with thresholds and nothing else, so equal metrics always get equal verdicts."""

from collections.abc import Iterable, Mapping
from typing import Any

from ostinato.core.candidates import AT_RELEASE, CALIBRATION, Entry
from ostinato.errors import OstinatoError, ParamsError
from ostinato.release.rules import RuleResult, to_records

Verdict = dict[str, Any]


def judge(
    candidates: Iterable[Entry], metrics: Mapping[str, Mapping[str, Any]], bounds: Mapping[str, Mapping[str, Any]]
) -> dict[str, Verdict]:
    """Return which candidates pass.

    Parameters
    ----------
    candidates : iterable of Entry
    metrics : mapping
        models/metrics/<name>.json of each candidate.
    bounds : mapping
        For each task and metric, an object with ``min`` and ``max``.

    Returns
    -------
    dict of str to dict
        ``{"accepted": bool, "reasons": [str, ...], "rules": [...]}`` of each candidate;
        each threshold gives one reason and one rule with its figure.
        Rules that need the exported file or the released model are checked at release.

    Raises
    ------
    OstinatoError
        If every candidate was skipped, or a threshold names an unknown metric.
    """
    verdicts = {e.name: _judge_candidate(e, metrics[e.name], bounds.get(e.task)) for e in candidates}
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
    results = [
        r for name, bound in bounds.items() if name not in AT_RELEASE for r in _check_bound(entry, name, bound, metrics)
    ]
    reasons = [r.reason for r in results]
    return {"accepted": all(r.kept for r in results), "reasons": reasons, "rules": to_records(results)}


def _check_bound(entry: Entry, name: str, bound: Any, metrics: Mapping[str, Any]) -> list[RuleResult]:
    """Compare one metric with its bounds; an undefined one passes none."""
    if bound.min is None and bound.max is None:
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} has no bound; give it a min or a max")
    value = _figure(entry, name, metrics)
    if value is None:
        state = "undefined without validation tracks" if name == CALIBRATION else "undefined on this test set"
        threshold = bound.max if bound.min is None else bound.min
        return [RuleResult(name, False, None, threshold, f"{name} is {state}")]
    results = []
    if bound.min is not None:
        passed = value >= bound.min
        reason = f"{name} {value:.4f} is {'at least' if passed else 'below'} {bound.min:g}"
        results.append(RuleResult(name, passed, value, bound.min, reason))
    if bound.max is not None:
        passed = value <= bound.max
        reason = f"{name} {value:.4f} is {'at most' if passed else 'above'} {bound.max:g}"
        results.append(RuleResult(name, passed, value, bound.max, reason))
    return results


def _figure(entry: Entry, name: str, metrics: Mapping[str, Any]) -> float | None:
    """Return a metric of the test tracks, or the calibration error after calibration."""
    if name == CALIBRATION:
        calibrated = metrics.get("calibration")
        return None if calibrated is None else float(calibrated["test"]["calibration_error"]["after"])
    test = metrics["test"]
    if name not in test:
        names = ", ".join(sorted([*test, CALIBRATION, *AT_RELEASE]))
        raise ParamsError(f"params.yaml: gate.{entry.task}.{name} is not a metric; choose from {names}")
    value: float | None = test[name]["value"]
    return value
