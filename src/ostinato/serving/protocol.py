"""HTTP within bounds: how many connections there may be, and how long each may take to ask and to listen.

uvicorn reads by h11, which bounds the bytes of a request's head, of trailers and of
chunk headers; httptools does not. What uvicorn leaves open is closed here: heads
that never end, answers that nobody reads, and connections beyond a number.
"""

import asyncio
from typing import ClassVar

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD_BYTES = 32_768
MAX_URL_BYTES = 16_384
MAX_HEADERS = 100
GRACE_SECONDS = 30


class BoundedProtocol(H11Protocol):
    """A connection that is closed where its other end is too slow, or where there are too many.

    Of too many, the one that has waited longest for the rest of a request makes
    room for a new one; those that are being answered stay.
    """

    MAX_CONNECTIONS: ClassVar[int] = 512
    HEAD_SECONDS: ClassVar[float] = 10.0
    """From the first byte of a request, or from connecting, to the end of its head."""
    SEND_SECONDS: ClassVar[float] = 30.0
    """To take what was sent, a buffer at a time."""

    _begin = 0.0
    _timers: dict[str, asyncio.TimerHandle]

    @property
    def _is_asking(self) -> bool:
        """Whether no request is under way whose head has come."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _waits(self) -> bool:
        """Whether the rest of a request has yet to come."""
        return self._is_asking or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in place of one that only waits if there are too many."""
        super().connection_made(transport)
        self._begin, self._timers = self.loop.time(), {}
        if len(self.connections) > self.MAX_CONNECTIONS:
            waiting = [c for c in self.connections if isinstance(c, BoundedProtocol) and c is not self and c._waits]
            oldest = min(waiting, key=lambda c: (not c._is_asking, c._begin), default=self)
            self.connections.discard(oldest)
            oldest.transport.abort()
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection and its timers."""
        super().connection_lost(exc)
        self._cancel("head")
        self._cancel("send")

    def data_received(self, data: bytes) -> None:
        """Read on; the time for a head does not begin again with each byte."""
        super().data_received(data)
        self._limit_head()

    def pause_writing(self) -> None:
        """Wait for the other end to listen, for a while."""
        super().pause_writing()
        self._abort_after("send", self.SEND_SECONDS)

    def resume_writing(self) -> None:
        """Send on."""
        super().resume_writing()
        self._cancel("send")

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that asks nothing more, whether or not it takes what was sent."""
        super().timeout_keep_alive_handler()
        self._abort_after("send", self.SEND_SECONDS)

    def _limit_head(self) -> None:
        if not self._is_asking:
            self._cancel("head")
        elif "head" not in self._timers and not self.transport.is_closing():
            self._begin = self.loop.time()
            self._abort_after("head", self.HEAD_SECONDS)

    def _abort_after(self, what: str, seconds: float) -> None:
        """Close the connection in a while, unless that is cancelled."""
        if what not in self._timers:
            self._timers[what] = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()


class BoundedHead:
    """Refuses long URLs and heads in words; what h11 reads in one piece may exceed its bound.

    Parameters
    ----------
    app : ASGIApp
        What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = _explain_head(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)


def _explain_head(scope: Scope) -> tuple[int, str] | None:
    """Return the status and what is too long; None for a head within bounds."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return 414, f"the URL is longer than {MAX_URL_BYTES} bytes; send less in it"
    n_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
    if n_bytes > MAX_HEAD_BYTES or len(scope["headers"]) > MAX_HEADERS:
        return 431, f"the headers are more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} lines; send fewer"
    return None


def make_config(app: FastAPI, host: str, port: int, max_connections: int | None = None) -> uvicorn.Config:
    """Make the settings of uvicorn: HTTP by `BoundedProtocol`, no WebSockets, no word of who serves.

    Parameters
    ----------
    app : FastAPI
    host, port : str, int
    max_connections : int, optional
        Default: `BoundedProtocol.MAX_CONNECTIONS`.
    """
    most = BoundedProtocol.MAX_CONNECTIONS if max_connections is None else max_connections
    return uvicorn.Config(
        app,
        host,
        port,
        http=type("Protocol", (BoundedProtocol,), {"MAX_CONNECTIONS": most}),
        ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
