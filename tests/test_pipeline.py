"""The whole chain on a tiny corpus, as a user runs it: `dvc repro`, then release and predict."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ostinato.core.paths import Paths
from ostinato.io.locks import is_locked
from ostinato.metrics.jackknife import MIN_GROUPS
from ostinato.pipeline import forkserver

PROJECT = Path(__file__).parents[1]
STAGES_OF_A_NETWORK = ("tune", "train", "infer", "export")
TINY = {
    "seed": 7,
    "compute": {"workers": 2, "threads": 1},
    "dataset": {"name": "synthetic", "n_genres": 3, "n_artists": 12, "tracks_per_artist": 2, "seconds": 7.0},
    "validate": {"min_seconds": 3.0},
    "split": {"min_tag_tracks": 1000},
    "features": {"kinds": {"mel": {"n_mels": 40}, "mfcc": {}}},
    "train": {"max_epochs": 2, "patience": 2, "chunk_frames": 129},
    "tune": {"n_trials": 1, "max_epochs": 1},
    "stacking": {"folds": 2},
    "candidates": {
        "time_mel": {"architecture": "time", "feature": "mel", "task": "genre"},
        "rnn_mfcc": {"architecture": "rnn", "feature": "mfcc", "task": "genre"},
        "time_tags": {"architecture": "time", "feature": "mel", "task": "tags"},
    },
    "estimators": {"mfcc_svm": {"estimator": "mfcc_svm", "feature": "mfcc", "task": "genre"}},
    "stacked": {"timefreq": {"architecture": "timefreq", "task": "genre"}},
    "members": {f"timefreq.{name}": {"of": "timefreq", "member": name} for name in ("time_mel", "rnn_mfcc")},
    "numbers": {},
    "regressions": {},
    "gate": {"genre": {"f1_micro": {"min": 0.0}}},
}


def environment(root: Path) -> dict[str, str]:
    return os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "PYTHONPATH": str(root / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=root, env=environment(root), capture_output=True, text=True
    )


def copy_project(root: Path, params: dict) -> Path:
    for name in ("src", "dvc.yaml", ".dvcignore", ".gitignore"):
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / name)
    own = yaml.safe_load((PROJECT / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(own | params))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert command(root, "dvc", "init", "-q").returncode == 0
    return root


def outs(root: Path) -> dict[str, str]:
    """Return the hash of every out that the lock file names."""
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


def list_ran_stages(repro: subprocess.CompletedProcess[str]) -> set[str]:
    assert repro.returncode == 0, repro.stdout + repro.stderr
    return {line.split("'")[1] for line in repro.stdout.splitlines() if line.startswith("Running stage '")}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = copy_project(tmp_path_factory.mktemp("project"), TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root / "src"))
        with forkserver.process() as variables:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert "train@time_mel" in list_ran_stages(command(root, "dvc", "repro"))
    return root


def test_every_out_of_the_graph_is_there(project):
    missing = [path for path in outs(project) if not (project / path).exists()]
    assert missing == []


def test_metrics_have_the_stable_form(project):
    metrics = json.loads(Paths(project).metrics("time_mel").read_text())
    assert (metrics["task"], metrics["architecture"], metrics["feature"]) == ("genre", "time", "mel")
    assert set(metrics["split"]) >= {"name", "hash"}
    f1 = metrics["test"]["f1_micro"]
    if metrics["split"]["n_groups"] < MIN_GROUPS:
        assert (f1["low"], f1["high"]) == (None, None)
    else:
        assert 0 <= f1["low"] <= f1["value"] <= f1["high"] <= 1
    assert metrics["baseline"]["majority"]["f1_micro"]["value"] <= 0.5


def test_a_candidate_without_its_task_is_skipped_with_the_reason(project):
    skipped = json.loads(Paths(project).metrics("time_tags").read_text())["skipped"]
    assert "tags" in skipped
    gate = json.loads(Paths(project).gate.read_text())
    assert gate["time_tags"]["accepted"] is False
    assert any("tags" in reason for reason in gate["time_tags"]["reasons"])


def test_no_artist_stands_in_two_splits(project):
    paths = Paths(project)
    rows = pd.read_parquet(paths.splits).merge(pd.read_parquet(paths.tracks), on="track_id", suffixes=("", "_official"))
    assert (rows.groupby(["fold", "artist"])["split"].nunique() == 1).all()
    assert set(rows["split"]) == {"train", "validation", "test"}


def test_nothing_runs_again_when_nothing_changed(project):
    assert list_ran_stages(command(project, "dvc", "repro")) == {"ingest", "plays"}


def test_editing_one_network_touches_its_branch_alone(project):
    path = project / "src/ostinato/architectures/time.py"
    text = path.read_text()
    path.write_text(text + "\n# edited\n")
    try:
        status = json.loads(command(project, "dvc", "status", "--json").stdout)
    finally:
        path.write_text(text)
    always = ("ingest", "plays", "budget")  # the last reads all search spaces
    touched = {stage for stage in status if stage not in always}
    assert touched == {f"{stage}@{name}" for stage in STAGES_OF_A_NETWORK for name in ("time_mel", "time_tags")}


def test_release_predict_and_roll_back(project):
    released = command(project, "ostinato", "release")
    assert released.returncode == 0, released.stderr
    paths = Paths(project)
    assert json.loads(paths.verdict.read_text())["genre"]["released"]
    assert json.loads((paths.current_release("genre") / "model.json").read_text())["classes"]
    clip = next(paths.raw("synthetic").rglob("*.flac"))
    bad = project / "bad.mp3"
    bad.write_text("no audio")
    said = command(project, "ostinato", "predict", "--json", str(clip), str(bad))
    assert said.returncode == 1
    good, wrong = (json.loads(line) for line in said.stdout.splitlines())
    assert set(good) - {"reasons"} == {
        "path",
        "task",
        "model",
        "model_hash",
        "content_hash",
        "label",
        "scores",
        "unsure",
    }
    assert good["unsure"] or not good.get("reasons")
    assert good["label"] == max(good["scores"], key=good["scores"].get)
    assert abs(sum(good["scores"].values()) - 1) < 1e-4
    assert set(wrong) == {"path", "error"}
    assert "mean nothing on real music" in said.stderr


def test_candidates_lists_what_the_gate_said(project):
    listed = json.loads(command(project, "ostinato", "candidates", "--json").stdout)
    assert {row["name"] for row in listed} == {"time_mel", "rnn_mfcc", "time_tags", "mfcc_svm", "timefreq"}
    assert set(listed[0]) >= {"name", "architecture", "feature", "task", "accepted"}


@pytest.mark.slow
def test_rebuilding_from_nothing_gives_the_same_bytes(project, tmp_path):
    again = copy_project(tmp_path, TINY)
    list_ran_stages(command(again, "dvc", "repro"))
    assert outs(again) == outs(project)


SIGNS = {
    "ingest": "data/raw/synthetic/**/*.*",
    "featurize": "data/features/*/.shard-*.partial",
    "tune@time_mel": ".ostinato/tune/*/*",
    "train@time_mel": ".ostinato/train/*/*/last.ckpt",
}
"""What a stage leaves when it has begun and is not done."""


def kill_in(root: Path, stage: str) -> None:
    """Run the pipeline and kill all of it in the midst of a stage."""
    lock = Paths(root).lock(*stage.split("@"))
    words = [sys.executable, "-m", "dvc", "repro"]
    with (root / "killed.log").open("w") as log:
        running = subprocess.Popen(
            words, cwd=root, env=environment(root), stdout=log, stderr=log, start_new_session=True
        )
    while not (lock.exists() and is_locked(lock) and any(root.glob(SIGNS[stage]))):
        assert running.poll() is None, (root / "killed.log").read_text()
        time.sleep(0.01)
    assert is_locked(lock), f"{stage} was over before it could be killed"
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.slow
def test_killed_again_and_again_it_ends_at_the_same_bytes(project, tmp_path):
    again = copy_project(tmp_path, TINY)
    for stage in SIGNS:
        kill_in(again, stage)
    list_ran_stages(command(again, "dvc", "repro"))
    assert outs(again) == outs(project)
