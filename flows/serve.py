"""Serve the deployments: retrain on the schedule of params.yaml; ingest, tune and recommend on demand.

``python flows/serve.py`` in the folder of params.yaml serves until it is stopped.
PREFECT_API_URL names the server; without it, one is started for as long as this
runs, since Prefect's temporary server has no scheduler.
"""

import argparse
from pathlib import Path

import _quiet  # noqa: F401 (before Prefect)

# isort: split
from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL
from prefect.states import State

from _logs import add_option, log_event, set_format
from _recovery import recover
from _server import server
from ingest import ingest
from ostinato.core import params
from ostinato.core.counts import format_count
from ostinato.core.params.schema import Flows
from ostinato.core.paths import Paths
from ostinato.io.locks import exclusive
from recommend import recommend
from retrain import retrain
from tune import tune

LEASE_SECONDS = 60
"""Seconds after the last sign of a run until its slot is free again."""


def list_deployments(flows: Flows) -> list[RunnerDeployment]:
    """Return the deployments; each flow works in the folder that this is started in.

    Parameters
    ----------
    flows : Flows
        Section ``flows`` of params.yaml: cron and time zone.

    Returns
    -------
    list of RunnerDeployment
    """
    return [
        _make_deployment(retrain, "scheduled", Cron(flows.cron, timezone=flows.timezone)),
        _make_deployment(ingest, "on-demand"),
        _make_deployment(tune, "on-demand"),
        _make_deployment(recommend, "on-demand"),
    ]


def _make_deployment(flow: Flow[..., State], name: str, schedule: Schedule | None = None) -> RunnerDeployment:
    """Make one; a scheduled run is dropped while another works, a run on demand waits."""
    strategy = ConcurrencyLimitStrategy.CANCEL_NEW if schedule else ConcurrencyLimitStrategy.ENQUEUE
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=strategy, grace_period_seconds=LEASE_SECONDS)
    deployment = flow.to_deployment(name, schedule=schedule, concurrency_limit=limit)
    assert isinstance(deployment, RunnerDeployment)  # it is a coroutine only inside an event loop
    return deployment


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Serve the deployments until stopped.")
    add_option(parser)
    set_format(parser.parse_args().log_format)
    paths = Paths(Path.cwd())
    deployments = list_deployments(params.load(paths.params).flows)
    with exclusive(paths.lock("serve")), server(paths, with_schedules=True):
        log_event(f"Serving on {PREFECT_API_URL.value()}")
        names = {f"{deployment.flow_name}/{deployment.name}": bool(deployment.schedules) for deployment in deployments}
        for name, n_runs in recover(
            list(names), [name for name, has_schedule in names.items() if has_schedule]
        ).items():
            log_event(f"{name}: {format_count(n_runs, 'run')} interrupted or missed")
        serve(*deployments, pause_on_shutdown=False)


if __name__ == "__main__":
    main()
