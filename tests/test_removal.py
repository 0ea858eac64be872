"""A network is its file and its line: without them its stages are gone, and nothing else is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
REMOVED, CANDIDATE = "albums", "albums_cover"


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a copy of the project's code and graph."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run_module(project: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=project, env=environment, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def stages(project: Path) -> set[str]:
    return {line.split()[0] for line in run_module(project, "dvc", "stage", "list", "--name-only").splitlines()}


@pytest.mark.slow
def test_a_network_goes_with_its_file_and_its_line(project):
    run_module(project, "dvc", "init", "--no-scm", "--quiet")
    given, before = yaml.safe_load((project / "params.yaml").read_text()), stages(project)
    (project / "src" / "ostinato" / "architectures" / f"{REMOVED}.py").unlink()
    assert f"candidates.{CANDIDATE}: there is no architecture '{REMOVED}'" in run_module(
        project, "ostinato", "candidates"
    )
    assert given["candidates"].pop(CANDIDATE)["architecture"] == REMOVED
    (project / "params.yaml").write_text(yaml.safe_dump(given))
    assert "mlp_mfcc13" in run_module(project, "ostinato", "candidates")
    known = json.loads(run_module(project, "ostinato", "architectures", "--json"))
    assert REMOVED not in (names := {one["name"] for one in known})
    assert {"mlp", "time", "recommendation"} < names
    gone = {f"{stage}@{CANDIDATE}" for stage in ("tune", "train", "infer", "evaluate", "export")}
    assert before - stages(project) == gone
