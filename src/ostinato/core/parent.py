"""Terminate a process when its parent exits, however that ends."""

import os
import select
import signal
import threading
import time
from contextlib import suppress

VARIABLE = "OSTINATO_PARENT"
"""Names the process that a stage works for, beside its own parent."""
GRACE_SECONDS = 10.0
"""So long a process may take to end by itself."""
POLL_SECONDS = 1.0


def die_with(*pids: int) -> None:
    """End this process once one of others has ended: by SIGTERM, then by SIGKILL.

    Parameters
    ----------
    *pids : int
        Those that are gone already count as ended.
    """
    threading.Thread(target=_watch, args=(pids,), daemon=True).start()


def die_with_caller() -> None:
    """End a stage with the DVC that runs it, and with the process that ``OSTINATO_PARENT`` names.

    A stage that a person starts by itself goes on when the shell ends, as any command does.
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
    """Wait until a process has ended; by its descriptor where the system has such, else by asking every second."""
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
