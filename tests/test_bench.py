"""Every module of bench/ says what it measures."""

import runpy
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
WITHOUT_COMMAND = {"reference_run"}
"""Modules that others import."""
COMMANDS = sorted({path.stem for path in (PROJECT / "bench").glob("*.py")} - WITHOUT_COMMAND)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_opens_with_what_is_measured(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.delitem(sys.modules, f"bench.{name}", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "argv", [f"bench/{name}.py", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("usage: ")
    first = (PROJECT / "bench" / f"{name}.py").read_text().partition("\n")[0].lstrip('"')
    assert first in text
