"""Tune the settings of the candidates, without training them yet."""

from pathlib import Path

import _quiet  # noqa: F401 (before Prefect)

# isort: split
from prefect import flow
from prefect.states import State

from _dvc import main, reproduce
from ostinato.core import params
from ostinato.core.paths import Paths


@flow(name="tune", persist_result=False)
def tune(target: str = "tune") -> State:
    """Run the graph of the working folder up to the studies.

    Parameters
    ----------
    target : str
        ``tune`` for every network, ``tune@<candidate>`` for one.
    """
    project = Path.cwd()
    return reproduce(project, params.load(Paths(project).params), target).state()


if __name__ == "__main__":
    main(tune)
