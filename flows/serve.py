"""Hold the deployments: retrain on the schedule of params.yaml, ingest, tune and recommend on demand.

``python flows/serve.py`` in the folder of params.yaml serves until it is stopped.
PREFECT_API_URL names the server; without it, one is started for as long as this
runs, since Prefect's temporary server has no scheduler.
"""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import Flow, serve
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import State

from ingest import ingest
from ostinato import params
from ostinato.errors import OstinatoError
from ostinato.params import Flows
from ostinato.paths import Paths
from recommend import recommend
from retrain import retrain
from tune import tune

START_SECONDS = 90


def deployments(project: Path, flows: Flows) -> list[RunnerDeployment]:
    """Describe what is served.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    flows : Flows
        Section ``flows`` of params.yaml: cron and time zone.

    Returns
    -------
    list of RunnerDeployment
    """
    where = {"project": str(project.resolve())}
    return [
        _deployment(retrain, "scheduled", where, Cron(flows.cron, timezone=flows.timezone)),
        _deployment(ingest, "on-demand", where),
        _deployment(tune, "on-demand", where),
        _deployment(recommend, "on-demand", where),
    ]


def _deployment(
    flow: Flow[..., State], name: str, parameters: dict[str, str], schedule: Schedule | None = None
) -> RunnerDeployment:
    made = flow.to_deployment(name, schedule=schedule, parameters=parameters, concurrency_limit=1)
    assert isinstance(made, RunnerDeployment)  # it is a coroutine only inside an event loop
    return made


@contextmanager
def server() -> Iterator[None]:
    """Use the server that PREFECT_API_URL names, or start one with a scheduler."""
    if PREFECT_API_URL.value():
        yield
        return
    port = str(_free_port())
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            url = f"http://127.0.0.1:{port}/api"
            _await(url, process)
            with temporary_settings({PREFECT_API_URL: url}):
                yield
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise OstinatoError(f"{url}: Prefect's server did not start; set PREFECT_API_URL to one that runs")


def main() -> None:
    """Serve until stopped."""
    project = Path.cwd()
    with server():
        print(f"Serving on {PREFECT_API_URL.value()}", file=sys.stderr)
        serve(*deployments(project, params.load(Paths(project).params).flows), pause_on_shutdown=False)


if __name__ == "__main__":
    main()
