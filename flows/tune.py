"""Search the candidates' settings, and train nothing with them yet."""

from pathlib import Path

from prefect import flow
from prefect.states import State

from _dvc import main, reproduce
from ostinato import params
from ostinato.paths import Paths


@flow(name="tune", persist_result=False)
def tune(project: Path = Path(), target: str = "tune") -> State:
    """Run the graph up to the studies.

    Parameters
    ----------
    project : Path
        The folder of params.yaml and dvc.yaml.
    target : str
        ``tune`` for every network, ``tune@<candidate>`` for one.
    """
    return reproduce(project, params.load(Paths(project).params), target).state()


if __name__ == "__main__":
    main(tune)
