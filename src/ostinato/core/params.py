"""params.yaml as frozen models, one per section: the only reader of YAML; an unknown key is an error."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import yaml
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ostinato.core.registry import instead, names
from ostinato.core.registry import load as plugin
from ostinato.errors import ParamsError

Split: TypeAlias = Literal["train", "validation", "test"]
TaskName: TypeAlias = Literal["genre", "tags", "artist_embedding"]
JOIN = "+"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("is no name: take up to 100 of a-z, 0-9, _ . + and -, the first a letter, a digit or _")
    return name


def _check_cron(cron: str) -> str:
    try:
        if len(cron.split()) != 5:
            raise CronSimError(f"has {len(cron.split())} fields")
        next(CronSim(cron, datetime(2024, 1, 1)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(
            f"{cron!r} is no schedule ({str(error).lower() or 'it never comes'}): give minute, hour, day, month and "
            "weekday, such as '0 3 * * 0' for Sundays at three"
        ) from None
    return cron


def _check_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        alike = difflib.get_close_matches(timezone, sorted(available_timezones()), n=1)
        hint = f", such as {alike[0]}" if alike else ", such as Europe/Vienna or UTC"
        raise ValueError(f"{timezone!r} is no time zone: take a name of the IANA database{hint}") from None
    return timezone


Key: TypeAlias = Annotated[str, AfterValidator(_check_name)]
"""A name that users give; it becomes part of commands, folders and pages."""
SAMPLES = "waveform"
"""The kind whose rows are samples; the front end of training reads it, no network does."""
NUMBERS = ("table", "attributes")
"""Sources whose features are numbers."""
PLUGINS = (
    ("candidates", "architecture", "architectures"),
    ("stacked", "architecture", "architectures"),
    ("estimators", "estimator", "estimators"),
)
"""Which key of which section names a file of which package."""


EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
TEXT = "tag:yaml.org,2002:str"


class Section(BaseModel):
    """A part of params.yaml: frozen, complete, no other keys, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    FORMER: ClassVar[Mapping[str, str]] = {}
    """Keys that were once known, and what to do about each."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_former_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key in cls.FORMER:
                raise ValueError(f"{key} {cls.FORMER[key]}")
        return values


class Compute(Section):
    """Cores and threads. `threads` changes the last bits of trained weights, so it is part of the inputs."""

    workers: int | None = Field(None, ge=1, description="processes; null: one per core")
    threads: int = Field(1, ge=1, description="threads of one process")
    dask: str | None = Field(None, description="address of a Dask scheduler; null: a local process pool")


class Dataset(Section):
    """Where tracks come from; keys beyond these belong to the plugin."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    path: str | None = Field(None, description="the dataset's root; null: OSTINATO_DATASET_PATH or data/raw/<name>")
    track: bool = Field(False, description="let DVC track the audio too")
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

    min_seconds: float = Field(1.0, gt=0)
    max_seconds: float = Field(3600.0, gt=0)
    min_sample_rate: int = 8000
    max_unheard_seconds: float = Field(5.0, ge=0, description="what the file holds beyond the end its header names")
    max_silence_share: float = Field(0.5, ge=0, le=1)
    max_hole_seconds: float = Field(2.0, ge=0, description="silence between two sounds")
    max_peak: float = Field(4.0, gt=0, description="full scale is 1; decoded MP3 may pass it a little")
    max_dc: float = Field(0.03, ge=0, description="the mean of the samples")
    max_clipped_share: float = Field(0.005, ge=0, le=1, description="samples on a plateau at the peak")
    max_imbalance_db: float = Field(30.0, ge=0, description="loudest against quietest channel")
    max_mono_loss_db: float = Field(6.0, ge=0, description="what averaging the channels takes away")
    min_bandwidth_share: float = Field(0.2, ge=0, le=1, description="of half the sample rate")
    warn_bandwidth_share: float = Field(0.55, ge=0, le=1, description="a track below it is kept and counted")
    max_noise_likeness: float = Field(0.53, ge=0, le=1, description="steady noise has 0.56, music less")
    max_nonfinite: int = 0
    copies: Literal["group", "quarantine"] = Field(
        "group", description="where a copy goes: to the split of its first occurrence, or to quarantine"
    )
    min_tracks_per_class: int = 2
    max_broken_share: float = Field(0.2, ge=0, le=1)


class Splitting(Section):
    """How tracks are parted; `folds: 0` is one holdout."""

    folds: int = Field(0, ge=0)
    group_by: Literal["artist", "track"] = "artist"
    validation: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    scarce: Literal["train", "test"] = "train"
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


class RatePhase(Section):
    """A part of training with a learning rate and a patience of its own."""

    lr: float = Field(gt=0)
    patience: int = Field(ge=1)


CHUNKS_PER_EPOCH = 128
"""Of small sets: eight steps at the usual batch size, so that validation costs less than what lies between."""
OLD_TRAIN_KEYS = {
    "apart": "is called margin",
    "focus": "is called gamma",
    "subsample": "is called subsample_threshold",
    "vocabulary": "is called max_vocabulary",
    "tokens": "is called sequence_length",
    "absent_share": "is called modality_dropout",
    "batch_norm_momentum": "has no effect: running statistics are computed from training chunks each epoch; delete it",
}
USED_WITH: dict[str, tuple[str, tuple[Any, ...]]] = {
    "temperature": ("loss", ("infonce",)),
    "margin": ("loss", ("triplet",)),
    "gamma": ("loss", ("focal", "asymmetric")),
    "clip": ("loss", ("asymmetric",)),
    "mask_share": ("spec_augment", (True,)),
    "n_masks": ("spec_augment", (True,)),
    "lr_factor": ("schedule", ("plateau",)),
    "lr_patience": ("schedule", ("plateau",)),
}
"""Keys of `train` that have an effect only where another key has one of these values."""


class Train(Section):
    """Training of every candidate; a candidate's own `train` overrides single keys.

    Augmentation, losses beside the plain one, schedules and repeats are off by default.
    """

    max_epochs: int = Field(30, ge=1)
    patience: int = Field(8, ge=1, description="epochs without improvement, once validation has left chance")
    patience_steps: int = Field(50, ge=0, description="steps of the optimiser without improvement, as well")
    batch_size: int = Field(16, ge=1)
    optimizer: str = "adam"
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    chunk_frames: int = Field(129, ge=1)
    chunks_per_track: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="in an epoch; auto: as many as make about 128 chunks of all training tracks, at least 1"
    )
    normalise: Literal["frame", "track", "train", "none"] = "frame"
    max_vocabulary: int = Field(20000, ge=1, description="words of lyrics with an id of their own")
    sequence_length: int = Field(256, ge=1, description="words of a chunk of lyrics")
    subsample_threshold: float | None = Field(None, gt=0, description="thins out common words; null: keeps them all")
    monitor: str = "val_loss"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0)
    spec_augment: bool = False
    mask_share: float = Field(
        0.125, gt=0, le=1, description="of bins and of frames that a mask covers at most, rounded up"
    )
    n_masks: int = Field(1, ge=1, description="along either axis")
    front_end: Literal["cache", "waveform"] = Field(
        "cache", description="whence training takes the feature; the waveform must stand in it, as in mel+waveform"
    )
    augment: list[Literal["speed", "pitch", "bandwidth", "level", "noise"]] = Field(
        [], description="of the waveform while training, in this order"
    )
    loss: Literal["plain", "focal", "asymmetric", "infonce", "triplet"] = Field(
        "plain", description="the last two bring tracks of one artist, genre or tag together"
    )
    temperature: float = Field(0.1, gt=0, description="of infonce")
    margin: float = Field(0.2, gt=0, le=2, description="by how much strangers are farther off in a triplet")
    gamma: float = Field(2.0, ge=0, description="how little what is nearly right counts in a focal or asymmetric loss")
    clip: float = Field(0.05, ge=0, lt=1, description="of an asymmetric loss: score up to which an absent tag is free")
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    lr_factor: float = Field(0.5, gt=0, lt=1, description="of a plateau")
    lr_patience: int = Field(3, ge=1, description="of a plateau, in epochs")
    phases: list[RatePhase] = []
    runs: int = Field(1, ge=1, description="fits with other seeds; the best on validation is kept, all are counted")
    compile: bool = False
    class_weights: Literal["balanced"] | None = None
    clip_norm: float | None = Field(None, gt=0)
    weights: str | None = Field(None, description="a safetensors file to begin with; the head is new")
    weights_sha256: str | None = Field(None, description="of that file: with another one its candidates run again")
    freeze: int = Field(0, ge=0, description="how many of the network's first layers stay as they were loaded")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"] = "auto"
    devices: int | str = "auto"
    strategy: str = "auto"
    modality_dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="how often a stack learns from a track without one of its `numbers` or `optional` members",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_keys(cls, given: Any) -> Any:
        """Name what took the place of a key that is no more."""
        for key in OLD_TRAIN_KEYS if isinstance(given, dict) else ():
            if key in given:
                raise PydanticCustomError("old_key", "{said}", {"said": f"{key} {OLD_TRAIN_KEYS[key]}"})
        return given

    def count_chunks(self, n_tracks: int) -> int:
        """Count the chunks of each track in an epoch.

        Parameters
        ----------
        n_tracks : int
            To learn from.

        Returns
        -------
        int

        Examples
        --------
        >>> [Train().count_chunks(n) for n in (16, 64, 128, 5000)], Train(chunks_per_track=3).count_chunks(16)
        ([8, 2, 1, 1], 3)
        """
        if self.chunks_per_track != "auto":
            return self.chunks_per_track
        return max(1, round(CHUNKS_PER_EPOCH / max(n_tracks, 1)))


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

    excerpts: int = Field(
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

    cron: Annotated[str, AfterValidator(_check_cron)] = "0 3 * * 0"
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"
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
    gate: dict[TaskName | Literal["space"], dict[str, Bound]] = {}
    paper: dict[str, dict[str, float]] = Field({}, description="per candidate, per metric, what its paper printed")
    recommend: Recommend = Recommend()
    report: Report = Report()
    export: Export = Export()
    release: Release = Release()
    compare: Compare = Compare()
    serve: Serve = Serve()
    flows: Flows = Flows()


def parts(feature: str) -> tuple[str, ...]:
    """Name the kinds that a feature is made of, in the order a network reads them.

    Examples
    --------
    >>> parts("mel+cqt"), parts("mel")
    (('mel', 'cqt'), ('mel',))
    """
    return tuple(feature.split(JOIN))


def network_kinds(feature: str, kinds: Mapping[str, Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Name the kinds of a feature that a network reads: all but the waveform, which only training reads.

    Parameters
    ----------
    feature : str
    kinds : mapping
        Section `features.kinds`.

    Examples
    --------
    >>> network_kinds("mel+waveform", {"mel": {}, "waveform": {}})
    ('mel',)
    """
    return tuple(kind for kind in parts(feature) if (kinds.get(kind) or {}).get("kind", kind) != SAMPLES)


def read(path: Path) -> dict[str, Any]:
    """Read a mapping of YAML without checking what is in it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    ParamsError
        If the file is absent, or is no YAML or no mapping.
    """
    try:
        return parse(path.read_text(), str(path))
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: is not there; run ostinato in the folder that holds params.yaml") from error


def parse(text: str, origin: str) -> dict[str, Any]:
    """Read a mapping from the text of a YAML file, such as another revision's params.yaml.

    Parameters
    ----------
    text : str
    origin : str
        What the file is called in errors.

    Raises
    ------
    ParamsError
        If it is no YAML or no mapping, or has a number that YAML reads as text.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{origin}: is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{origin}: must be a mapping of sections such as `seed` and `dataset`")
    if EXPONENT.search(text):
        _refuse_exponents(yaml.compose(text, Loader=yaml.SafeLoader), origin)
    return values


def _refuse_exponents(document: yaml.Node | None, origin: str) -> None:
    """Refuse numbers with an exponent that YAML 1.1 reads as text, since they lack a dot or the exponent's sign."""
    messages = []
    for keys, node in _walk_scalars(document):
        if node.style is None and node.tag == TEXT and EXPONENT.fullmatch(node.value):
            mantissa, _, exponent = node.value.lower().partition("e")
            whole, _, part = mantissa.partition(".")
            sign = "" if exponent[0] in "+-" else "+"
            number = f"{whole if whole.strip('+-') else whole + '0'}.{part or '0'}e{sign}{exponent}"
            either = f"{float(number):.0f} or " if 1 <= abs(float(number)) < 1e9 and float(number).is_integer() else ""
            messages.append(
                f"{'.'.join(keys)}: line {node.start_mark.line + 1}: YAML 1.1 reads {node.value} as text; "
                f"write {either}{number}, or '{node.value}' in quotes if it is text"
            )
    if messages:
        raise ParamsError(f"{origin}: {'; '.join(messages)}")


def _walk_scalars(node: yaml.Node | None, *keys: str) -> Iterator[tuple[tuple[str, ...], yaml.ScalarNode]]:
    """Yield every value of a YAML document that is no mapping or list, with the keys that lead to it."""
    if isinstance(node, yaml.ScalarNode):
        yield keys, node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk_scalars(value, *keys, str(key.value))
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _walk_scalars(value, *keys, str(i))


def write(path: Path, values: dict[str, Any]) -> None:
    """Write a mapping as YAML, unless the file says the same already."""
    if not path.exists() or read(path) != values:
        path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def load(path: Path) -> Params:
    """Read and check params.yaml.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Params

    Raises
    ------
    ParamsError
        If the file is absent, is no YAML, or has an unknown key or a value of
        the wrong type; the message names each key.
    """
    text = read(path)
    try:
        params = Params.model_validate(text)
    except ValidationError as error:
        raise ParamsError(f"{path}: {readable(error)}") from error
    _check_names(params, path)
    _check_front_ends(params, path)
    _check_plugins(params, path)
    _check_members(params, path)
    _check_numbers(params, path)
    _check_weights(params, path)
    _check_train(params, path)
    return params


def only(params: Params, sections: Iterable[str]) -> Any:
    """Keep the named sections, so that nothing reads what its stage does not declare.

    Parameters
    ----------
    params : Params
    sections : iterable of str
        Top-level keys of params.yaml.

    Returns
    -------
    SimpleNamespace
        An attribute for each section; any other raises `AttributeError`.
    """
    return SimpleNamespace(**{s: params.validate_ if s == "validate" else getattr(params, s) for s in sections})


def readable(error: ValidationError, model: type[BaseModel] | None = None, within: Iterable[str] = ()) -> str:
    """Put a validation error in one line a person can act on.

    Parameters
    ----------
    error : ValidationError
    model : type of BaseModel, optional
        What was read, so that keys like an unknown one can be named; default: `Params`.
    within : iterable of str
        Keys that lead to what was read.

    Returns
    -------
    str
    """
    messages = []
    for problem in error.errors():
        where = [str(part) for part in (*within, *problem["loc"]) if "[" not in str(part)]  # those name types, no keys
        messages.append(f"{'.'.join(where)}: {describe_problem(problem, model or Params)}")
    return "; ".join(dict.fromkeys(messages))


WORDS = {
    "Value error, ": "",
    "Input should be": "must be",
    "Input should have": "must have",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text (in quotation marks)",
    "a valid boolean": "true or false",
    "a valid list": "a list such as [a, b]",
    "a valid dictionary": "keys with values, such as {a: b}",
}
"""What pydantic says, and how a person would."""


def describe_problem(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    """Return what is wrong with a value, and what would be right.

    Parameters
    ----------
    problem : mapping
        Of the errors of a ValidationError.
    model : type of BaseModel
        What was read.

    Returns
    -------
    str
    """
    text = simplify_message(problem)
    if problem["type"] == "extra_forbidden":
        known = _list_keys(model, problem["loc"][:-1])
        return f"{text}; {instead(str(problem['loc'][-1]), known) if known else 'correct or delete it'}"
    is_clear = problem["type"] in ("old_key", "missing") or isinstance(problem["input"], dict)
    return text if is_clear else f"{text} (it is {problem['input']!r})"


def simplify_message(problem: Mapping[str, Any]) -> str:
    """Return pydantic's message in plain words, without the value that was given.

    Examples
    --------
    >>> simplify_message({"type": "int_type", "msg": "Input should be a valid integer"})
    'must be a whole number'
    """
    if problem["type"] == "extra_forbidden":
        return "is no key here"
    if problem["type"] == "missing":
        return "is missing; add it"
    message = re.sub(r" or (instance of \w+|object to extract fields from)", "", str(problem["msg"]))
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _list_keys(annotation: Any, place: Iterable[Any]) -> list[str]:
    """List the keys of the section at a place below a model; empty where any key may stand."""
    for part in place:
        annotation = _find_part(annotation, part)
    models = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return [field.alias or name for model in models[:1] for name, field in model.model_fields.items()]


def _find_part(annotation: Any, part: Any) -> Any:
    """Return the type of what stands under a key, or at a position, of a value of a type; None if that is unknown."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((field.annotation for name, field in fields if part in (name, field.alias)), None)
    if get_origin(annotation) in (dict, list, tuple):
        return get_args(annotation)[-1]
    return next((found for a in get_args(annotation) if (found := _find_part(a, part)) is not None), None)


def _check_names(params: Params, path: Path) -> None:
    """Refuse a name used twice, and a feature that is not there."""
    groups = (params.candidates, params.estimators, params.stacked)
    used = [name for group in groups for name in group]
    for name in used:
        if used.count(name) > 1:
            raise ParamsError(f"{path}: {name!r} names two candidates; rename one")
    for group, entries in (("candidates", params.candidates), ("estimators", params.estimators)):
        for name, entry in entries.items():
            if entry.feature not in params.features.kinds:
                raise ParamsError(
                    f"{path}: {group}.{name}: reads {entry.feature!r}, which features.kinds lacks; "
                    f"add `{entry.feature}: {{}}` there; {instead(entry.feature, params.features.kinds)}"
                )
    for name, departures in params.features.kinds.items():
        _check_joint(name, departures, params.features.kinds, path)
    for name, estimator in params.estimators.items():
        if len(parts(estimator.feature)) > 1:
            raise ParamsError(f"{path}: estimators.{name}: reads one kind of feature; name one of {estimator.feature}")


def _check_front_ends(params: Params, path: Path) -> None:
    """Refuse a waveform that nothing reads, a front end without one, and augmentation of what is not computed."""
    kinds = params.features.kinds
    for name, estimator in params.estimators.items():
        if not network_kinds(estimator.feature, kinds):
            raise ParamsError(f"{path}: estimators.{name}: reads samples; name a feature such as mfcc")
    for name, candidate in params.candidates.items():
        where, train = f"{path}: candidates.{name}", {**params.train.model_dump(), **candidate.train}
        inputs, waveform = network_kinds(candidate.feature, kinds), train["front_end"] == "waveform"
        n_waveforms = len(parts(candidate.feature)) - len(inputs)
        if waveform and (len(inputs) != 1 or n_waveforms != 1):
            wanted = f"{inputs[0] if inputs else 'mel'}+{SAMPLES}"
            raise ParamsError(
                f"{where}: train.front_end: waveform needs one kind and the waveform, not {candidate.feature}; "
                f"write feature: {wanted}, and `{SAMPLES}: {{}}` and `{wanted}: {{}}` in features.kinds"
            )
        if n_waveforms and not waveform:
            raise ParamsError(f"{where}: no network reads samples; add train: {{front_end: waveform}}")
        if train["augment"] and not waveform:
            raise ParamsError(
                f"{where}: train.augment changes sound, which comes from the waveform; add front_end: waveform to train"
            )
    for name, stack in params.stacked.items():
        if absent := [key for key in ("front_end", "augment") if stack.train.get(key) not in (None, "cache", [])]:
            raise ParamsError(f"{path}: stacked.{name}: train.{absent[0]}: a stack reads no sound; take it out")


def _check_members(params: Params, path: Path) -> None:
    """Refuse a stack without members, and a member that is not there or of which the stack can make nothing."""
    for edge, member in params.members.items():
        if edge != f"{member.of}.{member.member}":
            raise ParamsError(f"{path}: members.{edge}: must be called {member.of}.{member.member}")
        if member.of not in params.stacked:
            raise ParamsError(
                f"{path}: members.{edge}: there is no stack {member.of!r}; {instead(member.of, params.stacked)}"
            )
        if member.member not in params.candidates:
            raise ParamsError(
                f"{path}: members.{edge}: there is no candidate {member.member!r}; "
                f"{instead(member.member, params.candidates)}"
            )
        stack, candidate = params.stacked[member.of], params.candidates[member.member]
        if candidate.task != stack.task:
            raise ParamsError(
                f"{path}: members.{edge}: learns {candidate.task}, its stack {stack.task}; let them agree"
            )
        if len(network_kinds(candidate.feature, params.features.kinds)) > 1:
            raise ParamsError(f"{path}: members.{edge}: reads {candidate.feature}; a member reads one kind of feature")
    for name, stack in params.stacked.items():
        given = [member.member for member in params.members.values() if member.of == name]
        if unknown := [member for member in stack.optional if member not in given]:
            raise ParamsError(
                f"{path}: stacked.{name}: optional: {unknown[0]!r} is none of its members; {instead(unknown[0], given)}"
            )
        if given and not set(given) - set(stack.optional):
            raise ParamsError(f"{path}: stacked.{name}: all its members are optional; leave one out of `optional`")
    for name in params.stacked.keys() - {member.of for member in params.members.values()}:
        raise ParamsError(
            f"{path}: stacked.{name}: has no members; list them under members, such as "
            f"{name}.x: {{of: {name}, member: x}}"
        )


def _check_numbers(params: Params, path: Path) -> None:
    """Refuse numbers for a stack that is not there, and what is no feature of numbers."""
    kinds = params.features.kinds
    for edge, number in params.numbers.items():
        where, of, feature = f"{path}: numbers.{edge}", number.of, number.feature
        if of not in params.stacked:
            raise ParamsError(f"{where}: there is no stack {of!r}; {instead(of, params.stacked)}")
        if edge in params.members:
            raise ParamsError(f"{where}: a member of {of} has that name; call the feature or the member otherwise")
        if feature not in kinds:
            raise ParamsError(
                f"{where}: {of} reads {feature!r}, which features.kinds lacks; "
                f"add `{feature}: {{}}` there; {instead(feature, kinds)}"
            )
        if len(parts(feature)) > 1:
            raise ParamsError(f"{where}: {of} reads {feature}; write one entry for each of {', '.join(parts(feature))}")
        module = plugin("ostinato.features", (kinds[feature] or {}).get("kind", feature))
        if (source := getattr(module, "SOURCE", "audio")) not in NUMBERS:
            raise ParamsError(
                f"{where}: {of} reads {feature}, made of {source}; it needs numbers of a table, such as `year`"
            )
        if edge != f"{of}.{feature}":
            raise ParamsError(f"{where}: must be called {of}.{feature}")


def _check_plugins(params: Params, path: Path) -> None:
    """Refuse an architecture, an estimator or a kind of feature that has no file, before any stage runs."""
    for group, key, package in PLUGINS:
        known = names(f"ostinato.{package}")
        for name, entry in getattr(params, group).items():
            if (given := getattr(entry, key)) not in known:
                raise ParamsError(f"{path}: {group}.{name}: there is no {key} {given!r}; {instead(given, known)}")
    known = names("ostinato.features")
    for name, departures in params.features.kinds.items():
        kind = (departures or {}).get("kind", name)
        if len(parts(name)) == 1 and kind not in known:
            raise ParamsError(f"{path}: features.kinds.{name}: there is no feature {kind!r}; {instead(kind, known)}")


def _check_joint(name: str, entry: dict[str, Any] | None, kinds: dict[str, dict[str, Any]], path: Path) -> None:
    """Refuse a joint of kinds that are not there, occur twice, or are given parameters once more."""
    joined = parts(name)
    if len(joined) == 1:
        return
    absent = [part for part in joined if part not in kinds]
    if absent:
        raise ParamsError(f"{path}: features.kinds.{name}: there is no kind {absent[0]!r}; add `{absent[0]}: {{}}`")
    if len(set(joined)) < len(joined) or entry:
        raise ParamsError(f"{path}: features.kinds.{name}: takes no parameters and no kind twice; write `{name}: {{}}`")


def entry(params: Any, what: Literal["candidates", "members", "numbers"], name: str) -> None:
    """Raise ParamsError if params.yaml does not have a name, suggesting close matches.

    Parameters
    ----------
    params : Params
    what : {"candidates", "members", "numbers"}
        Candidates are networks, estimators and stacks.
    name : str

    Raises
    ------
    ParamsError
        If there is none of that name.
    """
    sections = ("candidates", "estimators", "stacked") if what == "candidates" else (what,)
    known = [n for section in sections for n in getattr(params, section)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
        raise ParamsError(f"params.yaml: {what} have no {name!r}; {advice}")


def _check_weights(params: Params, path: Path) -> None:
    """Refuse weights without their hash: a stage sees params.yaml change, but not a file that only some have."""
    common = params.train.model_dump()
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            train = {**common, **entry.train}
            if train["weights"] and not train["weights_sha256"]:
                raise ParamsError(
                    f"{path}: {group}.{name}: train: weights: {train['weights']} needs weights_sha256 beside it, which "
                    "`sha256sum` tells; a file with another one then makes the candidate run again"
                )


def find_unused(keys: Iterable[str], train: Mapping[str, Any]) -> str | None:
    """Return which key of `train` has no effect beside the others, and what would give it one.

    Parameters
    ----------
    keys : iterable of str
        Those that were written.
    train : mapping
        What holds for the candidate, defaults included.

    Returns
    -------
    str, optional
        None if all have an effect.

    Examples
    --------
    >>> find_unused(["margin"], {"loss": "focal"})
    'margin has no effect with loss: focal; delete it or set loss: triplet'
    """
    for key in keys:
        other, values = USED_WITH.get(key, ("", ()))
        if other and train[other] not in values:
            mend = " or ".join(str(value).lower() for value in values)
            return f"{key} has no effect with {other}: {str(train[other]).lower()}; delete it or set {other}: {mend}"
    return None


def _check_train(params: Params, path: Path) -> None:
    """Refuse old keys, and keys that nothing uses, of `train` and of those who depart from it."""
    common = params.train.model_dump()
    all_ = [common]
    for group, entries in (("candidates", params.candidates), ("stacked", params.stacked)):
        for name, entry in entries.items():
            where, train = f"{path}: {group}.{name}: train", {**common, **entry.train}
            if old := [key for key in entry.train if key in OLD_TRAIN_KEYS]:
                raise ParamsError(f"{where}: {old[0]} {OLD_TRAIN_KEYS[old[0]]}")
            if said := find_unused(entry.train, train):
                raise ParamsError(f"{where}: {said}")
            all_.append(train)
    for key in params.train.model_fields_set:
        if all(find_unused([key], train) for train in all_):
            raise ParamsError(f"{path}: train: {find_unused([key], common)}")
