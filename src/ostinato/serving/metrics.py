"""Counters of the service, for Prometheus."""

import logging
import time

from fastapi import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostinato.serving.models import ModelStore
from ostinato.serving.work import Limiter

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
log = logging.getLogger(__name__)
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """Counters of the service, in their own registry.

    Parameters
    ----------
    work : Limiter
    store : ModelStore
    """

    def __init__(self, work: Limiter, store: ModelStore) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("ostinato_requests", "Requests answered", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "ostinato_request_seconds", "Time to answer", labels, registry=self.registry, buckets=SECONDS
        )
        pending = Gauge("ostinato_pending", "Requests worked on or waiting", registry=self.registry)
        pending.set_function(lambda: work.pending)
        models = Gauge("ostinato_models", "Models in service", registry=self.registry)
        models.set_function(lambda: len(store.models()))
        failed = Gauge("ostinato_release_errors", "Releases that cannot be opened", registry=self.registry)
        failed.set_function(lambda: len(store.errors()))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request; those without a route are counted together."""
        route = getattr(scope.get("route"), "path", "none")
        fields = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
        log.info("request", extra={"fields": fields})
        method = scope["method"] if scope["method"] in METHODS else "other"  # bounds the number of label values
        self.requests.labels(method, route, status).inc()
        self.seconds.labels(method, route).observe(seconds)

    def response(self) -> Response:
        """Return all metrics in Prometheus' text format."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class Watch:
    """Middleware that times and counts requests.

    Parameters
    ----------
    app : ASGIApp
        The wrapped application.
    metrics : Metrics
        Counters to update.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            self._metrics.count(scope, status, time.perf_counter() - begin)
