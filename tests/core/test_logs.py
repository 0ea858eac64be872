"""Logs as JSON: one object a line, whatever a stage prints, warns of or fails with."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ostinato.core.logs import JsonFormatter

PARAMS = Path(__file__).parents[2] / "params.yaml"
STAGE = """
import logging, sys, types, warnings
from ostinato import stages
from ostinato.core import registry

def run(paths, settings):
    print("10 tracks")
    print("measuring: 1\\rmeasuring: 2\\r", end="\\n", file=sys.stderr)
    logging.getLogger("ostinato.stages.split").warning("two\\nlines")
    warnings.warn("an old option")
    print("unfinished", end="")
    {end}

load, stage = registry.load, types.SimpleNamespace(SECTIONS=("seed",), run=run)
registry.load = lambda package, name: stage if package == "ostinato.stages" else load(package, name)
from ostinato.__main__ import main
main()
"""


def run_stage(folder, end: str, log_format: str = "json") -> subprocess.CompletedProcess[str]:
    """Run a stage that says much."""
    shutil.copy(PARAMS, folder)
    command = [sys.executable, "-c", STAGE.format(end=end), "split"]
    environment = os.environ | {"OSTINATO_LOG_FORMAT": log_format}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_all_that_a_stage_says_is_an_object_with_its_name(tmp_path) -> None:
    done = run_stage(tmp_path, "pass")
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (0, "")
    said = [(entry["level"], entry["name"], entry["message"].partition("UserWarning: ")[2] or entry["message"])
            for entry in entries]  # fmt: skip
    assert said[:3] == [
        ("info", "ostinato.output", "10 tracks"),
        ("info", "ostinato.output", "measuring: 2"),
        ("warning", "ostinato.stages.split", "two\nlines"),
    ]
    assert said[3][:2] == ("warning", "py.warnings")
    assert said[3][2].startswith("an old option")
    assert said[4:] == [("info", "ostinato.output", "unfinished")]
    assert all(entry["stage"] == "split" and entry["time"].endswith("+00:00") for entry in entries)


@pytest.mark.parametrize(
    ("end", "status", "message", "error"),
    [
        ("from ostinato.errors import OstinatoError; raise OstinatoError('a.csv: is empty')", 2, "a.csv: is empty", ""),
        ("1 / 0", 1, "ended by an error that it did not expect", "ZeroDivisionError: division by zero"),
    ],
)
def test_the_error_that_ends_a_stage_is_an_object(tmp_path, end, status, message, error) -> None:
    done = run_stage(tmp_path, end)
    last = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, last["level"], last["message"], last["stage"]) == (status, "error", message, "split")
    assert last.get("error", "").endswith(error)


def test_without_it_a_stage_prints_as_ever(tmp_path) -> None:
    done = run_stage(tmp_path, "pass", "text")
    assert done.stdout == "10 tracks\nunfinished"
    assert "two\nlines\n" in done.stderr


def test_a_format_that_there_is_not_is_refused(tmp_path) -> None:
    done = run_stage(tmp_path, "pass", "xml")
    assert done.returncode == 2
    assert "OSTINATO_LOG_FORMAT" in done.stderr


def test_an_exception_stays_on_one_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("ostinato", logging.ERROR, __file__, 1, "broke: %s", ("é",), sys.exc_info())
    line = JsonFormatter(stage="split").format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["message"], entry["level"], entry["name"], entry["stage"]) == (
        "broke: é",
        "error",
        "ostinato",
        "split",
    )
    assert entry["error"].endswith("ValueError: two\nlines")
