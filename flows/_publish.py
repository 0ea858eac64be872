"""Keep what a run found: data to a DVC remote, the lock file and the figures to a branch.

The commit is made beside the working tree, so that a person's branch, index and
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
# what a run writes; DVC keeps the large of it out of git by .gitignore
WRITTEN = ("dvc.lock", "data", "models")
MESSAGE = "Keep the lock file and figures of a retraining run"
_ELSEWHERE = [f":(exclude){path}" for path in WRITTEN]


@task(cache_policy=NO_CACHE, persist_result=False)
def track(project: Path, dataset: Dataset) -> None:
    """Let DVC keep what no stage writes: what is in service and, by ``dataset.track_audio``, the audio."""
    paths = Paths(project)
    audio = Path(dataset.path) if dataset.path else paths.raw(dataset.name)
    found = [folder for folder in (paths.releases, *[audio] * dataset.track_audio) if folder.is_dir()]
    if not found:
        return
    status, tail = stream(graph.dvc("add", "--quiet", *map(str, found)), project)
    if status:
        raise OstinatoError(f"dvc add: {tail[-1] if tail else status}")


def publish(project: Path, flows: Flows) -> None:
    """Push what the lock file names, then the lock file.

    Parameters
    ----------
    project : Path
    flows : Flows
        ``remote`` names a DVC remote; none: nothing is published. ``branch`` is
        the branch of git's ``origin`` to commit to; none: data only.

    Raises
    ------
    Exception
        What the last attempt of a push raised.
    """
    if flows.remote is None:
        return
    pushed = _patient(push_data, flows).submit(project, flows.remote)
    if flows.branch is not None:
        _patient(push_branch, flows).submit(project, flows.branch, wait_for=[pushed], return_state=False).result()
    pushed.result()


@task(cache_policy=NO_CACHE, persist_result=False)
def push_data(project: Path, remote: str) -> None:
    """Run ``dvc push``."""
    status, tail = stream(graph.dvc("push", "--remote", remote), project)
    if status:
        raise OstinatoError(f"dvc push --remote {remote}: {tail[-1] if tail else status}")


@task(cache_policy=NO_CACHE, persist_result=False)
def push_branch(project: Path, branch: str) -> str:
    """Commit what the run wrote on top of the branch and push it; give the commit."""
    if _git(project, "status", "--porcelain", "--", ".", *_ELSEWHERE):
        get_run_logger().warning("this working tree has edits beside what the run wrote: they are not published")
    tip = _tip(project, branch)
    head = _git(project, "rev-parse", "HEAD")
    base, parents = _place(project, branch, head, tip)
    tree = _tree(project, base)
    if parents == [base] and tree == _git(project, "rev-parse", f"{base}^{{tree}}"):
        commit = base
    else:
        options = [word for parent in parents for word in ("-p", parent)]
        commit = _git(project, "commit-tree", tree, *options, "-m", MESSAGE)
    if commit != tip:
        _git(project, "push", "origin", f"{commit}:refs/heads/{branch}")
    return commit


def _patient(pushing: Task[P, R], flows: Flows) -> Task[P, R]:
    """Try a task again as params.yaml says, since the network may fail."""
    return pushing.with_options(retries=flows.retries, retry_delay_seconds=flows.retry_delay_seconds)


def _tip(project: Path, branch: str) -> str | None:
    """Fetch the branch, if it is there."""
    listed = _git(project, "ls-remote", "origin", f"refs/heads/{branch}")
    if not listed:
        return None
    _git(project, "fetch", "--quiet", "origin", f"refs/heads/{branch}")
    return listed.split()[0]


def _place(project: Path, branch: str, head: str, tip: str | None) -> tuple[str, list[str]]:
    """Choose the commit whose code the new one keeps, and the new one's parents."""
    if tip is None or _is_ancestor(project, tip, head):
        return head, [head]
    if _is_ancestor(project, head, tip):
        return tip, [tip]
    fork = _git(project, "merge-base", head, tip)
    if _git(project, "diff", "--name-only", fork, tip, "--", ".", *_ELSEWHERE):
        raise OstinatoError(f"origin/{branch} has code that this clone lacks, and the reverse: pull, then run again")
    return head, [tip, head]


def _tree(project: Path, base: str) -> str:
    """Write a tree: a commit's files with what the run wrote over them."""
    file = Paths(project).state.resolve() / "publish.index"  # one name, so that what a kill leaves is written over
    file.parent.mkdir(exist_ok=True)
    for left in (file, file.with_name(f"{file.name}.lock")):
        left.unlink(missing_ok=True)
    index = {"GIT_INDEX_FILE": str(file)}
    _git(project, "read-tree", base, **index)
    _git(project, "add", "--all", "--", *(path for path in WRITTEN if (project / path).exists()), **index)
    return _git(project, "write-tree", **index)


def _is_ancestor(project: Path, old: str, new: str) -> bool:
    asked = subprocess.run(["git", "merge-base", "--is-ancestor", old, new], cwd=project, capture_output=True)
    return asked.returncode == 0


def _git(project: Path, *arguments: str, **variables: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=project, env=os.environ | variables, capture_output=True, text=True
    )
    if answer.returncode:
        raise OstinatoError(f"git {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout.strip()
