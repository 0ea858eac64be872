"""Update the catalog and the spaces that it is chosen from, and release it."""

from pathlib import Path

import _quiet  # noqa: F401 (before Prefect)

# isort: split
from prefect import flow
from prefect.states import Failed, State

from _dvc import main, reproduce
from _publish import track
from _release import release
from ostinato.core import params
from ostinato.core.paths import Paths


@flow(name="recommend", persist_result=False)
def recommend(target: str = "catalog") -> State:
    """Run the graph of the working folder up to the catalog, and release that.

    Parameters
    ----------
    target : str
        The last stage: ``catalog`` for everything, ``artists`` for the space of artists alone,
        ``rank`` for the table of spaces.
    """
    project = Path.cwd()
    settings = params.load(Paths(project).params)
    outcome = reproduce(project, settings, target)
    if outcome.failed or target != "catalog":
        return outcome.state()
    rejected = release(project, target)
    track(project, settings.dataset)
    return Failed(name="Rejected", message=rejected) if rejected else outcome.state()


if __name__ == "__main__":
    main(recommend)
