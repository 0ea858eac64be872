"""Where the stages stand: done, running, left, and why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ostinato import graph
from ostinato.errors import OstinatoError
from ostinato.files import alone
from ostinato.paths import Paths
from ostinato.status import StageStatus, _reason, running, status


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    """Give a project of three stages in a row."""
    stages = {
        "one": {"cmd": "cp raw one", "deps": ["raw"], "outs": ["one"], "always_changed": True},
        "two": {"foreach": ["x"], "do": {"cmd": "cp one two", "deps": ["one"], "params": ["seed"], "outs": ["two"]}},
        "three": {"cmd": "cp two three", "deps": ["two"], "outs": ["three"]},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "raw").write_text("a")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for command in (["init", "--quiet"], ["repro", "--quiet"]):
        subprocess.run(graph.dvc(*command), cwd=tmp_path, env=graph.environment(), check=True)
    return Paths(tmp_path)


def test_a_stage_is_done_until_what_it_reads_changes(project: Paths) -> None:
    """A stage that looks again in every run is done; what follows from a changed one is left."""
    assert status(project) == [StageStatus("one", "done"), StageStatus("two@x", "done"), StageStatus("three", "done")]
    project.params.write_text("seed: 2\n")
    with alone(project.lock("three")):
        assert status(project) == [
            StageStatus("one", "done"),
            StageStatus("two@x", "left", "modified seed"),
            StageStatus("three", "running"),
        ]
    assert status(project)[2] == StageStatus("three", "left", "follows two@x")


def test_dvc_is_asked_again_once_a_file_changed(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as none did the answer is remembered; a broken memory is none."""
    asked = []
    monkeypatch.setattr(graph, "_ask", lambda *a, ask=graph._ask: (asked.append(a[1]), ask(*a))[1])
    first = status(project)
    assert status(project) == first
    assert sorted(asked) == ["dag", "status"]
    (project.root / "raw").write_text("b")
    assert status(project)[0].state == "left"
    assert len(asked) == 4
    project.standing.write_text("no JSON")
    assert status(project)[0].state == "left"
    assert len(asked) == 6


def test_a_killed_stage_runs_no_more(tmp_path: Path) -> None:
    """The lock goes with the process, even by SIGKILL."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from ostinato.files import alone\n"
        "with alone(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    )
    lock = Paths(tmp_path).lock("train", "time_mel")
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        assert running(Paths(tmp_path)) == {"train@time_mel"}
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while running(Paths(tmp_path)) and time.monotonic() < end:
        time.sleep(0.01)
    assert running(Paths(tmp_path)) == set()


def test_stages_run_at_the_same_time(tmp_path: Path) -> None:
    """A lock keeps out the same work only."""
    paths = Paths(tmp_path)
    with alone(paths.lock("tune", "a")), alone(paths.lock("tune", "b")), alone(paths.lock("gate")):
        assert running(paths) == {"tune@a", "tune@b", "gate"}
    assert running(paths) == set()


def test_a_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    """DVC's answer, with the folder."""
    with pytest.raises(
        OstinatoError, match=r"`dvc dag --dot`: .*DVC repository.*outside a git clone `dvc init --no-scm`"
    ):
        status(Paths(tmp_path))
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(OstinatoError, match=r"is not a git repository; .*dvc config --local core\.no_scm true"):
        status(Paths(tmp_path))


def test_sources_that_are_not_here_are_summed_up() -> None:
    """A project outside a clone lacks them all."""
    gone = {"src/ostinato/audio": "deleted", "src/ostinato/names.py": "deleted", "data/x": "modified"}
    said = _reason([{"changed deps": gone}], [])
    assert said == "modified data/x; 2 of its files below src/ are not here: work in a clone, or copy src/"


def test_data_under_dvc_is_a_stage_only_where_a_stage_reads_it() -> None:
    """A released folder has its own .dvc file and is no step of the graph."""
    dot = 'strict digraph {\n"models/released/genre.dvc";\n"raw.dvc";\n"ingest";\n"raw.dvc" -> "ingest";\n}'
    assert graph.parse(dot) == {"raw.dvc": frozenset(), "ingest": frozenset({"raw.dvc"})}
