"""`python flows/retrain.py` with nothing to do: it says so without Prefect, and only where that is true."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from toy_commands import run_flow, turn

import _dvc
from _idle import is_idle, mark_release
from ostinato.core.paths import Paths
from ostinato.pipeline import graph, sources
from ostinato.pipeline.reading import Reading
from retrain import retrain

RETRAIN = Path(_dvc.__file__).with_name("retrain.py")
CODE = (
    "import runpy, sys\nsys.argv = ['retrain.py']\n"
    f"try:\n    runpy.run_path({str(RETRAIN)!r}, run_name='__main__')\n"
    "except SystemExit as ended:\n    print(ended.code, 'prefect' in sys.modules, 'dvc' in sys.modules)\n"
)


@pytest.fixture
def idle(finished_toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose graph is up to date, released, and has been looked at."""
    project = finished_toy
    monkeypatch.chdir(project)
    Paths(project).verdict.write_text("{}")
    mark_release(project)
    sources.remember(Paths(project), sources.compute_digest(Paths(project)), Reading(project).hash_entries(["ingest"]))
    assert is_idle(project)
    return project


def change_code(project: Path) -> None:
    """Give a stage a dependency on code that it was not run with."""
    stages = yaml.safe_load((project / "dvc.yaml").read_text())
    stages["stages"]["gate"]["deps"].append("ostinato/__main__.py")
    (project / "dvc.yaml").write_text(yaml.safe_dump(stages))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a parameter": lambda project: turn(project, "gate", {"genre": {"f1_micro": {"min": 0.9}}}),
    "a file of the dataset": lambda project: (project / "raw.txt").write_text("one two six"),
    "a file of the dataset, touched": lambda project: os.utime(project / "raw.txt"),
    "an output": lambda project: (project / "models/metrics/a.json").write_text("{}"),
    "an output that is gone": lambda project: (project / "models/gate.json").unlink(),
    "code": change_code,
    "a lock that is cut off": lambda project: (project / "dvc.lock").write_text("schema: '2.0'\nstages:\n  a: [\n"),
    "no verdict": lambda project: Paths(project).verdict.unlink(),
    "a release of another state": lambda project: (Paths(project).state / "released.sha256").write_text("0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_to_do_is_seen(idle: Path, change: str) -> None:
    """A change of anything that DVC or the flow would act on."""
    CHANGES[change](idle)
    assert not is_idle(idle)


def test_an_equal_file_of_another_time_is_nothing_to_do(idle: Path) -> None:
    """As after a checkout; DVC says the same."""
    for name in ("models/gate.json", "models/metrics/a.json", "data/tracks.json"):
        os.utime(idle / name)
    assert is_idle(idle)
    assert graph.changes(idle) == {"ingest": graph.ALWAYS_CHANGED}


def test_the_command_says_so_without_prefect_or_dvc(idle: Path) -> None:
    """They take seconds to import."""
    path = os.pathsep.join([str(RETRAIN.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=idle, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.split() == ["0", "False", "False"], done.stderr
    assert done.stderr == "nothing changed\n"


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_only_stages_with_work_are_given_to_dvc(idle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate that comes out as it was leaves what follows from it alone, and nobody looks again."""
    asked: list[str] = []
    real = _dvc.stream
    monkeypatch.setattr(_dvc, "stream", lambda command, *rest: asked.append(command[-1]) or real(command, *rest))
    candidates = yaml.safe_load((idle / "params.yaml").read_text())["candidates"]
    turn(idle, "candidates", {**candidates, "a": {**candidates["a"], "n_trials": 0}})
    state = run_flow(retrain, idle, target="gate")
    assert state.message == "train@a changed"
    assert asked == ["train@a"]
