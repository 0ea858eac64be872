"""Repair what an interrupted run left on Prefect's server, before anything is served."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed, State

AT_WORK = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
PAGE = 100


def recover(deployments: Sequence[str], scheduled: Sequence[str]) -> dict[str, int]:
    """Mark interrupted runs as crashed, free their slots, and schedule one run in place of those that were missed.

    To be called while nothing serves these deployments: no run that counts as running really is.

    Parameters
    ----------
    deployments : sequence of str
        As ``flow/deployment``.
    scheduled : sequence of str
        Those of them that have a schedule: one catch-up run replaces all runs that were interrupted or missed.

    Returns
    -------
    dict of str to int
        Number of runs that were interrupted or missed, for each deployment that had any.
    """
    lost: dict[str, int] = {}
    with get_client(sync_client=True) as client:
        for name in deployments:
            try:
                deployment = client.read_deployment_by_name(name)
            except ObjectNotFound:
                continue
            crashed = _finish_runs(client, deployment.id, AT_WORK, Crashed(message="its process was stopped"))
            _free_slots(client, deployment.id)
            covered: State[Any] = Cancelled(name="Covered", message="missed; one run replaces all that were")
            missed = (
                _finish_runs(client, deployment.id, [StateType.SCHEDULED], covered, due=True)
                if name in scheduled
                else 0
            )
            if crashed + missed:
                lost[name] = crashed + missed
            if name in scheduled and crashed + missed:
                client.create_flow_run_from_deployment(deployment.id, name="catch-up", idempotency_key=None)
    return lost


def _finish_runs(
    client: SyncPrefectClient, deployment: Any, types: list[StateType], state: State[Any], due: bool = False
) -> int:
    """Set the final state of all runs that are in one of some states, and count them."""
    before = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)) if due else None
    state_type = FlowRunFilterState(type=FlowRunFilterStateType(any_=types))
    n_runs = 0
    while runs := _read_runs(client, deployment, FlowRunFilter(state=state_type, expected_start_time=before)):
        for run in runs:
            client.set_flow_run_state(run.id, state, force=True)
        n_runs += len(runs)
    return n_runs


def _read_runs(client: SyncPrefectClient, deployment: Any, which: FlowRunFilter) -> list[FlowRun]:
    mine = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    return client.read_flow_runs(flow_run_filter=which, deployment_filter=mine, limit=PAGE)


def _free_slots(client: SyncPrefectClient, deployment: Any) -> None:
    """Free slots that have no lease any more, such as those of a server that kept leases in memory."""
    try:
        client.update_global_concurrency_limit(f"deployment:{deployment}", GlobalConcurrencyLimitUpdate(active_slots=0))
    except ObjectNotFound:
        return
