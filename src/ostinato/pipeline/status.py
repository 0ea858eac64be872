"""Status: stages that are done, running or pending.

Done and remaining stages are read from DVC's files, without its locks: it never waits,
and no run waits for it. A running stage holds its own lock while it lives.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.core.paths import Paths
from ostinato.io.locks import is_locked
from ostinato.pipeline import dvc_files, graph, recovery

SOURCES = "src/"
STATES = ("done", "running", "pending")
MAX_SHOWN = 3
"""Maximum number of entries and of changes listed per group."""


@dataclass(frozen=True)
class StageStatus:
    """Status of one stage.

    Parameters
    ----------
    stage : str
        Its name in dvc.yaml, such as ``train@time_mel``.
    state : str
        ``done``, ``running`` or ``pending``.
    reason : str
        Why it is pending; empty otherwise.
    """

    stage: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Status:
    """Status of the pipeline.

    Parameters
    ----------
    stages : list of StageStatus
        In topological order.
    faults : list of str
        Faults that hinder a run, one line each, with what to do.
    """

    stages: list[StageStatus]
    faults: list[str]


def status(paths: Paths) -> Status:
    """Return the status of every stage, without any of DVC's locks.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    Status

    Raises
    ------
    OstinatoError
        If dvc.yaml, dvc.lock or params.yaml is missing, truncated or not YAML.
    """
    stages, lock = dvc_files.read_stages(paths.root), dvc_files.read_lock(paths.root)
    upstream, changed = graph.read_cached(paths.root, paths.graph_cache, stages, lock)
    stale, running = set(graph.find_stale(upstream, changed)), find_running(paths)
    entries = []
    for stage in upstream:
        if _command(stage) in running:
            entries.append(StageStatus(stage, "running"))
        elif stage in stale:
            waits = [name for name in sorted(upstream[stage]) if name in stale]
            entries.append(StageStatus(stage, "pending", _reason(changed.get(stage, []), waits)))
        else:
            entries.append(StageStatus(stage, "done"))
    return Status(entries, recovery.find_faults(paths, stages, lock))


def summarise(stages: Sequence[StageStatus]) -> list[str]:
    """Summarise the status of the pipeline in a few lines.

    Parameters
    ----------
    stages : sequence of StageStatus

    Returns
    -------
    list of str
        Counts of stages that are done, running and pending, then a line for each group.

    Examples
    --------
    >>> waits = [StageStatus(f"train@{name}", "pending", "waits for split") for name in "ab"]
    >>> for line in summarise([StageStatus("ingest", "done"), *waits]):
    ...     print(line)
    1 done, 0 running, 2 pending
    ingest             done
    train              2 pending: 2 waiting for others
    """
    groups: dict[str, list[StageStatus]] = {}
    for stage in stages:
        groups.setdefault(stage.stage.partition("@")[0], []).append(stage)
    counts = Counter(stage.state for stage in stages)
    lines = [f"{name:18} {_describe(group)}" for name, group in groups.items()]
    return [", ".join(f"{counts[state]} {state}" for state in STATES), *lines]


def _describe(group: Sequence[StageStatus]) -> str:
    """Describe a group of stages in one line: the running ones, and the changes with their counts."""
    counts = Counter(stage.state for stage in group)
    is_single = len(group) == 1 and "@" not in group[0].stage
    states = group[0].state if is_single else ", ".join(f"{counts[s]} {s}" for s in STATES if counts[s])
    running = [name for s in group if s.state == "running" and (name := s.stage.partition("@")[2])]
    pending = [_list_own_changes(stage) for stage in group if stage.state == "pending"]
    changes = Counter(change for own in pending for change in own)
    causes = [change if n == len(pending) else f"{change} ({n})" for change, n in changes.most_common()]
    n_waiting = sum(not own for own in pending)
    causes += [("waiting for others" if is_single else f"{n_waiting} waiting for others")] if n_waiting else []
    details = [", ".join(_shorten(names)) for names in (running, causes) if names]
    return f"{states}: {'; '.join(details)}" if details else states


def _list_own_changes(stage: StageStatus) -> list[str]:
    """List the changes of a stage itself."""
    changes = stage.reason.split("; ") if stage.reason else []
    return [change for change in changes if not change.startswith("waits for ") and change not in graph.ALWAYS_CHANGED]


def _shorten(names: list[str]) -> list[str]:
    return names if len(names) <= MAX_SHOWN + 1 else [*names[:MAX_SHOWN], f"{len(names) - MAX_SHOWN} more"]


def find_running(paths: Paths) -> set[str]:
    """Find the running stages, as ``stage`` or ``stage@name``.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    set of str
    """
    return {lock.name.removesuffix(".lock") for lock in paths.locks.glob("*.lock") if is_locked(lock)}


def _command(stage: str) -> str:
    """Return the module and entry that a stage of dvc.yaml runs.

    >>> _command("train_stacked@timefreq_mel")
    'train@timefreq_mel'
    """
    group, at, name = stage.partition("@")
    return group.split("_")[0] + at + name


def _reason(changes: list[Any], waits: list[str]) -> str:
    """Format the changes of a stage in one line.

    >>> _reason([{"changed deps": {"data/x": "modified", "params.yaml": {"seed": "new"}}}], ["split"])
    'modified data/x; new seed; waits for split'
    """
    texts: list[str] = []
    n_sources = 0
    for change in changes:
        if isinstance(change, str):
            texts.append(change)
            continue
        for files in change.values():
            for path, how in files.items():
                if how == "deleted" and path.startswith(SOURCES):
                    n_sources += 1
                    continue
                texts += [f"{how} {path}"] if isinstance(how, str) else [f"{each} {key}" for key, each in how.items()]
    if n_sources:
        texts.append(f"{n_sources} of its files below {SOURCES} are missing: work in a clone, or copy {SOURCES}")
    return "; ".join(texts + ([f"waits for {', '.join(waits)}"] if waits else []))
