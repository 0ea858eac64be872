"""Places for requests: so many are worked on at once, so many may wait, the rest are turned away."""

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
"""Without a request for so long, memory goes back to the system."""


class Overloaded(Exception):
    """Every place is taken."""


class SenderGone(Exception):
    """Nobody waits for the answer any more."""


class Budget:
    """What the work on one request may still cost.

    Parameters
    ----------
    max_seconds : float
        Of processor time of the thread that works.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._begin = 0.0
        self._stop = threading.Event()

    def start(self) -> None:
        """Count from here on, on the thread that works."""
        self._begin = time.thread_time()

    def stop(self) -> None:
        """End the work at its next step."""
        self._stop.set()

    def check(self) -> None:
        """Go on, or end the work; called between its steps.

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
    """A pool of threads with a limit on what waits for it.

    Parameters
    ----------
    workers : int
        Requests worked on at once.
    waiting : int
        Requests that may wait; one whose body still comes has no place yet.
    on_idle : callable, optional
        Called on a thread of the pool once there was work and none came for `IDLE_SECONDS`.
    """

    def __init__(self, workers: int, waiting: int, on_idle: Callable[[], object] | None = None) -> None:
        self.limit = workers + waiting
        self.pending = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="work")
        self._on_idle = on_idle
        self._idle: asyncio.TimerHandle | None = None

    def check(self) -> None:
        """Turn a request away before its body comes.

        Raises
        ------
        Overloaded
            If there is no place.
        """
        if self.pending >= self.limit:
            raise Overloaded

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one of the places.

        Raises
        ------
        Overloaded
            If there is none.
        """
        self.check()
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1
            self._wait_for_idleness()

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function on a thread of the pool; a request that is given up keeps its place until that has ended."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    async def run_for(
        self, request: Request, budget: Budget, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        """Call a function on a thread of the pool while the sender of a request, whose body has come, is there.

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
            If the sender went first; the function has ended by then, or never began.
        """

        def work() -> Result:
            budget.start()
            return function(*arguments)

        task = self._pool.submit(work)
        future = asyncio.wrap_future(task)
        gone = asyncio.ensure_future(_wait_for_disconnect(request))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            raise SenderGone
        finally:
            gone.cancel()
            budget.stop()
            if not task.cancel():
                await asyncio.wait([future])
                future.exception()  # taken, so that asyncio does not warn of it

    def _wait_for_idleness(self) -> None:
        """Call `on_idle` a while after the last of the work, unless more comes."""
        if self._idle is not None:
            self._idle.cancel()
        if self.pending == 0 and self._on_idle is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_SECONDS, self._be_idle, self._on_idle)

    def _be_idle(self, on_idle: Callable[[], object]) -> None:
        if self.pending == 0:
            self._pool.submit(on_idle)

    def close(self) -> None:
        """Finish what was begun."""
        self._on_idle = None
        if self._idle is not None:
            self._idle.cancel()
        self._pool.shutdown(wait=True)


async def _wait_for_disconnect(request: Request) -> None:
    """Wait until the sender of a request has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
