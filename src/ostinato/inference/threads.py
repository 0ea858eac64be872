"""Parallel map over threads, in order, with a bounded number of pending items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ITEMS_AHEAD = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Apply a function to every item.

    Parameters
    ----------
    function : callable
        An exception from it ends the map.
    items : iterable
    workers : int
        Number of threads; with 1 none is started.

    Returns
    -------
    iterator
        Results in the order of the items.
    """
    return map(function, items) if workers == 1 else _map_pool(function, items, workers)


def _map_pool(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= ITEMS_AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
