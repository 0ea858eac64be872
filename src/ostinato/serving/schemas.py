"""Schemas of requests and responses, as they stand in the OpenAPI description."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Place = tuple[float, float]
Id = Annotated[str, StringConstraints(max_length=1000)]


class Response(BaseModel):
    """Part of a response."""

    model_config = ConfigDict(protected_namespaces=())


class OverTime(Response):
    """Scores of the chunks of a track."""

    starts: list[float] = Field(description="when each chunk begins, in seconds")
    seconds: float = Field(description="how long a chunk is")
    scores: dict[str, list[float]] = Field(description="a score a chunk, by class")


class Prediction(Response):
    """What one model says of one file."""

    task: str
    model: str
    version: str = Field(description="hash of the network")
    label: str | list[str] = Field(description="the genre, or the tags from their thresholds on")
    unsure: bool = Field(False, description="whether there are reasons")
    reasons: list[str] = Field(
        [],
        description="why the label is not to be relied on: what the file has that the model did not learn from, or no "
        "file should; that no score is high enough",
    )
    scores: dict[str, float]
    over_time: OverTime | None = None


class Predictions(Response):
    """What the released models say of one file."""

    name: str
    predictions: list[Prediction]
    embedding: list[float] | None = Field(None, description="where the file lies, for /v1/recommend")
    version: str | None = Field(None, max_length=200, description="of the network that placed it there")
    place: Place | None = Field(None, description="where the file lies on /v1/map")
    reasons: list[str] = Field([], description="why what is near to where it lies is not to be relied on")


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
    """What is in service."""

    models: list[Model]
    errors: list[str] = Field(description="releases that are there and cannot be opened")


class Track(Response):
    """A track of the catalog."""

    id: str
    title: str | None = None
    artist: str | None = None
    genre: str | None = None
    year: int | None = None
    audio: str = Field(description="where to hear it")


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
    audio: str = Field(description="where to hear it")
    place: Place


class Map(Response):
    """The catalog in the two directions in which its tracks differ most."""

    version: str
    n_tracks: int = Field(description="in the catalog; of many only some are on the map")
    share: float = Field(description="of the spread of the tracks that the map shows")
    points: list[Point]


class Recommendation(Track):
    """A track and why it is recommended."""

    score: float = Field(description="cosine to the mean of the seeds")
    because: list[str] = Field(description="what it shares with the seeds, or with what was heard in them")


class Recommendations(Response):
    """Best first."""

    version: str
    reasons: list[str] = Field([], description="why they are not to be relied on: what was given with the embedding")
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
    embedding: list[float] | None = Field(None, max_length=4096, description="as /v1/predict gives it")
    version: str | None = Field(None, max_length=200, description="of the network that made the embedding")
    heard: list[Id] = Field(
        [], fail_fast=True, max_length=100, description="labels that /v1/predict gave it, to name those shared"
    )
    reasons: list[Id] = Field(
        [], fail_fast=True, max_length=100, description="that /v1/predict gave beside the embedding"
    )
    weights: list[float] | None = Field(
        None, max_length=101, description="of the tracks, in their order, then of the embedding; default: all alike"
    )
    dislikes: list[Id] = Field([], fail_fast=True, max_length=100, description="ids whose likes are avoided")
    history: list[Played] = Field(
        [],
        fail_fast=True,
        max_length=10_000,
        description="what was played counts as one more seed, half as heavy as the others together; what was skipped "
        "is disliked; none of it is answered. The service does not keep it",
    )
    years: tuple[int, int] | None = Field(None, description="first and last year of the answers")
    near: tuple[float, float, float] | None = Field(
        None, description="latitude and longitude in degrees, and the greatest distance in kilometres"
    )
    tags: list[Id] = Field([], fail_fast=True, max_length=100, description="all of which an answer must have")
    genres: list[Id] = Field([], fail_fast=True, max_length=100, description="one of which an answer must have")
    k: int = Field(10, ge=1, le=100)
    exclude: list[Id] = Field([], fail_fast=True, max_length=10_000, description="ids never answered")
    diversity: float = Field(0.0, ge=0, le=1, description="0: nearest first; 1: as unlike each other as can be")
    per_artist: int | None = Field(None, ge=1, description="at most so many of one artist")


class Health(Response):
    """Whether requests can be answered."""

    status: str
    models: int
    catalog: int = Field(description="tracks that may be recommended")


class Problem(Response):
    """Why a request was not answered."""

    detail: str


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model in one piece: an OpenAPI description has no place for its definitions."""
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
