"""The web service of MusicBrainz: one request a second, and every answer cached on disk.

The rules are those of https://musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting, the answers those of
https://musicbrainz.org/doc/MusicBrainz_API with ``fmt=json``.
"""

import http.client
import json
import logging
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlencode

from ostinato.errors import DataError, OstinatoError
from ostinato.io.locks import exclusive
from ostinato.io.user_cache import open_user_cache
from ostinato.origins.query import Answer, Query

URL = "https://musicbrainz.org/ws/2"
PAUSE = 1.0
"""Seconds from the end of a request to the next."""
ATTEMPTS = 6
TIMEOUT = 60
PATIENCE = 600
"""Longest pause that a server may ask for, in seconds."""
BUSY = (429, 500, 502, 503, 504)
NOT_FOUND, WRONG_FORM = 404, 400
PAGE, MAX_ERROR = 100, 10_000
"""Entities of a page; bytes that are read of an error."""
CONTACT = re.compile(r"[!-~]+@[!-~]+|https?://[!-~]+")
MEND = "check the connection and run again: what was answered is kept, and nothing is asked twice"

log = logging.getLogger(__name__)


@contextmanager
def open_web_service(contact: str, url: str | None = None) -> Iterator["WebService"]:
    """Open the service with this user's cache, ``$XDG_CACHE_HOME/ostinato/musicbrainz``, for one process at a time.

    Parameters
    ----------
    contact, url
        As for `WebService`.

    Yields
    ------
    WebService

    Raises
    ------
    OstinatoError
        If there is no folder for the cache, the cache is damaged, or another process asks the service.
    """
    from ostinato import __version__

    try:
        folder = open_user_cache("musicbrainz")
    except (RuntimeError, OSError) as error:
        raise OstinatoError(
            f"answers need a folder ({error}); set XDG_CACHE_HOME to one that can be written to"
        ) from error
    file = folder / "answers.sqlite"
    with exclusive(folder / "fill.lock"):
        try:
            service = WebService(contact, __version__, file, url or URL)
            with closing(service.cache):
                yield service
        except sqlite3.Error as error:
            raise DataError(f"{file}: is damaged or cannot be written ({error}); delete it and run again") from error


class WebService:
    """MusicBrainz, or a mirror of it, over HTTP.

    Parameters
    ----------
    contact : str
        An e-mail address or a web page at which the operators of the service can reach the user.
    version : str
        Of this program.
    cache : Path
        An SQLite file with all earlier answers, created if missing.
    url : str

    Raises
    ------
    DataError
        If the contact or the server is not an address.
    """

    def __init__(self, contact: str, version: str, cache: Path, url: str = URL) -> None:
        if not CONTACT.fullmatch(contact):
            raise DataError(f"contact {contact!r}: is not an e-mail address or web page, such as me@example.org")
        if not re.match(r"https?://[!-~]+$", url):
            raise DataError(f"server {url!r}: is not a web address, such as {URL}")
        self.headers = {"User-Agent": f"ostinato/{version} ( {contact} )", "Accept": "application/json"}
        self.url, self.n_requests = url.rstrip("/"), 0
        self.next_time = time.monotonic() + PAUSE  # the run before may have ended just now
        self.cache = sqlite3.connect(cache)
        self.cache.execute("CREATE TABLE IF NOT EXISTS answers (address TEXT PRIMARY KEY, answer TEXT NOT NULL)")

    def prepare(self, queries: list[Query]) -> None:
        """Do nothing: each query is sent when its answer is needed."""

    def find_artist(self, mbid: str) -> Answer:
        """Look up an artist; empty if there is none with this MBID."""
        return self._read(f"artist/{mbid}")

    def find_artists(self, query: Query) -> list[Answer]:
        """Search for artists by name."""
        answer = self._read("artist", query=f"artist:{_quote(query.artist)}", limit=PAGE)
        return list(answer.get("artists", ()))

    def find_recordings(self, query: Query) -> list[Answer]:
        """Look up the recordings of an ISRC."""
        return list(self._read(f"isrc/{query.isrc}", inc="artist-credits").get("recordings", ()))

    def find_albums(self, query: Query) -> list[Answer]:
        """Search for release groups by title, and by the MBID of the artist, or else the name."""
        name = _quote(query.artist)
        by = f"arid:{query.mbid}" if query.mbid else f"(artist:{name} OR artistname:{name})"
        answer = self._read("release-group", query=f"releasegroup:{_quote(query.album)} AND {by}", limit=PAGE)
        return list(answer.get("release-groups", ()))

    def list_albums(self, mbid: str) -> list[Answer]:
        """List all release groups of an artist."""
        albums: list[Answer] = []
        while True:
            answer = self._read("release-group", artist=mbid, limit=PAGE, offset=len(albums))
            page = answer.get("release-groups", [])
            albums += page
            if not page or len(albums) >= answer.get("release-group-count", 0):
                return albums

    def _read(self, path: str, **query: str | int) -> Answer:
        """Return the answer to a request, from the cache if it was sent before."""
        address = f"{self.url}/{path}?{urlencode({**query, 'fmt': 'json'})}"
        row = self.cache.execute("SELECT answer FROM answers WHERE address = ?", (address,)).fetchone()
        if row is not None:
            return dict(json.loads(row[0]))
        content = self._request(address, (NOT_FOUND, WRONG_FORM) if "/" in path else (WRONG_FORM,))
        answer = _parse(content)
        if answer is None or "error" in answer:
            raise OstinatoError(f"{address}: the answer is not that of MusicBrainz: {content[:80]!r}; check --server")
        with self.cache:
            self.cache.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (address, json.dumps(answer)))
        return answer

    def _request(self, address: str, absent: tuple[int, ...]) -> bytes:
        """Send a request, again after a pause as long as the server is busy or does not answer.

        Parameters
        ----------
        address : str
        absent : tuple of int
            Status with which MusicBrainz says that it has nothing; then the answer is an empty object.
        """
        reason = ""
        for attempt in range(ATTEMPTS):
            time.sleep(max(self.next_time - time.monotonic(), 0))
            pause = 2.0**attempt
            self.n_requests += 1
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(address, headers=self.headers), timeout=TIMEOUT
                ) as r:
                    content = bytes(r.read())
                self.next_time = time.monotonic() + PAUSE
                return content
            except urllib.error.HTTPError as error:
                content = _read_start(error)
                if error.code in absent and "error" in (_parse(content) or ()):
                    self.next_time = time.monotonic() + PAUSE
                    return b"{}"
                reason = f"{error.code} {error.reason}: {content[:200].decode(errors='replace')}"
                if error.code not in BUSY:
                    raise OstinatoError(
                        f"{address}: the server refuses to answer: {reason}; check --server and --contact"
                    ) from error
                pause = max(pause, read_retry_after(error.headers.get("Retry-After")))
            except (OSError, http.client.HTTPException) as error:
                reason = str(error)
            if pause > PATIENCE:
                raise OstinatoError(f"{self.url}: asks for a pause of {pause:.0f} s; run again after that")
            self.next_time = time.monotonic() + max(pause, PAUSE)
            log.warning("%s: no answer (%s); attempt %d of %d", self.url, reason, attempt + 1, ATTEMPTS)
        raise OstinatoError(f"{self.url}: does not answer after {ATTEMPTS} attempts ({reason}); {MEND}")


def read_retry_after(value: str | None) -> float:
    """Return the seconds that a header Retry-After asks for, as a number or a date; 0 without one.

    Examples
    --------
    >>> read_retry_after("7"), read_retry_after(None), read_retry_after("Mon, 01 Jan 2001 00:00:00 GMT")
    (7.0, 0.0, 0.0)
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((date - datetime.now(UTC)).total_seconds(), 0.0)


def _parse(content: bytes) -> Answer | None:
    """Read a JSON object; None if it is something else."""
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _read_start(error: urllib.error.HTTPError) -> bytes:
    """Return the start of what came with an error; empty if the connection breaks."""
    with error, suppress(OSError, http.client.HTTPException):
        return error.read(MAX_ERROR)
    return b""


def _quote(text: str | None) -> str:
    """Quote a phrase for a search."""
    phrase = re.sub(r'([\\"])', r"\\\1", text or "")
    return f'"{phrase}"'
