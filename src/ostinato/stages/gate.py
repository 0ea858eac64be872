"""Check which candidates pass the thresholds of params.yaml.

It writes models/gate.json, and models/gated one by one.
"""

import shutil

from ostinato.core.candidates import get_candidates
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.io.files import read_json, write_json
from ostinato.release.gate import judge

SECTIONS = ("gate", "candidates", "estimators", "stacked")


def run(paths: Paths, params: Params) -> None:
    """Check all candidates of params.yaml; files of removed ones are ignored."""
    entries = get_candidates(params)
    metrics = {n: read_json(paths.metrics(n)) for n in entries}
    decisions = judge(entries.values(), metrics, params.gate)
    write_json(paths.gate, decisions)
    shutil.rmtree(paths.gate_result("").parent, ignore_errors=True)
    for candidate, decision in decisions.items():
        write_json(paths.gate_result(candidate), decision)
