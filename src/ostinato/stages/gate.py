"""gate: every candidate's figures against the thresholds -> models/gate.json, and models/gated one by one."""

import shutil
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
    judged = judge(entries.values(), metrics, params.gate)
    write_json(paths.gate, judged)
    shutil.rmtree(paths.gated("").parent, ignore_errors=True)
    for candidate, decision in judged.items():
        write_json(paths.gated(candidate), decision)
