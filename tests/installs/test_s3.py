"""Releases at two sites by way of S3: pushed, verified and pulled by an installation of ``[remote]`` and s3fs."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from installs.test_fresh import CLEAN, distributions, find_python, install, place, released_root, run  # noqa: F401
from ostinato.io.files import write_json

pytestmark = pytest.mark.slow

TARGET = "s3://bucket/site/models"
START_SECONDS = 120


@pytest.fixture(scope="module")
def programs(place, distributions) -> Path:  # noqa: F811
    """Install ``[remote]``, the s3fs of its fsspec, and moto, which stands for S3."""
    environment = place / "s3"
    run(find_python("3.11"), "-m", "venv", environment)
    programs = install(environment, "remote.lock", distributions)
    version = run(programs / "python", "-c", "import fsspec; print(fsspec.__version__)").stdout.strip()
    run(programs / "pip", "install", "--quiet", f"s3fs=={version}", "moto[server]")
    return programs


@pytest.fixture(scope="module")
def variables(programs) -> Iterator[dict[str, str]]:
    """Start moto and make a bucket; return the variables with which boto finds it, credentials among them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    named = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    environment = CLEAN | named | {"AWS_ENDPOINT_URL": url}
    command = [programs / "moto_server", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + START_SECONDS
            while time.monotonic() < end:
                try:
                    urllib.request.urlopen(f"{url}/moto-api/").close()
                    break
                except OSError:
                    time.sleep(0.2)
            run(programs / "python", "-c", "import s3fs; s3fs.S3FileSystem().mkdir('bucket')", env=environment)
            yield environment
        finally:
            server.terminate()


def read_all(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their paths in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_release_goes_to_s3_and_serves_at_a_second_site(
    place,  # noqa: F811
    released_root,  # noqa: F811
    programs,
    variables,
) -> None:
    here, there = place / "first site", place / "second site"
    shutil.copytree(released_root / "released" / "genre", here / "models" / "released" / "genre" / "1")
    write_json(here / "models" / "released" / "genre" / "current.json", {"version": 1, "newest": 1, "hold": False})
    there.mkdir()

    def ostinato(*arguments: object, site: Path) -> subprocess.CompletedProcess[str]:
        command = [programs / "ostinato", *map(str, arguments)]
        return subprocess.run(command, cwd=site, env=variables, capture_output=True, text=True)

    pushed = ostinato("push", TARGET, site=here)
    assert (pushed.returncode, "genre: version 1" in pushed.stdout) == (0, True), pushed.stderr
    pulled = ostinato("pull", TARGET, site=there)
    assert (pulled.returncode, "genre: version 1" in pulled.stdout) == (0, True), pulled.stderr
    assert read_all(there / "models") == read_all(here / "models")
    [row] = json.loads(ostinato("releases", "--json", site=there).stdout)
    assert (row["task"], row["version"], row["in_service"], row["damage"]) == ("genre", 1, True, None)
    answer = ostinato("predict", released_root / "music" / "tone 0.wav", "--json", site=there)
    assert json.loads(answer.stdout)["task"] == "genre"

    write = "import s3fs; s3fs.S3FileSystem().pipe('bucket/site/models/genre/1/network.onnx', b'other bytes')"
    run(programs / "python", "-c", write, env=variables)
    third = place / "third site"
    third.mkdir()
    refused = ostinato("pull", TARGET, site=third)
    assert refused.returncode == 2
    assert "network.onnx" in refused.stderr
    assert not (third / "models" / "released" / "genre" / "current.json").exists()
    stranger = ostinato("pull", "s3://elsewhere/models", site=third)
    assert stranger.returncode == 2
    assert len(stranger.stderr.splitlines()) == 1
