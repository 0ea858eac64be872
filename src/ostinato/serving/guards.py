"""Guards of the service: API key, host names and origins.

A browser sends requests on behalf of any page. Two checks keep foreign pages out: the
header Host must be a name of the service, which prevents DNS rebinding, and requests
from pages of another origin are refused (Fetch Metadata,
https://www.w3.org/TR/fetch-metadata; Origin, RFC 6454).
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostinato.errors import OstinatoError

KEY = "OSTINATO_API_KEY"
MIN_KEY_LENGTH = 16
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
NAME = re.compile(r"\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")
NEW_KEY = 'make one with python -c "import secrets; print(secrets.token_urlsafe(32))"'
DEFAULT_PORTS = {"http": 80, "https": 443}
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def check_api_key(api_key: str | None) -> str | None:
    """Return the key, if a header can carry it and it is hard to guess.

    Parameters
    ----------
    api_key : str or None
        None: /v1 requires no key.

    Raises
    ------
    OstinatoError
        If it is empty, short, or has spaces or characters beyond ASCII.
    """
    if api_key is None:
        return None
    if not api_key:
        raise OstinatoError(f"{KEY} is empty; {NEW_KEY}, or unset {KEY} to require no key")
    if not re.fullmatch(r"[!-~]+", api_key):
        raise OstinatoError(
            f"{KEY} has spaces, line breaks or characters beyond ASCII, which a header cannot carry; {NEW_KEY}"
        )
    if len(api_key) < MIN_KEY_LENGTH:
        raise OstinatoError(f"{KEY} has {len(api_key)} characters; use at least {MIN_KEY_LENGTH}: {NEW_KEY}")
    return api_key


def check_exposure(host: str, api_key: str | None, *, allow_anonymous: bool) -> None:
    """Refuse to listen on an address that other machines reach without a key, unless allowed.

    Parameters
    ----------
    host : str
        The address to listen on.
    api_key : str or None
    allow_anonymous : bool

    Raises
    ------
    OstinatoError
        If other machines reach `host`, there is no key, and `allow_anonymous` is false.
    """
    if api_key is None and not allow_anonymous and not is_loopback(host):
        raise OstinatoError(
            f"{host or 'every address'}: other machines can reach it, and there is no API key; set {KEY} ({NEW_KEY}), "
            "or allow requests without a key with --allow-anonymous (serve.allow_anonymous of params.yaml)"
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address or a name.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    if not host:
        return False
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:  # unknown name: listening on it fails with an error, too
        return False
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)


def list_names(host: str, allowed_hosts: Iterable[str]) -> list[str]:
    """List the accepted values of the header Host.

    Parameters
    ----------
    host : str
        The address to listen on; if other machines reach it, it is accepted, and so is the machine's name.
    allowed_hosts : iterable of str
        Further names without scheme and port, ``*.example.org`` for subdomains, ``*`` for any.

    Raises
    ------
    OstinatoError
        If a name is not a host name.

    Examples
    --------
    >>> list_names("127.0.0.1", ["music.example.org"])
    ['localhost', '127.0.0.1', '[::1]', 'music.example.org']
    """
    invalid = [name for name in allowed_hosts if not NAME.fullmatch(name)]
    if invalid:
        raise OstinatoError(
            f"serve.allowed_hosts, --allowed-host: {invalid[0]!r} is not a host name; "
            "write it without scheme, port and path, such as music.example.org, 192.168.1.5 or [fd00::5]"
        )
    local_names = [] if is_loopback(host) else [f"[{host}]" if ":" in host else host, socket.gethostname().lower()]
    return list(dict.fromkeys(filter(None, [*LOCAL_NAMES, *local_names, *allowed_hosts])))


class SameOrigin:
    """Refuses requests from pages of other origins, except links to the page itself.

    Programs other than browsers send neither header and pass.

    Parameters
    ----------
    app : ASGIApp
        The wrapped application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not is_same_origin(scope):
            detail = "pages of other origins may not use this service; open its own page"
            await JSONResponse({"detail": detail}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_same_origin(scope: Scope) -> bool:
    """Return whether a request comes from the service's own page, from a program, or by a link to the page."""
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None:
        return origin is None or _names_host(origin, headers.get("host", ""))
    if site in ("same-origin", "none"):
        return True
    is_page = scope["method"] in ("GET", "HEAD") and scope["path"] in ("/", "/index.html")
    return is_page and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _names_host(origin: str, host: str) -> bool:
    """Return whether an origin such as ``https://music.example.org`` is the host of a request."""
    try:
        page, service = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS[page.scheme]
        return page.hostname == service.hostname and (page.port or default) == (service.port or default)
    except (KeyError, ValueError):  # "null", or no origin at all
        return False


class SecureHeaders:
    """Adds security headers to each response: only the page's own scripts, no use by other origins.

    Parameters
    ----------
    app : ASGIApp
        The wrapped application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
