"""Paths of all files of a project; `ostinato.io.versions` names the files inside a model's folder."""

from dataclasses import dataclass
from pathlib import Path

from ostinato.io.versions import find_current


@dataclass(frozen=True)
class Paths:
    """Paths of the files of a project.

    Parameters
    ----------
    root : Path
        Folder of params.yaml.
    """

    root: Path

    @property
    def params(self) -> Path:
        """All settings."""
        return self.root / "params.yaml"

    @property
    def recipes(self) -> Path:
        """Changes of the settings, one file per table of a paper."""
        return self.root / "recipes"

    @property
    def state(self) -> Path:
        """Caches, studies and checkpoints for resuming; ignored by git and DVC, safe to delete."""
        return self.root / ".ostinato"

    @property
    def locks(self) -> Path:
        """Lock files of running stages."""
        return self.state / "locks"

    @property
    def graph_cache(self) -> Path:
        """Hashes of files, cached by `ostinato status`, which changes nothing else."""
        return self.state / "standing.json"

    @property
    def lock_cache(self) -> Path:
        """Content of dvc.lock as JSON, which loads a hundred times faster."""
        return self.state / "lock.json"

    @property
    def dvc_lock_cache(self) -> Path:
        """Content of dvc.lock as DVC's own parser returns it, for DVC in flows."""
        return self.state / "lock_of_dvc.json"

    @property
    def source_listing(self) -> Path:
        """Sizes and times of the dataset's files at the last ingest."""
        return self.state / "looked.json"

    @property
    def removed_outputs(self) -> Path:
        """Outputs of candidates that were removed from params.yaml; safe to delete."""
        return self.state / "removed"

    def lock(self, stage: str, name: str | None = None) -> Path:
        """Lock of a running stage, for one entry of params.yaml or for all."""
        return self.locks / f"{stage}{f'@{name}' if name else ''}.lock"

    def raw(self, dataset: str) -> Path:
        """Original audio; never overwritten."""
        return self.root / "data" / "raw" / dataset

    @property
    def tracks(self) -> Path:
        """Table of tracks, from ingest."""
        return self.root / "data" / "interim" / "tracks.parquet"

    @property
    def files(self) -> Path:
        """Measurements of each audio file."""
        return self.root / "data" / "interim" / "files.parquet"

    @property
    def attributes(self) -> Path:
        """Audio attributes of tracks that the dataset provides."""
        return self.root / "data" / "interim" / "attributes.parquet"

    @property
    def quarantine(self) -> Path:
        """Excluded tracks, with reason and evidence."""
        return self.root / "data" / "interim" / "quarantine.parquet"

    @property
    def warnings(self) -> Path:
        """Tracks with audio of poor quality that are kept, with reason and evidence."""
        return self.root / "data" / "interim" / "warnings.parquet"

    @property
    def copies(self) -> Path:
        """Tracks that are copies of an earlier one."""
        return self.root / "data" / "interim" / "copies.parquet"

    @property
    def splits(self) -> Path:
        """Split of each track, per fold."""
        return self.root / "data" / "interim" / "splits.parquet"

    @property
    def classes(self) -> Path:
        """Classes of each task, in order."""
        return self.root / "data" / "interim" / "classes.json"

    @property
    def targets(self) -> Path:
        """Targets of training, one folder per task."""
        return self.root / "data" / "interim" / "targets"

    def target(self, task: str) -> Path:
        """Targets of one task: labels of tracks, or vectors of artists."""
        return self.targets / task

    def receipt(self, table: str) -> Path:
        """Result of the validation of a table, or of another stage that checks data."""
        return self.root / "data" / "validation" / f"{table}.json"

    @property
    def docs(self) -> Path:
        """Data Docs of Great Expectations; not tracked, since they contain dates."""
        return self.root / "data" / "docs"

    @property
    def split_docs(self) -> Path:
        """Data Docs of the split; not tracked either."""
        return self.root / "data" / "docs_split"

    @property
    def features(self) -> Path:
        """The feature cache, one folder per kind."""
        return self.root / "data" / "features"

    def feature(self, kind: str) -> Path:
        """Folder of one kind of the cache."""
        return self.features / kind

    @property
    def budgets(self) -> Path:
        """Budgets of the studies."""
        return self.root / "data" / "interim" / "budget"

    def budget(self, name: str) -> Path:
        """Budget of a candidate's study."""
        return self.budgets / f"{name}.json"

    def tuning_result(self, name: str) -> Path:
        """Settings that a candidate's study selected."""
        return self.root / "models" / "tuned" / f"{name}.json"

    def checkpoints(self, name: str) -> Path:
        """Trained weights of a candidate."""
        return self.root / "models" / "checkpoints" / name

    def member_logits(self, stack: str) -> Path:
        """Out-of-fold logits of a stack's members."""
        return self.root / "models" / "members" / stack

    def predictions(self, name: str) -> Path:
        """Logits and embeddings of every track."""
        return self.root / "models" / "predictions" / name

    def metrics(self, name: str) -> Path:
        """Metrics of a candidate."""
        return self.root / "models" / "metrics" / f"{name}.json"

    def test_scores(self, name: str) -> Path:
        """Scores of the test tracks, small enough for git."""
        return self.root / "models" / "test_scores" / f"{name}.csv"

    @property
    def gate(self) -> Path:
        """Verdicts of the gate on all candidates."""
        return self.root / "models" / "gate.json"

    def gate_result(self, name: str) -> Path:
        """Verdict of the gate on one candidate, so that its export does not depend on the others."""
        return self.root / "models" / "gated" / f"{name}.json"

    def onnx(self, name: str) -> Path:
        """Exported files of a candidate."""
        return self.root / "models" / "onnx" / name

    def robustness(self, name: str) -> Path:
        """Robustness of an exported candidate to perturbed audio; measured on request."""
        return self.root / "models" / "robustness" / f"{name}.json"

    @property
    def artists(self) -> Path:
        """Quality of the artist space."""
        return self.root / "models" / "artists.json"

    @property
    def regressions(self) -> Path:
        """Figures of the regressions, and which of them pass the gate."""
        return self.root / "models" / "regressions.json"

    def regression(self, name: str) -> Path:
        """Folder of a regression: predictions, card and, if accepted, an ONNX file."""
        return self.root / "models" / "regressions" / name

    @property
    def ranking(self) -> Path:
        """Metrics of the similarity spaces, and which of them may serve recommendations."""
        return self.root / "models" / "ranking.json"

    @property
    def ranking_table(self) -> Path:
        """The same metrics as a table: per query, for known and for cold artists."""
        return self.root / "models" / "ranking.parquet"

    @property
    def plays(self) -> Path:
        """Checked plays of known tracks, in order of time."""
        return self.root / "data" / "interim" / "plays.parquet"

    @property
    def listeners(self) -> Path:
        """Metrics of recommendations from listening histories, and whether the gate accepts them."""
        return self.root / "models" / "listeners.json"

    @property
    def listeners_table(self) -> Path:
        """The same metrics as a table: by tracks with and without plays, and listeners with and without a history."""
        return self.root / "models" / "listeners.parquet"

    @property
    def listening(self) -> Path:
        """Factors of tracks, from plays and from sound, and how they are blended."""
        return self.root / "models" / "listening"

    @property
    def study(self) -> Path:
        """Listening study of the similarity spaces, whose answers gate.space may bound."""
        return self.root / "study"

    @property
    def catalog(self) -> Path:
        """Catalog of the last run of the pipeline, with the network of its space; not in service yet."""
        return self.root / "models" / "catalog"

    @property
    def verdict(self) -> Path:
        """Verdict of the last release."""
        return self.root / "models" / "verdict.json"

    @property
    def releases(self) -> Path:
        """Folder with the versions of each task and of the catalog."""
        return self.root / "models" / "released"

    def current_release(self, task: str) -> Path:
        """Folder of the version in service of a task, or of the catalog."""
        return find_current(self.releases / task)

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "models" / "report"
