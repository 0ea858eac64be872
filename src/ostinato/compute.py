"""The one map over many items: in this process or in a pool, in order, with progress."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tqdm import tqdm


def map(function: Callable[[Any], Any], items: Iterable[Any], *, workers: int | None = None) -> Iterator[Any]:
    """Yield ``function(item)`` for each item, in order.

    Parameters
    ----------
    function : callable
        Defined at the top of a module.
    items : iterable
    workers : int, optional
        Processes; default: one per core.

    Yields
    ------
    object
    """
    items = list(items)
    workers = min(workers or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from (function(item) for item in tqdm(items))
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from tqdm(pool.map(function, items, chunksize=4), total=len(items))
