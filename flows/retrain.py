"""Retrain whatever changed, judge it, release what is better, and the catalog with it.

Run it once with ``python flows/retrain.py`` in the folder of params.yaml, or on a
schedule with ``python flows/serve.py``.
"""

from pathlib import Path

import _quiet  # noqa: F401 (before Prefect)
from _idle import leave_if_idle, mark_release, needs_release

if __name__ == "__main__":
    leave_if_idle()

# isort: split
from prefect import flow
from prefect.states import Completed, Failed, State

from _dvc import main, reproduce
from _publish import publish, track
from _release import release
from _results import show_metrics, show_verdict
from ostinato.core import params
from ostinato.core.paths import Paths
from ostinato.io.files import read_json
from ostinato.io.versions import CATALOG


@flow(name="retrain", persist_result=False)
def retrain(target: str | None = None) -> State:
    """Bring the graph up to date and release what it made.

    Parameters
    ----------
    target : str, optional
        Stop at this stage, and release nothing.

    Returns
    -------
    State
        Completed; Failed, where a stage failed; Rejected, of type failed, where nothing new
        came in service and something was refused; or Partly released, of type completed, where both happened.
    """
    project = Path.cwd()
    settings = params.load(Paths(project).params)
    outcome = reproduce(project, settings, target)
    if outcome.failed or target is not None or not (outcome.ran or needs_release(project)):
        return outcome.state()
    show_metrics(project, settings)
    rejected = release(project)
    mark_release(project)
    show_verdict(project)
    track(project, settings.dataset)
    publish(project, settings.flows)
    if rejected:
        decided = read_json(Paths(project).verdict)
        if any(decided[task]["answer"] == "released" for task in (*settings.gate, CATALOG) if task in decided):
            return Completed(name="Partly released", message=rejected)
        return Failed(name="Rejected", message=rejected)
    return outcome.state()


if __name__ == "__main__":
    main(retrain)
