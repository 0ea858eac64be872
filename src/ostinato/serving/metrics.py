"""Counters of the service, for Prometheus."""

import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ostinato.serving.shelf import Shelf
from ostinato.serving.work import Work

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics:
    """What is counted, in a registry of its own.

    Parameters
    ----------
    work : Work
    shelf : Shelf
    """

    def __init__(self, work: Work, shelf: Shelf) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("ostinato_requests", "Requests answered", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "ostinato_request_seconds", "Time to answer", labels, registry=self.registry, buckets=SECONDS
        )
        pending = Gauge("ostinato_pending", "Requests worked on or waiting", registry=self.registry)
        pending.set_function(lambda: work.pending)
        models = Gauge("ostinato_models", "Models in service", registry=self.registry)
        models.set_function(lambda: len(shelf.models()))
        failed = Gauge("ostinato_release_errors", "Releases that cannot be opened", registry=self.registry)
        failed.set_function(lambda: len(shelf.errors()))

    async def watch(self, request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        """Time a request and count its answer; requests for no route are counted together."""
        begin, status = time.perf_counter(), 500
        try:
            response = await call(request)
            status = response.status_code
            return response
        finally:
            route = getattr(request.scope.get("route"), "path", "none")
            method = request.method if request.method in METHODS else "other"  # a label's values stay few
            self.requests.labels(method, route, status).inc()
            self.seconds.labels(method, route).observe(time.perf_counter() - begin)

    def response(self) -> Response:
        """Give all of it in Prometheus' text."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
