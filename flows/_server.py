"""Prefect's server as the flows start it: local, protected by a secret, and only while they run.

``python flows/_server.py PORT`` is that server; `server` starts it.
"""

import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

from _logs import log_event, set_format
from _quiet import QUIET
from ostinato.core import logs, parent
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
AUTH = "PREFECT_SERVER_API_AUTH_STRING"
LEASES = "prefect.server.concurrency.lease_storage.filesystem"
START_SECONDS = 180


@contextmanager
def server(paths: Paths, *, with_schedules: bool) -> Iterator[None]:
    """Use the server that PREFECT_API_URL names, or start one.

    Parameters
    ----------
    paths : Paths
    with_schedules : bool
        Keep runs and slots of this project in ``.ostinato/prefect`` and start runs when they
        are due; else the server is one for a single run.

    Raises
    ------
    OstinatoError
        If the server does not start, or ended before the block did.
    """
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    port, auth = _free_port(), read_auth(paths)
    variables = describe(paths, port, auth, with_schedules)
    command = [sys.executable, __file__, str(port)]
    with subprocess.Popen(command, env=os.environ | variables, stdout=sys.stderr) as process:
        url, closing = f"http://{HOST}:{port}/api", threading.Event()
        try:
            _wait_until_ready(url, process)
            threading.Thread(target=_end_with, args=(process, closing), daemon=True).start()
            with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: auth}):
                try:
                    yield
                finally:
                    _flush_logs()
            if process.poll() is not None:
                raise OstinatoError(f"{url}: Prefect's server ended unexpectedly; start again")
        finally:
            closing.set()
            process.terminate()


def _flush_logs() -> None:
    """Send the buffered logs of runs while the server is still up."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        for handler in logging.getLogger(name).handlers:
            handler.flush()


def describe(paths: Paths, port: int, auth: str, with_schedules: bool) -> dict[str, str]:
    """Return the settings of a server as environment variables.

    Parameters
    ----------
    paths : Paths
    port : int
    auth : str
        User and password that clients must send.
    with_schedules : bool

    Returns
    -------
    dict of str to str
    """
    origins = ",".join(f"http://{name}:{port}" for name in NAMES)
    variables = {
        **QUIET,
        AUTH: auth,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
    }
    if with_schedules:
        return variables | {"PREFECT_HOME": str(_home(paths))}
    return variables | {"PREFECT__SERVER_EPHEMERAL": "1"}


def read_auth(paths: Paths) -> str:
    """Read the user and password of the server from the environment or the project's secret, or generate them.

    Parameters
    ----------
    paths : Paths

    Returns
    -------
    str
        In the form ``user:password`` that Prefect expects.
    """
    if auth := os.environ.get(AUTH):
        return auth
    file = _home(paths) / "auth"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as secret:
            secret.write(f"ostinato:{secrets.token_urlsafe(32)}")
    except FileExistsError:
        file.chmod(0o600)
    auth = file.read_text().strip()
    if ":" not in auth:
        raise OstinatoError(f"{file}: holds no user:password; delete it to get a new one")
    return auth


def _home(paths: Paths) -> Path:
    return paths.state.resolve() / "prefect"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise OstinatoError(f"{url}: Prefect's server did not start; set PREFECT_API_URL to one that runs")


def _end_with(process: subprocess.Popen[bytes], closing: threading.Event) -> None:
    """End this process if its server ends first, since nothing would record its work."""
    process.wait()
    if not closing.is_set():
        log_event("Prefect's server ended; stopping")
        os.kill(os.getpid(), SIGTERM)


def main(port: int) -> None:
    """Run the server until the process that started this one ends."""
    parent.die_with(os.getppid())
    import uvicorn
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = create_app(final=True)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES), www_redirect=False)
    set_format(os.environ.get(logs.VARIABLE))
    log_config = None if logs.is_json() else uvicorn.config.LOGGING_CONFIG
    uvicorn.run(app, host=HOST, port=port, log_level="warning", log_config=log_config)


if __name__ == "__main__":
    main(int(sys.argv[1]))
