"""Data of the report."""

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
    """Data that several sections show; a section reads what only it shows by `paths`.

    Parameters
    ----------
    paths : Paths
        A file read by them must be a dependency of `report` in dvc.yaml, and may be missing.
    candidates : mapping of str to Entry
    metrics, gate, tuning : mapping of str to mapping
        By candidate, the content of models/metrics, models/gate.json, models/tuned.
    leading : mapping of str to str
        By task, the metric that ranks.
    curves : mapping of str to DataFrame
        By network, a table of fold, epoch, train_loss, val_loss, val_score.
    contrasts : mapping of str to mapping of str to Contrast
        By candidate, its comparison with the ``leader`` of its task, and with the
        ``released`` model if there is one.
    paper : mapping of str to mapping of str to float
        By candidate and metric, the published figure.
    classes : mapping
        data/interim/classes.json.
    tracks, splits, quarantine : DataFrame
    root : Path
        Root folder of the dataset.
    clips : int
        Number of clips that the page can play.
    suspects : DataFrame, optional
        Tracks by how likely their genre is wrong; None if no candidate can score them.
    """

    paths: Paths
    candidates: Mapping[str, Entry]
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
        """Labelled tasks with at least one candidate."""
        return [t for t in COLUMNS if COLUMNS[t] != "embedding" and any(e.task == t for e in self.candidates.values())]

    def leading_metric(self, task: str) -> str:
        """Return the metric that ranks a task: the first that the gate bounds, else the first of its kind."""
        return self.leading.get(task, next(iter(get_metrics(COLUMNS[task]))))

    def list_evaluated(self, task: str) -> list[Entry]:
        """List the candidates of a task that were evaluated, in the order of params.yaml."""
        return [e for e in self.candidates.values() if e.task == task and "skipped" not in self.metrics[e.name]]
