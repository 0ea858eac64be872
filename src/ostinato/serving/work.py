"""Concurrency limits: requests processed at once, requests queued, and the rest refused."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request

from ostinato.errors import OstinatoError

Result = TypeVar("Result")
IDLE_SECONDS = 1.0
"""After this long without a request, memory is returned to the system."""


class Overloaded(Exception):
    """The queue is full."""


class SenderGone(Exception):
    """The client has disconnected."""


class Budget:
    """Processor time left for one request.

    Parameters
    ----------
    max_seconds : float
        Processor time of the worker thread.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._begin = 0.0
        self._stop = threading.Event()

    def start(self) -> None:
        """Start counting; call it on the worker thread."""
        self._begin = time.thread_time()

    def stop(self) -> None:
        """Stop the work at its next check."""
        self._stop.set()

    def check(self) -> None:
        """Raise if the work must stop; called between its steps.

        Raises
        ------
        SenderGone
            If the work was stopped.
        OstinatoError
            If it has taken too much time.
        """
        if self._stop.is_set():
            raise SenderGone
        if time.thread_time() - self._begin > self._max_seconds:
            raise OstinatoError(
                f"takes more than {self._max_seconds:g} s of processor time; send a shorter piece, or fewer channels"
            )


class Limiter:
    """A thread pool with a limited queue.

    Parameters
    ----------
    workers : int
        Requests processed at once.
    waiting : int
        Requests that may be queued; one whose body is still arriving does not count.
    on_idle : callable, optional
        Called on a thread of the pool when idle for `IDLE_SECONDS` after work.
    """

    def __init__(self, workers: int, waiting: int, on_idle: Callable[[], object] | None = None) -> None:
        self.limit = workers + waiting
        self.pending = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="work")
        self._on_idle = on_idle
        self._idle: asyncio.TimerHandle | None = None

    def check(self) -> None:
        """Refuse a request before its body arrives.

        Raises
        ------
        Overloaded
            If the queue is full.
        """
        if self.pending >= self.limit:
            raise Overloaded

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Occupy one place of the queue.

        Raises
        ------
        Overloaded
            If the queue is full.
        """
        self.check()
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1
            self._wait_for_idleness()

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on a thread of the pool; a cancelled request keeps its place until it returns."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    async def run_for(
        self, request: Request, budget: Budget, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        """Call a function on a thread of the pool while the client of a fully received request is connected.

        Parameters
        ----------
        request : Request
        budget : Budget
            The function calls its `check` between steps.
        function : callable
        *arguments

        Raises
        ------
        SenderGone
            If the client disconnected first; by then the function has ended, or never started.
        """

        def work() -> Result:
            budget.start()
            return function(*arguments)

        task = self._pool.submit(work)
        future = asyncio.wrap_future(task)
        disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
        try:
            await asyncio.wait((future, disconnect), return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            raise SenderGone
        finally:
            disconnect.cancel()
            budget.stop()
            if not task.cancel():
                await asyncio.wait([future])
                future.exception()  # retrieved, so that asyncio does not warn

    def _wait_for_idleness(self) -> None:
        """Schedule `on_idle` after the last request, unless another arrives."""
        if self._idle is not None:
            self._idle.cancel()
        if self.pending == 0 and self._on_idle is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_SECONDS, self._be_idle, self._on_idle)

    def _be_idle(self, on_idle: Callable[[], object]) -> None:
        if self.pending == 0:
            self._pool.submit(on_idle)

    def close(self) -> None:
        """Wait for running work and shut down the pool."""
        self._on_idle = None
        if self._idle is not None:
            self._idle.cancel()
        self._pool.shutdown(wait=True)


async def _wait_for_disconnect(request: Request) -> None:
    """Wait until the client of a request disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
