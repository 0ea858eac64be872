"""Bring the catalog up to date, with the spaces that it is chosen from, and put it in service."""

from pathlib import Path

from prefect import flow
from prefect.states import Failed, State

from _dvc import main, reproduce
from _publish import track
from _release import release
from ostinato import params
from ostinato.paths import Paths


@flow(name="recommend", persist_result=False)
def recommend(project: Path = Path(), target: str = "catalog") -> State:
    """Run the graph up to the catalog, and release that.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    target : str
        ``catalog`` for all of it, ``artists`` for the space of artists alone,
        ``rank`` for the table of spaces.
    """
    settings = params.load(Paths(project).params)
    outcome = reproduce(project, settings, target)
    if outcome.failed or target != "catalog":
        return outcome.state()
    rejected = release(project, target)
    track(project, settings.dataset)
    return Failed(name="Rejected", message=rejected) if rejected else outcome.state()


if __name__ == "__main__":
    main(recommend)
