"""What works for another process ends with it."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ostinato.core.parent import VARIABLE
from ostinato.core.paths import Paths
from ostinato.io.locks import is_locked

SETTINGS = (Path(__file__).parents[2] / "params.yaml").read_text()
INGEST = [sys.executable, "-m", "ostinato", "ingest"]
ASKER = f"import subprocess; subprocess.run({INGEST!r})"


def until(met, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return met()


@pytest.fixture
def start_stage(tmp_path, monkeypatch):
    """Return a function that starts a stage below another process and waits until it works."""
    (tmp_path / "params.yaml").write_text(SETTINGS.replace("name: synthetic", "name: synthetic\n  n_artists: 4000"))
    monkeypatch.chdir(tmp_path)
    lock = Paths(tmp_path).lock("ingest", None)
    started: list[psutil.Process] = []

    def start(code: str = ASKER):
        asker = psutil.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        started.append(asker)
        assert until(lambda: is_locked(lock))
        started.extend(asker.children(recursive=True))
        return asker, lock

    yield start
    for process in started:
        if process.is_running():
            process.kill()


def test_a_stage_ends_with_the_dvc_that_runs_it(start_stage, monkeypatch):
    """DVC names the stage in its environment."""
    monkeypatch.setenv("DVC_STAGE", "ingest")
    asker, lock = start_stage()
    asker.kill()
    asker.wait()
    assert until(lambda: not is_locked(lock))


def test_a_stage_ends_with_the_flow_though_dvc_lives_on(start_stage, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "ingest")
    flow = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setenv(VARIABLE, str(flow.pid))
    _, lock = start_stage()
    flow.kill()
    flow.wait()
    assert until(lambda: not is_locked(lock))


def test_a_stage_that_a_person_started_goes_on_without_its_shell(start_stage, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    asker, lock = start_stage()
    asker.kill()
    asker.wait()
    assert not until(lambda: not is_locked(lock), 2.0)
