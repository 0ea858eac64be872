"""The sections of params.yaml, a frozen model each."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from ostinato.core.params.section import Cron, GateKey, Key, Section, Timezone
from ostinato.core.params.training import Train

Split: TypeAlias = Literal["train", "validation", "test"]
TaskName: TypeAlias = Literal["genre", "tags", "artist_embedding"]


class Compute(Section):
    """Cores and threads. `threads` changes the last bits of trained weights, so it is part of the inputs."""

    workers: int | None = Field(None, ge=1, description="processes; null: one per core")
    threads: int = Field(1, ge=1, description="threads of one process")
    dask: str | None = Field(None, description="address of a Dask scheduler; null: a local process pool")


class Dataset(Section):
    """Where tracks come from; keys beyond these belong to the plugin."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    FORMER: ClassVar[Mapping[str, str]] = {"track": "is called track_audio now; rename it"}

    name: str
    path: str | None = Field(None, description="the dataset's root; null: OSTINATO_DATASET_PATH or data/raw/<name>")
    track_audio: bool = Field(False, description="let DVC track the audio too")
    classes: list[str] | None = Field(None, description="keep tracks of these genres only")
    rename: dict[str, str] = Field({}, description="a genre or tag to the one that it is, such as {hiphop: Hip-Hop}")

    @property
    def options(self) -> dict[str, Any]:
        """The plugin's own keys."""
        return dict(self.model_extra or {})


class Ingest(Section):
    """When ingest stops."""

    max_vanished_share: float = Field(0.2, ge=0, le=1, description="of the known tracks; more gone stops the run")


class Validate(Section):
    """Bounds a track must keep, and the share that may break them."""

    FORMER: ClassVar[Mapping[str, str]] = {
        "max_noise_likeness": "is called max_temporal_flatness now; rename it",
        "max_hole_seconds": "is called max_gap_seconds now; rename it",
    }

    min_seconds: float = Field(1.0, gt=0)
    max_seconds: float = Field(3600.0, gt=0)
    min_sample_rate: int = 8000
    max_unheard_seconds: float = Field(5.0, ge=0, description="what the file holds beyond the end its header names")
    max_silence_share: float = Field(0.5, ge=0, le=1)
    max_gap_seconds: float = Field(2.0, ge=0, description="silence between two sounds")
    max_peak: float = Field(4.0, gt=0, description="full scale is 1; decoded MP3 may pass it a little")
    max_dc: float = Field(0.03, ge=0, description="the mean of the samples")
    max_clipped_share: float = Field(0.005, ge=0, le=1, description="samples on a plateau at the peak")
    max_imbalance_db: float = Field(30.0, ge=0, description="loudest against quietest channel")
    max_mono_loss_db: float = Field(6.0, ge=0, description="what averaging the channels takes away")
    min_bandwidth_share: float = Field(0.2, ge=0, le=1, description="of half the sample rate")
    warn_bandwidth_share: float = Field(0.55, ge=0, le=1, description="a track below it is kept and counted")
    max_temporal_flatness: float = Field(0.53, ge=0, le=1, description="steady noise has 0.56, music less")
    max_nonfinite: int = 0
    copies: Literal["group", "quarantine"] = Field(
        "group", description="where a copy goes: to the split of its first occurrence, or to quarantine"
    )
    min_tracks_per_class: int = 2
    max_broken_share: float = Field(0.2, ge=0, le=1)


class Splitting(Section):
    """How tracks are parted; `folds: 0` is one holdout."""

    FORMER: ClassVar[Mapping[str, str]] = {"scarce": "is called scarce_genres now; rename it"}

    folds: int = Field(0, ge=0)
    group_by: Literal["artist", "track"] = "artist"
    validation: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    scarce_genres: Literal["train", "test"] = "train"
    compilations: Literal["together", "apart"] = Field(
        "together", description="whether an album by several artists stands in one split, and so do they"
    )
    guests: Literal["together", "apart"] = Field(
        "together", description="whether all artists of a track stand in one split, or only the first is kept to one"
    )
    balance: list[Literal["decade", "place"]] = Field([], description="what to even out beside the genre")
    official: bool = False
    min_tag_tracks: int = Field(5, ge=1)
    min_share: float = Field(0.0, ge=0, lt=1, description="of all tracks, in each part; 0: one track")
    max_class_deviation: float = Field(
        1.0, ge=0, le=1, description="of a part's classes, or its strata of `balance`, from the whole's"
    )


class Features(Section):
    """The feature cache; an entry of `kinds` lists a kind's departures from its signature.

    An entry with a key `kind` is that kind once more, under another name and with
    other parameters; ``mel+cqt: {}`` lets one network read both.
    """

    sample_rate: int = Field(22050, gt=0)
    shard_tracks: int = Field(256, ge=1)
    max_undecodable_share: float = Field(0.05, ge=0, le=1, description="of the tracks; more stops the stage")
    kinds: dict[Key, dict[str, Any]]


class Budget(Section):
    """What all studies together may spend: trials or minutes."""

    trials: int | None = Field(None, ge=1, description="whole trainings; those that end early leave epochs to others")
    minutes: float | None = Field(None, gt=0, description="of trials; what they find then depends on the machine")

    @model_validator(mode="after")
    def _check(self) -> "Budget":
        if (self.trials is None) == (self.minutes is None):
            raise ValueError("needs either trials or minutes, such as {trials: 60}")
        return self


class Tune(Section):
    """Optuna studies: so many trials a candidate, or a budget that is shared; neither keeps the defaults."""

    n_trials: int | None = Field(None, ge=0, description="of every candidate; 0: none is searched, null: see budget")
    budget: Budget | None = Field(None, description="shared among the candidates that name no n_trials")
    storage: str | None = Field(None, description="an RDB URL; null: a journal file below .ostinato/")
    max_epochs: int | None = Field(None, ge=1, description="of a trial; null: those of the candidate's training")
    pruner: Literal["halving", "hyperband", "median", "none"] = "halving"
    folds: int = Field(3, ge=2, description="parts of the training tracks by which the choice is judged")
    workers: int | None = Field(None, ge=1, description="processes of a study; null: one per GPU")
    timeout: float | None = Field(None, gt=0, description="seconds after which a study begins no trial")

    @model_validator(mode="after")
    def _check(self) -> "Tune":
        if self.n_trials and self.budget:
            raise ValueError(f"has n_trials: {self.n_trials} and a budget; keep one of them")
        return self


class Stacking(Section):
    """What the head of a stack learns from."""

    folds: int = Field(3, ge=2)
    in_sample: bool | list[str] = Field(
        default=False,
        description="whether members speak of tracks they learned from; or the architectures of stacks that read so",
    )


class Phase(Section):
    """One phase of the artist space's training."""

    lr: float = Field(gt=0)
    batch_size: int = Field(ge=1, description="artists, each with all its relations")
    patience: int = Field(ge=1, description="epochs without a lower training loss")


class Artists(Section):
    """The artist space; the phases are those of the repository of paper 004."""

    dimension: int = Field(800, ge=2)
    max_epochs: int = Field(1000, ge=1, description="of each phase")
    phases: list[Phase] = [
        Phase(lr=1e-3, batch_size=32, patience=1),
        Phase(lr=5e-4, batch_size=16, patience=1),
        Phase(lr=1e-5, batch_size=1, patience=2),
    ]
    held_out: float = Field(0.1, ge=0, lt=1, description="share of relations kept back to measure link prediction")


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
    optional: list[str] = Field([], description="members of which a track, or the whole dataset, may have nothing")


class Member(Section):
    """One edge from a candidate to a stack."""

    of: str
    member: str


class Number(Section):
    """One edge from a feature of numbers, such as the year, to a stack that reads it beside its members."""

    of: str
    feature: str


class Evaluate(Section):
    """Intervals over groups, and the score from which on a tag is given."""

    FORMER: ClassVar[Mapping[str, str]] = {
        "bootstrap": "is of no use: intervals are computed without resamples; delete it",
        "level": "is called confidence now; rename it",
    }

    confidence: float = Field(0.95, gt=0, lt=1, description="share of intervals that hold the true figure")
    threshold: float = Field(0.5, gt=0, lt=1)


class Bound(Section):
    """A threshold with its direction."""

    min: float | None = None
    max: float | None = None


class Recommend(Section):
    """Similarity spaces and the catalog."""

    k: int = Field(20, ge=1, description="length of the rankings that are judged")
    baseline: str = Field("mfcc", description="the feature whose statistics every space must beat")


class Report(Section):
    """What the page holds beside figures."""

    FORMER: ClassVar[Mapping[str, str]] = {"excerpts": "is called clips now; rename it"}

    clips: int = Field(
        8,
        ge=0,
        description="tracks of which it plays five seconds; 0: none, as of recordings that must not be passed on",
    )


class Export(Section):
    """The ONNX files."""

    opset: int = 18
    parity: float = Field(1e-4, gt=0)


class Release(Section):
    """What the exported file and the released one must keep."""

    max_drop: float = Field(0.0, ge=0)
    keep: int = Field(5, ge=2, description="versions of a model or catalog that stay, that in service among them")
    max_vanished_share: float = Field(
        0.2, ge=0, le=1, description="of the catalog's tracks in service; a new one lacking more is refused"
    )
    max_bytes: int = 50_000_000
    max_latency_ratio: float | None = None
    parity: float = 1e-4
    use: Literal["research", "commercial"] = Field(
        "research", description="commercial: refuse encoders whose licence forbids that, or is not known"
    )


class Compare(Section):
    """From when on a candidate counts as worse than in another revision."""

    tolerance: float = Field(0.02, ge=0, description="what a metric may fall by, of the way from majority to perfect")
    alpha: float = Field(0.05, gt=0, lt=1, description="probability of a false alarm in a comparison of all candidates")


class Serve(Section):
    """Where the service listens, who may ask it, and what one request may cost."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, description="0: any that is free")
    allowed_hosts: list[str] = Field([], description="names it is called by, beside localhost and its own address")
    allow_anonymous: bool = Field(False, description="let other machines ask without a key")
    max_bytes: int = Field(50_000_000, gt=0)
    max_seconds: float = Field(900.0, gt=0)
    workers: int | None = Field(None, ge=1, description="requests worked on at once; null: one per core")
    waiting: int = Field(64, ge=0, description="requests that may wait; more are turned away")
    catalog: str | None = Field(None, description="a folder that `ostinato catalog --of` wrote; null: the released one")


class Flows(Section):
    """When the flows run and what they retry."""

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
    evaluate: Evaluate = Evaluate()
    gate: dict[GateKey, dict[str, Bound]] = {}
    paper: dict[str, dict[str, float]] = Field({}, description="per candidate, per metric, what its paper printed")
    recommend: Recommend = Recommend()
    report: Report = Report()
    export: Export = Export()
    release: Release = Release()
    compare: Compare = Compare()
    serve: Serve = Serve()
    flows: Flows = Flows()
