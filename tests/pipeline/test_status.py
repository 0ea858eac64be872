"""Where the stages stand: done, running or pending, and why."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.locks import Holder, Process, exclusive
from ostinato.pipeline import graph
from ostinato.pipeline.recovery import drop_damaged_lock
from ostinato.pipeline.status import StageStatus, _reason, find_running, status, summarise


@pytest.fixture
def project(tmp_path: Path) -> Paths:
    """Return a project of three stages in a row."""
    stages = {
        "one": {"cmd": "cp raw one", "deps": ["raw"], "outs": ["one"], "always_changed": True},
        "two": {"foreach": ["x"], "do": {"cmd": "cp one two", "deps": ["one"], "params": ["seed"], "outs": ["two"]}},
        "three": {"cmd": "cp two three", "deps": ["two", "folder"], "outs": ["three"]},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "raw").write_text("a")
    (tmp_path / "folder/a").mkdir(parents=True)
    (tmp_path / "folder/b").write_text("b")
    (tmp_path / "folder/a/ü").write_text("a")
    (tmp_path / ".dvcignore").write_text("# compiled\n*.pyc\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for command in (["init", "--quiet"], ["repro", "--quiet"]):
        subprocess.run(graph.dvc(*command), cwd=tmp_path, env=graph.environment(), check=True)
    return Paths(tmp_path)


def test_a_stage_is_done_until_what_it_reads_changes(project: Paths) -> None:
    """A stage that looks again in every run is done; what follows from a changed one is pending."""
    assert status(project).stages == [StageStatus(name, "done") for name in ("one", "two@x", "three")]
    project.params.write_text("seed: 2\n")
    with exclusive(project.lock("three")):
        assert status(project).stages == [
            StageStatus("one", "done"),
            StageStatus("two@x", "pending", "modified seed"),
            StageStatus("three", "running"),
        ]
    assert status(project).stages[2] == StageStatus("three", "pending", "waits for two@x")


def change_params(root: Path) -> None:
    (root / "params.yaml").write_text("other: 1\n")


def change_command(root: Path) -> None:
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("cp two three", "cp two  three"))


def add_dependency(root: Path) -> None:
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("- folder\n", "- folder\n    - raw\n"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda root: None,
    "a file": lambda root: (root / "raw").write_text("b"),
    "a file within a folder": lambda root: (root / "folder/a/ü").write_text("b"),
    "another file in a folder": lambda root: (root / "folder/c").write_text("b"),
    "an ignored file in a folder": lambda root: (root / "folder/d.pyc").write_text("b"),
    "a file that is gone": lambda root: (root / "raw").unlink(),
    "an output": lambda root: (root / "two").write_text("b"),
    "an output that is gone": lambda root: (root / "three").unlink(),
    "a parameter": lambda root: (root / "params.yaml").write_text("seed: 2\n"),
    "a parameter that is gone": change_params,
    "a command": change_command,
    "a dependency that is new": add_dependency,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_read_from_the_files_is_what_dvc_says(project: Paths, change: str) -> None:
    """Stages, order and which of them differ; in DVC's own words."""
    CHANGES[change](project.root)
    upstream, changes = graph.read_cached(project.root, project.graph_cache)
    assert upstream == graph.upstream(project.root)
    said = graph.changes(project.root)
    assert list(upstream) == list(graph.upstream(project.root))
    assert changes == said


def test_a_file_is_hashed_again_once_it_changed(project: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it did not its hash is remembered; a broken memory is none."""
    hashed: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda f, kind: (hashed.append(Path(f.name).name), digest(f, kind))[1])
    first = status(project)
    assert sorted(hashed) == ["b", "one", "raw", "three", "two", "ü"]
    hashed.clear()
    assert status(project) == first
    assert hashed == []
    (project.root / "raw").write_text("b")
    assert status(project).stages[0].state == "pending"
    assert hashed == ["raw"]
    project.graph_cache.write_text("not JSON")
    assert status(project).stages[0].state == "pending"
    assert len(hashed) == 7


def start(project: Paths, *arguments: str) -> "subprocess.Popen[bytes]":
    """Run DVC with a stage that waits, and return once the stage is under way."""
    process = subprocess.Popen(
        graph.dvc(*arguments),
        cwd=project.root,
        env=graph.environment() | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: (project.root / "begun").exists())
    return process


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


WAITING = """
import os, sys, time
from pathlib import Path
from ostinato.io.locks import exclusive
from ostinato.core.paths import Paths
with exclusive(Paths(Path.cwd()).lock("three")):
    Path("begun").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.01)
    Path("three").write_text(Path("two").read_text())
"""


@pytest.fixture
def waiting_project(project: Paths) -> Paths:
    """Return the project with a last stage that waits for a file."""
    (project.root / "wait.py").write_text(WAITING)
    text = (project.root / "dvc.yaml").read_text()
    (project.root / "dvc.yaml").write_text(text.replace("cp two three", "python wait.py"))
    return project


def test_who_looks_sees_the_running_stage_and_disturbs_nothing(waiting_project: Paths) -> None:
    """DVC locks all that a stage reads and writes while it runs; nobody who looks may take or await those locks."""
    before = waiting_project.root / "dvc.lock"
    content = before.read_bytes()
    process = start(waiting_project, "repro", "three")
    try:
        locked = (waiting_project.root / ".dvc/tmp/rwlock").read_text()
        assert '"write": {"' in locked
        for _ in range(3):
            pipeline = status(waiting_project)
            assert [(stage.stage, stage.state) for stage in pipeline.stages] == [
                ("one", "done"),
                ("two@x", "done"),
                ("three", "running"),
            ]
            assert pipeline.faults == []
            assert (waiting_project.root / ".dvc/tmp/rwlock").read_text() == locked
    finally:
        (waiting_project.root / "go").touch()
        assert process.wait(60) == 0
    assert before.read_bytes() != content
    assert {stage.state for stage in status(waiting_project).stages} == {"done"}


def test_a_stage_that_outlived_its_run_is_reported_with_what_to_do(waiting_project: Paths) -> None:
    process = start(waiting_project, "repro", "three")
    pid = int((waiting_project.root / "begun").read_text())
    try:
        assert status(waiting_project).faults == []
        process.kill()
        process.wait()
        wait_for(lambda: bool(status(waiting_project).faults))
        (fault,) = status(waiting_project).faults
        assert fault == f"three: process {pid} outlived the run that started it; wait for it or stop it: `kill {pid}`"
        with (
            pytest.raises(OstinatoError, match=rf"three: another run .*process {pid}, which outlived .*`kill {pid}`"),
            exclusive(waiting_project.lock("three")),
        ):
            pass
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not status(waiting_project).faults)


def test_a_lock_of_dvc_whose_process_is_another_by_now_is_reported_with_what_to_do(project: Paths) -> None:
    lock = project.root / ".dvc/tmp/rwlock"
    entry = {"pid": os.getpid(), "cmd": "/usr/bin/dvc repro train@time_mel"}
    lock.write_text(json.dumps({"read": {}, "write": {str(project.root / "two"): entry}}))
    (fault,) = status(project).faults
    assert fault.startswith(f"{lock}: a lock is held by process {os.getpid()}, which is now another program (")
    assert fault.endswith("; delete that file")
    entry["pid"] = 2**22 + 1  # no process: DVC drops it itself
    lock.write_text(json.dumps({"read": {}, "write": {str(project.root / "two"): entry}}))
    assert status(project).faults == []
    for text in ('{"read": {', ""):
        lock.write_text(text)
        assert status(project).faults == [f"{lock}: is truncated or damaged; delete it when no `dvc` is running"]


@pytest.mark.parametrize(("text", "is_dropped"), [("", True), ('{"read": {', True), ("{}", False)])
def test_a_damaged_file_of_locks_is_dropped_and_a_whole_one_kept(tmp_path: Path, text: str, is_dropped: bool) -> None:
    lock = tmp_path / ".dvc/tmp/rwlock"
    assert not drop_damaged_lock(tmp_path)
    lock.parent.mkdir(parents=True)
    lock.write_text(text)
    assert drop_damaged_lock(tmp_path, 0.01) is is_dropped
    assert lock.exists() is not is_dropped


def test_a_lock_file_of_dvc_that_was_cut_off_is_reported_with_what_to_do(project: Paths) -> None:
    """Within a line, or where a line ends, so that it is a whole file of fewer stages."""
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[: whole.index(b"two@x:") + 3])
    with pytest.raises(OstinatoError, match=r"dvc\.lock: is truncated or damaged.*`git restore dvc\.lock`"):
        status(project)
    lock.write_bytes(whole[: whole.index(b"  two@x:")])
    (fault,) = status(project).faults
    assert fault.startswith("dvc.lock lacks 2 stages whose outputs are present, such as three: it was truncated")
    lock.unlink()
    subprocess.run(graph.dvc("commit", "--force", "--quiet"), cwd=project.root, check=True)
    assert {stage.state for stage in status(project).stages} == {"done"}
    assert status(project).faults == []


def test_an_emptied_cache_beside_whole_outputs_is_reported_with_what_to_do(project: Paths) -> None:
    shutil.rmtree(project.root / ".dvc/cache/files")
    pipeline = status(project)
    assert {stage.state for stage in pipeline.stages} == {"done"}
    (fault,) = pipeline.faults
    assert fault.startswith("DVC's cache lacks 3 outputs that are present, such as one: `dvc commit --force`")
    subprocess.run(graph.dvc("commit", "--force", "--quiet"), cwd=project.root, check=True)
    assert status(project).faults == []


def test_another_process_with_the_number_of_a_holder_is_not_the_holder(tmp_path: Path) -> None:
    own = Holder.of_this()
    about = tmp_path / "train.holder"
    own.write(about)
    assert Holder.read(about) == own
    Holder(Process(os.getpid(), own.process.started - 100), None).write(about)
    assert Holder.read(about) is None
    assert not Holder(own.process, Process(os.getpid(), own.process.started)).is_orphan
    assert Holder(own.process, Process(os.getpid(), own.process.started - 100)).is_orphan


def test_a_group_is_one_line_and_the_sum_comes_first() -> None:
    stages = [
        StageStatus("ingest", "pending", "modified data/x; always changed"),
        StageStatus("train@a", "running"),
        StageStatus("train@b", "done"),
        StageStatus("train@c", "pending", "modified seed; waits for ingest"),
        StageStatus("train@d", "pending", "waits for ingest"),
        StageStatus("report", "pending", "waits for train@a"),
    ]
    assert summarise(stages) == [
        "1 done, 1 running, 4 pending",
        "ingest             pending: modified data/x",
        "train              1 done, 1 running, 2 pending: a; modified seed (1), 1 waiting for others",
        "report             pending: waiting for others",
    ]


def test_a_killed_stage_runs_no_more(tmp_path: Path) -> None:
    """The lock goes with the process, even by SIGKILL."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from ostinato.io.locks import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    )
    lock = Paths(tmp_path).lock("train", "time_mel")
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        assert find_running(Paths(tmp_path)) == {"train@time_mel"}
        os.kill(process.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while find_running(Paths(tmp_path)) and time.monotonic() < end:
        time.sleep(0.01)
    assert find_running(Paths(tmp_path)) == set()


def test_stages_run_at_the_same_time(tmp_path: Path) -> None:
    """A lock keeps out the same work only."""
    paths = Paths(tmp_path)
    with exclusive(paths.lock("tune", "a")), exclusive(paths.lock("tune", "b")), exclusive(paths.lock("gate")):
        assert find_running(paths) == {"tune@a", "tune@b", "gate"}
    assert find_running(paths) == set()


def test_a_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    """By the file that it lacks, or by DVC's answer before a run; and what to do."""
    with pytest.raises(OstinatoError, match=r"dvc\.yaml: does not exist; run this in the folder of a project"):
        status(Paths(tmp_path))
    with pytest.raises(
        OstinatoError, match=r"`dvc dag --dot`: .*DVC repository.*outside a git clone `dvc init --no-scm`"
    ):
        graph.upstream(tmp_path)
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(OstinatoError, match=r"is not a git repository; .*dvc config --local core\.no_scm true"):
        graph.upstream(tmp_path)


def test_sources_that_are_not_here_are_summed_up() -> None:
    """A project outside a clone lacks them all."""
    gone = {"src/ostinato/audio": "deleted", "src/ostinato/core/names.py": "deleted", "data/x": "modified"}
    said = _reason([{"changed deps": gone}], [])
    assert said == "modified data/x; 2 of its files below src/ are missing: work in a clone, or copy src/"


def test_data_under_dvc_is_a_stage_only_where_a_stage_reads_it() -> None:
    """A released folder has its own .dvc file and is no step of the graph."""
    dot = 'strict digraph {\n"models/released/genre.dvc";\n"raw.dvc";\n"ingest";\n"raw.dvc" -> "ingest";\n}'
    assert graph.parse(dot) == {"raw.dvc": frozenset(), "ingest": frozenset({"raw.dvc"})}
