"""The deployments, the server that they have to themselves, and what a stop in the middle of a run leaves."""

import base64
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from prefect.states import Pending, Running, Scheduled
from toy_commands import turn

from _recovery import recover
from _server import describe, read_auth, server
from ostinato.core.params.schema import Flows
from ostinato.core.paths import Paths
from ostinato.errors import OstinatoError
from ostinato.pipeline import graph
from serve import list_deployments

SERVE = Path(__file__).parents[2] / "flows" / "serve.py"


def test_retraining_has_the_schedule_of_params_and_the_rest_none() -> None:
    """Cron and time zone reach the deployment."""
    made = {d.flow_name: d for d in list_deployments(Flows(cron="5 4 * * 1", timezone="Asia/Tokyo"))}
    assert sorted(made) == ["ingest", "recommend", "retrain", "tune"]
    [schedule] = made["retrain"].schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("5 4 * * 1", "Asia/Tokyo")
    assert not made["ingest"].schedules
    assert not made["tune"].schedules


def test_nobody_who_reaches_the_server_names_a_folder_to_work_in() -> None:
    """A deployment works where it is served; all that may be asked for is the last stage."""
    for made in list_deployments(Flows()):
        assert set(made._parameter_openapi_schema.properties) == {"target"}
        assert made.parameters == {}
        assert made.enforce_parameter_schema


def test_a_due_run_does_not_queue_behind_one_at_work_but_an_asked_one_does() -> None:
    """So that a week of work is not followed by seven runs of a daily schedule."""
    strategies = {d.flow_name: d.concurrency_options.collision_strategy.value for d in list_deployments(Flows())}
    assert strategies == {"retrain": "CANCEL_NEW", "ingest": "ENQUEUE", "tune": "ENQUEUE", "recommend": "ENQUEUE"}


def test_the_secret_is_for_its_owner_alone_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One given by the environment is taken as it is."""
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    paths = Paths(tmp_path)
    auth = read_auth(paths)
    file = paths.state / "prefect" / "auth"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(auth.removeprefix("ostinato:")) >= 40
    file.chmod(0o644)
    assert read_auth(paths) == auth != read_auth(Paths(tmp_path / "other"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("")
    with pytest.raises(OstinatoError, match="auth: holds no user:password; delete it"):
        read_auth(paths)
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:mine")
    assert read_auth(paths) == "me:mine"


@pytest.mark.parametrize("module", ["serve", "retrain", "ingest", "tune", "recommend"])
def test_nothing_is_sent_to_the_makers_of_prefect_however_a_flow_is_started(module: str) -> None:
    """Nor by the server that it starts."""
    code = (
        f"import {module}\nfrom prefect._internal.analytics.enabled import is_telemetry_enabled\n"
        "from prefect.settings import get_current_settings\n"
        "print(is_telemetry_enabled(), get_current_settings().server.analytics_enabled)"
    )
    ours = ("PREFECT", "DO_NOT_TRACK", "CI", "GITHUB")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment["PYTHONPATH"] = os.pathsep.join([str(SERVE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
    assert describe(Paths(Path()), 1, "a:b", False)["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


@contextmanager
def own_server(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    """Start the flows' own server; give its process."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    before = set(psutil.Process().children())
    with server(paths, with_schedules=True):
        [process] = set(psutil.Process().children()) - before
        yield process


def status(path: str = "/flows/count", host: str | None = None, auth: str | None = None, method: str = "POST") -> int:
    """Ask the server; give the status."""
    headers = {"Content-Type": "application/json"} | ({"Host": host} if host else {})
    if auth:
        headers["Authorization"] = f"Basic {base64.b64encode(auth.encode()).decode()}"
    url = f"{PREFECT_API_URL.value()}{path}"
    request = urllib.request.Request(url, b"{}" if method == "POST" else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


LOGGED = """
import sys
from pathlib import Path

import _quiet
from prefect import flow, get_run_logger

from _server import server
from ostinato.core.paths import Paths


@flow
def say():
    get_run_logger().info("the last words")


with server(Paths(Path(sys.argv[1])), with_schedules=False):
    say()
"""


@pytest.mark.flow
def test_the_last_words_of_a_run_reach_its_server(tmp_path: Path) -> None:
    """What is sent only once the server has gone ends in an error on the terminal."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SERVE.parent), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", LOGGED, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the last words" in done.stderr + done.stdout
    assert "Error logging to API" not in done.stderr + done.stdout


@pytest.mark.flow
def test_the_server_answers_who_has_its_secret_and_calls_it_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that a browser shows has neither; other origins are told that they may not read."""
    with own_server(Paths(tmp_path), monkeypatch):
        auth = read_auth(Paths(tmp_path))
        assert PREFECT_API_AUTH_STRING.value() == auth
        assert status(auth=auth) == 200
        assert status() == status(auth="ostinato:guess") == 401
        assert status(auth=auth, host="evil.example") == 400
        assert status("/health", host="evil.example", method="GET") == 400
        assert status("/health", method="GET") == 200
        asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        url = f"{PREFECT_API_URL.value()}/flows/count"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, headers=asked, method="OPTIONS"), timeout=20)
        assert refused.value.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.flow
def test_what_a_killed_server_and_its_runs_left_is_mended_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot is taken, its run counts as running, and three due runs were missed: one run makes up for all."""
    paths, [retraining, ingesting, *_] = Paths(tmp_path), list_deployments(Flows())
    names = ["retrain/scheduled", "ingest/on-demand"]
    lost = pytest.raises(OstinatoError, match="Prefect's server ended unexpectedly")
    ended: list[int] = []
    with monkeypatch.context() as patch, lost, own_server(paths, patch) as process:
        assert recover(names, names[:1]) == {}
        ids = [retraining.apply(), ingesting.apply()]
        with get_client(sync_client=True) as client:
            for deployment in ids:
                run = client.create_flow_run_from_deployment(deployment)
                for state in (Pending(), Running()):
                    assert client.set_flow_run_state(run.id, state).status.value == "ACCEPT"
            for hours in (1, 2, 3):
                due = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=hours))
                client.create_flow_run_from_deployment(ids[0], state=due)
        patch.setattr("_server.SIGTERM", signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, lambda number, _: ended.append(number))
        process.kill()
        process.wait(20)
        wait_for(lambda: bool(ended), 20)
    assert ended == [signal.SIGUSR1]  # who serves ends with its server
    with own_server(paths, monkeypatch), get_client(sync_client=True) as client:
        limits = [client.read_global_concurrency_limit_by_name(f"deployment:{i}") for i in ids]
        assert [limit.active_slots for limit in limits] == [1, 1]
        lost_runs = recover(names, names[:1])
        assert lost_runs.keys() == {"retrain/scheduled", "ingest/on-demand"}
        assert lost_runs["ingest/on-demand"] == 1
        assert 1 <= lost_runs["retrain/scheduled"] <= 4  # the server itself covers late ones while a run counts as one
        limits = [client.read_global_concurrency_limit_by_name(f"deployment:{i}") for i in ids]
        assert [limit.active_slots for limit in limits] == [0, 0]
        retraining.apply()  # as serving does; it takes runs away that the schedule made
        states = [run.state.type.value for run in client.read_flow_runs()]
        assert sorted(states) == [*["CANCELLED"] * 3, "CRASHED", "CRASHED", "SCHEDULED"]
        [due] = [run for run in client.read_flow_runs() if run.state.type == StateType.SCHEDULED]
        assert (due.deployment_id, due.name) == (ids[0], "catch-up")
        assert client.set_flow_run_state(due.id, Pending()).status.value == "ACCEPT"
        second = client.create_flow_run_from_deployment(ids[0])
        assert client.set_flow_run_state(second.id, Pending()).state.type == StateType.CANCELLED


def wait_for(met: Callable[[], object], seconds: float, problem: Callable[[], str] = str) -> None:
    """Wait until something is met."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, problem()
        time.sleep(0.2)


@contextmanager
def serve_project(toy: Path, log: Path) -> Iterator[psutil.Process]:
    """Serve a toy project; what is left at the end is killed."""
    environment = {k: v for k, v in graph.environment().items() if not k.startswith("PREFECT_")}
    environment |= {"PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    with log.open("a") as out:
        process = psutil.Popen([sys.executable, str(SERVE)], cwd=toy, env=environment, stdout=out, stderr=out)
        try:
            yield process
        finally:
            for left in [*process.children(recursive=True), process] if process.is_running() else []:
                left.kill()
            process.wait(20)


@pytest.mark.slow
@pytest.mark.flow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_a_stop_in_the_middle_of_a_run_nothing_is_left_and_the_next_start_goes_on(
    toy: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Served every minute; a stage waits when all is stopped."""
    turn(toy, "flows", {"cron": "* * * * *"})
    (toy / "wait").touch()
    log, released = tmp_path / "log", toy / "models" / "released" / "genre"
    with serve_project(toy, log) as process:
        wait_for(lambda: (toy / "waiting_a").exists(), 240, log.read_text)
        working = process.children(recursive=True)
        assert int((toy / "waiting_a").read_text()) in {child.pid for child in working}
        process.send_signal(number)
        process.wait(60)
        _, alive = psutil.wait_procs(working, timeout=30)
        assert [child.cmdline() for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    (toy / "wait").unlink()
    begin = time.monotonic()
    with serve_project(toy, log) as process:
        wait_for(released.exists, 300, log.read_text)
        assert process.is_running()
    assert time.monotonic() - begin < 300
    assert released.read_text() == "a"
