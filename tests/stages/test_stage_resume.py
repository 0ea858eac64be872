"""kill -9 in tune or train, then the same command: the same files as a run left alone."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tiny_project
from ostinato.cli.stages import run_stage
from ostinato.core.params import yaml_io
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.io.locks import exclusive
from ostinato.stages import train, tune

SCRIPT = Path(__file__).with_name("killed_run.py")
DEFAULTS = '{"network": {}, "train": {}}'
KILLED_AT = {"train": 20, "tune": 23}
"""Training batches before the kill: inside the second fold, and inside the third trial."""


def outs(paths: Paths) -> dict[str, bytes]:
    return tiny_project.bytes_of(paths.root / "models")


@pytest.fixture(scope="module")
def killed_runs(tmp_path_factory):
    """Start both stages at once, each on a copy of one project, and let them be killed."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("killed")
    runs = {}
    for stage in KILLED_AT:
        made = tiny_project.make(root / stage, folds=3 if stage == "train" else 0)
        made.tuning_result("tiny_mel").parent.mkdir(parents=True)
        made.tuning_result("tiny_mel").write_text(DEFAULTS)
        for copy in ("alone", stage):
            shutil.copytree(made.root, root / f"{stage}-{copy}")
        command = [sys.executable, str(SCRIPT), stage, str(root / f"{stage}-{stage}"), str(KILLED_AT[stage])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        runs[stage] = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    for stage, run in runs.items():
        _, errors = run.communicate(timeout=120)
        assert run.returncode == -signal.SIGKILL, (stage, errors.decode())
    return {stage: (Paths(root / f"{stage}-alone"), Paths(root / f"{stage}-{stage}")) for stage in runs}


@pytest.mark.parametrize("stage", [train, tune], ids=["train", "tune"])
def test_a_killed_stage_goes_on_to_the_files_of_a_run_left_alone(killed_runs, stage):
    name = stage.__name__.rsplit(".", 1)[-1]
    left_alone, cut = killed_runs[name]
    given = tiny_project.settings(**tiny_project.LONGER)
    left = [f for f in cut.state.rglob("*") if f.is_file()]
    assert any(f.name in {"last.ckpt", "journal.log"} for f in left)
    untouched = outs(cut)
    stage.run(left_alone, given, "tiny_mel")
    stage.run(cut, given, "tiny_mel")
    assert untouched != outs(cut)
    assert outs(left_alone) == outs(cut)
    assert not [f for f in cut.state.rglob("*") if f.is_file()]


@pytest.fixture
def two_device_project(tmp_path):
    """Return a project whose only candidate trains on two devices, as the command reads it."""
    paths = tiny_project.make(tmp_path / "project")
    candidate = {"architecture": "mlp", "feature": "mel", "task": "genre", "network": {"hidden": [8]}}
    several = {**tiny_project.PARAMS["train"], "devices": 2, "strategy": "ddp"}
    sections = {**tiny_project.PARAMS, "candidates": {"a": candidate}, "train": several}
    yaml_io.write(paths.params, {k: v for k, v in sections.items() if k not in ("estimators", "stacked", "members")})
    paths.tuning_result("a").parent.mkdir(parents=True)
    paths.tuning_result("a").write_text(DEFAULTS)
    return paths


def test_only_the_first_of_several_devices_asks_for_the_lock(two_device_project, monkeypatch):
    done = []
    monkeypatch.setattr(train, "run", lambda paths, given, name: done.append(name))
    with exclusive(two_device_project.lock("train", "a")):
        with pytest.raises(OstinatoError, match="train@a: another run is doing the same"):
            run_stage("train", "a", two_device_project.root)
        monkeypatch.setenv("LOCAL_RANK", "1")
        run_stage("train", "a", two_device_project.root)
    assert done == ["a"]


@pytest.mark.slow
def test_two_devices_train_one_network(two_device_project):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "ostinato", "train", "a"]
    subprocess.run(command, env=environment, cwd=two_device_project.root, check=True, timeout=300)
    assert {f.name for f in two_device_project.checkpoints("a").iterdir()} == {
        "artefact.json",
        "curves.csv",
        "final.safetensors",
        "fold0.safetensors",
    }
    assert not [f for f in (two_device_project.state / "train").rglob("*") if f.is_file()]
