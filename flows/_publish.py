"""Publish the results of a run: data to a DVC remote, the lock file and the metrics to a branch.

The commit is made without the working tree, so that the user's branch, index and
edits stay as they are.
"""

import os
import subprocess
from pathlib import Path
from typing import ParamSpec, TypeVar

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from _dvc import stream
from ostinato.core.params.schema import Dataset, Flows
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.pipeline import graph

P = ParamSpec("P")
R = TypeVar("R")
# what a run writes; .gitignore keeps the large files of it out of git
OUTPUTS = ("dvc.lock", "data", "models")
MESSAGE = "Keep the lock file and figures of a retraining run"
_OTHER_FILES = [f":(exclude){path}" for path in OUTPUTS]


@task(cache_policy=NO_CACHE, persist_result=False)
def track(project: Path, dataset: Dataset) -> None:
    """Add to DVC what no stage writes: the released models and, by ``dataset.track_audio``, the audio."""
    paths = Paths(project)
    audio = Path(dataset.path) if dataset.path else paths.raw(dataset.name)
    folders = [folder for folder in (paths.releases, *[audio] * dataset.track_audio) if folder.is_dir()]
    if not folders:
        return
    status, tail = stream(graph.dvc("add", "--quiet", *map(str, folders)), project)
    if status:
        raise OstinatoError(f"dvc add: {tail[-1] if tail else status}")


def publish(project: Path, flows: Flows) -> None:
    """Push the data that the lock file names, then the lock file.

    Parameters
    ----------
    project : Path
    flows : Flows
        ``remote`` names a DVC remote; none: nothing is published. ``branch`` is
        the branch of git's ``origin`` to commit to; none: data only.

    Raises
    ------
    Exception
        The error of the last attempt of a push.
    """
    if flows.remote is None:
        return
    data_push = _with_retries(push_data, flows).submit(project, flows.remote)
    if flows.branch is not None:
        _with_retries(push_branch, flows).submit(
            project, flows.branch, wait_for=[data_push], return_state=False
        ).result()
    data_push.result()


@task(cache_policy=NO_CACHE, persist_result=False)
def push_data(project: Path, remote: str) -> None:
    """Run ``dvc push``."""
    status, tail = stream(graph.dvc("push", "--remote", remote), project)
    if status:
        raise OstinatoError(f"dvc push --remote {remote}: {tail[-1] if tail else status}")


@task(cache_policy=NO_CACHE, persist_result=False)
def push_branch(project: Path, branch: str) -> str:
    """Commit what the run wrote on top of the branch and push it; return the commit."""
    if _git(project, "status", "--porcelain", "--", ".", *_OTHER_FILES):
        get_run_logger().warning("the working tree has changes of your own; they are not published")
    tip = _fetch_tip(project, branch)
    head = _git(project, "rev-parse", "HEAD")
    base, parents = _choose_base(project, branch, head, tip)
    tree = _write_tree(project, base)
    if parents == [base] and tree == _git(project, "rev-parse", f"{base}^{{tree}}"):
        commit = base
    else:
        options = [word for parent in parents for word in ("-p", parent)]
        commit = _git(project, "commit-tree", tree, *options, "-m", MESSAGE)
    if commit != tip:
        _git(project, "push", "origin", f"{commit}:refs/heads/{branch}")
    return commit


def _with_retries(push: Task[P, R], flows: Flows) -> Task[P, R]:
    """Return a task with the retries of params.yaml, since the network may fail."""
    return push.with_options(retries=flows.retries, retry_delay_seconds=flows.retry_delay_seconds)


def _fetch_tip(project: Path, branch: str) -> str | None:
    """Fetch the branch if it exists, and return its commit."""
    refs = _git(project, "ls-remote", "origin", f"refs/heads/{branch}")
    if not refs:
        return None
    _git(project, "fetch", "--quiet", "origin", f"refs/heads/{branch}")
    return refs.split()[0]


def _choose_base(project: Path, branch: str, head: str, tip: str | None) -> tuple[str, list[str]]:
    """Return the commit whose code the new commit keeps, and the parents of the new commit."""
    if tip is None or _is_ancestor(project, tip, head):
        return head, [head]
    if _is_ancestor(project, head, tip):
        return tip, [tip]
    fork = _git(project, "merge-base", head, tip)
    if _git(project, "diff", "--name-only", fork, tip, "--", ".", *_OTHER_FILES):
        raise OstinatoError(f"origin/{branch} and this clone have different code: pull, then run again")
    return head, [tip, head]


def _write_tree(project: Path, base: str) -> str:
    """Write a git tree with the files of a commit and the outputs of the run."""
    file = Paths(project).state.resolve() / "publish.index"  # one name, so that what a kill leaves is written over
    file.parent.mkdir(exist_ok=True)
    for leftover in (file, file.with_name(f"{file.name}.lock")):
        leftover.unlink(missing_ok=True)
    index = {"GIT_INDEX_FILE": str(file)}
    _git(project, "read-tree", base, **index)
    _git(project, "add", "--all", "--", *(path for path in OUTPUTS if (project / path).exists()), **index)
    return _git(project, "write-tree", **index)


def _is_ancestor(project: Path, old: str, new: str) -> bool:
    result = subprocess.run(["git", "merge-base", "--is-ancestor", old, new], cwd=project, capture_output=True)
    return result.returncode == 0


def _git(project: Path, *arguments: str, **variables: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=project, env=os.environ | variables, capture_output=True, text=True
    )
    if result.returncode:
        raise OstinatoError(f"git {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout.strip()
