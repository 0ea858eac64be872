"""gate: every candidate's figures against the thresholds -> models/gate.json."""

from typing import Any

from ostinato.evaluation.gate import judge
from ostinato.evaluation.roster import roster
from ostinato.files import read_json, write_json
from ostinato.paths import Paths

SECTIONS = ("gate", "candidates", "estimators", "stacked")


def run(paths: Paths, params: Any, name: str | None = None) -> None:
    """Judge all candidates that params.yaml names; files of removed ones are not looked at."""
    entries = roster(params)
    metrics = {n: read_json(paths.metrics(n)) for n in entries}
    write_json(paths.gate, judge(entries.values(), metrics, params.gate))
