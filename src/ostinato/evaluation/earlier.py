"""What candidates said in a git revision: their predictions, where DVC still has them."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ostinato import graph
from ostinato.contract.task import Task
from ostinato.errors import DataError
from ostinato.evaluation import contest
from ostinato.evaluation.candidate.judged import KEYS, Judged, judged
from ostinato.evaluation.contest import Difference
from ostinato.files import read_json
from ostinato.paths import Paths


@dataclass(frozen=True)
class Earlier:
    """The candidates of a revision, each to be paired with the one of the same name here.

    Parameters
    ----------
    paths : Paths
        Of the project here.
    rev : str
        What git calls a revision.
    params : object
        With the sections ``seed`` and ``evaluate``.
    """

    paths: Paths
    rev: str
    params: Any
    _tables: dict[Path, pd.DataFrame | None] = field(default_factory=dict, compare=False)

    def difference(self, name: str, task: str, metric: str) -> Difference | None:
        """Give the paired interval of a candidate's figure here less there.

        Parameters
        ----------
        name : str
            The candidate.
        task : str
        metric : str

        Returns
        -------
        Difference or None
            None if predictions are absent on either side, classes are others, or no track is tested by both.
        """
        files = [self.paths.predictions(name) / "predictions.parquet", self.paths.splits, self.paths.tracks]
        here = [pd.read_parquet(f) if f.exists() else None for f in files]
        there = [self._fetched(f) for f in files] if all(t is not None for t in here) else [None]
        if any(table is None for table in (*here, *there)):
            return None
        labelling = Task(task, tuple(read_json(self.paths.classes)[task]))
        try:
            new, old = (_tested(tables, labelling) for tables in (here, there))
        except DataError:
            return None
        given = self.params.evaluate
        return contest.paired(
            new, contest.kept(old), labelling.kind, metric, threshold=given.threshold,
            n_resamples=given.bootstrap, level=given.level, seed=self.params.seed,
        )  # fmt: skip

    def _fetched(self, file: Path) -> pd.DataFrame | None:
        """Get a table as it was from DVC's cache or remote, once; None if neither has it."""
        if file not in self._tables:
            self._tables[file] = self._get(file)
        return self._tables[file]

    def _get(self, file: Path) -> pd.DataFrame | None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / file.name
            wanted = ("get", ".", str(file.relative_to(self.paths.root)), "--rev", self.rev, "--out", str(out))
            asked = subprocess.run(
                graph.dvc(*wanted), cwd=self.paths.root, env=graph.environment(), capture_output=True, check=False
            )
            return pd.read_parquet(out) if asked.returncode == 0 and out.exists() else None


def _tested(tables: Any, task: Task) -> Judged:
    """Judge the test tracks of predictions, splits and tracks."""
    predictions, splits, tracks = tables
    return judged(predictions[[*KEYS, "logits"]], splits, tracks, task, "test")
