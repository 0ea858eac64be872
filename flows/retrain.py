"""Retrain whatever changed, judge it, release what is better.

Run it once with ``python flows/retrain.py`` in the folder of params.yaml, or on a
schedule with ``python flows/serve.py``.
"""

import hashlib
import sys
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed, State

from _dvc import main, reproduce, stream
from _publish import publish, track
from _results import show_metrics, show_verdict
from ostinato import params
from ostinato.errors import OstinatoError
from ostinato.files import read_json, replacing
from ostinato.paths import Paths

REJECTED = 3  # what `ostinato release` exits with when a task keeps what it had


@flow(name="retrain", persist_result=False)
def retrain(project: Path = Path(), target: str | None = None) -> State:
    """Bring the graph up to date and release what it made.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    target : str, optional
        Stop at this stage, and release nothing.

    Returns
    -------
    State
        Completed; Failed, where a stage failed; Rejected, of type failed, where no task got a new
        model and one was refused; or Partly released, of type completed, where both happened.
    """
    settings = params.load(Paths(project).params)
    outcome = reproduce(project, settings, target)
    if outcome.failed or target is not None or not (outcome.ran or _unjudged(project)):
        return outcome.state()
    show_metrics(project, settings)
    rejected = release(project)
    show_verdict(project)
    track(project, settings.dataset)
    publish(project, settings.flows)
    if rejected:
        decided = read_json(Paths(project).verdict)
        if any(decided[task]["answer"] == "released" for task in settings.gate if task in decided):
            return Completed(name="Partly released", message=rejected)
        return Failed(name="Rejected", message=rejected)
    return outcome.state()


@task(cache_policy=NO_CACHE, persist_result=False)
def release(project: Path) -> str | None:
    """Run ``ostinato release``; give its last word where it rejected."""
    status, tail = stream([sys.executable, "-m", "ostinato", "release"], project)
    if status not in (0, REJECTED):
        raise OstinatoError(f"ostinato release: {tail[-1] if tail else f'exit status {status}'}")
    with replacing(_mark(project)) as partial:
        partial.write_text(_lock(project))
    return (tail[-1] if tail else "see models/verdict.json") if status == REJECTED else None


def _unjudged(project: Path) -> bool:
    """Say whether the graph stands otherwise than at the last release, as after a kill in between."""
    if not Paths(project).verdict.is_file():
        return True
    mark = _mark(project)
    return mark.is_file() and mark.read_text() != _lock(project)


def _mark(project: Path) -> Path:
    return Paths(project).state / "released.sha256"


def _lock(project: Path) -> str:
    return hashlib.sha256((project / "dvc.lock").read_bytes()).hexdigest()


if __name__ == "__main__":
    main(retrain)
