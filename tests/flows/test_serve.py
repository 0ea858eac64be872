"""The deployments, and one run on its schedule."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_commands import turn

from ostinato import graph
from ostinato.params import Flows
from serve import deployments

SERVE = Path(__file__).parents[2] / "flows" / "serve.py"


def test_retraining_has_the_schedule_of_params_and_the_rest_none(tmp_path: Path) -> None:
    """Cron, time zone and project reach the deployment."""
    made = {d.flow_name: d for d in deployments(tmp_path, Flows(cron="5 4 * * 1", timezone="Asia/Tokyo"))}
    assert sorted(made) == ["ingest", "recommend", "retrain", "tune"]
    [schedule] = made["retrain"].schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("5 4 * * 1", "Asia/Tokyo")
    assert not made["ingest"].schedules
    assert not made["tune"].schedules
    assert {d.parameters["project"] for d in made.values()} == {str(tmp_path.resolve())}


@pytest.mark.slow
@pytest.mark.flow
def test_a_deployment_runs_on_its_schedule(toy: Path, tmp_path: Path) -> None:
    """Served every minute, the toy is retrained and released without another word."""
    turn(toy, "flows", {"cron": "* * * * *"})
    environment = {k: v for k, v in graph.environment().items() if k != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_RUNNER_POLL_FREQUENCY": "2"}
    log = tmp_path / "log"
    with log.open("w") as out:
        served = subprocess.Popen(
            [sys.executable, str(SERVE)], cwd=toy, env=environment, stdout=out, stderr=out, start_new_session=True
        )
        try:
            end = time.monotonic() + 300
            while "for flow 'retrain'" not in log.read_text() or not (toy / "models/released/genre").exists():
                assert served.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(1)
        finally:
            served.send_signal(signal.SIGINT)
            try:
                served.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(served.pid, signal.SIGKILL)
    assert (toy / "models" / "released" / "genre").read_text() == "a"
