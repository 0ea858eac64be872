"""Bring tables and features up to date with the folder of audio, and train nothing."""

from pathlib import Path

from prefect import flow
from prefect.states import State

from _dvc import main, reproduce
from ostinato import params
from ostinato.paths import Paths


@flow(name="ingest", persist_result=False)
def ingest(project: Path = Path(), target: str = "featurize") -> State:
    """Run the graph up to the features.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    target : str
        The last stage.
    """
    return reproduce(project, params.load(Paths(project).params), target).state()


if __name__ == "__main__":
    main(ingest)
