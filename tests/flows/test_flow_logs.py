"""Logs of a flow as JSON: every line is an object, that of a stage with the stage's name, its level and its logger."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import _dvc

RETRAIN = Path(_dvc.__file__).with_name("retrain.py")
STAGE_RECORD = """
import logging
from ostinato.core import logs
if logs.is_json():
    logs.log_as_json(stage="gate")
logging.getLogger("ostinato.toy").warning("a warning of the gate")
"""


def run_retrain(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the flow as people do; the toy's package goes before the real one."""
    path = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path} | variables
    return subprocess.run(
        [sys.executable, RETRAIN, *arguments], cwd=project, env=environment, capture_output=True, text=True
    )


@pytest.mark.flow
def test_each_line_of_a_run_is_an_object_and_names_the_flow_and_the_stage(toy: Path) -> None:
    program = toy / "ostinato" / "__main__.py"
    program.write_text(program.read_text().replace("def gate():", f"def gate():\n    exec({STAGE_RECORD!r})"))
    done = run_retrain(toy, "--log-format", "json")
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (0, "")
    assert all({"time", "level", "name", "message"} <= entry.keys() for entry in entries)
    started = [entry for entry in entries if entry["message"] == "Running stage 'train@a':"]
    assert [(e["flow"], e["stage"], e["level"], e["name"]) for e in started] == [
        ("retrain", "train@a", "info", "prefect.task_runs")
    ]
    [warning] = [entry for entry in entries if entry["message"] == "a warning of the gate"]
    assert (warning["flow"], warning["stage"]) == ("retrain", "gate")
    assert (warning["level"], warning["name"]) == ("warning", "ostinato.toy")


def test_a_flow_that_has_nothing_to_do_says_so_as_an_object_too(finished_toy: Path) -> None:
    from _idle import mark_release
    from ostinato.core.paths import Paths
    from ostinato.pipeline import sources
    from ostinato.pipeline.reading import Reading

    paths = Paths(finished_toy)
    paths.verdict.write_text("{}")
    mark_release(finished_toy)
    sources.remember(paths, sources.compute_digest(paths), Reading(finished_toy).hash_entries(["ingest"]))
    done = run_retrain(finished_toy, OSTINATO_LOG_FORMAT="json")
    assert done.returncode == 0
    [entry] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (entry["message"], entry["level"], entry["name"]) == ("nothing changed", "info", "ostinato.flows")
    assert run_retrain(finished_toy).stderr == "nothing changed\n"
