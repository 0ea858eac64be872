"""Run the graph of dvc.yaml as Prefect tasks, one per stage.

dvc.yaml says what follows from what; nothing here or in a flow lists steps. Two
keys of a stage's ``meta`` in dvc.yaml say what a scheduler must know of it:
``gpu: true`` waits for a GPU, ``gpu: many`` takes its share of all that are free,
``network: true`` is tried again when it fails.
"""

import argparse
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import BoundedSemaphore, Condition
from typing import Any

import yaml
from prefect import Flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed, State

from _logs import add_option, log_line, set_format
from _server import server
from ostinato.core import parallel, parent
from ostinato.core.params.schema import Params
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.pipeline import forkserver, graph, sources
from ostinato.pipeline.reading import Reading

DVC = str(Path(__file__).with_name("_lock_file.py"))
PROGRESS_SECONDS = 10.0
UNCHANGED = "Unchanged"
MANY = "many"
SERVED = "PREFECT__FLOW_RUN_ID"
"""Says that a deployment is run, by the process that serves it."""
FEW = 4
"""Up to as many stages are not worth a warm process; nor is it safe to fork beside a GPU."""


@dataclass(frozen=True)
class Outcome:
    """How a run of the graph ended.

    Parameters
    ----------
    ran : tuple of str
        Stages that had work and did it; a stage that merely looked again is not among them.
    failed : tuple of str
        Stages that failed.
    waiting : tuple of str
        Stages that did not run, since they follow from one that failed.
    """

    ran: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Put it in one line."""
        lacking = f"; {', '.join(self.waiting)} could not run" if self.waiting else ""
        return (
            f"{', '.join(self.failed)} failed{lacking}"
            if self.failed
            else f"{', '.join(self.ran) or 'nothing'} changed"
        )

    def state(self) -> State:
        """Say it as a flow's final state."""
        return Failed(message=str(self)) if self.failed else Completed(message=str(self))


class Slots:
    """Cores and GPUs to share between stages that run at once.

    Parameters
    ----------
    cores : int
        How many stages may run at once.
    gpus : list of str
        A GPU's id per process that may use one at once; an id may come twice.
        Empty: there is no GPU, and such stages share the cores like any other.
    """

    def __init__(self, cores: int, gpus: list[str]) -> None:
        self._cores = BoundedSemaphore(cores)
        self._has_gpus, self._free, self._changed = bool(gpus), list(gpus), Condition()
        self.n_gpus = len(gpus)

    @classmethod
    def of(cls, params: Params) -> "Slots":
        """Count what this machine has, as the sections ``compute`` and ``flows`` of params.yaml share it."""
        visible = parallel.visible_gpus()
        wanted = params.flows.gpu_slots or len(visible)
        return cls(
            cores=max(1, parallel.cores() // params.compute.threads),
            gpus=[visible[i % len(visible)] for i in range(wanted)] if visible else [],
        )

    @contextmanager
    def take(self, gpu: bool, most: int = 1) -> Iterator[dict[str, str]]:
        """Wait for a slot; yield the variables that tell a stage which GPUs are its own.

        Parameters
        ----------
        gpu : bool
        most : int
            GPUs that it can make use of: it waits for one, and takes of the others what is free.
        """
        if not gpu or not self._has_gpus:
            with self._cores:
                yield {}
            return
        with self._changed:
            self._changed.wait_for(lambda: bool(self._free))
            devices, self._free = self._free[:most], self._free[most:]
        try:
            with self._cores:
                yield {"CUDA_VISIBLE_DEVICES": ",".join(devices)}
        finally:
            with self._changed:
                self._free += devices
                self._changed.notify_all()


def stream(command: list[str], project: Path, extra: dict[str, str] | None = None) -> tuple[int, list[str]]:
    """Run a command and log each line as it comes.

    Parameters
    ----------
    command : list of str
    project : Path
        Its working folder.
    extra : dict of str to str, optional
        Environment variables beside those of this process.

    Returns
    -------
    tuple of int and list of str
        Exit status, and its last lines. A progress bar redraws itself by carriage
        returns: of those, one every ten seconds is logged and none is kept.
    """
    logger = get_run_logger()
    tail: list[str] = []
    drawn = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=project,
        env=graph.environment() | {parent.VARIABLE: str(os.getpid())} | (extra or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        for line in io.TextIOWrapper(process.stdout, errors="replace", newline=""):
            if line.endswith("\r"):
                if time.monotonic() - drawn < PROGRESS_SECONDS:
                    continue
                drawn = time.monotonic()
            if text := line.rstrip():
                text = log_line(logger, text)
                tail = [*tail[-19:], text] if line.endswith("\n") else tail
    return process.returncode, tail


@task(task_run_name="{stage}", cache_policy=NO_CACHE, persist_result=False)
def run_stage(
    stage: str,
    project: Path,
    slots: Slots,
    gpu: bool = False,
    extra: Mapping[str, str] | None = None,
    count_gpus: Callable[[], int] | None = None,
) -> State:
    """Bring one stage up to date; what it reads is up to date already.

    `count_gpus` is asked, once the stage can run, how many GPUs it may take at most.
    """
    with slots.take(gpu, count_gpus() if count_gpus else 1) as variables:
        repro = [sys.executable, DVC, "--wait-for-lock", "repro", "--single-item", stage]
        status, tail = stream(repro, project, {**(extra or {}), **variables})
    if status:
        raise OstinatoError(f"{stage}: " + ("; ".join(tail[-2:]) or f"exit status {status}"))
    skipped = any("didn't change, skipping" in line for line in tail)
    return Completed(name=UNCHANGED) if skipped else Completed(message=f"{stage} ran")


def reproduce(project: Path, params: Params, target: str | None = None) -> Outcome:
    """Run what changed and what follows from it, in parallel where the graph allows.

    Stages that look again in every run come first, unless nothing that they look at has
    changed since. What changed is read from DVC's files; DVC runs the stages that have work.

    Parameters
    ----------
    project : Path
        The folder of dvc.yaml.
    params : Params
    target : str, optional
        A stage or a ``foreach`` group: it and what it follows from; default: everything.

    Returns
    -------
    Outcome

    Raises
    ------
    OstinatoError
        If DVC cannot read the project, as where dvc.lock is truncated; the message says what to do.
    """
    if SERVED in os.environ:
        parent.die_with(os.getppid())
    paths, reading = Paths(project), Reading(project)
    if reading.drop_damaged_lock():
        get_run_logger().warning("deleted DVC's file of locks, which a killed run left damaged")
    for fault in reading.find_faults():
        get_run_logger().warning(fault)
    run = _Run(project, params, reading.find_upstream(target), reading)
    changed = reading.find_changes()
    behind = graph.find_stale(run.graph, changed)
    looking = [stage for stage in run.graph if changed.get(stage) == graph.ALWAYS_CHANGED and stage not in behind]
    if looking and sources.is_unchanged(paths, reading.hash_entries(looking)):
        looking = []
    files = sources.compute_digest(paths)
    looked = run.submit(looking)
    stale = graph.find_stale(run.graph, reading.find_changes()) if looked else behind
    if looked and not run.failed:
        sources.remember(paths, files, reading.hash_entries(looking))
    spared: AbstractContextManager[dict[str, str]] = (
        forkserver.process() if len(stale) > FEW and not parallel.visible_gpus() else nullcontext({})
    )
    with spared as variables:
        work = run.submit(stale, variables)
    states = {stage: run.futures[stage].state for stage in work}
    return Outcome(
        ran=tuple(stage for stage, state in states.items() if state.is_completed() and state.name != UNCHANGED),
        failed=tuple(run.failed),
        waiting=tuple(run.waiting),
    )


class _Run:
    """The tasks of one run of the graph."""

    def __init__(self, project: Path, params: Params, upstream: graph.Upstream, reading: Reading | None = None) -> None:
        self.project, self.reading = project, reading
        self.flows = params.flows
        self.graph = upstream
        self.futures: dict[str, PrefectFuture[Any]] = {}
        self.failed: list[str] = []
        self.waiting: list[str] = []
        self._slots = Slots.of(params)
        self._meta = _meta(project)
        self._unfinished: set[str] = set()

    def submit(self, stages: Iterable[str], extra: Mapping[str, str] | None = None) -> list[str]:
        """Run stages that have work, each after those it follows from, with variables of their environment.

        A stage that turns out to have nothing to do, since what it follows from came out as
        it was, is no task. Wait for all; return those that became tasks.
        """
        pending, ended = dict.fromkeys(stages), SimpleQueue[str]()
        self._unfinished.update(pending)
        started, n_running = [], 0
        while pending or n_running:
            for stage in list(pending):
                before = graph.ancestors(self.graph, stage)
                if not self._unfinished.isdisjoint(before):
                    continue
                del pending[stage]
                if not {*self.failed, *self.waiting}.isdisjoint(before):
                    self.waiting.append(stage)
                elif self.reading is None or not self.reading.is_current(stage):
                    self._start(stage, before, extra).add_done_callback(partial(_put, ended, stage))
                    started.append(stage)
                    n_running += 1
                    continue
                self._unfinished.discard(stage)
            if n_running:
                stage = ended.get()
                n_running -= 1
                self._unfinished.discard(stage)
                self.futures[stage].wait()  # it ended, but may not have its state yet
                if not self.futures[stage].state.is_completed():
                    self.failed.append(stage)
        return started

    def _start(self, stage: str, before: Iterable[str], extra: Mapping[str, str] | None) -> PrefectFuture[Any]:
        meta = self._meta.get(stage.split("@")[0], {})
        attempt = run_stage.with_options(
            retries=self.flows.retries if meta.get("network") else 0,
            retry_delay_seconds=self.flows.retry_delay_seconds,
        )
        count = partial(self._count_gpus, stage) if meta.get("gpu") == MANY else None
        after = [self.futures[name] for name in before if name in self.futures]
        self.futures[stage] = attempt.submit(
            stage, self.project, self._slots, bool(meta.get("gpu")), extra, count, wait_for=after, return_state=False
        )
        return self.futures[stage]

    def _count_gpus(self, stage: str) -> int:
        """Part the GPU slots among the stages that can use one now: those that wait for no other."""
        unfinished = set(self._unfinished)
        ready = [
            name
            for name in unfinished
            if self._meta.get(name.split("@")[0], {}).get("gpu")
            if unfinished.isdisjoint(graph.ancestors(self.graph, name))
        ]
        return max(1, self._slots.n_gpus // max(1, len(ready)))


def _put(ended: SimpleQueue[str], stage: str, future: PrefectFuture[Any]) -> None:
    ended.put(stage)


def main(flow: Flow[..., State]) -> None:
    """Run a flow in the working folder, up to the stage named on the command line; exit with 1 unless it completed."""
    parser = argparse.ArgumentParser(description=(flow.description or "").splitlines()[0])
    last = flow.parameters.properties["target"].get("default")
    parser.add_argument("target", nargs="?", default=last, help="the last stage; default: %(default)s")
    add_option(parser)
    arguments = parser.parse_args()
    set_format(arguments.log_format)
    with server(Paths(Path.cwd()), with_schedules=False):
        state = flow(target=arguments.target, return_state=True)
    sys.exit(0 if state.is_completed() else 1)


def _meta(project: Path) -> dict[str, dict[str, Any]]:
    """Read the ``meta`` of each stage of dvc.yaml."""
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    return {name: stage.get("do", stage).get("meta", {}) for name, stage in stages.items()}
