"""Terminate a process when its parent exits, for any reason."""

import os
import select
import signal
import threading
import time
from contextlib import suppress

VARIABLE = "OSTINATO_PARENT"
"""Environment variable with the id of another process whose end stops a stage."""
GRACE_SECONDS = 10.0
"""Time for a process to end after SIGTERM."""
POLL_SECONDS = 1.0


def die_with(*pids: int) -> None:
    """End this process when any of others ends: by SIGTERM, then by SIGKILL.

    Parameters
    ----------
    *pids : int
        Process ids; missing processes count as ended.
    """
    threading.Thread(target=_watch, args=(pids,), daemon=True).start()


def die_with_caller() -> None:
    """End a stage when the DVC process that runs it ends, or the process in ``OSTINATO_PARENT``.

    A stage started by hand continues when the shell ends, like any command.
    """
    named = os.environ.get(VARIABLE, "")
    pids = [int(named)] if named.isdecimal() else []
    if "DVC_STAGE" in os.environ:
        pids.append(os.getppid())
    if pids:
        die_with(*pids)


def _watch(pids: tuple[int, ...]) -> None:
    with suppress(ProcessLookupError):
        _wait(pids)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(pids: tuple[int, ...]) -> None:
    """Wait until a process has ended; by its descriptor if supported, else by polling every second."""
    if hasattr(os, "pidfd_open"):
        waiting = select.poll()
        for pid in pids:
            waiting.register(os.pidfd_open(pid), select.POLLIN)
        waiting.poll()
        return
    while True:
        for pid in pids:
            os.kill(pid, 0)
        time.sleep(POLL_SECONDS)
