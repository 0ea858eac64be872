"""Who may ask: names, origins, keys, and addresses that other machines reach."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from ostinato.core.params.schema import Dataset, Serve
from ostinato.core.paths import Paths
from ostinato.datasets import dataset_root
from ostinato.errors import OstinatoError
from ostinato.serving import run
from ostinato.serving.app import application
from serving.served_project import KEY, Served

PARAMS = Path(__file__).parents[2] / "params.yaml"
DATASET = Dataset(name="synthetic")
OTHER = "http://elsewhere.example"
SITE, MODE, DEST = "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
ROUTES = [("GET", "/v1/tracks"), ("GET", "/v1/audio?track=tone1"), ("POST", "/v1/recommend"), ("GET", "/metrics")]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served"))
    served.catalog()
    app = application(served.releases, served.root / "catalog", served.sounds)
    with TestClient(app, "http://localhost:8000") as client:
        yield client


def ask(client, method, route, **headers):
    body = {"tracks": ["tone1"]} if method == "POST" else None
    return client.request(method, route, json=body, headers=headers).status_code


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_only_names_of_the_service_are_answered(client, method, route):
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
        assert ask(client, method, route, Host=host) == 200, host
    for host in ("elsewhere.example", "localhost.elsewhere.example:8000", "127.0.0.1.elsewhere.example", ""):
        assert ask(client, method, route, Host=host) == 400, host


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_pages_of_other_origins_are_refused(client, method, route):
    """Another port of this machine is the same site and another origin."""
    assert ask(client, method, route) == 200, "a program"
    assert ask(client, method, route, Origin="http://localhost:8000") == 200
    assert ask(client, method, route, **{SITE: "same-origin", "Origin": "http://localhost:8000"}) == 200
    assert ask(client, method, route, **{SITE: "none"}) == 200, "typed into the browser"
    for origin in (OTHER, "http://localhost:3000", "https://localhost:8001", "null", "file://"):
        assert ask(client, method, route, Origin=origin) == 403, origin
    for site in ("cross-site", "same-site"):
        assert ask(client, method, route, **{SITE: site, MODE: "no-cors", DEST: "audio"}) == 403
        assert ask(client, method, route, **{SITE: site, MODE: "navigate", DEST: "document"}) == 403


def test_a_link_leads_to_the_page_and_no_frame_shows_it(client):
    link = {SITE: "cross-site", MODE: "navigate", DEST: "document"}
    assert ask(client, "GET", "/", **link) == 200
    assert ask(client, "GET", "/", **link | {DEST: "iframe"}) == 403
    assert ask(client, "POST", "/", **link) == 403
    policy = client.get("/").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    for route in ("/", "/v1/tracks", "/v1/other"):
        answer = client.get(route)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_an_origin_behind_a_proxy_with_tls_is_the_same(tmp_path):
    served = Served(tmp_path)
    app = application(served.releases, tmp_path / "catalog", tmp_path, allowed_hosts=["music.example"])
    with TestClient(app, "http://music.example") as client:
        assert ask(client, "GET", "/v1/models", Origin="https://music.example") == 200
        assert ask(client, "GET", "/v1/models", Origin="https://music.example:8443") == 403


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "is empty"),
        ("   ", "has spaces"),
        ("open-sesame-open-sesame\n", "has spaces, line breaks"),
        ("schlüssel-schlüssel", "beyond ASCII"),
        ("short", "has 5 characters"),
    ],
)
def test_a_key_that_guards_nothing_is_refused_at_start(tmp_path, monkeypatch, key, reason):
    with pytest.raises(OstinatoError, match=reason):
        application(tmp_path, tmp_path, tmp_path, api_key=key)
    monkeypatch.setenv("OSTINATO_API_KEY", key)
    with pytest.raises(OstinatoError, match=f"OSTINATO_API_KEY .*{reason}.*secrets.token_urlsafe"):
        start(tmp_path, monkeypatch)


class Stop(Exception):
    """Instead of listening."""


def start(root, monkeypatch, *, params=None, **options):
    """Return what the application is made with."""
    made = []

    def stop(*arguments):
        made.extend(arguments)
        raise Stop

    monkeypatch.setattr(run, "application", stop)
    given = SimpleNamespace(serve=params or Serve(), dataset=DATASET)
    with pytest.raises(Stop):
        run.serve(Paths(root), given, **options)
    return made


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_an_address_that_others_reach_needs_a_key_or_a_word(tmp_path, monkeypatch, host):
    monkeypatch.delenv("OSTINATO_API_KEY", raising=False)
    with pytest.raises(OstinatoError, match=r"no API key.*--allow-anonymous"):
        start(tmp_path, monkeypatch, host=host)
    with pytest.raises(OstinatoError, match="no API key"):
        start(tmp_path, monkeypatch, params=Serve(host=host))
    assert start(tmp_path, monkeypatch, host=host, allow_anonymous=True)[4] is None
    assert start(tmp_path, monkeypatch, host=host, params=Serve(allow_anonymous=True))[4] is None
    monkeypatch.setenv("OSTINATO_API_KEY", KEY)
    assert start(tmp_path, monkeypatch, host=host)[4] == KEY


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_the_machine_itself_needs_none(tmp_path, monkeypatch, host):
    monkeypatch.delenv("OSTINATO_API_KEY", raising=False)
    made = start(tmp_path, monkeypatch, host=host)
    assert made[:3] == [
        Paths(tmp_path).releases,
        Paths(tmp_path).releases / "catalog",
        dataset_root(Paths(tmp_path), DATASET),
    ]
    assert made[5] == ["localhost", "127.0.0.1", "[::1]"]


def test_names_are_added_by_params_and_by_the_option(tmp_path, monkeypatch):
    params = Serve(allowed_hosts=["music.example"])
    names = start(tmp_path, monkeypatch, params=params, allowed_hosts=["*.home.example"])[5]
    assert names[3:] == ["music.example", "*.home.example"]
    monkeypatch.setenv("OSTINATO_API_KEY", KEY)
    assert "192.0.2.1" in start(tmp_path, monkeypatch, host="192.0.2.1")[5]
    for wrong in ("http://music.example", "music.example:8000", "a b", "", "a.*"):
        with pytest.raises(OstinatoError, match="is not a host name"):
            start(tmp_path, monkeypatch, allowed_hosts=[wrong])


def test_the_command_line_says_who_can_ask(tmp_path):
    shutil.copyfile(PARAMS, tmp_path / "params.yaml")
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0", "--host", "0.0.0.0"]
    environment = {k: v for k, v in os.environ.items() if k != "OSTINATO_API_KEY"}
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=60)
    assert refused.returncode == 2
    assert "other machines can reach it, and there is no API key" in refused.stderr
    command += ["--allow-anonymous", "--allowed-host", "music.example"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        address, names, warning = (process.stderr.readline() for _ in range(3))
    finally:
        process.kill()
        process.wait()
    assert address.startswith("http://0.0.0.0:")
    assert "music.example" in names
    assert warning.startswith("warning: anyone who reaches 0.0.0.0 can use it")
