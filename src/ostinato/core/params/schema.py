"""The sections of params.yaml, each a frozen model."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from ostinato.core.params.section import Cron, GateKey, Key, Section, Timezone
from ostinato.core.params.training import Train

Split: TypeAlias = Literal["train", "validation", "test"]
TaskName: TypeAlias = Literal["genre", "tags", "artist_embedding"]


class Compute(Section):
    """Processes and threads; `threads` affects the last bits of trained weights, so it counts as an input."""

    workers: int | None = Field(None, ge=1, description="number of processes; null: one per core")
    threads: int = Field(1, ge=1, description="threads per process")
    dask: str | None = Field(None, description="address of a Dask scheduler; null: a local process pool")


class Dataset(Section):
    """The dataset; other keys belong to its plugin."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    FORMER: ClassVar[Mapping[str, str]] = {"track": "is called track_audio now; rename it"}

    name: str
    path: str | None = Field(None, description="root of the dataset; null: OSTINATO_DATASET_PATH or data/raw/<name>")
    track_audio: bool = Field(False, description="whether DVC also tracks the audio")
    classes: list[str] | None = Field(None, description="only keep tracks of these genres")
    rename: dict[str, str] = Field({}, description="new names of genres and tags, such as {hiphop: Hip-Hop}")

    @property
    def options(self) -> dict[str, Any]:
        """The plugin's own keys."""
        return dict(self.model_extra or {})


class Ingest(Section):
    """Limits of ingest."""

    max_vanished_share: float = Field(0.2, ge=0, le=1, description="share of known tracks that may be missing")


class Validate(Section):
    """Bounds on tracks, and the share of tracks that may violate them."""

    FORMER: ClassVar[Mapping[str, str]] = {
        "max_noise_likeness": "is called max_temporal_flatness now; rename it",
        "max_hole_seconds": "is called max_gap_seconds now; rename it",
    }

    min_seconds: float = Field(1.0, gt=0)
    max_seconds: float = Field(3600.0, gt=0)
    min_sample_rate: int = 8000
    max_unheard_seconds: float = Field(5.0, ge=0, description="audio beyond the end stated in the header")
    max_silence_share: float = Field(0.5, ge=0, le=1)
    max_gap_seconds: float = Field(2.0, ge=0, description="silence between two sounds")
    max_peak: float = Field(4.0, gt=0, description="full scale is 1; decoded MP3 may exceed it slightly")
    max_dc: float = Field(0.03, ge=0, description="mean of the samples")
    max_clipped_share: float = Field(0.005, ge=0, le=1, description="samples on a plateau at the peak")
    max_imbalance_db: float = Field(30.0, ge=0, description="loudest against quietest channel")
    max_mono_loss_db: float = Field(6.0, ge=0, description="level lost by averaging the channels")
    min_bandwidth_share: float = Field(0.2, ge=0, le=1, description="of half the sample rate")
    warn_bandwidth_share: float = Field(0.55, ge=0, le=1, description="tracks below it are kept, with a warning")
    max_temporal_flatness: float = Field(0.53, ge=0, le=1, description="steady noise has 0.56, music less")
    max_nonfinite: int = 0
    copies: Literal["group", "quarantine"] = Field(
        "group", description="place a copy in the split of its first occurrence, or in quarantine"
    )
    min_tracks_per_class: int = 2
    max_broken_share: float = Field(0.2, ge=0, le=1)


class Splitting(Section):
    """Splitting of tracks; `folds: 0` is a single holdout."""

    FORMER: ClassVar[Mapping[str, str]] = {"scarce": "is called scarce_genres now; rename it"}

    folds: int = Field(0, ge=0)
    group_by: Literal["artist", "track"] = "artist"
    validation: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    scarce_genres: Literal["train", "test"] = "train"
    compilations: Literal["together", "apart"] = Field(
        "together", description="whether to keep an album by several artists, and these artists, in one split"
    )
    guests: Literal["together", "apart"] = Field(
        "together", description="whether to keep all artists of a track in one split, or only the first"
    )
    balance: list[Literal["decade", "place"]] = Field([], description="attributes to balance in addition to the genre")
    official: bool = False
    min_tag_tracks: int = Field(5, ge=1)
    min_share: float = Field(0.0, ge=0, lt=1, description="minimum share of the tracks in each part; 0: one track")
    max_class_deviation: float = Field(
        1.0, ge=0, le=1, description="maximum deviation of a part's share of a class, or of a stratum of `balance`"
    )


class Features(Section):
    """The feature cache; an entry of `kinds` lists the parameters that differ from a kind's defaults.

    An entry with a key `kind` is a variant of that kind under another name; ``mel+cqt: {}``
    lets a network read both.
    """

    sample_rate: int = Field(22050, gt=0)
    shard_tracks: int = Field(256, ge=1)
    max_undecodable_share: float = Field(0.05, ge=0, le=1, description="share of the tracks; more stops the stage")
    kinds: dict[Key, dict[str, Any]]


class Budget(Section):
    """Budget of all studies together: trials or minutes."""

    trials: int | None = Field(None, ge=1, description="full trainings; epochs saved by pruned trials go to others")
    minutes: float | None = Field(None, gt=0, description="time of trials; results then depend on the machine")

    @model_validator(mode="after")
    def _check(self) -> "Budget":
        if (self.trials is None) == (self.minutes is None):
            raise ValueError("needs either trials or minutes, such as {trials: 60}")
        return self


class Tune(Section):
    """Optuna studies: trials per candidate, or a shared budget; without either the defaults are used."""

    n_trials: int | None = Field(None, ge=0, description="per candidate; 0: no search, null: see budget")
    budget: Budget | None = Field(None, description="shared among the candidates without n_trials")
    storage: str | None = Field(None, description="an RDB URL; null: a journal file in .ostinato/")
    max_epochs: int | None = Field(None, ge=1, description="per trial; null: those of the candidate's training")
    pruner: Literal["halving", "hyperband", "median", "none"] = "halving"
    folds: int = Field(3, ge=2, description="parts of the training tracks for evaluating the choice")
    workers: int | None = Field(None, ge=1, description="processes of a study; null: one per GPU")
    timeout: float | None = Field(None, gt=0, description="seconds after which a study starts no more trials")

    @model_validator(mode="after")
    def _check(self) -> "Tune":
        if self.n_trials and self.budget:
            raise ValueError(f"has n_trials: {self.n_trials} and a budget; keep one of them")
        return self


class Stacking(Section):
    """Training data of the head of a stack."""

    folds: int = Field(3, ge=2)
    in_sample: bool | list[str] = Field(
        default=False,
        description="use members' logits of their own training tracks; or the architectures of stacks that do",
    )


class Phase(Section):
    """A training phase of the artist space."""

    lr: float = Field(gt=0)
    batch_size: int = Field(ge=1, description="artists per batch, each with all its relations")
    patience: int = Field(ge=1, description="epochs without a lower training loss")


class Artists(Section):
    """The artist space; the phases are those of paper 004's repository."""

    dimension: int = Field(800, ge=2)
    max_epochs: int = Field(1000, ge=1, description="per phase")
    phases: list[Phase] = [
        Phase(lr=1e-3, batch_size=32, patience=1),
        Phase(lr=5e-4, batch_size=16, patience=1),
        Phase(lr=1e-5, batch_size=1, patience=2),
    ]
    held_out: float = Field(0.1, ge=0, lt=1, description="share of relations held out to measure link prediction")


class Candidate(Section):
    """A network: architecture x feature x task."""

    architecture: str
    feature: str
    task: TaskName
    normalise: Literal["frame", "track", "train", "none"] | None = None
    chunk_frames: int | None = Field(None, ge=1)
    network: dict[str, Any] = {}
    train: dict[str, Any] = {}
    n_trials: int | None = Field(None, ge=0)


class Estimator(Section):
    """A scikit-learn pipeline x feature x task."""

    estimator: str
    feature: str
    task: TaskName
    options: dict[str, Any] = {}
    n_trials: int | None = Field(None, ge=0)


class Stacked(Section):
    """A network that reads other candidates' logits."""

    architecture: str
    task: TaskName
    network: dict[str, Any] = {}
    train: dict[str, Any] = {}
    n_trials: int | None = Field(None, ge=0)
    optional: list[str] = Field([], description="members that may be missing for a track or the whole dataset")


class Member(Section):
    """An edge from a candidate to a stack."""

    of: str
    member: str


class Number(Section):
    """An edge from a numeric feature, such as the year, to a stack that reads it beside its members."""

    of: str
    feature: str


class Regression(Section):
    """A number of each track, such as its popularity, predicted from a feature or from a candidate's vectors."""

    column: str = Field(description="a numeric column of the dataset, or of `table`")
    regressor: Literal["ridge", "huber", "gradient_boosting", "mlp"]
    feature: str | None = Field(None, description="a kind of features.kinds; its summary of a track is the input")
    candidate: str | None = Field(None, description="a candidate whose embeddings are the input, instead of a feature")
    table: str | None = Field(None, description="a table of your own with track_id and the column: text or Parquet")
    table_sha256: str | None = Field(None, description="hash of that table; the regressions run again when it changes")
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> "Regression":
        if (self.feature is None) == (self.candidate is None):
            raise ValueError("needs either feature or candidate, such as feature: mfcc")
        if self.table is not None and self.table_sha256 is None:
            raise ValueError(f"table: {self.table} needs table_sha256, as computed by `sha256sum`")
        return self


class Evaluate(Section):
    """Confidence of intervals over groups, and the minimum score of a tag."""

    FORMER: ClassVar[Mapping[str, str]] = {
        "bootstrap": "is unused: intervals are computed without resamples; delete it",
        "level": "is called confidence now; rename it",
    }

    confidence: float = Field(0.95, gt=0, lt=1, description="share of intervals that contain the true value")
    threshold: float = Field(0.5, gt=0, lt=1)


class Bound(Section):
    """A lower or upper bound."""

    min: float | None = None
    max: float | None = None


class Recommend(Section):
    """Similarity spaces and the catalog."""

    k: int = Field(20, ge=1, description="length of the evaluated rankings")
    baseline: str = Field("mfcc", description="feature whose statistics every space must beat")


class Listeners(Section):
    """Plays, factors of listeners and tracks, and their evaluation; see docs/listening.md."""

    plays: str = Field("plays.parquet", description="table, export or folder of plays, relative to the dataset's root")
    planted: int = Field(0, ge=0, description="planted listeners of the synthetic dataset if it has no plays")
    min_seconds: float = Field(30.0, ge=0, description="shorter plays are skips where the plays do not say")
    date: str | None = Field(None, description="plays from it on are held out, such as '2024-06-01'; null: held_out")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of plays held out, the latest, without a date")
    spaces: list[Key] = Field(["mfcc"], min_length=1, description="features or candidates: what is known of sound")
    methods: list[Literal["als", "bpr"]] = Field(["als"], min_length=1, description="the best by earlier plays is used")
    n_factors: list[int] = Field([8, 16, 32], min_length=1, description="likewise; sound gets the most")
    confidence: float = Field(5.0, gt=0, description="of a play, relative to that of a track not heard; ALS")
    regularization: float = Field(10.0, gt=0, description="of ALS")
    iterations: int = Field(15, ge=1, description="of ALS")

    @model_validator(mode="after")
    def _check(self) -> "Listeners":
        if any(n < 1 for n in self.n_factors):
            raise ValueError(f"n_factors is {self.n_factors}; give numbers from 1")
        return self


class Report(Section):
    """Content of the report beside figures."""

    FORMER: ClassVar[Mapping[str, str]] = {"excerpts": "is called clips now; rename it"}

    clips: int = Field(
        8,
        ge=0,
        description="tracks with an excerpt of five seconds; 0: none, such as for recordings that must not be shared",
    )


class Export(Section):
    """The ONNX files."""

    opset: int = 18
    parity: float = Field(1e-4, gt=0)


class Release(Section):
    """Rules for the exported file and the comparison with the released one."""

    max_drop: float = Field(0.0, ge=0)
    keep: int = Field(5, ge=2, description="versions of a model or catalog to keep, including the one in service")
    max_vanished_share: float = Field(
        0.2, ge=0, le=1, description="maximum share of the catalog's tracks in service that a new catalog may lack"
    )
    max_bytes: int = 50_000_000
    max_latency_ratio: float | None = None
    parity: float = 1e-4
    use: Literal["research", "commercial"] = Field(
        "research", description="commercial: refuse encoders whose licence forbids it or is unknown"
    )


class Compare(Section):
    """When a candidate counts as worse than in another revision."""

    tolerance: float = Field(0.02, ge=0, description="allowed drop of a metric, as a share of majority to perfect")
    alpha: float = Field(0.05, gt=0, lt=1, description="probability of a false alarm in a comparison of all candidates")


class Serve(Section):
    """Address of the service, access and limits per request."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, description="0: any free port")
    allowed_hosts: list[str] = Field([], description="accepted host names, beside localhost and its own address")
    allow_anonymous: bool = Field(False, description="allow other machines without a key")
    max_bytes: int = Field(50_000_000, gt=0)
    max_seconds: float = Field(900.0, gt=0)
    workers: int | None = Field(None, ge=1, description="requests processed at once; null: one per core")
    waiting: int = Field(64, ge=0, description="requests that may be queued; more are refused")
    catalog: str | None = Field(None, description="a folder that `ostinato catalog --of` wrote; null: the released one")


class Flows(Section):
    """Schedule and retries of the flows."""

    cron: Cron = "0 3 * * 0"
    timezone: Timezone = "UTC"
    retries: int = 2
    retry_delay_seconds: float = 10
    gpu_slots: int | None = None
    remote: str | None = None
    branch: str | None = None


class Params(Section):
    """All of params.yaml."""

    seed: int = 0
    compute: Compute = Compute()
    dataset: Dataset
    ingest: Ingest = Ingest()
    validate_: Validate = Field(Validate(), alias="validate")
    split: Splitting = Splitting()
    features: Features
    train: Train = Train()
    tune: Tune = Tune()
    stacking: Stacking = Stacking()
    artists: Artists = Artists()
    candidates: dict[Key, Candidate] = {}
    estimators: dict[Key, Estimator] = {}
    stacked: dict[Key, Stacked] = {}
    members: dict[Key, Member] = {}
    numbers: dict[Key, Number] = {}
    regressions: dict[Key, Regression] = {}
    evaluate: Evaluate = Evaluate()
    gate: dict[GateKey, dict[str, Bound]] = {}
    paper: dict[str, dict[str, float]] = Field({}, description="published value per candidate and metric")
    recommend: Recommend = Recommend()
    listeners: Listeners = Listeners()
    report: Report = Report()
    export: Export = Export()
    release: Release = Release()
    compare: Compare = Compare()
    serve: Serve = Serve()
    flows: Flows = Flows()
