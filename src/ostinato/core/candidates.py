"""The candidates of params.yaml, in its order: networks, estimators, stacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostinato.core.params.schema import Params
from ostinato.errors import ParamsError

PREFERRED = "preferred"
"""The rule of gate.space that needs the answers of a listening study."""
AT_RELEASE = ("parity", "bytes", "latency_ms", "latency_ratio", "robustness", "drop", PREFERRED)
"""Rules of gate that need the exported file, the released model or listeners; `ostinato release` applies them."""
CALIBRATION = "calibration"
"""The rule of gate.<task> that bounds the calibration error of the scores."""


@dataclass(frozen=True)
class Entry:
    """A candidate as params.yaml describes it.

    Parameters
    ----------
    name : str
    architecture : str
        A module of architectures/ or estimators/.
    feature : str
        The kind it reads; for a stack those of its members and numbers, joined by ``+``.
    task : str
    """

    name: str
    architecture: str
    feature: str
    task: str


def get_candidates(params: Params) -> dict[str, Entry]:
    """List the candidates.

    Parameters
    ----------
    params : Params
        With the sections ``candidates``, ``estimators`` and ``stacked``, and
        ``members`` and ``numbers`` if the features of stacks are needed.

    Returns
    -------
    dict of str to Entry
    """
    entries = {n: Entry(n, c.architecture, c.feature, c.task) for n, c in params.candidates.items()}
    entries |= {n: Entry(n, e.estimator, e.feature, e.task) for n, e in params.estimators.items()}
    members: Mapping[str, Any] = getattr(params, "members", {})
    numbers: Mapping[str, Any] = getattr(params, "numbers", {})
    for name, stack in params.stacked.items():
        kinds = {entries[m.member].feature for m in members.values() if m.of == name and m.member in entries}
        kinds |= {n.feature for n in numbers.values() if n.of == name}
        entries[name] = Entry(name, stack.architecture, "+".join(sorted(kinds)), stack.task)
    return entries


def list_candidates(params: Params, gate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the candidates with the gate's verdicts.

    Parameters
    ----------
    params : Params
        As for `get_candidates`.
    gate : mapping
        models/gate.json; empty if missing.

    Returns
    -------
    list of dict
        name, architecture, feature, task, accepted (None: no verdict yet).
    """
    return [
        {
            "name": e.name,
            "architecture": e.architecture,
            "feature": e.feature,
            "task": e.task,
            "accepted": gate[e.name]["accepted"] if e.name in gate else None,
        }
        for e in get_candidates(params).values()
    ]


def first_metric(bounds: Mapping[str, Any], task: str) -> str:
    """Return the metric that ranks a task's candidates: the first of its thresholds."""
    metrics = [name for name in bounds if name not in (*AT_RELEASE, CALIBRATION)]
    if not metrics:
        raise ParamsError(f"params.yaml: gate.{task} names no metric; its first one ranks the candidates")
    return metrics[0]
