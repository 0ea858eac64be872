"""A service killed in the middle of requests, and the one that takes its place."""

import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from ostinato.io.files import write_json
from ostinato.recommendation.catalog import SKIPPED, Catalog
from serving.served_project import Served, play

REQUESTS = 12
PARAMS = Path(__file__).parents[2] / "params.yaml"


@contextmanager
def service(project, folder):
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=project, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)}
    )
    try:
        yield process, process.stderr.readline().strip()
    finally:
        process.kill()
        process.wait()


def predict(address, path):
    return httpx.post(f"{address}v1/predict", params={"embedding": True}, content=path.read_bytes(), timeout=60)


def half_sent(address, folder):
    """Announce a file, send half of it, and wait until the service has begun to write it."""
    where = urlsplit(address)
    sender = socket.create_connection((where.hostname, where.port))
    sender.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n" + b"\0" * 10_000)
    while not any(folder.glob("*/*/upload")):
        time.sleep(0.01)
    return sender


def test_a_killed_service_leaves_nothing_behind_and_answers_as_before(tmp_path):
    """It dies while one file comes and others are read: more than two are there only if they wait for each other."""
    uploads, song = tmp_path / "uploads", play(tmp_path / "a.wav", 60.0)
    uploads.mkdir()
    Served(tmp_path / "models").catalog()
    (tmp_path / "models" / "catalog").rename(tmp_path / "models" / "released" / "catalog")
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    with service(tmp_path, uploads) as (process, address), ThreadPoolExecutor(REQUESTS) as pool:
        before = predict(address, song).json()
        sender = half_sent(address, uploads)
        running = [pool.submit(predict, address, song) for _ in range(REQUESTS)]
        while len(list(uploads.glob("ostinato*/*/"))) < 3 and not all(r.done() for r in running):
            time.sleep(0.001)
        process.kill()
        process.wait()
        sender.close()
        assert any(isinstance(r.exception(), httpx.TransportError) for r in running)
    assert len(list(uploads.glob("ostinato*/*/"))) >= 3, "it was killed in the middle"
    with service(tmp_path, uploads) as (_, address):
        assert predict(address, song).json() == before
        (own,) = uploads.glob("ostinato*")
        assert [path.name for path in own.iterdir()] == [".lock"]
        assert httpx.get(f"{address}healthz").json() == {"status": "ok", "models": 2, "catalog": 6}
    assert before["embedding"]


def test_a_service_without_a_model_says_so_as_it_starts(tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    with service(tmp_path, tmp_path) as (process, address):
        assert httpx.get(f"{address}healthz").status_code == 503
        assert process.stderr.readline().startswith(f"{tmp_path / 'models' / 'released'}: no model yet")


def test_a_service_before_the_first_catalog_gives_the_pipeline_s_reason(tmp_path):
    """And does not serve what the pipeline made later, until it is released."""
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    made = tmp_path / "models" / "catalog"
    write_json(made / SKIPPED, {"skipped": "net: sure_gain -0.1490 is below 0", "mend": "lower gate.space"})
    with service(tmp_path, tmp_path) as (_, address):
        refused = httpx.get(f"{address}v1/tracks")
        assert refused.status_code == 503
        reason = refused.json()["detail"]
        assert reason == "no space is accepted for recommendations: net: sure_gain -0.1490 is below 0; lower gate.space"
        (made / SKIPPED).unlink()
        Catalog(["a"], np.ones((1, 2)), version="0").save(made)
        assert httpx.get(f"{address}v1/tracks").json()["detail"].startswith("holds no catalog; run `dvc repro")
