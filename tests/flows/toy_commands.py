"""What tests do to a toy project: run a command, turn a number."""

import subprocess
from contextlib import chdir
from pathlib import Path

import yaml
from prefect import Flow
from prefect.states import State

from ostinato.pipeline import graph


def shell(project: Path, *command: str) -> str:
    """Run a command that must succeed; give what it printed."""
    run = subprocess.run(command, cwd=project, env=graph.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr + run.stdout
    return run.stdout.strip()


def run_flow(flow: Flow[..., State], project: Path, **parameters: object) -> State:
    """Run a flow in a folder; give the state that it ended in."""
    with chdir(project):
        return flow(**parameters, return_state=True)


def turn(project: Path, section: str, value: object) -> None:
    """Change a section of params.yaml."""
    path = project / "params.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), section: value}))
