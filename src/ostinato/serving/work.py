"""Places for requests: so many are worked on at once, so many may wait, the rest are turned away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Busy(Exception):
    """Every place is taken."""


class Work:
    """A pool of threads with a limit on what waits for it.

    Parameters
    ----------
    workers : int
        Requests worked on at once.
    waiting : int
        Requests that may wait, their uploads included.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self.limit = workers + waiting
        self.pending = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="work")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places.

        Raises
        ------
        Busy
            If there is none.
        """
        if self.pending >= self.limit:
            raise Busy
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on a thread of the pool; a request that is given up keeps its place until that has ended."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """Finish what was begun."""
        self._pool.shutdown(wait=True)
