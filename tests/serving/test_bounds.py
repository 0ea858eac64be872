"""What senders may cost: heads, bodies, connections, work; nobody else waits for those who are slow."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from difflib import SequenceMatcher
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from ostinato import audio
from ostinato.inference import streaming
from ostinato.recommendation.catalog import Catalog
from ostinato.serving import protocol, upload, work
from ostinato.serving.app import Limits
from serving.served_project import Served, listen, play

PATIENCE = 10
HALF = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n" + b"\0" * 10_000
HOLD = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from ostinato.serving.upload import Room
room = Room(1)
print(room.folder, flush=True)
sys.stdin.read()
"""
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def service_project(tmp_path):
    project = Served(tmp_path / "served")
    project.catalog()
    return project


@pytest.fixture
def address(service_project):
    with listen(service_project.app) as address:
        yield address


@pytest.fixture
def short_timeouts(monkeypatch):
    monkeypatch.setattr(protocol.BoundedProtocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol.BoundedProtocol, "SEND_SECONDS", 0.3)


def connect(address):
    where = urlsplit(address)
    return socket.create_connection((where.hostname, where.port), timeout=PATIENCE)


def test_a_connection_made_before_the_service_stops_is_answered(service_project):
    with listen(service_project.app) as address:
        connection = connect(address)
        time.sleep(0.2)
        threading.Timer(0.6, connection.sendall, [GET + b"\r\n"]).start()
    assert answer(connection).startswith(b"HTTP/1.1 200")


def answer(connection):
    """Return what comes until the other end closes; one that does not is a TimeoutError."""
    parts = []
    try:
        while part := connection.recv(2**16):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def send_on(connection, part, most):
    """Send a part again and again until the other end closes; gives how many were sent."""
    for n in range(most):
        try:
            connection.sendall(part)
        except OSError:
            return n
    return most


@pytest.mark.parametrize("begin", [b"", b"G", GET, GET + b"\r\nGET /hea", b"POST /v1/predict HTTP/1.1\r\nHost"])
def test_a_head_that_does_not_end_is_cut_off(address, short_timeouts, begin):
    with closing(connect(address)) as connection:
        connection.sendall(begin)
        said = answer(connection)
    assert said.count(b"HTTP/1.1 200") == begin.count(b"\r\n\r\n"), "only heads that ended are answered"


@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nX: ", GET + b"\r\nGET / HTTP/1.1\r\nX: "])
def test_a_byte_now_and_then_does_not_keep_a_head_open(address, short_timeouts, begin):
    def drip():
        while True:
            time.sleep(0.05)
            yield

    with closing(connect(address)) as connection:
        connection.sendall(begin)
        begun = time.monotonic()
        for _ in drip():
            if send_on(connection, b"a", 1) == 0:
                break
            assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize(
    "begin",
    [
        GET,
        b"GET /" + b"a" * 1000,
        b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    ],
    ids=["headers", "one header", "trailers"],
)
def test_a_head_has_an_end(address, begin):
    part = b"" if begin.endswith(b"a") else b"X-Header: " + b"a" * 1000 + b"\r\n"
    with closing(connect(address)) as connection:
        connection.sendall(begin)
        assert send_on(connection, part or b"a" * 1000, 20_000) < 20_000


def test_what_is_too_long_is_refused_in_words(address):
    assert httpx.get(f"{address}v1/tracks", params={"search": "a" * 17_000}).status_code == 414
    many = httpx.get(f"{address}healthz", headers={f"x-{i}": "1" for i in range(200)})
    assert (many.status_code, "lines; send fewer" in many.json()["detail"]) == (431, True)
    assert httpx.get(f"{address}healthz", headers={"x": "1" * 8000}).status_code == 200


@pytest.mark.parametrize("sent", [b"", GET, HALF], ids=["nothing", "half a head", "half a body"])
def test_connections_that_wait_make_room(service_project, tmp_path, sent):
    path = play(tmp_path / "a.wav")
    with listen(service_project.app, max_connections=4) as address:
        slow = [connect(address) for _ in range(12)]
        for connection in slow:
            send_on(connection, sent, 1)
        assert httpx.post(f"{address}v1/predict", content=path.read_bytes()).status_code == 200
        ended = [connection for connection in slow if _is_closed(connection)]
        assert len(ended) >= 8
        for connection in slow:
            connection.close()


def _is_closed(connection):
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_an_answer_that_nobody_takes_is_given_up(service_project, address, short_timeouts):
    (service_project.sounds / "tone 1.wav").write_bytes(bytes(64 * 2**20))
    with closing(connect(address)) as connection:
        connection.sendall(b"GET /v1/audio?track=tone1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        assert len(answer(connection)) < 60 * 2**20


def test_a_place_is_taken_only_once_the_body_is_there(tmp_path):
    served, path = Served(tmp_path, Limits(workers=1, waiting=0)), play(tmp_path / "a.wav")
    with listen(served.app) as address:
        slow = [connect(address) for _ in range(5)]
        for connection in slow:
            connection.sendall(HALF)
        time.sleep(0.2)
        assert httpx.post(f"{address}v1/predict", content=path.read_bytes()).status_code == 200
        for connection in slow:
            connection.close()


def test_a_body_of_which_nothing_comes_is_given_up(address, monkeypatch):
    monkeypatch.setattr(upload, "PART_SECONDS", 0.2)
    with closing(connect(address)) as connection:
        connection.sendall(HALF)
        assert answer(connection).startswith(b"HTTP/1.1 408")


def test_uploads_together_have_so_much_room(tmp_path):
    served = Served(tmp_path, Limits(workers=1, waiting=0, max_bytes=20_000))
    with listen(served.app) as address, closing(connect(address)) as slow:
        slow.sendall(HALF)
        time.sleep(0.2)
        refused = httpx.post(f"{address}v1/predict", content=bytes(15_000))
        assert (refused.status_code, "no room" in refused.json()["detail"]) == (503, True)
        slow.close()
        time.sleep(0.2)
        assert httpx.post(f"{address}v1/predict", content=bytes(15_000)).status_code == 422


def test_work_ends_when_its_sender_has_gone(service_project, address, tmp_path, monkeypatch):
    """The decoder would go on for ten seconds; a request that waits behind it never begins."""
    n_blocks, begun = [0], threading.Event()

    def decode_endlessly(stream, *_):
        begun.set()
        for _ in range(200):
            n_blocks[0] += 1
            time.sleep(0.05)
            yield np.zeros((8000, stream.channels), np.float32)

    path = play(tmp_path / "a.wav")
    body, n_workers = path.read_bytes(), Limits().workers
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with monkeypatch.context() as broken:
        broken.setattr(audio, "limit_blocks", decode_endlessly)
        senders = [connect(address) for _ in range(n_workers + 3)]
        for sender in senders:
            sender.sendall(head + body)
        assert begun.wait(PATIENCE)
        until(lambda: count_pending(address) == len(senders))
        for sender in senders:
            sender.close()
        until(lambda: count_pending(address) == 0)
        assert n_blocks[0] < 100 * n_workers
    assert httpx.post(f"{address}v1/predict", content=body).status_code == 200
    assert 'status="499"' in httpx.get(f"{address}metrics").text


def count_pending(address):
    (line,) = (
        line for line in httpx.get(f"{address}metrics").text.splitlines() if line.startswith("ostinato_pending ")
    )
    return float(line.split()[1])


def until(met):
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_file_that_takes_too_much_of_the_processor_is_refused(tmp_path):
    served = Served(tmp_path, Limits(work_seconds=0))
    with TestClient(served.app) as client:
        refused = client.post("/v1/predict", content=play(tmp_path / "a.wav").read_bytes())
    assert refused.status_code == 422
    assert "of processor time; send a shorter piece" in refused.json()["detail"]


def test_many_samples_are_no_more_held_than_many_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "LONG_SAMPLES", 50_000)
    path = play(tmp_path / "a.wav", 10.0)
    context, _ = streaming.decode_and_measure(path, {8000})
    assert isinstance(context, streaming.LongContext)


def test_memory_goes_back_once_nobody_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "IDLE_SECONDS", 0.1)
    shrunk, returned = [], threading.Event()
    monkeypatch.setattr("ostinato.inference.model.ReleasedModel.shrink", lambda self: shrunk.append(self.task))
    monkeypatch.setattr("ostinato.serving.app.return_freed", returned.set)
    served = Served(tmp_path)
    with TestClient(served.app) as client:
        assert not returned.wait(0.3), "there was no work yet"
        assert client.post("/v1/predict", content=play(tmp_path / "a.wav").read_bytes()).status_code == 200
        assert returned.wait(PATIENCE)
    assert sorted(shrunk) == ["genre", "tags"]


def test_an_unknown_id_is_compared_with_few(monkeypatch):
    n = 20_000
    ids = [f"track {i:06d} of a rather long collection" for i in range(n)]
    vectors = np.random.default_rng(0).standard_normal((n, 4))
    catalog, n_compared = Catalog(ids, vectors, version="0"), []
    ratio = SequenceMatcher.real_quick_ratio
    with monkeypatch.context() as counted:
        counted.setattr(SequenceMatcher, "real_quick_ratio", lambda self: (n_compared.append(1), ratio(self))[1])
        alike = catalog._alike("track 004711 of a rather lung collection")
    assert "track 004711 of a rather long collection" in alike
    assert len(n_compared) <= 2_000
    assert catalog._alike("x" * 5_000) == []


def test_an_id_and_a_refusal_are_short(service_project, address):
    refused = httpx.post(f"{address}v1/recommend", json={"tracks": ["a" * 2_000]})
    assert refused.status_code == 422
    assert "at most 1000 characters" in refused.json()["detail"]
    refused = httpx.post(f"{address}v1/recommend", json={"exclude": [1] * 500_000})
    assert refused.status_code == 422
    assert len(refused.content) < 4_000


def test_what_killed_services_left_is_swept_whatever_their_number_was(tmp_path, monkeypatch):
    """In a container each service is process 1, and one that starts anew finds its own number on what the last left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, left, new = (tmp_path / f"ostinato-upload-{os.getpid()}-{name}" for name in ("old", "left", "new"))
    for folder in (old, left, new):
        (folder / "upload").mkdir(parents=True)
    os.utime(old, (0, 0))
    (left / ".lock").touch()
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    other = Path(held.stdout.readline().strip())
    upload.sweep()
    assert sorted(tmp_path.iterdir()) == sorted([new, other]), "the one that runs, and one that just begins"
    held.kill()
    held.wait()
    upload.sweep()
    assert list(tmp_path.iterdir()) == [new]


def test_a_service_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with TestClient(Served(tmp_path).app) as client:
        assert client.post("/v1/predict", content=play(tmp_path / "a.wav").read_bytes()).status_code == 200
        assert [path.name for path in (tmp_path / "temporary").glob("*/*")] == [".lock"]
    assert list((tmp_path / "temporary").iterdir()) == []
