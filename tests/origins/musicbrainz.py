"""A small MusicBrainz: a local server with answers of the form of the web service, and the same data as dumps.

Artists are those of published answers of MusicBrainz (CC0); identifiers of works, and the alias, are made up.
"""

import io
import json
import re
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

RADIOHEAD = "a74b1b7f-71a5-4011-9441-d0b5e4122711"
DEPECHE_MODE = "8538e728-ca0b-4321-b7e5-cff6565dd4c0"
COLDPLAY = "cc197bad-dc9c-440d-a5b5-d52ba2e14234"
METALLICA = "65f4f0c5-ef9e-490c-aee3-909e7ae6b2ab"
NIRVANA = "5b11f4ce-a62d-471e-81fc-a69a8278c7da"
NIRVANA_UK = "9282c8b4-ca0b-4c6b-b7e3-4f7762dfc4d6"
UK, US = ("United Kingdom", "GB"), ("United States", "US")


def make_artist(mbid, name, country, begin_area, begin, disambiguation=""):
    """Return an artist as a lookup answers."""
    area = {"id": "area", "name": country[0], "sort-name": country[0], "iso-3166-1-codes": [country[1]], "type": None}
    place = begin_area and {"id": "place", "name": begin_area, "sort-name": begin_area, "type": None}
    span = {"begin": begin, "end": None, "ended": False}
    return {
        "id": mbid, "name": name, "sort-name": name, "type": "Group", "gender": None, "country": country[1],
        "area": area, "begin-area": place, "end-area": None, "life-span": span, "disambiguation": disambiguation,
        "ipis": [], "isnis": [],
    }  # fmt: skip


ARTISTS = {
    artist["id"]: artist
    for artist in (
        make_artist(RADIOHEAD, "Radiohead", UK, "Abingdon-on-Thames", "1991"),
        make_artist(DEPECHE_MODE, "Depeche Mode", UK, "Basildon", "1980"),
        make_artist(COLDPLAY, "Coldplay", UK, None, "1996-09"),
        make_artist(METALLICA, "Metallica", US, "Los Angeles", "1981-10-28"),
        make_artist(NIRVANA, "Nirvana", US, "Aberdeen", "1987", "1980s~1990s US grunge band"),
        make_artist(NIRVANA_UK, "Nirvana", UK, "London", "1967", "60s band from the UK"),
    )
}
ARTISTS[RADIOHEAD]["aliases"] = [{"name": "The Paranoids", "sort-name": "Paranoids, The", "type": "Search hint"}]


def make_work(work, title, date, *mbids, **more):
    """Return a release group or recording with its artists."""
    names = [ARTISTS[mbid]["name"] for mbid in mbids]
    short = [{k: ARTISTS[mbid][k] for k in ("id", "name", "sort-name", "disambiguation")} for mbid in mbids]
    credits = [{"name": n, "joinphrase": "", "artist": artist} for n, artist in zip(names, short, strict=True)]
    return {"id": work, "title": title, "first-release-date": date, "artist-credit": credits, **more}


ALBUMS = [
    make_work("album-1", "OK Computer", "1997-05-21", RADIOHEAD),
    make_work("album-2", "Pablo Honey", "1993-02-22", RADIOHEAD),
    make_work("album-3", "Kid A", "", RADIOHEAD),
    make_work("album-4", "Nevermind", "1991-09-24", NIRVANA),
    make_work("album-5", "Greatest Hits", "2002", NIRVANA),
    make_work("album-6", "Greatest Hits", "1999", NIRVANA_UK),
    make_work("album-7", "Greatest Hits", "2001", DEPECHE_MODE),
    make_work("album-8", "Metallica", "1991-08-12", METALLICA),
]
RECORDINGS = [
    make_work("recording-1", "Karma Police", "1997-05-21", RADIOHEAD, isrcs=["GBAYE9701274"]),
    make_work("recording-2", "Karma Police", "1997-06-01", RADIOHEAD, isrcs=["GBAYE9701274"]),
    make_work("recording-3", "One", "1988-08-25", METALLICA, COLDPLAY, isrcs=["USEE10001993"]),
]


def answer(path, query):
    """Answer a request; None if the service has nothing."""
    entity, _, name = path.partition("/")
    if entity == "artist" and name:
        return ARTISTS.get(name)
    if entity == "isrc":
        works = [{k: v for k, v in work.items() if k != "isrcs"} for work in RECORDINGS if name in work["isrcs"]]
        return {"isrc": name, "recordings": works} if works else None
    if "artist" in query:
        start, n = int(query["offset"]), 2  # a small page, as the service may send
        works = [w for w in ALBUMS if query["artist"] in [c["artist"]["id"] for c in w["artist-credit"]]]
        page = [{k: v for k, v in work.items() if k != "artist-credit"} for work in works[start : start + n]]
        return {"release-group-count": len(works), "release-group-offset": start, "release-groups": page}
    text = query["query"]
    phrase = re.search(r':"((?:[^"\\]|\\.)*)"', text)[1].lower()
    things, key = (ARTISTS.values(), "name") if entity == "artist" else (ALBUMS, "title")
    hits = [{**thing, "score": 100} for thing in things if phrase in (thing[key] + str(thing.get("aliases"))).lower()]
    if (arid := re.search(r"arid:(\S+)", text)) is not None:
        hits = [hit for hit in hits if arid[1] in [c["artist"]["id"] for c in hit["artist-credit"]]]
    return {"created": "2026-01-01T00:00:00.000Z", "count": len(hits), "offset": 0, f"{entity}s": hits}


class Server:
    """A running server: its address, the requests that it got, and answers to give instead of its own."""

    def __init__(self):
        self.requests, self.agents, self.instead = [], [], []
        self.gate = None

    def handle(self, request):
        """Answer a request."""
        parts = urlsplit(request.path)
        self.requests.append(request.path)
        self.agents.append(request.headers["User-Agent"])
        if self.gate is not None:
            self.gate(request.path)
        if self.instead:
            return self.instead.pop(0)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert query.pop("fmt") == "json"
        value = answer(parts.path.removeprefix("/ws/2/"), query)
        return (200, {}, json.dumps(value)) if value else (404, {}, '{"error":"Not Found"}')


@contextmanager
def serve():
    """Run the server."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, text = server.handle(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/ws/2"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def write_dump(folder):
    """Write the dumps of the same data."""
    entities = {"artist": list(ARTISTS.values()), "release-group": ALBUMS, "recording": RECORDINGS}
    for name, values in entities.items():
        content = "".join(json.dumps(value) + "\n" for value in values).encode()
        with tarfile.open(folder / f"{name}.tar.xz", "w:xz") as archive:
            for path, part in (("COPYING", b"CC0"), (f"mbdump/{name}", content)):
                info = tarfile.TarInfo(path)
                info.size = len(part)
                archive.addfile(info, io.BytesIO(part))
    return folder
