"""The service's log as JSON: an object for each event and request, without what the request held."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from serving.served_project import Served


def test_each_request_is_an_object_and_every_line_is_one(tmp_path) -> None:
    served = Served(tmp_path)
    command = [sys.executable, "-m", "ostinato", "serve", "--port", "0", "--models", str(served.releases)]
    with subprocess.Popen(
        [*command, "--log-format", "json"], cwd=tmp_path, env=dict(os.environ), stderr=subprocess.PIPE, text=True
    ) as process:
        url = json.loads(process.stderr.readline())["message"]
        assert urllib.request.urlopen(f"{url}healthz").status == 200
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}v1/tracks?query=secret")
        process.terminate()
        entries = [json.loads(line) for line in process.stderr.read().splitlines()]
    requests = [entry for entry in entries if entry["message"] == "request"]
    seen = [(entry["method"], entry["route"], entry["status"]) for entry in requests]
    assert seen == [("GET", "/healthz", 200), ("GET", "/v1/tracks", 503)]
    assert all(
        entry["level"] == "info" and entry["seconds"] >= 0 and entry["time"].endswith("+00:00") for entry in requests
    )
    assert "secret" not in json.dumps(entries)
