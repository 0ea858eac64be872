"""Material of the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato.core.candidates import Entry
from ostinato.core.paths import Paths
from ostinato.core.task import COLUMNS
from ostinato.evaluation.classification import get_metrics
from ostinato.evaluation.significance import Contrast


@dataclass(frozen=True)
class Material:
    """What several sections show; what only one shows, it reads itself by `paths`.

    Parameters
    ----------
    paths : Paths
        A file read by it must be a dependency of `report` in dvc.yaml, and may be absent.
    roster : mapping of str to Entry
    metrics, gate, tuned : mapping of str to mapping
        Per candidate, the content of models/metrics, models/gate.json, models/tuned.
    leading : mapping of str to str
        Per task, the metric that ranks.
    curves : mapping of str to DataFrame
        Per network, fold, epoch, train_loss, val_loss, val_score.
    contrasts : mapping of str to mapping of str to Contrast
        Per candidate, how it compares with the ``leader`` of its task, and with
        the ``released`` model if there is one.
    paper : mapping of str to mapping of str to float
        Per candidate, per metric, what its paper printed.
    classes : mapping
        data/interim/classes.json.
    tracks, splits, quarantine : DataFrame
    root : Path
        The folder of the dataset's audio.
    clips : int
        How many tracks the page can play.
    suspects : DataFrame, optional
        Tracks by how likely their genre is wrong; None if no candidate can tell.
    """

    paths: Paths
    roster: Mapping[str, Entry]
    metrics: Mapping[str, Mapping[str, Any]]
    gate: Mapping[str, Mapping[str, Any]]
    tuning: Mapping[str, Mapping[str, Any]]
    leading: Mapping[str, str]
    curves: Mapping[str, pd.DataFrame]
    contrasts: Mapping[str, Mapping[str, Contrast]]
    paper: Mapping[str, Mapping[str, float]]
    classes: Mapping[str, Any]
    tracks: pd.DataFrame
    splits: pd.DataFrame
    quarantine: pd.DataFrame
    root: Path
    clips: int
    suspects: pd.DataFrame | None

    @property
    def tasks(self) -> list[str]:
        """The labelled tasks that some candidate has."""
        return [t for t in COLUMNS if COLUMNS[t] != "embedding" and any(e.task == t for e in self.roster.values())]

    def leads(self, task: str) -> str:
        """Name the metric that ranks a task: the first that the gate bounds, else the first of its family."""
        return self.leading.get(task, next(iter(get_metrics(COLUMNS[task]))))

    def judged(self, task: str) -> list[Entry]:
        """List the candidates of a task that have figures, as params.yaml orders them."""
        return [e for e in self.roster.values() if e.task == task and "skipped" not in self.metrics[e.name]]
