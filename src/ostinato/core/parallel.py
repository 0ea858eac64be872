"""Map a function over items in this process, over the cores, or on a Dask cluster."""

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import takewhile
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from ostinato.errors import OstinatoError

AHEAD = 4
PATIENCE = 30
BATCHES = 4
"""Batches that each thread of a cluster gets at least, so that all end at about one time."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Settings(Protocol):
    """What `map` reads of the section ``compute`` of params.yaml."""

    @property
    def workers(self) -> int | None:
        """Processes; None: one per core."""

    @property
    def dask(self) -> str | None:
        """Address of a scheduler; None: this machine."""


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """List the ids of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Returns
    -------
    list of str
        As CUDA reads that variable, up to the first that names none, such as -1; an id may come twice. Where it is
        not set, those that the driver lists.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return list(takewhile(_names_gpu, (gpu.strip() for gpu in chosen.split(","))))
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except OSError:
        return []
    lines = listed.stdout.splitlines() if listed.returncode == 0 else []
    return [str(i) for i, _ in enumerate(line for line in lines if line.startswith("GPU "))]


def _names_gpu(name: str) -> bool:
    return name.isdecimal() or name.startswith(("GPU-", "MIG-"))


def map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    settings: Settings,
    *,
    least: int = 1,
    batch: int = 1,
    threads: int = 1,
) -> Generator[Result, None, None]:
    """Apply a function to every item and yield the results in order.

    A few items a worker are under way at once, so memory does not grow with
    their number. What is returned does not depend on where the function ran.

    Parameters
    ----------
    function : callable
        Importable by name; it and the items must be picklable.
    items : sequence
    settings : Settings
        Number of processes or address of the cluster.
    least : int
        As many items are worth one more process.
    batch : int
        Items that a task of a cluster has at most: where they are many and small, each costs the scheduler as much as
        the worker.
    threads : int
        Threads of BLAS and OpenMP in each process.

    Yields
    ------
    object
        ``function(item)``.

    Raises
    ------
    OstinatoError
        If a worker is killed, or no cluster answers. What `function` raises
        goes through.
    """
    if settings.dask:
        yield from _on_cluster(partial(_call_batch, function, threads), items, settings.dask, batch)
        return
    workers = min(settings.workers or cores(), -(-len(items) // least))
    if workers > 1:
        yield from _in_pool(function, items, workers, threads)
        return
    with threadpool_limits(threads):
        for item in items:
            yield function(item)


def _call_batch(
    function: Callable[[Item], Result], threads: int, items: Sequence[Item]
) -> tuple[list[Result], Exception | None]:
    """Return the results up to the first item that raises, and what it raised."""
    results: list[Result] = []
    with threadpool_limits(threads):
        for item in items:
            try:
                results.append(function(item))
            except Exception as error:
                return results, error
    return results, None


def _in_pool(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, threads: int
) -> Generator[Result, None, None]:
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare, (function, threads))
    try:
        yield from _ahead(lambda item: pool.submit(function, item), items, AHEAD * workers)
    except BrokenProcessPool as error:
        raise OstinatoError(
            "a worker process was killed, for want of memory perhaps; what is done is kept: "
            "lower compute.workers in params.yaml and run again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(function: Callable[..., Any], threads: int) -> None:
    """Make a worker: unpickling `function` imported its libraries, so their threads can be limited now."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(threads)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ahead(submit: Callable[[Item], Any], items: Iterable[Item], width: int) -> Generator[Any, None, None]:
    """Keep `width` items under way and yield their results in order."""
    waiting: deque[Future | Any] = deque()
    try:
        for item in items:
            waiting.append(submit(item))
            if len(waiting) == width:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _on_cluster(
    function: Callable[[Sequence[Item]], tuple[list[Result], Exception | None]],
    items: Sequence[Item],
    address: str,
    most: int,
) -> Generator[Result, None, None]:
    """Apply a function to batches of items; those of a worker that is lost are given to others."""
    if importlib.util.find_spec("distributed") is None:
        raise OstinatoError(
            "compute.dask: Dask is not installed; run `pip install ostinato[cluster]` or set it to null"
        )
    from distributed import Client
    from distributed.scheduler import KilledWorker

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise OstinatoError(
            f"compute.dask: no scheduler with a worker answers at {address}; start `dask scheduler` and `dask worker`, "
            "or set it to null"
        ) from error
    with client:
        n_threads = sum(client.nthreads().values())
        size = min(max(len(items) // (BATCHES * n_threads), 1), most)
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        try:
            for results, refusal in _ahead(
                lambda batch: client.submit(function, batch, pure=False), batches, AHEAD * n_threads
            ):
                yield from results
                if refusal is not None:
                    raise refusal
        except KilledWorker as error:
            raise OstinatoError(
                f"compute.dask: one task killed several workers of {address}, for want of memory perhaps: {error}"
            ) from error
