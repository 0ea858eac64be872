"""What of the pipeline is done, what runs, and what is left.

What is done and left DVC knows. What runs it does not say, but a stage holds its
lock for as long as it lives.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ostinato import graph
from ostinato.files import held
from ostinato.paths import Paths

SOURCES = "src/"


@dataclass(frozen=True)
class StageStatus:
    """Where one stage stands.

    Parameters
    ----------
    stage : str
        Its name in dvc.yaml, such as ``train@time_mel``.
    state : str
        ``done``, ``running`` or ``left``.
    reason : str
        Why it is left; empty otherwise.
    """

    stage: str
    state: str
    reason: str = ""


def status(paths: Paths) -> list[StageStatus]:
    """Say of every stage where it stands.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    list of StageStatus
        In an order in which the stages can run.

    Raises
    ------
    OstinatoError
        If DVC cannot read the project.
    """
    upstream, changed = graph.standing(paths.root, paths.standing)
    behind = graph.stale(upstream, changed)
    now = running(paths)
    found = []
    for stage in upstream:
        if _command(stage) in now:
            found.append(StageStatus(stage, "running"))
        elif stage in behind:
            waits = [name for name in sorted(upstream[stage]) if name in behind]
            found.append(StageStatus(stage, "left", _reason(changed.get(stage, []), waits)))
        else:
            found.append(StageStatus(stage, "done"))
    return found


def summed(found: Sequence[StageStatus]) -> list[str]:
    """Put in a few lines where the pipeline stands.

    Parameters
    ----------
    found : sequence of StageStatus

    Returns
    -------
    list of str
        What runs and what is left, a line a stage, save those that only wait for others
        and so share one; last how many are done, run and are left.

    Examples
    --------
    >>> waits = [StageStatus(f"train@{name}", "left", "follows split") for name in "ab"]
    >>> summed([StageStatus("ingest", "done"), *waits])
    ['left     2 that follow, if what they read changes: train (2)', '1 done, 0 running, 2 left']
    """
    lines, waiting = [], Counter[str]()
    for stage in found:
        if stage.state == "left" and stage.reason.startswith("follows "):
            waiting[stage.stage.partition("@")[0]] += 1
        elif stage.state != "done":
            lines.append(f"{stage.state:8} {stage.stage:32} {stage.reason}".rstrip())
    if waiting:
        kinds = ", ".join(name if n == 1 else f"{name} ({n})" for name, n in waiting.items())
        lines.append(f"{'left':8} {waiting.total()} that follow, if what they read changes: {kinds}")
    counts = Counter(stage.state for stage in found)
    return [*lines, ", ".join(f"{counts[state]} {state}" for state in ("done", "running", "left"))]


def running(paths: Paths) -> set[str]:
    """List the stages that run at this moment, as ``stage`` or ``stage@name``.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    set of str
    """
    return {lock.name.removesuffix(".lock") for lock in paths.locks.glob("*.lock") if held(lock)}


def _command(stage: str) -> str:
    """Give the module and entry that a stage of dvc.yaml runs.

    >>> _command("train_stacked@timefreq_mel")
    'train@timefreq_mel'
    """
    group, at, name = stage.partition("@")
    return group.split("_")[0] + at + name


def _reason(changes: list[Any], waits: list[str]) -> str:
    """Put what DVC says of a stage in one line.

    >>> _reason([{"changed deps": {"data/x": "modified", "params.yaml": {"seed": "new"}}}], ["split"])
    'modified data/x; new seed; follows split'
    """
    said: list[str] = []
    n_sources = 0
    for change in changes:
        if isinstance(change, str):
            said.append(change)
            continue
        for files in change.values():
            for path, how in files.items():
                if how == "deleted" and path.startswith(SOURCES):
                    n_sources += 1
                    continue
                said += [f"{how} {path}"] if isinstance(how, str) else [f"{each} {key}" for key, each in how.items()]
    if n_sources:
        said.append(f"{n_sources} of its files below {SOURCES} are not here: work in a clone, or copy {SOURCES}")
    return "; ".join(said + ([f"follows {', '.join(waits)}"] if waits else []))
