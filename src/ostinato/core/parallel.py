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

ITEMS_AHEAD = 4
"""Items per worker that are submitted before the first result is needed."""
TIMEOUT = 30
"""Seconds to wait for a cluster."""
BATCHES_PER_THREAD = 4
"""Minimum number of batches for each thread of a cluster, so that all finish at about the same time."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Settings(Protocol):
    """The settings that `map` reads from the section ``compute`` of params.yaml."""

    @property
    def workers(self) -> int | None:
        """Number of processes; None: one per core."""

    @property
    def dask(self) -> str | None:
        """Address of a scheduler; None: this machine."""


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """List the ids of the GPUs that this process may use.

    Returns
    -------
    list of str
        From CUDA_VISIBLE_DEVICES, up to the first invalid id, such as -1, as CUDA reads it; ids may be repeated. If
        it is not set, from the driver.
    """
    if (variable := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return list(takewhile(_is_gpu_id, (gpu.strip() for gpu in variable.split(","))))
    try:
        process = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except OSError:
        return []
    lines = process.stdout.splitlines() if process.returncode == 0 else []
    return [str(i) for i, _ in enumerate(line for line in lines if line.startswith("GPU "))]


def _is_gpu_id(name: str) -> bool:
    return name.isdecimal() or name.startswith(("GPU-", "MIG-"))


def map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    settings: Settings,
    *,
    items_per_process: int = 1,
    batch: int = 1,
    threads: int = 1,
) -> Generator[Result, None, None]:
    """Apply a function to every item and yield the results in order.

    Only a few items per worker are submitted at a time, so that memory does not grow with
    their number. Results do not depend on where the function runs.

    Parameters
    ----------
    function : callable
        Importable by name; it and the items must be picklable.
    items : sequence
    settings : Settings
        Number of processes or address of the cluster.
    items_per_process : int
        Number of items for which one more process pays off.
    batch : int
        Maximum number of items per task of a cluster; larger tasks reduce the load of the scheduler.
    threads : int
        Number of BLAS and OpenMP threads in each process.

    Yields
    ------
    object
        ``function(item)``.

    Raises
    ------
    OstinatoError
        If a worker is killed, or no cluster answers. Exceptions of `function` are passed on.
    """
    if settings.dask:
        yield from _map_on_cluster(partial(_call_batch, function, threads), items, settings.dask, batch)
        return
    workers = min(settings.workers or cores(), -(-len(items) // items_per_process))
    if workers > 1:
        yield from _map_in_pool(function, items, workers, threads)
        return
    with threadpool_limits(threads):
        for item in items:
            yield function(item)


def _call_batch(
    function: Callable[[Item], Result], threads: int, items: Sequence[Item]
) -> tuple[list[Result], Exception | None]:
    """Return the results up to the first item that raises, and the exception."""
    results: list[Result] = []
    with threadpool_limits(threads):
        for item in items:
            try:
                results.append(function(item))
            except Exception as error:
                return results, error
    return results, None


def _map_in_pool(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, threads: int
) -> Generator[Result, None, None]:
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare, (function, threads))
    try:
        yield from _submit_ahead(lambda item: pool.submit(function, item), items, ITEMS_AHEAD * workers)
    except BrokenProcessPool as error:
        raise OstinatoError(
            "a worker process was killed, perhaps for lack of memory; lower compute.workers in params.yaml and run "
            "again; finished work is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(function: Callable[..., Any], threads: int) -> None:
    """Initialise a worker; unpickling `function` has imported its libraries, so that their threads can be limited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(threads)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _submit_ahead(submit: Callable[[Item], Any], items: Iterable[Item], width: int) -> Generator[Any, None, None]:
    """Keep `width` items submitted and yield their results in order."""
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


def _map_on_cluster(
    function: Callable[[Sequence[Item]], tuple[list[Result], Exception | None]],
    items: Sequence[Item],
    address: str,
    max_batch: int,
) -> Generator[Result, None, None]:
    """Apply a function to batches of items; batches of a lost worker are repeated by others."""
    if importlib.util.find_spec("distributed") is None:
        raise OstinatoError(
            "compute.dask: Dask is not installed; run `pip install ostinato[cluster]` or set it to null"
        )
    from distributed import Client
    from distributed.scheduler import KilledWorker

    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
        client.wait_for_workers(1, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise OstinatoError(
            f"compute.dask: no scheduler with a worker answers at {address}; start `dask scheduler` and `dask worker`, "
            "or set it to null"
        ) from error
    with client:
        n_threads = sum(client.nthreads().values())
        size = min(max(len(items) // (BATCHES_PER_THREAD * n_threads), 1), max_batch)
        batches = [items[start : start + size] for start in range(0, len(items), size)]
        try:
            for results, exception in _submit_ahead(
                lambda batch: client.submit(function, batch, pure=False), batches, ITEMS_AHEAD * n_threads
            ):
                yield from results
                if exception is not None:
                    raise exception
        except KilledWorker as error:
            raise OstinatoError(
                f"compute.dask: one task killed several workers of {address}, perhaps for lack of memory: {error}"
            ) from error
