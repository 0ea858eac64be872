"""Update tables and features from the folder of audio, without training."""

from pathlib import Path

import _quiet  # noqa: F401 (before Prefect)

# isort: split
from prefect import flow
from prefect.states import State

from _dvc import main, reproduce
from ostinato.core import params
from ostinato.core.paths import Paths


@flow(name="ingest", persist_result=False)
def ingest(target: str = "featurize") -> State:
    """Run the graph of the working folder up to the features.

    Parameters
    ----------
    target : str
        The last stage.
    """
    project = Path.cwd()
    return reproduce(project, params.load(Paths(project).params), target).state()


if __name__ == "__main__":
    main(ingest)
