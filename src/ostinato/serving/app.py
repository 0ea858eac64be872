"""The application: routes, limits and error responses."""

import hmac
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ostinato.core.malloc import return_freed
from ostinato.core.params.messages import simplify_message
from ostinato.errors import OstinatoError
from ostinato.inference.answers import answer_track
from ostinato.inference.reference import explain_sound
from ostinato.inference.streaming import decode_and_measure
from ostinato.serving import library
from ostinato.serving.guards import LOCAL_NAMES, SameOrigin, SecureHeaders, check_api_key
from ostinato.serving.metrics import Metrics, Watch
from ostinato.serving.models import Model as Opened
from ostinato.serving.models import ModelStore
from ostinato.serving.protocol import BoundedHead
from ostinato.serving.schemas import (
    Health,
    Map,
    Model,
    Models,
    Prediction,
    Predictions,
    Problem,
    RecommendationRequest,
    Recommendations,
    Tracks,
    describe_body,
)
from ostinato.serving.upload import Room, receive, sweep, whole
from ostinato.serving.work import Budget, Limiter, Overloaded, SenderGone

Result = TypeVar("Result")
log = logging.getLogger(__name__)
PAGE = Path(__file__).with_name("page")
AUDIO_BODY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
REQUEST_BODY = {
    "content": {"application/json": {"schema": describe_body(RecommendationRequest)}},
    "required": True,
}
MAX_REQUEST_BYTES = 4 * 2**20
MAX_REASONS, MAX_REASON = 10, 300
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "no body, or one that cannot be read",
        401: "no API key, or a wrong one",
        403: "requested by a page of another origin",
        404: "not found",
        408: "the body came too slowly",
        413: "the file is too large",
        414: "the URL is too long",
        415: "a form instead of a file",
        422: "the file or the request cannot be used",
        431: "the headers are too long",
        503: "too many requests at once, or nothing is released",
    }.items()
}


@dataclass(frozen=True)
class Limits:
    """Limits on the cost and number of requests.

    Parameters
    ----------
    max_bytes : int
        Maximum size of an upload.
    max_seconds : float
        Maximum length of decoded audio.
    workers : int
        Requests processed at once.
    waiting : int
        Requests that may be queued.
    upload_seconds : float
        Time limit for receiving a body.
    work_seconds : float
        Limit of processor time per request.
    """

    max_bytes: int = 50_000_000
    max_seconds: float = 900.0
    workers: int = 2
    waiting: int = 64
    upload_seconds: float = 60.0
    work_seconds: float = 60.0

    @property
    def max_samples(self) -> int:
        """Samples of `max_seconds` at 96 kHz; audio at a higher rate must be shorter."""
        return int(self.max_seconds * 96_000)

    @property
    def max_upload_bytes(self) -> int:
        """Bytes of all uploads together: a full-size one for each request in progress or queued."""
        return self.max_bytes * (self.workers + self.waiting)


def application(
    releases: Path,
    catalog: Path,
    sounds: Path,
    limits: Limits | None = None,
    api_key: str | None = None,
    allowed_hosts: Sequence[str] = LOCAL_NAMES,
    pipeline_catalog: Path | None = None,
) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    releases : Path
        models/released.
    catalog : Path
        Folder of the catalog.
    sounds : Path
        Folder that the catalog's paths are relative to.
    limits : Limits, optional
    api_key : str, optional
        Key that /v1 requires in the header X-API-Key.
    allowed_hosts : sequence of str
        Accepted values of the header Host; others are refused.
    pipeline_catalog : Path, optional
        See `ModelStore`.

    Returns
    -------
    FastAPI

    Raises
    ------
    OstinatoError
        If the key is empty or cannot be sent in a header.
    """
    limits, api_key = limits or Limits(), check_api_key(api_key)
    store = ModelStore(releases, catalog, pipeline_catalog)
    work = Limiter(limits.workers, limits.waiting, lambda: _return_memory(store))
    room = Room(limits.max_upload_bytes)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweep()
        store.models(), store.catalog(), store.placement_model()
        yield
        work.close()
        room.close()

    app = FastAPI(
        title="ostinato",
        version="1",
        description="Genres, tags and recommendations by the released models.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    metrics = Metrics(work, store)
    _open_routes(app, store, metrics)
    _keyed_routes(app, _Handlers(store, work, limits, sounds, room), api_key)
    app.router.default = StaticFiles(directory=PAGE, html=True)  # a mount would hide other methods of a route
    app.add_exception_handler(Overloaded, _handle_overload)
    app.add_exception_handler(SenderGone, _handle_disconnect)
    app.add_exception_handler(OstinatoError, _handle_error)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)
    app.add_middleware(BoundedHead)
    app.add_middleware(SameOrigin)  # later middleware runs first
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False)
    app.add_middleware(SecureHeaders)
    app.add_middleware(Watch, metrics=metrics)
    return app


@dataclass(frozen=True)
class _Handlers:
    """State shared by the routes."""

    store: ModelStore
    work: Limiter
    limits: Limits
    sounds: Path
    room: Room

    async def models(self, task: str) -> dict[str, Opened]:
        """Return the requested models; releases are opened off the event loop."""
        opened = await self.work.run(self.store.models)
        if not opened:
            raise HTTPException(
                503, "no model is released; run `dvc repro` and `ostinato release`, or serve --model musicnn"
            )
        if task == "all":
            return opened
        if task not in opened:
            raise HTTPException(404, f"no model is released for {task!r}; choose from {', '.join(opened)}")
        return {task: opened[task]}

    async def of_catalog(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function with the catalog."""
        async with self.work.place():
            catalog = await self.work.run(self.store.catalog)
            if catalog is None or not len(catalog):
                raise HTTPException(503, await self.work.run(self.store.explain_no_catalog))
            return await self.work.run(function, catalog, *arguments)

    async def parse_request(self, request: Request) -> RecommendationRequest:
        """Parse a recommendation request, after the key was checked."""
        body = await whole(request, MAX_REQUEST_BYTES, self.limits.upload_seconds)
        try:
            return RecommendationRequest.model_validate_json(body)
        except ValidationError as error:
            problems = error.errors(include_input=False)
            raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in problems]) from None

    async def predict(self, request: Request, name: str, task: str, over_time: bool, embedding: bool) -> Predictions:
        """Receive a file and score it; it is queued once received."""
        self.work.check()
        max_bytes, seconds = self.limits.max_bytes, self.limits.upload_seconds
        async with receive(request, name, max_bytes, seconds, self.room) as path, self.work.place():
            models, budget = await self.models(task), Budget(self.limits.work_seconds)
            space_model = await self.work.run(self.store.placement_model) if embedding else None
            arguments = path, models, space_model, over_time, budget
            result = await self.work.run_for(request, budget, self._score, *arguments)
        return Predictions(name=name, **result)

    def _score(
        self, path: Path, models: dict[str, Opened], space_model: Opened | None, over_time: bool, budget: Budget
    ) -> dict[str, Any]:
        """Decode a file once, score it, and embed it in the catalog's space."""
        limits, predictions = self.limits, []
        try:
            released = [m.released for m in (*models.values(), *([space_model] if space_model else []))]
            rates = {rate for model in released for rate in model.rates}
            context, measurement = decode_and_measure(
                path, rates, check=budget.check, max_seconds=limits.max_seconds, max_samples=limits.max_samples
            )
            for model in models.values():
                budget.check()
                predictions.append(answer_track(path, model.released, context, measurement, over_time=over_time))
            budget.check()
        except SenderGone:
            raise
        except OstinatoError as error:
            raise HTTPException(422, _refusal(path, error)) from error
        except Exception as error:  # whatever a file contains, the error blames the file
            log.exception("a file cannot be processed")
            raise HTTPException(422, f"cannot be processed ({type(error).__name__}); send another file") from error
        pairs = zip(models.values(), predictions, strict=True)
        result: dict[str, Any] = {"predictions": [Prediction(version=m.version, **a) for m, a in pairs]}
        if space_model is None:
            return result
        rows = space_model.released.compute_inputs(context)
        vector = space_model.released.embedding(rows)
        result["reasons"] = explain_sound(space_model.released, measurement, rows)
        result |= {"embedding": np.round(vector.astype(np.float64), 7).tolist(), "version": space_model.version}
        catalog = self.store.catalog()
        return result | {"place": library.place(catalog, vector, space_model.version)} if catalog else result


def _return_memory(store: ModelStore) -> None:
    """Release the memory of requests to the system."""
    space_model = store.placement_model()
    for model in (*store.models().values(), *([space_model] if space_model else [])):
        model.released.shrink()
    return_freed()


def _refusal(path: Path, error: OstinatoError) -> str:
    """Return the error in a file, worded for the sender of an upload."""
    return re.sub(r"; (replace|delete) [^;]*$", "; send another file", str(error).removeprefix(f"{path}: "))


def _open_routes(app: FastAPI, store: ModelStore, metrics: Metrics) -> None:
    """Add the routes that need no key."""

    @app.get("/healthz", responses={503: {"model": Health}})
    def health(response: Response) -> Health:
        """Return whether a model is in service."""
        models, catalog = len(store.models()), store.catalog()
        response.status_code = 200 if models else 503
        return Health(status="ok" if models else "no model is released", models=models, catalog=len(catalog or ()))

    @app.get("/metrics", include_in_schema=False)
    def metrics_page() -> Response:
        """Return the counters for Prometheus."""
        return metrics.response()


def _keyed_routes(app: FastAPI, handlers: _Handlers, api_key: str | None) -> None:
    """Add the routes that need the key."""

    async def check_key(x_api_key: Annotated[str | None, Header()] = None) -> None:
        if api_key is not None and not hmac.compare_digest((x_api_key or "").encode(), api_key.encode()):
            raise HTTPException(401, "send the API key in the header X-API-Key")

    guarded: dict[str, Any] = {"dependencies": [Depends(check_key)]}

    def with_problems(*codes: int) -> dict[str, Any]:
        return {**guarded, "responses": {c: PROBLEMS[c] for c in (401, 403, 414, 431, *codes)}}

    @app.post(
        "/v1/predict",
        **with_problems(400, 404, 408, 413, 415, 422, 503),
        response_model_exclude_none=True,
        openapi_extra={"requestBody": AUDIO_BODY},
    )
    async def predict(
        request: Request,
        name: Annotated[str, Query(max_length=255, description="the file's name; its suffix helps to decode")] = "",
        task: Annotated[str, Query(description="genre, tags, or all released")] = "all",
        over_time: Annotated[bool, Query(description="also return the scores of each chunk")] = False,
        embedding: Annotated[bool, Query(description="also return the vector for /v1/recommend")] = False,
    ) -> Predictions:
        """Return predictions of the released models for the audio file in the body."""
        return await handlers.predict(request, name, task, over_time, embedding)

    @app.post("/v1/recommend", **with_problems(400, 408, 413, 422, 503), openapi_extra={"requestBody": REQUEST_BODY})
    async def recommend(request: Request) -> Recommendations:
        """Recommend tracks of the catalog."""
        return await handlers.of_catalog(library.near, await handlers.parse_request(request))

    @app.get("/v1/models", **with_problems(503))
    async def models() -> Models:
        """List the models in service."""
        async with handlers.work.place():
            released = await handlers.work.run(handlers.store.models)
        return Models(models=[_describe(m) for m in released.values()], errors=handlers.store.errors())

    @app.get("/v1/tracks", **with_problems(422, 503), response_model_exclude_none=True)
    async def tracks(
        search: Annotated[str, Query(max_length=200)] = "",
        start: Annotated[int, Query(ge=0, le=10**9)] = 0,
        n: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> Tracks:
        """List the catalog."""
        return await handlers.of_catalog(library.list_tracks, search, start, n)

    @app.get("/v1/map", **with_problems(422, 503), response_model_exclude_none=True)
    async def map_page() -> Map:
        """Project the catalog onto the two directions of largest variance."""
        return await handlers.of_catalog(library.make_map)

    @app.get("/v1/audio", **with_problems(404, 422, 503), response_class=FileResponse)
    async def audio_page(track: Annotated[str, Query(max_length=1000)]) -> FileResponse:
        """Return the audio of a track; supports the header Range."""
        return FileResponse(await handlers.of_catalog(library.sound, track, handlers.sounds))


def _describe(model: Opened) -> Model:
    metadata = model.released.metadata
    return Model(
        task=model.released.task,
        name=model.released.name,
        version=model.version,
        kind=model.released.kind,
        classes=list(model.released.classes),
        embedded=model.released.embedded,
        metrics=metadata.get("metrics", {}),
    )


async def _handle_overload(_: Request, __: Exception) -> JSONResponse:
    text = "the service is busy; try again in a moment"
    return JSONResponse({"detail": text}, 503, headers={"Retry-After": "1"})


async def _handle_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nginx's code for a client that closed the connection


async def _handle_invalid_request(_: Request, error: Exception) -> JSONResponse:
    """Return what is wrong with a request, without its contents."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    messages = [f"{'.'.join(map(str, p['loc']))}: {simplify_message(p)}"[:MAX_REASON] for p in problems[:MAX_REASONS]]
    return JSONResponse({"detail": "; ".join(messages) + "; see /openapi.json"}, 422)


async def _handle_error(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503)
