"""HTTP within bounds: number of connections, and time to send a request and to read a response.

uvicorn parses by h11, which bounds the bytes of a request's head, of trailers and of
chunk headers; httptools does not. This module bounds what uvicorn does not: heads
that never end, responses that nobody reads, and the number of connections.
"""

import asyncio
import ctypes
import socket
import struct
import sys
from typing import ClassVar

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.h11_impl import H11Protocol

from ostinato.errors import OstinatoError

MAX_HEAD_BYTES = 32_768
MAX_URL_BYTES = 16_384
MAX_HEADERS = 100
GRACE_SECONDS = 30
SO_ATTACH_FILTER = 26
"""The same on all processors that Linux runs on but SPARC and PA-RISC."""
DROP_NEW = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
"""A socket filter: load the flags of TCP, mask SYN and ACK, drop the packet if SYN alone is set, else keep it."""


class BoundedProtocol(H11Protocol):
    """A connection that is closed if its client is too slow, or if there are too many.

    Above the maximum, the connection that has waited longest for the rest of a request
    is closed for a new one; those with a response under way stay.
    """

    MAX_CONNECTIONS: ClassVar[int] = 512
    HEAD_SECONDS: ClassVar[float] = 10.0
    """Time limit from connecting, or from the first byte of a request, to the end of its head."""
    SEND_SECONDS: ClassVar[float] = 30.0
    """Time limit for the client to read each buffer."""
    FIRST_SECONDS: ClassVar[float] = 2.0
    """Time limit for the first request of a connection once the service stops."""

    _begin, _is_last = 0.0, False
    _timers: dict[str, asyncio.TimerHandle]

    @property
    def _is_asking(self) -> bool:
        """Whether no request with a complete head is in progress."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _waits(self) -> bool:
        """Whether part of a request is still missing."""
        return self._is_asking or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; if there are too many, close a waiting one."""
        super().connection_made(transport)
        self._begin, self._timers = self.loop.time(), {}
        if len(self.connections) > self.MAX_CONNECTIONS:
            waiting = [c for c in self.connections if isinstance(c, BoundedProtocol) and c is not self and c._waits]
            oldest = min(waiting, key=lambda c: (not c._is_asking, c._begin), default=self)
            self.connections.discard(oldest)
            oldest.transport.abort()
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release a connection and its timers."""
        super().connection_lost(exc)
        for name in list(self._timers):
            self._cancel(name)

    def data_received(self, data: bytes) -> None:
        """Read data; the time limit of a head does not restart with each byte."""
        super().data_received(data)
        self._limit_head()

    def shutdown(self) -> None:
        """Close the connection after its request; a new one may still send its first, which nobody would repeat."""
        if self.cycle is None and not self._is_last:
            self._is_last = True
            self._timers["first"] = self.loop.call_later(self.FIRST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless the service stops."""
        super().on_response_complete()
        if self._is_last:
            super().shutdown()

    def pause_writing(self) -> None:
        """Pause until the client reads, up to `SEND_SECONDS`."""
        super().pause_writing()
        self._abort_after("send", self.SEND_SECONDS)

    def resume_writing(self) -> None:
        """Resume sending."""
        super().resume_writing()
        self._cancel("send")

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not the client has read everything."""
        super().timeout_keep_alive_handler()
        self._abort_after("send", self.SEND_SECONDS)

    def _limit_head(self) -> None:
        if not self._is_asking:
            self._cancel("head")
        elif "head" not in self._timers and not self.transport.is_closing():
            self._begin = self.loop.time()
            self._abort_after("head", self.HEAD_SECONDS)

    def _abort_after(self, name: str, seconds: float) -> None:
        """Close the connection after a delay, unless cancelled."""
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


class Server(uvicorn.Server):
    """A server that answers on every connection that was made before it stopped."""

    SETTLE_SECONDS = 0.3
    """Time for connections that are under way to be accepted."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, accept those that the system has queued, then stop.

        Parameters
        ----------
        sockets : list of socket.socket
            Those that it listens on.
        """
        for listening in sockets or []:
            _drop_new_connections(listening)
        await asyncio.sleep(self.SETTLE_SECONDS)
        await super().shutdown(sockets)


def _drop_new_connections(listening: socket.socket) -> None:
    """Drop the first packets of new connections, where the system is Linux.

    A connection that is made after the last call of accept, and before the socket is closed, is reset with the
    request in it. Whoever sends a packet that is dropped sends it again, and is then refused, so that a proxy
    takes another instance.

    References
    ----------
    https://docs.kernel.org/networking/filter.html
    """
    if sys.platform == "linux":
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in DROP_NEW)
        instructions = ctypes.create_string_buffer(program)
        listening.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(DROP_NEW), ctypes.addressof(instructions))
        )


class BoundedHead:
    """Refuses long URLs and heads with a message; h11 lets through long heads that arrive in one piece.

    Parameters
    ----------
    app : ASGIApp
        The wrapped application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        refusal = _explain_head(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)


def _explain_head(scope: Scope) -> tuple[int, str] | None:
    """Return status and message for a head that is too long; None within bounds."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        return 414, f"the URL is longer than {MAX_URL_BYTES} bytes; send less in it"
    n_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
    if n_bytes > MAX_HEAD_BYTES or len(scope["headers"]) > MAX_HEADERS:
        return 431, f"the headers exceed {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} lines; send fewer"
    return None


def make_config(
    app: FastAPI, host: str, port: int, max_connections: int | None = None, *, own_logs: bool = True
) -> uvicorn.Config:
    """Create uvicorn's configuration: HTTP by `BoundedProtocol`, no WebSockets, no server header.

    Parameters
    ----------
    app : FastAPI
    host, port : str, int
    max_connections : int, optional
        Default: `BoundedProtocol.MAX_CONNECTIONS`.
    own_logs : bool
        Whether uvicorn sets up handlers for its logs; else they go to those of this process.
    """
    maximum = BoundedProtocol.MAX_CONNECTIONS if max_connections is None else max_connections
    return uvicorn.Config(
        app,
        host,
        port,
        http=type("Protocol", (BoundedProtocol,), {"MAX_CONNECTIONS": maximum}),
        ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        log_config=LOGGING_CONFIG if own_logs else None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def bind(config: uvicorn.Config) -> tuple[socket.socket, str]:
    """Bind the address of a configuration, so that one in use is an error before anything is served.

    Parameters
    ----------
    config : uvicorn.Config
        Port 0 takes any free port.

    Returns
    -------
    socket.socket
        For `Server.run`.
    str
        URL.

    Raises
    ------
    OstinatoError
        If it cannot listen on the address.
    """
    try:
        bound = config.bind_socket()
        bound.listen(config.backlog)
    except SystemExit as error:
        address = f"{config.host}:{config.port}"
        raise OstinatoError(f"{address}: cannot listen on this address; choose another with --port") from error
    host = f"[{config.host}]" if ":" in config.host else config.host
    return bound, f"http://{host}:{bound.getsockname()[1]}/"
