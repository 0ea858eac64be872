"""What a run keeps: data in a local-folder remote, lock file and figures on a branch."""

from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from toy_commands import shell, turn

from _publish import push_branch, push_data
from ostinato.errors import OstinatoError
from ostinato.pipeline import graph


@pytest.fixture
def shared_project(finished_toy: Path, tmp_path: Path) -> Path:
    """Return a toy project that ran, with a folder as DVC remote and a bare repository as origin."""
    shell(finished_toy, "git", "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "origin.git"))
    shell(finished_toy, "git", "remote", "add", "origin", str(tmp_path / "origin.git"))
    shell(finished_toy, "git", "push", "--quiet", "origin", "main")
    return finished_toy


def test_a_clone_of_the_branch_pulls_the_data_and_has_nothing_to_do(shared_project: Path, tmp_path: Path) -> None:
    """The schedule does not forget: lock and figures are on the branch, data in the remote."""
    status = shell(shared_project, "git", "status", "--porcelain")
    with disable_run_logger():
        push_data.fn(shared_project, "store")
        push_branch.fn(shared_project, "main")
    assert shell(shared_project, "git", "status", "--porcelain") == status

    clone = tmp_path / "clone"
    shell(tmp_path, "git", "clone", "--quiet", str(tmp_path / "origin.git"), str(clone))
    shell(clone, *graph.dvc("pull", "--quiet", "--remote", "store"))
    assert graph.changes(clone) == {"ingest": graph.ALWAYS_CHANGED}
    assert (clone / "models" / "metrics" / "a.json").is_file()


def test_a_branch_grows_by_a_commit_for_new_figures_and_by_none_for_the_same(
    shared_project: Path, tmp_path: Path
) -> None:
    """Twice the same is one commit, on top of what others pushed; edits of a person stay out."""
    other = tmp_path / "other"
    shell(tmp_path, "git", "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    shell(other, "git", "-c", "user.name=O", "-c", "user.email=o@example.org", "commit", "--allow-empty", "-qm", "More")
    shell(other, "git", "push", "--quiet")
    turn(shared_project, "seed", 3)
    with disable_run_logger():
        first = push_branch.fn(shared_project, "main")
        assert push_branch.fn(shared_project, "main") == first
    shell(shared_project, "git", "fetch", "--quiet")
    assert shell(shared_project, "git", "log", "--format=%s", "origin/main").splitlines() == [
        "Keep the lock file and figures of a retraining run", "More", "Begin",
    ]  # fmt: skip
    names = shell(shared_project, "git", "show", "--format=", "--name-only", "origin/main").splitlines()
    assert "dvc.lock" in names
    assert "models/metrics/a.json" in names
    assert "params.yaml" not in names


def test_diverged_code_is_refused(shared_project: Path, tmp_path: Path) -> None:
    """Neither side's code is undone."""
    other = tmp_path / "other"
    shell(tmp_path, "git", "clone", "--quiet", str(tmp_path / "origin.git"), str(other))
    turn(other, "seed", 9)
    shell(other, "git", "-c", "user.name=O", "-c", "user.email=o@example.org", "commit", "-aqm", "Theirs")
    shell(other, "git", "push", "--quiet")
    shell(shared_project, "git", "commit", "--quiet", "--allow-empty", "--message", "Mine")
    with disable_run_logger(), pytest.raises(OstinatoError, match="origin/main and this clone have different code"):
        push_branch.fn(shared_project, "main")


def test_a_remote_that_is_not_there_is_named(toy: Path) -> None:
    """DVC's own word for it."""
    with disable_run_logger(), pytest.raises(OstinatoError, match=r"dvc push --remote nowhere: .*nowhere"):
        push_data.fn(toy, "nowhere")
