"""Bring the catalog up to date, with the spaces that it is chosen from."""

from pathlib import Path

from prefect import flow
from prefect.states import State

from _dvc import main, reproduce
from ostinato import params
from ostinato.paths import Paths


@flow(name="recommend", persist_result=False)
def recommend(project: Path = Path(), target: str = "catalog") -> State:
    """Run the graph up to the catalog.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    target : str
        ``catalog`` for all of it, ``artists`` for the space of artists alone,
        ``rank`` for the table of spaces.
    """
    return reproduce(project, params.load(Paths(project).params), target).state()


if __name__ == "__main__":
    main(recommend)
