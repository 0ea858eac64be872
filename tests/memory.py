"""Peak memory of a call."""

import multiprocessing
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor


def trace_peak(function: Callable[..., object], *args: object) -> int:
    """Return the most bytes that Python and NumPy hold at once while a function runs.

    It runs in a new process: with Python 3.11, to stop tracing in a process that has other
    threads, such as torch's, can end that process.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_trace, function, args).result()


def _trace(function: Callable[..., object], args: tuple[object, ...]) -> int:
    tracemalloc.start()
    function(*args)
    return tracemalloc.get_traced_memory()[1]
