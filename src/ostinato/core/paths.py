"""Where the files of data/ and models/ lie; names inside a model's folder are those of `ostinato.io.versions`."""

from dataclasses import dataclass
from pathlib import Path

from ostinato.io.versions import find_current


@dataclass(frozen=True)
class Paths:
    """Where things lie below a project's root.

    Parameters
    ----------
    root : Path
        The folder of params.yaml.
    """

    root: Path

    @property
    def params(self) -> Path:
        """What a person may turn."""
        return self.root / "params.yaml"

    @property
    def recipes(self) -> Path:
        """Overlays of the params, one per table of a paper."""
        return self.root / "recipes"

    @property
    def state(self) -> Path:
        """Caches, studies and resume points; ignored by git and DVC, safe to delete."""
        return self.root / ".ostinato"

    @property
    def locks(self) -> Path:
        """One lock per stage at work."""
        return self.state / "locks"

    @property
    def graph_cache(self) -> Path:
        """Hashes of files, remembered by those who only look where the pipeline stands."""
        return self.state / "standing.json"

    @property
    def parsed_lock(self) -> Path:
        """Content of dvc.lock as JSON, which is read in a hundredth of the time."""
        return self.state / "lock.json"

    @property
    def lock_of_dvc(self) -> Path:
        """The same as DVC's own parser reads it, for the DVC that flows run."""
        return self.state / "lock_of_dvc.json"

    @property
    def looked(self) -> Path:
        """What the dataset's files were when ingest last looked at them."""
        return self.state / "looked.json"

    @property
    def aside(self) -> Path:
        """Outputs of candidates that params.yaml no longer names; safe to delete."""
        return self.state / "removed"

    def lock(self, stage: str, name: str | None = None) -> Path:
        """What a stage holds while it runs, for one entry of params.yaml or for all."""
        return self.locks / f"{stage}{f'@{name}' if name else ''}.lock"

    def raw(self, dataset: str) -> Path:
        """Audio as it came; never written over."""
        return self.root / "data" / "raw" / dataset

    @property
    def tracks(self) -> Path:
        """What ingest found."""
        return self.root / "data" / "interim" / "tracks.parquet"

    @property
    def files(self) -> Path:
        """What decoding each file measured."""
        return self.root / "data" / "interim" / "files.parquet"

    @property
    def attributes(self) -> Path:
        """Numbers that the dataset itself tells of its tracks."""
        return self.root / "data" / "interim" / "attributes.parquet"

    @property
    def quarantine(self) -> Path:
        """Tracks left out, with reason and evidence."""
        return self.root / "data" / "interim" / "quarantine.parquet"

    @property
    def warnings(self) -> Path:
        """Tracks that are kept though something is to be said of their files, with reason and evidence."""
        return self.root / "data" / "interim" / "warnings.parquet"

    @property
    def copies(self) -> Path:
        """Tracks that repeat one before them."""
        return self.root / "data" / "interim" / "copies.parquet"

    @property
    def splits(self) -> Path:
        """Which split a track stands in, per fold."""
        return self.root / "data" / "interim" / "splits.parquet"

    @property
    def classes(self) -> Path:
        """The ordered classes of each task."""
        return self.root / "data" / "interim" / "classes.json"

    @property
    def targets(self) -> Path:
        """What candidates learn, a folder a task."""
        return self.root / "data" / "interim" / "targets"

    def target(self, task: str) -> Path:
        """What candidates of one task learn: a column of the tracks, or a space of artists."""
        return self.targets / task

    def receipt(self, table: str) -> Path:
        """What Great Expectations said of a table."""
        return self.root / "data" / "validation" / f"{table}.json"

    @property
    def docs(self) -> Path:
        """Data Docs of Great Expectations; ignored, since they carry dates."""
        return self.root / "data" / "docs"

    @property
    def split_docs(self) -> Path:
        """Data Docs of the split; ignored likewise."""
        return self.root / "data" / "docs_split"

    @property
    def features(self) -> Path:
        """The feature cache, a folder a kind."""
        return self.root / "data" / "features"

    def feature(self, kind: str) -> Path:
        """One kind of the cache."""
        return self.features / kind

    @property
    def budgets(self) -> Path:
        """What each candidate's study may spend."""
        return self.root / "data" / "interim" / "budget"

    def budget(self, name: str) -> Path:
        """What one candidate's study may spend."""
        return self.budgets / f"{name}.json"

    def tuning(self, name: str) -> Path:
        """What the study of a candidate chose."""
        return self.root / "models" / "tuned" / f"{name}.json"

    def checkpoints(self, name: str) -> Path:
        """A candidate's trained weights."""
        return self.root / "models" / "checkpoints" / name

    def members(self, stacked: str) -> Path:
        """Out-of-fold logits of a stack's members."""
        return self.root / "models" / "members" / stacked

    def predictions(self, name: str) -> Path:
        """Logits and embeddings of every track."""
        return self.root / "models" / "predictions" / name

    def metrics(self, name: str) -> Path:
        """A candidate's figures."""
        return self.root / "models" / "metrics" / f"{name}.json"

    def test_scores(self, name: str) -> Path:
        """A candidate's scores of the test tracks, small enough for git."""
        return self.root / "models" / "test_scores" / f"{name}.csv"

    @property
    def gate(self) -> Path:
        """Which candidates are accepted."""
        return self.root / "models" / "gate.json"

    def gate_result(self, name: str) -> Path:
        """What the gate says of one candidate, so that another's figures do not make its export run again."""
        return self.root / "models" / "gated" / f"{name}.json"

    def onnx(self, name: str) -> Path:
        """A candidate's exported files."""
        return self.root / "models" / "onnx" / name

    def robustness(self, name: str) -> Path:
        """How a candidate's exported file bears worse sound; measured on request."""
        return self.root / "models" / "robustness" / f"{name}.json"

    @property
    def artists(self) -> Path:
        """How good the artist space is."""
        return self.root / "models" / "artists.json"

    @property
    def ranking(self) -> Path:
        """Every similarity space's figures, and which may serve recommendations."""
        return self.root / "models" / "ranking.json"

    @property
    def rankings(self) -> Path:
        """Those figures for every question, on artists known and cold, as a table."""
        return self.root / "models" / "ranking.parquet"

    @property
    def catalog(self) -> Path:
        """What the last run of the pipeline would recommend, and the network of its space; not in service yet."""
        return self.root / "models" / "catalog"

    @property
    def verdict(self) -> Path:
        """What the last release decided."""
        return self.root / "models" / "verdict.json"

    @property
    def releases(self) -> Path:
        """What was released: for each task, and for the catalog, a folder of versions."""
        return self.root / "models" / "released"

    def released(self, task: str) -> Path:
        """What is in service for one task, or as the catalog."""
        return find_current(self.releases / task)

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "models" / "report"
