"""Schemas of requests and responses, for the OpenAPI description."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Place = tuple[float, float]
Id = Annotated[str, StringConstraints(max_length=1000)]


class Response(BaseModel):
    """Part of a response."""

    model_config = ConfigDict(protected_namespaces=())


class OverTime(Response):
    """Scores of the chunks of a track."""

    starts: list[float] = Field(description="start of each chunk, in seconds")
    seconds: float = Field(description="length of a chunk")
    scores: dict[str, list[float]] = Field(description="scores by class, one per chunk")


class Prediction(Response):
    """Prediction of one model for one file."""

    task: str
    model: str
    version: str = Field(description="hash of the network")
    label: str | list[str] = Field(description="the genre, or the tags at or above their thresholds")
    unsure: bool = Field(False, description="whether there are reasons")
    reasons: list[str] = Field(
        [],
        description="why the label is unreliable: the file is damaged or unlike the training data, or no score is "
        "high enough",
    )
    scores: dict[str, float]
    over_time: OverTime | None = None


class Predictions(Response):
    """Predictions of the released models for one file."""

    name: str
    predictions: list[Prediction]
    embedding: list[float] | None = Field(None, description="embedding of the file, for /v1/recommend")
    version: str | None = Field(None, max_length=200, description="of the network that computed the embedding")
    place: Place | None = Field(None, description="position of the file on /v1/map")
    reasons: list[str] = Field([], description="why its neighbours are unreliable")


class Model(Response):
    """A released model."""

    task: str
    name: str
    version: str
    kind: str
    classes: list[str]
    embedded: bool = Field(description="trained on the embedded corpus: labels mean nothing on real music")
    metrics: dict[str, Any] = Field(description="on its test set, with intervals")


class Models(Response):
    """Models in service."""

    models: list[Model]
    errors: list[str] = Field(description="releases that exist but cannot be opened")


class Track(Response):
    """A track of the catalog."""

    id: str
    title: str | None = None
    artist: str | None = None
    genre: str | None = None
    year: int | None = None
    audio: str = Field(description="URL of its audio")


class Tracks(Response):
    """A page of the catalog."""

    version: str
    n_tracks: int
    tracks: list[Track]


class Point(Response):
    """A track of the catalog on the map."""

    id: str
    title: str | None = None
    artist: str | None = None
    genre: str | None = None
    audio: str = Field(description="URL of its audio")
    place: Place


class Map(Response):
    """The catalog in its two directions of largest variance."""

    version: str
    n_tracks: int = Field(description="in the catalog; a large one is thinned on the map")
    share: float = Field(description="share of the variance that the map explains")
    points: list[Point]


class Recommendation(Track):
    """A track and why it is recommended."""

    score: float = Field(description="cosine to the mean of the seeds")
    because: list[str] = Field(description="what it shares with the seeds, or with labels predicted for them")


class Recommendations(Response):
    """Recommended tracks, best first."""

    version: str
    reasons: list[str] = Field([], description="why they are unreliable: the reasons sent with the embedding")
    recommendations: list[Recommendation]


class Played(BaseModel):
    """How often a listener played and skipped a track."""

    model_config = ConfigDict(extra="forbid")

    track: Id
    plays: int = Field(1, ge=0, le=10**6)
    skips: int = Field(0, ge=0, le=10**6)


class RecommendationRequest(BaseModel):
    """What to recommend from: tracks of the catalog, an embedding, a history, or several of these."""

    model_config = ConfigDict(extra="forbid")

    tracks: list[Id] = Field([], fail_fast=True, max_length=100, description="ids of the catalog")
    embedding: list[float] | None = Field(None, max_length=4096, description="as returned by /v1/predict")
    version: str | None = Field(None, max_length=200, description="of the network that computed the embedding")
    heard: list[Id] = Field(
        [], fail_fast=True, max_length=100, description="labels returned by /v1/predict, to name shared ones"
    )
    reasons: list[Id] = Field(
        [], fail_fast=True, max_length=100, description="as returned by /v1/predict with the embedding"
    )
    weights: list[float] | None = Field(
        None, max_length=101, description="of the tracks, in their order, then of the embedding; default: equal"
    )
    dislikes: list[Id] = Field([], fail_fast=True, max_length=100, description="ids of tracks to move away from")
    history: list[Played] = Field(
        [],
        fail_fast=True,
        max_length=10_000,
        description="played tracks count as one more seed, with half the weight of the others together; skipped ones "
        "as dislikes; neither is recommended. The service does not store it",
    )
    years: tuple[int, int] | None = Field(None, description="first and last year of the results")
    near: tuple[float, float, float] | None = Field(
        None, description="latitude and longitude in degrees, and the maximum distance in kilometres"
    )
    tags: list[Id] = Field([], fail_fast=True, max_length=100, description="tags that a result must all have")
    genres: list[Id] = Field([], fail_fast=True, max_length=100, description="genres of which a result must have one")
    k: int = Field(10, ge=1, le=100)
    exclude: list[Id] = Field([], fail_fast=True, max_length=10_000, description="ids never recommended")
    diversity: float = Field(0.0, ge=0, le=1, description="0: nearest first; 1: as diverse as possible")
    per_artist: int | None = Field(None, ge=1, description="maximum number per artist")


class Health(Response):
    """Whether the service is ready."""

    status: str
    models: int
    catalog: int = Field(description="number of tracks in the catalog")


class Problem(Response):
    """Why a request failed."""

    detail: str


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model with its definitions inlined, as OpenAPI's body schema needs."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(definitions[node["$ref"].rpartition("/")[2]])
        return {key: inline(value) for key, value in node.items()}

    return dict(inline(schema))
