"""What the pages that people answer on share: guards, error responses, the server."""

import hmac
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ostinato.errors import OstinatoError
from ostinato.serving.guards import SameOrigin, SecureHeaders, check_api_key
from ostinato.serving.protocol import BoundedHead, Server, bind, make_config

SHARED = Path(__file__).with_name("page")
Guard: TypeAlias = Any
"""A dependency of routes."""


def create_application(title: str, page: Path, allowed_hosts: Sequence[str]) -> FastAPI:
    """Create an application of one page, behind the guards of the service.

    Parameters
    ----------
    title : str
    page : Path
        Folder of the page; that of the service is at ``/shared``.
    allowed_hosts : sequence of str
        Accepted values of the header Host; others are refused.

    Returns
    -------
    FastAPI
        Without routes; an `OstinatoError` becomes a response with status 422.
    """
    app = FastAPI(title=title, version="1", docs_url=None, redoc_url=None)
    app.mount("/shared", StaticFiles(directory=SHARED))
    app.router.default = StaticFiles(directory=page, html=True)
    app.add_exception_handler(OstinatoError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_middleware(BoundedHead)
    app.add_middleware(SameOrigin)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False)
    app.add_middleware(SecureHeaders)
    return app


def require_key(api_key: str | None) -> Guard:
    """Return the dependency of routes that need the key.

    Parameters
    ----------
    api_key : str or None
        None: every request passes.

    Raises
    ------
    OstinatoError
        If the key is empty or cannot be sent in a header.
    """
    api_key = check_api_key(api_key)

    async def check_key(x_api_key: Annotated[str | None, Header()] = None) -> None:
        if api_key is not None and not hmac.compare_digest((x_api_key or "").encode(), api_key.encode()):
            raise HTTPException(401, "send the API key in the header X-API-Key")

    return Depends(check_key)


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    app : FastAPI
    host : str
    port : int
        0: any free port.

    Raises
    ------
    OstinatoError
        If it cannot listen on the address.
    """
    config = make_config(app, host, port)
    socket, url = bind(config)
    print(url, file=sys.stderr, flush=True)
    Server(config).run([socket])


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    text = str(error) if isinstance(error, OstinatoError) else "the request cannot be used"
    return JSONResponse({"detail": text}, 422)
